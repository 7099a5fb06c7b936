//! One output after the other, first come, first served.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};

use super::set::FutureSet;

/// Runs futures side by side and gives their outputs in the order in which they come, each with its future's index
/// among the arguments.
///
/// The futures are polled while [`next`](AsCompleted::next) is awaited, or [`wait`](super::wait) is. For keys of
/// your own, let the futures give them: `as_completed(urls.map(|url| async move { (url, fetch(url).await) }))`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::future::as_completed;
/// use monoloop::time::sleep;
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let mut naps = as_completed([30, 10, 20].map(|ms| sleep(Duration::from_millis(ms))));
/// let mut order = Vec::new();
/// while let Some((index, ())) = naps.next().await {
///     order.push(index);
/// }
/// assert_eq!(order, [1, 2, 0]);
/// # });
/// ```
#[doc(alias = "FuturesUnordered")]
pub fn as_completed<I>(futures: I) -> AsCompleted<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator<Item: IntoFuture>,
{
    let futures = FutureSet::new(futures.into_iter().map(IntoFuture::into_future));
    AsCompleted { futures, arrived: VecDeque::new() }
}

/// Futures whose outputs are given out as they come. Made by [`as_completed`].
///
/// A [`Stream`] of indices and outputs. Dropping it drops the futures that are not over.
#[must_use = "futures do nothing unless they are awaited: call `next`"]
pub struct AsCompleted<F: Future> {
    futures: FutureSet<F, ()>,
    /// Outputs that a [`wait`](super::wait) came across and did not give out yet.
    pub(super) arrived: VecDeque<(usize, F::Output)>,
}

/// The futures are pinned on the heap, and nothing else is.
impl<F: Future> Unpin for AsCompleted<F> {}

impl<F: Future> AsCompleted<F> {
    /// Waits for the next output; `None` when all were given out.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: an output is given out when this is ready, and the futures stay in the set.
    #[allow(clippy::should_implement_trait, reason = "it is a stream's")]
    pub fn next(&mut self) -> Next<'_, F> {
        Next { set: self }
    }

    /// Gives the next output if there is one: as [`next`](Self::next), by hand.
    pub fn poll_next_output(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, F::Output)>> {
        if let Some(output) = self.arrived.pop_front() {
            return Poll::Ready(Some(output));
        }
        let next = self.futures.poll(cx, |index, output| ControlFlow::Break((index, output)));
        match next {
            Some(output) => Poll::Ready(Some(output)),
            None if self.futures.pending() == 0 => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Polls the futures that are ready and keeps what comes.
    pub(super) fn poll_arrivals(&mut self, cx: &mut Context<'_>) {
        let Self { futures, arrived } = self;
        let _: Option<()> = futures.poll(cx, |index, output| {
            arrived.push_back((index, output));
            ControlFlow::Continue(None)
        });
    }

    /// How many outputs there will be: one of each future that is not over, and those that a [`wait`](super::wait) came
    /// across and did not give out.
    pub fn len(&self) -> usize {
        self.futures.pending() + self.arrived.len()
    }

    /// Whether all outputs were given out.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn are_all_over(&self) -> bool {
        self.futures.pending() == 0
    }

    /// The indices of the futures that are not over.
    pub fn pending(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.futures.len()).filter(|&index| self.futures.is_pending(index))
    }
}

impl<F: Future> Stream for AsCompleted<F> {
    type Item = (usize, F::Output);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_next_output(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<F: Future> FusedStream for AsCompleted<F> {
    fn is_terminated(&self) -> bool {
        self.is_empty()
    }
}

impl<F: Future> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsCompleted").field(&self.futures).finish()
    }
}

/// The future of [`AsCompleted::next`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Next<'a, F: Future> {
    set: &'a mut AsCompleted<F>,
}

impl<F: Future> Future for Next<'_, F> {
    type Output = Option<(usize, F::Output)>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.set.poll_next_output(cx)
    }
}

impl<F: Future> fmt::Debug for Next<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Next").field(&self.set).finish()
    }
}
