//! Channels of limited capacity.

use std::rc::Rc;

use super::chan::Chan;
use super::faces::{Receiver, Sender};
use super::permit::Reserve;
use super::{Permit, Permits, ReserveError, SendError, TrySendError};
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
}

impl<T> Receiver<T> {
    /// Returns how many values the channel can hold, taken places and free ones together. (tokio calls that
    /// `max_capacity`, and `capacity` what is [`free`](Sender::free) here.)
    #[doc(alias = "max_capacity")]
    #[doc(alias = "maxsize")]
    pub fn capacity(&self) -> usize {
        self.chan.places().capacity().unwrap_or(usize::MAX)
    }
}
