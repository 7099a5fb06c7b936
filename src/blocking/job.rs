//! A closure, and later its outcome.
//!
//! ```text
//!   Queued ──(a thread takes it)──> Running ──> Done ──(the handle takes it)──> Over
//!     │                                │
//!     └──(abort, drop, close)──> Cancelled     └──(nobody wants it)──> Over
//! ```

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};

use super::{Hook, Shared};
use crate::executor::JoinError;
use crate::executor::task::{Payload, Seed};

/// What the pool sees of a job.
pub(super) trait Work: Send + Sync {
    fn seed(&self) -> Seed;
    /// Runs the closure, unless it was cancelled. Gives who waits for that.
    fn run(&self) -> Option<Waker>;
    /// Drops the closure if it has not begun, and wakes who waits. False: it has begun, or was cancelled.
    fn cancel(&self) -> bool;
}

/// What the handle sees of a job.
trait Promise<T>: Work {
    /// Gives `None` if the outcome was taken.
    fn poll(&self, waker: &Waker) -> Poll<Option<Result<T, JoinError>>>;
    fn is_over(&self) -> bool;
    /// Takes the outcome, if it is there.
    fn take(&self) -> Option<Result<T, JoinError>>;
    /// Nobody wants the outcome. It, or the closure if `cancel`, is dropped: now, or by the thread that runs it.
    fn release(&self, cancel: bool) -> bool;
}

pub(super) struct Job<F, T> {
    seed: Seed,
    hook: Arc<dyn Hook>,
    state: Mutex<State<F, T>>,
}

struct State<F, T> {
    stage: Stage<F, T>,
    /// Who waits for the outcome.
    waker: Option<Waker>,
    /// The handle is there.
    is_wanted: bool,
}

enum Stage<F, T> {
    Queued(F),
    Running,
    Done(Result<T, Payload>),
    Cancelled,
    /// The outcome was taken, or nobody wanted it.
    Over,
}

impl<F, T> Job<F, T> {
    pub(super) fn new(run: F, seed: Seed, hook: Arc<dyn Hook>) -> Self {
        let state = State { stage: Stage::Queued(run), waker: None, is_wanted: true };
        Self { seed, hook, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State<F, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes from `Queued` to `next`.
    fn leave_queue(&self, next: Stage<F, T>) -> Option<F> {
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Queued(_)) {
            return None;
        }
        match mem::replace(&mut state.stage, next) {
            Stage::Queued(run) => Some(run),
            _ => unreachable!("it is queued"),
        }
    }

    /// Drops a value of the user's; a panic of that nobody joins.
    fn discard<V>(&self, value: V) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
            self.hook.job_panicked(self.seed, payload);
        }
    }

    fn discard_outcome(&self, outcome: Result<T, Payload>) {
        match outcome {
            Ok(output) => self.discard(output),
            Err(payload) => self.hook.job_panicked(self.seed, payload),
        }
    }

    /// The outcome, if the job is over; the second time, never.
    fn take_from(&self, mut state: MutexGuard<'_, State<F, T>>) -> Option<Result<T, JoinError>> {
        match mem::replace(&mut state.stage, Stage::Over) {
            Stage::Done(Ok(output)) => Some(Ok(output)),
            Stage::Done(Err(payload)) => Some(Err(JoinError::of_job(&self.seed, Some(payload)))),
            Stage::Cancelled => Some(Err(JoinError::of_job(&self.seed, None))),
            other => {
                state.stage = other;
                None
            }
        }
    }
}

impl<F, T> Work for Job<F, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    fn seed(&self) -> Seed {
        self.seed
    }

    fn run(&self) -> Option<Waker> {
        let run = self.leave_queue(Stage::Running)?;
        let outcome = catch_unwind(AssertUnwindSafe(run));
        let mut state = self.lock();
        if state.is_wanted {
            state.stage = Stage::Done(outcome);
            return state.waker.take();
        }
        state.stage = Stage::Over;
        drop(state);
        self.discard_outcome(outcome);
        None
    }

    fn cancel(&self) -> bool {
        let Some(run) = self.leave_queue(Stage::Cancelled) else { return false };
        let waker = self.lock().waker.take();
        self.discard(run);
        if let Some(waker) = waker {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                self.hook.waker_panicked(payload);
            }
        }
        true
    }
}

impl<F, T> Promise<T> for Job<F, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    fn poll(&self, waker: &Waker) -> Poll<Option<Result<T, JoinError>>> {
        let state = self.lock();
        let is_waiting = matches!(state.stage, Stage::Queued(_) | Stage::Running);
        if is_waiting && state.waker.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            return Poll::Pending;
        }
        if !is_waiting {
            return Poll::Ready(self.take_from(state));
        }
        drop(state);
        // Cloned before the lock is taken, and the old one is dropped after: both are foreign code.
        let new = waker.clone();
        let mut state = self.lock();
        if matches!(state.stage, Stage::Queued(_) | Stage::Running) {
            let _old = state.waker.replace(new);
            drop(state);
            return Poll::Pending;
        }
        Poll::Ready(self.take_from(state))
    }

    fn is_over(&self) -> bool {
        !matches!(self.lock().stage, Stage::Queued(_) | Stage::Running)
    }

    fn take(&self) -> Option<Result<T, JoinError>> {
        self.take_from(self.lock())
    }

    fn release(&self, cancel: bool) -> bool {
        let mut state = self.lock();
        state.is_wanted = false;
        let waker = state.waker.take();
        let done = match mem::replace(&mut state.stage, Stage::Over) {
            Stage::Done(outcome) => Some(outcome),
            other => {
                state.stage = other;
                None
            }
        };
        drop(state);
        drop(waker);
        if let Some(outcome) = done {
            self.discard_outcome(outcome);
        }
        cancel && self.cancel()
    }
}

/// A job's handle. Dropped, it takes a job that has not begun out of the queue.
pub(crate) struct Join<T> {
    job: Arc<dyn Promise<T>>,
    /// Gone with its loop, the pool has no queue.
    pool: Weak<Shared>,
    number: u64,
    /// The job goes on without.
    is_detached: bool,
}

impl<T> Join<T> {
    pub(super) fn new<F>(job: Arc<Job<F, T>>, pool: Weak<Shared>, number: u64) -> Self
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Self { job, pool, number, is_detached: false }
    }

    pub(crate) fn seed(&self) -> Seed {
        self.job.seed()
    }

    /// Gives `None` if the outcome was taken.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Option<Result<T, JoinError>>> {
        self.job.poll(waker)
    }

    pub(crate) fn take(&self) -> Option<Result<T, JoinError>> {
        self.job.take()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.job.is_over()
    }

    /// Takes the job out of the queue. False: it has begun, or is over.
    pub(crate) fn cancel(&self) -> bool {
        let is_cancelled = self.job.cancel();
        if is_cancelled {
            self.forget();
        }
        is_cancelled
    }

    /// Lets the job run on by itself.
    pub(crate) fn detach(mut self) {
        self.is_detached = true;
    }

    fn forget(&self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.forget(self.number);
        }
    }
}

impl<T> Drop for Join<T> {
    fn drop(&mut self) {
        if self.job.release(!self.is_detached) {
            self.forget();
        }
    }
}
