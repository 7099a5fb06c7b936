//! Bounding how long a future may take.

use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::{Sleep, deadline};
use crate::event_loop::context;

/// Bounds how long `future` may take.
///
/// The future is polled before the deadline is looked at: a value that is there wins. With a limit of zero,
/// or a deadline that is past, the future is polled once. What runs inside sees the tightest deadline it is under
/// through [`deadline`](super::deadline()).
///
/// # Errors
///
/// [`Elapsed`] when the time is up; the future is dropped with the `Timeout`.
///
/// # Cancel safety
///
/// As safe as the future: dropping the timeout drops it.
///
/// # Panics
///
/// If no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::{future, time::Duration};
/// use monoloop::time::timeout;
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let second = Duration::from_secs(1);
/// assert_eq!(timeout(second, async { 1 }).await, Ok(1));
/// assert!(timeout(second, future::pending::<()>()).await.is_err());
/// # });
/// ```
#[doc(alias = "wait_for")]
#[track_caller]
#[inline]
pub fn timeout<F: IntoFuture>(limit: Duration, future: F) -> Timeout<F::IntoFuture> {
    let sleep = context::with("time::timeout", |core| Sleep::after(core, limit));
    Timeout { future: future.into_future(), sleep }
}

/// Bounds until when `future` may take, as [`timeout`] does.
///
/// # Errors
///
/// [`Elapsed`] when the loop's clock has reached `deadline`.
///
/// # Panics
///
/// If no loop runs on this thread.
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    let sleep = context::with("time::timeout_at", |core| Sleep::until(core, deadline));
    Timeout { future: future.into_future(), sleep }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F> Timeout<F> {
    /// Returns when the time is up.
    pub fn deadline(&self) -> Instant {
        self.sleep.deadline()
    }

    /// Returns the future.
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// Returns the future.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// Gives the future back and forgets the deadline.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = {
            let _under = deadline::tighten(this.sleep.nanos());
            this.future.poll(cx)
        };
        if let Poll::Ready(output) = polled {
            return Poll::Ready(Ok(output));
        }
        this.sleep.poll_elapsed(cx).map(|()| Err(Elapsed { deadline: this.sleep.deadline() }))
    }
}

/// The time was up. Converts into an [`io::Error`] of kind [`TimedOut`](io::ErrorKind::TimedOut).
#[doc(alias = "TimeoutError")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed {
    deadline: Instant,
}

impl Elapsed {
    /// Returns the deadline that passed.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has elapsed")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}
