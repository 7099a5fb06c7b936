//! The list of those who wait: one for every primitive of this module.
//!
//! # The contract
//!
//! A *waiter* is a future that returned `Pending`. From then on it is in the list, until it took what it was
//! handed or was dropped. The list is first in, first out.
//!
//! ```text
//!                    push                    serve                    poll
//!   not in the list ──────► Waiting(request) ──────► Served(grant) ──────► not in the list, has the grant
//!                              │                        │
//!                              │ remove                 │ remove
//!                              ▼                        ▼
//!                      the request comes back    the grant comes back: its primitive
//!                                                passes it to the next waiter
//! ```
//!
//! *Serving hands over the thing itself*, the grant: the lock, the permits, the item, the place. It belongs
//! to the waiter from then on, before the waiter runs, and nobody else can have it meanwhile. So there is
//! nothing to compete for when it runs, no newcomer gets ahead, and no second wake is needed.
//!
//! *A served waiter that is dropped before it ran* gives the grant back to its primitive (by [`remove`]),
//! which serves the next with it, as if it had been released just now. A waiter that is dropped unserved may
//! have been in the way of others (a request for many permits at the front): the primitive looks whether it
//! can serve now.
//!
//! # Foreign code
//!
//! Wakers, but our own, are foreign code: their clone, wake and drop may call back into the primitive, or
//! panic. So
//!
//! * nothing of theirs runs while the list is borrowed. [`serve`] *returns* the waker; whoever calls it first
//!   brings the primitive's own state in order, then wakes ([`wake`], or [`Wakes`] for several);
//! * who can serve several serves them all, and only then wakes ([`serve_while`], [`serve_all`]): what calls
//!   back finds nothing half done;
//! * a waker's panic is kept until all others are woken, and then goes on to whoever caused the wake. (If
//!   that one is panicking already, the second panic is dropped.)
//! * cloning a waker may change what the primitive has to give: [`wait`] looks once more after it.
//!
//! Requests and grants may hold values of users. They are dropped with no borrow held, but for the drop of
//! the whole list.
//!
//! # How it is stored
//!
//! A slab of entries, linked both ways by index, so that pushing, serving and removing are O(1); see
//! [`Slab`]. It is made for the first waiter: until then a list is one null pointer. It is as large as the most
//! who waited at a time, and then waiting allocates nothing; once all are gone, it keeps room for 1024 and gives
//! the rest back. A waker of our own is kept as its slot, and waking it costs a few instructions and no indirect call ([`WakeRef`]).
//!
//! An intrusive list (entries inside of the pinned futures, as in tokio and event-listener) would need no
//! slab. It needs `unsafe` in every primitive, and futures of 56 bytes and more where these have 16 to 32,
//! with 32 in the slab.
//!
//! A [`Key`] is neither `Copy` nor `Clone`, and only its owner can vacate its entry: so an index is never
//! stale, and a generation beside it would tell nothing.
//!
//! [`remove`]: WaitList::remove
//! [`serve`]: WaitList::serve
//! [`serve_all`]: WaitList::serve_all
//! [`serve_while`]: WaitList::serve_while
//! [`wait`]: WaitList::wait

mod lone_waiter;
mod release_list;
mod slab;
#[cfg(test)]
mod tests;
mod wakes;

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::task::{Context, Poll};

use crate::executor::task::discard;
use crate::executor::wake::{Slot, WakeRef};
use slab::{Slab, State};

pub(crate) use lone_waiter::LoneWaiter;
pub(crate) use release_list::{ReleaseList, Ticket};
pub(crate) use slab::Key;
pub(crate) use wakes::{Foreign, Wakes, wake};

/// Waiters with their requests `R`, and what they were handed, `G`, until they take it.
pub(crate) struct WaitList<R = (), G = ()> {
    /// Made for the first waiter.
    room: OnceCell<Box<Room<R, G>>>,
}

struct Room<R, G> {
    /// How many wait.
    waiting: Cell<usize>,
    /// How many were served and did not take their grants.
    served: Cell<usize>,
    slab: RefCell<Slab<R, G>>,
}

/// What a waiter that gave up leaves behind.
#[must_use = "a grant must be passed on"]
pub(crate) enum Removed<R, G> {
    /// It was not served. The waker is to be dropped last: that is foreign code.
    Waiting(R, #[allow(dead_code)] WakeRef),
    /// It was served with this, and never ran.
    Served(G),
}

impl<R, G> WaitList<R, G> {
    /// A list without a waiter. Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { room: OnceCell::new() }
    }

