//! One thread of a pool.

use std::hint;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::{Entry, MOMENT, Patience, Place, Shared, State};
use crate::executor::task::Seed;
use crate::executor::wake::WakeRef;

/// Starts a thread, which is idle at first.
pub(super) fn start(shared: &Arc<Shared>, state: &mut State) -> io::Result<()> {
    let number = state.started + 1;
    let place = state.workers.vacant_entry();
    let worker =
        Worker { shared: Arc::clone(shared), place: place.key(), patience: Patience::default() };
    let thread = thread::Builder::new()
        .name(format!("{}-{number}", shared.config.thread_name))
        .spawn(move || worker.run())?;
    place.insert(Place { thread, running: None });
    state.started = number;
    state.threads += 1;
    state.idle += 1;
    Ok(())
}

struct Worker {
    shared: Arc<Shared>,
    /// Among the workers.
    place: usize,
    patience: Patience,
}

impl Worker {
    fn run(&self) {
        let mut state = self.shared.lock();
        loop {
            if let Some(entry) = state.queue.pop_front() {
                state.idle -= 1;
                self.now_runs(&mut state, Some(entry.work.seed()));
                let must_notify = !state.queue.is_empty() && self.call_next(&mut state);
                drop(state);
                if must_notify {
                    self.shared.work.notify_one();
                }
                self.serve(entry);
                state = self.shared.lock();
            } else if state.is_closed {
                break;
            } else {
                let is_bored;
                (state, is_bored) = self.wait(state);
                if is_bored {
                    break;
                }
            }
        }
        self.end(state);
    }

    /// Finds a thread for what is left. If none can be started, those that run come back.
    fn call_next(&self, state: &mut State) -> bool {
        self.shared.call_thread(state).unwrap_or(false)
    }

    /// Runs a job, counts itself idle again, and then wakes who waits; a foreign waker, which may block, before.
    fn serve(&self, entry: Entry) {
        let waker = entry.work.run().map(WakeRef::from_waker);
        let is_foreign = matches!(waker, Some(WakeRef::Foreign(_)));
        if !is_foreign {
            self.has_ended_job();
        }
        if let Some(Err(payload)) = waker.map(WakeRef::wake) {
            self.shared.hook.waker_panicked(payload);
        }
        if is_foreign {
            self.has_ended_job();
        }
        // With it goes the guard, after the wake: a virtual clock that is let go sees the waiter first.
        drop(entry);
    }

    /// After `close` has given up it has no place, and no other can get it: no thread is started then.
    fn now_runs(&self, state: &mut State, job: Option<Seed>) {
        if let Some(place) = state.workers.get_mut(self.place) {
            place.running = job;
        }
    }

    fn has_ended_job(&self) {
        let mut state = self.shared.lock();
        self.now_runs(&mut state, None);
        state.idle += 1;
    }

    /// Waits for a job. True: none came for as long as the thread is kept.
    fn wait<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        // Only the last one looks around.
        if state.idle == state.asleep + 1 && self.patience.is_there() {
            self.shared.has_news.store(false, Ordering::Relaxed);
            drop(state);
            self.patience.learn(self.look_around());
            state = self.shared.lock();
            if !state.queue.is_empty() || state.is_closed {
                return (state, false);
            }
        }
        self.sleep(state)
    }

    /// Waits a moment for news. Whether there are any.
    fn look_around(&self) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < MOMENT {
            if self.shared.has_news.load(Ordering::Relaxed) {
                return true;
            }
            hint::spin_loop();
        }
        false
    }

    /// Sleeps until it is called. True: it was not, for as long as the thread is kept.
    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        state.asleep += 1;
        let waited = self.shared.work.wait_timeout(state, self.shared.config.keep_alive);
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.called > 0 {
            // Another one may have been meant, who then finds no call and sleeps on.
            state.called -= 1;
            return (state, false);
        }
        state.asleep -= 1;
        let is_bored = waited.timed_out() && state.queue.is_empty();
        (state, is_bored)
    }

    fn end(&self, mut state: MutexGuard<'_, State>) {
        state.idle -= 1;
        state.threads -= 1;
        let own = state.workers.try_remove(self.place);
        // After `close` has given up there is nobody to join this one.
        let before = match own {
            Some(own) => state.last_ended.replace(own.thread),
            None => None,
        };
        drop(state);
        self.shared.ended.notify_all();
        if let Some(before) = before {
            let _panicked = before.join();
        }
    }
}
