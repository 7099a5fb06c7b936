//! Items with a priority beside them.

use std::cmp::Ordering;

/// An item for a [`PriorityQueue`](super::PriorityQueue) that is compared by its priority alone: of equal
/// priorities, what was put first comes first, whatever the items are.
///
/// # Examples
///
/// ```
/// use monoloop::sync::queue::{Prioritized, PriorityQueue};
///
/// # monoloop::run(async {
/// let queue = PriorityQueue::unbounded();
/// for (priority, item) in [(2, "sweep"), (1, "shop"), (1, "cook")] {
///     queue.put(Prioritized { priority, item }).await.unwrap();
/// }
/// assert_eq!(queue.get().await.unwrap().item, "shop");
/// assert_eq!(queue.get().await.unwrap().item, "cook");
/// # });
/// ```
#[doc(alias = "PrioritizedItem")]
#[derive(Clone, Copy, Debug)]
pub struct Prioritized<P, T> {
    /// The lowest comes first.
    pub priority: P,
    /// Not compared.
    pub item: T,
}

impl<P: Ord, T> Ord for Prioritized<P, T> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.priority.cmp(&other.priority)
    }
}

impl<P: Ord, T> PartialOrd for Prioritized<P, T> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P: Ord, T> PartialEq for Prioritized<P, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<P: Ord, T> Eq for Prioritized<P, T> {}
