//! UDP.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::Location;
use std::task::{Context, Poll};

use super::ToSocketAddrs;
use super::addr::first_bound;
use super::datagram::datagram_methods;
use super::descriptor::descriptor;
use super::lookup::resolve;
use crate::event_loop::context;
use crate::io::{Direction, Registered};

/// Sends and receives datagrams.
///
/// All methods take `&self`, so any number of tasks can share a socket, in an `Rc` or by reference. Datagrams may
/// be lost, doubled or out of order on their way; one that is received is whole, unless the buffer was too short.
///
/// A refusal that the peer's system sends back (ICMP, port unreachable) is an error of the next operation of a
/// connected socket. An unconnected one is not told.
///
/// # Examples
///
/// ```
/// use monoloop::net::UdpSocket;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let server = UdpSocket::bind("127.0.0.1:0").await?;
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///     client.connect(server.local_addr()?).await?;
///     client.send(b"ping").await?;
///
///     let mut buffer = [0; 1500];
///     let (length, peer) = server.recv_from(&mut buffer).await?;
///     server.send_to(&buffer[..length], peer).await?;
///     assert_eq!(client.recv(&mut buffer).await?, 4);
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "create_datagram_endpoint")]
pub struct UdpSocket {
    io: Registered<mio::net::UdpSocket>,
}

impl UdpSocket {
    /// Binds a socket: to the first of the addresses that works. Port 0 lets the system choose one.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// If `addr` is malformed or cannot be looked up, if no address can be bound (the last error), or if
    /// no loop runs on this thread.
    #[track_caller]
    pub fn bind(addr: impl ToSocketAddrs) -> impl Future<Output = io::Result<Self>> {
        let location = Location::caller();
        async move {
            context::io_with("UdpSocket::bind", location, |_| Ok(()))?;
            let socket = first_bound(resolve(addr.target()).await?, mio::net::UdpSocket::bind)?;
            Ok(Self { io: Registered::new("UdpSocket::bind", location, socket)? })
        }
    }

    /// Takes a socket of std's into the loop that runs on this thread, and makes it non-blocking. Its options are left
    /// as they are: so one that has to be set before binding, such as `SO_REUSEPORT`, is set by the crate `socket2`.
    ///
    /// # Errors
    ///
    /// If the operating system refuses, or no loop runs on this thread.
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = mio::net::UdpSocket::from_std(socket);
        Ok(Self { io: Registered::new("UdpSocket::from_std", Location::caller(), socket)? })
    }

    /// Takes the socket out of the loop. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// If the socket's loop is not the one that runs on this thread; the socket is closed then.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        let socket = self.io.into_inner()?;
        #[cfg(unix)]
        return Ok(std::os::fd::OwnedFd::from(socket).into());
        #[cfg(windows)]
        return Ok(std::os::windows::io::OwnedSocket::from(socket).into());
    }

    /// Sets the peer: from now on datagrams go there, and only those from there are received. May be called again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// If `addr` is malformed or cannot be looked up, or no address fits the socket (the last error).
    pub async fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<()> {
        let mut last = None;
        for addr in resolve(addr.target()).await? {
            match self.io.get().connect(addr) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("`resolve` gives at least one address"))
    }

    datagram_methods!();

    /// Sends a datagram to an address: the first, if `addr` names several. Gives its length. An empty datagram is
    /// sent too.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped while it waits, nothing was sent.
    ///
    /// # Errors
    ///
    /// If `addr` is malformed or cannot be looked up, or what the operating system says.
    pub async fn send_to(&self, data: &[u8], addr: impl ToSocketAddrs) -> io::Result<usize> {
        let addr = resolve(addr.target()).await?[0];
        self.io.io(Direction::Write, |io| io.send_to(data, addr)).await
    }

    /// Receives a datagram. Gives its length and its sender; what does not fit into the buffer is lost.
    ///
    /// # Cancel safety
    ///
    /// No datagram is lost.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    #[doc(alias = "sock_recvfrom")]
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.receive(|io| io.recv_from(buffer)).await
    }

    /// Like [`recv`](Self::recv), and leaves the datagram in the queue.
    ///
    /// # Cancel safety
    ///
    /// No datagram is lost.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.io(Direction::Read, |io| io.peek(buffer)).await
    }

    /// Like [`recv_from`](Self::recv_from), and leaves the datagram in the queue.
    ///
    /// # Cancel safety
    ///
    /// No datagram is lost.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.io(Direction::Read, |io| io.peek_from(buffer)).await
    }

    /// Sends a datagram as [`send_to`](Self::send_to) does, without waiting.
    ///
    /// # Errors
    ///
    /// Of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room.
    pub fn try_send_to(&self, data: &[u8], addr: SocketAddr) -> io::Result<usize> {
        self.io.try_io(Direction::Write, |io| io.send_to(data, addr))
    }

    /// Receives a datagram as [`recv_from`](Self::recv_from) does, without waiting.
    ///
    /// # Errors
    ///
    /// Of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none.
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.try_io(Direction::Read, |io| io.recv_from(buffer))
    }

    /// Polls to [`send_to`](Self::send_to). Of several tasks that poll, only the last is woken.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        data: &[u8],
        addr: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.io.poll_io(Direction::Write, cx, |io| io.send_to(data, addr))
    }

    /// Polls to [`recv_from`](Self::recv_from). Of several tasks that poll, only the last is woken.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.io.poll_io(Direction::Read, cx, |io| io.recv_from(buffer))
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

/// Methods that get and set an option, by mio's of the same name.
macro_rules! options {
    ($($what:literal, $get:ident, $set:ident: $type:ty;)*) => {$(
        #[doc = concat!("Returns ", $what, ".")]
        ///
        /// # Errors
        ///
        /// If the operating system cannot tell.
        pub fn $get(&self) -> io::Result<$type> {
            self.io.get().$get()
        }

        #[doc = concat!("Sets ", $what, ".")]
        ///
        /// # Errors
        ///
        /// If the operating system refuses.
        pub fn $set(&self, value: $type) -> io::Result<()> {
            self.io.get().$set(value)
        }
    )*};
}

/// Options.
impl UdpSocket {
    options! {
        "whether datagrams may be sent to broadcast addresses (`SO_BROADCAST`)",
            broadcast, set_broadcast: bool;
        "how many hops datagrams may make (time to live)", ttl, set_ttl: u32;
        "whether our own multicast datagrams come back to us (IPv4)",
            multicast_loop_v4, set_multicast_loop_v4: bool;
        "whether our own multicast datagrams come back to us (IPv6)",
            multicast_loop_v6, set_multicast_loop_v6: bool;
        "how many hops multicast datagrams may make (IPv4)",
            multicast_ttl_v4, set_multicast_ttl_v4: u32;
    }

    /// Joins a multicast group, on the interface with that address; the unspecified address lets the system choose.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.get().join_multicast_v4(&group, &interface)
    }

    /// Leaves a multicast group.
    ///
    /// # Errors
    ///
    /// If the socket did not join it.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.get().leave_multicast_v4(&group, &interface)
    }

    /// Joins a multicast group, on the interface with that index; zero lets the system choose.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get().join_multicast_v6(group, interface)
    }

    /// Leaves a multicast group.
    ///
    /// # Errors
    ///
    /// If the socket did not join it.
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get().leave_multicast_v6(group, interface)
    }
}

descriptor!(UdpSocket, |this| this.io);
