//! The end that sends.

use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Phase, SendError, Shared};

/// Sends the one value of a [`channel`](super::channel()).
#[must_use = "dropping the sender makes the receiver fail"]
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
    has_sent: bool,
}

impl<T> Sender<T> {
    #[inline]
    pub(super) fn new(shared: Rc<Shared<T>>) -> Self {
        Self { shared, has_sent: false }
    }

    /// Sends the value. Never waits.
    ///
    /// That it was sent does not mean that it will be received: the receiver may be dropped with it.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver is gone or has [closed](super::Receiver::close) the channel.
    #[doc(alias = "set_result")]
    #[inline]
    pub fn send(mut self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.has_sent = true;
        self.shared.value.set(Some(value));
        self.shared.phase.set(Phase::Sent);
        self.shared.receiving.wake();
        Ok(())
    }

    /// Returns whether a value that is sent now would come back.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed.get()
    }

    /// Waits until nobody wants the value any more: the receiver is dropped, or closed the channel.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use monoloop::sync::oneshot;
    /// # monoloop::run(async {
    /// let (mut sender, receiver) = oneshot::channel::<u8>();
    /// monoloop::spawn(async move { drop(receiver) }).detach();
    /// sender.closed().await;
    /// assert_eq!(sender.send(1).unwrap_err().into_inner(), 1);
    /// # });
    /// ```
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// Polls for the end of the channel, as [`closed`](Self::closed) does.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_closed() {
            self.shared.closing.get_or_init(Box::default).register(cx);
        }
        if self.is_closed() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<T> Drop for Sender<T> {
    #[inline]
    fn drop(&mut self) {
        if self.has_sent {
            return;
        }
        self.shared.phase.set(Phase::Over);
        self.shared.receiving.wake();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt("Sender", f)
    }
}
