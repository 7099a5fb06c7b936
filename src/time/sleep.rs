//! Waiting for a deadline.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::event_loop::{Core, clock, context};
use crate::executor::wake::{Home, LoopId, Release, WakeRef};
use crate::timer::Key;

/// A sleep shorter than this ends on time, however many timers there are; longer ones may share wake-ups.
const SHORT: Duration = Duration::from_millis(2);

/// A deadline as the wheel counts, and whether it is near.
fn measure(core: &Core, deadline: Instant) -> (u64, bool) {
    let deadline = clock::nanos_at(deadline);
    let left = deadline.saturating_sub(core.read_clock());
    (deadline, left < clock::saturating_nanos(SHORT))
}

/// Waits until `duration` has passed, by the loop's clock; never shorter.
///
/// `sleep(Duration::ZERO)` lets everything that is ready run once. A duration too long for the clock, such
/// as [`Duration::MAX`], never ends.
///
/// # Cancel safety
///
/// Nothing is lost, and the timer is gone.
///
/// # Panics
///
/// If no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let begin = Instant::now();
/// monoloop::run(async {
///     monoloop::time::sleep(Duration::from_millis(2)).await;
/// });
/// assert!(begin.elapsed() >= Duration::from_millis(2));
/// ```
#[doc(alias = "delay")]
#[track_caller]
#[inline]
pub fn sleep(duration: Duration) -> Sleep {
    context::with("time::sleep", |core| Sleep::after(core, duration))
}

/// Waits until the loop's clock has reached `deadline`. A deadline that is past lets everything that is ready
/// run once.
///
/// # Cancel safety
///
/// Nothing is lost, and the timer is gone.
///
/// # Panics
///
/// If no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::time::{self, sleep_until};
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let deadline = time::now() + Duration::from_secs(60);
/// sleep_until(deadline).await;
/// assert_eq!(time::now(), deadline);
/// # });
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    context::with("time::sleep_until", |core| Sleep::until(core, deadline))
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// It belongs to the loop on which it was made, but holds nothing of it: it is `Send`. It may be polled again
/// after it was ready, and stays so until [`reset`](Self::reset).
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleep {
    home: &'static Home,
    owner: LoopId,
    state: State,
    /// Set for a time so short that being late would show: see [`SHORT`].
    is_short: bool,
    /// Nanoseconds since the clock's epoch; `u64::MAX`: never.
    deadline: u64,
    /// Orders this sleep among those of the same deadline.
    sequence: u64,
}

/// ```text
///  New ── first poll ──► Waiting ── fires ──► Elapsed
///   └── first poll, deadline past: yields once ──► Elapsed on the second
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Not polled: the wheel does not know it.
    New,
    /// In the wheel.
    Waiting(Key),
    /// The deadline was past at the first poll, and everything ready gets its turn first.
    Yielding,
    /// It was ready.
    Elapsed,
}

impl Sleep {
    #[inline]
    pub(crate) fn after(core: &Core, duration: Duration) -> Self {
        let deadline = core.read_clock().saturating_add(clock::saturating_nanos(duration));
        Self::new(core, deadline, duration < SHORT)
    }

    pub(crate) fn until(core: &Core, deadline: Instant) -> Self {
        let (deadline, is_short) = measure(core, deadline);
        Self::new(core, deadline, is_short)
    }

    /// `limit` nanoseconds after `begin`, in nanoseconds since the clock's epoch.
    #[inline]
    pub(super) fn since(core: &Core, begin: u64, limit: u64) -> Self {
        let is_short = limit < clock::saturating_nanos(SHORT);
        Self::new(core, begin.saturating_add(limit), is_short)
    }

    /// `deadline` in nanoseconds since the clock's epoch.
    pub(crate) fn until_nanos(core: &Core, deadline: u64) -> Self {
        Self::new(core, deadline, false)
    }

    #[inline]
    fn new(core: &Core, deadline: u64, is_short: bool) -> Self {
        Self {
            home: core.executor.home(),
            owner: core.id(),
            state: State::New,
            is_short,
            deadline,
            sequence: core.next_sequence(),
        }
    }

    /// Returns when the sleep ends.
    #[doc(alias = "when")]
    pub fn deadline(&self) -> Instant {
        clock::instant_at(self.deadline)
    }

    /// When the sleep ends, in nanoseconds since the clock's epoch.
    #[inline]
    pub(super) fn nanos(&self) -> u64 {
        self.deadline
    }

    /// Returns whether the sleep was polled to its end.
    #[doc(alias = "expired")]
    pub fn is_elapsed(&self) -> bool {
        self.state == State::Elapsed
    }

