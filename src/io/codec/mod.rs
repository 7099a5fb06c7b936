//! Frames: items of a protocol, cut out of a stream of bytes and put into one.
//!
//! A [`Decoder`] cuts items off the front of a [`ReadBuffer`]; an [`Encoder`] puts them behind one another
//! into a vector. [`FramedRead`] is a [`Stream`](futures_core::Stream) of what a decoder finds,
//! [`FramedWrite`] sends, and [`Framed`] does both. Two codecs are here: [`LinesCodec`] and
//! [`LengthDelimitedCodec`].
//!
//! # How a stream of items ends
//!
//! ```text
//!   reading ── end of the bytes ──► at the end ── decode_eof: nothing left ──► over: None for ever
//!      │                                │
//!      └── an error of the stream, or of a decoder that consumed nothing ────► the error, then over
//! ```
//!
//! A decoder that fails after it consumed something is asked again: [`LinesCodec`] skips a line that is too
//! long and goes on. One that consumed nothing would fail for ever on the same bytes, so there the stream is
//! over. So a loop that passes over errors ends, whatever the peer sends.
//!
//! What has been decoded comes before an error of the stream. Items of a stream that is always ready are
//! given out until the task has done enough for one poll, and then it gives way; so it does if the stream has no item.
//!
//! # Memory
//!
//! Reading stops while an item is there to be given out, so the buffer holds less than the decoder's longest
//! item and one read. A decoder that does not bound its items does not bound the buffer.

mod framed;
mod length_delimited;
mod lines;
mod read;
mod write;

use std::io;

pub use framed::{Framed, FramedParts};
pub use length_delimited::{LengthDelimitedCodec, LengthError};
pub use lines::{LineTooLong, LinesCodec};
pub use read::FramedRead;
pub use write::FramedWrite;

use super::{IncompleteRead, ReadBuffer};

/// Cuts items off the front of a buffer.
///
/// # Examples
///
/// Numbers of two bytes:
///
/// ```
/// use monoloop::io::ReadBuffer;
/// use monoloop::io::codec::{Decoder, FramedRead};
///
/// struct Numbers;
///
/// impl Decoder for Numbers {
///     type Item = u16;
///     type Error = std::io::Error;
///
///     fn decode(&mut self, buffer: &mut ReadBuffer) -> Result<Option<u16>, Self::Error> {
///         let Some(&bytes) = buffer.first_chunk() else { return Ok(None) };
///         buffer.consume(2);
///         Ok(Some(u16::from_be_bytes(bytes)))
///     }
/// }
///
/// # monoloop::run(async {
/// let mut numbers = FramedRead::new(&[0, 1, 1, 0, 7][..], Numbers);
/// assert_eq!(numbers.next().await.unwrap().unwrap(), 1);
/// assert_eq!(numbers.next().await.unwrap().unwrap(), 256);
/// // Half a number is left.
/// assert!(numbers.next().await.unwrap().is_err());
/// assert!(numbers.next().await.is_none());
/// # });
/// ```
pub trait Decoder {
    /// What is cut off.
    type Item;
    /// What decoding, or reading, fails with.
    type Error: From<io::Error>;

    /// Takes one item off the front of the buffer, or gives `None` if there is no whole one; it is asked again
    /// when more has come.
    ///
    /// # Errors
    ///
    /// If the bytes are no item. If it consumed some of them it is asked again, and otherwise no more.
    fn decode(&mut self, buffer: &mut ReadBuffer) -> Result<Option<Self::Item>, Self::Error>;

    /// Like [`decode`](Self::decode), when nothing more comes. It is asked until it gives `None`.
    ///
    /// # Errors
    ///
    /// If the bytes are no item. Unless it is implemented otherwise: if some are left, an [`io::Error`] that
    /// carries an [`IncompleteRead`].
    fn decode_eof(&mut self, buffer: &mut ReadBuffer) -> Result<Option<Self::Item>, Self::Error> {
        if let Some(item) = self.decode(buffer)? {
            return Ok(Some(item));
        }
        match buffer.is_empty() {
            true => Ok(None),
            false => {
                let error = IncompleteRead { partial: buffer.take_all(), expected: None };
                Err(io::Error::from(error).into())
            }
        }
    }
}

/// Puts items behind one another.
pub trait Encoder<Item> {
    /// What encoding, or writing, fails with.
    type Error: From<io::Error>;

    /// Appends an item to `out`. What it appended before it fails is removed again.
    ///
    /// # Errors
    ///
    /// If the item cannot be sent.
    fn encode(&mut self, item: Item, out: &mut Vec<u8>) -> Result<(), Self::Error>;
}
