//! The reactor: waits for the operating system and remembers what is ready.
//!
//! One `mio::Poll` and a slab of [`Source`]s. A source is registered once, edge-triggered, for both
//! directions. Per direction the reactor remembers readiness: it starts as *ready* (the first operation
//! simply tries its system call), is cleared when the kernel says that it would block, or by a short read or
//! write where that proves the same, and is set by an event.
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
mod source;
mod waiters;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mio::event::{Event, Source as MioSource};
use mio::{Events, Interest, Registry, Token};
use slab::Slab;

use crate::executor::Origin;
use crate::executor::wake::{Unpark, WakeRef};
pub(crate) use source::Direction;
use source::{Readied, Source};
pub(crate) use waiters::WaiterId;

/// Events taken from the kernel at once. What does not fit stays there for the next wait.
const EVENTS: usize = 1024;

/// The longest wait in one go: the poller's timeout is a 32-bit number of milliseconds.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The token of the one who unparks us. No source has it: keys are smaller.
const UNPARK: Token = Token(usize::MAX);
/// The token of the timer that is more precise than the poller's timeout.
const PRECISE: Token = Token(usize::MAX - 1);

/// Identifies a source for as long as it is registered, and is recognised as stale afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SourceKey {
    index: u32,
    generation: u32,
}

impl SourceKey {
    /// So much of a token's word is the index; the rest is the generation.
    const INDEX_BITS: u32 = usize::BITS / 2;
    const INDEX_MASK: usize = (1 << Self::INDEX_BITS) - 1;
    /// Generations that fit a token. The highest is left out, for the tokens of our own.
    const GENERATIONS: u32 = (usize::MAX >> Self::INDEX_BITS) as u32;

    fn token(self) -> Token {
        Token((self.generation as usize) << Self::INDEX_BITS | self.index as usize)
    }

