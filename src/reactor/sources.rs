//! What is registered with the reactor, and who waits for it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, Waker};

use mio::event::{Event, Source as MioSource};
use mio::{Interest, Token};
use slab::Slab;

use super::source::{Direction, Readied, Source};
use super::waiters::WaiterId;
use super::{Reactor, Unparker};
use crate::executor::wake::{Unpark, WakeRef};

/// Whether the poller tells of what becomes ready without being told, each time, that an operation would have blocked.
/// True of epoll and kqueue: the systems for which mio chooses one of the two.
pub(crate) const HAS_EDGES: bool = cfg!(all(
    not(mio_unsupported_force_poll_poll),
    any(
        // epoll
        target_os = "linux",
        target_os = "android",
        target_os = "illumos",
        target_os = "redox",
        // kqueue
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly",
        target_vendor = "apple",
    )
));

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

/// The sources, by index.
#[derive(Default)]
pub(super) struct Sources {
    slab: RefCell<Slab<Source>>,
    last_generation: Cell<u32>,
    /// The oldest first.
    doubts: RefCell<VecDeque<Doubt>>,
    /// How often events were waited for.
    round: Cell<u32>,
}

/// Somebody waits to read, though it is not known whether there is nothing.
struct Doubt {
    key: SourceKey,
    /// How many events there had been.
    events: u32,
    round: u32,
}

impl Sources {
    fn push_doubt(&self, key: SourceKey, events: u32) {
        let mut doubts = self.doubts.borrow_mut();
        // Who polls the same again and again doubts once.
        if !doubts.back().is_some_and(|last| last.key == key && last.events == events) {
            doubts.push_back(Doubt { key, events, round: self.round.get() });
        }
    }

    #[inline]
    pub(super) fn has_doubts(&self) -> bool {
        !self.doubts.borrow().is_empty()
    }

    /// See [`Reactor::settle`].
    pub(super) fn settle(&self, all: bool, wake: &mut impl FnMut(WakeRef)) {
        let round = self.round.get();
        loop {
            let mut doubts = self.doubts.borrow_mut();
            let is_due = |doubt: &Doubt| all || round.wrapping_sub(doubt.round) >= 2;
            if !doubts.front().is_some_and(is_due) {
                return;
            }
            let doubt = doubts.pop_front().expect("it was looked at");
            drop(doubts);
            let settled = self.with(doubt.key, |source| source.settle(doubt.events));
            // The source of a stale one is gone.
            let (poller, waiters) = settled.unwrap_or_default();
            poller.into_iter().for_each(&mut *wake);
            waiters.for_each(&mut *wake);
        }
    }

    /// Events were waited for.
    #[inline]
    pub(super) fn count_round(&self) {
        self.round.set(self.round.get().wrapping_add(1));
    }

    #[inline]
    fn with<R>(&self, key: SourceKey, f: impl FnOnce(&mut Source) -> R) -> io::Result<R> {
        match self.slab.borrow_mut().get_mut(key.index as usize) {
            Some(source) if source.generation == key.generation => Ok(f(source)),
            _ => Err(io::Error::other("the source is no longer registered")),
        }
    }

    /// Whether anybody waits for a source.
    pub(super) fn is_awaited(&self) -> bool {
        self.slab.borrow().iter().any(|(_, source)| source.is_awaited())
    }

    /// Marks what has become ready, and gives `wake` who waited for it.
    #[inline]
    pub(super) fn dispatch(&self, event: &Event, wake: &mut impl FnMut(WakeRef)) {
        self.tell(SourceKey::of(event.token()), Readied::of(event), wake);
    }

    #[inline]
    fn tell(&self, key: SourceKey, readied: Readied, wake: &mut impl FnMut(WakeRef)) {
        // An event that came late, for a source that is gone, is dropped.
        let Ok(marked) = self.with(key, |source| readied.mark(source)) else { return };
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
        let waiters = self.with(key, |source| readied.take_waiters(source));
        for (poller, (waiters, first)) in pollers.into_iter().zip(waiters.unwrap_or_default()) {
            poller.into_iter().for_each(&mut *wake);
            waiters.for_each(wake);
            first.into_iter().for_each(&mut *wake);
        }
    }
}

