//! One call of the file system, on a thread beside the loop.

use std::fmt;
use std::future::Future;
use std::io;
use std::mem;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::blocking::Join;
use crate::event_loop::context;
use crate::executor::JoinError;

/// The future of a function of this module: does its work on a thread beside the loop, once it is awaited.
///
/// It borrows nothing and is `Send`, so it can be spawned, raced and kept.
///
/// # Cancel safety
///
/// If it is dropped before its work has begun, nothing has happened. Later, the work is done to its end on its thread, and
/// what it gave is dropped there: a file that was opened is closed.
///
/// # Errors
///
/// What the operating system says, or if it is first polled where no loop runs.
///
/// # Panics
///
/// If it is polled after it gave its outcome.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Operation<T> {
    stage: Stage<T>,
    what: &'static str,
    location: &'static Location<'static>,
}

enum Stage<T> {
    Fresh(Box<dyn FnOnce() -> io::Result<T> + Send>),
    Begun(Join<io::Result<T>>),
    Over,
}

/// The output is not pinned.
impl<T> Unpin for Operation<T> {}

impl<T: Send + 'static> Operation<T> {
    /// `what` is the function that was called at `location`.
    pub(super) fn new(
        what: &'static str,
        location: &'static Location<'static>,
        run: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Self {
        Self { stage: Stage::Fresh(Box::new(run)), what, location }
    }
}

impl<T: Send + 'static> Future for Operation<T> {
    type Output = io::Result<T>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let join = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Begun(join) => join,
            Stage::Fresh(run) => context::io_with(self.what, self.location, |core| {
                core.submit(run, false, self.location)
            })?,
            Stage::Over => panic!("an `Operation` was polled after it gave its outcome"),
        };
        let outcome = poll_join(&join, cx);
        if outcome.is_pending() {
            self.stage = Stage::Begun(join);
        }
        outcome.map(|outcome| outcome?)
    }
}

/// Waits for a job. The loop may go first.
pub(super) fn poll_join<T>(join: &Join<T>, cx: &Context<'_>) -> Poll<io::Result<T>> {
    join.poll(cx.waker()).map(|outcome| {
        outcome.expect("an outcome is taken once").map_err(|error: JoinError| {
            match error.try_into_panic() {
                Ok(payload) => resume_unwind(payload),
                Err(error) => io::Error::other(format!("{error}: its event loop is gone")),
            }
        })
    })
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("what", &self.what).finish_non_exhaustive()
    }
}
