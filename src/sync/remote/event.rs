//! A flag for many threads to wait for.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::block::{block_on, refuse_on_loop};
use super::lock;
use crate::executor::wake::WakeRef;
use crate::wait_list::Wakes;

/// A flag that can be set, cleared and waited for, on any thread. Clones are the same flag.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use monoloop::sync::remote::event::Event;
///
/// let ready = Event::new();
/// let thread = thread::spawn({
///     let ready = ready.clone();
///     move || ready.set()
/// });
/// monoloop::run(ready.wait());
/// # thread.join().unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Event {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_set: bool,
    /// How often it was set.
    round: u64,
    /// Counts those who waited.
    tickets: u64,
    waiting: BTreeMap<u64, Waker>,
}

impl Event {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag and releases all who wait, first come, first woken, even if it is cleared before they
    /// run.
    pub fn set(&self) {
        let mut state = lock(&self.state);
        state.is_set = true;
        state.round += 1;
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        let mut wakes = Wakes::new();
        waiting.into_values().for_each(|waker| wakes.wake(WakeRef::Foreign(waker)));
        wakes.finish();
    }

    /// Clears the flag: who waits from now on waits until it is set again.
    pub fn clear(&self) {
        lock(&self.state).is_set = false;
    }

    /// Returns whether the flag is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        lock(&self.state).is_set
    }

    /// Waits until the flag is set.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn wait(&self) {
        Wait { event: self, place: None }.await;
    }

    /// Blocks this thread until the flag is set.
    ///
    /// # Panics
    ///
    /// If the loop of this thread runs: all its tasks would stand still.
    #[track_caller]
    pub fn blocking_wait(&self) {
        refuse_on_loop("Event::blocking_wait", "`wait`");
        block_on(self.wait());
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("is_set", &self.is_set()).finish_non_exhaustive()
    }
}

struct Wait<'a> {
    event: &'a Event,
    place: Option<Place>,
}

/// Where a waiting future stands.
#[derive(Clone, Copy)]
struct Place {
    ticket: u64,
    /// It is released when there is another round.
    round: u64,
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Cloned before the lock is taken, and the old one is dropped after: both are foreign code.
        let waker = cx.waker().clone();
        let mut state = lock(&self.event.state);
        if state.is_set || self.place.is_some_and(|place| place.round != state.round) {
            let _old = self.place.take().and_then(|place| state.waiting.remove(&place.ticket));
            drop(state);
            return Poll::Ready(());
        }
        let place = self.place.unwrap_or_else(|| {
            state.tickets += 1;
            Place { ticket: state.tickets, round: state.round }
        });
        let _old = state.waiting.insert(place.ticket, waker);
        drop(state);
        self.place = Some(place);
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = lock(&self.event.state).waiting.remove(&place.ticket);
            drop(waker);
        }
    }
}
