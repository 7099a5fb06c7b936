//! A channel from many threads to one receiver, first in, first out.
//!
//! As [`sync::mpsc`](crate::sync::mpsc), but both ends are `Send`: either of them may be on the loop's
//! thread. There are no weak senders; a place that was handed to who waits to send, and did not run since, is
//! void once the channel is closed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use futures_core::Stream;

use super::block::{block_on, refuse_on_loop};
use super::{lock, wake};
use crate::executor::wake::WakeRef;
use crate::memory;
use crate::sync::budget;
pub use crate::sync::mpsc::{ReserveError, SendError, TryRecvError, TrySendError};
use crate::wait_list::Wakes;

/// Makes a channel that holds at most `capacity` values.
///
/// # Panics
///
/// If `capacity` is zero: nothing could ever be sent.
#[track_caller]
pub fn bounded<T: Send>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a channel needs a capacity of at least one");
    with_capacity(capacity)
}

/// Makes a channel that holds whatever is sent: sending never waits.
pub fn unbounded<T: Send>() -> (Sender<T>, Receiver<T>) {
    with_capacity(usize::MAX)
}

fn with_capacity<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let state = Arc::new(Mutex::new(State {
        values: VecDeque::new(),
        capacity,
        senders: 1,
        is_closed: false,
        is_abandoned: false,
        receiver: None,
        tickets: 0,
        waiting: BTreeMap::new(),
        served: BTreeSet::new(),
        reserved: 0,
        closing: BTreeMap::new(),
    }));
    (Sender { state: Arc::clone(&state) }, Receiver { state })
}

/// What is under the lock. Wakers and values are foreign code, and taken out before they are woken or
/// dropped.
struct State<T> {
    values: VecDeque<T>,
    capacity: usize,
    senders: usize,
    is_closed: bool,
    /// The receiver is gone.
    is_abandoned: bool,
    /// Wakes the receiver.
    receiver: Option<Waker>,
    /// Counts those who waited for a place or the end.
    tickets: u64,
    waiting: BTreeMap<u64, Waker>,
    /// Those who waited, and have a place.
    served: BTreeSet<u64>,
    /// Places of permits.
    reserved: usize,
    /// Senders that wait until it is closed.
    closing: BTreeMap<u64, Waker>,
}

impl<T> State<T> {
    fn has_room(&self) -> bool {
        !self.is_closed && self.waiting.is_empty() && self.has_place()
    }

    fn has_place(&self) -> bool {
        self.values.len() + self.served.len() + self.reserved < self.capacity
    }

