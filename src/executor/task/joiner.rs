//! Who awaits a join handle, in one word.

use std::cell::Cell;
use std::fmt;
use std::ptr;
use std::task::Waker;

use crate::executor::wake::{Slot, WakeRef};

/// Set in the word when it points at a boxed foreign waker. Slots and wakers are aligned to more.
const FOREIGN: usize = 1;

/// Nobody (null), a wake slot (its address), or a foreign waker (the address of its box, plus
/// [`FOREIGN`]). Most tasks are joined by tasks, so a word suffices where a `Waker` takes two.
pub(super) struct Joiner {
    word: Cell<*mut ()>,
}

impl Joiner {
    pub(super) fn new() -> Self {
        Self { word: Cell::new(ptr::null_mut()) }
    }

    /// Keeps `waker` in place of the one before. True: that was, or may have been, foreign code, which clones and drops
    /// of foreign wakers are.
    #[inline]
    pub(super) fn set(&self, waker: &Waker) -> bool {
        match Slot::of(waker) {
            Some(slot) if self.word.get().addr() & FOREIGN == 0 => {
                self.word.set(ptr::from_ref(slot).cast_mut().cast());
                false
            }
            _ => {
                self.set_foreign(waker);
                true
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn set_foreign(&self, waker: &Waker) {
        let old = self.take();
        match old {
            Some(old) if old.will_wake(waker) => self.put(old),
            old => {
                self.put(WakeRef::new(waker));
                drop(old);
            }
        }
    }

    /// Takes the waker out.
    #[inline]
    pub(super) fn take(&self) -> Option<WakeRef> {
        let word = self.word.replace(ptr::null_mut());
        if word.is_null() {
            None
        } else if word.addr() & FOREIGN == 0 {
            // SAFETY: `put` stored a slot's address untagged; slots are immortal.
            Some(WakeRef::Slot(unsafe { &*word.cast::<Slot>() }))
        } else {
            let waker = word.map_addr(|addr| addr & !FOREIGN).cast::<Waker>();
            // SAFETY: `put` stored a box's pointer tagged, and the word was emptied above.
            Some(WakeRef::Foreign(*unsafe { Box::from_raw(waker) }))
        }
    }

    /// Stores into the empty word, or drops what a re-entering caller put there.
    #[inline]
    fn put(&self, waker: WakeRef) {
        let word = match waker {
            WakeRef::Slot(slot) => ptr::from_ref(slot).cast_mut().cast(),
            WakeRef::Foreign(waker) => {
                let boxed: *mut () = Box::into_raw(Box::new(waker)).cast();
                boxed.map_addr(|addr| addr | FOREIGN)
            }
        };
        // Cloning the new waker ran foreign code, which may have set one meanwhile.
        drop(self.take());
        self.word.set(word);
    }
}

impl Joiner {
    /// Whether nobody waits. So it is when the cell goes: the end of the task takes the waker out, and so does
    /// the drop of the join handle, before either gives its reference back.
    pub(super) fn is_empty(&self) -> bool {
        self.word.get().is_null()
    }
}

impl fmt::Debug for Joiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Joiner").field(&self.word.get()).finish()
    }
}
