//! Writing frames.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::AsyncWrite;

use super::Encoder;
use crate::io::poll_proceed;

/// As soon as so much waits to be written, the next frame waits.
const HIGH_WATER: usize = 8 * 1024;
/// What an empty buffer keeps for the next frames.
const KEPT: usize = 64 * 1024;

/// What was encoded and not yet written.
#[derive(Debug, Default)]
pub(super) struct Writing {
    pub(super) buffer: Vec<u8>,
    /// So much of the buffer was written.
    written: usize,
}

impl Writing {
    pub(super) fn new(buffer: Vec<u8>) -> Self {
        Self { buffer, written: 0 }
    }

    pub(super) fn into_buffer(mut self) -> Vec<u8> {
        self.buffer.drain(..self.written);
        self.buffer
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.len() - self.written
    }

    pub(super) fn encode<I, E: Encoder<I>>(
        &mut self,
        item: I,
        encoder: &mut E,
    ) -> Result<(), E::Error> {
        if self.written > self.len() {
            // It may never become empty.
            self.buffer.drain(..self.written);
            self.written = 0;
        }
        let before = self.buffer.len();
        let encoded = encoder.encode(item, &mut self.buffer);
        if encoded.is_err() {
            self.buffer.truncate(before);
        }
        encoded
    }

    /// Ready when there is room for a frame.
    pub(super) fn poll_room<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match self.len() < HIGH_WATER {
            true => Poll::Ready(Ok(())),
            false => self.poll_drain(stream, cx),
        }
    }

    fn poll_drain<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.written < self.buffer.len() {
            ready!(poll_proceed(cx));
            let data = &self.buffer[self.written..];
            let count = ready!(Pin::new(&mut *stream).poll_write(cx, data))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(stream, cx))?;
        Pin::new(stream).poll_flush(cx)
    }

    pub(super) fn poll_close<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(stream, cx))?;
        Pin::new(stream).poll_close(cx)
    }
}

/// Writes frames: what an [`Encoder`] makes of items.
///
/// Frames are gathered in a buffer, which goes out by [`send`](Self::send) and [`flush`](Self::flush), or when
/// it holds more than 8 KiB. Dropping it loses what is in the buffer.
///
/// # Examples
///
/// ```
/// use monoloop::io::codec::{FramedWrite, LengthDelimitedCodec};
///
/// # monoloop::run(async {
/// let mut frames = FramedWrite::new(Vec::new(), LengthDelimitedCodec::new());
/// frames.feed("one").await.unwrap();
/// frames.send("").await.unwrap();
/// assert_eq!(frames.get_ref(), b"\0\0\0\x03one\0\0\0\0");
/// # });
/// ```
#[derive(Debug)]
#[must_use = "frames are sent by `send`"]
pub struct FramedWrite<W, E> {
    inner: W,
    encoder: E,
    writing: Writing,
}

impl<W, E> FramedWrite<W, E> {
    /// Writes frames into `inner`.
    pub fn new(inner: W, encoder: E) -> Self {
        Self { inner, encoder, writing: Writing::default() }
    }

    /// Returns the stream.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// Returns the stream. What is written into it directly may come before frames that are in the buffer.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// Returns the encoder.
    pub fn encoder(&self) -> &E {
        &self.encoder
    }

    /// Returns the encoder.
    pub fn encoder_mut(&mut self) -> &mut E {
        &mut self.encoder
    }

    /// Returns how many bytes are in the buffer.
    pub fn buffered(&self) -> usize {
        self.writing.len()
    }

    /// Gives back the stream, the encoder, and what was encoded and not yet written.
    pub fn into_parts(self) -> (W, E, Vec<u8>) {
        (self.inner, self.encoder, self.writing.into_buffer())
    }
}

impl<W: AsyncWrite + Unpin, E> FramedWrite<W, E> {
    /// Sends a frame, and all that are in the buffer before it.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the frame is in the buffer, the item is lost as a whole; afterwards it goes out with the
    /// next flush. No part of a frame is lost: the peer never sees half of one.
    ///
    /// # Errors
    ///
    /// That of the encoder, which leaves the buffer as it was, or of the stream.
    pub async fn send<I>(&mut self, item: I) -> Result<(), E::Error>
    where
        E: Encoder<I>,
    {
        self.feed(item).await?;
        Ok(self.flush().await?)
    }

    /// Puts a frame into the buffer, when there is room.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for room, the item is lost as a whole.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn feed<I>(&mut self, item: I) -> Result<(), E::Error>
    where
        E: Encoder<I>,
    {
        poll_fn(|cx| self.writing.poll_room(&mut self.inner, cx)).await?;
        self.writing.encode(item, &mut self.encoder)
    }

    /// Writes all that is in the buffer.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: call it again.
    ///
    /// # Errors
    ///
    /// That of the stream.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.writing.poll_flush(&mut self.inner, cx)).await
    }

    /// Writes all that is in the buffer and closes the stream's writing side.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: call it again.
    ///
    /// # Errors
    ///
    /// That of the stream.
    pub async fn close(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.writing.poll_close(&mut self.inner, cx)).await
    }
}
