//! What all queues do, whatever their order.
//!
//! A *claim* is the right to one item: who waits for an item is handed a claim. The item itself stays in the
//! store until the claimant runs, so that a claim that is dropped needs to put nothing back, and a priority
//! queue gives what is lowest then.

use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::task::{Context, Poll, ready};

use super::store::Store;
use super::unfinished::Unfinished;
use super::{PutError, TryGetError};
use crate::executor::task::discard;
use crate::sync::budget::Budget;
use crate::sync::places::{Closed, Places, Refused};
use crate::sync::waiting::Waiting;
use crate::wait_list::{Key, Removed, WaitList, Wakes};

/// The items, who waits for one, and who waits for a place.
///
/// Items are never dropped while the store is borrowed. They may be compared: their order must not use the
/// queue.
pub(super) struct Core<S: Store> {
    store: RefCell<S>,
    /// So many of the items belong to claimants. Nobody waits for an item while there are more.
    claimed: Cell<usize>,
    getting: WaitList<(), Result<(), Closed>>,
    places: Places,
    unfinished: Unfinished,
    budget: Budget,
}

impl<S: Store> Core<S> {
    /// A capacity of `usize::MAX` is none.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            store: RefCell::default(),
            claimed: Cell::new(0),
            getting: WaitList::new(),
            places: Places::new(capacity),
            unfinished: Unfinished::new(),
            budget: Budget::new(),
        }
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    pub(super) fn unfinished(&self) -> &Unfinished {
        &self.unfinished
    }

    #[inline]
    fn store(&self) -> RefMut<'_, S> {
        self.store.try_borrow_mut().expect("the order of a queue's items does not use the queue")
    }

    /// How many items there are, the claimed ones included: each has a place.
    #[inline]
    fn held(&self) -> usize {
        self.store().len()
    }

    /// How many items there are for who comes now.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.held() - self.claimed.get()
    }

    pub(super) fn is_full(&self) -> bool {
        self.places.free(self.held()) == 0
    }

    /// Puts an item without waiting.
    #[inline]
    pub(super) fn try_put(&self, item: S::Item) -> Result<(), S::Item> {
        let store = self.store();
        if !self.places.has_room(store.len()) {
            return Err(item);
        }
        self.unfinished.add(1);
        // The item is in even if its order panics.
        let _at_last = Finally(|| self.hand_out());
        let mut store = store;
        store.push(item);
        Ok(())
    }

    /// Puts an item into a place that was reserved for it.
    pub(super) fn put_reserved(&self, item: S::Item) {
        self.places.unreserve(1);
        self.unfinished.add(1);
        // The item is in even if its order panics.
        let _at_last = Finally(|| {
            let mut wakes = Wakes::new();
            self.hand_out_with(&mut wakes);
            // It may have been the last that could come.
            self.refuse_if_over(&mut wakes);
            wakes.finish();
        });
        self.store().push(item);
    }

    /// Waits for a place and puts the item.
    #[inline]
    pub(super) async fn put(&self, item: S::Item) -> Result<(), PutError<S::Item>> {
        let Err(item) = self.try_put(item) else { return Ok(()) };
        match self.reserve().await {
            Ok(reserved) => {
                reserved.put(item);
                Ok(())
            }
            Err(Closed) => Err(PutError(item)),
        }
    }

    /// Reserves a place without waiting.
    pub(super) fn try_reserve(&self) -> Result<Reserved<'_, S>, Refused> {
        self.places.try_reserve(1, self.held())?;
        Ok(Reserved { core: self })
    }

    /// Waits for a place.
    pub(super) async fn reserve(&self) -> Result<Reserved<'_, S>, Closed> {
        let mut waiting = Waiting::new(|key| {
            let (reserved, _waker) = self.places.leave(key, 1);
            self.give_back(reserved);
        });
        poll_fn(|cx| {
            let take = || match self.try_reserve() {
                Ok(reserved) => Some(Ok(reserved)),
                Err(Refused::Closed) => Some(Err(Closed)),
                Err(Refused::Full) => None,
            };
            let accept = |grant: Result<(), Closed>| grant.map(|()| Reserved { core: self });
            self.places.poll_reserve(waiting.key(), 1, cx, take, accept)
        })
        .await
    }

    /// Gives reserved places back that no item came to.
    pub(super) fn give_back(&self, count: usize) {
        self.places.unreserve(count);
        let mut wakes = Wakes::new();
        self.refuse_if_over(&mut wakes);
        self.places.serve_with(self.held(), &mut wakes);
        wakes.finish();
    }

    /// Hands claims to those who wait for items, as long as there are any.
    #[inline]
    fn hand_out(&self) {
        if !self.getting.is_empty() {
            self.hand_out_slowly();
        }
    }

    #[inline(never)]
    fn hand_out_slowly(&self) {
        let mut wakes = Wakes::new();
        self.hand_out_with(&mut wakes);
        wakes.finish();
    }

    fn hand_out_with(&self, wakes: &mut Wakes) {
        let mut left = self.len();
        self.getting.serve_while_with(wakes, |()| {
            left = left.checked_sub(1)?;
            self.claimed.set(self.claimed.get() + 1);
            Some(Ok(()))
        });
    }

    /// Whether no item will come any more, for one who finds none: neither into a reserved place, nor from a
    /// claimant that is dropped.
    fn is_over(&self) -> bool {
        self.places.is_closed() && self.places.reserved() == 0 && self.claimed.get() == 0
    }

    /// Gets an item without waiting.
    #[inline]
    pub(super) fn try_get(&self) -> Result<S::Item, TryGetError> {
        if self.len() > 0 && self.getting.is_empty() {
            return Ok(self.pop());
        }
        self.store().shrink();
        Err(if self.is_over() { TryGetError::Closed } else { TryGetError::Empty })
    }

    /// Waits for an item.
    #[inline]
    pub(super) async fn get(&self) -> Result<S::Item, Closed> {
        if !self.budget.spend() {
            poll_fn(|cx| self.budget.poll_ask(cx)).await;
        }
        match self.try_get() {
            Ok(item) => return Ok(item),
            Err(TryGetError::Closed) => return Err(Closed),
            Err(TryGetError::Empty) => (),
        }
        let mut waiting = Waiting::new(|key| self.leave(key));
        poll_fn(|cx| self.poll_get(waiting.key(), cx)).await
    }

    /// Polls for an item of a stream, as who stands at `key`.
    pub(super) fn poll_next(
        &self,
        key: &mut Option<Key>,
        cx: &Context<'_>,
    ) -> Poll<Result<S::Item, Closed>> {
        ready!(self.budget.poll_spend(cx));
        if key.is_none() {
            match self.try_get() {
                Ok(item) => return Poll::Ready(Ok(item)),
                Err(TryGetError::Closed) => return Poll::Ready(Err(Closed)),
                Err(TryGetError::Empty) => (),
            }
        }
        self.poll_get(key, cx)
    }

    /// Polls for an item, as who stands at `key`.
    fn poll_get(&self, key: &mut Option<Key>, cx: &Context<'_>) -> Poll<Result<S::Item, Closed>> {
        let claim = || {
            self.claimed.set(self.claimed.get() + 1);
            Claim { core: self }
        };
        let take = || {
            if self.len() > 0 && self.getting.is_empty() {
                return Some(Ok(claim()));
            }
            self.is_over().then_some(Err(Closed))
        };
        let accept = |grant: Result<(), Closed>| grant.map(|()| Claim { core: self });
        self.getting.wait(key, cx, (), take, accept).map(|claim| claim.map(Claim::redeem))
    }

    /// Who waited for an item at `key` is dropped.
    pub(super) fn leave(&self, key: &mut Option<Key>) {
        if let Removed::Served(Ok(())) = self.getting.remove(key) {
            drop(Claim { core: self });
        }
    }

    /// Takes an item out and hands its place on. If the waker of who gets that panics, the item goes back. If
    /// the order of the items panics, the heap has dropped the item, and its place is handed on all the same.
    fn pop(&self) -> S::Item {
        let if_it_panics = Finally(|| self.places.serve(self.held()));
        let taken = self.store().pop().expect("there is an item");
        mem::forget(if_it_panics);
        if !self.places.may_serve() {
            return S::item(taken);
        }
        let mut put_back = PutBack { core: self, taken: Some(taken) };
        self.places.serve(self.held());
        S::item(put_back.taken.take().expect("it is taken once"))
    }

    /// No item can be put any more but into places that are reserved.
    pub(super) fn close(&self) {
        let mut wakes = Wakes::new();
        self.close_with(&mut wakes);
        wakes.finish();
    }

    fn close_with(&self, wakes: &mut Wakes) {
        self.places.close(wakes);
        self.refuse_if_over(wakes);
    }

    fn refuse_if_over(&self, wakes: &mut Wakes) {
        if self.is_over() {
            self.getting.serve_all_with(wakes, |()| Err(Closed));
        }
    }

    /// A claim was redeemed, which may be what others still waited for. A panic of their wakers goes no further:
    /// it would take the item with it, and those others know already that there is none.
    fn claim_is_redeemed(&self) {
        if self.places.is_closed() {
            let mut wakes = Wakes::new();
            self.refuse_if_over(&mut wakes);
            discard(wakes);
        }
    }

    /// A claim was given up: the item is for the next, if anybody waits.
    fn claim_is_dropped(&self) {
        let mut wakes = Wakes::new();
        self.hand_out_with(&mut wakes);
        self.refuse_if_over(&mut wakes);
        wakes.finish();
    }

    /// Closes, and takes out all items that are not claimed. If a waker panics, they go back.
    pub(super) fn close_now(&self) -> Vec<S::Item> {
        let mut wakes = Wakes::new();
        // First, so that nothing is put by the wakers that run here.
        self.close_with(&mut wakes);
        let mut items = self.store().split_off(self.claimed.get());
        self.unfinished.finish(items.len(), &mut wakes);
        if wakes.has_panicked() {
            self.unfinished.add(items.len());
            self.store().put_back(mem::take(&mut items));
            self.hand_out_with(&mut wakes);
        }
        wakes.finish();
        items
    }
}

