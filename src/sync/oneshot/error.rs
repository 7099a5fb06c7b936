//! Errors of oneshot channels.

use crate::sync::error::{gives_back, says};

gives_back! {
    /// The receiver is gone, or closed the channel. Gives the value back.
    SendError, "nobody will receive the value"
}

says! {
    /// The sender was dropped and sent nothing, or the value was received already.
    RecvError, "nothing will be sent"
}

says! {
    /// There is no value to receive.
    TryRecvError,
    /// It was not sent yet.
    Empty, "nothing was sent yet",
    /// The sender was dropped and sent nothing, or the value was received already.
    Closed, "nothing will be sent"
}
