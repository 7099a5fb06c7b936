//! The queues that people see: one text for all orders.

use std::fmt;

use super::core::Core;
use super::store::{Fifo, Lifo, Lowest};
use super::{GetError, Item, Items, Place, PutError, ReserveError, TryGetError, TryPutError};
use crate::sync::places::Refused;

macro_rules! queue {
    ($(#[$docs:meta])* $queue:ident, $store:ident $(, $bound:ident)?) => {
        $(#[$docs])*
        pub struct $queue<T $(: $bound)?> {
            core: Core<$store<T>>,
        }

        impl<T $(: $bound)?> $queue<T> {
            /// Makes a queue that holds at most `capacity` items.
            ///
            /// Memory is taken as items come in, not before.
            ///
            /// # Panics
            ///
            /// If `capacity` is zero: nothing could ever be put.
            #[doc(alias = "maxsize")]
            #[track_caller]
            #[must_use]
            pub fn bounded(capacity: usize) -> Self {
                assert!(capacity > 0, "a queue needs a capacity of at least one");
                Self { core: Core::new(capacity) }
            }

            /// Makes a queue that holds whatever is put.
            #[must_use]
            pub fn unbounded() -> Self {
                Self { core: Core::new(usize::MAX) }
            }

            /// Puts an item, and waits until there is a place for it.
            ///
            /// Those who wait are handed places in the order in which they came. The item goes in when this
            /// runs again: items that others put meanwhile, into places of their own, are before it.
            ///
            /// # Cancel safety
            ///
            /// Dropped half-way, the item is lost, and was not put; so is the place among those who wait. To
            /// keep the item, [`reserve`](Self::reserve) a place first.
            ///
            /// # Errors
            ///
            /// Gives the item back if the queue is closed, now or while it waits.
            #[inline]
            pub async fn put(&self, item: T) -> Result<(), PutError<T>> {
                self.core.put(item).await
            }

            /// Puts an item if there is a place for it and nobody waits for one. Never waits.
            ///
            /// # Errors
            ///
            /// Gives the item back if there is no place, or the queue is closed.
            #[doc(alias = "put_nowait")]
            #[inline]
            pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
                self.core.try_put(item).map_err(|item| match self.core.places().why_refused() {
                    Refused::Full => TryPutError::Full(item),
                    Refused::Closed => TryPutError::Closed(item),
                })
            }

            /// Waits for a place, so that putting an item into it cannot fail.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost but the place among those who wait.
            ///
            /// # Errors
            ///
            /// If the queue is closed, now or while it waits.
            pub async fn reserve(&self) -> Result<Place<'_, T>, ReserveError> {
                self.core.reserve().await.map(Place::new).map_err(|_| ReserveError)
            }

            /// Reserves a place if there is one and nobody waits for one. Never waits.
            ///
            /// # Errors
            ///
            /// [`TryPutError::Full`] or [`TryPutError::Closed`].
            pub fn try_reserve(&self) -> Result<Place<'_, T>, TryPutError<()>> {
                self.core.try_reserve().map(Place::new).map_err(|refused| match refused {
                    Refused::Full => TryPutError::Full(()),
                    Refused::Closed => TryPutError::Closed(()),
                })
            }

            /// Waits for an item. It counts as not done until [`task_done`](Self::task_done) is called.
            ///
            /// # Cancel safety
            ///
            /// No item is lost, only the place among those who wait: an item that was handed over goes to the
            /// next.
            ///
            /// # Errors
            ///
            /// If the queue is closed and nothing is left.
            #[inline]
            pub async fn get(&self) -> Result<T, GetError> {
                self.core.get().await.map_err(|_| GetError)
            }

            /// Waits for an item, which is done when it is dropped.
            ///
            /// # Cancel safety
            ///
            /// As for [`get`](Self::get).
            ///
            /// # Errors
            ///
            /// If the queue is closed and nothing is left.
            #[doc(alias = "task_done")]
            pub async fn get_item(&self) -> Result<Item<'_, T>, GetError> {
                let item = self.get().await?;
                Ok(Item::new(item, self.core.unfinished()))
            }

            /// Gets an item if there is one and nobody waits for one. Never waits.
            ///
            /// # Errors
            ///
            /// [`TryGetError::Empty`], or [`TryGetError::Closed`] if nothing will come.
            #[doc(alias = "get_nowait")]
            #[inline]
            pub fn try_get(&self) -> Result<T, TryGetError> {
                self.core.try_get()
            }

            /// As [`try_get`](Self::try_get), for an item that is done when it is dropped.
            ///
            /// # Errors
            ///
            /// As for [`try_get`](Self::try_get).
            pub fn try_get_item(&self) -> Result<Item<'_, T>, TryGetError> {
                Ok(Item::new(self.try_get()?, self.core.unfinished()))
            }

            /// Gives a stream that gets the items one by one, until the queue is closed and empty. They count
            /// as not done until [`task_done`](Self::task_done) is called.
            pub fn items(&self) -> Items<'_, T> {
                Items::new(&self.core)
            }

            /// Says that the work on an item that was got is done.
            ///
            /// # Panics
            ///
            /// If that is said more often than items were put.
            #[track_caller]
            pub fn task_done(&self) {
                self.core.unfinished().finish_one();
            }

            /// Waits until all items that were put are done, or were given back by
            /// [`close_now`](Self::close_now).
            ///
            /// Who waits is released when the count comes to zero, even if more is put before it runs.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn join(&self) {
                self.core.unfinished().join().await;
            }

            /// Returns how many items are not done: in the queue, or got and being worked on.
            pub fn unfinished(&self) -> usize {
                self.core.unfinished().count()
            }

            /// Closes the queue: putting fails, but into places that are reserved; who gets is given what is
            /// left, then an error. An item that was handed to a `get` that did not run yet is left: should
            /// that one be dropped, the next gets it.
            #[doc(alias = "shutdown")]
            pub fn close(&self) {
                self.core.close();
            }

            /// Closes the queue and gives back the items that are left, in the order in which they would have
            /// been got. They count as done. An item that was handed to a `get` that did not run yet stays
            /// with that.
            ///
            /// # Panics
            ///
            /// If a waker of somebody who waits does. The items stay in the queue then, which is closed.
            #[doc(alias = "shutdown")]
            pub fn close_now(&self) -> Vec<T> {
                self.core.close_now()
            }

            /// Returns whether the queue is closed.
            pub fn is_closed(&self) -> bool {
                self.core.places().is_closed()
            }

            /// Returns how many items there are to get.
            #[doc(alias = "qsize")]
            pub fn len(&self) -> usize {
                self.core.len()
            }

            /// Returns whether there is no item to get.
            #[doc(alias = "empty")]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Returns whether no place is free. Reserved ones are not.
            #[doc(alias = "full")]
            pub fn is_full(&self) -> bool {
                self.core.is_full()
            }

            /// Returns how many items the queue can hold; `None` if there is no limit.
            #[doc(alias = "maxsize")]
            pub fn capacity(&self) -> Option<usize> {
                self.core.places().capacity()
            }
        }

        impl<T $(: $bound)?> fmt::Debug for $queue<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($queue)).field(&self.core).finish()
            }
        }
    };
}

