//! The place of one who is the only one that can wait: the receiver of a channel.

use std::cell::Cell;
use std::fmt;
use std::mem;
use std::task::Context;

use super::wake;
use crate::executor::wake::{Slot, WakeRef};

/// Holds the waker of who waits. Needs no list, and hands over nothing: who is woken looks for itself, and
/// nobody can be ahead of it.
///
/// A future that is dropped leaves its waker behind. At worst it wakes a task that waits no longer, once.
#[derive(Default)]
pub(crate) struct LoneWaiter {
    /// Whether there is a waker: a byte to look at, where the waker is three words to move.
    waits: Cell<bool>,
    waker: Cell<Option<WakeRef>>,
}

impl LoneWaiter {
    /// Keeps the waker of `cx`.
    ///
    /// That may run foreign code: whoever found nothing before looks again afterwards.
    #[inline]
    pub(crate) fn register(&self, cx: &Context<'_>) {
        match Slot::of(cx.waker()) {
            Some(slot) if !self.waits.get() => {
                self.waits.set(true);
                // There was none. Said so, the compiler need not drop it.
                mem::forget(self.waker.replace(Some(WakeRef::Slot(slot))));
            }
            _ => self.register_another(cx),
        }
    }

    #[cold]
    fn register_another(&self, cx: &Context<'_>) {
        match self.take() {
            Some(own) if own.will_wake(cx.waker()) => drop(self.put(own)),
            old => {
                let replaced = self.put(WakeRef::new(cx.waker()));
                drop((old, replaced));
            }
        }
    }

    /// Wakes who waits, if anybody does: foreign code.
    #[inline]
    pub(crate) fn wake(&self) {
        if self.waits.get() {
            self.wake_waiting();
        }
    }

    #[inline(never)]
    fn wake_waiting(&self) {
        if let Some(waker) = self.take() {
            wake(waker);
        }
    }

    /// Takes the waker out. Its drop is foreign code.
    #[inline]
    pub(crate) fn take(&self) -> Option<WakeRef> {
        if self.waits.replace(false) { self.waker.take() } else { None }
    }

    /// Gives back what was there.
    fn put(&self, waker: WakeRef) -> Option<WakeRef> {
        self.waits.set(true);
        self.waker.replace(Some(waker))
    }
}

impl fmt::Debug for LoneWaiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoneWaiter").field("waits", &self.waits.get()).finish()
    }
}