    /// How many wait; those who were served are not counted.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.room.get().map_or(0, |room| room.waiting.get())
    }

    /// Whether nobody waits. There may be some who were served.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nobody is in the list, neither waiting nor served: what this list hands out is nobody's.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.room.get().is_none_or(|room| room.waiting.get() + room.served.get() == 0)
    }

    /// The whole wait of a future whose place is `key`: polls it if it is in the list, and `accept`s what it
    /// was handed; else takes what it wants without waiting, or joins the list.
    ///
    /// `take` must succeed only for one who overtakes nobody, and may be asked twice. What it gives is taken
    /// then and there: foreign code may run before the caller has it.
    #[inline]
    pub(crate) fn wait<T>(
        &self,
        key: &mut Option<Key>,
        cx: &Context<'_>,
        request: R,
        mut take: impl FnMut() -> Option<T>,
        accept: impl FnOnce(G) -> T,
    ) -> Poll<T> {
        if key.is_some() {
            return self.poll(key, cx).map(accept);
        }
        match take() {
            Some(taken) => Poll::Ready(taken),
            None => self.join(key, cx, request, take),
        }
    }

    /// The second half of a first [`wait`](Self::wait), for who just looked and found nothing. `take` is
    /// asked again if foreign code ran since.
    #[inline]
    pub(crate) fn join<T>(
        &self,
        key: &mut Option<Key>,
        cx: &Context<'_>,
        request: R,
        take: impl FnMut() -> Option<T>,
    ) -> Poll<T> {
        match Slot::of(cx.waker()) {
            Some(slot) => {
                *key = Some(self.push_own(request, slot));
                Poll::Pending
            }
            None => self.join_foreign(key, cx, request, take),
        }
    }

    /// Apart, so that the free path is a few instructions; and for our own wakers alone, so that nothing has
    /// to be kept for a drop.
    #[inline(never)]
    fn push_own(&self, request: R, slot: &'static Slot) -> Key {
        self.push(request, WakeRef::Slot(slot))
    }

    #[cold]
    fn join_foreign<T>(
        &self,
        key: &mut Option<Key>,
        cx: &Context<'_>,
        request: R,
        mut take: impl FnMut() -> Option<T>,
    ) -> Poll<T> {
        let waker = WakeRef::new(cx.waker());
        // Cloning ran foreign code, which may have freed what was taken just now.
        if let Some(taken) = take() {
            // A panic must not take away what was taken.
            discard(waker);
            return Poll::Ready(taken);
        }
        *key = Some(self.push(request, waker));
        Poll::Pending
    }

    /// Adds a waiter, behind all others. Between the look that found nothing to take and this call, no
    /// foreign code may run: see [`wait`](Self::wait).
    #[inline(always)]
    pub(crate) fn push(&self, request: R, waker: WakeRef) -> Key {
        let room = self.room.get_or_init(Box::default);
        let key = room.slab.borrow_mut().push(request, waker);
        room.waiting.set(room.waiting.get() + 1);
        key
    }

    /// Polls a waiter that is in the list. If it was served, it leaves the list with its grant, and `key` is
    /// `None`; else it will be woken through `cx`.
    ///
    /// # Panics
    ///
    /// If `key` is `None`.
    #[inline(never)]
    pub(crate) fn poll(&self, key: &mut Option<Key>, cx: &Context<'_>) -> Poll<G> {
        let room = self.room(key);
        if let Some(grant) = room.take_grant(key) {
            return Poll::Ready(grant);
        }
        if room.slab.borrow().will_wake(key.as_ref().expect(IN_LIST), cx.waker()) {
            return Poll::Pending;
        }
        room.change_waker(key, cx)
    }

    /// What a waiter that is in the list was handed, if it was: then it leaves the list.
    pub(crate) fn take_grant(&self, key: &mut Option<Key>) -> Option<G> {
        self.room(key).take_grant(key)
    }

    /// Serves who waits longest with what `decide` gives for its request; `None` leaves it waiting. The waker
    /// that comes back is to be woken once the primitive's own state is in order.
    ///
    /// `decide` is ours: it must not run foreign code, and takes out of the request whatever does so in its
    /// drop.
    #[inline]
    #[must_use = "who was served must be woken"]
    pub(crate) fn serve(&self, decide: impl FnOnce(&mut R) -> Option<G>) -> Option<WakeRef> {
        let room = self.room.get()?;
        let mut slab = room.slab.borrow_mut();
        let grant = decide(slab.front_mut()?)?;
        let (request, waker) = slab.serve_front(grant);
        drop(slab);
        room.waiting.set(room.waiting.get() - 1);
        room.served.set(room.served.get() + 1);
        drop(request);
        Some(waker)
    }

    /// Serves and wakes all who wait now, in order; who joins the list meanwhile is not served.
    ///
    /// `decide` is ours, as in [`serve`](Self::serve).
    ///
    /// # Panics
    ///
    /// If a foreign waker does, after all were served and woken.
    pub(crate) fn serve_all(&self, decide: impl FnMut(R) -> G) {
        let mut wakes = Wakes::new();
        self.serve_all_with(&mut wakes, decide);
        wakes.finish();
    }

    /// As [`serve_all`](Self::serve_all), for who has others to wake as well: panics are kept in `wakes`.
    pub(crate) fn serve_all_with(&self, wakes: &mut Wakes, decide: impl FnMut(R) -> G) {
        let foreign = self.serve_several(|slab, foreign| {
            slab.serve_all(decide, |waker| foreign.wake_or_keep(waker))
        });
        foreign.wake(wakes);
    }

    /// Serves and wakes those who wait, in order, until `decide` gives `None` for one. All of them are served
    /// before the first foreign waker is woken.
    ///
    /// `decide` is ours, as in [`serve`](Self::serve).
    ///
    /// # Panics
    ///
    /// As [`serve_all`](Self::serve_all).
    pub(crate) fn serve_while(&self, decide: impl FnMut(&mut R) -> Option<G>) {
        let mut wakes = Wakes::new();
        self.serve_while_with(&mut wakes, decide);
        wakes.finish();
    }

    /// As [`serve_while`](Self::serve_while), for who has others to wake as well: panics are kept in `wakes`.
    pub(crate) fn serve_while_with(
        &self,
        wakes: &mut Wakes,
        decide: impl FnMut(&mut R) -> Option<G>,
    ) {
        self.serve_while_quietly(decide).wake(wakes);
    }

    /// As [`serve_while`](Self::serve_while), for who has to bring its own state in order before it wakes
    /// those whose wakers are foreign.
    pub(crate) fn serve_while_quietly(
        &self,
        mut decide: impl FnMut(&mut R) -> Option<G>,
    ) -> Foreign {
        self.serve_several(|slab, foreign| {
            let mut served = 0;
            while let Some(grant) = slab.front_mut().and_then(&mut decide) {
                // Nothing of a request is left that would run foreign code in its drop.
                foreign.wake_or_keep(slab.serve_front(grant).1);
                served += 1;
            }
            served
        })
    }

    /// Serves with `serve`, which says how many they were. Gives those whose wakers are foreign.
    #[inline]
    fn serve_several(&self, serve: impl FnOnce(&mut Slab<R, G>, &mut Foreign) -> usize) -> Foreign {
        let mut foreign = Foreign::default();
        if let Some(room) = self.room.get() {
            let served = serve(&mut room.slab.borrow_mut(), &mut foreign);
            room.waiting.set(room.waiting.get() - served);
            room.served.set(room.served.get() + served);
        }
        foreign
    }

    /// Takes a waiter out that gives up: its future is dropped, or wants no more. `key` is `None` afterwards.
    ///
    /// # Panics
    ///
    /// If `key` is `None`.
    #[cold]
    pub(crate) fn remove(&self, key: &mut Option<Key>) -> Removed<R, G> {
        let room = self.room(key);
        let state = room.slab.borrow_mut().remove(key.take().expect(IN_LIST));
        match state {
            State::Waiting { request, waker } => {
                room.waiting.set(room.waiting.get() - 1);
                room.shrink_if_idle(&mut room.slab.borrow_mut());
                Removed::Waiting(request, waker)
            }
            State::Served(grant) => {
                room.served.set(room.served.get() - 1);
                room.shrink_if_idle(&mut room.slab.borrow_mut());
                Removed::Served(grant)
            }
            State::Vacant => unreachable!("a key's entry is not vacant"),
        }
    }

    #[inline]
    fn room(&self, key: &Option<Key>) -> &Room<R, G> {
        debug_assert!(key.is_some(), "{IN_LIST}");
        self.room.get().expect("there is a slab where there are keys")
    }
}

