//! The places of something that holds a limited number of values.
//!
//! How many values there are is known to whoever keeps them, and is given to each call as `held`. A place is
//! *free* if it is neither held nor reserved. What becomes free is handed to those who wait, first come,
//! first served, as a reservation.
//!
//! That a value may come at once is one comparison, with `room`, which is brought up to date after whatever
//! changes what it stands for.

use std::cell::Cell;
use std::fmt;
use std::task::{Context, Poll};

use crate::executor::wake::WakeRef;
use crate::wait_list::{Key, Removed, WaitList, Wakes};

/// See the [module](self).
pub(super) struct Places {
    capacity: usize,
    /// With so many values held or more, none may come without a reservation. Zero if places are closed, or
    /// somebody waits; else the capacity, less what is reserved.
    room: Cell<usize>,
    /// Handed out, but no value is there yet.
    reserved: Cell<usize>,
    is_closed: Cell<bool>,
    /// Who waits for how many.
    waiting: WaitList<usize, Result<(), Closed>>,
}

/// There will be no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Closed;

/// Why there is no place now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    /// All are taken, or somebody waits.
    Full,
    /// There will be none.
    Closed,
}

impl Places {
    /// So many places; `usize::MAX` is no limit at all.
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            capacity,
            room: Cell::new(capacity),
            reserved: Cell::new(0),
            is_closed: Cell::new(false),
            waiting: WaitList::new(),
        }
    }

    /// The limit, if there is one.
    pub(super) fn capacity(&self) -> Option<usize> {
        (self.capacity != usize::MAX).then_some(self.capacity)
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    #[inline]
    pub(super) fn reserved(&self) -> usize {
        self.reserved.get()
    }

    /// How many places are free. Those who wait may find too few in it.
    pub(super) fn free(&self, held: usize) -> usize {
        self.capacity.saturating_sub(held).saturating_sub(self.reserved.get())
    }

    /// Whether one more value may come without a reservation, as it overtakes nobody.
    #[inline(always)]
    pub(super) fn has_room(&self, held: usize) -> bool {
        held < self.room.get()
    }

    /// Why there is no room.
    pub(super) fn why_refused(&self) -> Refused {
        if self.is_closed() { Refused::Closed } else { Refused::Full }
    }

    /// Whether somebody may wait for the place of a value that goes: if so, [`serve`](Self::serve).
    #[inline(always)]
    pub(super) fn may_serve(&self) -> bool {
        self.room.get() == 0
    }

    fn update(&self) {
        let is_free = !self.is_closed() && self.waiting.is_empty();
        let room = if is_free { self.capacity - self.reserved.get() } else { 0 };
        self.room.set(room);
    }

    /// Reserves places for one who overtakes nobody.
    pub(super) fn try_reserve(&self, count: usize, held: usize) -> Result<(), Refused> {
        if self.is_closed() {
            return Err(Refused::Closed);
        }
        if count > self.free(held) || !self.waiting.is_empty() {
            return Err(Refused::Full);
        }
        self.reserved.set(self.reserved.get() + count);
        self.update();
        Ok(())
    }

    /// Waits until places are reserved. `key` is where the waiting future stands; for `take` and `accept` see
    /// [`WaitList::wait`].
    pub(super) fn poll_reserve<T>(
        &self,
        key: &mut Option<Key>,
        count: usize,
        cx: &Context<'_>,
        take: impl FnMut() -> Option<T>,
        accept: impl FnOnce(Result<(), Closed>) -> T,
    ) -> Poll<T> {
        let polled = self.waiting.wait(key, cx, count, take, accept);
        self.update();
        polled
    }

    /// A value came, or reservations are given up. In the latter case, [`serve`](Self::serve) follows.
    pub(super) fn unreserve(&self, count: usize) {
        let reserved = self.reserved.get();
        debug_assert!(count <= reserved, "{count} of {reserved} reservations");
        self.reserved.set(reserved - count);
        self.update();
    }

    /// Takes a waiting future out that is dropped, and says how many reservations it gives up, for
    /// [`unreserve`](Self::unreserve) and [`serve`](Self::serve): none if it was not served, but it may have
    /// been in the way of those behind it. Its waker is to be dropped last: that is foreign code.
    #[must_use = "others may have to be served"]
    pub(super) fn leave(&self, key: &mut Option<Key>, count: usize) -> (usize, Option<WakeRef>) {
        match self.waiting.remove(key) {
            Removed::Served(Ok(())) => (count, None),
            Removed::Served(Err(Closed)) => (0, None),
            Removed::Waiting(_, waker) => (0, Some(waker)),
        }
    }

    /// Hands the places that are free to those who wait, as long as they suffice for who is first.
    pub(super) fn serve(&self, held: usize) {
        let mut wakes = Wakes::new();
        self.serve_with(held, &mut wakes);
        wakes.finish();
    }

    /// As [`serve`](Self::serve), for who has others to wake as well.
    pub(super) fn serve_with(&self, held: usize, wakes: &mut Wakes) {
        let mut free = self.free(held);
        let served = self.waiting.serve_while_quietly(|&mut count| {
            free = free.checked_sub(count)?;
            self.reserved.set(self.reserved.get() + count);
            Some(Ok(()))
        });
        self.update();
        served.wake(wakes);
    }

    /// There will be no place for those who wait, nor for others. What was reserved stays so.
    pub(super) fn close(&self, wakes: &mut Wakes) {
        self.is_closed.set(true);
        self.update();
        self.waiting.serve_all_with(wakes, |_| Err(Closed));
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places")
            .field("capacity", &self.capacity())
            .field("reserved", &self.reserved.get())
            .field("is_closed", &self.is_closed.get())
            .field("waiting", &self.waiting.len())
            .finish()
    }
}
