//! A group's child: the future that runs as a task, and the handle to it.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Inner;
use crate::executor::task::RawJoin;
use crate::task::household::{self, Household};
use crate::task::{JoinHandle, TaskId};

pin_project! {
    /// A child. It tells the group of an error or a panic, and leaves when its future is gone.
    pub(super) struct Member<F, T, E> {
        // `None` once it was dropped.
        #[pin]
        future: Option<F>,
        group: Rc<Inner<T, E>>,
        household: Option<Rc<Household>>,
        key: usize,
    }

    impl<F, T, E> PinnedDrop for Member<F, T, E> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            {
                let _at = household::enter(this.household);
                let dropped = catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
                if let Err(payload) = dropped {
                    this.group.panicked(payload);
                }
            }
            this.group.leave(*this.key);
        }
    }
}

impl<F, T, E> Member<F, T, E> {
    pub(super) fn new(future: F, group: Rc<Inner<T, E>>, key: usize) -> Self {
        let household = Some(Rc::clone(&group.household));
        Self { future: Some(future), group, household, key }
    }
}

impl<F, T, E, U> Future for Member<F, T, E>
where
    F: Future<Output = Result<U, E>>,
{
    /// `None`: the group has the error or the panic.
    type Output = Option<U>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<U>> {
        let this = self.project();
        let polled = {
            let _at = household::enter(this.household);
            let future = this.future.as_pin_mut().expect("it is there until the drop");
            catch_unwind(AssertUnwindSafe(|| future.poll(cx)))
        };
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(output))) => return Poll::Ready(Some(output)),
            Ok(Poll::Ready(Err(error))) => this.group.failed(error),
            Err(payload) => this.group.panicked(payload),
        }
        Poll::Ready(None)
    }
}

/// Awaits the output of a group's child. Dropping it changes nothing.
///
/// # Cancel safety
///
/// Nothing is lost by dropping a borrow of the handle that was awaited: await it again.
///
/// # Errors
///
/// [`MemberError`] if the child gave no output. The error itself went to the group.
pub struct GroupHandle<U> {
    /// `None`: the group did not take it.
    handle: Option<JoinHandle<Option<U>>>,
}

impl<U> GroupHandle<U> {
    pub(super) fn new(join: RawJoin<Option<U>>) -> Self {
        Self { handle: Some(JoinHandle::new(join)) }
    }

    pub(super) fn refused() -> Self {
        Self { handle: None }
    }

    /// Aborts the child, as [`JoinHandle::abort`] does. That does not end the group.
    #[doc(alias = "cancel")]
    pub fn abort(&self) -> bool {
        self.handle.as_ref().is_some_and(JoinHandle::abort)
    }

    /// Returns whether the child is over: awaiting the handle would not wait.
    #[doc(alias = "done")]
    pub fn is_finished(&self) -> bool {
        self.handle.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Returns the task's name, if it was given one.
    #[doc(alias = "get_name")]
    pub fn name(&self) -> Option<Rc<str>> {
        self.handle.as_ref().and_then(JoinHandle::name)
    }

    /// Returns the task's id; `None` if the group did not take it.
    pub fn id(&self) -> Option<TaskId> {
        self.handle.as_ref().map(JoinHandle::id)
    }
}

impl<U> Future for GroupHandle<U> {
    type Output = Result<U, MemberError>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(handle) = &mut self.handle else {
            return Poll::Ready(Err(MemberError::Cancelled));
        };
        Poll::Ready(match ready!(Pin::new(handle).poll(cx)) {
            Ok(Some(output)) => Ok(output),
            Ok(None) => Err(MemberError::Failed),
            Err(_) => Err(MemberError::Cancelled),
        })
    }
}

impl<U> fmt::Debug for GroupHandle<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupHandle")
            .field("id", &self.id())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// Why a group's child gave no output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MemberError {
    /// It gave an error or panicked; the group has that.
    Failed,
    /// It was aborted, by its handle or with the group, or the group did not take it.
    Cancelled,
}

impl fmt::Display for MemberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "the task failed, and its group has the error",
            Self::Cancelled => "the task was cancelled",
        })
    }
}

impl Error for MemberError {}

impl From<MemberError> for std::io::Error {
    fn from(error: MemberError) -> Self {
        Self::other(error)
    }
}
