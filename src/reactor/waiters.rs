//! Those who each want to be woken when one direction of a source is ready, first come first.

use std::mem;

use crate::executor::wake::WakeRef;

/// Identifies one of many waiters of a direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WaiterId(pub(crate) u32);

/// A waiter and what wakes it.
type Waiter = (WaiterId, WakeRef);

/// The waiters. Most often there is one, which takes no allocation.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    first: Option<Waiter>,
    /// Those who came later; never empty. Boxed to be small: idle sources have the field too.
    #[allow(clippy::box_collection)]
    others: Option<Box<Vec<Waiter>>>,
}

impl Waiters {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_none()
    }

    pub(super) fn push(&mut self, id: WaiterId, waker: WakeRef) {
        match &mut self.others {
            // At their end, also if the first one has left.
            Some(others) => others.push((id, waker)),
            None if self.first.is_none() => self.first = Some((id, waker)),
            others => *others = Some(Box::new(vec![(id, waker)])),
        }
    }

    /// Gives what the waiter had, or `None` if it was woken.
    pub(super) fn swap(&mut self, id: WaiterId, waker: WakeRef) -> Option<WakeRef> {
        let others = self.others.iter_mut().flat_map(|others| others.iter_mut());
        let (_, kept) = self.first.iter_mut().chain(others).find(|(waiter, _)| *waiter == id)?;
        Some(mem::replace(kept, waker))
    }

    pub(super) fn remove(&mut self, id: WaiterId) -> Option<WakeRef> {
        if let Some((_, waker)) = self.first.take_if(|(waiter, _)| *waiter == id) {
            return Some(waker);
        }
        let others = self.others.as_mut()?;
        let index = others.iter().position(|(waiter, _)| *waiter == id)?;
        let (_, waker) = others.remove(index);
        if others.is_empty() {
            self.others = None;
        }
        Some(waker)
    }

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
            waiters.for_each(&mut |waker| wakers.push(waker));
            wakers.into_iter().for_each(|waker| assert!(waker.wake().is_ok()));
            assert_eq!(log[1].load(Ordering::Relaxed), expected, "{leave:?} left");
            assert_eq!(log[0].load(Ordering::Relaxed) as usize, 4 - leave.len());
        }
    }
}
