//! Wakers for the sub-futures of one future, so that a wake polls only the child it was meant for.
//!
//! [`Children`] knows indices, not futures: whoever has sub-futures keeps them as he likes, numbers them, and
//! asks here which of them to poll, and with which waker.
//!
//! ```text
//!    fn poll(cx):
//!        children.begin(cx)                         a round: what is ready now, within the budget
//!        while let Some((index, waker)) = children.next(cx):
//!            poll child `index` with `waker`        (no borrow of `Children` is needed meanwhile)
//!            if it is over: children.retire(index)  or `remove`, which lets the index be used again
//! ```
//!
//! On one of our loops a child's waker is a wake slot, leased from the home of the thread
//! (`wake::family`). Anywhere else, in a foreign combinator or executor or polled by hand, it is an
//! `Arc` (`shared`). Which it is shows when the parent is polled: by the parent's waker. The choice is made again
//! when the parent is moved to where the slots do not serve (another thread, another executor, another loop later
//! on): then all children get new wakers, and to that end are polled again.
//!
//! # Rules for who uses it
//!
//! * `next` may give the index of a child that is over: after such a move, or by a stale waker. Skip it.
//! * `begin` begins every poll of the parent, also one that goes on to poll no child.
//! * A poll that ends with `Pending` has called `next` until that gave `None`: else nobody wakes the parent for the
//!   children that are left. One that ends with `Ready` need not.
//! * It is touched only by the parent that owns it, in its polls and its drop: some operations run foreign code (a
//!   foreign parent waker's clone, wake and drop), so it must not lie in a `RefCell`. A scope that children spawn
//!   into keeps what is spawned in a list, and takes it in here when it is polled.
//! * Dropping it gives the slots back. Wakers that are left wake nobody, or, spuriously, somebody else.

mod shared;
#[cfg(test)]
mod tests;

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::task::{Context, Waker};

use self::shared::{Popped, Shared};
use super::wake::{Kin, Slot, Woken};

/// So many children are polled before the parent gives way, however often it says `Ready` meanwhile (as a stream
/// does).
const BATCH: u32 = 128;

/// Which children of a future to poll, and with which wakers.
#[derive(Debug)]
pub(crate) struct Children {
    route: Route,
    /// How many indices were given out.
    len: u32,
    /// Children from here to `len` have no waker of this route yet, and are ready before those in its queue.
    fresh: u32,
    /// How many children may be polled after this round before the parent gives way.
    budget: u32,
    /// How many children may still be polled in this round.
    left: u32,
    /// The round does not go through all that was ready when it began.
    is_cut: bool,
    /// Indices that may be given out again. Most parents have no use for it, and it would make them larger.
    #[allow(clippy::box_collection, reason = "it is for the size")]
    vacant: Option<Box<Vec<u32>>>,
}

/// How wakes find the parent.
#[derive(Debug)]
enum Route {
    /// Not yet: the parent was not polled.
    Unknown,
    Slots(Kin),
    /// Boxed, so that the others are small.
    Shared(Box<Shared>),
}

impl Children {
    /// Children `0..count`, all to be polled.
    ///
    /// # Panics
    ///
    /// If `count` is 2³² or more.
    pub(crate) fn new(count: usize) -> Self {
        let len = u32::try_from(count).expect("a future has fewer than 2^32 children");
        Self {
            route: Route::Unknown,
            len,
            fresh: 0,
            budget: BATCH,
            left: 0,
            is_cut: false,
            vacant: None,
        }
    }

    /// How many indices there are: all that were given out are smaller.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Begins a poll of the parent: from now on a child's wake wakes `cx`.
    #[inline]
    pub(crate) fn begin(&mut self, cx: &Context<'_>) {
        let queued = match (&self.route, Slot::of(cx.waker())) {
            (Route::Slots(kin), Some(parent)) => kin.set_parent(parent),
            _ => None,
        };
        let queued = queued.unwrap_or_else(|| self.find_route(cx));
        let ready = queued + (self.len - self.fresh) as usize;
        // With what the last round left over.
        let budget = self.budget + self.left;
        self.is_cut = ready > budget as usize;
        self.left = if self.is_cut { budget } else { ready as u32 };
        self.budget = budget - self.left;
    }

    /// Finds the route that the parent's waker asks for, and gives how many children are in its queue. If it is a new
    /// one, all children will be polled, to get its wakers.
    #[inline(never)]
    fn find_route(&mut self, cx: &Context<'_>) -> usize {
        if let Route::Shared(shared) = &self.route {
            return shared.set_parent(cx.waker());
        }
        self.leave_route();
        self.route = match Slot::of(cx.waker()).and_then(Kin::found) {
            Some(kin) => Route::Slots(kin),
            None => Route::Shared(Box::new(Shared::new(cx.waker()))),
        };
        0
    }

    fn leave_route(&mut self) {
        if let Route::Slots(kin) = std::mem::replace(&mut self.route, Route::Unknown) {
            kin.dissolve(self.fresh);
        }
        self.fresh = 0;
    }

