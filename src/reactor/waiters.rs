//! Those who each want to be woken when one direction of a source is ready, first come first.

use std::mem;

use crate::executor::wake::WakeRef;

/// Identifies one of many waiters of a direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WaiterId(pub(super) u32);

/// A waiter and what wakes it.
type Waiter = (WaiterId, WakeRef);

/// The waiters. Boxed to be small, as most sources never have one; and the list of a source that had one is kept, so that
/// waiting again takes no allocation.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    #[allow(clippy::box_collection)]
    list: Option<Box<Vec<Waiter>>>,
}

impl Waiters {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.list.as_ref().is_none_or(|list| list.is_empty())
    }

    pub(super) fn push(&mut self, id: WaiterId, waker: WakeRef) {
        self.list.get_or_insert_default().push((id, waker));
    }

    /// Gives what the waiter had, or `None` if it was woken.
    pub(super) fn swap(&mut self, id: WaiterId, waker: WakeRef) -> Option<WakeRef> {
        let (_, kept) = self.list.as_mut()?.iter_mut().find(|(waiter, _)| *waiter == id)?;
        Some(mem::replace(kept, waker))
    }

    pub(super) fn remove(&mut self, id: WaiterId) -> Option<WakeRef> {
        let list = self.list.as_mut()?;
        let index = list.iter().position(|(waiter, _)| *waiter == id)?;
        Some(list.remove(index).1)
    }

    /// Takes all out.
    #[inline]
    #[must_use = "who was taken out must be woken"]
    pub(super) fn take(&mut self) -> Taken {
        match &mut self.list {
            None => Taken::default(),
            // Most often there is one, and then the list stays.
            Some(list) if list.len() <= 1 => Taken { first: list.pop(), others: None },
            list => Taken { first: None, others: list.take() },
        }
    }
}

/// Waiters that were taken out: `first`, then the others.
#[derive(Debug, Default)]
pub(super) struct Taken {
    first: Option<Waiter>,
    #[allow(clippy::box_collection)]
    others: Option<Box<Vec<Waiter>>>,
}

impl Taken {
    /// Wakes all, in the order they came.
    #[inline]
    pub(super) fn for_each(self, wake: &mut impl FnMut(WakeRef)) {
        if let Some((_, waker)) = self.first {
            wake(waker);
        }
        if let Some(others) = self.others {
            others.into_iter().for_each(|(_, waker)| wake(waker));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// Writes its number into the order of wakes.
    struct Numbered(u32, Arc<[AtomicU32; 2]>);

    impl Wake for Numbered {
        fn wake(self: Arc<Self>) {
            let [count, order] = &*self.1;
            count.fetch_add(1, Ordering::Relaxed);
            order.store(10 * order.load(Ordering::Relaxed) + self.0, Ordering::Relaxed);
        }
    }

    #[test]
    fn they_are_woken_in_the_order_they_came_whoever_leaves() {
        // Waiters 1, 2 and 3 come; some leave; 4 comes.
        for (leave, expected) in [
            (&[][..], 1234),
            (&[1], 234),
            (&[2], 134),
            (&[3], 124),
            (&[1, 2], 34),
            (&[2, 3], 14),
            (&[3, 1], 24),
            (&[1, 3, 2], 4),
        ] {
            let log: Arc<[AtomicU32; 2]> = Arc::default();
            let waker = |id| Waker::from(Arc::new(Numbered(id, Arc::clone(&log))));
            let mut waiters = Waiters::default();
            assert!(waiters.is_empty());
            for id in 1..=3 {
                waiters.push(WaiterId(id), WakeRef::new(&waker(id)));
            }
            for &id in leave {
                assert!(waiters.remove(WaiterId(id)).is_some());
                assert!(waiters.remove(WaiterId(id)).is_none());
                assert!(waiters.swap(WaiterId(id), WakeRef::new(&waker(9))).is_none());
            }
            assert_eq!(waiters.is_empty(), leave.len() == 3);
            waiters.push(WaiterId(4), WakeRef::new(&waker(9)));
            assert!(waiters.swap(WaiterId(4), WakeRef::new(&waker(4))).is_some());
            let mut wakers = Vec::new();
            waiters.take().for_each(&mut |waker| wakers.push(waker));
            assert!(waiters.is_empty());
            wakers.into_iter().for_each(|waker| assert!(waker.wake().is_ok()));
            assert_eq!(log[1].load(Ordering::Relaxed), expected, "{leave:?} left");
            assert_eq!(log[0].load(Ordering::Relaxed) as usize, 4 - leave.len());
        }
    }
}
