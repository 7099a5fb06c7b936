//! How items are kept, and which comes next: all in which the queues differ.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

/// Keeps items in an order.
pub(super) trait Store: Default {
    type Item;
    /// An item that was taken out, with its place in the order.
    type Taken;

    fn len(&self) -> usize;
    fn push(&mut self, item: Self::Item);
    fn pop(&mut self) -> Option<Self::Taken>;
    /// Puts back what was popped last.
    fn restore(&mut self, taken: Self::Taken);
    fn item(taken: Self::Taken) -> Self::Item;
    /// Takes all out but those that `keep` pops would give next; in the order of pops.
    fn split_off(&mut self, keep: usize) -> Vec<Self::Item>;
}

/// First in, first out.
pub(super) struct Fifo<T>(VecDeque<T>);

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Store for Fifo<T> {
    type Item = T;
    type Taken = T;

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn push(&mut self, item: T) {
        self.0.push_back(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    fn restore(&mut self, item: T) {
        self.0.push_front(item);
    }

    #[inline]
    fn item(item: T) -> T {
        item
    }

    fn split_off(&mut self, keep: usize) -> Vec<T> {
        self.0.split_off(keep).into()
    }
}

/// Last in, first out.
pub(super) struct Lifo<T>(Vec<T>);

impl<T> Default for Lifo<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Store for Lifo<T> {
    type Item = T;
    type Taken = T;

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn push(&mut self, item: T) {
        self.0.push(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    fn restore(&mut self, item: T) {
        self.0.push(item);
    }

    #[inline]
    fn item(item: T) -> T {
        item
    }

    fn split_off(&mut self, keep: usize) -> Vec<T> {
        let oldest_kept = self.0.len() - keep;
        self.0.drain(..oldest_kept).rev().collect()
    }
}

/// Lowest first; of equals, the one that came first.
pub(super) struct Lowest<T> {
    heap: BinaryHeap<Reverse<Ranked<T>>>,
    /// How many were pushed.
    pushed: u64,
}

/// An item, and the how-manieth it is.
pub(super) struct Ranked<T> {
    item: T,
    number: u64,
}

impl<T: Ord> Ord for Ranked<T> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.item.cmp(&other.item).then(self.number.cmp(&other.number))
    }
}

impl<T: Ord> PartialOrd for Ranked<T> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Ranked<T> {}

impl<T: Ord> Default for Lowest<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }
}

impl<T: Ord> Store for Lowest<T> {
    type Item = T;
    type Taken = Ranked<T>;

    #[inline]
    fn len(&self) -> usize {
        self.heap.len()
    }

    #[inline]
    fn push(&mut self, item: T) {
        let number = self.pushed;
        self.pushed += 1;
        self.heap.push(Reverse(Ranked { item, number }));
    }

    #[inline]
    fn pop(&mut self) -> Option<Ranked<T>> {
        self.heap.pop().map(|Reverse(ranked)| ranked)
    }

    fn restore(&mut self, taken: Ranked<T>) {
        self.heap.push(Reverse(taken));
    }

    #[inline]
    fn item(taken: Ranked<T>) -> T {
        taken.item
    }

    fn split_off(&mut self, keep: usize) -> Vec<T> {
        let kept: Vec<_> = (0..keep).map_while(|_| self.heap.pop()).collect();
        let mut rest = std::mem::replace(&mut self.heap, kept.into()).into_sorted_vec();
        rest.reverse();
        rest.into_iter().map(|Reverse(ranked)| ranked.item).collect()
    }
}
