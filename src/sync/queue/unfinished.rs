//! How many items are not done, and who waits until all are.

use std::cell::Cell;

use crate::wait_list::{ReleaseList, Wakes};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Unfinished {
    count: Cell<usize>,
    joining: ReleaseList,
}

impl Unfinished {
    pub(super) const fn new() -> Self {
        Self { count: Cell::new(0), joining: ReleaseList::new() }
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
            self.joining.release_with(wakes);
        }
    }

    /// Waits until all are done.
    pub(super) async fn join(&self) {
        self.joining.until(|| self.count() == 0).await;
    }
}