    fn of(token: Token) -> Self {
        Self {
            index: (token.0 & Self::INDEX_MASK) as u32,
            generation: (token.0 >> Self::INDEX_BITS) as u32,
        }
    }

    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

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
    sources: RefCell<Slab<Source>>,
    last_generation: Cell<u32>,
    unparker: Arc<Unparker>,
    precise: precise::PreciseTimer,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, UNPARK)?;
        Ok(Self {
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(EVENTS)),
            sources: RefCell::new(Slab::new()),
            last_generation: Cell::new(0),
            precise: precise::PreciseTimer::new(&registry, PRECISE)?,
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

    /// Registers `io` for both directions.
    ///
    /// `is_connecting`: not writable before an event says so.
    pub(crate) fn register(
        &self,
        io: &mut impl MioSource,
        is_connecting: bool,
    ) -> io::Result<SourceKey> {
        let generation = (self.last_generation.get() + 1) % SourceKey::GENERATIONS;
        self.last_generation.set(generation);
        let source = Source::new(generation, is_connecting);
        let index = self.sources.borrow_mut().insert(source);
        if index > SourceKey::INDEX_MASK {
            self.sources.borrow_mut().remove(index);
            return Err(io::Error::other("too many sources on one event loop"));
        }
        let key = SourceKey { index: index as u32, generation };
        match self.unparker.registry.register(io, key.token(), interest()) {
            Ok(()) => Ok(key),
            Err(error) => {
                self.forget(key);
                Err(error)
            }
        }
    }

    /// Takes `io` out of the poller and forgets it.
    pub(crate) fn deregister(&self, key: SourceKey, io: &mut impl MioSource) -> io::Result<()> {
        self.forget(key);
        self.unparker.deregister(io)
    }

    /// Forgets a source whose descriptor is closed, or will be: the kernel drops the registration then.
    pub(crate) fn forget(&self, key: SourceKey) {
        let mut sources = self.sources.borrow_mut();
        let index = key.index as usize;
        if sources.get(index).is_some_and(|source| source.generation == key.generation) {
            let source = sources.remove(index);
            drop(sources);
            // Its waiters' foreign wakers are dropped here, with no borrow held.
            drop(source);
        }
    }

    #[inline]
    fn with_source<R>(&self, key: SourceKey, f: impl FnOnce(&mut Source) -> R) -> io::Result<R> {
        match self.sources.borrow_mut().get_mut(key.index as usize) {
            Some(source) if source.generation == key.generation => Ok(f(source)),
            _ => Err(io::Error::other("the source is no longer registered")),
        }
    }

    /// Whether a direction is thought to be ready.
    #[inline]
    pub(crate) fn is_ready(&self, key: SourceKey, direction: Direction) -> io::Result<bool> {
        self.with_source(key, |source| source.is_ready(direction))
    }

    /// Polls for readiness. Of many pollers of a direction only the last is woken: see
    /// [`wait_ready`](Self::wait_ready) for many.
    #[inline]
    pub(crate) fn poll_ready(
        &self,
        key: SourceKey,
        direction: Direction,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        match self.is_ready(key, direction) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => match self.set_poller(key, direction, cx.waker()) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// The direction is not ready, as far as is known or because the kernel said that an operation would block;
    /// `waker` is the one to be woken when that changes.
    #[inline]
    pub(crate) fn set_poller(
        &self,
        key: SourceKey,
        direction: Direction,
        waker: &Waker,
    ) -> io::Result<()> {
        // Cloning and dropping a foreign waker are foreign code: outside of the borrow.
        let waker = WakeRef::new(waker);
        let old = self.with_source(key, |source| source.set_poller(direction, waker))?;
        drop(old);
        Ok(())
    }

    /// Waits for readiness as one of many: all of them are woken, in the order they came. `None`: ready.
    pub(crate) fn wait_ready(
        &self,
        key: SourceKey,
        direction: Direction,
        waker: &Waker,
    ) -> io::Result<Option<WaiterId>> {
        if self.is_ready(key, direction)? {
            return Ok(None);
        }
        let waker = WakeRef::new(waker);
        self.with_source(key, |source| Some(source.add_waiter(direction, waker)))
    }

    /// Whether that waiter still waits; from now on for `waker`.
    pub(crate) fn is_waiting(
        &self,
        key: SourceKey,
        direction: Direction,
        waiter: WaiterId,
        waker: &Waker,
    ) -> io::Result<bool> {
        let new = WakeRef::new(waker);
        let old = self.with_source(key, |source| source.swap_waiter(direction, waiter, new))?;
        Ok(old.is_some())
    }

    /// That waiter waits no more.
    pub(crate) fn cancel_wait(&self, key: SourceKey, direction: Direction, waiter: WaiterId) {
        let gone = self.with_source(key, |source| source.remove_waiter(direction, waiter));
        drop(gone);
    }

    /// The kernel said that an operation would block.
    #[inline]
    pub(crate) fn clear_ready(&self, key: SourceKey, direction: Direction) -> io::Result<()> {
        self.with_source(key, |source| source.clear(direction))
    }

    /// How often an event has made a direction ready.
    #[cfg(unix)]
    pub(crate) fn events(&self, key: SourceKey, direction: Direction) -> io::Result<u32> {
        self.with_source(key, |source| source.events(direction))
    }

    /// The kernel said that an operation would block, when there had been so many `events`: one that came
    /// since stands.
    #[cfg(unix)]
    pub(crate) fn clear_ready_since(
        &self,
        key: SourceKey,
        direction: Direction,
        events: u32,
    ) -> io::Result<()> {
        self.with_source(key, |source| {
            if source.events(direction) == events {
                source.clear(direction);
            }
        })
    }

    /// An operation moved fewer bytes than it could have: the next one would block. True of epoll and
    /// kqueue, unless the direction is closed, and then only the next operation tells.
    #[inline]
    pub(crate) fn was_short(&self, key: SourceKey, direction: Direction) {
        if cfg!(all(
            not(mio_unsupported_force_poll_poll),
            any(
                target_os = "linux",
                target_os = "android",
                target_os = "macos",
                target_os = "ios",
                target_os = "freebsd",
                target_os = "netbsd",
                target_os = "openbsd",
                target_os = "dragonfly",
            )
        )) {
            // A stale key has nothing to clear.
            let _gone = self.with_source(key, |source| source.clear_unless_closed(direction));
        }
    }

    /// Whether anybody waits for a source.
    pub(crate) fn is_awaited(&self) -> bool {
        self.sources.borrow().iter().any(|(_, source)| source.is_awaited())
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
        let mut had_event = false;
        for event in events.iter().filter(|event| !matches!(event.token(), UNPARK | PRECISE)) {
            had_event = true;
            self.dispatch(event, &mut wake);
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

    fn dispatch(&self, event: &Event, wake: &mut impl FnMut(WakeRef)) {
        let key = SourceKey::of(event.token());
        let readied = Readied::of(event);
        // An event that came late, for a source that is gone, is dropped.
        let Ok(marked) = self.with_source(key, |source| readied.mark(source)) else { return };
        let ([reader, writer], has_waiters) = marked;
        if has_waiters {
            return self.wake_waiters(key, readied, [reader, writer], wake);
        }
        // What most sockets have: a poller at most for each direction.
        if let Some(reader) = reader {
            wake(reader);
        }
        if let Some(writer) = writer {
            wake(writer);
        }
    }

    /// First who waits to read, then who waits to write.
    #[inline(never)]
    fn wake_waiters(
        &self,
        key: SourceKey,
        readied: Readied,
        pollers: [Option<WakeRef>; 2],
        wake: &mut impl FnMut(WakeRef),
    ) {
        // All are taken out before the first is woken: who begins to wait then waits for the next event.
        let waiters = self.with_source(key, |source| readied.take_waiters(source));
        for (poller, waiters) in pollers.into_iter().zip(waiters.unwrap_or_default()) {
            poller.into_iter().for_each(&mut *wake);
            waiters.for_each(wake);
        }
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}

/// What sources are registered for: both directions, and urgent data where its coming can be told, as it ends
/// reads early.
fn interest() -> Interest {
    let both = Interest::READABLE | Interest::WRITABLE;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return both | Interest::PRIORITY;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return both;
}

/// Takes a source out of the poller of the loop that `unparker` belongs to, from any thread.
pub(crate) fn deregister_elsewhere(unparker: &dyn Unpark, io: &mut impl MioSource) {
    if let Some(unparker) = unparker.as_any().downcast_ref::<Unparker>() {
        // It fails only for a descriptor that the poller does not know, and then all is well.
        let _unknown = unparker.deregister(io);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What the system does not take.
    struct Refused;

    impl MioSource for Refused {
        fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
            Err(io::ErrorKind::PermissionDenied.into())
        }

        fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
            Err(io::ErrorKind::PermissionDenied.into())
        }

        fn deregister(&mut self, _: &Registry) -> io::Result<()> {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "opens descriptors")]
    fn a_source_that_the_system_refuses_leaves_nothing_behind() {
        let reactor = Reactor::new().unwrap();
        for _ in 0..100 {
            let error = reactor.register(&mut Refused, false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
        assert!(reactor.sources.borrow().is_empty());
        assert!(reactor.sources.borrow().capacity() < 100);
    }
}
