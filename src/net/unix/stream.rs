//! Connections within this machine.

use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;

use super::{PeerCred, addr, cred};
use crate::event_loop::context;
use crate::io::{Direction, Registered};
use crate::net::backoff::Backoff;
use crate::net::descriptor::descriptor;
use crate::net::stream::{
    self, Connection, OwnedReadHalf, OwnedWriteHalf, RawRead, RawWrite, ReadHalf, WriteHalf,
};

/// A connection to a process of this machine.
///
/// Reading and writing are methods of [`AsyncReadExt`](crate::io::AsyncReadExt) and
/// [`AsyncWriteExt`](crate::io::AsyncWriteExt), as for [`TcpStream`](crate::net::TcpStream). Dropping the stream closes
/// it at once; data that was written still arrives.
///
/// # Cancel safety
///
/// A `read` or `write` that is dropped has done nothing. A dropped `read_exact` or `write_all` has moved an unknown
/// number of bytes.
///
/// # Examples
///
/// ```
/// use monoloop::io::*;
/// use monoloop::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let (mut one, mut other) = UnixStream::pair()?;
///     one.write_all(b"hello").await?;
///     one.close().await?;
///     let mut text = String::new();
///     other.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     Ok(())
/// })
/// # }
/// ```
pub struct UnixStream {
    pub(in crate::net) io: Registered<mio::net::UnixStream>,
}

impl UnixStream {
    /// Connects to the listener at a path; one that begins with a zero byte is an abstract address (Linux).
    ///
    /// While the listener's queue is full it waits. The kernel does not tell when there is room (Linux), so it tries
    /// again after 1 ms, then more and more rarely, up to 50 ms.
    ///
    /// # Cancel safety
    ///
    /// The connection that was being made is closed.
    ///
    /// # Errors
    ///
    /// If nobody listens there, if the system refuses, or if no loop runs on this thread.
    #[doc(alias = "open_unix_connection")]
    #[doc(alias = "create_unix_connection")]
    #[track_caller]
    pub fn connect(path: impl AsRef<Path>) -> impl Future<Output = io::Result<Self>> {
        let addr = addr::of_path(path.as_ref());
        let location = Location::caller();
        async move { Self::connect_to(&addr?, "UnixStream::connect", location).await }
    }

    /// Connects to an address of std's, as [`connect`](Self::connect) does to a path.
    ///
    /// # Cancel safety
    ///
    /// The connection that was being made is closed.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    #[track_caller]
    pub fn connect_addr(addr: &SocketAddr) -> impl Future<Output = io::Result<Self>> {
        let addr = addr.clone();
        let location = Location::caller();
        async move { Self::connect_to(&addr, "UnixStream::connect_addr", location).await }
    }

    async fn connect_to(
        addr: &SocketAddr,
        what: &str,
        location: &Location<'_>,
    ) -> io::Result<Self> {
        context::io_with(what, location, |_| Ok(()))?;
        let mut backoff = Backoff::for_full_queue();
        let socket = loop {
            match mio::net::UnixStream::connect_addr(addr) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => backoff.pause().await,
                socket => {
                    break socket.map_err(|error| addr::failed("connect to", addr, &error))?;
                }
            }
        };
        let stream = Self { io: Registered::connecting(what, location, socket)? };
        poll_fn(|cx| stream.io.poll_io(Direction::Write, cx, is_connected))
            .await
            .map_err(|error| addr::failed("connect to", addr, &error))?;
        Ok(stream)
    }

    /// An accepted connection.
    pub(super) fn accepted(stream: mio::net::UnixStream) -> io::Result<Self> {
        // The loop is current: it was asked for the connection just now.
        Ok(Self { io: Registered::new("UnixListener::accept", Location::caller(), stream)? })
    }

    /// Makes two streams that are connected with each other.
    ///
    /// # Errors
    ///
    /// If the operating system refuses, or no loop runs on this thread.
    #[doc(alias = "socketpair")]
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let location = Location::caller();
        let (one, other) = mio::net::UnixStream::pair()?;
        let new = |stream| Ok(Self { io: Registered::new("UnixStream::pair", location, stream)? });
        new(one).and_then(|one| io::Result::Ok((one, new(other)?)))
    }

    /// Takes a connected stream of std's into the loop that runs on this thread, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// If the operating system refuses, or no loop runs on this thread.
    #[track_caller]
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stream = mio::net::UnixStream::from_std(stream);
        Ok(Self { io: Registered::new("UnixStream::from_std", Location::caller(), stream)? })
    }

    /// Takes the stream out of the loop. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// If the stream's loop is not the one that runs on this thread; the stream is closed then.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixStream> {
        Ok(self.io.into_inner()?.into())
    }

    stream::read_methods!();
    stream::write_methods!();
    stream::send_file_method!(Unix);

    /// Closes one direction, or both, while the stream lives on. Closing the write side tells the peer that nothing
    /// more comes.
    ///
    /// # Errors
    ///
    /// If the connection is gone already.
    #[doc(alias = "write_eof")]
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.get().shutdown(how)
    }

    /// Borrows the two directions, for two futures of one task.
    pub fn split(&mut self) -> (ReadHalf<'_, Self>, WriteHalf<'_, Self>) {
        (ReadHalf { stream: self }, WriteHalf { stream: self })
    }

    /// Parts the two directions, for two tasks. When the write half is dropped, the peer sees the end; the descriptor
    /// is closed when both halves are dropped.
    pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
        stream::halves(self)
    }

    /// Returns who is at the other end.
    ///
    /// # Errors
    ///
    /// Of kind [`NotFound`](io::ErrorKind::NotFound) if that is no process that can be seen from here: it belongs to
    /// another container, say. Of kind [`Unsupported`](io::ErrorKind::Unsupported) elsewhere than on Linux and Android.
    pub fn peer_cred(&self) -> io::Result<PeerCred> {
        cred::of(self)
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// Returns the address of the other end.
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// Takes the socket's pending error (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.get().take_error()
    }
}

/// Whether a connection has been made; `WouldBlock`: not yet.
fn is_connected(io: &mio::net::UnixStream) -> io::Result<()> {
    if let Some(error) = io.take_error()? {
        return Err(error);
    }
    match io.peer_addr() {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        result => result.map(drop),
    }
}

impl Connection for UnixStream {
    fn close_write(&self) -> io::Result<()> {
        match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

descriptor!(UnixStream, |this| this.io);
stream::async_read!(UnixStream);
stream::async_write!(UnixStream);
