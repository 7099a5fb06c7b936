//! A channel for one value, between threads.
//!
//! As [`sync::oneshot`](crate::sync::oneshot), but both ends are `Send`; the sender cannot wait for the end.
//!
//! # Examples
//!
//! ```
//! use std::thread;
//! use monoloop::sync::remote::oneshot;
//!
//! let (sender, receiver) = oneshot::channel();
//! # let thread =
//! thread::spawn(move || sender.send(6 * 7).expect("the loop waits"));
//! assert_eq!(monoloop::run(receiver), Ok(42));
//! # thread.join().unwrap();
//! ```

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::block::{block_on, refuse_on_loop};
use super::{lock, wake};
pub use crate::sync::oneshot::{RecvError, SendError, TryRecvError};

/// Makes a channel for one value.
#[doc(alias = "wrap_future")]
pub fn channel<T: Send>() -> (Sender<T>, Receiver<T>) {
    let state = Arc::new(Mutex::new(State::Open { receiver: None, sender: None }));
    (Sender { state: Arc::clone(&state) }, Receiver { state })
}

enum State<T> {
    /// Both ends are there, and either may wait.
    Open {
        receiver: Option<Waker>,
        sender: Option<Waker>,
    },
    Sent(T),
    /// Nothing will come: the sender is gone, or the value was received.
    Over,
    /// The receiver is gone, or closed the channel, before anything was sent.
    Closed,
}

/// What was before, when it is no more. Dropping it is foreign code, too.
impl<T> State<T> {
    fn wake_receiver(self) {
        if let Self::Open { receiver, .. } = self {
            wake(receiver);
        }
    }

    fn wake_sender(self) {
        if let Self::Open { sender, .. } = self {
            wake(sender);
        }
    }
}

/// Sends the one value of a [`channel`].
#[must_use = "dropping the sender makes the receiver fail"]
pub struct Sender<T> {
    state: Arc<Mutex<State<T>>>,
}

impl<T> Sender<T> {
    /// Sends the value. Never waits.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver is gone or has [closed](Receiver::close) the channel.
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        let mut state = lock(&self.state);
        if matches!(*state, State::Closed) {
            return Err(SendError(value));
        }
        let old = mem::replace(&mut *state, State::Sent(value));
        drop(state);
        old.wake_receiver();
        Ok(())
    }

    /// Returns whether a value that is sent now would come back.
    pub fn is_closed(&self) -> bool {
        matches!(*lock(&self.state), State::Closed)
    }

    /// Waits until nobody wants the value any more: the receiver is dropped, or closed the channel.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use monoloop::sync::remote::oneshot;
    ///
    /// let (mut sender, receiver) = oneshot::channel::<u8>();
    /// let thread = thread::spawn(move || drop(receiver));
    /// monoloop::run(sender.closed());
    /// assert!(sender.send(1).is_err());
    /// # thread.join().unwrap();
    /// ```
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// Polls for the end of the channel, as [`closed`](Self::closed) does.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Cloned before the lock is taken, and the old one is dropped after: both are foreign code.
        let waker = cx.waker().clone();
        let mut state = lock(&self.state);
        let State::Open { sender, .. } = &mut *state else { return Poll::Ready(()) };
        let _old = sender.replace(waker);
        drop(state);
        Poll::Pending
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let State::Open { .. } = *state {
            let old = mem::replace(&mut *state, State::Over);
            drop(state);
            old.wake_receiver();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish()
    }
}

/// Receives the one value of a [`channel`]: a future of it.
///
/// # Cancel safety
///
/// Awaited by reference, `(&mut receiver).await`, nothing is lost. Dropping the receiver closes the channel
/// and drops the value if it was sent.
///
/// # Errors
///
/// The future fails if the sender is dropped and sent nothing.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Receiver<T> {
    state: Arc<Mutex<State<T>>>,
}

impl<T> Receiver<T> {
    /// Receives the value if it is there. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if it was not sent yet, [`TryRecvError::Closed`] if it never will be, or was
    /// received.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut state = lock(&self.state);
        match &mut *state {
            State::Open { .. } => Err(TryRecvError::Empty),
            State::Over | State::Closed => Err(TryRecvError::Closed),
            State::Sent(_) => match mem::replace(&mut *state, State::Over) {
                State::Sent(value) => Ok(value),
                _ => unreachable!("it was sent"),
            },
        }
    }

    /// Blocks this thread until the value is there.
    ///
    /// # Errors
    ///
    /// If the sender is dropped and sent nothing.
    ///
    /// # Panics
    ///
    /// If the loop of this thread runs: all its tasks would stand still.
    #[track_caller]
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        refuse_on_loop("Receiver::blocking_recv", "the receiver");
        self.blocking_recv_anywhere()
    }

    /// As [`blocking_recv`](Self::blocking_recv), also while the loop of this thread runs.
    pub(crate) fn blocking_recv_anywhere(self) -> Result<T, RecvError> {
        block_on(self)
    }

    /// Closes the channel: nothing can be sent any more. What was sent can be received.
    pub fn close(&mut self) {
        let mut state = lock(&self.state);
        if let State::Open { .. } = *state {
            let old = mem::replace(&mut *state, State::Closed);
            drop(state);
            old.wake_sender();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.try_recv() {
            Ok(value) => return Poll::Ready(Ok(value)),
            Err(TryRecvError::Closed) => return Poll::Ready(Err(RecvError)),
            Err(TryRecvError::Empty) => (),
        }
        // Cloned before the lock is taken, and the old one is dropped after: both are foreign code.
        let waker = cx.waker().clone();
        let mut state = lock(&self.state);
        if let State::Open { receiver, .. } = &mut *state {
            let _old = receiver.replace(waker);
            drop(state);
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(self.try_recv().map_err(|_| RecvError))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Without the lock: that is foreign code.
        let old = mem::replace(&mut *lock(&self.state), State::Closed);
        old.wake_sender();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
