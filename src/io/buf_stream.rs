//! Buffering both directions.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::{BufReader, BufWriter};

/// Buffers both directions of a stream: a [`BufReader`] and a [`BufWriter`] in one.
///
/// What was written goes out when the buffer is full, or by
/// [`flush`](crate::io::AsyncWriteExt::flush). Dropping it loses what was not flushed.
///
/// # Examples
///
/// ```
/// use monoloop::io::*;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let (ours, mut peer) = duplex(64);
///     let mut stream = BufStream::new(ours);
///     stream.write_all(b"two ").await?;
///     stream.write_all(b"parts\n").await?;
///     stream.flush().await?;
///     let mut text = [0; 10];
///     peer.read_exact(&mut text).await?;
///     assert_eq!(&text, b"two parts\n");
///     peer.write_all(&text).await?;
///     let mut line = String::new();
///     stream.read_line(&mut line).await?;
///     assert_eq!(line, "two parts\n");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct BufStream<S> {
    inner: BufWriter<BufReader<S>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> BufStream<S> {
    /// Buffers up to 8 KiB in each direction.
    pub fn new(stream: S) -> Self {
        Self { inner: BufWriter::new(BufReader::new(stream)) }
    }

    /// Buffers so much of what is read, and of what is written.
    pub fn with_capacity(read: usize, write: usize, stream: S) -> Self {
        let reader = BufReader::with_capacity(read, stream);
        Self { inner: BufWriter::with_capacity(write, reader) }
    }

    /// Returns the stream.
    pub fn get_ref(&self) -> &S {
        self.inner.get_ref().get_ref()
    }

    /// Returns the stream. What is read off it, or written into it, directly passes by the buffers.
    pub fn get_mut(&mut self) -> &mut S {
        self.inner.get_mut().get_mut()
    }

    /// Returns what was read and not yet given out.
    pub fn read_buffer(&self) -> &[u8] {
        self.inner.get_ref().buffer()
    }

    /// Returns what was written and not yet passed on.
    pub fn write_buffer(&self) -> &[u8] {
        self.inner.buffer()
    }

    /// Gives the stream back. What is in the buffers is lost.
    pub fn into_inner(self) -> S {
        self.inner.into_inner().into_inner()
    }

    fn reader(self: Pin<&mut Self>) -> Pin<&mut BufReader<S>> {
        Pin::new(self.get_mut().inner.get_mut())
    }

    fn writer(self: Pin<&mut Self>) -> Pin<&mut BufWriter<BufReader<S>>> {
        Pin::new(&mut self.get_mut().inner)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for BufStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.reader().poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncBufRead for BufStream<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.reader().poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.reader().consume(count);
    }
}

/// `poll_close` flushes first.
impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for BufStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writer().poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer().poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer().poll_close(cx)
    }
}
