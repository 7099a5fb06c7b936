//! Waiting for all.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use super::array::{Entries, GatherArray, TryGatherArray};
use super::kind::{FromArray, FromIter, FromVec};
use super::limit::{GatherLimited, TryGatherLimited};
use super::set::FutureSet;

/// Runs futures side by side and gives every outcome, in the order of the arguments.
///
/// Takes an iterator or a `Vec` of futures, and gives a `Vec`; an array, and gives an array; a tuple of up to twelve
/// different futures, and gives a tuple. Arrays and tuples are not boxed. It is lazy, unlike asyncio's, which makes tasks:
/// nothing is polled before the result is. With
/// [`limit`](Gather::limit), an iterator is run through with so many at a time.
///
/// An output that is an `Err` is an outcome like any other; for "all or the first error" use [`try_gather`]. A wake
/// polls only the future it was meant for. After 128 polls of its futures, a gather gives way to other tasks.
///
/// A future that panics takes the gather with it: the panic passes to who awaits, and the other futures are dropped.
///
/// # Cancel safety
///
/// As safe as the futures: dropping the gather drops them all, and the outputs that are there.
///
/// # Examples
///
/// ```
/// use monoloop::future::gather;
///
/// # monoloop::run(async {
/// let squares = gather((1..=3).map(|n| async move { n * n })).await;
/// assert_eq!(squares, [1, 4, 9]);
///
/// let (number, word) = gather((async { 1 }, async { "one" })).await;
/// assert_eq!((number, word), (1, "one"));
/// # });
/// ```
#[doc(alias = "join_all")]
#[must_use = "futures do nothing unless they are awaited"]
pub fn gather<G: IntoGather<Kind>, Kind>(futures: G) -> G::Gather {
    futures.into_gather()
}

/// Runs futures side by side until all are `Ok`, or one is not: the first error drops the others and is returned.
///
/// Takes what [`gather`] takes; the futures of a tuple or an array have one error type.
///
/// # Errors
///
/// The first error, by time. The futures that were not over are dropped before it is returned. Among them may be
/// `JoinHandle`s: dropping those detaches their tasks, which run on. Give it
/// [`abort_on_drop`](crate::JoinHandle::abort_on_drop) handles to have the tasks end.
///
/// # Cancel safety
///
/// As safe as the futures: dropping this drops them all, and the values that are there.
///
/// # Examples
///
/// ```
/// use monoloop::future::try_gather;
///
/// # monoloop::run(async {
/// let parse = |text: &'static str| async move { text.parse::<u8>() };
/// assert_eq!(try_gather(["1", "2"].map(parse)).await, Ok([1, 2]));
/// assert!(try_gather(["1", "two"].map(parse)).await.is_err());
/// # });
/// ```
#[doc(alias = "try_join_all")]
#[must_use = "futures do nothing unless they are awaited"]
pub fn try_gather<G: IntoTryGather<Kind>, Kind>(futures: G) -> G::TryGather {
    futures.into_try_gather()
}

/// What [`gather`] takes: iterators, `Vec`s, arrays and tuples of futures. `Kind` tells which, and is inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that can be gathered",
    note = "`gather` takes an iterator, a `Vec`, an array or a tuple (of up to 12) of futures; for other \
            collections call `.into_iter()`"
)]
pub trait IntoGather<Kind> {
    /// The future of all.
    type Gather: Future;

    /// Makes it.
    fn into_gather(self) -> Self::Gather;
}

/// What [`try_gather`] takes: what [`gather`] does, of futures of `Result`s.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that can be gathered with `?`",
    note = "`try_gather` takes an iterator, a `Vec`, an array or a tuple (of up to 12) of futures whose outputs \
            are `Result`s with one error type"
)]
pub trait IntoTryGather<Kind> {
    /// The future of all.
    type TryGather: Future;

    /// Makes it.
    fn into_try_gather(self) -> Self::TryGather;
}

/// The futures of an iterator, before the first poll and after it.
enum Stage<I, F: Future, T> {
    Iterator(I),
    Futures(FutureSet<F, T>),
    Over,
}

impl<I, F, T> Stage<I, F, T>
where
    I: Iterator<Item: IntoFuture<IntoFuture = F>>,
    F: Future,
{
    /// The futures. The first time, goes through the iterator.
    #[inline]
    fn futures(&mut self, name: &str) -> &mut FutureSet<F, T> {
        if let Self::Iterator(_) = self {
            // Should the iterator panic, there is nothing to go on with.
            if let Self::Iterator(iterator) = std::mem::replace(self, Self::Over) {
                *self = Self::Futures(FutureSet::new(iterator.map(IntoFuture::into_future)));
            }
        }
        match self {
            Self::Futures(futures) => futures,
            _ => panic!("`{name}` was polled after it was over"),
        }
    }
}

impl<I, F: Future, T> fmt::Debug for Stage<I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iterator(_) => f.write_str("Iterator"),
            Self::Futures(futures) => futures.fmt(f),
            Self::Over => f.write_str("Over"),
        }
    }
}

pub(super) type FutureOf<I> = <<I as Iterator>::Item as IntoFuture>::IntoFuture;
type OutputOf<I> = <<I as Iterator>::Item as IntoFuture>::Output;

