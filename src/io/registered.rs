//! A descriptor in a loop's reactor: what every socket is made of.
//!
//! Handles are keys: a [`Registered`] holds the operating system's object, the name of its loop and a key,
//! and no pointer into the loop. So it is `Send`, although tasks are not. Each operation finds the loop
//! through the thread-local and fails with an error where another one, or none, is current.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mio::event::Source;

use crate::event_loop::{Core, context};
use crate::executor::wake::{Home, LoopId, Release};
use crate::reactor::{self, Direction, SourceKey, WaiterId};

/// To copy so many bytes takes about as long as a system call. A read of them does not prove that there are no more: some
/// may have come meanwhile. And the operation counts for one more with each so many.
const MUCH: usize = 4096;

/// An I/O object that is registered with a loop.
pub(crate) struct Registered<S: Source> {
    /// `None` only when it was taken out.
    io: Option<S>,
    home: &'static Home,
    owner: LoopId,
    key: SourceKey,
}

impl<S: Source> Registered<S> {
    /// Registers `io` with the current loop. `what` and `location` name the caller, for the error.
    pub(crate) fn new(what: &str, location: &Location<'_>, io: S) -> io::Result<Self> {
        Self::register(what, location, io, false)
    }

    /// Registers a socket that is connecting: writable when it is through.
    pub(crate) fn connecting(what: &str, location: &Location<'_>, io: S) -> io::Result<Self> {
        Self::register(what, location, io, true)
    }

    fn register(
        what: &str,
        location: &Location<'_>,
        io: S,
        is_connecting: bool,
    ) -> io::Result<Self> {
        Self::register_or_return(what, location, io, is_connecting).map_err(|(error, _io)| error)
    }

    /// Registers `io` with a loop that need not be current.
    #[cfg(unix)]
    pub(crate) fn in_core(core: &Core, mut io: S) -> io::Result<Self> {
        let key = core.reactor.register(&mut io, false)?;
        Ok(Self { io: Some(io), home: core.executor.home(), owner: core.id(), key })
    }

    /// Registers `io`, or gives it back with the error.
    #[cfg(unix)]
    pub(crate) fn new_or_return(
        what: &str,
        location: &Location<'_>,
        io: S,
    ) -> Result<Self, (io::Error, S)> {
        Self::register_or_return(what, location, io, false)
    }

