//! What the reactor keeps of one source.

use std::mem;
use std::task::Waker;

use mio::event::Event;

use super::turns::Turns;
use super::waiters::{WaiterId, Waiters};
use crate::executor::wake::WakeRef;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// A registered source: for each direction its readiness, and who waits for it. One cache line, since each
/// operation looks at it.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Source {
    /// The last one who polled. Others that polled before are not woken.
    pollers: [Option<Waker>; 2],
    /// Those who each want to be woken. Made for the first, and kept.
    lines: [Option<Box<Line>>; 2],
    pub(super) generation: u32,
    /// How often an event made it ready; wraps.
    events: [u32; 2],
    readiness: [Readiness; 2],
    /// A bit for each direction. The peer, or we, closed it, or urgent data came: a short operation proves nothing.
    closed: u8,
    /// How often in a row a read that came after one which left open whether there is more would block, up to
    /// [`SURE`](Self::SURE).
    blocked_in_row: u8,
}

/// What is known of a direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Readiness {
    /// An operation would block.
    Blocked,
    /// An event came, or nothing was tried yet.
    Ready,
    /// Since the event, a read has filled its buffer, or took much: there may be more, or not.
    Spent,
    /// As before, and no event tells: the next read shall try.
    Unsure,
}

const _: () = assert!(size_of::<Source>() <= 64 || cfg!(monoloop_any_layout));

/// The waiters of one direction.
#[derive(Debug, Default)]
struct Line {
    /// All of them are woken.
    waiters: Waiters,
    /// One of them is woken.
    turns: Turns,
    last: u32,
}

impl Line {
    fn next_id(&mut self) -> WaiterId {
        self.last = self.last.wrapping_add(1);
        WaiterId(self.last)
    }
}

impl Source {
    pub(super) fn new(generation: u32, is_connecting: bool) -> Self {
        Self {
            pollers: [None, None],
            lines: [None, None],
            generation,
            events: [0; 2],
            readiness: [
                Readiness::Ready,
                if is_connecting { Readiness::Blocked } else { Readiness::Ready },
            ],
            closed: 0,
            blocked_in_row: 0,
        }
    }

    #[inline]
    pub(super) fn is_ready(&self, direction: Direction) -> bool {
        self.readiness[direction as usize] != Readiness::Blocked
    }

    #[inline]
    fn is_closed(&self, direction: Direction) -> bool {
        self.closed & 1 << direction as u8 != 0
    }

    /// How often an event has made it ready.
    #[cfg(unix)]
    pub(super) fn events(&self, direction: Direction) -> u32 {
        self.events[direction as usize]
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.pollers.iter().any(Option::is_some) || self.has_waiters()
    }

    /// An operation would block.
    #[inline]
    pub(super) fn clear(&mut self, direction: Direction) {
        let readiness = &mut self.readiness[direction as usize];
        if matches!(readiness, Readiness::Spent | Readiness::Unsure) {
            self.blocked_in_row = Self::SURE.min(self.blocked_in_row + 1);
        }
        *readiness = Readiness::Blocked;
    }

    #[inline]
    pub(super) fn clear_unless_closed(&mut self, direction: Direction) {
        let is_closed = self.is_closed(direction);
        let readiness = &mut self.readiness[direction as usize];
        if matches!(readiness, Readiness::Spent | Readiness::Unsure) {
            self.blocked_in_row = 0;
        }
        *readiness = if is_closed { Readiness::Ready } else { Readiness::Blocked };
    }

    /// Whether there is more to read is not known.
    #[inline]
    pub(super) fn may_go_on(&mut self) {
        let readiness = &mut self.readiness[Direction::Read as usize];
        match readiness {
            Readiness::Spent | Readiness::Unsure => self.blocked_in_row = 0,
            Readiness::Ready | Readiness::Blocked => {}
        }
        *readiness = Readiness::Spent;
    }

    /// So often in a row, and it is taken for certain that such a read was the last.
    const SURE: u8 = 4;

    /// Whether a direction is ready; and if that is doubtful, how many events there had been.
    #[inline]
    pub(super) fn look(&self, direction: Direction) -> (bool, Option<u32>) {
        let is_doubtful = direction == Direction::Read && self.is_doubtful();
        (self.is_ready(direction), is_doubtful.then_some(self.events[Direction::Read as usize]))
    }

    /// Whether there is probably nothing more to read: an event will tell of what comes.
    #[inline]
    fn is_doubtful(&self) -> bool {
        self.blocked_in_row == Self::SURE
            && self.readiness[Direction::Read as usize] == Readiness::Spent
            && !self.is_closed(Direction::Read)
    }

    /// No event came since there were so many: has those who wait to read try. Gives them.
    pub(super) fn settle(&mut self, events: u32) -> (Option<WakeRef>, Waiters) {
        let read = Direction::Read as usize;
        // However sure it is by now: they wait since it was, and no event wakes them.
        if self.readiness[read] != Readiness::Spent || self.events[read] != events {
            return Default::default();
        }
        self.readiness[read] = Readiness::Unsure;
        let poller = self.pollers[read].take().map(WakeRef::from_waker);
        let waiters = self.waiters(Direction::Read).map(mem::take);
        (poller, waiters.unwrap_or_default())
    }

    /// It would block, and `waker` is woken when that changes. Gives the poller before.
    #[inline]
    pub(super) fn set_poller(&mut self, direction: Direction, waker: WakeRef) -> Option<WakeRef> {
        self.clear(direction);
        self.keep_poller(direction, waker)
    }

