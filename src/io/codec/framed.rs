//! Reading and writing frames on one stream.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};
use futures_io::{AsyncRead, AsyncWrite};

use super::read::Reading;
use super::write::Writing;
use super::{Decoder, Encoder};
use crate::io::ReadBuffer;

/// Reads and writes frames: [`FramedRead`](super::FramedRead) and [`FramedWrite`](super::FramedWrite) in one.
///
/// # Examples
///
/// ```
/// use monoloop::io::codec::{Framed, LinesCodec};
/// use monoloop::io::duplex;
///
/// # monoloop::run(async {
/// let (ours, peer) = duplex(64);
/// let mut ours = Framed::new(ours, LinesCodec::new());
/// let mut peer = Framed::new(peer, LinesCodec::new());
/// ours.send("question").await.unwrap();
/// assert_eq!(peer.next().await.unwrap().unwrap(), "question");
/// peer.send("answer").await.unwrap();
/// assert_eq!(ours.next().await.unwrap().unwrap(), "answer");
/// # });
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct Framed<S, C> {
    inner: S,
    codec: C,
    reading: Reading,
    writing: Writing,
}

/// What a [`Framed`] is made of, to go on with another codec, or without one.
#[derive(Debug)]
#[non_exhaustive]
pub struct FramedParts<S, C> {
    /// The stream.
    pub inner: S,
    /// What cuts frames out and puts them in.
    pub codec: C,
    /// What was read and not yet decoded.
    pub read_buffer: ReadBuffer,
    /// What was encoded and not yet written.
    pub write_buffer: Vec<u8>,
}

impl<S, C> FramedParts<S, C> {
    /// Puts the parts of a stream together, with nothing in the buffers.
    pub fn new(inner: S, codec: C) -> Self {
        Self { inner, codec, read_buffer: ReadBuffer::new(), write_buffer: Vec::new() }
    }
}

impl<S, C> Framed<S, C> {
    /// Reads frames off `inner`, and writes frames into it.
    pub fn new(inner: S, codec: C) -> Self {
        Self::from_parts(FramedParts::new(inner, codec))
    }

    /// Goes on with what [`into_parts`](Self::into_parts) gave.
    pub fn from_parts(parts: FramedParts<S, C>) -> Self {
        Self {
            inner: parts.inner,
            codec: parts.codec,
            reading: Reading::new(parts.read_buffer),
            writing: Writing::new(parts.write_buffer),
        }
    }

    /// Takes it apart. No byte is lost.
    pub fn into_parts(self) -> FramedParts<S, C> {
        FramedParts {
            inner: self.inner,
            codec: self.codec,
            read_buffer: self.reading.buffer,
            write_buffer: self.writing.into_buffer(),
        }
    }

    /// Goes on with another codec: a protocol that switches in mid-stream. What was read and not yet decoded
    /// is decoded by the new one.
    pub fn map_codec<D>(self, f: impl FnOnce(C) -> D) -> Framed<S, D> {
        let parts = self.into_parts();
        Framed::from_parts(FramedParts {
            inner: parts.inner,
            codec: f(parts.codec),
            read_buffer: parts.read_buffer,
            write_buffer: parts.write_buffer,
        })
    }

    /// Returns the stream.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the stream. What is read or written there passes by the buffers.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the codec.
    pub fn codec(&self) -> &C {
        &self.codec
    }

    /// Returns the codec.
    pub fn codec_mut(&mut self) -> &mut C {
        &mut self.codec
    }
}

impl<S: AsyncRead + Unpin, C: Decoder> Framed<S, C> {
    /// Reads the next frame. `None`: the stream is over.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// That of the stream, or of the decoder; [the module](super) says what comes after it.
    pub async fn next(&mut self) -> Option<Result<C::Item, C::Error>> {
        poll_fn(|cx| self.reading.poll_next(&mut self.inner, &mut self.codec, cx)).await
    }
}

impl<S: AsyncWrite + Unpin, C> Framed<S, C> {
    /// Sends a frame, and all that are in the buffer before it.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the frame is in the buffer, the item is lost as a whole; afterwards it goes out with the
    /// next flush. The peer never sees half of a frame.
    ///
    /// # Errors
    ///
    /// That of the encoder, which leaves the buffer as it was, or of the stream.
    pub async fn send<I>(&mut self, item: I) -> Result<(), <C as Encoder<I>>::Error>
    where
        C: Encoder<I>,
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
    pub async fn feed<I>(&mut self, item: I) -> Result<(), <C as Encoder<I>>::Error>
    where
        C: Encoder<I>,
    {
        poll_fn(|cx| self.writing.poll_room(&mut self.inner, cx)).await?;
        self.writing.encode(item, &mut self.codec)
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

impl<S: Unpin, C> Unpin for Framed<S, C> {}

impl<S: AsyncRead + Unpin, C: Decoder> Stream for Framed<S, C> {
    type Item = Result<C::Item, C::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.reading.poll_next(&mut this.inner, &mut this.codec, cx)
    }
}

impl<S: AsyncRead + Unpin, C: Decoder> FusedStream for Framed<S, C> {
    fn is_terminated(&self) -> bool {
        self.reading.is_over()
    }
}
