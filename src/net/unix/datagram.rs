//! Datagrams within this machine.

use std::future::poll_fn;
use std::io;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;

use socket2::{SockAddr, SockRef};

use super::addr;
use super::file::{SocketFile, Unlink, bind_over_stale};
use crate::io::{Direction, Registered, poll_proceed};
use crate::net::backoff::Backoff;
use crate::net::datagram::datagram_methods;
use crate::net::descriptor::descriptor;
use crate::time::timeout;

/// Sends and receives datagrams within this machine. None are lost or out of order; a sender waits while the receiver's
/// queue is full.
///
/// # Examples
///
/// ```
/// use monoloop::net::UnixDatagram;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let (one, other) = UnixDatagram::pair()?;
///     one.send(b"ping").await?;
///     let mut buffer = [0; 64];
///     let length = other.recv(&mut buffer).await?;
///     assert_eq!(&buffer[..length], b"ping");
///     Ok(())
/// })
/// # }
/// ```
pub struct UnixDatagram {
    /// First, as in [`UnixListener`](super::UnixListener).
    file: Unlink,
    io: Registered<mio::net::UnixDatagram>,
}

impl UnixDatagram {
    /// Binds a socket to a path; one that begins with a zero byte is an abstract address (Linux). Stale files, and the
    /// file of the socket itself, are treated as by [`UnixListener::bind`](super::UnixListener::bind).
    ///
    /// # Errors
    ///
    /// If somebody receives there or the file is no socket, if the system refuses, or if no loop runs on this thread.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let location = Location::caller();
        Self::bind_at(&addr::of_path(path.as_ref())?, "UnixDatagram::bind", location)
    }

    /// Binds a socket to an address of std's, as [`bind`](Self::bind) does to a path.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    #[track_caller]
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::bind_at(addr, "UnixDatagram::bind_addr", Location::caller())
    }

    fn bind_at(addr: &SocketAddr, what: &str, location: &Location<'_>) -> io::Result<Self> {
        crate::event_loop::context::io_with(what, location, |_| Ok(()))?;
        let knock =
            |addr: &SocketAddr| std::os::unix::net::UnixDatagram::unbound()?.connect_addr(addr);
        let socket = bind_over_stale(addr, mio::net::UnixDatagram::bind_addr, knock)
            .map_err(|error| addr::failed("bind", addr, &error))?;
        let file = Unlink(addr.as_pathname().and_then(SocketFile::at));
        Ok(Self { io: Registered::new(what, location, socket)?, file })
    }

    fn new(what: &str, location: &Location<'_>, io: mio::net::UnixDatagram) -> io::Result<Self> {
        Ok(Self { io: Registered::new(what, location, io)?, file: Unlink(None) })
    }

    /// Makes a socket without an address: it can send, and receives only from whom it is connected with.
    ///
    /// # Errors
    ///
    /// If the operating system refuses, or no loop runs on this thread.
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        let location = Location::caller();
        Self::new("UnixDatagram::unbound", location, mio::net::UnixDatagram::unbound()?)
    }

    /// Makes two sockets that are connected with each other.
    ///
    /// # Errors
    ///
    /// If the operating system refuses, or no loop runs on this thread.
    #[doc(alias = "socketpair")]
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let location = Location::caller();
        let (one, other) = mio::net::UnixDatagram::pair()?;
        let one = Self::new("UnixDatagram::pair", location, one)?;
        Ok((one, Self::new("UnixDatagram::pair", location, other)?))
    }

    /// Takes a socket of std's into the loop that runs on this thread, and makes it non-blocking. Its file is left
    /// alone.
    ///
    /// # Errors
    ///
    /// If the operating system refuses, or no loop runs on this thread.
    #[track_caller]
    pub fn from_std(socket: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = mio::net::UnixDatagram::from_std(socket);
        Self::new("UnixDatagram::from_std", Location::caller(), socket)
    }

    /// Takes the socket out of the loop. It stays non-blocking, and its file stays.
    ///
    /// # Errors
    ///
    /// If the socket's loop is not the one that runs on this thread; the socket is closed then.
    pub fn into_std(mut self) -> io::Result<std::os::unix::net::UnixDatagram> {
        let socket = self.io.into_inner()?;
        self.file.0 = None;
        Ok(std::os::fd::OwnedFd::from(socket).into())
    }

    /// Leaves the socket file where it is when the socket is dropped.
    pub fn keep_file(&mut self) {
        self.file.0 = None;
    }

    /// Sets the peer: from now on datagrams go there, and only those from there are received.
    ///
    /// # Errors
    ///
    /// If nobody receives there.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        SockRef::from(self.io.get()).connect(&addr::for_socket2(path.as_ref())?)
    }

    /// Sets the peer to an address of std's, as [`connect`](Self::connect) does to a path.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), and if the address has no name.
    pub fn connect_addr(&self, addr: &SocketAddr) -> io::Result<()> {
        self.connect(addr::to_path(addr)?)
    }

    datagram_methods!();

    /// Sends a datagram to the socket at a path. Gives its length.
    ///
    /// While the receiver's queue is full it waits. If others filled it, the kernel does not tell when there is room
    /// (Linux), so it also tries again after 1 ms, then more and more rarely, up to 50 ms.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped while it waits, nothing was sent.
    ///
    /// # Errors
    ///
    /// If nobody receives there, or what else the operating system says.
    pub async fn send_to(&self, data: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let to = addr::for_socket2(path.as_ref())?;
        let mut backoff = Backoff::for_full_queue();
        poll_fn(|cx| poll_proceed(cx)).await;
        loop {
            match self.io.io_regardless(|io| send_to(io, data, &to)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            // Which queue is full, this socket's or the receiver's, is not known; of the first one an event tells.
            if let Ok(event) = timeout(backoff.next(), self.io.next_event(Direction::Write)).await {
                event?;
            }
        }
    }

    /// Sends a datagram to an address of std's, such as [`recv_from`](Self::recv_from) gives, as
    /// [`send_to`](Self::send_to) does to a path.
    ///
    /// # Cancel safety
    ///
    /// As [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to), and if the address has no name.
    pub async fn send_to_addr(&self, data: &[u8], addr: &SocketAddr) -> io::Result<usize> {
        self.send_to(data, addr::to_path(addr)?).await
    }

    /// Sends a datagram as [`send_to`](Self::send_to) does, without waiting.
    ///
    /// # Errors
    ///
    /// Of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room.
    pub fn try_send_to(&self, data: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let to = addr::for_socket2(path.as_ref())?;
        self.io.io_regardless(|io| send_to(io, data, &to))
    }

    /// Receives a datagram. Gives its length and its sender, which has no name if it was not bound. What does not fit
    /// into the buffer is lost.
    ///
    /// # Cancel safety
    ///
    /// No datagram is lost.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.receive(|io| io.recv_from(buffer)).await
    }

    /// Receives a datagram as [`recv_from`](Self::recv_from) does, without waiting.
    ///
    /// # Errors
    ///
    /// Of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none.
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.try_io(Direction::Read, |io| io.recv_from(buffer))
    }

    /// Returns the address the socket is bound to.
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// Returns the address the socket is connected to.
    ///
    /// # Errors
    ///
    /// If it is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }
}

/// mio's takes paths only, and so no abstract addresses.
fn send_to(io: &mio::net::UnixDatagram, data: &[u8], to: &SockAddr) -> io::Result<usize> {
    io.try_io(|| SockRef::from(io).send_to(data, to))
}

descriptor!(UnixDatagram, |this| this.io);
