//! Waiting, on any thread, for a task of a loop.
//!
//! A [`Bearer`] travels to the loop's thread with the closure and becomes an [`Errand`] there: a task that makes the
//! future, polls it, and leaves its outcome in a place behind a lock, which it shares with the [`RemoteJoin`]. A bearer
//! that is dropped before that, on its way or with its task, leaves word that there will be none.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::handle::{LoopClosed, Remote};
use crate::blocking::Hook;
use crate::executor::task::{Payload, Seed};
use crate::executor::{Incident, JoinError};

/// Makes both sides.
pub(super) fn pair<T>(remote: Arc<Remote>) -> (Bearer<T>, RemoteJoin<T>) {
    let state = State {
        outcome: None,
        is_over: false,
        is_aborted: false,
        is_wanted: true,
        waiter: None,
        task: None,
    };
    let place = Arc::new(Place { state: Mutex::new(state), over: Condvar::new(), remote });
    (Bearer { place: Arc::clone(&place), seed: None }, RemoteJoin { place })
}

/// What both sides share.
struct Place<T> {
    state: Mutex<State<T>>,
    /// The outcome is there.
    over: Condvar,
    remote: Arc<Remote>,
}

struct State<T> {
    outcome: Option<Outcome<T>>,
    is_over: bool,
    is_aborted: bool,
    /// The `RemoteJoin` is there.
    is_wanted: bool,
    /// Wakes who awaits the outcome.
    waiter: Option<Waker>,
    /// Wakes the task.
    task: Option<Waker>,
}

enum Outcome<T> {
    Done(T),
    Panicked(Seed, Payload),
    Cancelled(Seed),
    /// The closure did not get to the loop.
    Undelivered,
}

impl<T> Place<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the outcome, if it is the first. Gives it back if nobody wants it.
    fn leave(&self, outcome: Outcome<T>) -> Option<Outcome<T>> {
        let mut state = self.lock();
        if state.is_over {
            drop(state);
            return None;
        }
        state.is_over = true;
        let wakers = [state.waiter.take(), state.task.take()];
        let unwanted = if state.is_wanted {
            state.outcome = Some(outcome);
            None
        } else {
            Some(outcome)
        };
        drop(state);
        self.over.notify_all();
        let [waiter, _task] = wakers;
        if let Some(waiter) = waiter {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waiter.wake())) {
                self.remote.waker_panicked(payload);
            }
        }
        unwanted
    }

    fn take(&self, mut state: MutexGuard<'_, State<T>>) -> Option<Result<T, RemoteJoinError>> {
        let outcome = state.outcome.take()?;
        drop(state);
        Some(match outcome {
            Outcome::Done(output) => Ok(output),
            Outcome::Panicked(seed, payload) => {
                Err(RemoteJoinError::Task(JoinError::of_job(&seed, Some(payload))))
            }
            Outcome::Cancelled(seed) => Err(RemoteJoinError::Task(JoinError::of_job(&seed, None))),
            Outcome::Undelivered => Err(RemoteJoinError::LoopClosed(self.remote.gone())),
        })
    }
}

/// Sees to it that there is an outcome.
pub(super) struct Bearer<T> {
    place: Arc<Place<T>>,
    /// The task's, once there is one.
    seed: Option<Seed>,
}

impl<T> Bearer<T> {
    /// The task's future.
    pub(super) fn carry<M, F>(mut self, make: M, seed: Seed) -> Errand<M, F>
    where
        M: FnOnce() -> F,
        F: Future<Output = T>,
    {
        self.seed = Some(seed);
        Errand { stage: Stage::Unmade { make: Some(make) }, seed, bearer: self }
    }
}

impl<T> Drop for Bearer<T> {
    fn drop(&mut self) {
        let outcome = self.seed.map_or(Outcome::Undelivered, Outcome::Cancelled);
        drop(self.place.leave(outcome));
    }
}

