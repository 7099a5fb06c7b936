//! One thread of a pool.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread;

use super::{Entry, Shared, State};

/// Starts a thread, which is idle at first.
pub(super) fn start(shared: &Arc<Shared>, state: &mut State) -> io::Result<()> {
    let number = state.started + 1;
    let worker = Worker { shared: Arc::clone(shared), number };
    let thread = thread::Builder::new()
        .name(format!("{}-{number}", shared.config.thread_name))
        .spawn(move || worker.run())?;
    state.started = number;
    state.threads += 1;
    state.idle += 1;
    state.handles.insert(number, thread);
    Ok(())
}

struct Worker {
    shared: Arc<Shared>,
    number: u64,
}

impl Worker {
    fn run(&self) {
        let mut state = self.shared.lock();
        loop {
            if let Some(entry) = state.queue.pop_front() {
                state.idle -= 1;
                state.running.insert(self.number, entry.work.seed());
                drop(state);
                self.serve(entry);
                state = self.shared.lock();
            } else if state.is_closed {
                break;
            } else {
                let is_bored;
                (state, is_bored) = self.sleep(state);
                if is_bored {
                    break;
                }
            }
        }
        self.end(state);
    }

    /// Runs a job, counts itself idle again, and then wakes who waits.
    fn serve(&self, entry: Entry) {
        let waker = entry.work.run();
        let mut state = self.shared.lock();
        state.running.remove(&self.number);
        state.idle += 1;
        drop(state);
        if let Some(waker) = waker {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                self.shared.hook.waker_panicked(payload);
            }
        }
        // With it goes the guard, after the wake: a virtual clock that is let go sees the waiter first.
        drop(entry);
    }

    /// Waits for a job. True: none came for as long as the thread is kept.
    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        state.asleep += 1;
        let waited = self.shared.work.wait_timeout(state, self.shared.config.keep_alive);
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        state.asleep -= 1;
        let is_bored = waited.timed_out() && state.queue.is_empty();
        (state, is_bored)
    }

    fn end(&self, mut state: MutexGuard<'_, State>) {
        state.idle -= 1;
        state.threads -= 1;
        let own = state.handles.remove(&self.number);
        // After `close` has given up there is nobody to join this one.
        let before = match own {
            Some(own) => state.last_ended.replace(own),
            None => None,
        };
        drop(state);
        self.shared.ended.notify_all();
        if let Some(before) = before {
            let _panicked = before.join();
        }
    }
}
