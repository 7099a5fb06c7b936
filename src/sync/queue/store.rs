//! How items are kept, and which comes next: all in which the queues differ.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use crate::executor::task::discard;
use crate::memory::{self, KEPT};

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
    /// Takes all out but those that `keep` pops would give next; in the order of pops. If the order panics,
    /// nothing is taken out.
    fn split_off(&mut self, keep: usize) -> Vec<Self::Item>;
    /// Puts back what was split off. All of it is in even if the order panics.
    fn put_back(&mut self, items: Vec<Self::Item>);
    /// Gives back the memory of a burst, if it is over.
    fn shrink(&mut self);
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

    fn put_back(&mut self, items: Vec<T>) {
        self.0.extend(items);
    }

    fn shrink(&mut self) {
        memory::shrink(&mut self.0);
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

    fn put_back(&mut self, items: Vec<T>) {
        self.0.splice(..0, items.into_iter().rev());
    }

    fn shrink(&mut self) {
        if self.0.is_empty() && self.0.capacity() > KEPT {
            self.0.shrink_to(KEPT);
        }
    }
}

/// Lowest first; of equals, the one that came first.
pub(super) struct Lowest<T> {
    heap: BinaryHeap<Ranked<T>>,
    /// How many were pushed.
    pushed: u64,
}

/// An item, and the how-manieth it is. The heap has its greatest on top, so the order is turned round.
pub(super) struct Ranked<T> {
    item: T,
    number: u64,
}

impl<T: Ord> Ranked<T> {
    #[inline(always)]
    fn comes_before(&self, other: &Self) -> bool {
        match self.item.cmp(&other.item) {
            Ordering::Less => true,
            Ordering::Equal => self.number < other.number,
            Ordering::Greater => false,
        }
    }
}

impl<T: Ord> Ord for Ranked<T> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        other.item.cmp(&self.item).then_with(|| other.number.cmp(&self.number))
    }
}

/// Heaps compare by `<=` and its kin: as numbers differ, each is one look.
impl<T: Ord> PartialOrd for Ranked<T> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    #[inline]
    fn lt(&self, other: &Self) -> bool {
        other.comes_before(self)
    }

    #[inline]
    fn le(&self, other: &Self) -> bool {
        !self.comes_before(other)
    }

    #[inline]
    fn gt(&self, other: &Self) -> bool {
        self.comes_before(other)
    }

    #[inline]
    fn ge(&self, other: &Self) -> bool {
        !other.comes_before(self)
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
        self.heap.push(Ranked { item, number });
    }

    #[inline]
    fn pop(&mut self) -> Option<Ranked<T>> {
        self.heap.pop()
    }

    fn restore(&mut self, taken: Ranked<T>) {
        self.heap.push(taken);
    }

    #[inline]
    fn item(taken: Ranked<T>) -> T {
        taken.item
    }

    fn split_off(&mut self, keep: usize) -> Vec<T> {
        // All comparisons come first: they may panic.
        let items = self.heap.as_slice();
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_unstable_by(|&a, &b| items[b].cmp(&items[a]));

        let mut items: Vec<_> = mem::take(&mut self.heap).into_iter().map(Some).collect();
        let mut sorted =
            order.into_iter().map(|index| items[index].take().expect("it is one's own"));
        let kept: Vec<_> = sorted.by_ref().take(keep).collect();
        let rest = sorted.collect();
        if let Err(payload) = self.push_all(kept) {
            discard(self.push_all(rest));
            resume_unwind(payload);
        }
        rest.into_iter().map(|ranked| ranked.item).collect()
    }

    fn put_back(&mut self, items: Vec<T>) {
        let numbers = self.pushed..;
        self.pushed += items.len() as u64;
        let ranked = items.into_iter().zip(numbers).map(|(item, number)| Ranked { item, number });
        if let Err(payload) = self.push_all(ranked.collect()) {
            resume_unwind(payload);
        }
    }

    fn shrink(&mut self) {
        if self.heap.is_empty() && self.heap.capacity() > KEPT {
            self.heap.shrink_to(KEPT);
        }
    }
}

impl<T: Ord> Lowest<T> {
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.heap.capacity()
    }

    /// Pushes all, whatever their order does; gives its first panic.
    fn push_all(&mut self, items: Vec<Ranked<T>>) -> thread::Result<()> {
        let mut pushed = Ok(());
        for item in items {
            // A heap loses nothing by a panic in `push`.
            let panicked = catch_unwind(AssertUnwindSafe(|| self.heap.push(item)));
            if pushed.is_ok() {
                pushed = panicked;
            } else {
                discard(panicked);
            }
        }
        pushed
    }
}

#[cfg(test)]
mod tests {
    use super::{Fifo, Lifo, Lowest, Store};
    use crate::memory::KEPT;

    fn after_a_burst<S: Store<Item = usize>>(capacity: impl Fn(&S) -> usize) {
        let mut store = S::default();
        (0..10 * KEPT).for_each(|n| store.push(n));
        while store.len() > 1 {
            store.pop();
        }
        store.shrink();
        assert!(capacity(&store) >= 10 * KEPT, "it is not over");
        store.pop();
        store.shrink();
        assert!((KEPT..2 * KEPT).contains(&capacity(&store)), "{}", capacity(&store));
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back() {
        after_a_burst::<Fifo<_>>(|store| store.0.capacity());
        after_a_burst::<Lifo<_>>(|store| store.0.capacity());
        after_a_burst::<Lowest<_>>(|store| store.heap.capacity());
    }
}
