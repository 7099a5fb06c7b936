//! Errors of watched values.

use crate::sync::error::{gives_back, says};

gives_back! {
    /// There is no receiver. Gives the value back.
    SendError, "there is no receiver"
}

says! {
    /// The sender is gone: the value will not change any more.
    RecvError, "the sender is gone"
}
