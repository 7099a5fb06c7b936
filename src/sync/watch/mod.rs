//! A value that changes, for many who want to know the newest.
//!
//! Receivers see the newest value only: changes that come between two looks are one to them. Each change
//! counts up a version; a receiver remembers which it has *seen*, by
//! [`borrow_and_update`](Receiver::borrow_and_update) or [`changed`](Receiver::changed).
//!
//! The value is borrowed, not cloned. So, as with a `RefCell`, it cannot be changed while a [`Ref`] to it is
//! held: do not hold one across an `await`.
//!
//! # Examples
//!
//! ```
//! use monoloop::sync::watch;
//!
//! # monoloop::run(async {
//! let (sender, mut receiver) = watch::channel("starting");
//! monoloop::spawn(async move {
//!     sender.send("running").expect("somebody looks");
//!     sender.send("done").expect("somebody looks");
//! })
//! .detach();
//! while receiver.changed().await.is_ok() {
//!     println!("{}", *receiver.borrow());
//! }
//! assert_eq!(*receiver.borrow(), "done");
//! # });
//! ```

mod error;
mod receiver;
mod sender;
mod shared;

pub use error::{RecvError, SendError};
pub use receiver::Receiver;
pub use sender::{Sender, channel};
pub use shared::Ref;
