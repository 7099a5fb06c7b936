//! Giving way: who receives from what is never empty must let others run.
//!
//! This is the one place of this module that asks for the loop, so that the rest works on any executor: where
//! no loop of ours runs, there is no budget either.

use std::cell::Cell;
use std::task::{Context, Poll};

use crate::event_loop::context;

/// Counts the receives of one receiver. Each so many of them are one operation of the running task, which may
/// do a number of operations in one poll, and then is polled again behind the others.
pub(super) struct Budget {
    left: Cell<u8>,
}

impl Budget {
    /// To ask the loop costs as much as half a receive, so it is not asked each time.
    const STRIDE: u8 = 32;

    pub(super) const fn new() -> Self {
        Self { left: Cell::new(Self::STRIDE) }
    }

    /// Counts one. False: the loop is to be [asked](Self::poll_ask).
    #[inline(always)]
    pub(super) fn spend(&self) -> bool {
        let left = self.left.get().wrapping_sub(1);
        self.left.set(left);
        left > 0
    }

    /// Asks the loop if the last [`spend`](Self::spend) said so.
    pub(super) fn poll_ask_if_due(&self, cx: &Context<'_>) -> Poll<()> {
        if self.left.get() > 0 { Poll::Ready(()) } else { self.poll_ask(cx) }
    }

    /// Asks the loop: ready if the task may go on. Else it is woken already, and must be pending.
    #[cold]
    pub(super) fn poll_ask(&self, cx: &Context<'_>) -> Poll<()> {
        let proceed = poll_proceed(cx);
        // Who may not is asked again when it comes back.
        self.left.set(if proceed.is_ready() { Self::STRIDE } else { 1 });
        proceed
    }

    /// Counts one, and is ready if the task may go on.
    #[inline(always)]
    pub(super) fn poll_spend(&self, cx: &Context<'_>) -> Poll<()> {
        if self.spend() { Poll::Ready(()) } else { self.poll_ask(cx) }
    }
}

/// As [`Budget::poll_spend`], and each is one operation.
pub(super) fn poll_proceed(cx: &Context<'_>) -> Poll<()> {
    match context::try_with(|core| core.executor.may_proceed_or_wake(cx.waker())) {
        Some(false) => Poll::Pending,
        _ => Poll::Ready(()),
    }
}
