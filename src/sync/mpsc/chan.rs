//! What the ends of a channel share.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::task::{Context, Poll, ready};

use super::{Permits, TryRecvError};
use crate::memory;
use crate::sync::budget::Budget;
use crate::sync::places::{Closed, Places, Refused};
use crate::wait_list::LoneWaiter;
use crate::wait_list::{Key, ReleaseList, Wakes};

/// The values, and who waits for what.
///
/// Values are never dropped while the queue is borrowed.
pub(super) struct Chan<T> {
    queue: RefCell<VecDeque<T>>,
    places: Places,
    receiver: LoneWaiter,
    receiver_is_gone: Cell<bool>,
    budget: Budget,
    senders: Cell<usize>,
    /// Those who wait until the channel is closed.
    closing: ReleaseList,
}

impl<T> Chan<T> {
    /// A channel with one sender. A capacity of `usize::MAX` is none.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            queue: RefCell::default(),
            places: Places::new(capacity),
            receiver: LoneWaiter::default(),
            receiver_is_gone: Cell::new(false),
            budget: Budget::new(),
            senders: Cell::new(1),
            closing: ReleaseList::new(),
        }
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.queue.borrow().len()
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.places.is_closed()
    }

    /// Puts a value in and wakes the receiver.
    #[inline(always)]
    pub(super) fn try_send(&self, value: T) -> Result<(), T> {
        let mut queue = self.queue.borrow_mut();
        if !self.places.has_room(queue.len()) {
            return Err(value);
        }
        queue.push_back(value);
        drop(queue);
        self.receiver.wake();
        Ok(())
    }

    /// Puts a value in the place that was reserved for it. If the receiver is gone, the value goes as well.
    pub(super) fn send_reserved(&self, value: T) {
        self.places.unreserve(1);
        if self.receiver_is_gone.get() {
            return;
        }
        self.queue.borrow_mut().push_back(value);
        self.receiver.wake();
    }

    /// Reserves places without waiting.
    pub(super) fn try_reserve(&self, count: usize) -> Result<Permits<'_, T>, Refused> {
        self.places.try_reserve(count, self.len())?;
        Ok(Permits::new(self, count))
    }

    /// Waits until places are reserved.
    pub(super) fn poll_reserve(
        &self,
        key: &mut Option<Key>,
        count: usize,
        cx: &Context<'_>,
    ) -> Poll<Result<Permits<'_, T>, Closed>> {
        let take = || match self.try_reserve(count) {
            Ok(permits) => Some(Ok(permits)),
            Err(Refused::Closed) => Some(Err(Closed)),
            Err(Refused::Full) => None,
        };
        let accept = |grant: Result<(), Closed>| grant.map(|()| Permits::new(self, count));
        self.places.poll_reserve(key, count, cx, take, accept)
    }

    /// A future that waited for places is dropped.
    pub(super) fn leave(&self, key: &mut Option<Key>, count: usize) {
        let (reserved, _waker) = self.places.leave(key, count);
        // Unserved, it may have been in the way of those behind it.
        self.give_back(reserved);
    }

    /// Gives reserved places back that no value came to.
    pub(super) fn give_back(&self, count: usize) {
        self.places.unreserve(count);
        self.places.serve(self.len());
        if self.is_closed() && self.places.reserved() == 0 {
            // That was what the receiver still waited for.
            self.receiver.wake();
        }
    }

    /// Takes the oldest value, and hands its place on.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<T> {
        let value = self.queue.borrow_mut().pop_front()?;
        Some(if self.places.may_serve() { self.pass_place_on(value) } else { value })
    }

    /// As [`pop`](Self::pop); or says why there is nothing.
    #[inline]
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.pop().ok_or_else(|| {
            memory::shrink(&mut self.queue.borrow_mut());
            self.why_empty()
        })
    }

    fn why_empty(&self) -> TryRecvError {
        let is_over = self.senders.get() == 0 || self.is_closed() && self.places.reserved() == 0;
        if is_over { TryRecvError::Closed } else { TryRecvError::Empty }
    }

    /// The place of `value` is free: hands it on. If the waker of who gets it panics, `value` goes back where
    /// it was.
    #[inline(never)]
    fn pass_place_on(&self, value: T) -> T {
        let mut put_back = PutBack { chan: self, value: Some(value) };
        self.places.serve(self.len());
        put_back.value.take().expect("it is taken once")
    }

    /// Waits for a value; `None` when there will be no more.
    #[inline(always)]
    pub(super) fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        if self.budget.spend() {
            if let Some(value) = self.pop() {
                return Poll::Ready(Some(value));
            }
        }
        self.poll_recv_slowly(cx)
    }

    /// Apart, and the last thing that is done, so that nothing has to be kept meanwhile.
    #[inline(never)]
    fn poll_recv_slowly(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        ready!(self.budget.poll_ask_if_due(cx));
        if let Some(value) = self.pop() {
            return Poll::Ready(Some(value));
        }
        if self.why_empty() == TryRecvError::Empty {
            self.receiver.register(cx);
        }
        // To register may have run foreign code.
        match self.try_recv() {
            Ok(value) => Poll::Ready(Some(value)),
            Err(TryRecvError::Closed) => Poll::Ready(None),
            Err(TryRecvError::Empty) => Poll::Pending,
        }
    }

    /// Waits for a value, and takes up to `limit` that are there; zero when there will be no more.
    pub(super) fn poll_recv_many(
        &self,
        cx: &Context<'_>,
        values: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        if limit == 0 {
            return Poll::Ready(0);
        }
        ready!(self.budget.poll_spend(cx));
        let mut count = self.take_many(values, limit);
        if count == 0 && self.why_empty() == TryRecvError::Empty {
            self.receiver.register(cx);
            count = self.take_many(values, limit);
        }
        if count == 0 && self.why_empty() == TryRecvError::Empty {
            return Poll::Pending;
        }
        Poll::Ready(count)
    }

    fn take_many(&self, values: &mut Vec<T>, limit: usize) -> usize {
        let mut queue = self.queue.borrow_mut();
        let count = queue.len().min(limit);
        values.extend(queue.drain(..count));
        drop(queue);
        if self.places.may_serve() {
            self.places.serve(self.len());
        }
        count
    }

    /// Nothing can be sent any more but to places that are reserved.
    pub(super) fn close(&self) {
        let mut wakes = Wakes::new();
        self.close_with(&mut wakes);
        // It may be polled by another task than the one that closes.
        if let Some(receiver) = self.receiver.take() {
            wakes.wake(receiver);
        }
        wakes.finish();
    }

    fn close_with(&self, wakes: &mut Wakes) {
        self.places.close(wakes);
        self.closing.release_with(wakes);
    }

    /// The receiver is dropped.
    pub(super) fn abandon(&self) {
        self.receiver_is_gone.set(true);
        // Dropped last: that is foreign code.
        let _waker = self.receiver.take();
        let _values = mem::take(&mut *self.queue.borrow_mut());
        let mut wakes = Wakes::new();
        self.close_with(&mut wakes);
        wakes.finish();
    }

    /// Waits until the channel is closed.
    pub(super) async fn closed(&self) {
        self.closing.until(|| self.is_closed()).await;
    }

    pub(super) fn senders(&self) -> usize {
        self.senders.get()
    }

    #[inline]
    pub(super) fn add_sender(&self) {
        self.senders.set(self.senders.get() + 1);
    }

    #[inline]
    pub(super) fn remove_sender(&self) {
        self.senders.set(self.senders.get() - 1);
        if self.senders.get() == 0 {
            self.receiver.wake();
        }
    }
}

