//! Channels of limited capacity.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::chan::Chan;
use super::permit::{Closing, Reserve};
use super::{Permit, Permits, ReserveError, SendError, TryRecvError, TrySendError};
use crate::sync::places::Refused;

/// Makes a channel that holds at most `capacity` values.
///
/// Memory is taken as values come in, not before.
///
/// # Panics
///
/// If `capacity` is zero: nothing could ever be sent.
///
/// # Examples
///
/// ```
/// use monoloop::sync::mpsc::{self, TrySendError};
///
/// let (sender, mut receiver) = mpsc::channel(1);
/// assert_eq!(sender.try_send('a'), Ok(()));
/// assert_eq!(sender.try_send('b'), Err(TrySendError::Full('b')));
/// assert_eq!(receiver.try_recv(), Ok('a'));
/// ```
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a channel needs a capacity of at least one");
    let chan = Rc::new(Chan::new(capacity));
    (Sender { chan: Rc::clone(&chan) }, Receiver { chan })
}

/// Sends into a [`channel`]. Clones send into the same.
pub struct Sender<T> {
    chan: Rc<Chan<T>>,
}

impl<T> Sender<T> {
    /// Sends a value, and waits until there is a place for it.
    ///
    /// Those who wait are handed places in the order in which they came. The value goes in when this runs
    /// again: values that others send meanwhile, into places of their own, are before it.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the value is lost, and nothing was sent; so is the place in the queue of those who
    /// wait. To keep the value, [`reserve`](Self::reserve) a place first.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed, now or while it waits.
    #[inline]
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        let Err(value) = self.chan.try_send(value) else { return Ok(()) };
        match Reserve::new(&self.chan, 1).await {
            Ok(permits) => {
                Permit::new(permits).send(value);
                Ok(())
            }
            Err(_) => Err(SendError(value)),
        }
    }

    /// Sends a value if there is a place for it and nobody waits for one. Never waits.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no place, or the channel is closed.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.chan.try_send(value).map_err(|value| match self.chan.places().why_refused() {
            Refused::Full => TrySendError::Full(value),
            Refused::Closed => TrySendError::Closed(value),
        })
    }

    /// Waits for a place, so that sending into it cannot fail.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the place in the queue of those who wait.
    ///
    /// # Errors
    ///
    /// [`ReserveError::Closed`] if the channel is closed, now or while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// # use monoloop::sync::mpsc;
    /// # monoloop::run(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.reserve().await.expect("the channel is open");
    /// assert!(sender.try_send("no").is_err());
    /// permit.send("yes");
    /// assert_eq!(receiver.recv().await, Some("yes"));
    /// # });
    /// ```
    pub async fn reserve(&self) -> Result<Permit<'_, T>, ReserveError> {
        let permits = Reserve::new(&self.chan, 1).await;
        permits.map(Permit::new).map_err(|_| ReserveError::Closed)
    }

    /// Waits for `count` places. Those who come later wait behind it, even for few.
    ///
    /// # Cancel safety
    ///
    /// As for [`reserve`](Self::reserve).
    ///
    /// # Errors
    ///
    /// [`ReserveError::Closed`] as for [`reserve`](Self::reserve), and [`ReserveError::TooMany`] if `count`
    /// is more than the capacity.
    pub async fn reserve_many(&self, count: usize) -> Result<Permits<'_, T>, ReserveError> {
        if count > self.capacity() {
            return Err(ReserveError::TooMany);
        }
        Reserve::new(&self.chan, count).await.map_err(|_| ReserveError::Closed)
    }

    /// Reserves a place if there is one and nobody waits for one. Never waits.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] or [`TrySendError::Closed`].
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        match self.chan.try_reserve(1) {
            Ok(permits) => Ok(Permit::new(permits)),
            Err(Refused::Full) => Err(TrySendError::Full(())),
            Err(Refused::Closed) => Err(TrySendError::Closed(())),
        }
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

    /// Returns how many values the channel can hold, taken places and free ones together. (tokio calls that
    /// `max_capacity`, and `capacity` what is [`free`](Self::free) here.)
    #[doc(alias = "max_capacity")]
    #[doc(alias = "maxsize")]
    pub fn capacity(&self) -> usize {
        self.chan.places().capacity().unwrap_or(usize::MAX)
    }

    /// Returns how many places are neither taken nor reserved.
    pub fn free(&self) -> usize {
        self.chan.places().free(self.len())
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
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender { chan: Rc::clone(&self.chan) }
    }
}

impl<T> Clone for Sender<T> {
    #[inline]
    fn clone(&self) -> Self {
        self.chan.add_sender();
        Self { chan: Rc::clone(&self.chan) }
    }
}

impl<T> Drop for Sender<T> {
    #[inline]
    fn drop(&mut self) {
        self.chan.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.chan).finish()
    }
}

/// Knows a [`channel`] without keeping it open.
pub struct WeakSender<T> {
    chan: Rc<Chan<T>>,
}

impl<T> WeakSender<T> {
    /// Makes a sender, unless all are gone.
    pub fn upgrade(&self) -> Option<Sender<T>> {
        if self.chan.senders() == 0 {
            return None;
        }
        self.chan.add_sender();
        Some(Sender { chan: Rc::clone(&self.chan) })
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self { chan: Rc::clone(&self.chan) }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakSender").field(&self.chan).finish()
    }
}

/// Receives from a [`channel`]. Also a [`Stream`] of its values.
///
/// Dropping it closes the channel and drops the values that are left.
#[must_use = "dropping the receiver closes the channel"]
pub struct Receiver<T> {
    chan: Rc<Chan<T>>,
}

impl<T> Receiver<T> {
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
    /// let (sender, mut receiver) = mpsc::channel(8);
    /// for n in 0..5 {
    ///     sender.send(n).await.unwrap();
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

    /// Closes the channel: sending fails, but into places that are reserved. What was sent can be received.
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

    /// Returns how many values the channel can hold, taken places and free ones together. (tokio calls that
    /// `max_capacity`, and `capacity` what is [`free`](Sender::free) here.)
    #[doc(alias = "max_capacity")]
    #[doc(alias = "maxsize")]
    pub fn capacity(&self) -> usize {
        self.chan.places().capacity().unwrap_or(usize::MAX)
    }

    /// Returns how many senders there are, without weak ones.
    pub fn sender_count(&self) -> usize {
        self.chan.senders()
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.chan.abandon();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&self.chan).finish()
    }
}