impl<S: Store> fmt::Debug for Core<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.store.try_borrow().map_or(0, |store| store.len());
        f.debug_struct("Core")
            .field("len", &held.saturating_sub(self.claimed.get()))
            .field("claimed", &self.claimed.get())
            .field("getting", &self.getting.len())
            .field("places", &self.places)
            .field("unfinished", &self.unfinished.count())
            .finish()
    }
}

/// Does something when it is dropped: in the end, or when something panics before.
struct Finally<F: Fn()>(F);

impl<F: Fn()> Drop for Finally<F> {
    #[inline]
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Owns a claim; dropped unredeemed, it goes to who waits longest.
struct Claim<'a, S: Store> {
    core: &'a Core<S>,
}

impl<S: Store> Claim<'_, S> {
    fn redeem(self) -> S::Item {
        let core = self.core;
        mem::forget(self);
        core.claimed.set(core.claimed.get() - 1);
        let _at_last = Finally(|| core.claim_is_redeemed());
        core.pop()
    }
}

impl<S: Store> Drop for Claim<'_, S> {
    fn drop(&mut self) {
        self.core.claimed.set(self.core.claimed.get() - 1);
        self.core.claim_is_dropped();
    }
}

/// Owns a reserved place.
pub(super) struct Reserved<'a, S: Store> {
    core: &'a Core<S>,
}

