//! Waking others, whatever their wakers do.

use std::any::Any;
use std::panic::resume_unwind;
use std::thread;

use crate::executor::task::discard;
use crate::executor::wake::WakeRef;

/// Wakes several, one after the other. The first panic of a foreign waker is kept until
/// [`finish`](Self::finish), so that the others are woken all the same.
#[must_use = "call `finish`: a waker may have panicked"]
#[derive(Debug)]
pub(crate) struct Wakes {
    panic: Option<Box<dyn Any + Send>>,
}

impl Wakes {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { panic: None }
    }

    /// Wakes. Foreign code: no borrow may be held, and all may have changed afterwards.
    #[inline]
    pub(crate) fn wake(&mut self, waker: WakeRef) {
        if let Err(payload) = waker.wake() {
            self.keep(payload);
        }
    }

    #[cold]
    fn keep(&mut self, payload: Box<dyn Any + Send>) {
        match self.panic {
            None => self.panic = Some(payload),
            Some(_) => discard(payload),
        }
    }

    /// Whether a waker panicked.
    pub(crate) fn has_panicked(&self) -> bool {
        self.panic.is_some()
    }

    /// Goes on with the first panic, if there was one, unless this thread is panicking already.
    #[inline]
    pub(crate) fn finish(self) {
        if let Some(payload) = self.panic {
            resume(payload);
        }
    }
}

/// Wakes one. Foreign code: no borrow may be held, and all may have changed afterwards.
///
/// # Panics
///
/// If the waker is foreign and does, unless this thread is panicking already.
#[inline]
pub(crate) fn wake(waker: WakeRef) {
    if let Err(payload) = waker.wake() {
        resume(payload);
    }
}

#[cold]
fn resume(payload: Box<dyn Any + Send>) {
    // A guard that is dropped by a panic wakes the next: a second panic would end the process.
    if thread::panicking() {
        discard(payload);
    } else {
        resume_unwind(payload);
    }
}

/// Wakers to be woken when the list is no longer borrowed, and the primitive's own state is in order.
#[must_use = "who was served must be woken"]
#[derive(Default)]
pub(crate) struct Foreign {
    /// Most often there is one.
    first: Option<WakeRef>,
    more: Vec<WakeRef>,
}

impl Foreign {
    /// Wakes one of our own at once: that is not foreign code. Keeps a foreign one, and all who come after
    /// it, so that they are woken in order.
    #[inline(always)]
    pub(super) fn wake_or_keep(&mut self, waker: WakeRef) {
        match waker {
            WakeRef::Slot(slot) if self.first.is_none() => slot.wake(),
            waker => self.keep(waker),
        }
    }

    #[cold]
    fn keep(&mut self, waker: WakeRef) {
        match self.first {
            None => self.first = Some(waker),
            Some(_) => self.more.push(waker),
        }
    }

    /// Those who are to be woken, in order.
    pub(crate) fn into_wakers(self) -> impl Iterator<Item = WakeRef> {
        self.first.into_iter().chain(self.more)
    }

    #[inline]
    pub(crate) fn wake(self, wakes: &mut Wakes) {
        if let Some(first) = self.first {
            wakes.wake(first);
            self.more.into_iter().for_each(|waker| wakes.wake(waker));
        }
    }
}
