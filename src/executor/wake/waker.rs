//! From slots to std's wakers and back.

use std::any::Any;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::slot::Slot;

/// Identifies our wakers: a static has one address.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop);

/// # Safety
///
/// `data` is a `&'static Slot`.
unsafe fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

/// # Safety
///
/// `data` is a `&'static Slot`.
unsafe fn wake(data: *const ()) {
    // SAFETY: the caller's; slots are immortal.
    let slot: &'static Slot = unsafe { &*data.cast::<Slot>() };
    slot.wake();
}

/// # Safety
///
/// None: a waker owns nothing.
unsafe fn drop(_: *const ()) {}

impl Slot {
    /// A waker for this slot. Clones and drops of it are free.
    #[inline]
    pub(crate) fn waker(&'static self) -> ManuallyDrop<Waker> {
        let data = ptr::from_ref(self).cast();
        // SAFETY: the vtable's functions ask for a `&'static Slot`, which `data` is; they obey the
        // contract of `RawWaker` (thread-safe: see the module's docs).
        ManuallyDrop::new(unsafe { Waker::new(data, &VTABLE) })
    }

    /// The slot that `waker` wakes, if it is one of ours.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Option<&'static Self> {
        // SAFETY: only `Slot::waker` and `clone` make wakers with this vtable, from a slot.
        ptr::eq(waker.vtable(), &VTABLE).then(|| unsafe { &*waker.data().cast::<Self>() })
    }
}

/// A waker to be kept, stored by our own leaf futures: the bare slot when the waker is ours.
#[derive(Debug)]
pub(crate) enum WakeRef {
    /// One of ours.
    Slot(&'static Slot),
    /// A combinator's or another executor's.
    Foreign(Waker),
}

impl WakeRef {
    /// Keeps `waker`. Clones a foreign one, which runs foreign code.
    #[inline]
    pub(crate) fn new(waker: &Waker) -> Self {
        Slot::of(waker).map_or_else(|| Self::Foreign(waker.clone()), Self::Slot)
    }

    /// As a waker, where one word less to tell them apart counts.
    #[inline]
    pub(crate) fn into_waker(self) -> Waker {
        match self {
            Self::Slot(slot) => ManuallyDrop::into_inner(slot.waker()),
            Self::Foreign(waker) => waker,
        }
    }

    /// Back again. Runs no foreign code.
    #[inline]
    pub(crate) fn from_waker(waker: Waker) -> Self {
        match Slot::of(&waker) {
            Some(slot) => {
                mem::forget(waker);
                Self::Slot(slot)
            }
            None => Self::Foreign(waker),
        }
    }

    /// Whether waking this wakes what `waker` wakes.
    #[inline]
    pub(crate) fn will_wake(&self, waker: &Waker) -> bool {
        match self {
            Self::Slot(slot) => {
                ptr::eq(waker.data(), ptr::from_ref::<Slot>(slot).cast())
                    && ptr::eq(waker.vtable(), &VTABLE)
            }
            Self::Foreign(own) => own.will_wake(waker),
        }
    }

    /// Wakes. Foreign wakers are foreign code: no borrow of ours may be held. If one panics, the payload
    /// is the error: whoever has others to wake goes on with them.
    #[inline]
    pub(crate) fn wake(self) -> Result<(), Box<dyn Any + Send>> {
        match self {
            Self::Slot(slot) => {
                slot.wake();
                Ok(())
            }
            Self::Foreign(waker) => catch_unwind(AssertUnwindSafe(|| waker.wake())),
        }
    }
}
