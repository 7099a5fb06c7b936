//! One at a time.

mod guard;

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::wait_list::{Key, Removed, WaitList, wake};

pub use guard::{MappedMutexGuard, MutexGuard};

/// A value that one task at a time may use, across its awaits.
///
/// A task that needs the value only between two awaits does better with a plain [`RefCell`]. The mutex is for
/// what must stay untouched by others *while its holder waits*: a connection in the middle of a request, say.
///
/// Fair: who waits longest is next. Unlocking hands the lock over, and nobody can get ahead of who was handed
/// it, neither by [`try_lock`](Self::try_lock) nor by being quick. There is no poisoning: a panic of the
/// holder unlocks. A task that locks a mutex which it holds waits for ever.
///
/// Unlocked, it is a `RefCell` and a null pointer. Its guards borrow it; a task that owns what it locks
/// holds an `Rc<Mutex<T>>` beside the guard, in the same `async` block.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use monoloop::sync::Mutex;
///
/// let total = Rc::new(Mutex::new(0));
/// monoloop::run(async {
///     let tasks = [1, 2, 3].map(|n| {
///         let total = Rc::clone(&total);
///         monoloop::spawn(async move {
///             let mut total = total.lock().await;
///             let before = *total;
///             monoloop::yield_now().await; // nobody else gets in between
///             *total = before + n;
///         })
///     });
///     for task in tasks {
///         task.await.unwrap();
///     }
/// });
/// assert_eq!(total.try_lock().as_deref(), Ok(&6));
/// ```
#[doc(alias = "Lock")]
pub struct Mutex<T: ?Sized> {
    /// Locked: somebody is in the list, and one of them was served; or `value` is borrowed.
    waiters: WaitList,
    value: RefCell<T>,
}

impl<T> Mutex<T> {
    /// Makes an unlocked mutex. Allocates nothing before somebody waits.
    pub const fn new(value: T) -> Self {
        Self { waiters: WaitList::new(), value: RefCell::new(value) }
    }

    /// Gives the value back.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until the mutex is unlocked and everybody who came before had it, and locks it.
    ///
    /// # Cancel safety
    ///
    /// The place in the queue is lost, nothing else. If the lock was handed over already, it goes to the
    /// next.
    ///
    /// # Examples
    ///
    /// ```
    /// # monoloop::run(async {
    /// let names = monoloop::sync::Mutex::new(vec!["a"]);
    /// names.lock().await.push("b");
    /// assert_eq!(names.into_inner(), ["a", "b"]);
    /// # });
    /// ```
    #[doc(alias = "acquire")]
    #[inline]
    pub fn lock(&self) -> Lock<'_, T> {
        Lock { mutex: self, key: None }
    }

    /// Locks the mutex, if it is unlocked and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] if it is locked, or handed over to somebody who did not run yet.
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        match self.take() {
            Some(guard) => Ok(guard),
            None => Err(TryLockError(())),
        }
    }

    /// Waits for the lock, calls `f` with the value, and unlocks.
    ///
    /// # Cancel safety
    ///
    /// The place in the queue is lost, nothing else: `f` runs to its end or not at all.
    ///
    /// # Examples
    ///
    /// ```
    /// # monoloop::run(async {
    /// let names = monoloop::sync::Mutex::new(vec!["a"]);
    /// assert_eq!(names.with(|names| names.pop()).await, Some("a"));
    /// # });
    /// ```
    pub async fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut *self.lock().await)
    }

    /// Gives the value: who has the mutex for itself need not lock it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Returns whether [`try_lock`](Self::try_lock) would fail.
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> bool {
        !self.waiters.is_idle() || self.value.try_borrow_mut().is_err()
    }

    /// The lock, if it is free and nobody is ahead.
    #[inline]
    fn take(&self) -> Option<MutexGuard<'_, T>> {
        if !self.waiters.is_idle() {
            return None;
        }
        let value = self.value.try_borrow_mut().ok()?;
        Some(MutexGuard::new(self, value))
    }

    /// The lock that was handed over.
    #[inline]
    fn accept(&self) -> MutexGuard<'_, T> {
        MutexGuard::new(self, self.value.borrow_mut())
    }

    /// Hands the lock to who waits longest. The value is not borrowed any more.
    #[inline]
    fn pass_on(&self) {
        pass_on(&self.waiters);
    }
}

#[inline]
fn pass_on(waiters: &WaitList) {
    if !waiters.is_empty() {
        pass_on_to_waiter(waiters);
    }
}

/// Apart, so that unlocking where nobody waits is a few instructions.
#[inline(never)]
fn pass_on_to_waiter(waiters: &WaitList) {
    if let Some(waker) = waiters.serve(|()| Some(())) {
        wake(waker);
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Locked meanwhile: who comes in the middle of it waits as for any other holder.
        let guard = self.try_lock();
        let value: &dyn fmt::Debug = match &guard {
            Ok(guard) => guard,
            Err(_) => &format_args!("<locked>"),
        };
        f.debug_struct("Mutex").field("value", value).field("waiting", &self.waiters.len()).finish()
    }
}

/// The future of [`Mutex::lock`]. Once it gave the lock it may be polled again, and locks anew.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Lock<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    key: Option<Key>,
}

impl<'a, T: ?Sized> Future for Lock<'a, T> {
    type Output = MutexGuard<'a, T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<MutexGuard<'a, T>> {
        let mutex = self.mutex;
        mutex.waiters.wait(&mut self.key, cx, (), || mutex.take(), |()| mutex.accept())
    }
}

impl<T: ?Sized> Drop for Lock<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.key.is_some() {
            self.cancel();
        }
    }
}

impl<T: ?Sized> Lock<'_, T> {
    #[cold]
    fn cancel(&mut self) {
        if let Removed::Served(()) = self.mutex.waiters.remove(&mut self.key) {
            self.mutex.pass_on();
        }
    }
}

impl<T: ?Sized> fmt::Debug for Lock<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("is_waiting", &self.key.is_some()).finish()
    }
}

/// The lock is taken, or others wait for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TryLockError(pub(super) ());

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock is taken")
    }
}

impl Error for TryLockError {}

/// An unlocked mutex is the `RefCell`'s flag and a null pointer.
const _: () = assert!(size_of::<Mutex<()>>() == 2 * size_of::<usize>());
