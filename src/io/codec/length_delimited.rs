//! Blocks of bytes, each behind its length.

use std::error::Error;
use std::fmt;
use std::io;

use super::{Decoder, Encoder};
use crate::io::{IncompleteRead, ReadBuffer};

/// How long a frame may be if nothing else is said.
const DEFAULT_LIMIT: usize = 8 * 1024 * 1024;
/// The bytes of the longest length.
const WORD: usize = 8;

/// Blocks of bytes, each behind its length: a number of 1 to 8 bytes that does not count itself.
///
/// A length above the limit is an error at once, an [`io::Error`] of kind
/// [`InvalidData`](io::ErrorKind::InvalidData) that carries a [`LengthError`], and the stream of frames is over:
/// where the next frame begins is not known. Memory grows with what comes, not with what a length announces.
///
/// The end of the stream inside of a frame is an [`io::Error`] that carries an [`IncompleteRead`], whose
/// `partial` begins with the length.
///
/// # Examples
///
/// ```
/// use monoloop::io::codec::{FramedRead, LengthDelimitedCodec};
///
/// # monoloop::run(async {
/// let codec = LengthDelimitedCodec::new().length_bytes(2).little_endian().limit(1000);
/// let mut frames = FramedRead::new(&b"\x02\0hi\0\0\x01\0!"[..], codec);
/// assert_eq!(frames.next().await.unwrap().unwrap(), b"hi");
/// assert_eq!(frames.next().await.unwrap().unwrap(), b"");
/// assert_eq!(frames.next().await.unwrap().unwrap(), b"!");
/// assert!(frames.next().await.is_none());
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct LengthDelimitedCodec {
    length_bytes: usize,
    is_little_endian: bool,
    limit: usize,
}

impl LengthDelimitedCodec {
    /// Makes a codec with lengths of four bytes, the highest first, and frames of up to 8 MiB.
    pub fn new() -> Self {
        Self { length_bytes: 4, is_little_endian: false, limit: DEFAULT_LIMIT }
    }

    /// Sets how many bytes a length has.
    ///
    /// # Panics
    ///
    /// If they are none, or more than eight.
    #[must_use]
    #[track_caller]
    pub fn length_bytes(self, count: usize) -> Self {
        assert!((1..=WORD).contains(&count), "a length has 1 to 8 bytes, not {count}");
        Self { length_bytes: count, ..self }
    }

    /// The lowest byte of a length comes first.
    #[must_use]
    pub fn little_endian(self) -> Self {
        Self { is_little_endian: true, ..self }
    }

    /// The highest byte of a length comes first, as it does if nothing is said.
    #[must_use]
    pub fn big_endian(self) -> Self {
        Self { is_little_endian: false, ..self }
    }

    /// Sets how many bytes a frame may have, without its length: of those that come and those that are sent.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    fn length(&self, head: &[u8]) -> u64 {
        let mut word = [0; WORD];
        if self.is_little_endian {
            word[..head.len()].copy_from_slice(head);
            u64::from_le_bytes(word)
        } else {
            word[WORD - head.len()..].copy_from_slice(head);
            u64::from_be_bytes(word)
        }
    }

    fn put_length(&self, length: u64, out: &mut Vec<u8>) {
        if self.is_little_endian {
            out.extend_from_slice(&length.to_le_bytes()[..self.length_bytes]);
        } else {
            out.extend_from_slice(&length.to_be_bytes()[WORD - self.length_bytes..]);
        }
    }

    /// How long the frame is whose head came, checked.
    fn announced(&self, buffer: &ReadBuffer) -> io::Result<Option<usize>> {
        let Some(head) = buffer.get(..self.length_bytes) else { return Ok(None) };
        let length = self.length(head);
        match usize::try_from(length) {
            Ok(fits) if fits <= self.limit => Ok(Some(fits)),
            _ => Err(self.refuse(length, self.limit as u64)),
        }
    }

    fn refuse(&self, length: u64, limit: u64) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, LengthError { length, limit })
    }
}

impl Default for LengthDelimitedCodec {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for LengthDelimitedCodec {
    type Item = Vec<u8>;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut ReadBuffer) -> io::Result<Option<Vec<u8>>> {
        let Some(length) = self.announced(buffer)? else { return Ok(None) };
        if buffer.len() - self.length_bytes < length {
            return Ok(None);
        }
        buffer.consume(self.length_bytes);
        Ok(Some(buffer.take(length)))
    }

    fn decode_eof(&mut self, buffer: &mut ReadBuffer) -> io::Result<Option<Vec<u8>>> {
        if let Some(frame) = self.decode(buffer)? {
            return Ok(Some(frame));
        }
        if buffer.is_empty() {
            return Ok(None);
        }
        let announced = self.announced(buffer)?;
        let expected = announced.map(|length| length.saturating_add(self.length_bytes));
        Err(IncompleteRead { partial: buffer.take_all(), expected }.into())
    }
}

impl<T: AsRef<[u8]>> Encoder<T> for LengthDelimitedCodec {
    type Error = io::Error;

    fn encode(&mut self, frame: T, out: &mut Vec<u8>) -> io::Result<()> {
        let frame = frame.as_ref();
        let length = frame.len() as u64;
        // The highest number that so many bytes hold.
        let highest = u64::MAX >> (8 * (WORD - self.length_bytes));
        let limit = highest.min(self.limit as u64);
        if length > limit {
            return Err(self.refuse(length, limit));
        }
        self.put_length(length, out);
        out.extend_from_slice(frame);
        Ok(())
    }
}

/// A frame is longer than is allowed, or than its length can say. See [`LengthDelimitedCodec`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LengthError {
    length: u64,
    limit: u64,
}

impl LengthError {
    /// Returns how long the frame is, or was announced to be.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns how long it may be.
    pub fn limit(&self) -> u64 {
        self.limit
    }
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frame of {} bytes, where {} are allowed", self.length, self.limit)
    }
}

impl Error for LengthError {}
