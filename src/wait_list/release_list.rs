//! The list of those who wait for one thing, and are released all at once.
//!
//! What the [list of waiters](super) promises holds here too. Nothing is handed out but the news, so there is
//! nothing to be stored when it is: each waiter has a *ticket*, a number, and who releases notes the last that
//! there is. A released waiter compares two numbers, and a drop of it passes nothing on.
//!
//! Waiters stand in order of their tickets. Who gives up leaves a gap, since others behind are not to move each
//! time; the gaps are closed when they are more than those who wait.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::num::NonZeroU64;
use std::task::{Context, Poll, Waker};

use super::{Foreign, Wakes};
use crate::executor::task::discard;
use crate::executor::wake::{Slot, WakeRef};
use crate::memory::KEPT;

#[derive(Default)]
pub(crate) struct ReleaseList {
    /// Made for the first waiter.
    room: OnceCell<Box<Room>>,
}

#[derive(Default)]
struct Room {
    /// Tickets up to this one were released.
    released: Cell<u64>,
    queue: RefCell<Queue>,
}

/// Where a waiter stands: its number. Not `Copy`, so that who left the list cannot leave it again.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Ticket(NonZeroU64);

impl ReleaseList {
    /// A list without a waiter. Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { room: OnceCell::new() }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.room.get().map_or(0, |room| room.queue.borrow().len())
    }

    /// The whole wait of a future whose place is `ticket`: polls it if it is in the list; else is through if what it
    /// would wait for `is_over`, or joins the list.
    #[inline]
    pub(crate) fn wait(
        &self,
        ticket: &mut Option<Ticket>,
        cx: &Context<'_>,
        is_over: impl Fn() -> bool,
    ) -> Poll<()> {
        if ticket.is_some() {
            return self.poll(ticket, cx);
        }
        if is_over() { Poll::Ready(()) } else { self.join(ticket, cx, is_over) }
    }

    /// The whole wait as a future of its own, for who need not be fast.
    pub(crate) async fn until(&self, is_over: impl Fn() -> bool) {
        let mut place = Place { list: self, ticket: None };
        poll_fn(|cx| self.wait(&mut place.ticket, cx, &is_over)).await;
    }

    /// The second half of a first [`wait`](Self::wait), for who just looked and has to wait. It is looked again
    /// if foreign code ran since.
    #[inline]
    pub(crate) fn join(
        &self,
        ticket: &mut Option<Ticket>,
        cx: &Context<'_>,
        is_over: impl Fn() -> bool,
    ) -> Poll<()> {
        match Slot::of(cx.waker()) {
            Some(slot) => {
                *ticket = Some(self.push_own(slot));
                Poll::Pending
            }
            None => self.join_foreign(ticket, cx, is_over),
        }
    }

    #[cold]
    fn join_foreign(
        &self,
        ticket: &mut Option<Ticket>,
        cx: &Context<'_>,
        is_over: impl Fn() -> bool,
    ) -> Poll<()> {
        let waker = WakeRef::new(cx.waker());
        // Cloning ran foreign code.
        if is_over() {
            discard(waker);
            return Poll::Ready(());
        }
        *ticket = Some(self.push(waker));
        Poll::Pending
    }

    /// Apart, for our own wakers alone: nothing has to be kept for a drop.
    #[inline(never)]
    fn push_own(&self, slot: &'static Slot) -> Ticket {
        self.push(WakeRef::Slot(slot))
    }

    #[inline(always)]
    fn push(&self, waker: WakeRef) -> Ticket {
        self.room.get_or_init(Box::default).queue.borrow_mut().push(waker)
    }

    /// Polls a waiter that is in the list. If it was released, it leaves the list, and `ticket` is `None`; else
    /// it will be woken through `cx`.
    ///
    /// # Panics
    ///
    /// If `ticket` is `None`.
    #[inline]
    pub(crate) fn poll(&self, ticket: &mut Option<Ticket>, cx: &Context<'_>) -> Poll<()> {
        let room = self.room();
        if room.is_released(ticket) {
            *ticket = None;
            return Poll::Ready(());
        }
        room.poll_waiting(ticket, cx)
    }

    /// Releases and wakes all who wait now, in order; who joins the list meanwhile is not released.
    ///
    /// # Panics
    ///
    /// If a foreign waker does, after all were released and woken.
    pub(crate) fn release(&self) {
        let mut wakes = Wakes::new();
        self.release_with(&mut wakes);
        wakes.finish();
    }

    /// As [`release`](Self::release), for who has others to wake as well: panics are kept in `wakes`.
    pub(crate) fn release_with(&self, wakes: &mut Wakes) {
        let mut foreign = Foreign::default();
        self.release_into(&mut foreign);
        foreign.wake(wakes);
    }

    /// As [`release`](Self::release), for who has to bring its own state in order before it wakes those whose
    /// wakers are `foreign`.
    pub(crate) fn release_into(&self, foreign: &mut Foreign) {
        if let Some(room) = self.room.get() {
            room.release(foreign);
        }
    }

    /// Takes a waiter out that gives up. Its waker is to be dropped last: that is foreign code.
    #[cold]
    pub(crate) fn remove(&self, ticket: &mut Option<Ticket>) -> Option<WakeRef> {
        let ticket = ticket.take()?;
        self.room().queue.borrow_mut().remove(&ticket)
    }

    #[inline]
    fn room(&self) -> &Room {
        self.room.get().expect("there is a room where there are tickets")
    }
}

