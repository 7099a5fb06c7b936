//! The ready queue: a ring with room for all that may be in it.

use std::mem::MaybeUninit;

/// First in, first out. Its capacity is a power of two and never less than the number of entries that may be in
/// it, so that a push neither allocates nor checks.
#[derive(Debug)]
pub(super) struct ReadyQueue<T> {
    /// The entries from `head` to `tail` are initialised.
    ring: Box<[MaybeUninit<T>]>,
    /// The ring's length, less one: a count under this mask is an index.
    mask: usize,
    /// Where the oldest entry is, and where the next one goes: counts that only grow, and wrap. The ring's
    /// length divides the range of a `usize`, so they stay in step with it.
    head: usize,
    tail: usize,
}

impl<T: Copy> ReadyQueue<T> {
    /// A queue without room.
    pub(super) fn new() -> Self {
        Self { ring: Box::new([]), mask: 0, head: 0, tail: 0 }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head)
    }

    /// Makes room for `entries` in all.
    #[inline]
    pub(super) fn make_room(&mut self, entries: usize) {
        if entries > self.ring.len() {
            self.grow(entries.next_power_of_two());
        }
    }

    #[cold]
    fn grow(&mut self, capacity: usize) {
        let mut ring = Vec::with_capacity(capacity);
        while let Some(entry) = self.pop_front() {
            ring.push(MaybeUninit::new(entry));
        }
        (self.head, self.tail) = (0, ring.len());
        ring.resize(capacity, MaybeUninit::uninit());
        self.ring = ring.into_boxed_slice();
        self.mask = capacity - 1;
    }

    /// Empties the queue and keeps its room.
    pub(super) fn clear(&mut self) {
        self.head = self.tail;
    }

    /// Appends `entry`.
    ///
    /// # Safety
    ///
    /// There is room: [`make_room`](Self::make_room) was told of a number of things that may be in the queue,
    /// `entry` is one of them, and none of them is in it twice.
    #[inline(always)]
    pub(super) unsafe fn push_back(&mut self, entry: T) {
        debug_assert!(self.len() < self.ring.len(), "room was made for all");
        let index = self.tail & self.mask;
        // SAFETY: there is room, so the length is not zero but a power of two, and the index below it.
        unsafe { self.ring.get_unchecked_mut(index).write(entry) };
        self.tail = self.tail.wrapping_add(1);
    }

    /// Puts `entry` before all others.
    ///
    /// # Safety
    ///
    /// As for [`push_back`](Self::push_back).
    pub(super) unsafe fn push_front(&mut self, entry: T) {
        debug_assert!(self.len() < self.ring.len(), "room was made for all");
        self.head = self.head.wrapping_sub(1);
        let index = self.head & self.mask;
        self.ring[index].write(entry);
    }

    /// The entries that were pushed last, up to `count` of them, oldest first.
    pub(super) fn newest(&self, count: usize) -> impl Iterator<Item = T> {
        let count = count.min(self.len());
        (0..count).map(move |n| {
            let index = self.tail.wrapping_sub(count - n) & self.mask;
            // SAFETY: it is one of those between `head` and `tail`.
            unsafe { self.ring[index].assume_init() }
        })
    }

    #[inline(always)]
    pub(super) fn pop_front(&mut self) -> Option<T> {
        if self.head == self.tail {
            return None;
        }
        let index = self.head & self.mask;
        self.head = self.head.wrapping_add(1);
        // SAFETY: an entry was pushed, so the length is not zero but a power of two, and the index below it.
        // That entry was between `head` and `tail`, and so is initialised.
        Some(unsafe { self.ring.get_unchecked(index).assume_init() })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_counts_may_wrap() {
        let mut queue = ReadyQueue::new();
        queue.make_room(5);
        (queue.head, queue.tail) = (usize::MAX - 6, usize::MAX - 6);
        for round in 0..4 {
            for entry in 0..5 {
                // SAFETY: room was made for all of them, and all are out again after each round.
                unsafe { queue.push_back(entry) };
            }
            assert_eq!(queue.len(), 5, "round {round}");
            assert!((0..5).all(|entry| queue.pop_front() == Some(entry)));
            assert_eq!(queue.pop_front(), None);
        }
    }

    #[test]
    fn the_newest_are_those_pushed_last_oldest_first() {
        let mut queue = ReadyQueue::new();
        assert_eq!(queue.newest(3).count(), 0);
        queue.make_room(4);
        for round in 0..8 {
            // SAFETY: there is room for four, and there are never more than three.
            (0..3).for_each(|entry| unsafe { queue.push_back(10 * round + entry) });
            assert!(queue.newest(2).eq([10 * round + 1, 10 * round + 2]));
            assert!(queue.newest(9).eq((0..3).map(|entry| 10 * round + entry)));
            while queue.pop_front().is_some() {}
        }
    }

    #[test]
    fn growing_keeps_the_order_and_what_was_put_in_front() {
        let mut queue = ReadyQueue::new();
        queue.make_room(4);
        // SAFETY: four entries, each once, while there is room for four, and then nine.
        unsafe {
            (1..4).for_each(|entry| queue.push_back(entry));
            queue.push_front(0);
            queue.make_room(9);
            (4..9).for_each(|entry| queue.push_back(entry));
        }
        assert!((0..9).all(|entry| queue.pop_front() == Some(entry)));
    }
}
