//! Lines of text.

use std::error::Error;
use std::fmt;
use std::io;

use memchr::memchr;

use super::{Decoder, Encoder};
use crate::io::ReadBuffer;

/// How long a line may be if nothing else is said.
const DEFAULT_LIMIT: usize = 64 * 1024;

/// Lines of UTF-8 text that end in `\n` or `\r\n`; the last one may end with the stream.
///
/// A line longer than the limit is an error, an [`io::Error`] of kind
/// [`InvalidData`](io::ErrorKind::InvalidData) that carries a [`LineTooLong`]. Its bytes are skipped as they
/// come, so memory is bounded, and the next line is read. A line that is not UTF-8 is an error that carries a
/// [`FromUtf8Error`](std::string::FromUtf8Error), and the next line is read.
///
/// Sent text is given a `\n` and otherwise sent as it is: if it holds a `\n`, it is two lines.
#[derive(Clone, Debug)]
pub struct LinesCodec {
    /// How many bytes a line may have, without its end.
    limit: usize,
    /// So much of what is in the buffer holds no `\n`.
    searched: usize,
    /// The line was too long: what comes up to its end is skipped.
    is_skipping: bool,
}

impl LinesCodec {
    /// Makes a codec for lines of up to 64 KiB.
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_LIMIT)
    }

    /// Makes a codec for lines of up to `limit` bytes, without their end.
    pub fn with_limit(limit: usize) -> Self {
        Self { limit, searched: 0, is_skipping: false }
    }

    /// Returns how many bytes a line may have, without its end.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Where the first `\n` is. What was searched is not searched again.
    fn newline(&mut self, buffer: &ReadBuffer) -> Option<usize> {
        let from = self.searched.min(buffer.len());
        let found = memchr(b'\n', &buffer[from..]).map(|index| from + index);
        self.searched = if found.is_some() { 0 } else { buffer.len() };
        found
    }

    /// Skips the rest of a line that is too long. True when its end was met.
    fn skip(&mut self, buffer: &mut ReadBuffer) -> bool {
        let newline = self.newline(buffer);
        buffer.consume(newline.map_or(buffer.len(), |index| index + 1));
        self.searched = 0;
        self.is_skipping = newline.is_none();
        newline.is_some()
    }

    fn too_long(&mut self, buffer: &mut ReadBuffer) -> io::Error {
        self.skip(buffer);
        io::Error::new(io::ErrorKind::InvalidData, LineTooLong { limit: self.limit })
    }

    /// Takes a line of `length` bytes, of which the last `end` are not text.
    fn take(&mut self, buffer: &mut ReadBuffer, length: usize, end: usize) -> io::Result<String> {
        let line = buffer[..length].to_vec();
        buffer.consume(length + end);
        String::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

impl Default for LinesCodec {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for LinesCodec {
    type Item = String;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut ReadBuffer) -> io::Result<Option<String>> {
        if self.is_skipping && !self.skip(buffer) {
            return Ok(None);
        }
        match self.newline(buffer) {
            Some(index) => {
                let length = index - usize::from(buffer[..index].ends_with(b"\r"));
                if length > self.limit {
                    return Err(self.too_long(buffer));
                }
                self.take(buffer, length, index + 1 - length).map(Some)
            }
            // One more may be the `\r` of its end.
            None if buffer.len() > self.limit.saturating_add(1) => Err(self.too_long(buffer)),
            None => Ok(None),
        }
    }

    fn decode_eof(&mut self, buffer: &mut ReadBuffer) -> io::Result<Option<String>> {
        if let Some(line) = self.decode(buffer)? {
            return Ok(Some(line));
        }
        match buffer.len() {
            0 => Ok(None),
            length if length > self.limit => Err(self.too_long(buffer)),
            length => {
                self.searched = 0;
                self.take(buffer, length, 0).map(Some)
            }
        }
    }
}

impl<T: AsRef<str>> Encoder<T> for LinesCodec {
    type Error = io::Error;

    fn encode(&mut self, line: T, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(line.as_ref().as_bytes());
        out.push(b'\n');
        Ok(())
    }
}

/// A line was longer than its reader allows; it was skipped. See [`LinesCodec`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineTooLong {
    limit: usize,
}

impl LineTooLong {
    /// Returns how many bytes a line may have.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line is longer than {} bytes", self.limit)
    }
}

impl Error for LineTooLong {}
