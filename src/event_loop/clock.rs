//! The loop's clock: the system's monotonic one, or a virtual one.
//!
//! Times are counted in nanoseconds since the process's epoch, which lies up to a year before the first loop
//! was made, so that instants of the past have a number too. 584 years fit.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How far the epoch lies in the past, if the platform's clock goes back so far.
const LEAD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Where counting begins.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    instant: Instant,
    /// The same moment by the clock that [`raw_nanos`] reads.
    raw: i64,
}

impl Epoch {
    fn get() -> Self {
        static EPOCH: OnceLock<Epoch> = OnceLock::new();
        *EPOCH.get_or_init(|| {
            // Once before it counts: the first call takes its time, as it may have to be found in a library.
            let _warm = raw_nanos();
            // In this order: should time pass in between, numbers lag behind instants, and timers that
            // were set by instants fire late by that much, not early.
            let now = Instant::now();
            let raw = raw_nanos();
            match now.checked_sub(LEAD) {
                Some(instant) => Self { instant, raw: raw - LEAD.as_nanos() as i64 },
                None => Self { instant: now, raw },
            }
        })
    }
}

/// The clock behind `Instant`, without the arithmetic of `Instant`.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[inline]
fn raw_nanos() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Nanoseconds since a moment of the process's.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[inline]
fn raw_nanos() -> i64 {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    saturating_nanos(BEGIN.get_or_init(Instant::now).elapsed()) as i64
}

/// Reads the time of one loop.
#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Epoch,
    /// The time of a virtual clock; `None`: the system's monotonic clock.
    virtual_now: Option<Cell<u64>>,
}

impl Clock {
    /// A virtual clock starts at the real time.
    pub(crate) fn new(is_virtual: bool) -> Self {
        let real = Self { epoch: Epoch::get(), virtual_now: None };
        match is_virtual {
            false => real,
            true => Self { virtual_now: Some(Cell::new(real.read())), ..real },
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.virtual_now.is_some()
    }

    /// The time in nanoseconds since the epoch.
    #[inline]
    pub(crate) fn read(&self) -> u64 {
        match &self.virtual_now {
            None => (raw_nanos() - self.epoch.raw) as u64,
            Some(now) => now.get(),
        }
    }

    /// The time as an `Instant`.
    pub(crate) fn instant(&self) -> Instant {
        match &self.virtual_now {
            None => Instant::now(),
            Some(now) => instant_at(now.get()),
        }
    }

    /// The time so long from now, or `u64::MAX`.
    #[inline]
    pub(crate) fn after(&self, duration: Duration) -> u64 {
        self.read().saturating_add(saturating_nanos(duration))
    }

    /// Moves a virtual clock on to `to`, if that is later. Does nothing to the system's.
    pub(crate) fn advance_to(&self, to: u64) {
        if let Some(now) = &self.virtual_now {
            now.set(now.get().max(to));
        }
    }
}

/// `instant` in nanoseconds since the epoch: zero for what was before it, `u64::MAX` for what is more than 584
/// years after.
#[inline]
pub(crate) fn nanos_at(instant: Instant) -> u64 {
    saturating_nanos(instant.saturating_duration_since(Epoch::get().instant))
}

/// The instant so many nanoseconds after the epoch, or the latest there is.
pub(crate) fn instant_at(nanos: u64) -> Instant {
    later(Epoch::get().instant, Duration::from_nanos(nanos))
}

/// A duration in nanoseconds, or `u64::MAX` if that is more.
#[inline]
pub(crate) fn saturating_nanos(duration: Duration) -> u64 {
    // The multiplication is checked because `Duration::MAX` is a usual argument.
    duration
        .as_secs()
        .checked_mul(1_000_000_000)
        .and_then(|nanos| nanos.checked_add(u64::from(duration.subsec_nanos())))
        .unwrap_or(u64::MAX)
}

/// `instant + duration`, or as far in the future as the platform's clock can say.
pub(crate) fn later(instant: Instant, duration: Duration) -> Instant {
    instant.checked_add(duration).unwrap_or_else(|| {
        // Halved until it fits: platforms differ in how far their `Instant` goes.
        let mut reach = Duration::from_secs(u64::MAX / 4);
        loop {
            match instant.checked_add(reach) {
                Some(far) => return far,
                None => reach /= 2,
            }
        }
    })
}
