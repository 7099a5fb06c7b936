//! Waiting for the first.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::set::FutureSet;

/// Runs futures side by side and gives the output of the first that is over; the others are dropped.
///
/// A `JoinHandle` that loses detaches its task, which runs on; an
/// [`abort_on_drop`](crate::JoinHandle::abort_on_drop) handle ends it.
///
/// Of several that are ready, the one that became so first wins, and at the first poll the first in order.
///
/// # Cancel safety
///
/// As safe as the futures: dropping the race drops them all. The losers are dropped half-way, when the race is over.
///
/// # Panics
///
/// If there are no futures: there would be no end.
///
/// # Examples
///
/// ```
/// use std::{future, time::Duration};
/// use monoloop::future::race;
/// use monoloop::time::sleep;
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let after = |ms| async move {
///     sleep(Duration::from_millis(ms)).await;
///     ms
/// };
/// assert_eq!(race([30, 10, 20].map(after)).await, 10);
/// # });
/// ```
#[track_caller]
pub fn race<I: IntoIterator<Item: IntoFuture>>(
    futures: I,
) -> Race<<I::Item as IntoFuture>::IntoFuture> {
    let futures = FutureSet::new(futures.into_iter().map(IntoFuture::into_future));
    assert!(futures.len() > 0, "a race of no futures has no end");
    Race { futures }
}

/// The future of [`race`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Race<F: Future> {
    futures: FutureSet<F, ()>,
}

/// The futures are pinned on the heap, and nothing else is.
impl<F: Future> Unpin for Race<F> {}

impl<F: Future> Future for Race<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        assert!(self.futures.len() > 0, "`Race` was polled after it was over");
        match self.futures.poll(cx, |_, output| ControlFlow::Break(output)) {
            Some(output) => {
                self.futures.clear();
                Poll::Ready(output)
            }
            None => Poll::Pending,
        }
    }
}

impl<F: Future> fmt::Debug for Race<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Race").field(&self.futures).finish()
    }
}

/// Runs futures side by side and gives the first value: the others are dropped.
///
/// # Errors
///
/// All errors, in the order of the futures, when there is no value to come: an empty list for no futures.
///
/// # Cancel safety
///
/// As for [`race`].
///
/// # Examples
///
/// ```
/// use monoloop::future::first_ok;
///
/// # monoloop::run(async {
/// let parse = |text: &'static str| async move { text.parse::<u8>() };
/// assert_eq!(first_ok(["one", "2", "3"].map(parse)).await, Ok(2));
/// assert_eq!(first_ok(["one", "two"].map(parse)).await.unwrap_err().len(), 2);
/// # });
/// ```
#[doc(alias = "select_ok")]
pub fn first_ok<I, T, E>(futures: I) -> FirstOk<<I::Item as IntoFuture>::IntoFuture, E>
where
    I: IntoIterator<Item: IntoFuture<Output = Result<T, E>>>,
{
    let futures = FutureSet::new(futures.into_iter().map(IntoFuture::into_future));
    FirstOk { futures, is_over: false }
}

/// The future of [`first_ok`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct FirstOk<F, E> {
    futures: FutureSet<F, E>,
    is_over: bool,
}

/// The futures are pinned on the heap, and nothing else is.
impl<F, E> Unpin for FirstOk<F, E> {}

impl<F: Future<Output = Result<T, E>>, T, E> Future for FirstOk<F, E> {
    type Output = Result<T, Vec<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.is_over, "`FirstOk` was polled after it was over");
        let value = self.futures.poll(cx, |_, result| match result {
            Ok(value) => ControlFlow::Break(value),
            Err(error) => ControlFlow::Continue(Some(error)),
        });
        if value.is_none() && self.futures.pending() > 0 {
            return Poll::Pending;
        }
        self.is_over = true;
        let result = value.ok_or_else(|| self.futures.take_kept());
        self.futures.clear();
        Poll::Ready(result)
    }
}

impl<F, E> fmt::Debug for FirstOk<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FirstOk").field(&self.futures).finish()
    }
}
