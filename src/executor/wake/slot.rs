//! The slot: what a waker points at.

use std::ptr::{self, NonNull};

use super::family::Family;
use super::home::{Home, current_home};
use super::inbox::Pushed;
use super::sync::{AtomicBool, AtomicPtr, Ordering, Plain};

/// Who lives in a slot. For a task, this module never looks behind the pointer; for a child it is the
/// child's [`Family`].
pub(crate) type Tenant = NonNull<()>;

/// Has the processor fetch the beginning of `tenant`, of a task the state and most of a small future, where there is a way
/// to say so.
#[inline]
pub(super) fn prefetch(tenant: Tenant) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for line in 0..3 {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(tenant.as_ptr().wrapping_byte_add(line * 64).cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = tenant;
}

/// What a wake of a slot does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Mark {
    /// The slot of a task that is in no queue: the wake queues it.
    Task,
    /// The slot of a child that is not in its family's queue: the wake puts it there, and wakes the parent.
    Child,
    /// The slot is in a queue: nothing.
    Queued,
    /// The slot of a child that is over but still in its family's queue: nothing. Its index may be used again.
    Leaving,
    /// The same, and its index may not.
    Retiring,
    /// The slot is vacant and in no queue, or that of a child that is over: nothing.
    Deaf,
}

/// The [`Slot::owner`] of slots that belong to no loop: children's, which are never in the ready queue.
pub(super) const NO_OWNER: u16 = u16::MAX;

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
    pub(super) mark: Plain<Mark>,
    /// Which of its home's loops the tenant belongs to.
    pub(super) owner: Plain<u16>,
    /// Which of its family's children lives here.
    pub(super) child: Plain<u32>,
    /// Empty: a vacant slot.
    pub(super) tenant: Plain<Option<Tenant>>,
}

const _: () = assert!(size_of::<Slot>() <= 32 || cfg!(any(loom, monoloop_any_layout)));

// SAFETY: the plain fields are touched only by the thread that holds `home` (see the module's docs), and
// a tenant is looked behind only there.
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
            mark: Plain::new(Mark::Deaf),
            owner: Plain::new(0),
            child: Plain::new(0),
            tenant: Plain::new(None),
        }
    }

    pub(super) fn home(&self) -> &'static Home {
        self.home
    }

    /// The family of the child that lives here.
    ///
    /// # Safety
    ///
    /// The calling thread holds the home, and the mark is [`Mark::Child`], or was and the child is still there.
    #[inline(always)]
    pub(super) unsafe fn family(&self) -> &'static Family {
        // SAFETY: the caller's.
        let tenant = unsafe { self.tenant.get() }.expect("a child lives here");
        // SAFETY: `Kin::enroll` put a family into the slot with that mark; families are immortal.
        unsafe { tenant.cast::<Family>().as_ref() }
    }

    /// Whether the calling thread holds this slot's home.
    #[inline(always)]
    pub(super) fn is_local(&self) -> bool {
        // First, because in a library this may be a call, over which a register would have to be kept.
        let current = current_home();
        ptr::eq(self.home, current)
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
