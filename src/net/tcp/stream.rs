//! TCP connections.

use std::future::Future;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::panic::Location;
use std::time::Duration;

use super::Connector;
use super::socket::lingering;
use crate::io::{Direction, Registered};
use crate::net::ToSocketAddrs;
use crate::net::descriptor::descriptor;
use crate::net::stream::{
    self, Connection, OwnedReadHalf, OwnedWriteHalf, RawRead, RawWrite, ReadHalf, WriteHalf,
};

/// A TCP connection.
///
/// Reading and writing are methods of [`AsyncReadExt`](crate::io::AsyncReadExt) and
/// [`AsyncWriteExt`](crate::io::AsyncWriteExt): `use monoloop::io::*`. `&TcpStream` implements the traits too,
/// so that one task can read while another writes; see also [`split`](Self::split) and
/// [`into_split`](Self::into_split). Two that read at the same time, or two that write, are one too many: only the last
/// to be polled is woken.
///
/// Connections made by [`connect`](Self::connect) and [`accept`](super::TcpListener::accept) have `TCP_NODELAY`
/// set, as asyncio does: what is written is sent at once. [`set_nodelay`](Self::set_nodelay) changes it.
///
/// Dropping the stream closes it at once. Data that was written is still sent.
///
/// # Cancel safety
///
/// A `read`, `write` or `peek` that is dropped has done nothing. A dropped `read_exact` or `write_all` has
/// moved an unknown number of bytes.
///
/// # Examples
///
/// ```
/// use monoloop::io::*;
/// use monoloop::net::{TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// # monoloop::run(async {
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let addr = listener.local_addr()?;
/// # let echo = monoloop::spawn(async move {
/// #     let (stream, _) = listener.accept().await?;
/// #     copy(&mut &stream, &mut &stream).await
/// # });
/// let mut stream = TcpStream::connect(addr).await?;
/// stream.write_all(b"hello").await?;
/// let mut answer = [0; 5];
/// stream.read_exact(&mut answer).await?;
/// assert_eq!(&answer, b"hello");
/// # drop(stream);
/// # echo.await.unwrap().map(drop)
/// # })
/// # }
/// ```
pub struct TcpStream {
    pub(in crate::net) io: Registered<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first of the addresses that works.
    ///
    /// Several are tried as RFC 8305 has it ("happy eyeballs"): IPv6 and IPv4 by turns, and the next as soon as the last
    /// attempt has failed or taken 250 ms. The first to succeed wins; the others are closed.
    /// [`Connector`] does otherwise.
    ///
    /// # Cancel safety
    ///
    /// The connections that were being made are closed.
    ///
    /// # Errors
    ///
    /// If `addr` is malformed or cannot be looked up, if no address can be connected to (a
    /// [`ConnectError`](super::ConnectError), which names them all, inside of the [`io::Error`]), or if no loop runs on
    /// this thread.
    #[doc(alias = "open_connection")]
    #[track_caller]
    pub fn connect(addr: impl ToSocketAddrs) -> impl Future<Output = io::Result<Self>> {
        let location = Location::caller();
        async move { Connector::new().connect_from("TcpStream::connect", location, addr).await }
    }

    /// An accepted connection.
    pub(super) fn accepted(stream: mio::net::TcpStream) -> io::Result<Self> {
        // The loop is current: it was asked for the connection just now.
        let stream =
            Self { io: Registered::new("TcpListener::accept", Location::caller(), stream)? };
        // The peer may have gone in between; reading and writing will tell.
        let _gone = stream.set_nodelay(true);
        Ok(stream)
    }

    /// Takes a connected stream of std's into the loop that runs on this thread, and makes it non-blocking.
    /// Its options are left as they are.
    ///
    /// # Errors
    ///
    /// If the operating system refuses, or no loop runs on this thread.
    #[doc(alias = "sock_recv")]
    #[doc(alias = "sock_sendall")]
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stream = mio::net::TcpStream::from_std(stream);
        Ok(Self { io: Registered::new("TcpStream::from_std", Location::caller(), stream)? })
    }

    /// Takes the stream out of the loop. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// If the stream's loop is not the one that runs on this thread; the stream is closed then.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        Ok(self.io.into_inner()?.into())
    }

    /// Reads without taking: a later read gives the same bytes. Waits until there are some; gives zero at
    /// the end.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.io(Direction::Read, |io| io.peek(buffer)).await
    }

    stream::read_methods!();
    stream::write_methods!();
    stream::send_file_method!(Tcp);

    /// Closes one direction, or both, while the stream lives on. Closing the write side tells the peer
    /// that nothing more comes.
    ///
    /// # Errors
    ///
    /// If the connection is gone already.
    #[doc(alias = "write_eof")]
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.get().shutdown(how)
    }

    /// Borrows the two directions, for two futures of one task.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf { stream: self }, WriteHalf { stream: self })
    }

    /// Parts the two directions, for two tasks. When the write half is dropped, the peer sees the end; the
    /// descriptor is closed when both halves are dropped.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        stream::halves(self)
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// Returns the address of the other end.
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// Returns whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.get().nodelay()
    }

    /// Sets whether small writes are sent at once (`TCP_NODELAY`), or gathered (Nagle's algorithm).
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.io.get().set_nodelay(on)
    }

    /// Returns the time to live of packets sent.
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// Sets the time to live of packets sent: how many hops they may make.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.io.get().set_ttl(hops)
    }

    /// Returns how long closing goes on trying to send what was written (`SO_LINGER`), or `None` for the
    /// default: in the background, as long as it takes.
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        socket2::SockRef::from(self.io.get()).linger()
    }

    /// Sets how long closing goes on trying to send what was written (`SO_LINGER`), rounded up to seconds. Zero: closing
    /// drops it and resets the connection. A closing socket that lingers holds up the thread.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn set_linger(&self, limit: Option<Duration>) -> io::Result<()> {
        socket2::SockRef::from(self.io.get()).set_linger(limit.map(lingering))
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

descriptor!(TcpStream, |this| this.io);

impl Connection for TcpStream {
    fn close_write(&self) -> io::Result<()> {
        match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

stream::async_read!(TcpStream);
stream::async_write!(TcpStream);
