//! A flag to wait for.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::wait_list::{ReleaseList, Ticket};

/// A flag that is set or not. Tasks wait until it is set, all together.
///
/// Setting releases all who wait at that moment, in the order in which they came, even if the flag is cleared
/// before they run.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use monoloop::sync::Event;
///
/// monoloop::run(async {
///     let ready = Rc::new(Event::new());
///     let tasks = [1, 2, 3].map(|n| {
///         let ready = Rc::clone(&ready);
///         monoloop::spawn(async move {
///             ready.wait().await;
///             n
///         })
///     });
///     monoloop::yield_now().await; // they wait
///     ready.set();
///     ready.clear();
///     for task in tasks {
///         task.await.unwrap();
///     }
/// });
/// ```
#[derive(Default)]
pub struct Event {
    is_set: Cell<bool>,
    waiters: ReleaseList,
}

impl Event {
    /// Makes an event that is not set. Allocates nothing before somebody waits.
    pub const fn new() -> Self {
        Self { is_set: Cell::new(false), waiters: ReleaseList::new() }
    }

    /// Sets the flag and releases all who wait.
    pub fn set(&self) {
        if !self.is_set.replace(true) {
            self.waiters.release();
        }
    }

    /// Clears the flag: who waits from now on waits for the next [`set`](Self::set).
    pub fn clear(&self) {
        self.is_set.set(false);
    }

    /// Returns whether the flag is set.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.is_set.get()
    }

    /// Waits until the flag is set; not at all if it is.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[inline]
    pub fn wait(&self) -> EventWait<'_> {
        EventWait { event: self, ticket: None }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("is_set", &self.is_set.get())
            .field("waiting", &self.waiters.len())
            .finish()
    }
}

/// The future of [`Event::wait`]. Once it is over it may be polled again, and waits anew.
#[must_use = "futures do nothing unless they are awaited"]
pub struct EventWait<'a> {
    event: &'a Event,
    ticket: Option<Ticket>,
}

impl Future for EventWait<'_> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let event = self.event;
        event.waiters.wait(&mut self.ticket, cx, || event.is_set.get())
    }
}

impl Drop for EventWait<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.ticket.is_some() {
            drop(self.event.waiters.remove(&mut self.ticket));
        }
    }
}

impl fmt::Debug for EventWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWait").field("is_waiting", &self.ticket.is_some()).finish()
    }
}
