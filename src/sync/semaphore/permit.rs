//! What a semaphore gives.

use std::fmt;
use std::rc::Rc;

use super::Semaphore;

/// Permits of a [`Semaphore`]. Dropping them gives them back.
#[must_use = "a permit is given back when it is dropped"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

impl<'a> Permit<'a> {
    #[inline]
    pub(super) fn new(semaphore: &'a Semaphore, permits: usize) -> Self {
        Self { semaphore, permits }
    }

    /// Returns how many permits these are.
    pub fn permits(&self) -> usize {
        self.permits
    }

    /// Takes some of them out; `None` if there are not so many.
    pub fn split(&mut self, permits: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(permits)?;
        Some(Self { permits, ..*self })
    }

    /// Drops the permits without giving them back. The semaphore has fewer from now on, until
    /// [`Semaphore::add_permits`].
    pub fn forget(mut self) {
        self.permits = 0;
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.release(self.permits);
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("permits", &self.permits).finish()
    }
}

/// Permits of a [`Semaphore`] behind an `Rc`, which they keep alive. Dropping them gives them back.
#[must_use = "a permit is given back when it is dropped"]
pub struct OwnedPermit {
    semaphore: Rc<Semaphore>,
    permits: usize,
}

impl OwnedPermit {
    pub(super) fn new(semaphore: Rc<Semaphore>, permits: usize) -> Self {
        Self { semaphore, permits }
    }

    /// Returns how many permits these are.
    pub fn permits(&self) -> usize {
        self.permits
    }

    /// Returns the semaphore.
    pub fn semaphore(&self) -> &Rc<Semaphore> {
        &self.semaphore
    }

    /// Takes some of them out; `None` if there are not so many.
    pub fn split(&mut self, permits: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(permits)?;
        Some(Self { semaphore: Rc::clone(&self.semaphore), permits })
    }

    /// Drops the permits without giving them back, as [`Permit::forget`].
    pub fn forget(mut self) {
        self.permits = 0;
    }
}

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        self.semaphore.release(self.permits);
    }
}

impl fmt::Debug for OwnedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").field("permits", &self.permits).finish()
    }
}
