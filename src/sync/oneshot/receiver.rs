//! The end that receives.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{RecvError, Shared, State, TryRecvError};
use crate::executor::wake::WakeRef;

/// Receives the one value of a [`channel`](super::channel()): a future of it.
///
/// # Errors
///
/// The future fails if the sender is dropped and sent nothing.
///
/// # Cancel safety
///
/// Awaited by reference, `(&mut receiver).await`, nothing is lost. Dropping the receiver closes the channel and drops
/// the value if it was sent.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Receiver<T> {
    #[inline]
    pub(super) fn new(shared: Rc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// Receives the value if it is there. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if it was not sent yet, [`TryRecvError::Closed`] if it never will be, or was received.
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.shared.state.replace(State::Over) {
            State::Sent(value) => Ok(value),
            State::Over => Err(TryRecvError::Closed),
            _ if self.shared.is_closed.get() => Err(TryRecvError::Closed),
            unsent => {
                self.shared.state.set(unsent);
                Err(TryRecvError::Empty)
            }
        }
    }

    /// Closes the channel: nothing can be sent any more. What was sent can be received.
    ///
    /// # Examples
    ///
    /// ```
    /// # use monoloop::sync::oneshot;
    /// let (sender, mut receiver) = oneshot::channel();
    /// receiver.close();
    /// assert!(sender.send("late").is_err());
    /// assert_eq!(receiver.try_recv(), Err(oneshot::TryRecvError::Closed));
    /// ```
    pub fn close(&mut self) {
        self.shared.is_closed.set(true);
        self.shared.closing.wake();
    }

    /// Polls again with a waker that is not the one before, if there was one.
    #[inline]
    fn poll_with(&mut self, waker: WakeRef) -> Poll<Result<T, RecvError>> {
        // Making the waker may have run foreign code.
        match self.shared.state.replace(State::Over) {
            State::Sent(value) => Poll::Ready(Ok(value)),
            State::Over => Poll::Ready(Err(RecvError)),
            _old if self.shared.is_closed.get() => Poll::Ready(Err(RecvError)),
            _old => {
                self.shared.state.set(State::Waiting(waker));
                Poll::Pending
            }
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.shared.state.replace(State::Over) {
            State::Sent(value) => return Poll::Ready(Ok(value)),
            State::Over => return Poll::Ready(Err(RecvError)),
            State::Waiting(own) if own.will_wake(cx.waker()) => return self.poll_with(own),
            unsent => self.shared.state.set(unsent),
        }
        self.poll_with(WakeRef::new(cx.waker()))
    }
}

impl<T> Drop for Receiver<T> {
    #[inline]
    fn drop(&mut self) {
        self.shared.is_closed.set(true);
        // Dropped last: that is foreign code.
        let _state = self.shared.state.replace(State::Over);
        self.shared.closing.wake();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt("Receiver", f)
    }
}