pin_project! {
    /// The task.
    pub(super) struct Errand<M, F: Future> {
        #[pin]
        stage: Stage<M, F>,
        seed: Seed,
        // Dropped after the future: who waits learns of the end when it is the end.
        bearer: Bearer<F::Output>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<M, F> {
        Unmade { make: Option<M> },
        Made { #[pin] future: F },
        Over,
    }
}

impl<M, F> Stage<M, F>
where
    M: FnOnce() -> F,
    F: Future,
{
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if let StageProjection::Unmade { make } = self.as_mut().project() {
            let make = make.take().expect("a closure that panicked is not called again");
            self.set(Stage::Made { future: make() });
        }
        match self.project() {
            StageProjection::Made { future } => future.poll(cx),
            _ => unreachable!("it was made, and is not over"),
        }
    }
}

impl<M, F> Future for Errand<M, F>
where
    M: FnOnce() -> F,
    F: Future,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let place = &this.bearer.place;
        if !place.lock().is_aborted {
            match catch_unwind(AssertUnwindSafe(|| this.stage.as_mut().poll(cx))) {
                Ok(Poll::Pending) if place.wait_for_abort(cx) => return Poll::Pending,
                Ok(Poll::Pending) => (),
                Ok(Poll::Ready(output)) => {
                    this.stage.set(Stage::Over);
                    drop(place.leave(Outcome::Done(output)));
                    return Poll::Ready(());
                }
                Err(payload) => {
                    if let Some(Outcome::Panicked(_, payload)) =
                        place.leave(Outcome::Panicked(*this.seed, payload))
                    {
                        // Nobody joins it: it is the task's.
                        resume_unwind(payload);
                    }
                    return Poll::Ready(());
                }
            }
        }
        this.stage.set(Stage::Over);
        drop(place.leave(Outcome::Cancelled(*this.seed)));
        Poll::Ready(())
    }
}

impl<T> Place<T> {
    /// Has an abort wake the task. False: it was aborted meanwhile.
    fn wait_for_abort(&self, cx: &Context<'_>) -> bool {
        let state = self.lock();
        if state.is_aborted || state.task.as_ref().is_some_and(|kept| kept.will_wake(cx.waker())) {
            return !state.is_aborted;
        }
        drop(state);
        let new = cx.waker().clone();
        let mut state = self.lock();
        let _old = state.task.replace(new);
        let is_aborted = state.is_aborted;
        drop(state);
        !is_aborted
    }
}

/// Waits for a task of another thread's loop; made by [`Handle::spawn_with`](super::Handle::spawn_with).
///
/// It blocks a thread ([`join`](Self::join)) or is awaited, on any executor. Dropping it *detaches* the task: it runs on,
/// its output is dropped on the loop's thread, and its panic goes to the loop's error hook. An output that is there already
/// is dropped with the handle.
///
/// # Cancel safety
///
/// Nothing is lost by dropping a borrow of the handle (`&mut handle`) that was awaited: await it again.
///
/// # Panics
///
/// If it is polled after it gave its outcome.
#[doc(alias = "concurrent.futures.Future")]
#[must_use = "a dropped handle detaches its task: say so with `detach`"]
pub struct RemoteJoin<T> {
    place: Arc<Place<T>>,
}

/// The output is not pinned.
impl<T> Unpin for RemoteJoin<T> {}

impl<T> RemoteJoin<T> {
    /// Blocks this thread until the task is over, and gives what it returned. If another loop runs on this thread, its tasks
    /// stand still meanwhile.
    ///
    /// # Errors
    ///
    /// If the task panicked or was aborted, or the loop went before it began.
    ///
    /// # Panics
    ///
    /// On the loop's own thread, always: the loop could not run meanwhile, and this would wait for ever. Await the handle
    /// there, or use [`try_join`](Self::try_join).
    #[doc(alias = "result")]
    #[track_caller]
    pub fn join(mut self) -> Result<T, RemoteJoinError> {
        self.wait(None, "RemoteJoin::join").expect("there is no limit")
    }

    /// Does as [`join`](Self::join), for at most so long. `None`: the time is up; the task runs on, and the handle can be
    /// used again.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join), and if the outcome was taken before.
    #[track_caller]
    pub fn join_timeout(&mut self, limit: Duration) -> Option<Result<T, RemoteJoinError>> {
        self.wait(Instant::now().checked_add(limit), "RemoteJoin::join_timeout")
    }