impl<T> fmt::Debug for Chan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chan")
            .field("len", &self.len())
            .field("places", &self.places)
            .field("receiver_is_gone", &self.receiver_is_gone.get())
            .field("senders", &self.senders.get())
            .finish_non_exhaustive()
    }
}

/// Holds a value that was taken, until it is sure that nothing panics.
struct PutBack<'a, T> {
    chan: &'a Chan<T>,
    value: Option<T>,
}

impl<T> Drop for PutBack<'_, T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            // There may now be one more than the capacity, until the next is taken.
            self.chan.queue.borrow_mut().push_front(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Chan;
    use crate::memory::KEPT;

    #[test]
    fn the_memory_of_a_burst_is_given_back() {
        let chan = Chan::new(usize::MAX);
        let capacity = || chan.queue.borrow().capacity();
        (0..100 * KEPT).for_each(|n| chan.try_send(n).unwrap());
        (0..100 * KEPT).for_each(|n| assert_eq!(chan.try_recv(), Ok(n)));
        assert!(chan.try_recv().is_err());
        assert!((KEPT..2 * KEPT).contains(&capacity()), "{}", capacity());
        // A small one stays.
        let before = capacity();
        chan.try_send(1).unwrap();
        chan.try_recv().unwrap();
        assert!(chan.try_recv().is_err());
        assert_eq!(capacity(), before);
    }
}