    /// The next child to poll in this round, first woken first, and its waker.
    ///
    /// After the last one, wakes `cx` if there are more: the parent gives way and goes on in its next turn.
    #[inline(always)]
    pub(crate) fn next(&mut self, cx: &Context<'_>) -> Option<(usize, ChildWaker)> {
        loop {
            if self.left == 0 {
                self.end_round(cx);
                return None;
            }
            self.left -= 1;
            let Route::Slots(kin) = &self.route else {
                return self.next_shared(cx);
            };
            let woken = if self.fresh < self.len {
                let index = self.fresh;
                self.fresh += 1;
                kin.enroll(index, self.len).map(|slot| Woken::Child(index, slot))
            } else {
                kin.pop()
            };
            match woken {
                Some(Woken::Child(index, slot)) => {
                    return Some((index as usize, ChildWaker::Slot(slot.waker())));
                }
                Some(Woken::Left(index)) => index.into_iter().for_each(|index| self.vacate(index)),
                Some(Woken::Nobody) => self.left = 0,
                None => self.lose_route(),
            }
        }
    }

    /// As [`next`](Self::next), where the route is not one of slots, and `left` says that somebody is.
    #[inline(never)]
    fn next_shared(&mut self, cx: &Context<'_>) -> Option<(usize, ChildWaker)> {
        loop {
            let Route::Shared(shared) = &mut self.route else { return None };
            let popped = if self.fresh < self.len {
                let index = self.fresh;
                self.fresh += 1;
                Some(Popped::Child(index, shared.enroll(index)))
            } else {
                shared.pop()
            };
            match popped {
                Some(Popped::Child(index, waker)) => {
                    return Some((index as usize, ChildWaker::Shared(waker)));
                }
                Some(Popped::Left(index)) => index.into_iter().for_each(|index| self.vacate(index)),
                None => self.left = 0,
            }
            if self.left == 0 {
                self.end_round(cx);
                return None;
            }
            self.left -= 1;
        }
    }

    /// The round is over.
    #[inline]
    fn end_round(&mut self, cx: &Context<'_>) {
        self.budget = BATCH;
        if std::mem::take(&mut self.is_cut) {
            cx.waker().wake_by_ref();
        }
    }

    /// An index may be given out again.
    fn vacate(&mut self, index: u32) {
        self.vacant.get_or_insert_default().push(index);
    }

    /// The last loop of this thread went, in a child's poll. The next poll of the parent finds another route.
    #[cold]
    fn lose_route(&mut self) {
        self.leave_route();
        (self.left, self.is_cut) = (0, true);
    }

    /// Adds a child, to be polled after all that are ready now, and wakes the parent for that. The index is one that
    /// was removed, or the smallest that was never given out.
    ///
    /// # Panics
    ///
    /// If there are 2³² children.
    pub(crate) fn insert(&mut self) -> usize {
        let index = self.vacant.as_mut().and_then(|vacant| vacant.pop()).unwrap_or_else(|| {
            self.len = self.len.checked_add(1).expect("a future has fewer than 2^32 children");
            self.len - 1
        });
        if !matches!(self.route, Route::Unknown) && self.fresh == index && index + 1 == self.len {
            self.fresh += 1;
        }
        if index < self.fresh {
            self.admit(index);
        } else {
            // It waits with the others that have not begun, before those in the queue.
            self.is_cut = true;
        }
        index as usize
    }

    /// Queues a new child and wakes the parent. Where the route is lost, the parent's next poll finds that out.
    fn admit(&mut self, index: u32) {
        match &mut self.route {
            Route::Slots(kin) => {
                if let Some(slot) = kin.enroll(index, self.len) {
                    slot.wake();
                }
            }
            Route::Shared(shared) => shared.enroll(index).wake(),
            Route::Unknown => {}
        }
    }

    /// A child is over. Its wakes do nothing from now on, and its index is not given out again.
    #[inline]
    pub(crate) fn retire(&mut self, index: usize) {
        self.dismiss(index, true);
    }

    /// A child is over. Its wakes do nothing from now on, and [`insert`](Self::insert) may give its index to
    /// another child.
    #[inline]
    pub(crate) fn remove(&mut self, index: usize) {
        if !self.dismiss(index, false) {
            self.vacate(index as u32);
        }
    }

    /// True: the index may not be used again now.
    #[inline]
    fn dismiss(&mut self, index: usize, for_good: bool) -> bool {
        debug_assert!(index < self.len(), "child {index} of {}", self.len);
        let index = index as u32;
        if index >= self.fresh {
            // Not started: it comes out of `next` as such.
            return true;
        }
        match &self.route {
            // Lost: this index is not used again, which costs nothing.
            Route::Slots(kin) => kin.dismiss(index, for_good).unwrap_or(true),
            Route::Shared(shared) => shared.dismiss(index, for_good),
            Route::Unknown => true,
        }
    }
}

impl Drop for Children {
    #[inline]
    fn drop(&mut self) {
        if let Route::Slots(kin) = &self.route {
            kin.dissolve(self.fresh);
        }
    }
}

/// A child's waker.
#[derive(Debug)]
pub(crate) enum ChildWaker {
    Slot(ManuallyDrop<Waker>),
    Shared(Waker),
}

impl Deref for ChildWaker {
    type Target = Waker;

    #[inline(always)]
    fn deref(&self) -> &Waker {
        match self {
            Self::Slot(waker) => waker,
            Self::Shared(waker) => waker,
        }
    }
}
