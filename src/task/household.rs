//! Who waits for clean-ups.
//!
//! A group and a scope each keep a *household*: it is in force while their body and children are polled, and every
//! clean-up that is [deferred](super::defer()) there is entered in it when it is adopted. The clean-up itself runs as a
//! task of the loop; the household only counts it, and wakes the group when the last is through.
//!
//! ```text
//!   open ── close ──► closed: what is pending, and what is still to come, counts in the parent too
//! ```
//!
//! So a group that is dropped, and cannot wait any more, leaves its clean-ups to the group around it, and in the end
//! to the loop. Chains of parents are walked by a loop.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::wake::Waiter;

/// Counts the clean-ups of a group or scope.
pub(super) struct Household {
    pending: Cell<usize>,
    is_closed: Cell<bool>,
    parent: Option<Rc<Household>>,
    waiter: Waiter,
}

thread_local! {
    static CURRENT: Cell<Option<Rc<Household>>> = const { Cell::new(None) };
}

/// The household in force.
pub(super) fn current() -> Option<Rc<Household>> {
    let read = |cell: &Cell<Option<Rc<Household>>>| {
        let taken = cell.take();
        let copy = taken.clone();
        cell.set(taken);
        copy
    };
    // Gone while its thread ends.
    CURRENT.try_with(read).ok().flatten()
}

fn replace(household: Option<Rc<Household>>) -> Option<Rc<Household>> {
    CURRENT.try_with(|current| current.replace(household)).ok().flatten()
}

/// While it lives, a household is in force. It is lent, so that this counts no references.
pub(super) struct At<'a> {
    lent: &'a mut Option<Rc<Household>>,
    outer: Option<Rc<Household>>,
}

/// Puts a household in force, or none.
pub(super) fn enter(household: &mut Option<Rc<Household>>) -> At<'_> {
    let outer = replace(household.take());
    At { lent: household, outer }
}

impl Drop for At<'_> {
    fn drop(&mut self) {
        *self.lent = replace(self.outer.take());
    }
}

impl Household {
    /// Opens a household inside the one in force.
    pub(super) fn open() -> Rc<Self> {
        Rc::new(Self {
            pending: Cell::new(0),
            is_closed: Cell::new(false),
            parent: current(),
            waiter: Waiter::default(),
        })
    }

    /// Ready when no clean-up is pending.
    pub(super) fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        if self.pending.get() == 0 {
            return Poll::Ready(());
        }
        self.waiter.register(cx);
        if self.pending.get() == 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Nobody waits here any more: the parent counts what is pending.
    pub(super) fn close(&self) {
        if self.is_closed.replace(true) {
            return;
        }
        self.waiter.clear();
        if let Some(parent) = &self.parent {
            parent.change(|pending| pending + self.pending.get());
        }
    }

    /// A clean-up begins.
    fn add(&self) {
        self.change(|pending| pending + 1);
    }

    /// A clean-up is through.
    fn remove(&self) {
        self.change(|pending| pending - 1);
    }

    /// Changes the count here and, where households are closed, above.
    fn change(&self, new: impl Fn(usize) -> usize) {
        let mut next = Some(self);
        while let Some(household) = next {
            household.pending.set(new(household.pending.get()));
            if household.pending.get() == 0 {
                household.waiter.wake();
            }
            next = household.parent.as_deref().filter(|_| household.is_closed.get());
        }
    }
}

/// A clean-up's entry in its household.
pub(super) struct Entry {
    household: Option<Rc<Household>>,
}

impl Entry {
    pub(super) fn new(household: Option<Rc<Household>>) -> Self {
        if let Some(household) = &household {
            household.add();
        }
        Self { household }
    }

    /// What the clean-up itself defers is entered beside it.
    pub(super) fn enter(&mut self) -> At<'_> {
        enter(&mut self.household)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(household) = self.household.take() {
            household.remove();
        }
    }
}
