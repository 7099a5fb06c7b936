//! Tasks that begin at once.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::surroundings::outside;
use super::{JoinError, JoinHandle};
use crate::event_loop::context;
use crate::executor;

/// Spawns a task and polls it once, at once: what is ready then costs no turn of the loop.
///
/// The task is registered before it is polled: [`task::current`](super::current) is the new task, its waker is its own,
/// and it is a child of the task that spawned it. Nothing of the spawner's surroundings is in force: no task-local
/// values, no deadline, no group. If it is not ready it goes on like any other, and is polled when it is woken.
///
/// The order of first polls is no longer that of spawns: what is ready now runs after this task's first step.
///
/// A panic in the first poll is the task's: the spawner gets a handle that tells.
///
/// # Panics
///
/// If no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use monoloop::task::{Eager, spawn_eager};
///
/// # monoloop::run(async {
/// let cached = spawn_eager(async { 1 });
/// assert!(matches!(cached, Eager::Ready(1)));
/// let fetched = spawn_eager(async { monoloop::yield_now().await; 2 });
/// assert!(matches!(fetched, Eager::Spawned(_)));
/// assert_eq!(fetched.await.unwrap(), 2);
/// # });
/// ```
#[doc(alias = "eager_task_factory")]
#[track_caller]
pub fn spawn_eager<F>(future: F) -> Eager<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let location = Location::caller();
    let seed = context::with("task::spawn_eager", |core| core.executor.seed(location));
    let (task, join) = executor::new_task(future, seed);
    let mut task = Some(task);
    outside(&mut || {
        let task = task.take().expect("it is run once");
        context::with("task::spawn_eager", |core| core.executor.admit_eagerly(task));
    });
    let mut handle = JoinHandle::new(join);
    match handle.take_output() {
        Some(output) => Eager::Ready(output),
        None => Eager::Spawned(handle),
    }
}

/// What [`spawn_eager`] came to. Awaiting it gives the output either way, as a [`JoinHandle`] does.
#[must_use = "dropping a handle detaches its task, and an output may be an error"]
pub enum Eager<T> {
    /// The future was ready at once; the task is over.
    Ready(T),
    /// The task goes on, panicked, or was refused at the end of the loop.
    Spawned(JoinHandle<T>),
}

impl<T> Eager<T> {
    /// Returns whether the output is here.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    /// Gives the output.
    ///
    /// # Errors
    ///
    /// The handle, if it is not here.
    pub fn ready(self) -> Result<T, JoinHandle<T>> {
        match self {
            Self::Ready(output) => Ok(output),
            Self::Spawned(handle) => Err(handle),
        }
    }

    /// Returns the handle of a task that goes on.
    pub fn handle(&self) -> Option<&JoinHandle<T>> {
        match self {
            Self::Ready(_) => None,
            Self::Spawned(handle) => Some(handle),
        }
    }

    /// Lets a task that goes on run by itself; drops an output that is here.
    pub fn detach(self) {
        drop(self);
    }
}

impl<T> IntoFuture for Eager<T> {
    type Output = Result<T, JoinError>;
    type IntoFuture = EagerJoin<T>;

    fn into_future(self) -> EagerJoin<T> {
        EagerJoin { eager: Some(self) }
    }
}

impl<T: fmt::Debug> fmt::Debug for Eager<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(output) => f.debug_tuple("Ready").field(output).finish(),
            Self::Spawned(handle) => f.debug_tuple("Spawned").field(handle).finish(),
        }
    }
}

/// Awaits the output of an [`Eager`].
///
/// # Cancel safety
///
/// Dropping it detaches the task.
#[must_use = "futures do nothing unless they are awaited"]
pub struct EagerJoin<T> {
    /// `None` once it gave its output.
    eager: Option<Eager<T>>,
}

// The output is moved out, never pinned.
impl<T> Unpin for EagerJoin<T> {}

impl<T> Future for EagerJoin<T> {
    type Output = Result<T, JoinError>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.eager.take() {
            Some(Eager::Ready(output)) => Poll::Ready(Ok(output)),
            Some(Eager::Spawned(mut handle)) => {
                let polled = Pin::new(&mut handle).poll(cx);
                if polled.is_pending() {
                    self.eager = Some(Eager::Spawned(handle));
                }
                polled
            }
            None => panic!("an `EagerJoin` was polled after it gave its outcome"),
        }
    }
}

impl<T> fmt::Debug for EagerJoin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_ready = self.eager.as_ref().map(Eager::is_ready);
        f.debug_struct("EagerJoin").field("is_ready", &is_ready).finish()
    }
}
