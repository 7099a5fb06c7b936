//! The end that receives.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Phase, RecvError, Shared, TryRecvError};

/// Receives the one value of a [`channel`](super::channel()): a future of it.
///
/// # Cancel safety
///
/// Awaited by reference, `(&mut receiver).await`, nothing is lost. Dropping the receiver closes the channel
/// and drops the value if it was sent.
///
/// # Errors
///
/// The future fails if the sender is dropped and sent nothing.
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
    /// [`TryRecvError::Empty`] if it was not sent yet, [`TryRecvError::Closed`] if it never will be, or was
    /// received.
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.shared.phase.get() {
            Phase::Sent => {
                self.shared.phase.set(Phase::Over);
                self.shared.value.take().ok_or(TryRecvError::Closed)
            }
            Phase::Open if !self.shared.is_closed.get() => Err(TryRecvError::Empty),
            Phase::Open | Phase::Over => Err(TryRecvError::Closed),
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
        self.shared.close();
    }

    /// Whether it is worth while to wait.
    #[inline]
    fn may_come(&self) -> bool {
        self.shared.phase.get() == Phase::Open && !self.shared.is_closed.get()
    }

    /// The receiver is dropped, and something may be left.
    #[inline(never)]
    fn abandon(&mut self) {
        // Dropped last: that is foreign code.
        let _waker = self.shared.receiving.take();
        let _value = self.try_recv();
        self.shared.close();
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.may_come() {
            self.shared.receiving.register(cx);
            // That may have run foreign code: only now it is looked what there is.
        }
        match self.try_recv() {
            Ok(value) => Poll::Ready(Ok(value)),
            Err(TryRecvError::Closed) => Poll::Ready(Err(RecvError)),
            Err(TryRecvError::Empty) => Poll::Pending,
        }
    }
}

impl<T> Drop for Receiver<T> {
    #[inline]
    fn drop(&mut self) {
        // In `Phase::Over` no sender is left whom it could concern.
        if self.shared.phase.get() != Phase::Over {
            self.abandon();
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt("Receiver", f)
    }
}