/// Is left when the future that waits is dropped.
struct Place<'a> {
    list: &'a ReleaseList,
    ticket: Option<Ticket>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            drop(self.list.remove(&mut self.ticket));
        }
    }
}

impl Room {
    #[inline]
    fn is_released(&self, ticket: &Option<Ticket>) -> bool {
        ticket.as_ref().expect("the waiter is in the list").0.get() <= self.released.get()
    }

    /// The waiter was not released.
    #[inline(never)]
    fn poll_waiting(&self, ticket: &mut Option<Ticket>, cx: &Context<'_>) -> Poll<()> {
        let own = ticket.as_ref().expect("the waiter is in the list");
        if self.queue.borrow().will_wake(own, cx.waker()) {
            return Poll::Pending;
        }
        let waker = WakeRef::new(cx.waker());
        let old = self.queue.borrow_mut().set_waker(own, waker);
        drop(old);
        // Cloning and dropping were foreign code, which may have released this waiter.
        if !self.is_released(ticket) {
            return Poll::Pending;
        }
        *ticket = None;
        Poll::Ready(())
    }

    fn release(&self, foreign: &mut Foreign) {
        let mut queue = self.queue.borrow_mut();
        self.released.set(queue.last);
        let waiters = queue.waiters.drain(..);
        waiters.filter_map(|waiter| waiter.waker).for_each(|waker| foreign.wake_or_keep(waker));
        queue.gaps = 0;
        queue.shrink_if_empty();
    }
}

/// Runs no foreign code: whatever is taken out is returned.
#[derive(Default)]
struct Queue {
    waiters: Vec<Waiter>,
    /// How many of them are gone.
    gaps: usize,
    /// The last ticket.
    last: u64,
}

struct Waiter {
    ticket: NonZeroU64,
    /// `None`: it is gone.
    waker: Option<WakeRef>,
}

impl Queue {
    fn len(&self) -> usize {
        self.waiters.len() - self.gaps
    }

    #[inline(always)]
    fn push(&mut self, waker: WakeRef) -> Ticket {
        if self.waiters.len() == self.waiters.capacity() {
            self.grow();
        }
        let ticket = NonZeroU64::MIN.saturating_add(self.last);
        self.last = ticket.get();
        self.waiters.push(Waiter { ticket, waker: Some(waker) });
        Ticket(ticket)
    }

    #[cold]
    fn grow(&mut self) {
        // One at first: most lists never hold two.
        self.waiters.reserve_exact(self.waiters.len().max(1));
    }

    /// Its waker, unless it was released.
    fn waker_mut(&mut self, ticket: &Ticket) -> Option<&mut Option<WakeRef>> {
        let index = self.find(ticket)?;
        Some(&mut self.waiters[index].waker)
    }

    fn find(&self, ticket: &Ticket) -> Option<usize> {
        self.waiters.binary_search_by_key(&ticket.0, |waiter| waiter.ticket).ok()
    }

    fn will_wake(&self, ticket: &Ticket, waker: &Waker) -> bool {
        let own = self.find(ticket).and_then(|index| self.waiters[index].waker.as_ref());
        own.is_some_and(|own| own.will_wake(waker))
    }

