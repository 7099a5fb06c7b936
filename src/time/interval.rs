//! Ticks at regular times.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::Sleep;
use crate::event_loop::clock::later;
use crate::event_loop::{Core, context};

/// Ticks every `period`, the first time at once.
///
/// # Panics
///
/// If `period` is zero, or no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::time;
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let begin = time::now();
/// let mut interval = time::interval(Duration::from_millis(10));
/// for n in 0..3 {
///     assert_eq!(interval.tick().await, begin + n * Duration::from_millis(10));
/// }
/// # });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    let start = context::with("time::interval", |core| core.clock.instant());
    interval_at(start, period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
///
/// If `period` is zero, or no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::time;
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let (begin, minute) = (time::now(), Duration::from_secs(60));
/// let mut interval = time::interval_at(begin + minute, minute);
/// assert_eq!(interval.tick().await, begin + minute);
/// assert_eq!(interval.tick().await, begin + 2 * minute);
/// # });
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval must not be zero");
    let sleep = context::with("time::interval_at", |core| Sleep::until(core, start));
    Interval { sleep, period, missed: MissedTickBehavior::default() }
}

/// What an [`Interval`] does when a tick comes after the time of the next.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::time::{self, MissedTickBehavior};
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let (begin, second) = (time::now(), Duration::from_secs(1));
/// let mut interval = time::interval(second);
/// interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
/// interval.tick().await;
/// time::sleep(10 * second + second / 2).await;
/// // One tick for the ten that were missed, and then as planned.
/// assert_eq!(interval.tick().await, begin + second);
/// assert_eq!(interval.tick().await, begin + 11 * second);
/// # });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum MissedTickBehavior {
    /// Ticks at once until it has caught up, so that none is lost.
    #[default]
    Burst,
    /// Ticks once, and begins the period anew from then: later ticks are shifted.
    Delay,
    /// Ticks once, leaves out those that are past, and goes on at the times that were planned.
    Skip,
}

/// Ticks at regular times; made by [`interval`] and [`interval_at`]. Also a [`Stream`] of its ticks.
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick, and gives the time for which it was planned.
    ///
    /// # Cancel safety
    ///
    /// No tick is lost.
    ///
    /// # Panics
    ///
    /// If the interval's loop is not the one that runs on this thread.
    #[track_caller]
    pub fn tick(&mut self) -> impl Future<Output = Instant> {
        let location = Location::caller();
        async move {
            poll_fn(|cx| {
                let proceeds = context::with_at("Interval::tick", location, may_proceed(cx));
                self.poll_planned(cx, proceeds)
            })
            .await
        }
    }

    /// Polls for the next tick, as [`tick`](Self::tick) does. Of several tasks that poll, only the last is woken.
    ///
    /// # Panics
    ///
    /// If the interval's loop is not the one that runs on this thread.
    #[track_caller]
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let proceeds = context::with("Interval::poll_tick", may_proceed(cx));
        self.poll_planned(cx, proceeds)
    }

    #[track_caller]
    fn poll_planned(&mut self, cx: &mut Context<'_>, proceeds: bool) -> Poll<Instant> {
        // Ticks that are due come one after the other in a burst: it gives way by the task's budget.
        if !proceeds {
            return Poll::Pending;
        }
        ready!(self.sleep.poll_elapsed(cx));
        let planned = self.sleep.deadline();
        let next = self.next_after(planned, super::now());
        self.sleep.reset_by("Interval::reset", next);
        Poll::Ready(planned)
    }

    fn next_after(&self, planned: Instant, now: Instant) -> Instant {
        let next = later(planned, self.period);
        if next > now {
            return next;
        }
        match self.missed {
            MissedTickBehavior::Burst => next,
            MissedTickBehavior::Delay => later(now, self.period),
            MissedTickBehavior::Skip => {
                let late = now.saturating_duration_since(planned).as_nanos();
                let into_period = late % self.period.as_nanos();
                let left = self.period.as_nanos() - into_period;
                later(now, Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX)))
            }
        }
    }

    /// Begins the period anew: the next tick comes one period from now.
    ///
    /// # Panics
    ///
    /// If the interval's loop is not the one that runs on this thread.
    #[track_caller]
    pub fn reset(&mut self) {
        let next = later(super::now(), self.period);
        self.sleep.reset_by("Interval::reset", next);
    }

    /// Returns the period.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Returns what happens to ticks that come too late.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets what happens to ticks that come too late. Default: [`MissedTickBehavior::Burst`].
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }
}

/// Whether the task that is polled has something left of its budget; if not, it is woken.
fn may_proceed(cx: &Context<'_>) -> impl Fn(&Core) -> bool {
    let waker = cx.waker();
    move |core| core.executor.may_proceed_or_wake(waker)
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        let proceeds = context::with_polled("an `Interval`", may_proceed(cx));
        self.get_mut().poll_planned(cx, proceeds).map(Some)
    }
}
