//! The pipes to a child's standard streams.
//!
//! A pipe has two ends, and each end its own mode: ours is non-blocking, the child's is left as programs expect it.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::process::{self, Stdio};
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use mio::event::Source;
use mio::unix::pipe::{Receiver, Sender};
use rustix::buffer::spare_capacity;

use crate::event_loop::Core;
use crate::io::Registered;
use crate::reactor::Direction;

/// Writes to a child's stdin. Closing or dropping it ends the child's input.
///
/// A child that ended, or closed its stdin, makes writes fail with [`BrokenPipe`](io::ErrorKind::BrokenPipe). That
/// supposes that SIGPIPE is ignored, as Rust's runtime sees to.
///
/// # Cancel safety
///
/// A `write` that is dropped wrote nothing; of a `write_all` nobody knows how much.
#[derive(Debug)]
pub struct ChildStdin {
    /// `None`: it was closed.
    pipe: Option<Registered<Sender>>,
}

/// Reads a child's stdout.
///
/// # Cancel safety
///
/// A `read` that is dropped read nothing.
#[derive(Debug)]
pub struct ChildStdout {
    pipe: Registered<Receiver>,
}

/// Reads a child's stderr.
///
/// # Cancel safety
///
/// A `read` that is dropped read nothing.
#[derive(Debug)]
pub struct ChildStderr {
    pipe: Registered<Receiver>,
}

impl ChildStdin {
    pub(super) fn new(core: &Core, stdin: process::ChildStdin) -> io::Result<Self> {
        let pipe = Sender::from(stdin);
        pipe.set_nonblocking(true)?;
        Ok(Self { pipe: Some(Registered::in_core(core, pipe)?) })
    }

    /// Takes the pipe out of the loop, and makes it blocking, to give it to another child.
    ///
    /// # Errors
    ///
    /// If it was closed, or belongs to a loop that is not current.
    pub fn into_owned_fd(mut self) -> io::Result<OwnedFd> {
        into_blocking(self.pipe.take().ok_or_else(closed)?)
    }

    fn poll_with<R>(
        &self,
        cx: &mut Context<'_>,
        wanted: usize,
        write: impl FnMut(&Sender) -> io::Result<usize>,
        then: impl FnOnce(usize) -> R,
    ) -> Poll<io::Result<R>> {
        match &self.pipe {
            Some(pipe) => {
                pipe.poll_bytes(Direction::Write, cx, wanted, write).map(|wrote| wrote.map(then))
            }
            None => Poll::Ready(Err(closed())),
        }
    }
}

fn into_blocking(pipe: Registered<impl Source + Into<OwnedFd>>) -> io::Result<OwnedFd> {
    let fd: OwnedFd = pipe.into_inner()?.into();
    rustix::io::ioctl_fionbio(&fd, false)?;
    Ok(fd)
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the child's stdin was closed by us")
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, data.len(), |mut pipe| pipe.write(data), |wrote| wrote)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = data.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        self.poll_with(cx, wanted, |mut pipe| pipe.write_vectored(data), |wrote| wrote)
    }

    /// Does nothing: nothing is buffered.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes the pipe: the child reads all that was written, and then the end.
    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        drop(self.pipe.take());
        Poll::Ready(Ok(()))
    }
}

macro_rules! reader {
    ($name:ident) => {
        impl $name {
            pub(super) fn new(core: &Core, pipe: process::$name) -> io::Result<Self> {
                let pipe = Receiver::from(pipe);
                pipe.set_nonblocking(true)?;
                Ok(Self { pipe: Registered::in_core(core, pipe)? })
            }

            /// Takes the pipe out of the loop, and makes it blocking, to give it to another child.
            ///
            /// # Errors
            ///
            /// If it belongs to a loop that is not current.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                into_blocking(self.pipe)
            }

            /// Reads into the spare room of `buffer`, of which there must be some.
            pub(super) fn poll_fill(
                &self,
                cx: &mut Context<'_>,
                buffer: &mut Vec<u8>,
            ) -> Poll<io::Result<usize>> {
                debug_assert!(buffer.capacity() > buffer.len(), "no room");
                // A short read proves nothing: the child may have put its end into packet mode.
                self.pipe.poll_bytes(Direction::Read, cx, 0, |pipe| {
                    pipe.try_io(|| Ok(rustix::io::read(pipe, spare_capacity(buffer))?))
                })
            }
        }

        impl AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.pipe.poll_bytes(Direction::Read, cx, 0, |mut pipe| pipe.read(buffer))
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                self.pipe.poll_bytes(Direction::Read, cx, 0, |mut pipe| pipe.read_vectored(buffers))
            }
        }

        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.pipe.get().as_fd()
            }
        }

        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                self.as_fd().as_raw_fd()
            }
        }
    };
}

reader!(ChildStdout);
reader!(ChildStderr);

macro_rules! into_stdio {
    ($($name:ident)*) => {$(
        /// For a pipeline: what one child writes, another reads. Fails as `into_owned_fd` does.
        impl TryFrom<$name> for Stdio {
            type Error = io::Error;

            fn try_from(pipe: $name) -> io::Result<Stdio> {
                pipe.into_owned_fd().map(Stdio::from)
            }
        }
    )*};
}

into_stdio!(ChildStdin ChildStdout ChildStderr);