    /// Has `waker` woken by the next event. Gives the poller before.
    #[inline]
    pub(super) fn keep_poller(&mut self, direction: Direction, waker: WakeRef) -> Option<WakeRef> {
        let old = self.pollers[direction as usize].replace(waker.into_waker());
        old.map(WakeRef::from_waker)
    }

    pub(super) fn add_waiter(&mut self, direction: Direction, waker: WakeRef) -> WaiterId {
        let line = self.lines[direction as usize].get_or_insert_default();
        let id = line.next_id();
        line.waiters.push(id, waker);
        id
    }

    /// Gives what the waiter had, or `None` if it was woken.
    pub(super) fn swap_waiter(
        &mut self,
        direction: Direction,
        id: WaiterId,
        waker: WakeRef,
    ) -> Option<WakeRef> {
        self.waiters(direction)?.swap(id, waker)
    }

    pub(super) fn remove_waiter(&mut self, direction: Direction, id: WaiterId) -> Option<WakeRef> {
        self.waiters(direction)?.remove(id)
    }

    fn waiters(&mut self, direction: Direction) -> Option<&mut Waiters> {
        self.lines[direction as usize].as_mut().map(|line| &mut line.waiters)
    }

    #[inline]
    fn has_waiters(&self) -> bool {
        let mut lines = self.lines.iter().flatten();
        lines.any(|line| !line.waiters.is_empty() || !line.turns.is_empty())
    }

    /// Whether it is ready, and nobody is before the waiter; `None` has yet to join the line.
    #[inline]
    pub(super) fn has_turn(&self, direction: Direction, waiter: Option<WaiterId>) -> bool {
        let line = self.lines[direction as usize].as_ref();
        self.is_ready(direction) && line.is_none_or(|line| line.turns.is_first(waiter))
    }

    /// Joins the line, or stays in it, to be woken when it has the turn. Gives what the waiter had before.
    pub(super) fn wait_turn(
        &mut self,
        direction: Direction,
        waiter: Option<WaiterId>,
        waker: WakeRef,
    ) -> (WaiterId, Option<WakeRef>) {
        let line = self.lines[direction as usize].get_or_insert_default();
        if let Some(id) = waiter {
            return (id, line.turns.swap(id, waker));
        }
        let id = line.next_id();
        line.turns.push(id, waker);
        (id, None)
    }

    /// Leaves the line. Gives what the waiter had, and who is to be woken instead.
    pub(super) fn leave_turn(
        &mut self,
        direction: Direction,
        waiter: WaiterId,
    ) -> (Option<WakeRef>, Option<WakeRef>) {
        let is_ready = self.is_ready(direction);
        let Some(line) = &mut self.lines[direction as usize] else { return (None, None) };
        let had_turn = line.turns.is_first(Some(waiter));
        let gone = line.turns.remove(waiter);
        (gone, (had_turn && is_ready).then(|| line.turns.take_first()).flatten())
    }

    /// Whether somebody stands behind the first in line.
    pub(super) fn has_second(&self, direction: Direction) -> bool {
        self.lines[direction as usize].as_ref().is_some_and(|line| line.turns.has_second())
    }

    /// Takes in what an event says of a direction, and takes out the poller, if that wakes him.
    #[inline]
    fn mark(&mut self, direction: Direction, is_ready: bool, is_closed: bool) -> Option<WakeRef> {
        let at = direction as usize;
        self.closed |= u8::from(is_closed) << direction as u8;
        if !is_ready {
            return None;
        }
        self.readiness[at] = Readiness::Ready;
        self.events[at] = self.events[at].wrapping_add(1);
        self.pollers[at].take().map(WakeRef::from_waker)
    }
}

/// What an event says of both directions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Readied {
    read: bool,
    read_closed: bool,
    write: bool,
    write_closed: bool,
}

impl Readied {
    /// A hang-up or an error makes both directions ready: whoever waits shall see it.
    pub(super) fn of(event: &Event) -> Self {
        let failed = event.is_error();
        Self {
            read: event.is_readable() || event.is_read_closed() || event.is_priority() || failed,
            read_closed: event.is_read_closed() || event.is_priority() || failed,
            write: event.is_writable() || event.is_write_closed() || failed,
            write_closed: event.is_write_closed() || failed,
        }
    }

    /// One of sixteen things that an event can say.
    #[cfg(test)]
    pub(super) fn at_random(bits: u64) -> Self {
        let is = |bit: u64| bits & 1 << bit != 0;
        // What is closed is ready, too.
        Self {
            read: is(0) || is(1),
            read_closed: is(1),
            write: is(2) || is(3),
            write_closed: is(3),
        }
    }

    /// Marks both directions of a source. Takes out the pollers whom that wakes, and tells whether there are
    /// waiters besides.
    #[inline]
    pub(super) fn mark(self, source: &mut Source) -> ([Option<WakeRef>; 2], bool) {
        let pollers = [
            source.mark(Direction::Read, self.read, self.read_closed),
            source.mark(Direction::Write, self.write, self.write_closed),
        ];
        (pollers, source.has_waiters())
    }

    /// Takes out the waiters whom that wakes: those who wait to read, and those who wait to write; and of each who has
    /// the turn.
    pub(super) fn take_waiters(self, source: &mut Source) -> [(Waiters, Option<WakeRef>); 2] {
        [(Direction::Read, self.read), (Direction::Write, self.write)].map(
            |(direction, is_ready)| match &mut source.lines[direction as usize] {
                Some(line) if is_ready => (mem::take(&mut line.waiters), line.turns.take_first()),
                _ => Default::default(),
            },
        )
    }
}
