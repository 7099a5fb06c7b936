//! Waiting for what a mutex guards to change.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::MutexGuard;
use crate::executor::wake::WakeRef;
use crate::wait_list::{Key, Removed, WaitList};

/// Lets tasks that hold a [`Mutex`](super::Mutex) wait until its value changed.
///
/// [`wait`](Self::wait) unlocks, waits for a notification and locks again. Others may have had the lock in
/// between, and a notification may have been meant for one who gave up, so what is waited for must be looked
/// at anew: [`wait_while`](Self::wait_while) does that. Those who notify need not hold the lock. Several
/// conditions may belong to one mutex, and a condition to several.
///
/// Where nothing is awaited while the lock is held, an [`Event`](super::Event) or a [`Notify`](super::Notify)
/// beside a `RefCell` does the same with less.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use monoloop::sync::{Condition, Mutex};
///
/// monoloop::run(async {
///     let shelf = Rc::new((Mutex::new(0), Condition::new()));
///     let other = Rc::clone(&shelf);
///     let task = monoloop::spawn(async move {
///         let (books, changed) = &*other;
///         let mut books = changed.wait_while(books.lock().await, |books| *books < 2).await;
///         *books -= 2;
///     });
///     for _ in 0..2 {
///         *shelf.0.lock().await += 1;
///         shelf.1.notify_one();
///         monoloop::yield_now().await;
///     }
///     task.await.unwrap();
///     assert_eq!(*shelf.0.lock().await, 0);
/// });
/// ```
#[doc(alias = "Condvar")]
#[derive(Default)]
pub struct Condition {
    waiters: WaitList,
}

impl Condition {
    /// Makes a condition that nobody waits for. Allocates nothing before somebody does.
    pub const fn new() -> Self {
        Self { waiters: WaitList::new() }
    }

    /// Unlocks, waits until it is notified, and locks again. Those who wait are notified in the order in
    /// which they came, and queue for the lock like all others.
    ///
    /// # Cancel safety
    ///
    /// The place in the queue is lost, and the lock is: a drop while waiting leaves the mutex unlocked, or
    /// with those who have it. A notification that came before the drop goes to the next who waits.
    pub async fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let mutex = MutexGuard::mutex(&guard);
        let notification = Waiting { condition: self, guard: Some(guard), key: None }.await;
        let guard = mutex.lock().await;
        notification.used();
        guard
    }

    /// Waits as long as `is_so` says of the value, and gives the lock back. Does not wait, nor unlock, if it
    /// says no at once.
    ///
    /// # Cancel safety
    ///
    /// As [`wait`](Self::wait).
    #[doc(alias = "wait_for")]
    pub async fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut is_so: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while is_so(&mut guard) {
            guard = self.wait(guard).await;
        }
        guard
    }

    /// Notifies who waits longest. If nobody waits, nothing happens: nothing is kept.
    #[doc(alias = "notify")]
    pub fn notify_one(&self) {
        self.notify_n(1);
    }

    /// Notifies the `n` who wait longest, or all if they are fewer.
    #[doc(alias = "notify")]
    pub fn notify_n(&self, n: usize) {
        let mut left = n;
        self.waiters.serve_while(|()| {
            left = left.checked_sub(1)?;
            Some(())
        });
    }

    /// Notifies all who wait, in the order in which they came.
    pub fn notify_all(&self) {
        self.waiters.serve_all(|()| ());
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").field("waiting", &self.waiters.len()).finish()
    }
}

/// Joins the list and only then unlocks, so that no notification falls in between; then waits for one.
struct Waiting<'c, 'a, T: ?Sized> {
    condition: &'c Condition,
    /// Until the first poll.
    guard: Option<MutexGuard<'a, T>>,
    key: Option<Key>,
}

impl<'c, T: ?Sized> Future for Waiting<'c, '_, T> {
    type Output = Notification<'c>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Notification<'c>> {
        let Self { condition, guard, key } = self.get_mut();
        if let Some(guard) = guard.take() {
            *key = Some(condition.waiters.push((), WakeRef::new(cx.waker())));
            drop(guard);
        }
        condition.waiters.poll(key, cx).map(|()| Notification(condition))
    }
}

impl<T: ?Sized> Drop for Waiting<'_, '_, T> {
    fn drop(&mut self) {
        if self.key.is_some() {
            if let Removed::Served(()) = self.condition.waiters.remove(&mut self.key) {
                self.condition.notify_one();
            }
        }
    }
}

/// What a waiter was told, until it has the lock again. Dropped before that, it goes to the next.
struct Notification<'c>(&'c Condition);

impl Notification<'_> {
    fn used(self) {
        mem::forget(self);
    }
}

impl Drop for Notification<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}
