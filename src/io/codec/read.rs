//! Reading frames.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use futures_io::AsyncRead;

use super::Decoder;
use crate::io::{ReadBuffer, poll_proceed};

/// What was read and not yet decoded, and how far the stream is.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) buffer: ReadBuffer,
    state: State,
}

/// See the module's drawing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Reading,
    AtEnd,
    Over,
}

impl Reading {
    pub(super) fn new(buffer: ReadBuffer) -> Self {
        Self { buffer, state: State::Reading }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    pub(super) fn poll_next<R: AsyncRead + Unpin, D: Decoder>(
        &mut self,
        stream: &mut R,
        decoder: &mut D,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<D::Item, D::Error>>> {
        if self.state == State::Over {
            return Poll::Ready(None);
        }
        ready!(poll_proceed(cx));
        loop {
            match self.decode(decoder).transpose() {
                Some(result) => return Poll::Ready(Some(result)),
                None if self.state != State::Reading => {
                    self.state = State::Over;
                    return Poll::Ready(None);
                }
                None => {}
            }
            match ready!(self.buffer.poll_fill(Pin::new(&mut *stream), cx)) {
                Ok(0) => self.state = State::AtEnd,
                // There may be no item in all that the stream has.
                Ok(_) => ready!(poll_proceed(cx)),
                Err(error) => {
                    self.state = State::Over;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }

    fn decode<D: Decoder>(&mut self, decoder: &mut D) -> Result<Option<D::Item>, D::Error> {
        let before = self.buffer.len();
        let decoded = match self.state {
            // An empty buffer holds no item, but a decoder may have one of its own.
            State::Reading => decoder.decode(&mut self.buffer),
            State::AtEnd => decoder.decode_eof(&mut self.buffer),
            State::Over => Ok(None),
        };
        if decoded.is_err() && self.buffer.len() == before {
            self.state = State::Over;
        }
        decoded
    }
}

/// Reads frames: a [`Stream`] of what a [`Decoder`] cuts out of the bytes of a stream.
///
/// # Cancel safety
///
/// Nothing is lost: what was read stays in the buffer until it is an item.
///
/// # Examples
///
/// ```
/// use monoloop::io::codec::{FramedRead, LinesCodec};
///
/// # monoloop::run(async {
/// let mut lines = FramedRead::new(&b"one\r\ntwo\nthree"[..], LinesCodec::with_limit(100));
/// let mut all = Vec::new();
/// while let Some(line) = lines.next().await {
///     all.push(line.unwrap());
/// }
/// assert_eq!(all, ["one", "two", "three"]);
/// # });
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct FramedRead<R, D> {
    inner: R,
    decoder: D,
    reading: Reading,
}

impl<R, D> FramedRead<R, D> {
    /// Reads the frames of `inner`.
    pub fn new(inner: R, decoder: D) -> Self {
        Self::with_buffer(inner, decoder, ReadBuffer::new())
    }

    /// Reads the frames of what is in `buffer`, and then those of `inner`: to go on where something else left
    /// off, as [`StreamReader::into_parts`](crate::io::StreamReader::into_parts).
    pub fn with_buffer(inner: R, decoder: D, buffer: ReadBuffer) -> Self {
        Self { inner, decoder, reading: Reading::new(buffer) }
    }

    /// Returns the stream.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// Returns the stream. What is read off it directly is missing here.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Returns the decoder.
    pub fn decoder(&self) -> &D {
        &self.decoder
    }

    /// Returns the decoder.
    pub fn decoder_mut(&mut self) -> &mut D {
        &mut self.decoder
    }

    /// Returns what was read and not yet decoded.
    pub fn buffer(&self) -> &ReadBuffer {
        &self.reading.buffer
    }

    /// Gives back the stream, the decoder, and what was read and not yet decoded.
    pub fn into_parts(self) -> (R, D, ReadBuffer) {
        (self.inner, self.decoder, self.reading.buffer)
    }
}

impl<R: AsyncRead + Unpin, D: Decoder> FramedRead<R, D> {
    /// Reads the next frame. `None`: the stream is over.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// That of the stream, or of the decoder; [the module](super) says what comes after it.
    pub async fn next(&mut self) -> Option<Result<D::Item, D::Error>> {
        poll_fn(|cx| self.reading.poll_next(&mut self.inner, &mut self.decoder, cx)).await
    }
}

impl<R: Unpin, D> Unpin for FramedRead<R, D> {}

impl<R: AsyncRead + Unpin, D: Decoder> Stream for FramedRead<R, D> {
    type Item = Result<D::Item, D::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.reading.poll_next(&mut this.inner, &mut this.decoder, cx)
    }
}

impl<R: AsyncRead + Unpin, D: Decoder> FusedStream for FramedRead<R, D> {
    fn is_terminated(&self) -> bool {
        self.reading.is_over()
    }
}
