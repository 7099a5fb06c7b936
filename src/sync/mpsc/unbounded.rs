//! Channels without a limit.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::chan::Chan;
use super::permit::Closing;
use super::{SendError, TryRecvError};

/// Makes a channel that holds whatever is sent.
///
/// # Examples
///
/// ```
/// use monoloop::sync::mpsc;
///
/// let (sender, mut receiver) = mpsc::unbounded_channel();
/// for n in 0..1000 {
///     sender.send(n).expect("the receiver is there");
/// }
/// assert_eq!(receiver.len(), 1000);
/// assert_eq!(receiver.try_recv(), Ok(0));
/// ```
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let chan = Rc::new(Chan::new(usize::MAX));
    (UnboundedSender { chan: Rc::clone(&chan) }, UnboundedReceiver { chan })
}

/// Sends into an [`unbounded_channel`]. Clones send into the same.
pub struct UnboundedSender<T> {
    chan: Rc<Chan<T>>,
}

impl<T> UnboundedSender<T> {
    /// Sends a value. Never waits.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.chan.try_send(value).map_err(SendError)
    }

    /// Waits until the channel is closed: the receiver is gone, or closed it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn closed(&self) {
        Closing::new(&self.chan).await;
    }

    /// Returns whether the channel is closed: the receiver is gone, or closed it.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Returns how many values wait to be received.
    #[doc(alias = "qsize")]
    pub fn len(&self) -> usize {
        self.chan.len()
    }

    /// Returns whether no value waits to be received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many senders there are, without weak ones.
    pub fn sender_count(&self) -> usize {
        self.chan.senders()
    }

    /// Returns whether both send into the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.chan, &other.chan)
    }

    /// Makes a handle that does not keep the channel open.
    pub fn downgrade(&self) -> WeakUnboundedSender<T> {
        WeakUnboundedSender { chan: Rc::clone(&self.chan) }
    }
}

impl<T> Clone for UnboundedSender<T> {
    #[inline]
    fn clone(&self) -> Self {
        self.chan.add_sender();
        Self { chan: Rc::clone(&self.chan) }
    }
}

impl<T> Drop for UnboundedSender<T> {
    #[inline]
    fn drop(&mut self) {
        self.chan.remove_sender();
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnboundedSender").field(&self.chan).finish()
    }
}

/// Knows an [`unbounded_channel`] without keeping it open.
pub struct WeakUnboundedSender<T> {
    chan: Rc<Chan<T>>,
}

impl<T> WeakUnboundedSender<T> {
    /// Makes a sender, unless all are gone.
    pub fn upgrade(&self) -> Option<UnboundedSender<T>> {
        if self.chan.senders() == 0 {
            return None;
        }
        self.chan.add_sender();
        Some(UnboundedSender { chan: Rc::clone(&self.chan) })
    }
}

impl<T> Clone for WeakUnboundedSender<T> {
    fn clone(&self) -> Self {
        Self { chan: Rc::clone(&self.chan) }
    }
}

impl<T> fmt::Debug for WeakUnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakUnboundedSender").field(&self.chan).finish()
    }
}

/// Receives from an [`unbounded_channel`]. Also a [`Stream`] of its values.
///
/// Dropping it closes the channel and drops the values that are left.
#[must_use = "dropping the receiver closes the channel"]
pub struct UnboundedReceiver<T> {
    chan: Rc<Chan<T>>,
}

impl<T> UnboundedReceiver<T> {
    /// Waits for the next value; `None` when the channel is empty and no sender is left, or it was closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[inline]
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the next value, as [`recv`](Self::recv) does.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.chan.poll_recv(cx)
    }

    /// Takes the next value if there is one. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`], or [`TryRecvError::Closed`] if there will be no more.
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.chan.try_recv()
    }

    /// Waits for the next value, and appends it and those behind it that are there to `values`, `limit` at
    /// most. Returns how many it were: zero when there will be no more, or `limit` is zero.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: dropped half-way, it appended nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use monoloop::sync::mpsc;
    /// # monoloop::run(async {
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// for n in 0..5 {
    ///     sender.send(n).unwrap();
    /// }
    /// let mut numbers = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut numbers, 3).await, 3);
    /// assert_eq!(receiver.recv_many(&mut numbers, 3).await, 2);
    /// assert_eq!(numbers, [0, 1, 2, 3, 4]);
    /// # });
    /// ```
    pub async fn recv_many(&mut self, values: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|cx| self.chan.poll_recv_many(cx, values, limit)).await
    }

    /// Closes the channel: sending fails. What was sent can be received.
    pub fn close(&mut self) {
        self.chan.close();
    }

    /// Returns whether no more can be sent: no sender is left, or this receiver closed the channel. What was
    /// sent can be received.
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed() || self.chan.senders() == 0
    }

    /// Returns how many values wait to be received.
    #[doc(alias = "qsize")]
    pub fn len(&self) -> usize {
        self.chan.len()
    }

    /// Returns whether no value waits to be received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many senders there are, without weak ones.
    pub fn sender_count(&self) -> usize {
        self.chan.senders()
    }
}

impl<T> Stream for UnboundedReceiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

impl<T> Drop for UnboundedReceiver<T> {
    fn drop(&mut self) {
        self.chan.abandon();
    }
}

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnboundedReceiver").field(&self.chan).finish()
    }
}
