//! Backing off where the process or the system has no descriptors left.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::event_loop::Core;
use crate::executor::wake::WakeRef;
use crate::time::Sleep;
use crate::timer::Key;

/// How long accepting pauses after such an error.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether a listener pauses. The connection that could not be accepted stays in the kernel's queue, so the
/// listener stays ready, and a loop that only logs the error would spin.
///
/// Atomic only because sockets are `Sync`; one thread uses it.
#[derive(Debug, Default)]
pub(super) struct Pause {
    /// Nanoseconds since the loop's epoch; zero: no pause.
    until: AtomicU64,
    /// The key of the timer that wakes the one who polls; zero, or stale, if there is none.
    timer: AtomicU64,
}

impl Pause {
    /// Begins a pause if `error` says that resources ran out.
    pub(super) fn note(&self, core: &Core, error: &io::Error) {
        if is_exhaustion(error) {
            let until = core.clock.after(PAUSE);
            self.until.store(until, Ordering::Relaxed);
        }
    }

    /// When the pause ends, if there is one.
    fn end(&self, core: &Core) -> Option<u64> {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return None;
        }
        if until <= core.clock.read() {
            self.until.store(0, Ordering::Relaxed);
            return None;
        }
        Some(until)
    }

    /// A sleep until the end of the pause, if there is one: for any number of tasks.
    pub(super) fn sleep(&self, core: &Core) -> Option<Sleep> {
        self.end(core).map(|until| Sleep::until_nanos(core, until))
    }

    /// Ready when there is no pause, or no longer. Of many who poll, only the last is woken.
    pub(super) fn poll(&self, core: &Core, cx: &Context<'_>) -> Poll<()> {
        let Some(until) = self.end(core) else { return Poll::Ready(()) };
        let timer = Key::from_bits(self.timer.load(Ordering::Relaxed));
        if !timer.is_some_and(|timer| core.watch_timer(timer, cx.waker())) {
            // It is left to fire, even if the poller is gone by then: at worst a spurious wake.
            let timer = core.insert_timer(until, core.next_sequence(), WakeRef::new(cx.waker()));
            self.timer.store(timer.to_bits(), Ordering::Relaxed);
        }
        Poll::Pending
    }
}

/// Out of descriptors (in the process or the system), buffers or memory.
#[cfg(unix)]
fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;

    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Out of descriptors or buffers: `WSAEMFILE`, `WSAENOBUFS`.
#[cfg(windows)]
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(10024 | 10055))
}
