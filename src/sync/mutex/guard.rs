//! What holds a mutex.

use std::cell::RefMut;
use std::mem;

use super::{Mutex, pass_on};
use crate::sync::guard::writes;
use crate::wait_list::WaitList;

/// Holds a [`Mutex`], and gives its value. Dropping it unlocks: the lock goes to who waits longest.
#[must_use = "a mutex is locked only while its guard lives"]
pub struct MutexGuard<'a, T: ?Sized> {
    // The order counts: first the value is nobody's any more, then the next gets the lock.
    value: RefMut<'a, T>,
    held: Held<'a, T>,
}

/// Passes the lock on when it is dropped.
struct Held<'a, T: ?Sized>(&'a Mutex<T>);

impl<T: ?Sized> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    #[inline]
    pub(super) fn new(mutex: &'a Mutex<T>, value: RefMut<'a, T>) -> Self {
        Self { value, held: Held(mutex) }
    }

    /// Returns the mutex that this guard holds.
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.held.0
    }

    /// Narrows the guard to a part of the value. The mutex stays locked as a whole.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::sync::{Mutex, MutexGuard};
    ///
    /// # monoloop::run(async {
    /// let pair = Mutex::new((1, "one"));
    /// let mut number = MutexGuard::map(pair.lock().await, |pair| &mut pair.0);
    /// *number += 1;
    /// drop(number);
    /// assert_eq!(pair.into_inner(), (2, "one"));
    /// # });
    /// ```
    pub fn map<U: ?Sized>(this: Self, f: impl FnOnce(&mut T) -> &mut U) -> MappedMutexGuard<'a, U> {
        let Self { value, held } = this;
        // Until `f` is back, `held` unlocks if it panics: after the value, which was moved into `map`.
        let value = RefMut::map(value, f);
        MappedMutexGuard { value, held: HeldBy(held.into_waiters()) }
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// The guard, if `f` gave `None`.
    pub fn try_map<U: ?Sized>(
        this: Self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedMutexGuard<'a, U>, Self> {
        let Self { value, held } = this;
        match RefMut::filter_map(value, f) {
            Ok(value) => Ok(MappedMutexGuard { value, held: HeldBy(held.into_waiters()) }),
            Err(value) => Err(Self { value, held }),
        }
    }
}

impl<'a, T: ?Sized> Held<'a, T> {
    /// Who waits. From here on somebody else must pass the lock on.
    fn into_waiters(self) -> &'a WaitList {
        let mutex = self.0;
        mem::forget(self);
        &mutex.waiters
    }
}

writes!(MutexGuard);

impl<T: ?Sized + PartialEq> PartialEq for MutexGuard<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// Holds a [`Mutex`], and gives a part of its value: made by [`MutexGuard::map`].
#[must_use = "a mutex is locked only while its guard lives"]
pub struct MappedMutexGuard<'a, T: ?Sized> {
    // The order counts, as above.
    value: RefMut<'a, T>,
    held: HeldBy<'a>,
}

/// As [`Held`], of a mutex whose type is forgotten.
struct HeldBy<'a>(&'a WaitList);

impl Drop for HeldBy<'_> {
    fn drop(&mut self) {
        pass_on(self.0);
    }
}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// Narrows the guard further.
    pub fn map<U: ?Sized>(this: Self, f: impl FnOnce(&mut T) -> &mut U) -> MappedMutexGuard<'a, U> {
        let Self { value, held } = this;
        MappedMutexGuard { value: RefMut::map(value, f), held }
    }

    /// Narrows the guard to a part that may not be there.
    ///
    /// # Errors
    ///
    /// The guard, if `f` gave `None`.
    pub fn try_map<U: ?Sized>(
        this: Self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedMutexGuard<'a, U>, Self> {
        let Self { value, held } = this;
        match RefMut::filter_map(value, f) {
            Ok(value) => Ok(MappedMutexGuard { value, held }),
            Err(value) => Err(Self { value, held }),
        }
    }
}

writes!(MappedMutexGuard);