    #[track_caller]
    fn wait(&mut self, end: Option<Instant>, what: &str) -> Option<Result<T, RemoteJoinError>> {
        if self.place.remote.is_own_thread() {
            panic!(
                "`{what}` called at {} on the thread of the task's own event loop, which would wait for itself for \
                 ever: `.await` the handle instead",
                Location::caller(),
            );
        }
        let mut state = self.place.lock();
        while !state.is_over {
            let over = &self.place.over;
            state = match end {
                None => over.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    over.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        match self.place.take(state) {
            Some(outcome) => Some(outcome),
            None => panic!("a `RemoteJoin` was asked for its outcome again"),
        }
    }

    /// Aborts the task, from any thread: when the loop gets to it, its future is dropped, unless it was ready before.
    /// If the task had not begun, it never does. False: it is over already.
    #[doc(alias = "cancel")]
    pub fn abort(&self) -> bool {
        let mut state = self.place.lock();
        let is_over = state.is_over;
        state.is_aborted = true;
        let task = state.task.take();
        drop(state);
        task.into_iter().for_each(Waker::wake);
        !is_over
    }

    /// Lets the task run on by itself, as dropping the handle does.
    pub fn detach(self) {
        drop(self);
    }

    /// Returns whether the task is over: nobody would wait.
    #[doc(alias = "done")]
    pub fn is_finished(&self) -> bool {
        self.place.lock().is_over
    }

    /// Takes the outcome if the task is over, without waiting; on any thread. `None`: it is not over, or the outcome was
    /// taken before.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn try_join(&mut self) -> Option<Result<T, RemoteJoinError>> {
        self.place.take(self.place.lock())
    }
}

impl<T> Future for RemoteJoin<T> {
    type Output = Result<T, RemoteJoinError>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Cloned before the lock is taken, and the old one is dropped after: both are foreign code.
        let waker = cx.waker().clone();
        let mut state = self.place.lock();
        if !state.is_over {
            let _old = state.waiter.replace(waker);
            drop(state);
            return Poll::Pending;
        }
        match self.place.take(state) {
            Some(outcome) => Poll::Ready(outcome),
            None => panic!("a `RemoteJoin` was polled after it gave its outcome"),
        }
    }
}

impl<T> Drop for RemoteJoin<T> {
    fn drop(&mut self) {
        let mut state = self.place.lock();
        state.is_wanted = false;
        let waiter = state.waiter.take();
        let outcome = state.outcome.take();
        drop(state);
        drop(waiter);
        if let Some(Outcome::Panicked(seed, payload)) = outcome {
            self.place.remote.report(move || Incident::Job(seed, payload));
        }
    }
}

impl<T> fmt::Debug for RemoteJoin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJoin")
            .field("loop", &self.place.remote.id())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// Why a task of another thread's loop gave no output.
#[derive(Debug)]
#[non_exhaustive]
pub enum RemoteJoinError {
    /// The task panicked, or was aborted or dropped with its loop.
    Task(JoinError),
    /// The loop went before the closure got there. It never ran.
    LoopClosed(LoopClosed),
}

impl RemoteJoinError {
    /// Returns whether the task was aborted, or went with its loop.
    #[doc(alias = "CancelledError")]
    pub fn is_cancelled(&self) -> bool {
        !self.is_panic()
    }

    /// Returns whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Task(error) if error.is_panic())
    }

    /// Returns the panic's payload, for [`std::panic::resume_unwind`].
    ///
    /// # Errors
    ///
    /// The error itself, if the task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self {
            Self::Task(error) => error.try_into_panic().map_err(Self::Task),
            closed => Err(closed),
        }
    }
}

impl fmt::Display for RemoteJoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(error) => error.fmt(f),
            Self::LoopClosed(error) => error.fmt(f),
        }
    }
}

impl Error for RemoteJoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Task(error) => error.source(),
            Self::LoopClosed(error) => error.source(),
        }
    }
}
