//! Waits that are more precise than the poller's milliseconds: a `timerfd`.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Waits of at least so long begin with the poller's own timeout, rounded down, and so need no system call
/// more; the rest is short.
const LONG: Duration = Duration::from_millis(8);

/// A timer of the kernel's, in the poller, that ends a wait to the microsecond.
#[derive(Debug)]
pub(super) struct PreciseTimer {
    timer: OwnedFd,
}

impl PreciseTimer {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { timer })
    }

    /// Prepares a wait of at most `limit` and gives the poller's timeout for it. A wait may end too early
    /// (the caller looks at its clock and waits again), never much too late.
    pub(super) fn timeout(&self, limit: Duration) -> io::Result<Option<Duration>> {
        if limit >= LONG {
            let whole = Duration::from_millis(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
            return Ok(Some(whole));
        }
        self.arm(limit)?;
        Ok(None)
    }

    /// Edge-triggered, and read by nobody: setting the timer anew is what re-arms the event.
    fn arm(&self, after: Duration) -> io::Result<()> {
        let after = after.max(Duration::from_nanos(1));
        let new = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: 0, tv_nsec: after.subsec_nanos().into() },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &new)?;
        Ok(())
    }
}