    #[inline]
    fn register_or_return(
        what: &str,
        location: &Location<'_>,
        mut io: S,
        is_connecting: bool,
    ) -> Result<Self, (io::Error, S)> {
        let registered = context::io_with(what, location, |core| {
            let key = core.reactor.register(&mut io, is_connecting)?;
            Ok((core.executor.home(), core.id(), key))
        });
        match registered {
            Ok((home, owner, key)) => Ok(Self { io: Some(io), home, owner, key }),
            Err(error) => Err((error, io)),
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> &S {
        self.io.as_ref().expect("taken out only by `into_inner`, which consumes")
    }

    /// The object, which has to stay what is registered.
    #[cfg(unix)]
    pub(crate) fn get_mut(&mut self) -> &mut S {
        self.io.as_mut().expect("taken out only by `into_inner`, which consumes")
    }

    /// Takes the object out of the reactor.
    pub(crate) fn into_inner(mut self) -> io::Result<S> {
        // Asked first: elsewhere it is an error, and our drop does the rest.
        self.with_core(|_| Ok(()))?;
        let mut io = self.io.take().expect("taken out only here, and we consume");
        self.with_core(|core| core.reactor.deregister(self.key, &mut io))?;
        Ok(io)
    }

    /// Runs `f` with the loop, if it is current.
    #[inline]
    pub(crate) fn with_core<R>(&self, f: impl FnOnce(&Core) -> io::Result<R>) -> io::Result<R> {
        context::try_with(|core| match core.id() == self.owner {
            true => f(core),
            false => Err(self.not_current(Some(core.id()))),
        })
        .unwrap_or_else(|| Err(self.not_current(None)))
    }

    #[cold]
    fn not_current(&self, current: Option<LoopId>) -> io::Error {
        let owner = self.owner;
        io::Error::other(match current {
            Some(current) => format!(
                "what belongs to event loop {owner} was used on event loop {current}: take it out there \
                 (`into_std`, `into_owned_fd`) and in here (`from_std`) to move it"
            ),
            None => format!(
                "what belongs to event loop {owner} was used while no event loop runs on this thread"
            ),
        })
    }

    /// Waits for readiness as the one poller of that direction. A task that has done enough for one poll
    /// gives way here.
    #[inline]
    fn poll_ready(&self, direction: Direction, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.with_core(|core| {
            if !core.may_do_io(cx.waker()) {
                return Ok(Poll::Pending);
            }
            let polled = core.reactor.poll_ready(self.key, direction, cx);
            if polled.is_pending() {
                core.io_is_awaited();
            }
            Ok(polled)
        });
        polled.unwrap_or_else(|error| Poll::Ready(Err(error)))
    }

    /// Polls for readiness, as [`poll_io`](Self::poll_io) does.
    #[cfg(unix)]
    pub(crate) fn poll_readiness(
        &self,
        direction: Direction,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_ready(direction, cx)
    }

    /// How often an event has made the direction ready.
    #[cfg(unix)]
    pub(crate) fn events(&self, direction: Direction) -> io::Result<u32> {
        self.with_core(|core| core.reactor.events(self.key, direction))
    }

    /// An operation would block, when there had been so many events.
    #[cfg(unix)]
    pub(crate) fn clear_ready_since(&self, direction: Direction, events: u32) -> io::Result<()> {
        self.with_core(|core| core.reactor.clear_ready_since(self.key, direction, events))
    }

    /// Runs `operation` when the direction is ready, and waits for that again if it would block.
    #[inline]
    pub(crate) fn poll_io<R>(
        &self,
        direction: Direction,
        cx: &Context<'_>,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        ready!(self.poll_ready(direction, cx))?;
        match self.uninterrupted(&mut operation) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
        let waiting = self.with_core(|core| {
            core.io_is_awaited();
            core.reactor.set_poller(self.key, direction, cx.waker())
        });
        match waiting {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Like [`poll_io`](Self::poll_io) for an operation that moves up to `wanted` bytes: if it moved
    /// fewer, the next would block, which saves the system call that would say so. A read of [`MUCH`] does not
    /// say. An operation that moves much counts for several.
    #[inline]
    pub(crate) fn poll_bytes(
        &self,
        direction: Direction,
        cx: &Context<'_>,
        wanted: usize,
        operation: impl FnMut(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let moved = ready!(self.poll_io(direction, cx, operation))?;
        let is_read = direction == Direction::Read;
        let was_last = moved < wanted && !(is_read && moved >= MUCH);
        if moved > 0 && (was_last || is_read || moved >= MUCH) {
            // The loop was current a moment ago.
            self.with_core(|core| {
                core.executor.count_operations(u32::try_from(moved / MUCH).unwrap_or(u32::MAX));
                match was_last {
                    true => core.reactor.was_last(self.key, direction),
                    false if is_read => core.reactor.may_go_on(self.key),
                    false => {}
                }
                Ok(())
            })?;
        }
        Poll::Ready(Ok(moved))
    }

    /// Runs `operation` once, if the direction is thought to be ready.
    pub(crate) fn try_io<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        if !self.with_core(|core| core.reactor.is_ready(self.key, direction))? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.attempt(direction, &mut operation).unwrap_or(Err(io::ErrorKind::WouldBlock.into()))
    }

    /// Runs `operation` once, whatever is thought of the direction, and leaves that as it is: for where an operation
    /// may block for other reasons.
    #[cfg(unix)]
    pub(crate) fn io_regardless<R>(
        &self,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        self.with_core(|_| Ok(()))?;
        self.uninterrupted(&mut operation)
    }

    /// `None`: it would block, and the direction is marked so.
    #[inline]
    fn attempt<R>(
        &self,
        direction: Direction,
        operation: &mut impl FnMut(&S) -> io::Result<R>,
    ) -> Option<io::Result<R>> {
        match self.uninterrupted(operation) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let cleared = self.with_core(|core| core.reactor.clear_ready(self.key, direction));
                cleared.err().map(Err)
            }
            result => Some(result),
        }
    }

    /// Runs `operation` until no signal interrupts it.
    #[inline]
    fn uninterrupted<R>(&self, operation: &mut impl FnMut(&S) -> io::Result<R>) -> io::Result<R> {
        loop {
            match operation(self.get()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Runs `f` with the loop. False: it is not current.
    fn if_current(&self, f: impl FnOnce(&Core)) -> bool {
        let is_current = context::try_with(|core| {
            let is_ours = core.id() == self.owner;
            if is_ours {
                f(core);
            }
            is_ours
        });
        is_current == Some(true)
    }

    /// Has `end` take a waiter out, or the loop itself where it is not current.
    fn end_wait(&self, direction: Direction, waiter: WaiterId, end: impl FnOnce(&Core)) {
        if !self.if_current(end) {
            let (source, waiter) = (self.key.to_bits(), waiter.0);
            let is_write = direction == Direction::Write;
            self.home.release(self.owner, Release::Wait { source, waiter, is_write });
        }
    }

    /// Waits for readiness, as one of any number of waiters.
    pub(crate) fn ready(&self, direction: Direction) -> Readiness<'_, S> {
        Readiness { registered: self, direction, waiter: None, is_of_next_event: false }
    }

    /// Waits for the next event of a direction, ready or not, as one of any number of waiters.
    #[cfg(unix)]
    pub(crate) fn next_event(&self, direction: Direction) -> Readiness<'_, S> {
        Readiness { registered: self, direction, waiter: None, is_of_next_event: true }
    }

    /// Runs `operation` when the direction is ready, until it would not block; any number of tasks may.
    pub(crate) async fn io<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            self.ready(direction).await?;
            if let Some(result) = self.attempt(direction, &mut operation) {
                return result;
            }
        }
    }

    /// Receives a datagram, as [`io`](Self::io) does. Whether there is another one is not known then.
    pub(crate) async fn receive<R>(
        &self,
        operation: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        let result = self.io(Direction::Read, operation).await;
        if result.is_ok() {
            self.if_current(|core| core.reactor.may_go_on(self.key));
        }
        result
    }
}

impl<S: Source> Registered<S> {
    /// Runs `operation` when there is something to read, until it would not block. Of any number of tasks that do, one is
    /// woken at a time, in the order they came.
    ///
    /// `has_more`: whether the next would find something, too. It is asked if somebody waits for that.
    pub(crate) async fn read_in_turn<R>(
        &self,
        mut operation: impl FnMut(&S) -> io::Result<R>,
        has_more: impl Fn(&S) -> bool,
    ) -> io::Result<R> {
        let mut turn = Turn { registered: self, waiter: None };
        loop {
            (&mut turn).await?;
            if let Some(result) = self.attempt(Direction::Read, &mut operation) {
                if turn.is_awaited()? && !has_more(self.get()) {
                    self.with_core(|core| core.reactor.clear_ready(self.key, Direction::Read))?;
                }
                return result;
            }
        }
    }
}

impl<S: Source> Drop for Registered<S> {
    fn drop(&mut self) {
        let Some(mut io) = self.io.take() else { return };
        let done = self.if_current(|core| {
            // It fails only for a descriptor that the poller does not know, and then all is well.
            let _unknown = core.reactor.deregister(self.key, &mut io);
        });
        if !done {
            // Out of the poller here and now: once closed, the number may be another's.
            if let Some(unparker) = self.home.unparker(self.owner) {
                reactor::deregister_elsewhere(&*unparker, &mut io);
            }
            drop(io);
            self.home.release(self.owner, Release::Source(self.key.to_bits()));
        }
    }
}

impl<S: Source + fmt::Debug> fmt::Debug for Registered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Ready when the direction is, for this waiter. Dropping it leaves the list of waiters.
#[must_use = "futures do nothing unless they are awaited"]
pub(crate) struct Readiness<'a, S: Source> {
    registered: &'a Registered<S>,
    direction: Direction,
    waiter: Option<WaiterId>,
    /// What was ready before does not count.
    is_of_next_event: bool,
}

