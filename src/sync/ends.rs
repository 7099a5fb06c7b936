//! How many ends of each kind a channel with many of both has, and who waits until nobody receives.

use std::cell::Cell;

use crate::wait_list::ReleaseList;

pub(super) struct Ends {
    senders: Cell<usize>,
    receivers: Cell<usize>,
    /// Senders that wait until there is no receiver.
    closing: ReleaseList,
}

impl Ends {
    /// One of each.
    pub(super) const fn new() -> Self {
        Self { senders: Cell::new(1), receivers: Cell::new(1), closing: ReleaseList::new() }
    }

    #[inline]
    pub(super) fn senders(&self) -> usize {
        self.senders.get()
    }

    #[inline]
    pub(super) fn receivers(&self) -> usize {
        self.receivers.get()
    }

    pub(super) fn add_sender(&self) {
        self.senders.set(self.senders.get() + 1);
    }

    /// Says whether it was the last.
    #[must_use = "who waits for the end is to be told"]
    pub(super) fn remove_sender(&self) -> bool {
        self.senders.set(self.senders.get() - 1);
        self.senders.get() == 0
    }

    pub(super) fn add_receiver(&self) {
        self.receivers.set(self.receivers.get() + 1);
    }

    /// If it was the last, wakes those who wait for that: foreign code.
    pub(super) fn remove_receiver(&self) {
        self.receivers.set(self.receivers.get() - 1);
        if self.receivers.get() == 0 {
            self.closing.release();
        }
    }

    /// Waits until there is no receiver.
    pub(super) async fn closed(&self) {
        self.closing.until(|| self.receivers.get() == 0).await;
    }
}
