//! The values, and who is to receive them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::{RecvError, TryRecvError};
use crate::executor::wake::WakeRef;
use crate::sync::ends::Ends;
use crate::wait_list::{ReleaseList, Ticket};

/// What senders and receivers share.
///
/// Values are numbered. A receiver knows the number of its next one.
pub(super) struct Shared<T> {
    ring: RefCell<Ring<T>>,
    /// The number of the next value to be sent: who looks for it need not borrow the ring to find nothing.
    end: Cell<u64>,
    ends: Ends,
    /// Receivers that wait for a value, or for the end.
    waiting: ReleaseList,
}

/// The newest values. Behind an `Rc`, so that they can be cloned, which is foreign code, with nothing borrowed.
struct Ring<T> {
    values: VecDeque<Entry<T>>,
    /// The number of the oldest.
    first: u64,
    capacity: usize,
}

struct Entry<T> {
    value: Rc<T>,
    /// How many have yet to receive it; those of the oldest entry are the fewest, and not none.
    left: usize,
}

impl<T> Ring<T> {
    /// Counts the value `number` as received by one more, and gives it; `None` if it is too old.
    #[inline]
    fn receive(&mut self, number: u64) -> Option<Rc<T>> {
        let index = number.checked_sub(self.first)? as usize;
        let entry = self.values.get_mut(index)?;
        entry.left -= 1;
        if entry.left > 0 { Some(Rc::clone(&entry.value)) } else { self.receive_last(index) }
    }

    /// Nobody skips a value, so none before it is left either.
    #[inline(never)]
    fn receive_last(&mut self, index: usize) -> Option<Rc<T>> {
        debug_assert_eq!(index, 0, "older values were received before");
        self.pop()
    }

    fn pop(&mut self) -> Option<Rc<T>> {
        let entry = self.values.pop_front()?;
        self.first += 1;
        Some(entry.value)
    }
}

impl<T> Shared<T> {
    /// A channel with one sender and one receiver.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            ring: RefCell::new(Ring { values: VecDeque::new(), first: 0, capacity }),
            end: Cell::new(0),
            ends: Ends::new(),
            waiting: ReleaseList::new(),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.ring.borrow().capacity
    }

    /// How many values are kept.
    pub(super) fn len(&self) -> usize {
        self.ring.borrow().values.len()
    }

    /// How many values there are from the one numbered `next`, missed ones included.
    #[inline]
    pub(super) fn len_from(&self, next: u64) -> u64 {
        self.end.get() - next
    }

    /// Keeps a value for all receivers there are, and wakes those who wait.
    pub(super) fn send(&self, value: T) -> Result<usize, T> {
        let left = self.ends.receivers();
        if left == 0 {
            return Err(value);
        }
        let value = Rc::new(value);
        let mut ring = self.ring.borrow_mut();
        // Dropped at the end: that is foreign code.
        let _oldest = if ring.values.len() == ring.capacity { ring.pop() } else { None };
        ring.values.push_back(Entry { value, left });
        self.end.set(self.end.get() + 1);
        drop(ring);
        self.waiting.release();
        Ok(left)
    }

    /// Takes the value numbered `next`, and counts on.
    #[inline]
    pub(super) fn try_recv(&self, next: &mut u64) -> Result<Rc<T>, TryRecvError> {
        if self.len_from(*next) == 0 {
            let is_over = self.ends.senders() == 0;
            return Err(if is_over { TryRecvError::Closed } else { TryRecvError::Empty });
        }
        let received = self.ring.borrow_mut().receive(*next);
        match received {
            Some(value) => {
                *next += 1;
                Ok(value)
            }
            None => Err(TryRecvError::Lagged(self.catch_up(next))),
        }
    }

    /// Makes the oldest value that is left the next; gives how many were missed.
    #[cold]
    fn catch_up(&self, next: &mut u64) -> u64 {
        let first = self.ring.borrow().first;
        first - mem::replace(next, first)
    }

    /// Waits for the value numbered `next`.
    #[inline]
    pub(super) fn poll_recv(
        &self,
        ticket: &mut Option<Ticket>,
        next: &mut u64,
        cx: &Context<'_>,
    ) -> Poll<Result<Rc<T>, RecvError>> {
        loop {
            if ticket.is_some() {
                // It is in the list since it found nothing, and all are served when there is something.
                ready!(self.waiting.poll(ticket, cx));
            }
            match self.try_recv(next) {
                Ok(value) => return Poll::Ready(Ok(value)),
                Err(TryRecvError::Closed) => return Poll::Ready(Err(RecvError::Closed)),
                Err(TryRecvError::Lagged(missed)) => {
                    return Poll::Ready(Err(RecvError::Lagged(missed)));
                }
                Err(TryRecvError::Empty) => (),
            }
            let is_there = || self.ends.senders() == 0 || self.len_from(*next) > 0;
            ready!(self.waiting.join(ticket, cx, is_there));
        }
    }

    /// A receiver is dropped. Its waker, if it waited, is to be dropped last: that is foreign code.
    pub(super) fn leave(&self, ticket: &mut Option<Ticket>) -> Option<WakeRef> {
        ticket.is_some().then(|| self.waiting.remove(ticket))?
    }

    /// Adds a receiver of what is sent from now on; gives the number of its first value.
    pub(super) fn add_receiver(&self) -> u64 {
        self.ends.add_receiver();
        self.end.get()
    }

    /// Removes a receiver, and the values that were kept for it alone.
    pub(super) fn remove_receiver(&self, next: u64) {
        // Dropped last: that is foreign code.
        let _unreceived = self.skip_from(next);
        self.ends.remove_receiver();
    }

    fn skip_from(&self, next: u64) -> Vec<Rc<T>> {
        let mut ring = self.ring.borrow_mut();
        let ring = &mut *ring;
        let from = next.saturating_sub(ring.first) as usize;
        for entry in ring.values.range_mut(from..) {
            entry.left -= 1;
        }
        let mut unreceived = Vec::new();
        while ring.values.front().is_some_and(|entry| entry.left == 0) {
            unreceived.extend(ring.pop());
        }
        unreceived
    }

    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }

    pub(super) fn remove_sender(&self) {
        if self.ends.remove_sender() {
            self.waiting.release();
        }
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("senders", &self.ends.senders())
            .field("receivers", &self.ends.receivers())
            .finish()
    }
}
