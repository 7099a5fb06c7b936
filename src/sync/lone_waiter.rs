//! The place of one who is the only one that can wait: the receiver of a channel.

use std::cell::Cell;
use std::fmt;
use std::task::Context;

use super::wait_list::wake;
use crate::executor::wake::WakeRef;

/// Holds the waker of who waits. Needs no list, and hands over nothing: who is woken looks for itself, and nobody
/// can be ahead of it.
///
/// A future that is dropped leaves its waker behind. At worst it wakes a task that waits no longer, once.
#[derive(Default)]
pub(super) struct LoneWaiter {
    waker: Cell<Option<WakeRef>>,
}

impl LoneWaiter {
    /// Keeps the waker of `cx`.
    ///
    /// That may run foreign code: whoever found nothing before looks again afterwards.
    #[inline]
    pub(super) fn register(&self, cx: &Context<'_>) {
        match self.waker.take() {
            Some(own) if own.will_wake(cx.waker()) => self.waker.set(Some(own)),
            old => {
                let replaced = self.waker.replace(Some(WakeRef::new(cx.waker())));
                drop((old, replaced));
            }
        }
    }

    /// Wakes who waits, if anybody does: foreign code.
    #[inline]
    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            wake(waker);
        }
    }
}

impl fmt::Debug for LoneWaiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waker = self.waker.take();
        let waits = waker.is_some();
        self.waker.set(waker);
        f.debug_struct("LoneWaiter").field("waits", &waits).finish()
    }
}
