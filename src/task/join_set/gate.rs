//! How many tasks of a set run at the same time.
//!
//! Turns are given in the order they were asked for. A turn that was given and not taken, since its task was aborted
//! before it ran, goes to the next.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::mem;
use std::task::{Context, Poll, Waker};

use crate::task::wake::wake_all;

pub(super) struct Gate {
    limit: usize,
    /// Turns that are out.
    running: Cell<usize>,
    /// Who waits, by the order they came. A waker is taken out when the turn is given.
    waiting: RefCell<BTreeMap<u64, Waker>>,
    arrivals: Cell<u64>,
}

/// A task's place at the gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// It did not come yet.
    Away,
    /// It waits; or it was given its turn, if it is not among those who wait.
    Waiting(u64),
    /// It has its turn.
    Inside,
}

impl Gate {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            running: Cell::new(0),
            waiting: RefCell::default(),
            arrivals: Cell::new(0),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Ready when it is this task's turn.
    pub(super) fn poll_enter(&self, place: &mut Place, cx: &Context<'_>) -> Poll<()> {
        match *place {
            Place::Inside => return Poll::Ready(()),
            Place::Away if self.running.get() < self.limit => {
                self.running.set(self.running.get() + 1);
                *place = Place::Inside;
                return Poll::Ready(());
            }
            Place::Away => {
                let arrival = self.arrivals.get();
                self.arrivals.set(arrival + 1);
                *place = Place::Waiting(arrival);
                // Foreign code; a turn that it frees finds nobody waiting, and is seen below.
                let waker = cx.waker().clone();
                self.waiting.borrow_mut().insert(arrival, waker);
                self.admit();
            }
            Place::Waiting(arrival) => {
                let new = cx.waker().clone();
                let old = self.waiting.borrow_mut().get_mut(&arrival).map(|w| mem::replace(w, new));
                drop(old);
            }
        }
        if matches!(*place, Place::Waiting(arrival) if self.waiting.borrow().contains_key(&arrival))
        {
            return Poll::Pending;
        }
        *place = Place::Inside;
        Poll::Ready(())
    }

    /// A task is through, or goes without having had its turn.
    pub(super) fn leave(&self, place: Place) {
        match place {
            Place::Away => {}
            Place::Inside => self.give_back(),
            Place::Waiting(arrival) => {
                let waker = self.waiting.borrow_mut().remove(&arrival);
                if waker.is_none() {
                    self.give_back();
                }
            }
        }
    }

    fn give_back(&self) {
        self.running.set(self.running.get() - 1);
        self.admit();
    }

    /// Gives turns to those who waited longest.
    fn admit(&self) {
        while self.running.get() < self.limit {
            let Some((_, waker)) = self.waiting.borrow_mut().pop_first() else { return };
            self.running.set(self.running.get() + 1);
            wake_all([waker]);
        }
    }
}
