//! Threads beside the loop, for what would hold it up. Knows nothing of loops: who made a pool tells it whom to wake.
//!
//! A [`Pool`] has a queue, first in, first out and without a limit, and threads that are started when a job finds none
//! free, up to a maximum, and that end when they had nothing to do for a while. A [`Job`](job) is one allocation, seen
//! by the pool as something to run and by its handle ([`Join`]) as something that will have an outcome.
//!
//! # Who wakes whom
//!
//! At most one thread is on its way to the queue: one is called, or started, for a job only if none is, and a thread that
//! takes a job and leaves others calls the next before it begins. So as many come as find a job, and a batch of small
//! jobs does not wake all.
//!
//! A thread that has run a job first counts itself free and then wakes the waiter, so that a waiter who submits the next
//! job at once finds it free and no second thread is started. (A foreign waker may take its time: that one is woken first.)
//! Waking a task of ours from here is a push onto its home's inbox, and a system call only if the loop is parked and
//! nobody else woke it: many outcomes, one wake-up.
//!
//! # Short waits
//!
//! To sleep and be woken costs two system calls, and tens of microseconds where the processor went to sleep too. So a
//! thread without a job, and a loop that waits for one, look around for a [`MOMENT`] first, as long as that is not in vain
//! (see [`Patience`]). They do not give way meanwhile: on a busy machine that costs a whole slice of time.
//!
//! # The end
//!
//! [`Pool::close`] takes out what has not begun, tells the threads to end when the queue is empty, and waits for them up
//! to a limit. Jobs that are marked to *stay* (buffered data of files) are left in the queue. A thread that is stuck is
//! left behind with its job, whose outcome goes where any other goes: to the handle, or to nobody.
//!
//! No lock is held while foreign code runs: closures, wakers, the drop of either or of an outcome.

mod job;
mod patience;
mod worker;

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(crate) use job::Join;
pub(crate) use patience::{MOMENT, Patience};

use slab::Slab;

use self::job::{Job, Work};
use crate::executor::Origin;
use crate::executor::task::{Payload, Seed};

/// How a pool is set up.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// At least one.
    pub(crate) max_threads: usize,
    pub(crate) keep_alive: Duration,
    /// Threads are called so, with a number.
    pub(crate) thread_name: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_threads: 64,
            keep_alive: Duration::from_secs(10),
            thread_name: "monoloop".to_owned(),
        }
    }
}

/// Who is told of what nobody awaits. Called on any thread.
pub(crate) trait Hook: Send + Sync {
    /// A job panicked, or the drop of what it captured or gave, and its handle is gone.
    fn job_panicked(&self, seed: Seed, payload: Payload);
    /// A foreign waker panicked.
    fn waker_panicked(&self, payload: Payload);
}

/// What was left when a pool was closed.
#[derive(Default)]
pub(crate) struct Left {
    /// Jobs that had not begun, and will not.
    pub(crate) unstarted: Vec<Seed>,
    /// Jobs that still run.
    pub(crate) stuck: Vec<Seed>,
}

/// What is kept for a job while it has not ended.
pub(crate) type Guard = Box<dyn Any + Send>;

/// A queue of jobs and the threads that run them.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    /// Threads do not survive a fork: in the child there is nobody to wait for.
    origin: Origin,
}

struct Shared {
    config: Config,
    hook: Arc<dyn Hook>,
    state: Mutex<State>,
    /// A job came since a thread found none, or the pool was closed: for who looks without the lock.
    has_news: AtomicBool,
    /// There is a job, or the pool is closed.
    work: Condvar,
    /// A thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Entry>,
    /// Jobs that were ever submitted.
    submitted: u64,
    /// Threads that have not ended.
    threads: usize,
    /// Threads that look for a job, or will before they sleep.
    idle: usize,
    /// Those of them that sleep, and were not called.
    asleep: usize,
    /// Calls that no thread has heard yet.
    called: usize,
    workers: Slab<Place>,
    /// The thread that ended last: the next one joins it, and `close` the last.
    last_ended: Option<JoinHandle<()>>,
    /// Threads that were ever started.
    started: u64,
    is_closed: bool,
}

/// A thread that has not ended.
struct Place {
    thread: JoinHandle<()>,
    /// The job that it runs.
    running: Option<Seed>,
}

impl State {
    /// What runs.
    fn running(&self) -> impl Iterator<Item = Seed> {
        self.workers.iter().filter_map(|(_, worker)| worker.running)
    }
}

/// A job that waits for a thread.
struct Entry {
    /// Ascending in the queue.
    number: u64,
    work: Arc<dyn Work>,
    /// Not taken out when the pool is closed.
    stays: bool,
    /// Dropped with the entry.
    _guard: Option<Guard>,
}