const IN_LIST: &str = "the waiter is in the list";

impl<R, G> Room<R, G> {
    /// What the waiter was handed, if it was: then it leaves the list.
    #[inline]
    fn take_grant(&self, key: &mut Option<Key>) -> Option<G> {
        let mut slab = self.slab.borrow_mut();
        if !slab.is_served(key.as_ref()?) {
            return None;
        }
        let State::Served(grant) = slab.remove(key.take()?) else { unreachable!("it was served") };
        self.served.set(self.served.get() - 1);
        if slab.is_large() {
            self.shrink_if_idle(&mut slab);
        }
        Some(grant)
    }

    /// Somebody left the list, and may have been the last of a burst.
    #[cold]
    fn shrink_if_idle(&self, slab: &mut Slab<R, G>) {
        if slab.is_large() && self.waiting.get() + self.served.get() == 0 {
            slab.shrink();
        }
    }

    /// The waiter is polled with another waker than before.
    #[cold]
    fn change_waker(&self, key: &mut Option<Key>, cx: &Context<'_>) -> Poll<G> {
        let waker = WakeRef::new(cx.waker());
        let old = self.slab.borrow_mut().set_waker(key.as_ref().expect(IN_LIST), waker);
        drop(old);
        // Cloning and dropping were foreign code, which may have served this waiter.
        self.take_grant(key).map_or(Poll::Pending, Poll::Ready)
    }
}

impl<R, G> Default for Room<R, G> {
    fn default() -> Self {
        Self { waiting: Cell::new(0), served: Cell::new(0), slab: RefCell::default() }
    }
}

impl<R, G> Default for WaitList<R, G> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R, G> fmt::Debug for WaitList<R, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let served = self.room.get().map_or(0, |room| room.served.get());
        f.debug_struct("WaitList").field("waiting", &self.len()).field("served", &served).finish()
    }
}

/// An idle list is a pointer.
const _: () = assert!(size_of::<WaitList<usize, usize>>() == size_of::<usize>());