impl Reactor {
    /// Registers `io` for both directions.
    ///
    /// `is_connecting`: not writable before an event says so.
    pub(crate) fn register(
        &self,
        io: &mut impl MioSource,
        is_connecting: bool,
    ) -> io::Result<SourceKey> {
        let generation = (self.sources.last_generation.get() + 1) % SourceKey::GENERATIONS;
        self.sources.last_generation.set(generation);
        let source = Source::new(generation, is_connecting);
        let index = self.sources.slab.borrow_mut().insert(source);
        if index > SourceKey::INDEX_MASK {
            self.sources.slab.borrow_mut().remove(index);
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
        let mut sources = self.sources.slab.borrow_mut();
        let index = key.index as usize;
        if sources.get(index).is_some_and(|source| source.generation == key.generation) {
            let source = sources.remove(index);
            drop(sources);
            // Its waiters' foreign wakers are dropped here, with no borrow held.
            drop(source);
        }
    }

    /// Whether a direction is thought to be ready.
    #[inline]
    pub(crate) fn is_ready(&self, key: SourceKey, direction: Direction) -> io::Result<bool> {
        self.sources.with(key, |source| source.is_ready(direction))
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
        let waits = match self.sources.with(key, |source| source.look(direction)) {
            Ok((true, None)) => return Poll::Ready(Ok(())),
            Ok((false, _)) => self.set_poller(key, direction, cx.waker()),
            Ok((true, Some(events))) => self.doubt(key, events, cx.waker()),
            Err(error) => Err(error),
        };
        match waits {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Waits to read for an event that will probably come, or until the doubt is [settled](Self::settle).
    fn doubt(&self, key: SourceKey, events: u32, waker: &Waker) -> io::Result<()> {
        let waker = WakeRef::new(waker);
        let old = self.sources.with(key, |source| source.keep_poller(Direction::Read, waker))?;
        self.sources.push_doubt(key, events);
        drop(old);
        Ok(())
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
        let old = self.sources.with(key, |source| source.set_poller(direction, waker))?;
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
        let (is_ready, doubts) = self.sources.with(key, |source| source.look(direction))?;
        match doubts {
            Some(events) => self.sources.push_doubt(key, events),
            None if is_ready => return Ok(None),
            None => {}
        }
        self.wait_event(key, direction, waker).map(Some)
    }

    /// Waits for the next event as one of many, ready or not.
    pub(crate) fn wait_event(
        &self,
        key: SourceKey,
        direction: Direction,
        waker: &Waker,
    ) -> io::Result<WaiterId> {
        let waker = WakeRef::new(waker);
        self.sources.with(key, |source| source.add_waiter(direction, waker))
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
        let old = self.sources.with(key, |source| source.swap_waiter(direction, waiter, new))?;
        Ok(old.is_some())
    }

    /// That waiter waits no more.
    pub(crate) fn cancel_wait(&self, key: SourceKey, direction: Direction, waiter: WaiterId) {
        let gone = self.sources.with(key, |source| source.remove_waiter(direction, waiter));
        drop(gone);
    }

    /// Whether a direction is thought to be ready and nobody is before the waiter, if its waiters take turns; `None`
    /// has yet to join the line.
    #[inline]
    pub(crate) fn has_turn(
        &self,
        key: SourceKey,
        direction: Direction,
        waiter: Option<WaiterId>,
    ) -> io::Result<bool> {
        self.sources.with(key, |source| source.has_turn(direction, waiter))
    }

    /// Waits for a turn: in line, or at its end if that has yet to be joined.
    pub(crate) fn wait_turn(
        &self,
        key: SourceKey,
        direction: Direction,
        waiter: Option<WaiterId>,
        waker: &Waker,
    ) -> io::Result<WaiterId> {
        let waker = WakeRef::new(waker);
        let waits = self.sources.with(key, |source| source.wait_turn(direction, waiter, waker));
        // What was there before is dropped here.
        waits.map(|(waiter, _old)| waiter)
    }

    /// The waiter is through, or waits no more. Gives who is to be woken instead.
    pub(crate) fn leave_turn(
        &self,
        key: SourceKey,
        direction: Direction,
        waiter: WaiterId,
    ) -> Option<WakeRef> {
        let left = self.sources.with(key, |source| source.leave_turn(direction, waiter));
        left.ok().and_then(|(_gone, next)| next)
    }

    /// Whether somebody stands behind the one who has the turn.
    pub(crate) fn has_second(&self, key: SourceKey, direction: Direction) -> io::Result<bool> {
        self.sources.with(key, |source| source.has_second(direction))
    }

    /// The kernel said that an operation would block.
    #[inline]
    pub(crate) fn clear_ready(&self, key: SourceKey, direction: Direction) -> io::Result<()> {
        self.sources.with(key, |source| source.clear(direction))
    }

    /// How often an event has made a direction ready.
    #[cfg(unix)]
    pub(crate) fn events(&self, key: SourceKey, direction: Direction) -> io::Result<u32> {
        self.sources.with(key, |source| source.events(direction))
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
        self.sources.with(key, |source| {
            if source.events(direction) == events {
                source.clear(direction);
            }
        })
    }

    /// A read has filled its buffer, or took much: whether there is more is not known. Where the poller tells of all that
    /// comes, it need not be tried each time.
    #[inline]
    pub(crate) fn may_go_on(&self, key: SourceKey) {
        if HAS_EDGES {
            let _gone = self.sources.with(key, Source::may_go_on);
        }
    }

    /// An operation moved fewer bytes than it could have: the next one would block. True of epoll and
    /// kqueue, unless the direction is closed, and then only the next operation tells.
    #[inline]
    pub(crate) fn was_last(&self, key: SourceKey, direction: Direction) {
        if HAS_EDGES {
            // A stale key has nothing to clear.
            let _gone = self.sources.with(key, |source| source.clear_unless_closed(direction));
        }
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

#[cfg(test)]
mod tests {
    use mio::Registry;

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
        assert!(reactor.sources.slab.borrow().is_empty());
        assert!(reactor.sources.slab.borrow().capacity() < 100);
    }

    #[test]
    #[cfg(unix)]
    #[cfg_attr(miri, ignore = "opens descriptors")]
    fn one_who_polls_again_and_again_doubts_once() {
        if !HAS_EDGES {
            return;
        }
        let reactor = Reactor::new().unwrap();
        let mut stream = mio::net::UnixStream::pair().unwrap().0;
        let key = reactor.register(&mut stream, false).unwrap();
        let cx = Context::from_waker(Waker::noop());
        for _ in 0..8 {
            reactor.may_go_on(key);
            reactor.set_poller(key, Direction::Read, cx.waker()).unwrap();
        }
        reactor.may_go_on(key);
        assert!((0..100).all(|_| reactor.poll_ready(key, Direction::Read, &cx).is_pending()));
        assert_eq!(reactor.sources.doubts.borrow().len(), 1);
        let mut woken = 0;
        reactor.settle(true, |_| woken += 1);
        assert_eq!(woken, 1);
        assert!(reactor.poll_ready(key, Direction::Read, &cx).is_ready());
    }

    #[cfg(all(unix, feature = "net"))]
    mod lies {
        use std::rc::Rc;

        use futures_lite::{AsyncReadExt, AsyncWriteExt};

        use super::*;
        use crate::event_loop::context;
        use crate::net::{TcpListener, TcpStream, UnixStream};
        use crate::random::Random;
        use crate::{spawn, yield_now};

        /// Tells all sources of events that did not happen.
        fn lie(random: &RefCell<Random>) {
            context::with("a test", |core| {
                let sources = &core.reactor.sources;
                let keys: Vec<_> = (sources.slab.borrow().iter())
                    .map(|(index, source)| SourceKey {
                        index: index as u32,
                        generation: source.generation,
                    })
                    .collect();
                for key in keys {
                    let readied = Readied::at_random(random.borrow_mut().below(16));
                    sources.tell(key, readied, &mut |waker| drop(waker.wake()));
                }
            });
        }

        /// Events that did not happen, closing among them, cost polls and nothing else.
        #[test]
        #[cfg_attr(miri, ignore = "opens sockets")]
        fn events_of_nothing_lose_no_byte_and_fail_nothing() {
            const BYTES: usize = 50_000;
            for seed in 0..20 {
                let random = Rc::new(RefCell::new(Random::new(seed)));
                crate::run(async {
                    let liar = {
                        let random = Rc::clone(&random);
                        spawn(async move {
                            loop {
                                lie(&random);
                                yield_now().await;
                            }
                        })
                    };
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let addr = listener.local_addr().unwrap();
                    let waiting = spawn(async move { listener.accept().await.map(|(one, _)| one) });
                    for _ in 0..100 {
                        yield_now().await;
                    }
                    assert!(!waiting.is_finished());
                    let mut tcp = TcpStream::connect(addr).await.unwrap();
                    let mut accepted = waiting.await.unwrap().unwrap();
                    tcp.write_all(b"x").await.unwrap();
                    accepted.read_exact(&mut [0]).await.unwrap();

                    let (ours, theirs) = UnixStream::pair().unwrap();
                    let echo =
                        spawn(
                            async move { futures_lite::io::copy(&theirs, &theirs).await.map(drop) },
                        );
                    let (mut reader, mut writer) = ours.into_split();
                    let sizes = Rc::clone(&random);
                    let writing = spawn(async move {
                        let mut sent = 0;
                        while sent < BYTES {
                            let len = (1 + sizes.borrow_mut().index(3000)).min(BYTES - sent);
                            let data: Vec<u8> = (sent..sent + len).map(|n| n as u8).collect();
                            writer.write_all(&data).await.unwrap();
                            sent += len;
                            yield_now().await;
                        }
                    });
                    let (mut came, mut buffer) = (0, [0; 3000]);
                    loop {
                        let most = 1 + random.borrow_mut().index(3000);
                        let len = reader.read(&mut buffer[..most]).await.unwrap();
                        if len == 0 {
                            break;
                        }
                        assert!((0..len).all(|n| buffer[n] == (came + n) as u8));
                        came += len;
                        if came > BYTES / 2 {
                            // The rest goes by what is true, and finds all as it should be.
                            liar.abort();
                        }
                    }
                    assert_eq!(came, BYTES);
                    writing.await.unwrap();
                    echo.await.unwrap().unwrap();
                });
            }
        }
    }
}
