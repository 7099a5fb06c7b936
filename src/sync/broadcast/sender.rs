//! The end that sends.

use std::fmt;
use std::rc::Rc;

use super::shared::Shared;
use super::{Receiver, SendError};

/// Makes a channel that keeps the newest `capacity` values.
///
/// Memory is taken as values come in, not before.
///
/// # Panics
///
/// If `capacity` is zero: nothing could ever be received.
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a broadcast needs a capacity of at least one");
    let shared = Rc::new(Shared::new(capacity));
    (Sender { shared: Rc::clone(&shared) }, Receiver::new(shared, 0))
}

/// Sends to all receivers of a [`channel`]. Clones send to the same.
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends a value to all receivers there are, and says how many they are. Never waits.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no receiver. There may be one again: see
    /// [`subscribe`](Self::subscribe).
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        self.shared.send(value).map_err(SendError)
    }

    /// Makes a receiver of the values that are sent from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        let next = self.shared.add_receiver();
        Receiver::new(Rc::clone(&self.shared), next)
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn closed(&self) {
        self.shared.ends().closed().await;
    }

    /// Returns how many values are kept: those that not all have received.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Returns whether all have received all that was sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many values are kept at most.
    pub fn capacity(&self) -> usize {
        self.shared.capacity()
    }

    /// Returns how many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.shared.ends().receivers()
    }

    /// Returns how many senders there are.
    pub fn sender_count(&self) -> usize {
        self.shared.ends().senders()
    }

    /// Returns whether both send to the same receivers.
    pub fn same_channel(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.ends().add_sender();
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.shared).finish()
    }
}
