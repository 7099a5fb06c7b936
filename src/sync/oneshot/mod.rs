//! A channel for one value: the answer to a question.
//!
//! Either end may go away at any time. A sender that is dropped tells the receiver, and a receiver that is
//! dropped or [closed](Receiver::close) tells the sender, which gets its value back from
//! [`send`](Sender::send).
//!
//! ```text
//!             send                     receive
//!       Open ──────────► Sent ────────────────► Over
//!        │                                        ▲
//!        └────────── drop of the sender ──────────┘
//! ```
//!
//! Closing is beside it: who closes an open channel will get nothing, but what was sent before can be
//! received.
//!
//! # Examples
//!
//! ```
//! use monoloop::sync::oneshot;
//!
//! # monoloop::run(async {
//! let (sender, receiver) = oneshot::channel();
//! monoloop::spawn(async move {
//!     sender.send(6 * 7).expect("somebody waits for the answer");
//! })
//! .detach();
//! assert_eq!(receiver.await, Ok(42));
//! # });
//! ```

mod error;
mod receiver;
mod sender;

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::rc::Rc;

pub use error::{RecvError, SendError, TryRecvError};
pub use receiver::Receiver;
pub use sender::Sender;

use crate::wait_list::LoneWaiter;

/// Makes a channel for one value.
#[doc(alias = "Future")]
#[doc(alias = "create_future")]
#[inline]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared {
        phase: Cell::new(Phase::Open),
        is_closed: Cell::new(false),
        value: Cell::new(None),
        receiving: LoneWaiter::default(),
        closing: OnceCell::new(),
    });
    (Sender::new(Rc::clone(&shared)), Receiver::new(shared))
}

/// What both ends share.
struct Shared<T> {
    phase: Cell<Phase>,
    /// Nothing can be sent: the receiver said so, or is gone. What was sent before can be received.
    is_closed: Cell<bool>,
    /// There in [`Phase::Sent`] only.
    value: Cell<Option<T>>,
    /// The receiver, if it waits.
    receiving: LoneWaiter,
    /// The sender, if it waits until the channel is closed: few do, so it is elsewhere.
    closing: OnceCell<Box<LoneWaiter>>,
}

/// See the drawing above. A byte, so that to look costs no move of the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    Sent,
    /// Nothing will come: the sender is gone, or the value was received.
    Over,
}

impl<T> Shared<T> {
    /// Nothing can be sent any more: tells the sender, if it waits for that. Foreign code.
    fn close(&self) {
        self.is_closed.set(true);
        if let Some(sender) = self.closing.get() {
            sender.wake();
        }
    }

    fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("phase", &self.phase.get())
            .field("is_closed", &self.is_closed.get())
            .field("receiving", &self.receiving)
            .finish()
    }
}
