//! Sleeping, intervals and timeouts, by the loop's clock.
//!
//! Timers never fire early. On Linux they fire within about 100 microseconds of their deadline when the loop
//! is idle, elsewhere within about a millisecond. With more than 64 timers alive, sleeps of 2 ms or more may
//! be up to a millisecond late, so that one wake-up serves many. Timers that are due together fire in the order of their
//! deadlines, and equal deadlines in the order in which the timers were made. A timer that is dropped leaves
//! nothing behind.
//!
//! The clock is the system's monotonic one, or a virtual one
//! ([`Builder::virtual_time`](crate::Builder::virtual_time)): then time stands still while anything can
//! happen and jumps to the next deadline when nothing can, so that tests are exact and take no time.
//!
//! ```
//! use std::time::Duration;
//! use monoloop::time::{self, sleep};
//!
//! let event_loop = monoloop::EventLoop::builder().virtual_time(true).build().unwrap();
//! event_loop.run(async {
//!     let begin = time::now();
//!     sleep(Duration::from_secs(86_400)).await;
//!     assert_eq!(time::now() - begin, Duration::from_secs(86_400));
//! });
//! ```

mod advance;
pub(crate) mod deadline;
mod interval;
mod sleep;
mod timeout;

use std::time::Instant;

use crate::event_loop::context;

pub use advance::advance;
pub use deadline::deadline;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

/// Returns the time of the loop's clock; outside of loops, the system's.
///
/// # Examples
///
/// ```
/// let before = std::time::Instant::now();
/// assert!(monoloop::run(async { monoloop::time::now() }) >= before);
/// ```
pub fn now() -> Instant {
    context::try_with(|core| core.clock.instant()).unwrap_or_else(Instant::now)
}
