//! Work that runs on when its waiter goes away, and errors that somebody hears of.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::{AbortHandle, JoinHandle};
use crate::event_loop::{self, context};
use crate::executor;

/// What errors must convert into to be reported: all errors do, and boxed ones, and texts.
type Reported = Box<dyn Error>;

/// Runs a future as a task, so that dropping what this returns does not stop it: only the waiting ends.
///
/// It runs from now on, whether it is awaited or not. An error that nobody receives any more goes to the loop's error
/// hook ([`ErrorReport::TaskFailed`](crate::ErrorReport)), as a panic does. For a future that cannot fail, `spawn(..).await` is
/// a shield: a dropped handle detaches.
///
/// # Cancel safety
///
/// Nothing is lost but the output: the future runs on.
///
/// # Panics
///
/// If no loop runs on this thread. Awaiting it panics with the future's own panic, and if the loop dropped the task at
/// its end.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, io, rc::Rc, time::Duration};
/// use monoloop::{task::shield, time};
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let saved = Rc::new(Cell::new(false));
/// let flag = saved.clone();
/// let save = shield(async move {
///     time::sleep(Duration::from_secs(2)).await;
///     flag.set(true);
///     Ok::<_, io::Error>(())
/// });
/// assert!(time::timeout(Duration::from_secs(1), save).await.is_err());
/// time::sleep(Duration::from_secs(2)).await;
/// assert!(saved.get());
/// # });
/// ```
#[track_caller]
pub fn shield<F, T, E>(future: F) -> Shield<T, E>
where
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: Into<Reported> + 'static,
{
    let is_abandoned = Rc::new(Cell::new(false));
    let flag = Rc::clone(&is_abandoned);
    let shielded = async move {
        match future.await {
            Err(error) if flag.get() => {
                report_own(error);
                None
            }
            result => Some(result),
        }
    };
    let location = Location::caller();
    let seed = context::with("task::shield", |core| core.executor.seed(location));
    let (task, join) = executor::new_task(shielded, seed);
    context::with("task::shield", |core| core.executor.admit(task));
    Shield { handle: JoinHandle::new(join), is_abandoned }
}

/// The future of [`shield`].
#[must_use = "the future runs on, but its output is lost"]
pub struct Shield<T, E: Into<Reported>> {
    handle: JoinHandle<Option<Result<T, E>>>,
    /// The waiter is gone: the task reports its error itself.
    is_abandoned: Rc<Cell<bool>>,
}

impl<T, E: Into<Reported>> Shield<T, E> {
    /// Returns whether the future is through: awaiting would not wait.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl<T, E: Into<Reported>> Future for Shield<T, E> {
    type Output = Result<T, E>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match ready!(Pin::new(&mut self.handle).poll(cx)) {
            Ok(output) => {
                Poll::Ready(output.expect("an error is withheld only from a waiter who is gone"))
            }
            Err(error) => match error.try_into_panic() {
                Ok(payload) => resume_unwind(payload),
                Err(cancelled) => {
                    panic!("a `Shield` was awaited after its loop's end: {cancelled}")
                }
            },
        }
    }
}

impl<T, E: Into<Reported>> Drop for Shield<T, E> {
    fn drop(&mut self) {
        self.is_abandoned.set(true);
        if let Some(Err(error)) = self.handle.take_output().flatten() {
            event_loop::report_failure(self.handle.task_ref(), error.into());
        }
    }
}

impl<T, E: Into<Reported>> fmt::Debug for Shield<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").field("task", &self.handle).finish_non_exhaustive()
    }
}

/// Spawns a task that nobody joins. If it gives an error, that goes to the loop's error hook
/// ([`ErrorReport::TaskFailed`](crate::ErrorReport)) when the task ends; so does a panic.
///
/// # Panics
///
/// If no loop runs on this thread.
///
/// # Examples
///
/// ```
/// let event_loop = monoloop::EventLoop::builder()
///     .on_error(|report| assert!(report.to_string().ends_with("failed: no route")))
///     .build()
///     .unwrap();
/// event_loop.run(async {
///     monoloop::task::spawn_detached(async { Err("no route") });
///     monoloop::yield_now().await;
/// });
/// ```
#[track_caller]
pub fn spawn_detached<F, E>(future: F) -> AbortHandle
where
    F: Future<Output = Result<(), E>> + 'static,
    E: Into<Reported> + 'static,
{
    let reporting = async move {
        if let Err(error) = future.await {
            report_own(error);
        }
    };
    let location = Location::caller();
    let seed = context::with("task::spawn_detached", |core| core.executor.seed(location));
    let (task, join) = executor::new_task(reporting, seed);
    let handle = AbortHandle::new(join.task().clone());
    context::with("task::spawn_detached", |core| core.executor.admit(task));
    handle
}

/// Reports an error of the running task.
pub(crate) fn report_own(error: impl Into<Reported>) {
    let error = error.into();
    if let Some(task) = context::try_with(|core| core.executor.current()).flatten() {
        event_loop::report_failure(&task, error);
    }
}