queue! {
    /// A queue that gives first what was put first.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::sync::queue::{Queue, TryPutError};
    ///
    /// # monoloop::run(async {
    /// let queue = Queue::bounded(2);
    /// queue.put('a').await.unwrap();
    /// queue.put('b').await.unwrap();
    /// assert_eq!(queue.try_put('c'), Err(TryPutError::Full('c')));
    /// assert_eq!(queue.get().await, Ok('a'));
    /// assert_eq!(queue.close_now(), ['b']);
    /// assert!(queue.get().await.is_err());
    /// # });
    /// ```
    Queue, Fifo
}

queue! {
    /// A queue that gives the lowest item first, and of equal ones that which was put first. For items with a
    /// priority beside them there is [`Prioritized`](super::Prioritized).
    ///
    /// Items are compared while the queue is in use, so their `Ord` must not use it: that panics. If it
    /// panics itself, an item that is put is in the queue, one that is got is dropped, and of a
    /// [`close_now`](Self::close_now) all items stay; in what order the others come is unspecified then, but
    /// who waits for an item or a place is served.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cmp::Reverse;
    /// use monoloop::sync::queue::PriorityQueue;
    ///
    /// # monoloop::run(async {
    /// let queue = PriorityQueue::unbounded();
    /// for number in [3, 1, 2] {
    ///     queue.put(number).await.unwrap();
    /// }
    /// assert_eq!(queue.get().await, Ok(1));
    /// assert_eq!(queue.get().await, Ok(2));
    ///
    /// let highest_first = PriorityQueue::unbounded();
    /// highest_first.put(Reverse(1)).await.unwrap();
    /// highest_first.put(Reverse(5)).await.unwrap();
    /// assert_eq!(highest_first.get().await, Ok(Reverse(5)));
    /// # });
    /// ```
    #[doc(alias = "heapq")]
    PriorityQueue, Lowest, Ord
}

queue! {
    /// A queue that gives first what was put last: a stack.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::sync::queue::LifoQueue;
    ///
    /// # monoloop::run(async {
    /// let stack = LifoQueue::unbounded();
    /// stack.put(1).await.unwrap();
    /// stack.put(2).await.unwrap();
    /// assert_eq!(stack.get().await, Ok(2));
    /// # });
    /// ```
    LifoQueue, Lifo
}
