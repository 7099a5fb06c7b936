//! Pipes: bytes one way, between processes or within one.
//!
//! ```
//! use monoloop::io::*;
//! use monoloop::net::pipe;
//!
//! # fn main() -> std::io::Result<()> {
//! monoloop::run(async {
//!     let (mut sender, mut receiver) = pipe::pipe()?;
//!     sender.write_all(b"hello").await?;
//!     drop(sender);
//!     let mut text = String::new();
//!     receiver.read_to_string(&mut text).await?;
//!     assert_eq!(text, "hello");
//!     Ok(())
//! })
//! # }
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::panic::Location;
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::descriptor::descriptor;
use super::stream::{self, RawRead, RawWrite};
use crate::io::Registered;

/// Makes a pipe.
///
/// # Errors
///
/// If the operating system refuses, or no loop runs on this thread.
#[track_caller]
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let location = Location::caller();
    let (sender, receiver) = mio::unix::pipe::new()?;
    Ok((
        Sender { io: Registered::new("pipe", location, sender)? },
        Receiver { io: Registered::new("pipe", location, receiver)? },
    ))
}

/// The writing end of a pipe.
///
/// Writing after the last reader is gone is an error ([`BrokenPipe`](io::ErrorKind::BrokenPipe)), in programs that
/// ignore `SIGPIPE`, as those of Rust do.
#[doc(alias = "connect_write_pipe")]
pub struct Sender {
    io: Registered<mio::unix::pipe::Sender>,
}

/// The reading end of a pipe.
#[doc(alias = "connect_read_pipe")]
pub struct Receiver {
    io: Registered<mio::unix::pipe::Receiver>,
}

impl Sender {
    /// Opens a named pipe to write.
    ///
    /// # Errors
    ///
    /// If the file is no pipe or nobody has it open to read (`ENXIO`), if the system refuses, or if no loop runs on
    /// this thread.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::from_owned_fd(open(OpenOptions::new().write(true), path.as_ref())?)
    }

    /// Takes the writing end of a pipe into the loop that runs on this thread, and makes it non-blocking: for everyone
    /// who has this end, in other processes too. So take no descriptor that others use, such as an inherited one.
    ///
    /// # Errors
    ///
    /// If it is no pipe, if the operating system refuses, or if no loop runs on this thread.
    #[track_caller]
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Self> {
        let io = mio::unix::pipe::Sender::from(checked(fd)?);
        io.set_nonblocking(true)?;
        Ok(Self { io: Registered::new("Sender::from_owned_fd", Location::caller(), io)? })
    }

    /// Takes the descriptor out of the loop. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// If the pipe's loop is not the one that runs on this thread; the end is closed then.
    pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
        Ok(self.io.into_inner()?.into())
    }

    /// Takes the descriptor out of the loop, blocking again, as children expect what they inherit: for everyone who has
    /// this end.
    ///
    /// # Errors
    ///
    /// If the pipe's loop is not the one that runs on this thread, or if the system refuses; the end is closed then.
    ///
    /// # Examples
    ///
    /// Both outputs of a child in one pipe, in order:
    ///
    /// ```
    /// # #[cfg(feature = "process")]
    /// # fn main() -> std::io::Result<()> {
    /// use monoloop::io::*;
    /// use monoloop::{net::pipe, process::Command};
    ///
    /// monoloop::run(async {
    ///     let (sender, mut output) = pipe::pipe()?;
    ///     let sender = sender.into_blocking_fd()?;
    ///     let mut command = Command::new("sh");
    ///     command.args(["-c", "echo one; echo two >&2"]).stdout(sender.try_clone()?).stderr(sender);
    ///     let mut child = command.spawn()?;
    ///     // The command has the pipe too, and the output ends when nobody has.
    ///     drop(command);
    ///     let mut text = String::new();
    ///     output.read_to_string(&mut text).await?;
    ///     assert_eq!(text, "one\ntwo\n");
    ///     assert!(child.wait().await?.success());
    ///     Ok(())
    /// })
    /// # }
    /// # #[cfg(not(feature = "process"))]
    /// # fn main() {}
    /// ```
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        blocking(self.into_owned_fd()?)
    }

    stream::write_methods!();

    /// Only dropping it tells the reader of the end.
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)] // called by the macro below
    fn close_write(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Receiver {
    /// Opens a named pipe to read. As long as nobody has opened it to write, reads give the end.
    ///
    /// # Errors
    ///
    /// If the file is no pipe, if the system refuses, or if no loop runs on this thread.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::from_owned_fd(open(OpenOptions::new().read(true), path.as_ref())?)
    }

    /// Takes the reading end of a pipe into the loop that runs on this thread, and makes it non-blocking: for everyone
    /// who has this end, in other processes too. So take no descriptor that others use, such as an inherited one.
    ///
    /// # Errors
    ///
    /// If it is no pipe, if the operating system refuses, or if no loop runs on this thread.
    #[track_caller]
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Self> {
        let io = mio::unix::pipe::Receiver::from(checked(fd)?);
        io.set_nonblocking(true)?;
        Ok(Self { io: Registered::new("Receiver::from_owned_fd", Location::caller(), io)? })
    }

    /// Takes the descriptor out of the loop. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// If the pipe's loop is not the one that runs on this thread; the end is closed then.
    pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
        Ok(self.io.into_inner()?.into())
    }

    /// Takes the descriptor out of the loop, blocking again, as children expect what they inherit: for everyone who has
    /// this end.
    ///
    /// # Errors
    ///
    /// If the pipe's loop is not the one that runs on this thread, or if the system refuses; the end is closed then.
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        blocking(self.into_owned_fd()?)
    }

    stream::read_methods!();
}

/// Clears `O_NONBLOCK`.
fn blocking(fd: OwnedFd) -> io::Result<OwnedFd> {
    let flags = fcntl_getfl(&fd)?;
    fcntl_setfl(&fd, flags - OFlags::NONBLOCK)?;
    Ok(fd)
}

/// Opens without waiting for the other end.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<OwnedFd> {
    const NONBLOCK: i32 = OFlags::NONBLOCK.bits() as i32;
    Ok(options.custom_flags(NONBLOCK).open(path)?.into())
}

/// The descriptor, if it is a pipe's.
fn checked(fd: OwnedFd) -> io::Result<OwnedFd> {
    let file = File::from(fd);
    match file.metadata()?.file_type().is_fifo() {
        true => Ok(file.into()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is not a pipe's")),
    }
}

descriptor!(Sender, |this| this.io);
descriptor!(Receiver, |this| this.io);
stream::async_write!(Sender);
stream::async_read!(Receiver);
