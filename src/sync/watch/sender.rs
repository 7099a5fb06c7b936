//! The end that changes the value.

use std::fmt;
use std::mem;
use std::rc::Rc;

use super::shared::{Ref, Shared};
use super::{Receiver, SendError};

/// Makes a watched value, which counts as seen by the receiver.
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared::new(value));
    (Sender { shared: Rc::clone(&shared) }, Receiver::new(shared))
}

/// Changes the value of a [`channel`]. Clones change the same.
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Replaces the value, and wakes all who wait for a change.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no receiver; [`send_replace`](Self::send_replace) sets it all the
    /// same.
    ///
    /// # Panics
    ///
    /// If a [`Ref`] to the value is held.
    #[track_caller]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        drop(self.send_replace(value));
        Ok(())
    }

    /// Replaces the value, whether there is a receiver or not, wakes all who wait for a change, and gives
    /// back the value before.
    ///
    /// # Panics
    ///
    /// If a [`Ref`] to the value is held.
    #[track_caller]
    pub fn send_replace(&self, value: T) -> T {
        self.shared.change(|current| (true, mem::replace(current, value)))
    }

    /// Changes the value in place, and wakes all who wait for a change.
    ///
    /// If `modify` panics, what it did is seen by who looks, but nobody is woken.
    ///
    /// # Panics
    ///
    /// If a [`Ref`] to the value is held, or `modify` uses this channel's value by another way.
    #[track_caller]
    pub fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        self.shared.change(|value| {
            modify(value);
            (true, ())
        });
    }

    /// Changes the value in place; if `modify` says that it did, wakes all who wait for a change. Returns
    /// what it says.
    ///
    /// # Panics
    ///
    /// As for [`send_modify`](Self::send_modify).
    ///
    /// # Examples
    ///
    /// ```
    /// # use monoloop::sync::watch;
    /// let (sender, mut receiver) = watch::channel(3);
    /// let raise_to = |n| sender.send_if_modified(|most| n > *most && { *most = n; true });
    /// assert!(!raise_to(2));
    /// assert!(!receiver.has_changed());
    /// assert!(raise_to(4));
    /// assert_eq!(*receiver.borrow_and_update(), 4);
    /// ```
    #[track_caller]
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        self.shared.change(|value| {
            let has_changed = modify(value);
            (has_changed, has_changed)
        })
    }

    /// Borrows the value. It cannot be changed meanwhile.
    ///
    /// # Panics
    ///
    /// If it is called while the value is being modified.
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.borrow(self.shared.version())
    }

    /// Makes a receiver, by which the value counts as seen.
    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.ends().add_receiver();
        Receiver::new(Rc::clone(&self.shared))
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn closed(&self) {
        self.shared.ends().closed().await;
    }

    /// Returns whether there is no receiver.
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Returns how many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.shared.ends().receivers()
    }

    /// Returns how many senders there are.
    pub fn sender_count(&self) -> usize {
        self.shared.ends().senders()
    }

    /// Returns whether both change the same value.
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

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.shared).finish()
    }
}
