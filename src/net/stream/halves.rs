//! The two directions of a connection, apart.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use crate::net::TcpStream;

/// A connection whose write side can be closed alone. Implemented by the streams of this crate.
#[doc(hidden)]
pub trait Connection {
    /// Closes the write side. No error if the peer was faster: closed is closed.
    fn close_write(&self) -> io::Result<()>;
}

/// The reading half of a borrowed stream; see [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a, S = TcpStream> {
    pub(in crate::net) stream: &'a S,
}

/// The writing half of a borrowed stream; see [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a, S = TcpStream> {
    pub(in crate::net) stream: &'a S,
}

/// The reading half of a stream; see [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf<S = TcpStream> {
    stream: Arc<S>,
}

/// The writing half of a stream; see [`TcpStream::into_split`]. Its drop closes the write side.
#[derive(Debug)]
pub struct OwnedWriteHalf<S: Connection = TcpStream> {
    /// `None` only when it was reunited or forgotten.
    stream: Option<Arc<S>>,
}

pub(in crate::net) fn halves<S: Connection>(stream: S) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let stream = Arc::new(stream);
    let write = OwnedWriteHalf { stream: Some(Arc::clone(&stream)) };
    (OwnedReadHalf { stream }, write)
}

impl<S: Connection> OwnedReadHalf<S> {
    /// Puts the halves of one stream together again.
    ///
    /// # Errors
    ///
    /// Both halves, if they are not of one stream.
    pub fn reunite(self, write: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !Arc::ptr_eq(&self.stream, write.shared()) {
            return Err(ReuniteError { read: self, write });
        }
        write.forget();
        Ok(Arc::into_inner(self.stream).expect("these two halves were all"))
    }
}

impl<S: Connection> OwnedWriteHalf<S> {
    fn shared(&self) -> &Arc<S> {
        self.stream.as_ref().expect("taken out only by `forget`, which consumes")
    }

    /// Drops the half without closing the write side.
    pub fn forget(mut self) {
        self.stream = None;
    }
}

impl<S: Connection> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            // It fails if the connection is gone, and then the peer knows.
            let _gone = stream.close_write();
        }
    }
}

/// `AsRef` and `AsyncRead` of a half.
macro_rules! reads {
    ($half:ty, |$this:ident| $stream:expr) => {
        impl<S> AsRef<S> for $half {
            fn as_ref(&self) -> &S {
                let $this = self;
                $stream
            }
        }

        impl<S> AsyncRead for $half
        where
            for<'s> &'s S: AsyncRead,
        {
            #[inline]
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                let mut stream: &S = $stream;
                Pin::new(&mut stream).poll_read(cx, buffer)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                let mut stream: &S = $stream;
                Pin::new(&mut stream).poll_read_vectored(cx, buffers)
            }
        }
    };
}

/// `AsRef` and `AsyncWrite` of a half.
macro_rules! writes {
    ($half:ty, |$this:ident| $stream:expr) => {
        impl<S: Connection> AsRef<S> for $half {
            fn as_ref(&self) -> &S {
                let $this = self;
                $stream
            }
        }

        impl<S: Connection> AsyncWrite for $half
        where
            for<'s> &'s S: AsyncWrite,
        {
            #[inline]
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                data: &[u8],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                let mut stream: &S = $stream;
                Pin::new(&mut stream).poll_write(cx, data)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                data: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                let mut stream: &S = $stream;
                Pin::new(&mut stream).poll_write_vectored(cx, data)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $this = &*self;
                let mut stream: &S = $stream;
                Pin::new(&mut stream).poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $this = &*self;
                let mut stream: &S = $stream;
                Pin::new(&mut stream).poll_close(cx)
            }
        }
    };
}

reads!(ReadHalf<'_, S>, |this| this.stream);
reads!(OwnedReadHalf<S>, |this| &*this.stream);
writes!(WriteHalf<'_, S>, |this| this.stream);
writes!(OwnedWriteHalf<S>, |this| &**this.shared());

/// Two halves that are not of one stream; see [`OwnedReadHalf::reunite`].
#[derive(Debug)]
pub struct ReuniteError<S: Connection = TcpStream> {
    /// The reading half, given back.
    pub read: OwnedReadHalf<S>,
    /// The writing half, given back.
    pub write: OwnedWriteHalf<S>,
}

impl<S: Connection> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves are not of one stream")
    }
}

impl<S: Connection + fmt::Debug> Error for ReuniteError<S> {}
