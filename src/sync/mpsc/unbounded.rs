//! Channels without a limit.

use std::rc::Rc;

use super::SendError;
use super::chan::Chan;
use super::faces::{UnboundedReceiver, UnboundedSender};

/// Makes a channel that holds whatever is sent.
///
/// # Examples
///
/// ```
/// use monoloop::sync::mpsc;
///
/// let (sender, mut receiver) = mpsc::unbounded_channel();
/// for n in 0..1000 {
///     sender.send(n).expect("the receiver is there");
/// }
/// assert_eq!(receiver.len(), 1000);
/// assert_eq!(receiver.try_recv(), Ok(0));
/// ```
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let chan = Rc::new(Chan::new(usize::MAX));
    (UnboundedSender { chan: Rc::clone(&chan) }, UnboundedReceiver { chan })
}

impl<T> UnboundedSender<T> {
    /// Sends a value. Never waits.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.chan.try_send(value).map_err(SendError)
    }
}