impl<S: Source> Future for Readiness<'_, S> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (registered, direction, waiter) = (self.registered, self.direction, self.waiter);
        let (key, waker) = (registered.key, cx.waker());
        let polled = registered.with_core(|core| match waiter {
            Some(waiter) => core
                .reactor
                .is_waiting(key, direction, waiter, waker)
                .map(|waits| if waits { Waited::Still(waiter) } else { Waited::Through }),
            None if !core.may_do_io(waker) => Ok(Waited::GaveWay),
            None if self.is_of_next_event => {
                core.io_is_awaited();
                core.reactor.wait_event(key, direction, waker).map(Waited::Still)
            }
            None => core.reactor.wait_ready(key, direction, waker).map(|waiter| {
                core.io_is_awaited();
                waiter.map_or(Waited::Through, Waited::Still)
            }),
        });
        match polled {
            Ok(Waited::Still(waiter)) => {
                self.waiter = Some(waiter);
                Poll::Pending
            }
            Ok(Waited::Through) => {
                self.waiter = None;
                Poll::Ready(Ok(()))
            }
            Ok(Waited::GaveWay) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

/// What a poll of [`Readiness`] came to.
enum Waited {
    Still(WaiterId),
    Through,
    /// The task did enough for one poll, and will be woken.
    GaveWay,
}

impl<S: Source> Drop for Readiness<'_, S> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            let (key, direction) = (self.registered.key, self.direction);
            self.registered.end_wait(direction, waiter, |core| {
                core.reactor.cancel_wait(key, direction, waiter);
            });
        }
    }
}