    /// Gives back the waker that is not needed: the old one, or `new` if the waiter was released.
    fn set_waker(&mut self, ticket: &Ticket, new: WakeRef) -> Option<WakeRef> {
        match self.waker_mut(ticket) {
            Some(waker) => waker.replace(new),
            None => Some(new),
        }
    }

    fn remove(&mut self, ticket: &Ticket) -> Option<WakeRef> {
        let waker = self.waker_mut(ticket)?.take();
        self.gaps += 1;
        if self.gaps > self.waiters.len() / 2 {
            self.waiters.retain(|waiter| waiter.waker.is_some());
            self.gaps = 0;
            self.shrink_if_empty();
        }
        waker
    }

    /// Gives back the memory of a burst.
    fn shrink_if_empty(&mut self) {
        if self.waiters.is_empty() && self.waiters.capacity() > KEPT {
            self.waiters.shrink_to(KEPT);
        }
    }
}

impl fmt::Debug for ReleaseList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReleaseList").field("waiting", &self.len()).finish()
    }
}

/// An idle list is a pointer.
const _: () = assert!(size_of::<ReleaseList>() == size_of::<usize>());

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use super::super::tests::{counter, on_clone, reentrant};
    use super::*;

    fn joined(list: &ReleaseList, waker: &Waker) -> Option<Ticket> {
        let mut ticket = None;
        assert!(list.wait(&mut ticket, &Context::from_waker(waker), || false).is_pending());
        ticket
    }

    #[test]
    fn gaps_are_closed_and_nobody_is_lost() {
        let list = ReleaseList::new();
        let (counter, waker) = counter();
        let mut staying: Vec<_> = (0..10).map(|_| joined(&list, &waker)).collect();
        for round in 0..1000 {
            // One of those behind, and then one of those in front, leaves and comes back.
            let index = round * 7 % 10;
            drop(list.remove(&mut staying[index]));
            staying[index] = joined(&list, &waker);
            assert_eq!(list.len(), 10);
            assert!(list.room().queue.borrow().waiters.len() <= 21);
        }
        let cx = Context::from_waker(&waker);
        assert!(staying.iter_mut().all(|ticket| list.poll(ticket, &cx).is_pending()));
        list.release();
        assert_eq!((counter.get(), list.len()), (10, 0));
        assert!(staying.iter_mut().all(|ticket| list.poll(ticket, &cx).is_ready()));
        assert_eq!(Arc::strong_count(&counter), 2, "no waker is kept");
    }

    #[test]
    fn who_leaves_in_any_order_leaves_nothing_behind() {
        let list = ReleaseList::new();
        let mut tickets: Vec<_> = (0..10 * KEPT).map(|_| joined(&list, Waker::noop())).collect();
        let (front, back) = tickets.split_at_mut(5 * KEPT);
        front.iter_mut().chain(back.iter_mut().rev()).for_each(|one| drop(list.remove(one)));
        let queue = list.room().queue.borrow();
        assert_eq!((queue.waiters.len(), queue.gaps), (0, 0));
        assert!(queue.waiters.capacity() <= 2 * KEPT, "{}", queue.waiters.capacity());
    }

    #[test]
    fn a_burst_that_is_released_gives_its_memory_back() {
        let list = ReleaseList::new();
        let tickets: Vec<_> = (0..10 * KEPT).map(|_| joined(&list, Waker::noop())).collect();
        list.release();
        drop(tickets);
        assert!(list.room().queue.borrow().waiters.capacity() <= 2 * KEPT);
    }

    #[test]
    fn a_clone_that_releases_the_waiter_is_seen_at_once() {
        let list = Rc::new(ReleaseList::new());
        let mut ticket = joined(&list, Waker::noop());
        let also = Rc::clone(&list);
        on_clone(move || also.release());
        assert!(list.poll(&mut ticket, &Context::from_waker(&reentrant())).is_ready());
        assert!(ticket.is_none());
    }

    #[test]
    fn a_clone_that_ends_the_wait_is_no_lost_wake() {
        let (list, is_over) = (ReleaseList::new(), Rc::new(Cell::new(false)));
        let end = Rc::clone(&is_over);
        on_clone(move || end.set(true));
        let mut ticket = None;
        let waker = reentrant();
        let polled = list.wait(&mut ticket, &Context::from_waker(&waker), || is_over.get());
        assert!(polled.is_ready());
        assert!(ticket.is_none() && list.len() == 0);
    }
}