/// The future of [`gather`] for iterators.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Gather<I: Iterator<Item: IntoFuture>> {
    stage: Stage<I, FutureOf<I>, OutputOf<I>>,
}

/// The futures are pinned on the heap, and nothing else is.
impl<I: Iterator<Item: IntoFuture>> Unpin for Gather<I> {}

impl<I: Iterator<Item: IntoFuture>> Gather<I> {
    fn new(iterator: I) -> Self {
        Self { stage: Stage::Iterator(iterator) }
    }

    /// Runs at most `limit` futures at a time: the iterator is asked for the next one when one is over.
    ///
    /// # Panics
    ///
    /// If `limit` is zero, or the gather was polled.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::future::gather;
    ///
    /// # monoloop::run(async {
    /// let pages = (0..1000).map(|page| async move { page + 1 });
    /// let pages = gather(pages).limit(10).await;
    /// assert_eq!(pages.len(), 1000);
    /// # });
    /// ```
    #[track_caller]
    pub fn limit(self, limit: usize) -> GatherLimited<I> {
        match self.stage {
            Stage::Iterator(iterator) => GatherLimited::new(iterator, limit),
            _ => panic!("`limit` was called on a gather that was polled"),
        }
    }
}

impl<I: Iterator<Item: IntoFuture>> Future for Gather<I> {
    type Output = Vec<OutputOf<I>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let futures = self.stage.futures("Gather");
        let _: Option<()> = futures.poll(cx, |_, output| ControlFlow::Continue(Some(output)));
        if futures.pending() > 0 {
            return Poll::Pending;
        }
        let outputs = futures.take_kept();
        self.stage = Stage::Over;
        Poll::Ready(outputs)
    }
}

impl<I: Iterator<Item: IntoFuture>> fmt::Debug for Gather<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gather").field(&self.stage).finish()
    }
}

/// The future of [`try_gather`] for iterators.
#[must_use = "futures do nothing unless they are awaited"]
pub struct TryGather<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> {
    stage: Stage<I, FutureOf<I>, T>,
    error: std::marker::PhantomData<fn() -> E>,
}

/// The futures are pinned on the heap, and nothing else is.
impl<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> Unpin for TryGather<I, T, E> {}

impl<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> TryGather<I, T, E> {
    fn new(iterator: I) -> Self {
        Self { stage: Stage::Iterator(iterator), error: std::marker::PhantomData }
    }

    /// Runs at most `limit` futures at a time: the iterator is asked for the next one when one is over.
    ///
    /// # Panics
    ///
    /// If `limit` is zero, or the gather was polled.
    #[track_caller]
    pub fn limit(self, limit: usize) -> TryGatherLimited<I, T, E> {
        match self.stage {
            Stage::Iterator(iterator) => TryGatherLimited::new(iterator, limit),
            _ => panic!("`limit` was called on a gather that was polled"),
        }
    }
}

impl<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> Future for TryGather<I, T, E> {
    type Output = Result<Vec<T>, E>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let futures = self.stage.futures("TryGather");
        let error = futures.poll(cx, settle_result);
        if error.is_none() && futures.pending() > 0 {
            return Poll::Pending;
        }
        let result = error.map_or_else(|| Ok(futures.take_kept()), Err);
        self.stage = Stage::Over;
        Poll::Ready(result)
    }
}

impl<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> fmt::Debug for TryGather<I, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryGather").field(&self.stage).finish()
    }
}

/// Keeps values; stops at an error.
#[inline]
pub(super) fn settle_result<T, E>(_: usize, result: Result<T, E>) -> ControlFlow<E, Option<T>> {
    match result {
        Ok(value) => ControlFlow::Continue(Some(value)),
        Err(error) => ControlFlow::Break(error),
    }
}

impl<I: Iterator<Item: IntoFuture>> IntoGather<FromIter> for I {
    type Gather = Gather<I>;

    fn into_gather(self) -> Self::Gather {
        Gather::new(self)
    }
}

impl<F: IntoFuture> IntoGather<FromVec> for Vec<F> {
    type Gather = Gather<vec::IntoIter<F>>;

    fn into_gather(self) -> Self::Gather {
        Gather::new(self.into_iter())
    }
}

impl<F: IntoFuture, const N: usize> IntoGather<FromArray> for [F; N] {
    type Gather = GatherArray<Entries<F::IntoFuture, F::Output, N>>;

    fn into_gather(self) -> Self::Gather {
        GatherArray::new(self)
    }
}

impl<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> IntoTryGather<FromIter<(T, E)>>
    for I
{
    type TryGather = TryGather<I, T, E>;

    fn into_try_gather(self) -> Self::TryGather {
        TryGather::new(self)
    }
}

impl<F: IntoFuture<Output = Result<T, E>>, T, E> IntoTryGather<FromVec<(T, E)>> for Vec<F> {
    type TryGather = TryGather<vec::IntoIter<F>, T, E>;

    fn into_try_gather(self) -> Self::TryGather {
        TryGather::new(self.into_iter())
    }
}

impl<F: IntoFuture<Output = Result<T, E>>, T, E, const N: usize> IntoTryGather<FromArray<(T, E)>>
    for [F; N]
{
    type TryGather = TryGatherArray<Entries<F::IntoFuture, T, N>>;

    fn into_try_gather(self) -> Self::TryGather {
        TryGatherArray::new(self)
    }
}
