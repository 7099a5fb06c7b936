//! The deadline that the running code is under.
//!
//! A [`Timeout`](super::Timeout) sets it for the time of each poll of its future, if it is tighter than what is
//! there. It is a plain thread-local number, so a timeout pays two loads and two stores for it.

use std::cell::Cell;
use std::time::Instant;

use crate::event_loop::clock;

/// Nanoseconds since the clock's epoch; `u64::MAX`: none.
pub(crate) type Deadline = u64;

const NONE: Deadline = Deadline::MAX;

thread_local! {
    static TIGHTEST: Cell<Deadline> = const { Cell::new(NONE) };
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
    TIGHTEST.get()
}

/// While it lives, the caller runs under a deadline.
#[derive(Debug)]
pub(crate) struct Under {
    outer: Deadline,
}

/// Sets the deadline, if it is tighter than the one in force.
#[inline]
pub(crate) fn tighten(deadline: Deadline) -> Under {
    let outer = current();
    TIGHTEST.set(outer.min(deadline));
    Under { outer }
}

/// There is no deadline.
pub(crate) fn lift() -> Under {
    Under { outer: TIGHTEST.replace(NONE) }
}

impl Drop for Under {
    #[inline]
    fn drop(&mut self) {
        TIGHTEST.set(self.outer);
    }
}