impl Pool {
    pub(crate) fn new(config: Config, hook: Arc<dyn Hook>) -> Self {
        let shared = Shared {
            config,
            hook,
            state: Mutex::default(),
            has_news: AtomicBool::new(false),
            work: Condvar::new(),
            ended: Condvar::new(),
        };
        Self { shared: Arc::new(shared), origin: Origin::here() }
    }

    /// Whether this is the process that made the pool: elsewhere it has no threads.
    fn is_here(&self) -> bool {
        self.origin.is_here()
    }

    /// Queues a closure. On a pool that is closed it is dropped, and the outcome is that it was cancelled.
    ///
    /// # Errors
    ///
    /// If there is no thread and none can be started; the closure is dropped.
    pub(crate) fn submit<F, T>(
        &self,
        run: F,
        seed: Seed,
        stays: bool,
        guard: Option<Guard>,
    ) -> io::Result<Join<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let job = Arc::new(Job::new(run, seed, Arc::clone(&self.shared.hook)));
        let work: Arc<dyn Work> = Arc::clone(&job) as _;
        let number = self.shared.push(work, stays, guard)?;
        Ok(Join::new(job, Arc::downgrade(&self.shared), number))
    }

    /// Lets no job begin that does not stay, and waits for the others and the threads until `deadline`. In the process
    /// that made the pool, that is: elsewhere there are no threads.
    pub(crate) fn close(&self, deadline: Option<Instant>) -> Left {
        let mut left = Left::default();
        let unstarted = self.shared.shut();
        if self.is_here() {
            self.shared.work.notify_all();
            cancel(unstarted, &mut left.unstarted);
            self.shared.wait_for_threads(deadline);
        } else {
            cancel(unstarted, &mut left.unstarted);
        }
        let mut state = self.shared.lock();
        left.stuck = state.running().collect();
        let late = std::mem::take(&mut state.queue);
        let workers = std::mem::take(&mut state.workers);
        let last = state.last_ended.take();
        let are_over = state.threads == 0;
        drop(state);
        cancel(late, &mut left.unstarted);
        if are_over {
            // They have nothing left to do but to end.
            workers.into_iter().for_each(|(_, worker)| drop(worker.thread.join()));
            last.into_iter().for_each(|thread| drop(thread.join()));
        }
        left
    }
}

/// Drops what the entries captured; a panic of that goes to the hook.
fn cancel(entries: VecDeque<Entry>, seeds: &mut Vec<Seed>) {
    for entry in entries {
        if entry.work.cancel() {
            seeds.push(entry.work.seed());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a job, and finds it a thread.
    fn push(
        self: &Arc<Self>,
        work: Arc<dyn Work>,
        stays: bool,
        guard: Option<Guard>,
    ) -> io::Result<u64> {
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            work.cancel();
            return Ok(0);
        }
        state.submitted += 1;
        let number = state.submitted;
        state.queue.push_back(Entry { number, work, stays, _guard: guard });
        self.has_news.store(true, Ordering::Relaxed);
        match self.call_thread(&mut state) {
            Err(error) if state.threads == 0 => {
                let entry = state.queue.pop_back();
                drop(state);
                if let Some(entry) = entry {
                    entry.work.cancel();
                }
                return Err(error);
            }
            Ok(true) => {
                drop(state);
                self.work.notify_one();
            }
            _ => {}
        }
        Ok(number)
    }

    /// There are jobs: finds them a thread, unless one is on its way. True: notify one that sleeps.
    ///
    /// # Errors
    ///
    /// If none sleeps and none can be started.
    fn call_thread(self: &Arc<Self>, state: &mut State) -> io::Result<bool> {
        if state.idle > state.asleep {
            return Ok(false);
        }
        if state.asleep > 0 {
            state.asleep -= 1;
            state.called += 1;
            return Ok(true);
        }
        if state.threads < self.config.max_threads {
            worker::start(self, state)?;
        }
        Ok(false)
    }

    /// Takes a job out that was cancelled.
    fn forget(&self, number: u64) {
        let mut state = self.lock();
        let place = state.queue.binary_search_by_key(&number, |entry| entry.number);
        let entry = place.ok().and_then(|place| state.queue.remove(place));
        drop(state);
        drop(entry);
    }

    /// Takes out what has not begun and does not stay.
    fn shut(&self) -> VecDeque<Entry> {
        let mut state = self.lock();
        state.is_closed = true;
        self.has_news.store(true, Ordering::Relaxed);
        let (stay, go) = std::mem::take(&mut state.queue).into_iter().partition(|e| e.stays);
        state.queue = stay;
        go
    }

    fn wait_for_threads(&self, deadline: Option<Instant>) {
        let mut state = self.lock();
        while state.threads > 0 {
            state = match deadline {
                None => self.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Pool")
            .field("threads", &state.threads)
            .field("queued", &state.queue.len())
            .field("running", &state.running().count())
            .finish()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

#[cfg(test)]
mod tests;
