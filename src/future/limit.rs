//! Waiting for all of an iterator, so many at a time.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::iter::Fuse;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::gather::{FutureOf, settle_result};
use crate::executor::children::Children;

pin_project! {
    /// A place for a future, and which of the iterator's it is.
    struct Place<F> {
        #[pin]
        future: Option<F>,
        number: usize,
    }
}

/// An iterator of futures, of which at most `limit` are alive, and the outputs so far.
///
/// There is one allocation for each place, that is, at most `limit`, and places are used again.
struct Limited<I: Iterator<Item: IntoFuture>, T> {
    iterator: Fuse<I>,
    places: Vec<Pin<Box<Place<FutureOf<I>>>>>,
    children: Children,
    limit: usize,
    /// How many futures are alive.
    alive: usize,
    /// By number: `None` for those that are alive.
    outputs: Vec<Option<T>>,
    is_over: bool,
}

impl<I: Iterator<Item: IntoFuture>, T> Limited<I, T> {
    #[track_caller]
    fn new(iterator: I, limit: usize) -> Self {
        assert!(limit > 0, "a limit of zero lets nothing run");
        Self {
            iterator: iterator.fuse(),
            places: Vec::new(),
            children: Children::new(0),
            limit,
            alive: 0,
            outputs: Vec::new(),
            is_over: false,
        }
    }

    /// Takes futures from the iterator, up to the limit. They are polled after all that are ready.
    fn fill(&mut self) {
        while self.alive < self.limit {
            let Some(future) = self.iterator.next() else { break };
            let (future, number) = (Some(future.into_future()), self.outputs.len());
            self.outputs.push(None);
            self.alive += 1;
            let index = self.children.insert();
            match self.places.get_mut(index) {
                Some(place) => place.set(Place { future, number }),
                None => self.places.push(Box::pin(Place { future, number })),
            }
        }
    }

    fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        settle: impl Fn(usize, <I::Item as IntoFuture>::Output) -> ControlFlow<R, Option<T>>,
    ) -> Poll<ControlFlow<R, Vec<T>>> {
        assert!(!self.is_over, "a gather was polled after it was over");
        self.fill();
        self.children.begin(cx);
        while let Some((index, waker)) = self.children.next(cx) {
            let mut place = self.places[index].as_mut().project();
            let Some(future) = place.future.as_mut().as_pin_mut() else { continue };
            let Poll::Ready(output) = future.poll(&mut Context::from_waker(&waker)) else {
                continue;
            };
            let number = *place.number;
            self.alive -= 1;
            self.children.remove(index);
            let settled = settle(number, output);
            place.future.set(None);
            match settled {
                ControlFlow::Continue(kept) => self.outputs[number] = kept,
                ControlFlow::Break(result) => {
                    self.end();
                    return Poll::Ready(ControlFlow::Break(result));
                }
            }
            self.fill();
        }
        if self.alive > 0 {
            return Poll::Pending;
        }
        let outputs = std::mem::take(&mut self.outputs).into_iter().flatten().collect();
        self.end();
        Poll::Ready(ControlFlow::Continue(outputs))
    }

    /// Drops all futures and outputs. The iterator goes with the gather.
    fn end(&mut self) {
        self.is_over = true;
        self.alive = 0;
        drop(std::mem::take(&mut self.places));
        self.outputs = Vec::new();
        self.children = Children::new(0);
    }
}

impl<I: Iterator<Item: IntoFuture>, T> fmt::Debug for Limited<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited")
            .field("limit", &self.limit)
            .field("alive", &self.alive)
            .field("taken", &self.outputs.len())
            .finish()
    }
}

/// The future of [`Gather::limit`](super::Gather::limit).
#[must_use = "futures do nothing unless they are awaited"]
pub struct GatherLimited<I: Iterator<Item: IntoFuture>> {
    inner: Limited<I, <I::Item as IntoFuture>::Output>,
}

impl<I: Iterator<Item: IntoFuture>> GatherLimited<I> {
    #[track_caller]
    pub(super) fn new(iterator: I, limit: usize) -> Self {
        Self { inner: Limited::new(iterator, limit) }
    }
}

/// The futures are pinned on the heap, and nothing else is.
impl<I: Iterator<Item: IntoFuture>> Unpin for GatherLimited<I> {}

impl<I: Iterator<Item: IntoFuture>> Future for GatherLimited<I> {
    type Output = Vec<<I::Item as IntoFuture>::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let keep = |_, output| ControlFlow::<std::convert::Infallible, _>::Continue(Some(output));
        self.inner.poll(cx, keep).map(|result| match result {
            ControlFlow::Continue(outputs) => outputs,
            ControlFlow::Break(never) => match never {},
        })
    }
}

impl<I: Iterator<Item: IntoFuture>> fmt::Debug for GatherLimited<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GatherLimited").field(&self.inner).finish()
    }
}

/// The future of [`TryGather::limit`](super::TryGather::limit).
#[must_use = "futures do nothing unless they are awaited"]
pub struct TryGatherLimited<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> {
    inner: Limited<I, T>,
    error: PhantomData<fn() -> E>,
}

impl<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> TryGatherLimited<I, T, E> {
    #[track_caller]
    pub(super) fn new(iterator: I, limit: usize) -> Self {
        Self { inner: Limited::new(iterator, limit), error: PhantomData }
    }
}

/// The futures are pinned on the heap, and nothing else is.
impl<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> Unpin
    for TryGatherLimited<I, T, E>
{
}

impl<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> Future
    for TryGatherLimited<I, T, E>
{
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.poll(cx, settle_result).map(|result| match result {
            ControlFlow::Continue(values) => Ok(values),
            ControlFlow::Break(error) => Err(error),
        })
    }
}

impl<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> fmt::Debug
    for TryGatherLimited<I, T, E>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryGatherLimited").field(&self.inner).finish()
    }
}
