//! The one door to atomics, locks and cells: std, or loom under `--cfg loom`.

#[cfg(loom)]
pub(super) use loom::{
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
    sync::{Mutex, MutexGuard},
    thread_local,
};
#[cfg(not(loom))]
pub(super) use std::{
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
    sync::{Mutex, MutexGuard},
    thread_local,
};

/// A cell that only the holder of a home may touch; loom sees each access.
#[derive(Debug)]
pub(super) struct Plain<T> {
    #[cfg(loom)]
    cell: loom::cell::UnsafeCell<T>,
    #[cfg(not(loom))]
    cell: std::cell::UnsafeCell<T>,
}

impl<T> Plain<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            #[cfg(loom)]
            cell: loom::cell::UnsafeCell::new(value),
            #[cfg(not(loom))]
            cell: std::cell::UnsafeCell::new(value),
        }
    }

    /// Runs `f` on the value.
    ///
    /// # Safety
    ///
    /// The calling thread holds the home this cell belongs to, and `f` runs no foreign code and comes
    /// to no second access of this cell.
    #[inline(always)]
    pub(super) unsafe fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        #[cfg(loom)]
        // SAFETY: the caller has the only access, by this function's contract.
        return self.cell.with_mut(|value| f(unsafe { &mut *value }));
        #[cfg(not(loom))]
        // SAFETY: the caller has the only access, by this function's contract.
        return f(unsafe { &mut *self.cell.get() });
    }
}

impl<T: Copy> Plain<T> {
    /// Reads the value.
    ///
    /// # Safety
    ///
    /// The calling thread holds the home this cell belongs to.
    #[inline(always)]
    pub(super) unsafe fn get(&self) -> T {
        // SAFETY: the caller's; a copy comes to no second access.
        unsafe { self.with(|value| *value) }
    }

    /// Writes the value.
    ///
    /// # Safety
    ///
    /// The calling thread holds the home this cell belongs to.
    #[inline(always)]
    pub(super) unsafe fn set(&self, new: T) {
        // SAFETY: the caller's; dropping a `Copy` value runs no code.
        unsafe { self.with(|value| *value = new) }
    }
}

/// Locks, ignoring poison: nothing that runs under our locks can leave them half-changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}
