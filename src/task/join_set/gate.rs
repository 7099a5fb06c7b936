//! How many tasks of a set run at the same time.
//!
//! Turns are given in the order they were asked for. A turn that was given and not taken, since its task was aborted
//! before it ran, goes to the next.

use std::cell::Cell;
use std::iter;
use std::task::{Context, Poll, ready};

use crate::task::wake::wake_all;
use crate::wait_list::{Key, Removed, WaitList};

pub(super) struct Gate {
    limit: usize,
    /// Turns that are nobody's; none while somebody waits.
    free: Cell<usize>,
    waiting: WaitList,
}

/// A task's place at the gate.
#[derive(Default)]
pub(super) struct Place {
    has_turn: bool,
    key: Option<Key>,
}

impl Gate {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Self { limit, free: Cell::new(limit), waiting: WaitList::new() }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Ready when it is this task's turn.
    pub(super) fn poll_enter(&self, place: &mut Place, cx: &Context<'_>) -> Poll<()> {
        if !place.has_turn {
            let take = || self.free.get().checked_sub(1).map(|free| self.free.set(free));
            ready!(self.waiting.wait(&mut place.key, cx, (), take, |()| ()));
            place.has_turn = true;
        }
        Poll::Ready(())
    }

    /// A task is through, or goes without having had its turn.
    pub(super) fn leave(&self, place: &mut Place) {
        let was_served = place.key.is_some()
            && matches!(self.waiting.remove(&mut place.key), Removed::Served(()));
        if place.has_turn || was_served {
            // To the one who waited longest.
            match self.waiting.serve(|()| Some(())) {
                Some(waker) => wake_all(&mut iter::once(waker)),
                None => self.free.set(self.free.get() + 1),
            }
        }
    }
}
