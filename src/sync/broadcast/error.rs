//! Errors of broadcasts.

use std::error::Error;
use std::fmt;

use crate::sync::error::gives_back;

gives_back! {
    /// There is no receiver. Gives the value back.
    SendError, "there is no receiver"
}

/// There is no next value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecvError {
    /// All was received, and there is no sender.
    Closed,
    /// So many values were missed; the next call gets the oldest that is left.
    Lagged(u64),
}

/// There is no next value now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TryRecvError {
    /// All was received.
    Empty,
    /// All was received, and there is no sender.
    Closed,
    /// So many values were missed; the next call gets the oldest that is left.
    Lagged(u64),
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the channel is closed"),
            Self::Lagged(missed) => write!(f, "{missed} values were missed"),
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing was sent since"),
            Self::Closed => RecvError::Closed.fmt(f),
            Self::Lagged(missed) => RecvError::Lagged(*missed).fmt(f),
        }
    }
}

impl Error for RecvError {}

impl Error for TryRecvError {}
