//! How a loop waits when nothing is ready: for the system, for other threads, for its clock.
//!
//! Before it waits in the kernel the loop announces that (*parks*), so that whoever wakes it from another thread knows to
//! end the wait. After it has handed a job to a thread of its pool it looks around for a moment first, see
//! [`offload`](super::offload).
//!
//! *Giving way.* A task may do 128 operations in one poll, of I/O, on channels and so on. One on a stream counts for one more
//! with each 4 KiB that it moves, so that is half a megabyte and the last operation. A task that finds them used up when it
//! wants to do I/O is not ready again at once, but after the next look for I/O; which is made when nothing else is ready,
//! else as often as ever. So others that wait for a socket get in between, and what is written to somebody on the same
//! machine is read while it is in the processor's cache. Where a task has several that do so, branches of a `join!` say, the
//! one that was refused first, and so had the last of the operations, is woken last: they take turns.

use std::io;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::clock::saturating_nanos;
use super::core::Core;
use crate::executor::Refused;
use crate::executor::wake::WakeRef;
use crate::reactor::Wait;

/// How long, in real time, a virtual clock waits for I/O that somebody waits for, before it jumps.
pub(super) const IO_GRACE: Duration = Duration::from_millis(50);

/// With more timers than this, they may share wake-ups.
const FEW_TIMERS: usize = 64;

/// So many wakers wait for the next look for I/O; who would be one more is ready again at once.
const MOST_GIVEN_WAY: usize = 1024;

impl Core {
    /// Nothing is ready: waits until something is.
    pub(super) fn wait(&self, limit: Option<Duration>) -> io::Result<()> {
        if self.has_given_way() {
            self.poll_io(Wait::NotAtAll)?;
            // Who gave way may be over.
            if self.executor.ready_len() > 0 || self.has_given_way() {
                return Ok(());
            }
        }
        if self.clock.is_virtual() {
            return self.wait_virtually(limit);
        }
        if limit != Some(Duration::ZERO) && self.offload.looks_around() {
            return self.wait_for_job(limit);
        }
        self.sleep(limit)
    }

    /// Waits for I/O, the next timer or another thread.
    pub(super) fn sleep(&self, limit: Option<Duration>) -> io::Result<()> {
        let Some(deadline) = self.next_timer() else {
            return self.park(limit.map_or(Wait::Forever, Wait::at_most));
        };
        let now = self.read_clock();
        if deadline <= now {
            return self.poll_io(Wait::NotAtAll);
        }
        let until = Duration::from_nanos(deadline - now);
        self.park(match limit {
            Some(limit) if limit < until => Wait::at_most(limit),
            _ if self.may_be_late() => Wait::AboutAsLong(until),
            _ => Wait::AtMost(until),
        })
    }

    /// Whether timers may fire up to a millisecond late, so that one wake-up serves many: there are many,
    /// and none that was set for a short time.
    fn may_be_late(&self) -> bool {
        self.short_timers.get() == 0 && self.timers.borrow().len() > FEW_TIMERS
    }

    /// Waits under a virtual clock: real I/O and other threads first, and if there is nothing to come from
    /// them, on to the next deadline.
    fn wait_virtually(&self, limit: Option<Duration>) -> io::Result<()> {
        let deadline = match limit {
            // A host's turn that must not wait does not let time pass either.
            Some(Duration::ZERO) => None,
            _ => self.timers.borrow().exact_next_deadline(),
        };
        // The end is bounded: it waits for nobody's guard.
        let is_held = !self.ending.has_begun() && self.remote.is_work_outstanding();
        let Some(deadline) = deadline.filter(|_| !is_held) else {
            return self.park(limit.map_or(Wait::Forever, Wait::at_most));
        };
        let awaited = self.reactor.is_awaited();
        let grace = if awaited && !self.io_is_quiet.get() { IO_GRACE } else { Duration::ZERO };
        self.wait_for_others(grace)?;
        if self.executor.ready_len() == 0 {
            self.io_is_quiet.set(awaited);
            let latest = limit.map(|l| self.clock.read().saturating_add(saturating_nanos(l)));
            self.clock.advance_to(latest.map_or(deadline, |latest| latest.min(deadline)));
            self.read_clock();
        }
        Ok(())
    }

