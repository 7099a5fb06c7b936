//! The slot: what a waker points at.

use std::ptr::{self, NonNull};

use super::home::{Home, current_home};
use super::inbox::Pushed;
use super::sync::{AtomicBool, AtomicPtr, Ordering, Plain};

/// Who lives in a slot. This module never looks behind the pointer.
pub(crate) type Tenant = NonNull<()>;

/// A wake slot: immortal, reused, and all that a waker knows.
///
/// `home` never changes. `next` and `remote` belong to whoever set `remote`. The rest is plain and
/// belongs to the thread that holds the home.
#[derive(Debug)]
pub(crate) struct Slot {
    home: &'static Home,
    /// The next older slot in the inbox, while `remote` is set.
    pub(super) next: AtomicPtr<Slot>,
    /// Set from a remote wake until the loop took the inbox: the slot is in the inbox, or about to be.
    pub(super) remote: AtomicBool,
    /// The slot is in a ready queue, or vacant: no wake shall queue it.
    pub(super) queued: Plain<bool>,
    /// Which of its home's loops the tenant belongs to.
    pub(super) owner: Plain<u16>,
    /// Empty: a vacant slot.
    pub(super) tenant: Plain<Option<Tenant>>,
}

// SAFETY: the plain fields are touched only by the thread that holds `home` (see the module's docs), and
// a tenant is never looked behind here.
unsafe impl Sync for Slot {}
// SAFETY: as above; a slot moves between threads only inside its leaked chunk, by its home's hand-over.
unsafe impl Send for Slot {}

impl Slot {
    /// A vacant slot.
    pub(super) fn new(home: &'static Home) -> Self {
        Self {
            home,
            next: AtomicPtr::new(ptr::null_mut()),
            remote: AtomicBool::new(false),
            queued: Plain::new(true),
            owner: Plain::new(0),
            tenant: Plain::new(None),
        }
    }

    pub(super) fn home(&self) -> &'static Home {
        self.home
    }

    /// Whether the calling thread holds this slot's home.
    #[inline(always)]
    fn is_local(&self) -> bool {
        ptr::eq(self.home, current_home())
    }

    /// Wakes the tenant, from any thread, at any time. Runs no foreign code.
    #[inline]
    pub(crate) fn wake(&'static self) {
        if self.is_local() || cfg!(planted_race) {
            // SAFETY: this thread holds the home.
            unsafe { self.home.schedule(self) }
        } else {
            self.wake_remotely();
        }
    }

    // Not inlined, so that the local path is a leaf and needs no frame.
    #[cold]
    #[inline(never)]
    fn wake_remotely(&'static self) {
        if self.remote.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.home.inbox().push(self) == Pushed::WasParked {
            self.home.unpark();
        }
    }
}