    /// A place is free: hands it to who waits longest.
    fn serve(&mut self) -> Option<Waker> {
        if !self.has_place() {
            return None;
        }
        let (ticket, waker) = self.waiting.pop_first()?;
        self.served.insert(ticket);
        Some(waker)
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    fn why_empty(&self) -> TryRecvError {
        let is_over = self.senders == 0 || self.is_closed && self.reserved == 0;
        if is_over { TryRecvError::Closed } else { TryRecvError::Empty }
    }
}

/// Sends into a channel, from any thread. Clones send into the same.
pub struct Sender<T> {
    state: Arc<Mutex<State<T>>>,
}

impl<T> Sender<T> {
    /// Sends a value, and waits until there is a place for it.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the value is lost, and nothing was sent; so is the place among those who wait.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed, now or while it waits.
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        let value = match self.try_send(value) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(value)) => return Err(SendError(value)),
            Err(TrySendError::Full(value)) => value,
        };
        match self.reserve().await {
            Ok(permit) => permit.put(value).map_err(SendError),
            Err(_) => Err(SendError(value)),
        }
    }

    /// Waits for a place, into which a value can be sent without waiting.
    ///
    /// # Cancel safety
    ///
    /// The place among those who wait is lost, nothing else. A place that was handed over already goes to the
    /// next.
    ///
    /// # Errors
    ///
    /// [`ReserveError::Closed`] if the channel is closed, now or while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// # use monoloop::sync::remote::channel;
    /// # monoloop::run(async {
    /// let (sender, mut receiver) = channel::bounded(1);
    /// let permit = sender.reserve().await.expect("the channel is open");
    /// assert!(sender.try_send("no").is_err());
    /// permit.send("yes");
    /// assert_eq!(receiver.recv().await, Some("yes"));
    /// # });
    /// ```
    pub async fn reserve(&self) -> Result<Permit<'_, T>, ReserveError> {
        Reserving { sender: self, ticket: None }.await
    }

    /// Reserves a place if there is one and nobody waits for one. Never waits.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] or [`TrySendError::Closed`].
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        let mut state = lock(&self.state);
        if !state.has_room() {
            return Err(match state.is_closed {
                true => TrySendError::Closed(()),
                false => TrySendError::Full(()),
            });
        }
        state.reserved += 1;
        Ok(Permit { sender: self })
    }

    /// Sends a value, and blocks this thread until there is a place for it.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed, now or while it waits.
    ///
    /// # Panics
    ///
    /// If the loop of this thread runs: all its tasks would stand still.
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        refuse_on_loop("Sender::blocking_send", "`send`");
        match self.try_send(value) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(value)) => Err(SendError(value)),
            Err(TrySendError::Full(value)) => block_on(self.send(value)),
        }
    }

    /// Sends a value if there is a place for it and nobody waits for one. Never waits.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no place, or the channel is closed.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let mut state = lock(&self.state);
        if !state.has_room() {
            let is_closed = state.is_closed;
            drop(state);
            return Err(match is_closed {
                true => TrySendError::Closed(value),
                false => TrySendError::Full(value),
            });
        }
        state.values.push_back(value);
        let receiver = state.receiver.take();
        drop(state);
        wake(receiver);
        Ok(())
    }

    /// Waits until the receiver is gone, or closes the channel.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use monoloop::sync::remote::channel;
    ///
    /// let (sender, receiver) = channel::unbounded::<u8>();
    /// let thread = thread::spawn(move || drop(receiver));
    /// monoloop::run(sender.closed());
    /// assert!(sender.try_send(1).is_err());
    /// # thread.join().unwrap();
    /// ```
    pub async fn closed(&self) {
        Closing { sender: self, ticket: None }.await;
    }

    /// Returns whether the receiver is gone, or closed the channel.
    pub fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    /// Returns how many values wait to be received.
    pub fn len(&self) -> usize {
        lock(&self.state).values.len()
    }

    /// Returns whether no value waits to be received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many senders there are.
    pub fn sender_count(&self) -> usize {
        lock(&self.state).senders
    }

    /// Returns whether both send into the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// Returns how many values the channel can hold; `None` if there is no limit.
    pub fn capacity(&self) -> Option<usize> {
        Some(lock(&self.state).capacity).filter(|&capacity| capacity != usize::MAX)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        lock(&self.state).senders += 1;
        Self { state: Arc::clone(&self.state) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.senders -= 1;
        let receiver = if state.senders == 0 { state.receiver.take() } else { None };
        drop(state);
        wake(receiver);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Waits for a place.
struct Reserving<'a, T> {
    sender: &'a Sender<T>,
    /// Where it stands among those who wait.
    ticket: Option<u64>,
}

impl<'a, T> Future for Reserving<'a, T> {
    type Output = Result<Permit<'a, T>, ReserveError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Cloned before the lock is taken, and the old one is dropped after: both are foreign code.
        let waker = cx.waker().clone();
        let mut state = lock(&self.sender.state);
        let has_place = match self.ticket {
            Some(ticket) => state.served.remove(&ticket),
            None => state.has_room(),
        };
        if has_place {
            state.reserved += 1;
            drop(state);
            self.ticket = None;
            return Poll::Ready(Ok(Permit { sender: self.sender }));
        }
        if state.is_closed {
            return Poll::Ready(Err(ReserveError::Closed));
        }
        let ticket = self.ticket.unwrap_or_else(|| state.ticket());
        let _old = state.waiting.insert(ticket, waker);
        drop(state);
        self.ticket = Some(ticket);
        Poll::Pending
    }
}

impl<T> Drop for Reserving<'_, T> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = lock(&self.sender.state);
        let _own = state.waiting.remove(&ticket);
        let next = if state.served.remove(&ticket) { state.serve() } else { None };
        drop(state);
        wake(next);
    }
}

/// A place in a channel, for one value. Dropped unused, it goes to who waits longest.
///
/// Made by [`Sender::reserve`].
#[must_use = "the place is free again when the permit is dropped"]
pub struct Permit<'a, T> {
    sender: &'a Sender<T>,
}

impl<T> Permit<'_, T> {
    /// Sends a value. It cannot fail, whether the channel was closed meanwhile or not.
    ///
    /// If the receiver is gone, the value is dropped, as are those that it left unreceived.
    pub fn send(self, value: T) {
        let _unwanted = self.put(value);
    }

    /// Gives the value back if the receiver is gone.
    fn put(self, value: T) -> Result<(), T> {
        let mut state = lock(&self.sender.state);
        mem::forget(self);
        state.reserved -= 1;
        if state.is_abandoned {
            return Err(value);
        }
        state.values.push_back(value);
        let receiver = state.receiver.take();
        drop(state);
        wake(receiver);
        Ok(())
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        let mut state = lock(&self.sender.state);
        state.reserved -= 1;
        let next = match state.is_closed {
            // The receiver may have waited for this.
            true => state.receiver.take(),
            false => state.serve(),
        };
        drop(state);
        wake(next);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// Waits until the channel is closed.
struct Closing<'a, T> {
    sender: &'a Sender<T>,
    /// Where it stands among those who wait for that.
    ticket: Option<u64>,
}

