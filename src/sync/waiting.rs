//! The place of a waiting future in a list, left when the future is dropped.

use std::fmt;

use crate::wait_list::Key;

/// Calls a function with the key of a waiter that is dropped while it is in its list.
pub(super) struct Waiting<F: FnMut(&mut Option<Key>)> {
    key: Option<Key>,
    leave: F,
}

impl<F: FnMut(&mut Option<Key>)> Waiting<F> {
    pub(super) fn new(leave: F) -> Self {
        Self { key: None, leave }
    }

    pub(super) fn key(&mut self) -> &mut Option<Key> {
        &mut self.key
    }
}

impl<F: FnMut(&mut Option<Key>)> Drop for Waiting<F> {
    fn drop(&mut self) {
        if self.key.is_some() {
            (self.leave)(&mut self.key);
        }
    }
}

impl<F: FnMut(&mut Option<Key>)> fmt::Debug for Waiting<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("key", &self.key).finish_non_exhaustive()
    }
}
