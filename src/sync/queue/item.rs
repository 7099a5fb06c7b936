//! An item that is done when it is dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::unfinished::Unfinished;

/// An item that was got, and is done when this is dropped: by the end of the work on it, by a panic or by the
/// drop of the task that works.
///
/// Made by [`get_item`](super::Queue::get_item).
#[must_use = "the item is done when this is dropped"]
pub struct Item<'q, T> {
    item: T,
    done: Done<'q>,
}

/// Tells the queue when it is dropped.
struct Done<'q> {
    unfinished: &'q Unfinished,
}

impl<'q, T> Item<'q, T> {
    pub(super) fn new(item: T, unfinished: &'q Unfinished) -> Self {
        Self { item, done: Done { unfinished } }
    }

    /// Gives the item out, for [`task_done`](super::Queue::task_done) to be called by hand.
    pub fn into_inner(self) -> T {
        std::mem::forget(self.done);
        self.item
    }
}

impl<T> Deref for Item<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T> DerefMut for Item<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.item
    }
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        // Somebody else may have said that it is done.
        if self.unfinished.count() > 0 {
            self.unfinished.finish_one();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Item<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Item").field(&self.item).finish()
    }
}
