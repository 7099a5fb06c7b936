//! What holds a lock for reading or writing.

use std::cell::{Ref, RefMut};
use std::mem;

use super::{RwLock, Turns, WRITER};
use crate::sync::guard::{narrows, reads, writes};

/// Takes one from the holders when it is dropped.
struct Held<'a, T: ?Sized>(&'a RwLock<T>);

impl<T: ?Sized> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.turns.release();
    }
}

/// As [`Held`], of a lock whose type is forgotten.
struct HeldBy<'a>(&'a Turns);

impl<'a, T: ?Sized> From<Held<'a, T>> for HeldBy<'a> {
    fn from(held: Held<'a, T>) -> Self {
        let lock = held.0;
        mem::forget(held);
        HeldBy(&lock.turns)
    }
}

impl Drop for HeldBy<'_> {
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
        if lock.turns.holders.get() != 1 {
            return Err(this);
        }
        let Self { value, held } = this;
        drop(value);
        lock.turns.holders.set(WRITER);
        Ok(RwLockWriteGuard { value: lock.value.borrow_mut(), held })
    }
}

reads!(RwLockReadGuard);
narrows! {
    /// Narrows the guard to a part of the value. The lock stays held as a whole.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::sync::{RwLock, RwLockReadGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// let name = RwLockReadGuard::map(lock.try_read().unwrap(), |pair| pair.1);
    /// assert_eq!(&*name, "one");
    /// assert!(lock.try_write().is_err());
    /// ```
    RwLockReadGuard to MappedRwLockReadGuard: Ref
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
        lock.turns.holders.set(1);
        // Made first: serving may panic, by a foreign waker.
        let reader = RwLockReadGuard { value: lock.value.borrow(), held };
        lock.turns.serve();
        reader
    }
}

writes!(RwLockWriteGuard);
narrows! {
    /// Narrows the guard to a part of the value. The lock stays held as a whole.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// *RwLockWriteGuard::map(lock.try_write().unwrap(), |pair| &mut pair.0) += 1;
    /// assert_eq!(lock.into_inner(), (2, "one"));
    /// ```
    RwLockWriteGuard to MappedRwLockWriteGuard: RefMut mut
}

/// Holds an [`RwLock`] for reading, and gives a part of its value: made by [`RwLockReadGuard::map`].
#[must_use = "a lock is held only while its guard lives"]
pub struct MappedRwLockReadGuard<'a, T: ?Sized> {
    // The order counts, as above.
    value: Ref<'a, T>,
    held: HeldBy<'a>,
}

reads!(MappedRwLockReadGuard);
narrows! {
    /// Narrows the guard further.
    MappedRwLockReadGuard to MappedRwLockReadGuard: Ref
}

/// Holds an [`RwLock`] for writing, and gives a part of its value: made by [`RwLockWriteGuard::map`].
#[must_use = "a lock is held only while its guard lives"]
pub struct MappedRwLockWriteGuard<'a, T: ?Sized> {
    // The order counts, as above.
    value: RefMut<'a, T>,
    held: HeldBy<'a>,
}

writes!(MappedRwLockWriteGuard);
narrows! {
    /// Narrows the guard further.
    MappedRwLockWriteGuard to MappedRwLockWriteGuard: RefMut mut
}
