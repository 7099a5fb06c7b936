//! So many in a time.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::Mutex;
use crate::event_loop::context;
use crate::time::{self, Sleep};

/// Lets through so many in a time, with bursts up to a limit: a token bucket.
///
/// The bucket begins full. Tokens come back evenly, one every `period / rate`. Fair: who waits longest is
/// next, and a request for many is not overtaken. One that wants more than the bucket holds waits until they
/// have all come.
///
/// Unlike the rest of this module it needs a clock: waiting works only on an event loop of this crate
/// ([`time::sleep_until`]). So tests with a virtual clock are exact.
///
/// The algorithm is the generic cell rate algorithm (ITU-T I.371): all that is kept is when the bucket will
/// be full again.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::{sync::RateLimiter, time};
///
/// let event_loop = monoloop::EventLoop::builder().virtual_time(true).build().unwrap();
/// event_loop.run(async {
///     let limiter = RateLimiter::new(10, Duration::from_secs(1)).with_burst(2);
///     let begin = time::now();
///     for _ in 0..12 {
///         limiter.acquire().await;
///     }
///     assert_eq!(time::now() - begin, Duration::from_secs(1)); // two at once, ten later
/// });
/// ```
#[doc(alias = "Throttle")]
pub struct RateLimiter {
    rate: u32,
    period: Duration,
    burst: u32,
    /// Who has the lock is the next to take tokens. `None`: it was full ever since it was made.
    full_at: Mutex<Option<Moment>>,
}

/// A time, exact.
#[derive(Clone, Copy)]
struct Moment {
    instant: Instant,
    /// So many parts of a nanosecond later, of which there are as many as the rate.
    parts: u32,
}

impl RateLimiter {
    /// Makes a limiter that lets `rate` through in each `period`, and as many at once.
    ///
    /// # Panics
    ///
    /// If `rate` is zero.
    #[track_caller]
    pub const fn new(rate: u32, period: Duration) -> Self {
        assert!(rate > 0, "a rate limiter lets one through at least");
        Self { rate, period, burst: rate, full_at: Mutex::new(None) }
    }

    /// Sets how many tokens the bucket holds: so many may go at once after a pause.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[track_caller]
    pub fn with_burst(mut self, burst: u32) -> Self {
        assert!(burst > 0, "a bucket holds one token at least");
        self.burst = burst;
        self
    }

    /// Waits for a token and takes it.
    ///
    /// # Cancel safety
    ///
    /// The place in the queue is lost, no token.
    ///
    /// # Panics
    ///
    /// If it must wait and no loop runs on this thread.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = ()> {
        self.acquire_at("RateLimiter::acquire", 1, Location::caller())
    }

    /// Waits for so many tokens and takes them all at once.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn acquire_many(&self, tokens: u32) -> impl Future<Output = ()> {
        self.acquire_at("RateLimiter::acquire_many", tokens, Location::caller())
    }

    /// `what` is the method that was called at `location`.
    async fn acquire_at(
        &self,
        what: &'static str,
        tokens: u32,
        location: &'static Location<'static>,
    ) {
        let mut full_at = self.full_at.lock().await;
        // Nobody else takes any from here on, so it is known when there will be enough.
        let now = time::now();
        let Some(full) = self.full_after(*full_at, tokens, now) else {
            std::future::pending().await
        };
        if let Some(ready) = self.ready(full, now) {
            context::with_at(what, location, |core| Sleep::until(core, ready)).await;
        }
        *full_at = Some(full);
    }

    /// Takes a token, if there is one and nobody waits.
    ///
    /// # Errors
    ///
    /// [`RateLimitError`] otherwise.
    pub fn try_acquire(&self) -> Result<(), RateLimitError> {
        self.try_acquire_many(1)
    }

    /// Takes so many tokens, if they are there and nobody waits.
    ///
    /// # Errors
    ///
    /// [`RateLimitError`] otherwise.
    pub fn try_acquire_many(&self, tokens: u32) -> Result<(), RateLimitError> {
        let mut full_at = self.full_at.try_lock().map_err(|_| RateLimitError(()))?;
        let now = time::now();
        match self.full_after(*full_at, tokens, now) {
            Some(full) if self.ready(full, now).is_none() => *full_at = Some(full),
            _ => return Err(RateLimitError(())),
        }
        Ok(())
    }

    /// When the bucket is full again if so many tokens are taken next; `None`: beyond the clock.
    fn full_after(&self, full_at: Option<Moment>, tokens: u32, now: Instant) -> Option<Moment> {
        let begin = full_at.filter(|full_at| full_at.instant >= now);
        let begin = begin.unwrap_or(Moment { instant: now, parts: 0 });
        let parts = self.cost(tokens).saturating_add(begin.parts.into());
        let nanos = u64::try_from(parts / u128::from(self.rate)).ok()?;
        Some(Moment {
            instant: begin.instant.checked_add(Duration::from_nanos(nanos))?,
            parts: (parts % u128::from(self.rate)) as u32,
        })
    }

    /// Until when to wait for tokens after which the bucket is full at `full`: a whole bucket earlier, rounded
    /// up to a nanosecond.
    fn ready(&self, full: Moment, now: Instant) -> Option<Instant> {
        let nanos = full.instant.checked_duration_since(now)?.as_nanos();
        let parts = nanos.saturating_mul(self.rate.into()).saturating_add(full.parts.into());
        let wait = parts.checked_sub(self.cost(self.burst))?.div_ceil(self.rate.into());
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX));
        if wait.is_zero() { None } else { now.checked_add(wait) }
    }

    /// How long so many tokens take to come, in parts of a nanosecond; five centuries at most.
    fn cost(&self, tokens: u32) -> u128 {
        let most = u128::from(u64::MAX) * u128::from(self.rate);
        self.period.as_nanos().saturating_mul(tokens.into()).min(most)
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("rate", &self.rate)
            .field("period", &self.period)
            .field("burst", &self.burst)
            .finish_non_exhaustive()
    }
}

/// There are too few tokens, or others wait for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimitError(());

impl fmt::Display for RateLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rate limit is reached")
    }
}

impl std::error::Error for RateLimitError {}