impl<T> Future for Closing<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Cloned before the lock is taken, and the old one is dropped after: both are foreign code.
        let waker = cx.waker().clone();
        let mut state = lock(&self.sender.state);
        if state.is_closed {
            return Poll::Ready(());
        }
        let ticket = self.ticket.unwrap_or_else(|| state.ticket());
        let _old = state.closing.insert(ticket, waker);
        drop(state);
        self.ticket = Some(ticket);
        Poll::Pending
    }
}

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let waker = lock(&self.sender.state).closing.remove(&ticket);
            drop(waker);
        }
    }
}

/// Receives from a channel, on any thread. Also a [`Stream`] of its values.
///
/// Dropping it closes the channel and drops the values that are left.
#[must_use = "dropping the receiver closes the channel"]
pub struct Receiver<T> {
    state: Arc<Mutex<State<T>>>,
}

impl<T> Receiver<T> {
    /// Waits for the next value; `None` when the channel is empty and no sender is left, or it was closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the next value, as [`recv`](Self::recv) does.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(budget::poll_proceed(cx));
        match self.try_recv() {
            Ok(value) => return Poll::Ready(Some(value)),
            Err(TryRecvError::Closed) => return Poll::Ready(None),
            Err(TryRecvError::Empty) => (),
        }
        // Cloned before the lock is taken, and the old one is dropped after: both are foreign code.
        let waker = cx.waker().clone();
        let mut state = lock(&self.state);
        if state.values.is_empty() && state.why_empty() == TryRecvError::Empty {
            let _old = state.receiver.replace(waker);
            drop(state);
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(self.try_recv().ok())
    }

    /// Blocks this thread until there is a value; `None` as for [`recv`](Self::recv).
    ///
    /// # Panics
    ///
    /// If the loop of this thread runs: all its tasks would stand still.
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        refuse_on_loop("Receiver::blocking_recv", "`recv`");
        block_on(self.recv())
    }

    /// Takes the next value if there is one. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`], or [`TryRecvError::Closed`] if there will be no more.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut state = lock(&self.state);
        let Some(value) = state.values.pop_front() else {
            memory::shrink(&mut state.values);
            return Err(state.why_empty());
        };
        let sender = state.serve();
        drop(state);
        let mut put_back = PutBack { state: &self.state, value: Some(value) };
        wake(sender);
        Ok(put_back.value.take().expect("it is taken once"))
    }

    /// Waits for the next value, and appends it and those behind it that are there to `values`, `limit` at
    /// most. Returns how many it were: zero when there will be no more, or `limit` is zero.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: dropped half-way, it appended nothing.
    pub async fn recv_many(&mut self, values: &mut Vec<T>, limit: usize) -> usize {
        let before = values.len();
        if limit > 0 {
            values.extend(self.recv().await);
        }
        while (1..limit).contains(&(values.len() - before)) {
            let Ok(value) = self.try_recv() else { break };
            values.push(value);
        }
        values.len() - before
    }

    /// Returns whether no more can be sent: no sender is left, or this receiver closed the channel. What was
    /// sent can be received.
    pub fn is_closed(&self) -> bool {
        let state = lock(&self.state);
        state.is_closed || state.senders == 0
    }

    /// Returns how many senders there are.
    pub fn sender_count(&self) -> usize {
        lock(&self.state).senders
    }

    /// Closes the channel: sending fails. What was sent can be received.
    pub fn close(&mut self) {
        self.end(false);
    }

    /// Returns how many values wait to be received.
    pub fn len(&self) -> usize {
        lock(&self.state).values.len()
    }

    /// Returns whether no value waits to be received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn end(&mut self, is_abandoned: bool) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        state.is_abandoned = is_abandoned;
        // Who has a place learns that it is of no use when it runs.
        state.served.clear();
        let waiting = mem::take(&mut state.waiting);
        let closing = mem::take(&mut state.closing);
        let _values = if is_abandoned { mem::take(&mut state.values) } else { VecDeque::new() };
        drop(state);
        let mut wakes = Wakes::new();
        let all = waiting.into_values().chain(closing.into_values());
        all.for_each(|waker| wakes.wake(WakeRef::Foreign(waker)));
        wakes.finish();
    }
}

/// Holds a value that was taken, until it is sure that no waker panics.
struct PutBack<'a, T> {
    state: &'a Mutex<State<T>>,
    value: Option<T>,
}

impl<T> Drop for PutBack<'_, T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            // There may now be one more than the capacity, until the next is taken. No other receiver came
            // between.
            lock(self.state).values.push_front(value);
        }
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.end(true);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{lock, unbounded};
    use crate::memory::KEPT;

    #[test]
    fn the_memory_of_a_burst_is_given_back() {
        let (sender, mut receiver) = unbounded();
        (0..10 * KEPT).for_each(|n| sender.try_send(n).unwrap());
        (0..10 * KEPT).for_each(|n| assert_eq!(receiver.try_recv(), Ok(n)));
        assert!(receiver.try_recv().is_err());
        let capacity = lock(&receiver.state).values.capacity();
        assert!((KEPT..2 * KEPT).contains(&capacity), "{capacity}");
    }
}