    /// Changes when the sleep ends, be it waiting or over. The task that awaits it is woken at the new
    /// deadline, once it polls the sleep again: a sleep that was waiting is polled anew by whoever calls
    /// this from inside the task.
    ///
    /// Among equal deadlines it counts as made now.
    ///
    /// # Panics
    ///
    /// If the sleep's loop is not the one that runs on this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{pin::pin, time::Duration};
    /// use monoloop::time;
    ///
    /// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
    /// let begin = time::now();
    /// let mut sleep = pin!(time::sleep(Duration::from_secs(1)));
    /// sleep.as_mut().reset(begin + Duration::from_secs(2));
    /// sleep.as_mut().await;
    /// assert_eq!(time::now() - begin, Duration::from_secs(2));
    /// # });
    /// ```
    #[doc(alias = "reschedule")]
    #[track_caller]
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        // Nothing in here is pinned.
        self.get_mut().reset_by("Sleep::reset", deadline);
    }

    /// Resets it for `what`, which the caller called.
    #[track_caller]
    pub(super) fn reset_by(&mut self, what: &str, deadline: Instant) {
        let (state, was_short) = (self.state, self.is_short);
        let done = self.with_core(|this, core| {
            let (deadline, is_short) = measure(core, deadline);
            this.sequence = core.next_sequence();
            this.deadline = deadline;
            this.is_short = is_short;
            this.state = State::New;
            let State::Waiting(key) = state else { return };
            if was_short {
                core.count_short_timer(false);
            }
            // Who waits goes on waiting: the wheel gets the waker back under the new deadline.
            if let Some(waker) = core.take_timer(key) {
                this.wait(core, waker);
            }
        });
        if done.is_none() {
            reset_elsewhere(what, self.owner);
        }
    }

    /// Polls; a deadline that is past is ready at once, without giving way first.
    #[inline]
    #[track_caller]
    pub(crate) fn poll_elapsed(&mut self, cx: &Context<'_>) -> Poll<()> {
        let polled = match self.state {
            State::Elapsed => return Poll::Ready(()),
            State::New | State::Yielding => self.with_core(|this, core| {
                if this.deadline <= core.executor.now() {
                    this.state = State::Elapsed;
                    return Poll::Ready(());
                }
                this.wait(core, WakeRef::new(cx.waker()));
                Poll::Pending
            }),
            State::Waiting(key) => self.with_core(|this, core| {
                if core.watch_timer(key, cx.waker()) {
                    return Poll::Pending;
                }
                this.state = State::Elapsed;
                if this.is_short {
                    core.count_short_timer(false);
                }
                Poll::Ready(())
            }),
        };
        match polled {
            Some(polled) => polled,
            None => polled_elsewhere(self.owner),
        }
    }

    #[inline]
    fn wait(&mut self, core: &Core, waker: WakeRef) {
        if self.is_short {
            core.count_short_timer(true);
        }
        self.state = State::Waiting(core.insert_timer(self.deadline, self.sequence, waker));
    }

    /// Runs `f` with the loop this sleep belongs to, if it is the one that runs on this thread.
    #[inline]
    fn with_core<R>(&mut self, f: impl FnOnce(&mut Self, &Core) -> R) -> Option<R> {
        context::try_with(|core| (core.id() == self.owner).then(|| f(self, core))).flatten()
    }
}

#[cold]
#[track_caller]
fn polled_elsewhere(owner: LoopId) -> ! {
    let current = context::with_polled("a `Sleep`", Core::id);
    panic!("a `Sleep` of event loop {owner} was used on event loop {current}")
}

#[cold]
#[track_caller]
fn reset_elsewhere(what: &str, owner: LoopId) -> ! {
    let (location, current) = (Location::caller(), context::with(what, Core::id));
    panic!(
        "`{what}` called at {location}: a `Sleep` of event loop {owner} was used on event loop {current}"
    )
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let is_new = self.state == State::New;
        if self.poll_elapsed(cx).is_pending() {
            return Poll::Pending;
        }
        if is_new {
            self.state = State::Yielding;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        let State::Waiting(key) = self.state else { return };
        let done = context::try_with(|core| {
            let is_ours = core.id() == self.owner;
            if is_ours {
                if self.is_short {
                    core.count_short_timer(false);
                }
                core.remove_timer(key);
            }
            is_ours
        });
        if done != Some(true) {
            let released = Release::Timer { key: key.to_bits(), is_short: self.is_short };
            self.home.release(self.owner, released);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
