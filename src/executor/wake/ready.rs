//! The ready queue: a ring of slots, with room for all there are.

use super::slot::Slot;

/// First in, first out. Its capacity is a power of two and never less than the number of slots that may be in
/// it, so that a push neither allocates nor checks.
#[derive(Debug)]
pub(super) struct ReadyQueue {
    /// Entries that are not in use hold anything.
    ring: Box<[Option<&'static Slot>]>,
    /// The ring's length, less one: a count under this mask is an index.
    mask: usize,
    /// Where the oldest entry is, and where the next one goes: counts that only grow, and wrap. The ring's
    /// length divides the range of a `usize`, so they stay in step with it.
    head: usize,
    tail: usize,
}

impl ReadyQueue {
    /// A queue without room.
    pub(super) fn new() -> Self {
        Self { ring: Box::new([]), mask: 0, head: 0, tail: 0 }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head)
    }

    /// Makes room for `slots` entries in all.
    pub(super) fn make_room(&mut self, slots: usize) {
        let capacity = slots.next_power_of_two();
        if capacity <= self.ring.len() {
            return;
        }
        let mut ring = Vec::with_capacity(capacity);
        while let Some(slot) = self.pop_front() {
            ring.push(Some(slot));
        }
        (self.head, self.tail) = (0, ring.len());
        ring.resize(capacity, None);
        self.ring = ring.into_boxed_slice();
        self.mask = capacity - 1;
    }

    /// Appends `slot`.
    ///
    /// # Safety
    ///
    /// There is room: [`make_room`](Self::make_room) was told of a number of slots that `slot` is one of, and
    /// none of them is in the queue twice.
    #[inline(always)]
    pub(super) unsafe fn push_back(&mut self, slot: &'static Slot) {
        debug_assert!(self.len() < self.ring.len(), "room was made for every slot");
        let index = self.tail & self.mask;
        // SAFETY: there is room, so the length is not zero but a power of two, and the index below it.
        unsafe { *self.ring.get_unchecked_mut(index) = Some(slot) };
        self.tail = self.tail.wrapping_add(1);
    }

    /// Puts `slot` before all others.
    ///
    /// # Safety
    ///
    /// As for [`push_back`](Self::push_back).
    pub(super) unsafe fn push_front(&mut self, slot: &'static Slot) {
        debug_assert!(self.len() < self.ring.len(), "room was made for every slot");
        self.head = self.head.wrapping_sub(1);
        let index = self.head & self.mask;
        self.ring[index] = Some(slot);
    }

    #[inline(always)]
    pub(super) fn pop_front(&mut self) -> Option<&'static Slot> {
        if self.head == self.tail {
            return None;
        }
        let index = self.head & self.mask;
        self.head = self.head.wrapping_add(1);
        // SAFETY: an entry was pushed, so the length is not zero but a power of two, and the index below it; and
        // what was pushed is a slot.
        Some(unsafe { self.ring.get_unchecked(index).unwrap_unchecked() })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::home::Home;
    use super::*;

    #[test]
    fn the_counts_may_wrap() {
        let home = Home::leak();
        let slots: Vec<&'static Slot> =
            (0..5).map(|_| &*Box::leak(Box::new(Slot::new(home)))).collect();
        let mut queue = ReadyQueue::new();
        queue.make_room(slots.len());
        (queue.head, queue.tail) = (usize::MAX - 6, usize::MAX - 6);
        for round in 0..4 {
            for slot in &slots {
                // SAFETY: room was made for all of them, and all are out again after each round.
                unsafe { queue.push_back(slot) };
            }
            assert_eq!(queue.len(), slots.len(), "round {round}");
            for slot in &slots {
                assert!(queue.pop_front().is_some_and(|popped| std::ptr::eq(popped, *slot)));
            }
            assert!(queue.pop_front().is_none());
        }
    }

    #[test]
    fn growing_keeps_the_order_and_what_was_put_in_front() {
        let home = Home::leak();
        let slots: Vec<&'static Slot> =
            (0..9).map(|_| &*Box::leak(Box::new(Slot::new(home)))).collect();
        let mut queue = ReadyQueue::new();
        queue.make_room(4);
        // SAFETY: four slots, each once, while there is room for four, and then nine.
        unsafe {
            (1..4).for_each(|n| queue.push_back(slots[n]));
            queue.push_front(slots[0]);
            queue.make_room(9);
            (4..9).for_each(|n| queue.push_back(slots[n]));
        }
        for slot in &slots {
            assert!(queue.pop_front().is_some_and(|popped| std::ptr::eq(popped, *slot)));
        }
    }
}
