//! The two directions of a connection, apart.

use std::error::Error;
use std::fmt;
use std::net::Shutdown;
use std::sync::Arc;

use super::TcpStream;

/// Implements `AsyncRead` by that of `&TcpStream`.
macro_rules! delegate_read {
    ($type:ty, |$this:ident| $stream:expr) => {
        impl futures_io::AsyncRead for $type {
            #[inline]
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = &*self;
                let mut stream: &TcpStream = $stream;
                let stream = std::pin::Pin::new(&mut stream);
                futures_io::AsyncRead::poll_read(stream, cx, buffer)
            }

            fn poll_read_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = &*self;
                let mut stream: &TcpStream = $stream;
                let stream = std::pin::Pin::new(&mut stream);
                futures_io::AsyncRead::poll_read_vectored(stream, cx, buffers)
            }
        }
    };
}

/// Implements `AsyncWrite` by that of `&TcpStream`.
macro_rules! delegate_write {
    ($type:ty, |$this:ident| $stream:expr) => {
        impl futures_io::AsyncWrite for $type {
            #[inline]
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                data: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = &*self;
                let mut stream: &TcpStream = $stream;
                let stream = std::pin::Pin::new(&mut stream);
                futures_io::AsyncWrite::poll_write(stream, cx, data)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                data: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = &*self;
                let mut stream: &TcpStream = $stream;
                let stream = std::pin::Pin::new(&mut stream);
                futures_io::AsyncWrite::poll_write_vectored(stream, cx, data)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $this = &*self;
                let mut stream: &TcpStream = $stream;
                let stream = std::pin::Pin::new(&mut stream);
                futures_io::AsyncWrite::poll_flush(stream, cx)
            }

            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $this = &*self;
                let mut stream: &TcpStream = $stream;
                let stream = std::pin::Pin::new(&mut stream);
                futures_io::AsyncWrite::poll_close(stream, cx)
            }
        }
    };
}

pub(super) use {delegate_read, delegate_write};

/// The reading half of a borrowed [`TcpStream`]; see [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a> {
    stream: &'a TcpStream,
}

/// The writing half of a borrowed [`TcpStream`]; see [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a> {
    stream: &'a TcpStream,
}

impl<'a> ReadHalf<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> Self {
        Self { stream }
    }
}

impl<'a> WriteHalf<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> Self {
        Self { stream }
    }
}

/// The reading half of a [`TcpStream`]; see [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf {
    stream: Arc<TcpStream>,
}

/// The writing half of a [`TcpStream`]; see [`TcpStream::into_split`]. Its drop closes the write side.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    /// `None` only when it was reunited or forgotten.
    stream: Option<Arc<TcpStream>>,
}

pub(super) fn halves(stream: Arc<TcpStream>) -> (OwnedReadHalf, OwnedWriteHalf) {
    let write = OwnedWriteHalf { stream: Some(Arc::clone(&stream)) };
    (OwnedReadHalf { stream }, write)
}

impl OwnedReadHalf {
    /// Puts the halves of one stream together again.
    ///
    /// # Errors
    ///
    /// Both halves, if they are not of one stream.
    pub fn reunite(self, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.stream, write.shared()) {
            return Err(ReuniteError { read: self, write });
        }
        write.forget();
        Ok(Arc::into_inner(self.stream).expect("these two halves were all"))
    }
}

impl OwnedWriteHalf {
    fn shared(&self) -> &Arc<TcpStream> {
        self.stream.as_ref().expect("taken out only by `forget`, which consumes")
    }

    /// Drops the half without closing the write side.
    pub fn forget(mut self) {
        self.stream = None;
    }
}

impl AsRef<TcpStream> for OwnedReadHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsRef<TcpStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        self.shared()
    }
}

impl AsRef<TcpStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.stream
    }
}

impl AsRef<TcpStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.stream
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            // It fails if the connection is gone, and then the peer knows.
            let _gone = stream.shutdown(Shutdown::Write);
        }
    }
}

delegate_read!(ReadHalf<'_>, |this| this.stream);
delegate_write!(WriteHalf<'_>, |this| this.stream);
delegate_read!(OwnedReadHalf, |this| &*this.stream);
delegate_write!(OwnedWriteHalf, |this| &**this.shared());

/// Two halves that are not of one stream; see [`OwnedReadHalf::reunite`].
#[derive(Debug)]
pub struct ReuniteError {
    /// The reading half, given back.
    pub read: OwnedReadHalf,
    /// The writing half, given back.
    pub write: OwnedWriteHalf,
}

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves are not of one stream")
    }
}

impl Error for ReuniteError {}