    /// Waits, in real time, until something came from the system or another thread.
    fn wait_for_others(&self, grace: Duration) -> io::Result<()> {
        let end = Instant::now() + grace;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            self.park(Wait::at_most(left))?;
            self.executor.receive();
            // A wait may be cut short by an event that concerns nobody.
            let is_through = left.is_zero() && !self.reactor.may_have_more();
            if is_through || self.executor.ready_len() > 0 {
                return Ok(());
            }
        }
    }

    /// Waits, unless something came from another thread meanwhile.
    fn park(&self, wait: Wait) -> io::Result<()> {
        if self.reactor.has_doubts() {
            self.poll_io(Wait::NotAtAll)?;
            if self.executor.ready_len() == 0 {
                self.settle(true);
            }
            if self.executor.ready_len() > 0 {
                return Ok(());
            }
        }
        let may_wait = matches!(wait, Wait::NotAtAll) || self.executor.park();
        self.poll_io(if may_wait { wait } else { Wait::NotAtAll })
    }

    /// Counts an operation of the running task. False: it has done enough for one poll, and must be pending; it is woken
    /// after the next look for I/O.
    #[inline]
    pub(crate) fn may_do_io(&self, waker: &Waker) -> bool {
        match self.executor.may_proceed() {
            Ok(()) => true,
            Err(refused) => {
                self.give_way(waker, refused);
                false
            }
        }
    }

    #[cold]
    fn give_way(&self, waker: &Waker, refused: Refused) {
        let (is_known, is_full) = {
            let given_way = self.given_way.borrow();
            // The last is the first of its task.
            let is_known = given_way.iter().rev().take(2).any(|known| known.will_wake(waker));
            (is_known, given_way.len() >= MOST_GIVEN_WAY)
        };
        if is_known {
            return;
        }
        // Who tries again and again, in one poll, must not fill the memory.
        if is_full {
            return waker.wake_by_ref();
        }
        // Cloning a foreign waker is foreign code.
        let waker = WakeRef::new(waker);
        let mut given_way = self.given_way.borrow_mut();
        let place = given_way.len().saturating_sub(usize::from(!refused.is_first));
        given_way.insert(place, waker);
    }

    /// Whether there are tasks to wake after the next look for I/O.
    #[inline]
    pub(crate) fn has_given_way(&self) -> bool {
        !self.given_way.borrow().is_empty()
    }

    /// The loop ends: nobody is woken any more.
    pub(super) fn forget_who_gave_way(&self) {
        for waker in self.given_way.take() {
            // The drop of a foreign one may panic.
            self.guard(|| drop(waker));
        }
    }

    /// Wakes those who wait to read though there may be something: the older ones, or `all`.
    pub(super) fn settle(&self, all: bool) {
        self.reactor.settle(all, |waker| self.executor.shared().wake(waker));
    }

    /// Takes in what the system has to tell, after waiting for it, and reads the clock.
    pub(crate) fn poll_io(&self, wait: Wait) -> io::Result<()> {
        let woken = self.reactor.wait(wait, |waker| self.executor.shared().wake(waker))?;
        if woken {
            self.io_is_quiet.set(false);
        }
        self.settle(false);
        if self.has_given_way() {
            self.executor.wake_all(&self.given_way);
        }
        self.pace.io_was_polled(self.read_clock());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;
    use crate::event_loop::{EventLoop, context};

    struct Foreign;

    impl Wake for Foreign {
        fn wake(self: Arc<Self>) {}
    }

    fn foreign() -> Waker {
        Waker::from(Arc::new(Foreign))
    }

    #[test]
    #[cfg_attr(miri, ignore = "opens descriptors")]
    fn those_who_gave_way_are_counted_once_and_bounded() {
        EventLoop::new().unwrap().run(async {
            context::with("a test", |core| {
                let again = foreign();
                while core.may_do_io(&again) {}
                (0..10).for_each(|_| assert!(!core.may_do_io(&again)));
                assert_eq!(core.given_way.borrow().len(), 1);
                (0..2 * MOST_GIVEN_WAY).for_each(|_| assert!(!core.may_do_io(&foreign())));
                assert_eq!(core.given_way.borrow().len(), MOST_GIVEN_WAY);
                core.poll_io(Wait::NotAtAll).unwrap();
                assert!(!core.has_given_way());
            });
        });
    }
}
