//! Errors of channels.

use crate::sync::error::{gives_back, gives_back_either, says};

gives_back! {
    /// The receiver is gone, or closed the channel. Gives the value back.
    SendError, "the channel is closed"
}

gives_back_either! {
    /// The value was not sent. Gives it back.
    TrySendError,
    /// There is no place for it, or others wait for one.
    Full, "the channel is full",
    /// The receiver is gone, or closed the channel.
    Closed, "the channel is closed"
}

says! {
    /// There will be no place.
    ReserveError,
    /// The receiver is gone, or closed the channel.
    Closed, "the channel is closed",
    /// More places were asked for than the channel has.
    TooMany, "the channel has fewer places than that"
}

says! {
    /// There is nothing to receive.
    TryRecvError,
    /// The channel is empty.
    Empty, "the channel is empty",
    /// The channel is empty and closed.
    Closed, "the channel is empty and closed"
}
