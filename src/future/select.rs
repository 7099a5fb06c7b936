//! What [`select!`](crate::select) expands to uses this. Not for others.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::Context;

pub use std::future::{IntoFuture, poll_fn};
pub use std::pin::pin;
pub use std::task::Poll;

use pin_project_lite::pin_project;

thread_local! {
    static SEED: Cell<u32> = const { Cell::new(0x9E37_79B9) };
}

/// Where to begin among `count` branches: pseudo-random, the same sequence in each thread of each run.
#[inline]
fn start(count: usize) -> usize {
    // Marsaglia's xorshift32. A mere counter would keep two selects that take turns in step.
    let next = SEED.with(|seed| {
        let mut next = seed.get();
        next ^= next << 13;
        next ^= next >> 17;
        next ^= next << 5;
        seed.set(next);
        next
    });
    ((u64::from(next) * count as u64) >> 32) as usize
}

pin_project! {
    /// The future of a branch that has a condition.
    #[derive(Debug)]
    pub struct Maybe<F> {
        #[pin]
        future: Option<F>,
    }
}

impl<F> Maybe<F> {
    /// `None`: the condition is false.
    pub fn new(future: Option<F>) -> Self {
        Self { future }
    }
}

impl<F: Future> Future for Maybe<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Who is not there is not polled.
        self.project().future.as_pin_mut().map_or(Poll::Pending, |future| future.poll(cx))
    }
}

/// What polling one branch came to.
#[derive(Debug)]
pub enum Branch {
    /// It is not ready.
    Pending,
    /// It is ready, and matches its pattern.
    Chosen,
    /// It is ready, and does not.
    Refused,
}

/// Polls `N` branches once: in order if `is_biased`, else from a random one on. Branches that are not `enabled` are
/// passed over, those that refuse are disabled. Ready with the index of the chosen one, or `N` if none is enabled.
#[inline(always)]
pub fn poll_branches<const N: usize>(
    is_biased: bool,
    enabled: &mut [bool; N],
    mut poll: impl FnMut(usize) -> Branch,
) -> Poll<usize> {
    let mut index = if is_biased { 0 } else { start(N) };
    let mut is_pending = false;
    for _ in 0..N {
        if enabled[index] {
            match poll(index) {
                Branch::Pending => is_pending = true,
                Branch::Chosen => return Poll::Ready(index),
                Branch::Refused => enabled[index] = false,
            }
        }
        index = if index + 1 == N { 0 } else { index + 1 };
    }
    if is_pending { Poll::Pending } else { Poll::Ready(N) }
}

/// No branch is enabled, and there is no `else`.
#[cold]
#[track_caller]
pub fn nothing_enabled() -> ! {
    panic!("no branch of `select!` is enabled, and it has no `else`")
}