/// Ready when there is something to read and it is this waiter's turn, as often as it is polled. Dropping it gives up
/// the turn, or the place in line.
struct Turn<'a, S: Source> {
    registered: &'a Registered<S>,
    /// Its place in line, if it had to join that.
    waiter: Option<WaiterId>,
}

impl<S: Source> Turn<'_, S> {
    /// Whether somebody waits for this turn to end.
    fn is_awaited(&self) -> io::Result<bool> {
        // Without a place in line there was no line.
        if self.waiter.is_none() {
            return Ok(false);
        }
        let key = self.registered.key;
        self.registered.with_core(|core| core.reactor.has_second(key, Direction::Read))
    }
}

impl<S: Source> Future for Turn<'_, S> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (registered, waiter, waker) = (self.registered, self.waiter, cx.waker());
        let polled = registered.with_core(|core| {
            if waiter.is_none() && !core.may_do_io(waker) {
                return Ok(Waited::GaveWay);
            }
            if core.reactor.has_turn(registered.key, Direction::Read, waiter)? {
                return Ok(Waited::Through);
            }
            core.io_is_awaited();
            let waits = core.reactor.wait_turn(registered.key, Direction::Read, waiter, waker);
            waits.map(Waited::Still)
        });
        match polled {
            Ok(Waited::Through) => Poll::Ready(Ok(())),
            Ok(Waited::Still(waiter)) => {
                self.waiter = Some(waiter);
                Poll::Pending
            }
            Ok(Waited::GaveWay) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: Source> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            let (key, direction) = (self.registered.key, Direction::Read);
            self.registered.end_wait(direction, waiter, |core| {
                core.leave_turn(key, direction, waiter);
            });
        }
    }
}
