//! Work that would hold the loop up, on threads beside it.

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{JoinError, TaskId};
use crate::blocking::Join;
use crate::event_loop::{Core, context};

/// Runs a closure, which may block, on a thread beside the loop that runs on this thread. It is handed over at once.
///
/// Each loop has threads of its own, started when they are needed, at most
/// [`Builder::blocking_threads`](crate::Builder::blocking_threads) of them, and ended after
/// [`Builder::blocking_keep_alive`](crate::Builder::blocking_keep_alive) without work. Jobs begin in the order in which
/// they were handed over. The queue has no limit: who may hand over more than fits into memory takes a
/// [`Semaphore`](crate::sync::Semaphore).
///
/// A job that has begun is never interrupted: there is no way to stop a thread. What may take long looks at a flag of its
/// own now and then.
///
/// At the end of the loop, jobs that have not begun are dropped, and those that run are waited for as long as the
/// [shutdown limit](crate::Builder::shutdown_limit) allows. The [`ShutdownReport`](crate::ShutdownReport) names both.
///
/// A [virtual clock](crate::Builder::virtual_time) does not jump while a job is queued or runs. So a job that waits for a
/// timer of its own loop waits for ever.
///
/// # Panics
///
/// If no loop runs on this thread, and if the operating system cannot start the first thread.
///
/// # Examples
///
/// ```
/// monoloop::run(async {
///     let sum = monoloop::spawn_blocking(|| (1..=1000).sum::<u32>());
///     // The loop goes on meanwhile.
///     assert_eq!(sum.await.unwrap(), 500_500);
/// });
/// ```
#[doc(alias = "run_in_executor")]
#[track_caller]
pub fn spawn_blocking<F, T>(run: F) -> BlockingJoin<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    start("spawn_blocking", run, Location::caller())
}

#[track_caller]
fn start<F, T>(what: &str, run: F, location: &'static Location<'static>) -> BlockingJoin<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match context::with_at(what, location, |core: &Core| core.submit(run, false, location)) {
        Ok(join) => BlockingJoin { join },
        Err(error) => panic!("`{what}` called at {location} cannot start a thread: {error}"),
    }
}

/// Awaits the end of a job and gives what it returned; made by [`spawn_blocking`].
///
/// Unlike a [`JoinHandle`](crate::JoinHandle), it is `Send`, may be awaited on any executor, and dropping it *cancels* a
/// job that has not begun: it never runs, and its closure is dropped at once. A job that runs goes on without its handle;
/// its output is then dropped on its thread, and its panic goes to the loop's error hook. An output that is there already
/// is dropped with the handle.
///
/// # Cancel safety
///
/// Nothing is lost by dropping a borrow of the handle (`&mut handle`) that was awaited: await it again.
///
/// # Panics
///
/// If it is polled after it gave its outcome.
///
/// # Examples
///
/// ```
/// monoloop::run(async {
///     let error = monoloop::spawn_blocking(|| -> u32 { panic!("no luck") }).await.unwrap_err();
///     assert!(error.is_panic());
/// });
/// ```
#[must_use = "dropping it cancels a job that has not begun: await it, or say `detach`"]
pub struct BlockingJoin<T> {
    join: Join<T>,
}

/// The output is not pinned.
impl<T> Unpin for BlockingJoin<T> {}

impl<T> BlockingJoin<T> {
    /// Cancels the job if it has not begun: it never runs, its closure is dropped, and awaiting the handle gives an error
    /// for which [`JoinError::is_cancelled`] is true. False: it runs, or is over, and the outcome stands.
    #[doc(alias = "cancel")]
    pub fn abort(&self) -> bool {
        self.join.cancel()
    }

    /// Lets the job begin and run by itself. A panic of it goes to the error hook.
    pub fn detach(self) {
        self.join.detach();
    }

    /// Returns whether the job is over: awaiting the handle would not wait.
    #[doc(alias = "done")]
    pub fn is_finished(&self) -> bool {
        self.join.is_over()
    }

    /// Returns the job's id. Jobs and tasks of a loop share their numbers.
    pub fn id(&self) -> TaskId {
        TaskId::of_job(&self.join.seed())
    }

    /// Takes the outcome if the job is over, without waiting. `None`: it is not over, or the outcome was taken before.
    ///
    /// # Errors
    ///
    /// As for awaiting: the job panicked or was cancelled.
    #[doc(alias = "result")]
    pub fn try_join(&mut self) -> Option<Result<T, JoinError>> {
        self.join.take()
    }
}

impl<T> Future for BlockingJoin<T> {
    type Output = Result<T, JoinError>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.join.poll(cx.waker()).map(|outcome| match outcome {
            Some(outcome) => outcome,
            None => panic!("a `BlockingJoin` was polled after it gave its outcome"),
        })
    }
}

impl<T> fmt::Debug for BlockingJoin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingJoin")
            .field("id", &self.id())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// Runs a closure on a thread beside the loop, once this is awaited, and gives what it returned.
///
/// [`spawn_blocking`] for those who wait at once: there is no handle, and a panic of the closure is resumed where it is
/// awaited.
///
/// # Cancel safety
///
/// Dropped before the closure has begun, it never runs. Dropped later, the closure runs on and its output is dropped on
/// its thread.
///
/// # Panics
///
/// As [`spawn_blocking`], when it is first polled; with the closure's own panic; and if it is polled on another executor
/// after its loop is gone.
///
/// # Examples
///
/// ```
/// use std::net::ToSocketAddrs;
/// use monoloop::task::unblock;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let mut addrs = unblock(|| "127.0.0.1:80".to_socket_addrs()).await?;
///     assert!(addrs.next().is_some());
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "to_thread")]
#[track_caller]
pub fn unblock<F, T>(run: F) -> Unblock<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Unblock { stage: Stage::Fresh(run), location: Location::caller() }
}

/// The future of [`unblock`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Unblock<F, T> {
    stage: Stage<F, T>,
    location: &'static Location<'static>,
}

enum Stage<F, T> {
    Fresh(F),
    Begun(BlockingJoin<T>),
    Over,
}

/// The closure is not pinned.
impl<F, T> Unpin for Unblock<F, T> {}

impl<F, T> Future for Unblock<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = T;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut join = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Fresh(run) => start("unblock", run, self.location),
            Stage::Begun(join) => join,
            Stage::Over => panic!("`Unblock` was polled after it gave its output"),
        };
        match Pin::new(&mut join).poll(cx) {
            Poll::Ready(Ok(output)) => Poll::Ready(output),
            Poll::Ready(Err(error)) => match error.try_into_panic() {
                Ok(payload) => resume_unwind(payload),
                Err(error) => panic!("{error}: its loop is gone"),
            },
            Poll::Pending => {
                self.stage = Stage::Begun(join);
                Poll::Pending
            }
        }
    }
}

impl<F, T> fmt::Debug for Unblock<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unblock")
            .field("has_begun", &matches!(self.stage, Stage::Begun(_)))
            .finish_non_exhaustive()
    }
}
