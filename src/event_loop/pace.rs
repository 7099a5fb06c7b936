//! How often a busy loop looks at the clock and at I/O.
//!
//! While tasks are ready, a turn need not make a system call, nor even read the clock. But neither may
//! wait for long, so both are due after a number of polls or a span of time, whichever comes first. Reading
//! the clock costs more than polling a small task, so it is read once in a *stretch* of polls; a stretch
//! that took long makes the next one short (a single poll), quick ones let it grow again.

use std::cell::Cell;

/// I/O is looked at this often, in nanoseconds, however few the polls.
const QUANTUM: u64 = 250_000;

/// The longest stretch of polls between two readings of the clock.
const LONGEST_STRETCH: u32 = 64;

/// Counts polls between looks at the clock and at I/O.
#[derive(Debug)]
pub(super) struct Pace {
    poll_budget: usize,
    io_interval: u32,
    /// Polls between two readings of the clock: 1 to [`LONGEST_STRETCH`].
    stretch: Cell<u32>,
    polls_since_clock: Cell<u32>,
    polls_since_io: Cell<u32>,
    last_clock: Cell<u64>,
    last_io: Cell<u64>,
}

impl Pace {
    pub(super) fn new(poll_budget: usize, io_interval: u32) -> Self {
        Self {
            poll_budget: poll_budget.max(1),
            io_interval: io_interval.max(1),
            stretch: Cell::new(LONGEST_STRETCH),
            polls_since_clock: Cell::new(0),
            polls_since_io: Cell::new(0),
            last_clock: Cell::new(0),
            last_io: Cell::new(0),
        }
    }

    /// How many tasks to poll at most before looking around.
    #[inline]
    pub(super) fn stretch(&self) -> usize {
        let unclocked = self.stretch.get().saturating_sub(self.polls_since_clock.get());
        self.poll_budget.min(unclocked.max(1) as usize)
    }

    #[inline]
    pub(super) fn count(&self, polls: usize) {
        let polls = u32::try_from(polls).unwrap_or(u32::MAX);
        self.polls_since_clock.set(self.polls_since_clock.get().saturating_add(polls));
        self.polls_since_io.set(self.polls_since_io.get().saturating_add(polls));
    }

    #[inline]
    pub(super) fn is_clock_due(&self) -> bool {
        self.polls_since_clock.get() >= self.stretch.get()
    }

    /// `now` in nanoseconds, by the loop's clock.
    #[inline]
    pub(super) fn clock_was_read(&self, now: u64) {
        let took = now.saturating_sub(self.last_clock.replace(now));
        let stretch = if took > QUANTUM { 1 } else { self.stretch.get() * 2 };
        self.stretch.set(stretch.min(LONGEST_STRETCH));
        self.polls_since_clock.set(0);
    }

    #[inline]
    pub(super) fn is_io_due(&self) -> bool {
        self.polls_since_io.get() >= self.io_interval
            || self.last_clock.get().saturating_sub(self.last_io.get()) >= QUANTUM
    }

    /// I/O was polled, and the clock read after it.
    #[inline]
    pub(super) fn io_was_polled(&self, now: u64) {
        self.polls_since_io.set(0);
        self.polls_since_clock.set(0);
        self.last_clock.set(now);
        self.last_io.set(now);
    }
}
