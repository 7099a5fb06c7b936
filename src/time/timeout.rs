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
use crate::event_loop::{clock, context};

/// Bounds how long `future` may take.
///
/// The future is polled before the deadline is looked at: a value that is there wins. With a limit of zero,
/// or a deadline that is past, the future is polled once. What runs inside sees the tightest deadline it is under
/// through [`deadline`](super::deadline()).
///
/// The time begins when this is first polled, not when it is made: at the end of that poll, or when the future asks for
/// its deadline in it. So a future that is ready at once costs no look at the clock. Use [`timeout_at`] to count from
/// elsewhere.
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
    // Only to be loud here if there is none.
    context::with("time::timeout", |_| ());
    let term = Term::Limit(clock::saturating_nanos(limit));
    Timeout { future: future.into_future(), term }
}

/// Bounds until when `future` may take, as [`timeout`] does.
///
/// # Errors
///
/// [`Elapsed`] when the loop's clock has reached `deadline`; the future is dropped with the `Timeout`.
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
/// use monoloop::time::{self, timeout_at};
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// // One deadline for two steps.
/// let deadline = time::now() + Duration::from_secs(1);
/// assert_eq!(timeout_at(deadline, async { 1 }).await, Ok(1));
/// let elapsed = timeout_at(deadline, future::pending::<()>()).await.unwrap_err();
/// assert_eq!(elapsed.deadline(), deadline);
/// # });
/// ```
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    let sleep = context::with("time::timeout_at", |core| Sleep::until(core, deadline));
    Timeout { future: future.into_future(), term: Term::Until(sleep) }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        term: Term,
    }
}

#[derive(Debug)]
enum Term {
    /// The time has not begun. In nanoseconds.
    Limit(u64),
    Until(Sleep),
}

impl<F> Timeout<F> {
    /// Returns when the time is up; if it has not begun, when it would be up if it began now.
    ///
    /// # Panics
    ///
    /// If the time has not begun, and no loop runs on this thread.
    #[doc(alias = "when")]
    #[track_caller]
    pub fn deadline(&self) -> Instant {
        match &self.term {
            Term::Until(sleep) => sleep.deadline(),
            Term::Limit(limit) => {
                let now = context::with("Timeout::deadline", |core| core.read_clock());
                clock::instant_at(now.saturating_add(*limit))
            }
        }
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
        let sleep = match this.term {
            Term::Until(sleep) => {
                let under = deadline::tighten(sleep.nanos());
                if let Poll::Ready(output) = this.future.poll(cx) {
                    return Poll::Ready(Ok(output));
                }
                drop(under);
                sleep
            }
            Term::Limit(limit) => {
                let under = deadline::limit(*limit);
                if let Poll::Ready(output) = this.future.poll(cx) {
                    return Poll::Ready(Ok(output));
                }
                let begun = under.begun();
                drop(under);
                *this.term = Term::Until(begin(*limit, begun));
                let Term::Until(sleep) = this.term else { unreachable!("it was put there") };
                sleep
            }
        };
        sleep.poll_elapsed(cx).map(|()| Err(Elapsed { deadline: sleep.deadline() }))
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("term", &self.term).finish_non_exhaustive()
    }
}

/// The time of a limit begins, or has begun in the first poll.
fn begin(limit: u64, begun: Option<u64>) -> Sleep {
    context::with_polled("a `Timeout`", |core| {
        let begin = begun.unwrap_or_else(|| {
            let now = core.read_clock();
            deadline::begin(now);
            now
        });
        Sleep::since(core, begin, limit)
    })
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

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::{run, yield_now};

    #[test]
    fn what_is_ready_at_once_costs_no_look_at_the_clock() {
        run(async {
            let last_look = || context::with("a test", |core| core.executor.now());
            yield_now().await;
            let before = last_look();
            let begin = Instant::now();
            while begin.elapsed().is_zero() {}
            assert_eq!(timeout(Duration::from_secs(1), ready(1)).await, Ok(1));
            assert_eq!(last_look(), before);
            // What is not, does.
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let mut waiting = timeout(Duration::from_secs(1), std::future::pending::<()>());
            assert!(Pin::new(&mut waiting).poll(&mut cx).is_pending());
            assert!(last_look() > before);
        });
    }
}
