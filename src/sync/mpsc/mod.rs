//! Channels from many senders to one receiver, first in, first out.
//!
//! A [`channel`] holds a limited number of values: who sends to a full one waits, first come, first served.
//! An [`unbounded_channel`] holds as many as are sent, so sending never waits and nothing slows the senders
//! down.
//!
//! # Who keeps it open
//!
//! Handles are counted. When the last sender is gone, the receiver gets what is left and then `None`. When
//! the receiver is gone, or [closes](Receiver::close) the channel, sending fails and gives the value back. A
//! [`WeakSender`] keeps nothing open.
//!
//! # Places
//!
//! A bounded channel has as many places as its capacity. A value takes one, from `send` until it is received.
//! A place can be had before the value is there ([`Sender::reserve`]): a [`Permit`] cannot fail, and nobody
//! is ahead of it. What becomes free goes to who waits longest, before it runs; a newcomer cannot take it
//! meanwhile, and if the waiting future is dropped, the place goes on to the next.
//!
//! # Examples
//!
//! ```
//! use monoloop::sync::mpsc;
//!
//! # monoloop::run(async {
//! let (sender, mut receiver) = mpsc::channel(2);
//! for worker in 0..3 {
//!     let sender = sender.clone();
//!     monoloop::spawn(async move {
//!         for n in 0..10 {
//!             sender.send(10 * worker + n).await.expect("somebody receives");
//!         }
//!     })
//!     .detach();
//! }
//! drop(sender); // the workers have their own
//!
//! let mut sum = 0;
//! while let Some(number) = receiver.recv().await {
//!     sum += number;
//! }
//! assert_eq!(sum, (0..30).sum());
//! # });
//! ```

mod bounded;
mod chan;
mod error;
mod faces;
mod permit;
mod unbounded;

pub use bounded::channel;
pub use error::{ReserveError, SendError, TryRecvError, TrySendError};
pub use faces::{
    Receiver, Sender, UnboundedReceiver, UnboundedSender, WeakSender, WeakUnboundedSender,
};
pub use permit::{Permit, Permits};
pub use unbounded::unbounded_channel;
