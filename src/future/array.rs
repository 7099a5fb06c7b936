//! Waiting for all of an array, without an allocation for it.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::gather::settle_result;
use super::set::{Entry, Progress};
use crate::executor::pinned::element;

/// What lies in the futures below. They have it for a parameter because `pin_project!` knows no `const` ones.
pub(super) type Entries<F, T, const N: usize> = [Entry<F, T>; N];

pin_project! {
    /// The future of [`gather`](super::gather) for arrays.
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct GatherArray<A> {
        #[pin]
        entries: A,
        progress: Progress,
        is_over: bool,
    }
}

impl<F: Future, const N: usize> GatherArray<Entries<F, F::Output, N>> {
    pub(super) fn new<G: IntoFuture<IntoFuture = F>>(futures: [G; N]) -> Self {
        let entries = futures.map(|future| Entry::new(future.into_future()));
        Self { entries, progress: Progress::new(N), is_over: false }
    }
}

impl<F: Future, const N: usize> Future for GatherArray<Entries<F, F::Output, N>> {
    type Output = [F::Output; N];

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        assert!(!*this.is_over, "`GatherArray` was polled after it was over");
        let mut entries: Pin<&mut [_]> = this.entries;
        let keep = |_, output| ControlFlow::Continue(Some(output));
        let _: Option<()> = this.progress.poll(entries.as_mut(), cx, keep);
        if this.progress.pending > 0 {
            return Poll::Pending;
        }
        *this.is_over = true;
        Poll::Ready(take_all(entries))
    }
}

impl<A> fmt::Debug for GatherArray<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug("GatherArray", &self.progress, f)
    }
}

pin_project! {
    /// The future of [`try_gather`](super::try_gather) for arrays.
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct TryGatherArray<A> {
        #[pin]
        entries: A,
        progress: Progress,
        is_over: bool,
    }
}

impl<F: Future<Output = Result<T, E>>, T, E, const N: usize> TryGatherArray<Entries<F, T, N>> {
    pub(super) fn new<G: IntoFuture<IntoFuture = F, Output = Result<T, E>>>(
        futures: [G; N],
    ) -> Self {
        let entries = futures.map(|future| Entry::new(future.into_future()));
        Self { entries, progress: Progress::new(N), is_over: false }
    }
}

impl<F: Future<Output = Result<T, E>>, T, E, const N: usize> Future
    for TryGatherArray<Entries<F, T, N>>
{
    type Output = Result<[T; N], E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        assert!(!*this.is_over, "`TryGatherArray` was polled after it was over");
        let mut entries: Pin<&mut [_]> = this.entries;
        if let Some(error) = this.progress.poll(entries.as_mut(), cx, settle_result) {
            *this.is_over = true;
            for index in 0..N {
                element(entries.as_mut(), index).set(Entry::Gone);
            }
            return Poll::Ready(Err(error));
        }
        if this.progress.pending > 0 {
            return Poll::Pending;
        }
        *this.is_over = true;
        Poll::Ready(Ok(take_all(entries)))
    }
}

impl<A> fmt::Debug for TryGatherArray<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug("TryGatherArray", &self.progress, f)
    }
}

/// What was kept, of all.
fn take_all<F: Future, T, const N: usize>(mut entries: Pin<&mut [Entry<F, T>]>) -> [T; N] {
    std::array::from_fn(|index| {
        element(entries.as_mut(), index).take().expect("each is over and was kept")
    })
}

fn debug(name: &str, progress: &Progress, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_struct(name).field("pending", &progress.pending).finish()
}
