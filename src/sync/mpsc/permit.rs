//! Places that are reserved.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::chan::Chan;
use crate::sync::places::Closed;
use crate::wait_list::Key;

/// A place in a channel, for one value. Dropped unused, it goes to who waits longest.
///
/// Made by [`Sender::reserve`](super::Sender::reserve) and by [`Permits`].
#[must_use = "the place is free again when the permit is dropped"]
pub struct Permit<'a, T>(Permits<'a, T>);

impl<'a, T> Permit<'a, T> {
    pub(super) fn new(permits: Permits<'a, T>) -> Self {
        debug_assert_eq!(permits.count, 1, "a permit is for one place");
        Self(permits)
    }

    /// Sends a value. It cannot fail, whether the channel was closed meanwhile or not.
    ///
    /// If the receiver is gone, the value is dropped, as are those that it left unreceived.
    pub fn send(mut self, value: T) {
        self.0.count = 0;
        self.0.chan.send_reserved(value);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// Several places in a channel: an iterator of [`Permit`]s. Those that are left when it is dropped are free
/// again.
///
/// Made by [`Sender::reserve_many`](super::Sender::reserve_many).
#[must_use = "the places are free again when the permits are dropped"]
pub struct Permits<'a, T> {
    chan: &'a Chan<T>,
    count: usize,
}

impl<'a, T> Permits<'a, T> {
    /// Owns `count` reservations.
    pub(super) fn new(chan: &'a Chan<T>, count: usize) -> Self {
        Self { chan, count }
    }
}

impl<'a, T> Iterator for Permits<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Permit<'a, T>> {
        self.count = self.count.checked_sub(1)?;
        Some(Permit::new(Self::new(self.chan, 1)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl<T> ExactSizeIterator for Permits<'_, T> {}

impl<T> Drop for Permits<'_, T> {
    fn drop(&mut self) {
        if self.count > 0 {
            self.chan.give_back(self.count);
        }
    }
}

impl<T> fmt::Debug for Permits<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits").field("left", &self.count).finish_non_exhaustive()
    }
}

/// Waits for places.
pub(super) struct Reserve<'a, T> {
    chan: &'a Chan<T>,
    count: usize,
    key: Option<Key>,
}

impl<'a, T> Reserve<'a, T> {
    pub(super) fn new(chan: &'a Chan<T>, count: usize) -> Self {
        Self { chan, count, key: None }
    }
}

impl<'a, T> Future for Reserve<'a, T> {
    type Output = Result<Permits<'a, T>, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.chan.poll_reserve(&mut this.key, this.count, cx)
    }
}

impl<T> Drop for Reserve<'_, T> {
    fn drop(&mut self) {
        if self.key.is_some() {
            self.chan.leave(&mut self.key, self.count);
        }
    }
}
