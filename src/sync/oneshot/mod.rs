//! A channel for one value: the answer to a question.
//!
//! Either end may go away at any time. A sender that is dropped tells the receiver, and a receiver that is dropped
//! or [closed](Receiver::close) tells the sender, which gets its value back from [`send`](Sender::send).
//!
//! ```text
//!               poll                        send
//!       Open ─────────► Waiting(waker) ──────────────► Sent(value)
//!        │ │                  │                         ▲     │
//!        │ └──────────────────┼───────── send ──────────┘     │ receive
//!        │ drop of the sender │                               ▼
//!        └────────────────────┴───────────────────────────► Over
//! ```
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
//! });
//! assert_eq!(receiver.await, Ok(42));
//! # });
//! ```

mod error;
mod receiver;
mod sender;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

pub use error::{RecvError, SendError, TryRecvError};
pub use receiver::Receiver;
pub use sender::Sender;

use super::lone_waiter::LoneWaiter;
use crate::executor::wake::WakeRef;

/// Makes a channel for one value.
#[doc(alias = "Future")]
#[doc(alias = "create_future")]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared {
        state: Cell::new(State::Open),
        is_closed: Cell::new(false),
        closing: LoneWaiter::default(),
    });
    (Sender::new(Rc::clone(&shared)), Receiver::new(shared))
}

/// What both ends share.
struct Shared<T> {
    state: Cell<State<T>>,
    /// Nothing can be sent: the receiver said so, or is gone. What was sent before can be received.
    is_closed: Cell<bool>,
    /// The sender, if it waits until the channel is closed.
    closing: LoneWaiter,
}

/// See the drawing above.
enum State<T> {
    Open,
    Waiting(WakeRef),
    Sent(T),
    /// Nothing will come: the sender is gone, or the value was received.
    Over,
}

impl<T> Shared<T> {
    fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.replace(State::Over);
        let shown = match state {
            State::Open => "Open",
            State::Waiting(_) => "Waiting",
            State::Sent(_) => "Sent",
            State::Over => "Over",
        };
        self.state.set(state);
        f.debug_struct(name)
            .field("state", &format_args!("{shown}"))
            .field("is_closed", &self.is_closed.get())
            .finish()
    }
}
