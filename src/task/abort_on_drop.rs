//! Handles that end their task when they go.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{JoinError, JoinHandle};

/// A [`JoinHandle`] that aborts its task when it is dropped; made by [`JoinHandle::abort_on_drop`].
///
/// # Cancel safety
///
/// Awaiting a borrow of it (`&mut handle`) loses nothing. Dropping it aborts the task.
///
/// # Examples
///
/// ```
/// monoloop::run(async {
///     let task = monoloop::spawn(std::future::pending::<()>()).abort_on_drop();
///     let abort = task.abort_handle();
///     drop(task);
///     assert!(abort.is_finished());
/// });
/// ```
#[must_use = "the task is aborted when this is dropped"]
pub struct AbortOnDrop<T> {
    /// `None` only once it was taken out.
    handle: Option<JoinHandle<T>>,
}

impl<T> AbortOnDrop<T> {
    /// Gives the handle back: dropping that detaches the task.
    pub fn into_inner(mut self) -> JoinHandle<T> {
        self.handle.take().expect("taken only here, and we consume")
    }
}

impl<T> JoinHandle<T> {
    /// Makes the task end with the handle: dropping what this gives aborts it.
    pub fn abort_on_drop(self) -> AbortOnDrop<T> {
        AbortOnDrop { handle: Some(self) }
    }
}

impl<T> Deref for AbortOnDrop<T> {
    type Target = JoinHandle<T>;

    fn deref(&self) -> &JoinHandle<T> {
        self.handle.as_ref().expect("taken only by `into_inner`, which consumes")
    }
}

impl<T> DerefMut for AbortOnDrop<T> {
    fn deref_mut(&mut self) -> &mut JoinHandle<T> {
        self.handle.as_mut().expect("taken only by `into_inner`, which consumes")
    }
}

impl<T> From<JoinHandle<T>> for AbortOnDrop<T> {
    fn from(handle: JoinHandle<T>) -> Self {
        handle.abort_on_drop()
    }
}

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut **self).poll(cx)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.abort();
        }
    }
}

impl<T> fmt::Debug for AbortOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AbortOnDrop").field(&self.handle).finish()
    }
}
