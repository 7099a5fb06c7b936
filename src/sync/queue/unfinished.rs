//! How many items are not done, and who waits until all are.

use std::cell::Cell;
use std::future::poll_fn;

use crate::sync::waiting::Waiting;
use crate::wait_list::{WaitList, Wakes};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Unfinished {
    count: Cell<usize>,
    joining: WaitList,
}

impl Unfinished {
    pub(super) const fn new() -> Self {
        Self { count: Cell::new(0), joining: WaitList::new() }
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count.get()
    }

    #[inline]
    pub(super) fn add(&self, count: usize) {
        self.count.set(self.count.get() + count);
    }

    /// One is done. Foreign code.
    #[track_caller]
    pub(super) fn finish_one(&self) {
        assert!(self.count() > 0, "more items were reported done than were put");
        let mut wakes = Wakes::new();
        self.finish(1, &mut wakes);
        wakes.finish();
    }

    /// So many are done, or all if they are fewer.
    pub(super) fn finish(&self, count: usize, wakes: &mut Wakes) {
        let left = self.count.get().saturating_sub(count);
        self.count.set(left);
        if left == 0 {
            self.joining.serve_all_with(wakes, |()| ());
        }
    }

    /// Waits until all are done.
    pub(super) async fn join(&self) {
        let all_done = || (self.count() == 0).then_some(());
        let mut waiting = Waiting::new(|key| {
            // All were served at once: nobody waits for what it was handed.
            drop(self.joining.remove(key));
        });
        poll_fn(|cx| self.joining.wait(waiting.key(), cx, (), all_done, |()| ())).await;
    }
}
