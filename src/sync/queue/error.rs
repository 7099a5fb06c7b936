//! Errors of queues.

use crate::sync::error::{gives_back, gives_back_either, says};

gives_back! {
    /// The queue is closed. Gives the item back.
    #[doc(alias = "QueueShutDown")]
    PutError, "the queue is closed"
}

gives_back_either! {
    /// The item was not put. Gives it back.
    TryPutError,
    /// There is no place for it, or others wait for one.
    #[doc(alias = "QueueFull")]
    Full, "the queue is full",
    /// The queue is closed.
    #[doc(alias = "QueueShutDown")]
    Closed, "the queue is closed"
}

says! {
    /// The queue is closed: there will be no place.
    ReserveError, "the queue is closed"
}

says! {
    /// The queue is closed, and nothing is left.
    #[doc(alias = "QueueShutDown")]
    GetError, "the queue is closed and empty"
}

says! {
    /// There is nothing to get.
    TryGetError,
    /// The queue is empty.
    #[doc(alias = "QueueEmpty")]
    Empty, "the queue is empty",
    /// The queue is closed, and nothing is left.
    #[doc(alias = "QueueShutDown")]
    Closed, "the queue is closed and empty"
}
