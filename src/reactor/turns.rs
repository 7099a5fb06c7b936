//! Those who wait for a direction of a source one after the other: an event wakes only the first of them.
//!
//! The first has the turn for as long as it is in line, woken or not. When it leaves, done or dropped, and the direction
//! is still ready, the next one is woken. So of what came with one event nothing is left lying, and nobody is woken for
//! what another takes.

use std::collections::VecDeque;

use super::waiters::WaiterId;
use crate::executor::wake::WakeRef;

/// What a long line took is given back when it is over; that of a short one is kept.
const KEPT: usize = 16;

/// The line, first come first.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// With ascending ids. `None`: it was woken. Only the first may be.
    line: VecDeque<(WaiterId, Option<WakeRef>)>,
}

impl Turns {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Whether somebody stands behind the first.
    pub(super) fn has_second(&self) -> bool {
        self.line.len() > 1
    }

    /// Whether nobody is before the waiter; `None` has yet to join the line.
    #[inline]
    pub(super) fn is_first(&self, waiter: Option<WaiterId>) -> bool {
        self.line.front().map(|(first, _)| *first) == waiter
    }

    pub(super) fn push(&mut self, id: WaiterId, waker: WakeRef) {
        self.line.push_back((id, Some(waker)));
    }

    /// Gives what the waiter had.
    pub(super) fn swap(&mut self, id: WaiterId, waker: WakeRef) -> Option<WakeRef> {
        let place = self.place(id)?;
        self.line[place].1.replace(waker)
    }

    /// Gives what the waiter had.
    pub(super) fn remove(&mut self, id: WaiterId) -> Option<WakeRef> {
        let (_, waker) = self.line.remove(self.place(id)?)?;
        if self.line.is_empty() && self.line.capacity() > KEPT {
            self.line = VecDeque::new();
        }
        waker
    }

    /// Whom to wake, unless that was done.
    #[inline]
    pub(super) fn take_first(&mut self) -> Option<WakeRef> {
        self.line.front_mut()?.1.take()
    }

    fn place(&self, id: WaiterId) -> Option<usize> {
        // Ids wrap; the distance to the first one ascends nevertheless.
        let first = self.line.front()?.0.0;
        let distance = |id: WaiterId| id.0.wrapping_sub(first);
        self.line.binary_search_by_key(&distance(id), |(waiter, _)| distance(*waiter)).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn whoever_leaves_the_others_keep_their_order() {
        let waker = || WakeRef::new(Waker::noop());
        // Across the end of the numbers.
        let ids = [u32::MAX - 1, u32::MAX, 0, 1].map(WaiterId);
        for leaving in ids {
            let mut turns = Turns::default();
            assert!(turns.is_first(None) && turns.take_first().is_none());
            for id in ids {
                turns.push(id, waker());
                assert!(!turns.is_first(None) && turns.is_first(Some(ids[0])));
            }
            assert!(turns.remove(leaving).is_some());
            assert!(turns.remove(leaving).is_none() && turns.swap(leaving, waker()).is_none());
            for id in ids.into_iter().filter(|&id| id != leaving) {
                assert!(turns.is_first(Some(id)));
                assert!(turns.take_first().is_some() && turns.take_first().is_none());
                assert!(turns.swap(id, waker()).is_none() && turns.swap(id, waker()).is_some());
                assert!(turns.remove(id).is_some());
            }
            assert!(turns.is_empty() && !turns.has_second());
        }
    }
}
