//! The reactor: waits for the operating system and remembers what is ready.
//!
//! One `mio::Poll` and a slab of [`Source`]s. A source is registered once, edge-triggered, for both
//! directions. Per direction the reactor remembers readiness: it starts as *ready* (the first operation
//! simply tries its system call), is cleared when the kernel says that it would block, or by a short write or a
//! short read of few bytes where that proves the same, and is set by an event.
//!
//! ```text
//!   ready ──── operation would block, or was short ────► not ready: waiters are kept
//!     ▲                                                        │
//!     └────────── event: readable, writable, closed ───────────┘ and wakes them, in order
//! ```
//!
//! There is one thread, so nothing can come between a system call that would block and the clearing: events
//! are taken in only by [`Reactor::wait`].
//!
//! *Doubts.* A read that fills its buffer, or a datagram, does not tell whether there is more. Neither does a read of many
//! bytes: what comes while the kernel copies, TCP keeps aside until the call is over. To try costs a system call, and on a
//! connection of requests and answers it finds nothing each time. So when that was so four times in a row, the next read is
//! not tried but waits, in doubt, for its event, which most often is among the next ones anyway. A doubt ends with the
//! event; or without, and then the read is tried: before the loop waits, when nothing else is ready, and in a busy loop at
//! the second look for events at the latest. One read that does find something, and all are tried again.
//!
//! Events carry a key with a generation. One that comes late, for a source that is gone, finds a vacant
//! place or another generation and is dropped; a descriptor that the kernel reused has a new key.
//!
//! *Driver seam.* The loop asks three things of this module: wait, readiness, and to be unparked. A
//! simulated driver can take its place; no type of mio's appears above it but the sources themselves.

// A timerfd needs a poller that is edge-triggered, and Miri has none.
#[cfg_attr(
    not(all(
        any(target_os = "linux", target_os = "android"),
        not(any(miri, mio_unsupported_force_poll_poll))
    )),
    path = "imprecise.rs"
)]
mod precise;
#[cfg(feature = "io")]
mod source;
#[cfg_attr(not(feature = "io"), path = "sources/nowhere.rs")]
pub(crate) mod sources;
#[cfg(feature = "io")]
mod turns;
#[cfg(feature = "io")]
mod waiters;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Source as MioSource;
use mio::{Events, Registry, Token};

use crate::executor::Origin;
use crate::executor::wake::{Unpark, WakeRef};
#[cfg(feature = "io")]
pub(crate) use source::Direction;
use sources::Sources;
#[cfg(feature = "io")]
pub(crate) use sources::{SourceKey, deregister_elsewhere};
#[cfg(feature = "io")]
pub(crate) use waiters::WaiterId;

/// Events taken from the kernel at once. What does not fit stays there for the next wait.
const EVENTS: usize = 1024;

/// The longest wait in one go: the poller's timeout is a 32-bit number of milliseconds.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The token of the one who unparks us. No source has it: keys are smaller.
const UNPARK: Token = Token(usize::MAX);
/// The token of the timer that is more precise than the poller's timeout.
const PRECISE: Token = Token(usize::MAX - 1);

/// How long to wait for events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    /// Take what is there.
    NotAtAll,
    /// Until an event, or so long.
    AtMost(Duration),
    /// Until an event, or so long and up to a millisecond longer, which is cheaper.
    AboutAsLong(Duration),
    /// Until an event.
    Forever,
}

impl Wait {
    /// Until an event, or so long; with a limit of zero there is nothing to prepare for.
    pub(crate) fn at_most(limit: Duration) -> Self {
        if limit.is_zero() { Self::NotAtAll } else { Self::AtMost(limit) }
    }
}

/// Registers sources, waits for their events and keeps who waits for which.
pub(crate) struct Reactor {
    poll: RefCell<mio::Poll>,
    events: RefCell<Events>,
    sources: Sources,
    unparker: Arc<Unparker>,
    precise: precise::PreciseTimer,
    /// The last wait took as many events as there is room for.
    may_have_more: Cell<bool>,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, UNPARK)?;
        Ok(Self {
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(EVENTS)),
            sources: Sources::default(),
            precise: precise::PreciseTimer::new(&registry, PRECISE)?,
            may_have_more: Cell::new(false),
            unparker: Arc::new(Unparker { waker, registry, origin: Origin::here() }),
        })
    }

    pub(crate) fn unparker(&self) -> Arc<dyn Unpark> {
        Arc::clone(&self.unparker) as Arc<dyn Unpark>
    }

    #[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
    pub(crate) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.unparker.registry)
    }

    /// Whether anybody waits for a source.
    pub(crate) fn is_awaited(&self) -> bool {
        self.sources.is_awaited()
    }

    /// Whether some wait to read though there may be something.
    pub(crate) fn has_doubts(&self) -> bool {
        self.sources.has_doubts()
    }

    /// Gives `wake` those who doubt whether there is something to read, and were not told by an event: they try. Those
    /// who began to since the last but one wait are left, unless it shall be `all`.
    pub(crate) fn settle(&self, all: bool, mut wake: impl FnMut(WakeRef)) {
        self.sources.settle(all, &mut wake);
    }

    /// Whether the last wait may have left events with the kernel.
    pub(crate) fn may_have_more(&self) -> bool {
        self.may_have_more.get()
    }

    /// Waits for events, and gives `wake` all who waited for them, with no borrow held. True if there was
    /// an event of a source.
    pub(crate) fn wait(&self, wait: Wait, mut wake: impl FnMut(WakeRef)) -> io::Result<bool> {
        let mut events = self.events.borrow_mut();
        match self.poll.borrow_mut().poll(&mut events, self.timeout(wait)?) {
            Ok(()) => {}
            // A signal: as good as no event.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            Err(error) => return Err(error),
        }
        self.may_have_more.set(events.iter().nth(EVENTS - 1).is_some());
        self.sources.count_round();
        let mut had_event = false;
        for event in events.iter().filter(|event| !matches!(event.token(), UNPARK | PRECISE)) {
            had_event = true;
            self.sources.dispatch(event, &mut wake);
        }
        Ok(had_event)
    }

    /// The poller's timeout for a wait. The poller counts in milliseconds, rounding up; where there is
    /// better, the last bit is left to it.
    fn timeout(&self, wait: Wait) -> io::Result<Option<Duration>> {
        match wait {
            Wait::NotAtAll => Ok(Some(Duration::ZERO)),
            Wait::Forever => Ok(None),
            Wait::AboutAsLong(limit) => Ok(Some(limit.min(LONGEST))),
            Wait::AtMost(limit) => self.precise.timeout(limit.min(LONGEST)),
        }
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}

/// What other threads may do with a reactor: end its wait, take sources out.
#[derive(Debug)]
struct Unparker {
    waker: mio::Waker,
    registry: Registry,
    origin: Origin,
}

impl Unparker {
    /// Takes `io` out of the poller, if that is ours: after a fork it is the parent's, who has `io` too.
    fn deregister(&self, io: &mut impl MioSource) -> io::Result<()> {
        if self.origin.is_here() { self.registry.deregister(io) } else { Ok(()) }
    }
}

impl Unpark for Unparker {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn unpark(&self) {
        // It fails only where the descriptor's counter is full, and then the loop is woken anyway.
        let _full = self.waker.wake();
    }
}
