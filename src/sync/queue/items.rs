//! The items as a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::core::Core;
use super::store::Store;
use crate::wait_list::Key;

/// A [`Stream`] of the items of a queue: gets them one by one, until the queue is closed and empty.
///
/// Made by [`items`](super::Queue::items). While it waits it has a place among those who get; that an item
/// was handed to it and not polled for is no loss: it goes to the next when the stream is dropped.
#[must_use = "streams do nothing unless they are polled"]
pub struct Items<'q, T> {
    queue: &'q (dyn Give<T> + 'q),
    key: Option<Key>,
}

/// A queue in whatever order.
trait Give<T> {
    fn poll_next_item(&self, key: &mut Option<Key>, cx: &Context<'_>) -> Poll<Option<T>>;
    fn leave(&self, key: &mut Option<Key>);
}

impl<S: Store> Give<S::Item> for Core<S> {
    fn poll_next_item(&self, key: &mut Option<Key>, cx: &Context<'_>) -> Poll<Option<S::Item>> {
        Core::poll_next(self, key, cx).map(Result::ok)
    }

    fn leave(&self, key: &mut Option<Key>) {
        Core::leave(self, key);
    }
}

impl<'q, T> Items<'q, T> {
    pub(super) fn new<S: Store<Item = T>>(core: &'q Core<S>) -> Self {
        Self { queue: core, key: None }
    }
}

impl<T> Stream for Items<'_, T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        this.queue.poll_next_item(&mut this.key, cx)
    }
}

impl<T> Drop for Items<'_, T> {
    fn drop(&mut self) {
        if self.key.is_some() {
            self.queue.leave(&mut self.key);
        }
    }
}

impl<T> fmt::Debug for Items<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").finish_non_exhaustive()
    }
}