impl<'a, S: Store> Reserved<'a, S> {
    fn put(self, item: S::Item) {
        self.into_core().put_reserved(item);
    }

    /// Who is given the queue has to use the place, or to give it back.
    pub(super) fn into_core(self) -> &'a Core<S> {
        let core = self.core;
        mem::forget(self);
        core
    }
}

impl<S: Store> Drop for Reserved<'_, S> {
    fn drop(&mut self) {
        self.core.give_back(1);
    }
}

/// Holds an item that was taken, until it is sure that nothing panics.
struct PutBack<'a, S: Store> {
    core: &'a Core<S>,
    taken: Option<S::Taken>,
}

impl<S: Store> Drop for PutBack<'_, S> {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            // There may now be one more than the capacity, until the next is taken.
            self.core.store().restore(taken);
            self.core.hand_out();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Core;
    use crate::memory::KEPT;
    use crate::sync::queue::store::Lowest;

    #[test]
    fn who_finds_nothing_gives_the_memory_of_a_burst_back() {
        let core = Core::<Lowest<usize>>::new(usize::MAX);
        (0..10 * KEPT).for_each(|n| core.try_put(n).unwrap());
        (0..10 * KEPT).for_each(|n| assert_eq!(core.try_get(), Ok(n)));
        assert!(core.try_get().is_err());
        assert!((KEPT..2 * KEPT).contains(&core.store().capacity()));
    }
}
