//! The end that looks.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::RecvError;
use super::shared::{Ref, Shared};
use crate::wait_list::Ticket;

/// Looks at the value of a [`channel`](super::channel). Clones look at the same, and have seen what this one
/// has. Also a [`Stream`] of clones of the newest value, one for each time that [`changed`](Self::changed)
/// would say so, which ends when no sender is left.
///
/// A new receiver has seen the value, so its stream begins with the next one; to begin with the present one,
/// call [`mark_changed`](Self::mark_changed) first.
///
/// The receiver itself is what waits: a future of its that is dropped keeps its place until the next change.
///
/// # Examples
///
/// ```
/// # use monoloop::sync::watch;
/// use futures_lite::StreamExt;
///
/// # monoloop::run(async {
/// let (sender, mut receiver) = watch::channel(1);
/// receiver.mark_changed();
/// assert_eq!(receiver.next().await, Some(1));
/// sender.send_replace(2);
/// sender.send_replace(3);
/// drop(sender);
/// assert_eq!(receiver.collect::<Vec<_>>().await, [3]);
/// # });
/// ```
#[must_use = "a receiver that is dropped sees nothing"]
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    /// The version that was seen.
    seen: u64,
    ticket: Option<Ticket>,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: Rc<Shared<T>>) -> Self {
        Self { seen: shared.version(), shared, ticket: None }
    }

    /// Borrows the value. It cannot be changed meanwhile, and does not count as seen.
    ///
    /// # Panics
    ///
    /// If it is called while the value is being modified.
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.borrow(self.seen)
    }

    /// Borrows the value, which counts as seen from now on. It cannot be changed meanwhile.
    ///
    /// # Panics
    ///
    /// If it is called while the value is being modified.
    #[track_caller]
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let value = self.shared.borrow(self.seen);
        self.seen = self.shared.version();
        value
    }

    /// Waits until the value is one that was not seen, and counts it as seen.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a change that was not reported is not counted as seen.
    ///
    /// # Errors
    ///
    /// When no sender is left, and the last value was seen.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        poll_fn(|cx| self.poll_changed(cx)).await
    }

    /// Polls for a change, as [`changed`](Self::changed) does.
    pub fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
        self.shared.poll_changed(&mut self.ticket, &mut self.seen, cx)
    }

    /// Waits until the value is one for which `is_met` holds, and borrows it; it counts as seen. Looks at the
    /// present value first.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost. Values that did not meet the condition count as seen.
    ///
    /// # Errors
    ///
    /// When no sender is left, and `is_met` does not hold for the last value.
    ///
    /// # Panics
    ///
    /// If `is_met` changes the value.
    ///
    /// # Examples
    ///
    /// ```
    /// # use monoloop::sync::watch;
    /// # monoloop::run(async {
    /// let (sender, mut receiver) = watch::channel(0);
    /// monoloop::spawn(async move {
    ///     for n in 1..10 {
    ///         sender.send(n).expect("somebody looks");
    ///         monoloop::yield_now().await;
    ///     }
    /// })
    /// .detach();
    /// assert_eq!(*receiver.wait_for(|n| *n > 4).await.unwrap(), 5);
    /// # });
    /// ```
    #[doc(alias = "Condition.wait_for")]
    pub async fn wait_for(
        &mut self,
        mut is_met: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        let seen = self.seen;
        loop {
            // Not in the condition of an `if`: the borrow would last.
            let met = is_met(&self.borrow_and_update());
            if met {
                return Ok(self.shared.borrow(seen));
            }
            self.changed().await?;
        }
    }

    /// Returns whether the value is one that was not seen.
    pub fn has_changed(&self) -> bool {
        self.seen != self.shared.version()
    }

    /// Counts the value as not seen, so that [`changed`](Self::changed) does not wait.
    pub fn mark_changed(&mut self) {
        self.seen = u64::MAX;
        drop(self.shared.leave(&mut self.ticket));
    }

    /// Counts the value as seen.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.version();
    }

    /// Returns whether no sender is left.
    pub fn is_closed(&self) -> bool {
        self.shared.ends().senders() == 0
    }

    /// Returns whether both look at the same value.
    pub fn same_channel(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }
}

/// # Panics
///
/// If the clone of a value changes the value.
impl<T: Clone> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let changed = ready!(self.poll_changed(cx));
        Poll::Ready(changed.is_ok().then(|| self.borrow().clone()))
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.ends().add_receiver();
        Self { shared: Rc::clone(&self.shared), seen: self.seen, ticket: None }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let _waker = self.shared.leave(&mut self.ticket);
        self.shared.ends().remove_receiver();
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("seen", &self.seen)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}
