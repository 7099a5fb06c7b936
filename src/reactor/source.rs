//! What the reactor keeps of one source.

use mio::event::Event;

use super::waiters::{Taken, WaiterId, Waiters};
use crate::executor::wake::WakeRef;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// A registered source: two sides, one for each direction.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) generation: u32,
    read: Side,
    write: Side,
}

impl Source {
    pub(super) fn new(generation: u32, is_connecting: bool) -> Self {
        Self { generation, read: Side::new(true), write: Side::new(!is_connecting) }
    }

    #[inline]
    pub(super) fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.read.is_awaited() || self.write.is_awaited()
    }
}

/// Readiness of one direction, and who waits for it.
#[derive(Debug)]
pub(super) struct Side {
    is_ready: bool,
    /// The peer, or we, closed this direction, or urgent data came: a short operation proves nothing.
    is_closed: bool,
    /// The last one who polled. Others that polled before are not woken.
    poller: Option<WakeRef>,
    waiters: Waiters,
    last_waiter: u32,
    /// How often an event made it ready; wraps.
    events: u32,
}

impl Side {
    fn new(is_ready: bool) -> Self {
        let (poller, waiters) = (None, Waiters::default());
        Self { is_ready, is_closed: false, poller, waiters, last_waiter: 0, events: 0 }
    }

    pub(super) fn events(&self) -> u32 {
        self.events
    }

    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Takes in what an event says, and takes out whom it wakes.
    #[inline]
    fn mark(&mut self, ready: bool, closed: bool) -> Woken {
        self.is_closed |= closed;
        if !ready {
            return Woken::default();
        }
        self.is_ready = true;
        self.events = self.events.wrapping_add(1);
        Woken { poller: self.poller.take(), waiters: self.waiters.take() }
    }

    fn is_awaited(&self) -> bool {
        self.poller.is_some() || !self.waiters.is_empty()
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.is_ready = false;
    }

    #[inline]
    pub(super) fn clear_unless_closed(&mut self) {
        if !self.is_closed {
            self.is_ready = false;
        }
    }

    /// It would block, and `waker` is woken when that changes. Gives the poller before.
    #[inline]
    pub(super) fn set_poller(&mut self, waker: WakeRef) -> Option<WakeRef> {
        self.is_ready = false;
        self.poller.replace(waker)
    }

    pub(super) fn add_waiter(&mut self, waker: WakeRef) -> WaiterId {
        self.last_waiter = self.last_waiter.wrapping_add(1);
        let id = WaiterId(self.last_waiter);
        self.waiters.push(id, waker);
        id
    }

    /// Gives what the waiter had, or `None` if it was woken.
    pub(super) fn swap_waiter(&mut self, id: WaiterId, waker: WakeRef) -> Option<WakeRef> {
        self.waiters.swap(id, waker)
    }

    pub(super) fn remove_waiter(&mut self, id: WaiterId) -> Option<WakeRef> {
        self.waiters.remove(id)
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

    /// Marks both directions of a source and takes out who waited: those who wait to read come first.
    #[inline]
    pub(super) fn mark(self, source: &mut Source) -> [Woken; 2] {
        [
            source.read.mark(self.read, self.read_closed),
            source.write.mark(self.write, self.write_closed),
        ]
    }
}

/// Those of one direction that an event wakes.
#[derive(Debug, Default)]
pub(super) struct Woken {
    poller: Option<WakeRef>,
    waiters: Taken,
}

impl Woken {
    #[inline]
    pub(super) fn for_each(self, wake: &mut impl FnMut(WakeRef)) {
        if let Some(poller) = self.poller {
            wake(poller);
        }
        self.waiters.for_each(wake);
    }
}
