//! The inbox: remote wakes and the parking of the loop, in one atomic word.

use std::ptr;

use super::slot::Slot;
use super::sync::{AtomicPtr, Ordering};

/// No remote wake is waiting and the loop is awake.
const EMPTY: *mut Slot = ptr::null_mut();

/// No remote wake is waiting and the loop sleeps, or is about to. An address that no slot has.
const PARKED: *mut Slot = ptr::without_provenance_mut(1);

/// An intrusive stack of slots (linked through `Slot::next`) that also says whether the loop sleeps.
///
/// Any thread pushes; only the holder of the home takes and parks. Treiber's stack (1986), without its
/// ABA problem, since it is only ever emptied whole.
#[derive(Debug)]
pub(super) struct Inbox {
    word: AtomicPtr<Slot>,
}

/// What a push found.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a parked loop must be unparked by the one who found it so"]
pub(super) enum Pushed {
    /// The loop is awake, or someone else already unparks it.
    Noticed,
    /// The loop sleeps: the caller unparks it.
    WasParked,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { word: AtomicPtr::new(EMPTY) }
    }

    /// Puts `slot` on the stack. The caller has just set the slot's `remote` flag, so it is in no list.
    pub(super) fn push(&self, slot: &'static Slot) -> Pushed {
        let new = ptr::from_ref(slot).cast_mut();
        let mut head = self.word.load(Ordering::Relaxed);
        loop {
            let next = if head == PARKED { EMPTY } else { head };
            slot.next.store(next, Ordering::Relaxed);
            // Release: the taker sees `next` and all that the waking thread wrote before.
            match self.word.compare_exchange_weak(head, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if head == PARKED => return Pushed::WasParked,
                Ok(_) => return Pushed::Noticed,
                Err(now) => head = now,
            }
        }
    }

    /// Whether [`take`](Self::take) would find something to do: one load.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.word.load(Ordering::Relaxed) == EMPTY
    }

    /// Takes all slots, oldest first, and ends parking.
    pub(super) fn take(&self) -> Taken {
        let head = self.word.swap(EMPTY, Ordering::AcqRel);
        Taken { head: reverse(if head == PARKED { EMPTY } else { head }) }
    }

    /// Announces that the loop will sleep. False: there is work, and the loop must not sleep.
    pub(super) fn park(&self) -> bool {
        if cfg!(planted_lost_wake) {
            // Planted bug: parks without looking, so a wake that came before is never noticed.
            self.word.store(PARKED, Ordering::Release);
            return true;
        }
        match self.word.compare_exchange(EMPTY, PARKED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(found) => found == PARKED,
        }
    }
}

/// Reverses a list that was taken off the word. It is ours: every slot in it still has its `remote` flag
/// set, so nobody pushes it again and rewrites its link.
fn reverse(mut head: *mut Slot) -> *mut Slot {
    let mut reversed = EMPTY;
    // SAFETY: what is neither EMPTY nor PARKED came from a `&'static Slot` in `push`.
    while let Some(slot) = unsafe { head.as_ref() } {
        let next = slot.next.load(Ordering::Relaxed);
        slot.next.store(reversed, Ordering::Relaxed);
        reversed = head;
        head = next;
    }
    reversed
}

/// Slots that were taken off the inbox, oldest first. Each is free to be pushed again as soon as it was
/// yielded. Dropping it clears the rest.
#[derive(Debug)]
pub(super) struct Taken {
    head: *mut Slot,
}

impl Iterator for Taken {
    type Item = &'static Slot;

    fn next(&mut self) -> Option<&'static Slot> {
        // SAFETY: as in `reverse`; slots are immortal.
        let slot: &'static Slot = unsafe { self.head.as_ref()? };
        // First the link, then the flag: once it is clear, another thread may push the slot.
        self.head = slot.next.load(Ordering::Relaxed);
        // An acquiring read-modify-write, not a store: a waker that found the flag set, and therefore
        // did not push, must still happen before the poll that this wake leads to.
        slot.remote.swap(false, Ordering::AcqRel);
        Some(slot)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
