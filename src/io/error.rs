//! What reading a whole item can fail with.

use std::error::Error;
use std::fmt;
use std::io;

/// The stream ended inside of an item. Carries what came of it.
///
/// Converts into an [`io::Error`] of kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
#[doc(alias = "IncompleteReadError")]
#[derive(Clone, PartialEq, Eq)]
pub struct IncompleteRead {
    /// The bytes that came.
    pub partial: Vec<u8>,
    /// How many were wanted, if that is known.
    pub expected: Option<usize>,
}

impl fmt::Display for IncompleteRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partial = self.partial.len();
        match self.expected {
            Some(expected) => write!(f, "the stream ended after {partial} of {expected} bytes"),
            None => write!(f, "the stream ended after {partial} bytes, inside of an item"),
        }
    }
}

/// The bytes themselves are left out.
impl fmt::Debug for IncompleteRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncompleteRead")
            .field("partial", &format_args!("{} bytes", self.partial.len()))
            .field("expected", &self.expected)
            .finish()
    }
}

impl Error for IncompleteRead {}

impl From<IncompleteRead> for io::Error {
    fn from(error: IncompleteRead) -> Self {
        Self::new(io::ErrorKind::UnexpectedEof, error)
    }
}

/// No delimiter came within the limit. All data is still in the reader's buffer.
///
/// Converts into an [`io::Error`] of kind [`InvalidData`](io::ErrorKind::InvalidData).
#[doc(alias = "LimitOverrunError")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitOverrun {
    /// How long an item may be, its delimiter included.
    pub limit: usize,
    /// So many of the bytes in the buffer can be consumed without cutting a delimiter in two.
    pub consumed: usize,
}

impl LimitOverrun {
    /// None of the delimiters, the longest of which is so long, came within `limit` bytes.
    pub(crate) fn of(limit: usize, longest: usize) -> Self {
        Self { limit, consumed: (limit + 1).saturating_sub(longest) }
    }
}

impl fmt::Display for LimitOverrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no delimiter within {} bytes", self.limit)
    }
}

impl Error for LimitOverrun {}

impl From<LimitOverrun> for io::Error {
    fn from(error: LimitOverrun) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Why a whole item could not be read. Converts into an [`io::Error`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream ended inside of the item.
    Incomplete(IncompleteRead),
    /// No delimiter came within the limit.
    LimitOverrun(LimitOverrun),
    /// The stream failed. What had come of the item is still in the reader's buffer.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete(error) => error.fmt(f),
            Self::LimitOverrun(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Incomplete(_) | Self::LimitOverrun(_) => None,
            Self::Io(error) => error.source(),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Incomplete(error) => error.into(),
            ReadError::LimitOverrun(error) => error.into(),
            ReadError::Io(error) => error,
        }
    }
}
