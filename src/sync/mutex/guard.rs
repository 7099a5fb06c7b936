//! What holds a mutex.

use std::cell::RefMut;
use std::mem;

use super::{Mutex, pass_on};
use crate::sync::guard::{narrows, writes};
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
}

writes!(MutexGuard);
narrows! {
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
    MutexGuard to MappedMutexGuard: RefMut mut
}

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

writes!(MappedMutexGuard);
narrows! {
    /// Narrows the guard further.
    MappedMutexGuard to MappedMutexGuard: RefMut mut
}

/// As [`Held`], of a mutex whose type is forgotten.
struct HeldBy<'a>(&'a WaitList);

impl<'a, T: ?Sized> From<Held<'a, T>> for HeldBy<'a> {
    fn from(held: Held<'a, T>) -> Self {
        let mutex = held.0;
        mem::forget(held);
        HeldBy(&mutex.waiters)
    }
}

impl Drop for HeldBy<'_> {
    fn drop(&mut self) {
        pass_on(self.0);
    }
}
