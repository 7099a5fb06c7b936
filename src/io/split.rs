//! The two directions of any stream, apart.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

/// Parts the two directions of a stream, for two tasks. Streams of [`net`](crate::net) have an `into_split` of
/// their own, which is cheaper.
///
/// Dropping the writing half closes nothing: call [`close`](crate::io::AsyncWriteExt::close) first. The stream is
/// dropped with the second half.
///
/// # Examples
///
/// ```
/// use monoloop::io::*;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let (ours, peer) = duplex(4);
///     let (mut reader, mut writer) = split(ours);
///     let (mut back, mut forth) = split(peer);
///     monoloop::spawn(async move { copy(&mut back, &mut forth).await.unwrap() }).detach();
///
///     let writing = monoloop::spawn(async move {
///         writer.write_all(b"longer than the pipe").await.unwrap();
///         writer
///     });
///     let mut text = [0; 20];
///     reader.read_exact(&mut text).await?;
///     assert_eq!(&text, b"longer than the pipe");
///     let _whole = reader.reunite(writing.await.unwrap()).unwrap();
///     Ok(())
/// })
/// # }
/// ```
pub fn split<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> (ReadHalf<S>, WriteHalf<S>) {
    let shared = Arc::new(Mutex::new(stream));
    (ReadHalf { shared: Arc::clone(&shared) }, WriteHalf { shared })
}

/// The reading half of a stream; see [`split`].
pub struct ReadHalf<S> {
    shared: Arc<Mutex<S>>,
}

/// The writing half of a stream; see [`split`].
pub struct WriteHalf<S> {
    shared: Arc<Mutex<S>>,
}

impl<S> ReadHalf<S> {
    /// Puts the halves of one stream together again.
    ///
    /// # Errors
    ///
    /// Both halves, if they are not of one stream.
    pub fn reunite(self, write: WriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !Arc::ptr_eq(&self.shared, &write.shared) {
            return Err(ReuniteError { read: self, write });
        }
        drop(write);
        let stream = Arc::into_inner(self.shared).expect("these two halves were all");
        Ok(stream.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The stream, unless the other half is being polled: on another thread, or further up on the stack.
/// Nothing waits for it; the task is polled again.
fn poll_stream<'a, S>(shared: &'a Mutex<S>, cx: &Context<'_>) -> Poll<MutexGuard<'a, S>> {
    match shared.try_lock() {
        Ok(stream) => Poll::Ready(stream),
        // A stream that panicked says itself what it is good for.
        Err(TryLockError::Poisoned(stream)) => Poll::Ready(stream.into_inner()),
        Err(TryLockError::WouldBlock) => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadHalf<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *ready!(poll_stream(&self.shared, cx))).poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *ready!(poll_stream(&self.shared, cx))).poll_read_vectored(cx, buffers)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteHalf<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *ready!(poll_stream(&self.shared, cx))).poll_write(cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *ready!(poll_stream(&self.shared, cx))).poll_write_vectored(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *ready!(poll_stream(&self.shared, cx))).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *ready!(poll_stream(&self.shared, cx))).poll_close(cx)
    }
}

impl<S: fmt::Debug> fmt::Debug for ReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").field("stream", &self.shared).finish()
    }
}

impl<S: fmt::Debug> fmt::Debug for WriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf").field("stream", &self.shared).finish()
    }
}

/// Two halves that are not of one stream; see [`ReadHalf::reunite`].
pub struct ReuniteError<S> {
    /// The reading half, given back.
    pub read: ReadHalf<S>,
    /// The writing half, given back.
    pub write: WriteHalf<S>,
}

impl<S> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves are not of one stream")
    }
}

impl<S> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReuniteError").finish_non_exhaustive()
    }
}

impl<S> Error for ReuniteError<S> {}
