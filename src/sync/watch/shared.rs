//! The value, and who watches it.

use std::cell::{self, Cell, RefCell};
use std::fmt;
use std::ops::Deref;
use std::task::{Context, Poll, ready};

use super::RecvError;
use crate::executor::wake::WakeRef;
use crate::sync::ends::Ends;
use crate::wait_list::{ReleaseList, Ticket};

/// What senders and receivers share.
pub(super) struct Shared<T> {
    value: RefCell<T>,
    /// How often the value was changed.
    version: Cell<u64>,
    ends: Ends,
    /// Receivers that wait for a change, or the end.
    waiting: ReleaseList,
}

impl<T> Shared<T> {
    /// One sender, one receiver.
    pub(super) fn new(value: T) -> Self {
        Self {
            value: RefCell::new(value),
            version: Cell::new(0),
            ends: Ends::new(),
            waiting: ReleaseList::new(),
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version.get()
    }

    #[track_caller]
    pub(super) fn borrow(&self, seen: u64) -> Ref<'_, T> {
        let value = self.value.try_borrow().expect("a watched value is looked at while it changes");
        Ref { value, has_changed: seen != self.version() }
    }

    /// Changes the value by `change`, which says whether it did; then all who wait are woken.
    #[track_caller]
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut T) -> (bool, R)) -> R {
        let mut value =
            self.value.try_borrow_mut().expect("a watched value is changed while it is borrowed");
        let (has_changed, result) = change(&mut value);
        drop(value);
        if has_changed {
            self.version.set(self.version() + 1);
            self.waiting.release();
        }
        result
    }

    /// Waits until the version is not the one that was seen, which it is then.
    pub(super) fn poll_changed(
        &self,
        ticket: &mut Option<Ticket>,
        seen: &mut u64,
        cx: &Context<'_>,
    ) -> Poll<Result<(), RecvError>> {
        loop {
            if ticket.is_some() {
                // It is in the list since it found nothing new, and all are served when there is.
                ready!(self.waiting.poll(ticket, cx));
            }
            let is_new = || self.version() != *seen;
            let is_over = || self.ends.senders() == 0;
            if is_new() {
                *seen = self.version();
                return Poll::Ready(Ok(()));
            }
            if is_over() {
                return Poll::Ready(Err(RecvError));
            }
            ready!(self.waiting.join(ticket, cx, || is_new() || is_over()));
        }
    }

    /// A receiver is dropped, or need not wait. Its waker is to be dropped last: that is foreign code.
    pub(super) fn leave(&self, ticket: &mut Option<Ticket>) -> Option<WakeRef> {
        ticket.is_some().then(|| self.waiting.remove(ticket))?
    }

    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }

    pub(super) fn remove_sender(&self) {
        if self.ends.remove_sender() {
            self.waiting.release();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("value", &self.value)
            .field("version", &self.version.get())
            .field("senders", &self.ends.senders())
            .field("receivers", &self.ends.receivers())
            .finish()
    }
}

/// The value, borrowed: it cannot change while this is held.
#[must_use = "the value is borrowed until this is dropped"]
pub struct Ref<'a, T> {
    value: cell::Ref<'a, T>,
    has_changed: bool,
}

impl<T> Ref<'_, T> {
    /// Returns whether the value was new to the receiver that borrowed it.
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
