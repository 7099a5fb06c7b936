//! Channels from many senders to many receivers, each of which gets every value.
//!
//! A receiver gets a clone of each value that is sent while it exists; who is the last to receive a value
//! gets the value itself. Nobody waits for slow receivers: the channel holds the newest `capacity` values,
//! and a receiver that falls behind misses the older ones and is told how many ([`RecvError::Lagged`]).
//!
//! A value lives until all who shall have received it, or it is too old. If its `Clone` panics, it counts as
//! received by who would have got the clone, and by nobody else.
//!
//! # Examples
//!
//! ```
//! use monoloop::sync::broadcast::{self, RecvError};
//!
//! # monoloop::run(async {
//! let (sender, mut slow) = broadcast::channel(2);
//! let mut quick = sender.subscribe();
//! for n in 1..=3 {
//!     sender.send(n).expect("somebody receives");
//!     assert_eq!(quick.recv().await, Ok(n));
//! }
//! assert_eq!(slow.recv().await, Err(RecvError::Lagged(1)));
//! assert_eq!(slow.recv().await, Ok(2));
//! # });
//! ```

mod error;
mod receiver;
mod sender;
mod shared;

pub use error::{RecvError, SendError, TryRecvError};
pub use receiver::Receiver;
pub use sender::{Sender, channel};
