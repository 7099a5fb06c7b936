//! The deadline that the running code is under.
//!
//! A [`Timeout`](super::Timeout) sets it for the time of each poll of its future, if it is tighter than what is
//! there: three thread-local numbers, so that costs a timeout some loads and stores.
//!
//! The time of a timeout begins when its first poll has not come to an end at once, so that what is ready costs no look
//! at the clock. Until then it is a *limit*. Whoever asks for the deadline meanwhile has the time begin, for all limits that
//! are in force; and so does a timeout further in whose time begins.

use std::cell::Cell;
use std::time::Instant;

use crate::event_loop::{clock, context};

/// Nanoseconds since the clock's epoch; `u64::MAX`: none.
pub(crate) type Deadline = u64;

const NONE: Deadline = Deadline::MAX;

/// What is in force.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    tightest: Deadline,
    /// The shortest limit, in nanoseconds, whose time has not begun; `u64::MAX`: none.
    limit: u64,
    /// When the time of limits here began; `u64::MAX`: it has not.
    begun: u64,
}

impl Bounds {
    const NONE: Self = Self { tightest: NONE, limit: NONE, begun: NONE };

    /// Has the time of limits begin, if there are any.
    #[inline]
    fn begin(&mut self, now: u64) {
        if self.limit != NONE {
            let deadline = now.saturating_add(self.limit);
            *self = Self { tightest: self.tightest.min(deadline), limit: NONE, begun: now };
        }
    }
}

thread_local! {
    static BOUNDS: Cell<Bounds> = const { Cell::new(Bounds::NONE) };
}

/// Returns the earliest deadline of the [`timeout`](super::timeout)s that the caller runs in, or `None` if it runs
/// in none.
///
/// Of use to those who pass a limit on: to a server, a database, a thread. Spawned tasks do not run in their
/// spawner's timeouts, unless they were asked to [`inherit`](crate::task::inherit) them; then the deadline is known
/// to them, and enforced only by whoever looks at it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::time::{self, timeout};
///
/// # monoloop::run(async {
/// assert_eq!(time::deadline(), None);
/// let minute = Duration::from_secs(60);
/// timeout(minute, async {
///     let outer = time::deadline().unwrap();
///     timeout(minute * 2, async { assert_eq!(time::deadline(), Some(outer)) }).await.unwrap();
///     timeout(minute / 2, async { assert!(time::deadline() < Some(outer)) }).await.unwrap();
/// })
/// .await
/// .unwrap();
/// # });
/// ```
#[doc(alias = "current_effective_deadline")]
pub fn deadline() -> Option<Instant> {
    let tightest = current();
    (tightest != NONE).then(|| clock::instant_at(tightest))
}

#[inline]
pub(crate) fn current() -> Deadline {
    let mut bounds = BOUNDS.get();
    if bounds.limit != NONE {
        bounds.begin(now());
        BOUNDS.set(bounds);
    }
    bounds.tightest
}

/// The time by the clock of the loop that runs here, or by the system's.
#[cold]
fn now() -> u64 {
    let now = context::try_with(|core| core.read_clock());
    now.unwrap_or_else(|| clock::nanos_at(Instant::now()))
}

/// The time of limits in force begins, if it has not.
#[inline]
pub(crate) fn begin(now: u64) {
    let mut bounds = BOUNDS.get();
    bounds.begin(now);
    BOUNDS.set(bounds);
}

/// While it lives, the caller runs under other bounds.
#[derive(Debug)]
pub(crate) struct Under {
    outer: Bounds,
}

/// Sets the deadline, if it is tighter than the one in force.
#[inline]
pub(crate) fn tighten(deadline: Deadline) -> Under {
    let outer = BOUNDS.get();
    BOUNDS.set(Bounds { tightest: outer.tightest.min(deadline), ..outer });
    Under { outer }
}

/// Sets a limit, in nanoseconds, whose time has not begun.
#[inline]
pub(crate) fn limit(limit: u64) -> Under {
    let outer = BOUNDS.get();
    BOUNDS.set(Bounds { limit: outer.limit.min(limit), begun: NONE, ..outer });
    Under { outer }
}

/// There is no deadline.
pub(crate) fn lift() -> Under {
    Under { outer: BOUNDS.replace(Bounds::NONE) }
}

impl Under {
    /// When the time of a [`limit`] began, if it has.
    #[inline]
    pub(crate) fn begun(&self) -> Option<u64> {
        let begun = BOUNDS.get().begun;
        (begun != NONE).then_some(begun)
    }
}

impl Drop for Under {
    #[inline]
    fn drop(&mut self) {
        let inner = BOUNDS.replace(self.outer);
        // What began in here began around it.
        if inner.begun != NONE {
            begin(inner.begun);
        }
    }
}
