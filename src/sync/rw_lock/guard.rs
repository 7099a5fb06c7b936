//! What holds a lock for reading or writing.

use std::cell::{Ref, RefMut};
use std::fmt;
use std::ops::{Deref, DerefMut};

use super::{RwLock, WRITER};

/// Takes one from the holders when it is dropped.
struct Held<'a, T: ?Sized>(&'a RwLock<T>);

impl<T: ?Sized> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.release();
    }
}

/// Holds an [`RwLock`] for reading. Dropping it unlocks.
#[must_use = "a lock is held only while its guard lives"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    // The order counts: first the value is no longer borrowed, then others get the lock.
    value: Ref<'a, T>,
    held: Held<'a, T>,
}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T>, value: Ref<'a, T>) -> Self {
        Self { value, held: Held(lock) }
    }

    /// Makes a writer of the only reader, ahead of all who wait.
    ///
    /// # Errors
    ///
    /// The guard, if others read, or were handed the lock to.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::sync::{RwLock, RwLockReadGuard};
    ///
    /// let lock = RwLock::new(1);
    /// let reader = lock.try_read().unwrap();
    /// *RwLockReadGuard::try_upgrade(reader).unwrap() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    pub fn try_upgrade(this: Self) -> Result<RwLockWriteGuard<'a, T>, Self> {
        let lock = this.held.0;
        if lock.holders.get() != 1 {
            return Err(this);
        }
        let Self { value, held } = this;
        drop(value);
        lock.holders.set(WRITER);
        Ok(RwLockWriteGuard { value: lock.value.borrow_mut(), held })
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Holds an [`RwLock`] for writing. Dropping it unlocks.
#[must_use = "a lock is held only while its guard lives"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    // The order counts, as above.
    value: RefMut<'a, T>,
    held: Held<'a, T>,
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T>, value: RefMut<'a, T>) -> Self {
        Self { value, held: Held(lock) }
    }

    /// Makes a reader of the writer; nobody writes in between. Readers that wait longest come in too.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(1);
    /// let mut writer = lock.try_write().unwrap();
    /// *writer += 1;
    /// let reader = RwLockWriteGuard::downgrade(writer);
    /// assert_eq!((*reader, *lock.try_read().unwrap()), (2, 2));
    /// ```
    pub fn downgrade(this: Self) -> RwLockReadGuard<'a, T> {
        let Self { value, held } = this;
        drop(value);
        let lock = held.0;
        lock.holders.set(1);
        // Made first: serving may panic, by a foreign waker.
        let reader = RwLockReadGuard { value: lock.value.borrow(), held };
        lock.serve();
        reader
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
