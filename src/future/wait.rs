//! Waiting for some of a set, and keeping the rest.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::AsCompleted;
use crate::time::{Sleep, sleep, sleep_until};

/// What [`wait`] waits for: `First`, `FirstError` or `All`, for outputs of type `T`.
pub struct Until<T> {
    goal: Goal<T>,
}

enum Goal<T> {
    Any,
    /// One of which this is true.
    Such(fn(&T) -> bool),
    All,
}

#[allow(
    non_upper_case_globals,
    reason = "they read like an enum's, which could not tell results from others"
)]
impl<T> Until<T> {
    /// At least one future is over.
    #[doc(alias = "FIRST_COMPLETED")]
    pub const First: Self = Self { goal: Goal::Any };

    /// All futures are over.
    #[doc(alias = "ALL_COMPLETED")]
    pub const All: Self = Self { goal: Goal::All };
}

#[allow(non_upper_case_globals, reason = "as above")]
impl<T, E> Until<Result<T, E>> {
    /// At least one future gave an error, or all are over. A task that was aborted is an error.
    #[doc(alias = "FIRST_EXCEPTION")]
    pub const FirstError: Self = Self { goal: Goal::Such(|result| result.is_err()) };
}

impl<T> Clone for Until<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Until<T> {}

impl<T> Clone for Goal<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Goal<T> {}

impl<T> fmt::Debug for Until<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.goal {
            Goal::Any => "Until::First",
            Goal::Such(_) => "Until::FirstError",
            Goal::All => "Until::All",
        })
    }
}

/// Waits until some futures of a set are over, and gives what is done. What is pending stays in the set and can be
/// waited for again, or is dropped with it.
///
/// All that is done by then is given out, in the order in which it came, with the futures' indices. With a
/// [`timeout`](Wait::timeout) or a [`deadline`](Wait::deadline), what is done by then; nothing is dropped. An empty
/// set is done at once.
///
/// # Cancel safety
///
/// Nothing is lost: what has come stays in the set and is given out by the next `wait` or
/// [`next`](AsCompleted::next).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::future::{Until, as_completed, wait};
/// use monoloop::time::sleep;
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let mut naps = as_completed([30, 10, 20].map(|ms| sleep(Duration::from_millis(ms))));
/// assert_eq!(wait(&mut naps, Until::First).await, [(1, ())]);
///
/// let done = wait(&mut naps, Until::All).timeout(Duration::from_millis(12)).await;
/// assert_eq!(done, [(2, ())]);
/// assert_eq!(naps.pending().collect::<Vec<_>>(), [0]);
/// # });
/// ```
pub fn wait<F: Future>(set: &mut AsCompleted<F>, until: Until<F::Output>) -> Wait<'_, F> {
    Wait { set, until, deadline: None, judged: 0, is_reached: false }
}

/// The future of [`wait`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Wait<'a, F: Future> {
    set: &'a mut AsCompleted<F>,
    until: Until<F::Output>,
    deadline: Option<Sleep>,
    /// How many arrivals were looked at.
    judged: usize,
    is_reached: bool,
}

/// Nothing is pinned here: outputs move, and the futures are elsewhere.
impl<F: Future> Unpin for Wait<'_, F> {}

impl<F: Future> Wait<'_, F> {
    /// Bounds how long it may take.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.deadline = Some(sleep(limit));
        self
    }

    /// Bounds until when it may take.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(sleep_until(deadline));
        self
    }
}

impl<F: Future> Future for Wait<'_, F> {
    type Output = Vec<(usize, F::Output)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.set.poll_arrivals(cx);
        match this.until.goal {
            Goal::Any => this.is_reached |= !this.set.arrived.is_empty(),
            Goal::Such(is_it) => {
                let mut unjudged = this.set.arrived.iter().skip(this.judged);
                this.is_reached |= unjudged.any(|(_, output)| is_it(output));
                this.judged = this.set.arrived.len();
            }
            Goal::All => {}
        }
        let is_over = this.is_reached
            || this.set.are_all_over()
            || this.deadline.as_mut().is_some_and(|d| Pin::new(d).poll(cx).is_ready());
        if is_over { Poll::Ready(this.set.arrived.drain(..).collect()) } else { Poll::Pending }
    }
}

impl<F: Future> fmt::Debug for Wait<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("set", &self.set)
            .field("until", &self.until)
            .field("done", &self.set.arrived.len())
            .finish()
    }
}
