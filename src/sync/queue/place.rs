//! A reserved place.

use std::fmt;
use std::mem;

use super::core::{Core, Reserved};
use super::store::Store;

/// A place in a queue, for one item. Dropped unused, it goes to who waits longest.
///
/// Made by [`reserve`](super::Queue::reserve).
#[must_use = "the place is free again when this is dropped"]
pub struct Place<'q, T> {
    queue: &'q (dyn Accept<T> + 'q),
}

/// A queue in whatever order.
trait Accept<T> {
    fn put_reserved(&self, item: T);
    fn give_back(&self);
}

impl<S: Store> Accept<S::Item> for Core<S> {
    fn put_reserved(&self, item: S::Item) {
        Core::put_reserved(self, item);
    }

    fn give_back(&self) {
        Core::give_back(self, 1);
    }
}

impl<'q, T> Place<'q, T> {
    pub(super) fn new<S: Store<Item = T>>(reserved: Reserved<'q, S>) -> Self {
        Self { queue: reserved.into_core() }
    }

    /// Puts an item. It cannot fail, whether the queue was closed meanwhile or not.
    pub fn put(self, item: T) {
        let queue = self.queue;
        mem::forget(self);
        queue.put_reserved(item);
    }
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        self.queue.give_back();
    }
}

impl<T> fmt::Debug for Place<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}
