//! Why something was not taken, or not sent.

use std::error::Error;
use std::fmt;
use std::io;
use std::rc::Rc;

/// Why a writer that does not wait took nothing of what it was given. Converts into an [`io::Error`].
#[derive(Debug)]
#[non_exhaustive]
pub enum QueueError {
    /// The writer was told to end or to close before.
    Closed,
    /// Too much waits to be sent: the peer reads too slowly, or not at all.
    Full(QueueFull),
    /// The connection failed before.
    Io(io::Error),
}

/// Too much waits to be sent. See [`QueueError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct QueueFull {
    /// How many bytes wait to be sent.
    pub unsent: usize,
    /// At so many, nothing more is taken.
    pub capacity: usize,
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("written after the end"),
            Self::Full(full) => full.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for QueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes wait to be sent, where {} are allowed", self.unsent, self.capacity)
    }
}

impl Error for QueueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Closed | Self::Full(_) => None,
            Self::Io(error) => error.source(),
        }
    }
}

impl Error for QueueFull {}

impl From<QueueError> for io::Error {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Closed => Self::new(io::ErrorKind::BrokenPipe, error),
            QueueError::Full(full) => Self::new(io::ErrorKind::QuotaExceeded, full),
            QueueError::Io(error) => error,
        }
    }
}

/// An error of a stream, to be told to many.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    kind: io::ErrorKind,
    /// The system's number, if it is the system's error.
    number: Option<i32>,
    text: Rc<str>,
}

impl Failure {
    pub(super) fn of(error: &io::Error) -> Self {
        let text = error.to_string().into();
        Self { kind: error.kind(), number: error.raw_os_error(), text }
    }

    pub(super) fn aborted() -> Self {
        let text = "the connection was aborted on this side".into();
        Self { kind: io::ErrorKind::ConnectionAborted, number: None, text }
    }

    pub(crate) fn to_error(&self) -> io::Error {
        match self.number {
            Some(number) => io::Error::from_raw_os_error(number),
            None => io::Error::new(self.kind, &*self.text),
        }
    }
}
