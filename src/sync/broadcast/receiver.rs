//! The end that receives.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::shared::Shared;
use super::{RecvError, TryRecvError};
use crate::sync::budget::Budget;
use crate::wait_list::Ticket;

/// Receives every value of a [`channel`](super::channel) that is sent while it exists. Also a [`Stream`] of
/// them, which ends when no sender is left.
///
/// The receiver itself is what waits: a future of its that is dropped keeps its place until the next value.
#[must_use = "values are kept until the receiver gets them, or is dropped"]
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    /// The number of its next value.
    next: u64,
    ticket: Option<Ticket>,
    budget: Budget,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: Rc<Shared<T>>, next: u64) -> Self {
        Self { shared, next, ticket: None, budget: Budget::new() }
    }

    /// Makes another receiver of what is sent from now on.
    pub fn resubscribe(&self) -> Self {
        Self::new(Rc::clone(&self.shared), self.shared.add_receiver())
    }

    /// Returns how many values were sent and not received, those that were missed included.
    pub fn len(&self) -> usize {
        usize::try_from(self.shared.len_from(self.next)).unwrap_or(usize::MAX)
    }

    /// Returns whether all that was sent was received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether no sender is left. What was sent can be received.
    pub fn is_closed(&self) -> bool {
        self.shared.ends().senders() == 0
    }

    /// Returns whether both receive the same values.
    pub fn same_channel(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T: Clone> Receiver<T> {
    /// Waits for the next value.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// [`RecvError::Closed`] when all was received and no sender is left; [`RecvError::Lagged`] when this
    /// receiver was too slow: then the next call gets the oldest value that is left.
    #[inline]
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the next value, as [`recv`](Self::recv) does.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        ready!(self.budget.poll_spend(cx));
        let received = self.shared.poll_recv(&mut self.ticket, &mut self.next, cx);
        received.map(|received| received.map(Rc::unwrap_or_clone))
    }

    /// Takes the next value if there is one. Never waits.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), and [`TryRecvError::Empty`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.shared.try_recv(&mut self.next).map(Rc::unwrap_or_clone)
    }
}

impl<T: Clone> Stream for Receiver<T> {
    type Item = Result<T, RecvError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx).map(|received| match received {
            Err(RecvError::Closed) => None,
            other => Some(other),
        })
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let _waker = self.shared.leave(&mut self.ticket);
        self.shared.remove_receiver(self.next);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("next", &self.next)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}
