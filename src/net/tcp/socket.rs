//! TCP sockets that are not connected yet.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use super::connect::connecting;
use super::{TcpListener, TcpStream};
use crate::event_loop::context;

/// A TCP socket whose options are set before it connects or listens.
///
/// [`TcpStream::connect`] and [`TcpListener::bind`] do for most; this is for what must be decided earlier, such as the
/// sizes of buffers, the local address of a connection, or that several sockets share a port. `TCP_NODELAY` is on
/// from the start.
///
/// # Examples
///
/// ```
/// use monoloop::net::TcpSocket;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let socket = TcpSocket::new_v4()?;
///     socket.set_reuse_addr(true)?;
///     socket.bind("127.0.0.1:0".parse().unwrap())?;
///     let listener = socket.listen(1024)?;
///
///     let socket = TcpSocket::new_v4()?;
///     socket.set_send_buffer_size(16 * 1024)?;
///     let client = socket.connect(listener.local_addr()?).await?;
///     let (_server, peer) = listener.accept().await?;
///     assert_eq!(client.local_addr()?, peer);
///     Ok(())
/// })
/// # }
/// ```
pub struct TcpSocket {
    socket: Socket,
}

impl TcpSocket {
    /// Makes a socket for IPv4.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn new_v4() -> io::Result<Self> {
        Self::new(Domain::IPV4)
    }

    /// Makes a socket for IPv6.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn new_v6() -> io::Result<Self> {
        Self::new(Domain::IPV6)
    }

    /// Makes a socket for the family of `addr`.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn for_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::new(Domain::for_address(*addr))
    }

    fn new(domain: Domain) -> io::Result<Self> {
        // Close-on-exec from the start.
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        Ok(Self { socket })
    }

    /// Binds the socket. Port 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.socket
            .bind(&addr.into())
            .map_err(|error| io::Error::new(error.kind(), format!("cannot bind {addr}: {error}")))
    }

    /// Listens for connections. Up to `backlog` that were not yet accepted wait in the kernel, which may have a limit of
    /// its own (`somaxconn`).
    ///
    /// # Errors
    ///
    /// If the operating system refuses, or no loop runs on this thread.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let location = Location::caller();
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        let listener = mio::net::TcpListener::from_std(self.socket.into());
        TcpListener::new("TcpSocket::listen", location, listener)
    }

    /// Connects to `addr`.
    ///
    /// # Cancel safety
    ///
    /// The connection that was being made is closed.
    ///
    /// # Errors
    ///
    /// What the operating system says, or if no loop runs on this thread.
    #[doc(alias = "sock_connect")]
    #[track_caller]
    pub fn connect(self, addr: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> {
        let location = Location::caller();
        async move {
            context::io_with("TcpSocket::connect", location, |_| Ok(()))?;
            connecting("TcpSocket::connect", location, self.begin(addr)?).await
        }
    }

    /// Begins to connect.
    pub(super) fn begin(self, addr: SocketAddr) -> io::Result<mio::net::TcpStream> {
        match self.socket.connect(&SockAddr::from(addr)) {
            Err(error) if !is_under_way(&error) => Err(error),
            _ => Ok(mio::net::TcpStream::from_std(self.socket.into())),
        }
    }

    /// Returns the address the socket is bound to.
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let addr = self.socket.local_addr()?;
        addr.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }
}

/// Whether a connection is being made, and the socket will tell.
fn is_under_way(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error());
    #[cfg(windows)]
    return error.kind() == io::ErrorKind::WouldBlock;
}

/// Methods that set an option, and one that returns it, by socket2's.
macro_rules! options {
    ($(
        $(#[$docs:meta])*
        $get:ident, $set:ident: $type:ty => $theirs:ident, $set_theirs:ident $(, where $platform:meta)?;
    )*) => {$(
        $(#[$docs])*
        ///
        /// # Errors
        ///
        /// If the operating system refuses.
        $(#[cfg($platform)])?
        pub fn $set(&self, value: $type) -> io::Result<()> {
            self.socket.$set_theirs(value)
        }

        #[doc = concat!("Returns what [`", stringify!($set), "`](Self::", stringify!($set), ") sets.")]
        ///
        /// # Errors
        ///
        /// If the operating system cannot tell.
        $(#[cfg($platform)])?
        pub fn $get(&self) -> io::Result<$type> {
            self.socket.$theirs()
        }
    )*};
}

/// Options.
impl TcpSocket {
    options! {
        /// Sets whether an address can be bound while old connections of it still linger (`SO_REUSEADDR`).
        /// [`TcpListener::bind`] does so on Unix.
        reuse_addr, set_reuse_addr: bool => reuse_address, set_reuse_address;
        /// Sets whether small writes are sent at once (`TCP_NODELAY`). Default: yes.
        nodelay, set_nodelay: bool => tcp_nodelay, set_tcp_nodelay;
        /// Sets how much the kernel keeps of what comes in (`SO_RCVBUF`), in bytes. The kernel may round, and Linux
        /// doubles it for its own needs.
        recv_buffer_size, set_recv_buffer_size: usize => recv_buffer_size, set_recv_buffer_size;
        /// Sets how much the kernel keeps of what goes out (`SO_SNDBUF`), in bytes. The kernel may round, and Linux
        /// doubles it for its own needs.
        send_buffer_size, set_send_buffer_size: usize => send_buffer_size, set_send_buffer_size;
        /// Sets whether an IPv6 socket takes no IPv4 connections (`IPV6_V6ONLY`).
        only_v6, set_only_v6: bool => only_v6, set_only_v6;
        /// Sets the type of service of IPv4 packets (`IP_TOS`).
        tos, set_tos: u32 => tos_v4, set_tos_v4,
            where not(any(target_os = "redox", target_os = "solaris", target_os = "illumos"));
        /// Sets whether several sockets, of several loops or processes, may listen on one port, and share its connections
        /// (`SO_REUSEPORT`).
        reuse_port, set_reuse_port: bool => reuse_port, set_reuse_port,
            where all(unix, not(any(target_os = "solaris", target_os = "illumos")));
        /// Sets the mark of the packets, for the firewall and for routing (`SO_MARK`). Needs the privilege to administer
        /// the network (`CAP_NET_ADMIN`).
        mark, set_mark: u32 => mark, set_mark,
            where any(target_os = "linux", target_os = "android", target_os = "fuchsia");
    }

    /// Sets how long closing goes on trying to send what was written (`SO_LINGER`), rounded up to seconds. Zero: closing
    /// drops it and resets the connection. A closing socket that lingers holds up the thread.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn set_linger(&self, limit: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(limit.map(lingering))
    }

    /// Returns what [`set_linger`](Self::set_linger) sets.
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.linger()
    }

    /// Sets after how long without traffic the peer is probed, and the connection ended if it does not answer
    /// (`SO_KEEPALIVE`), rounded up to seconds; `None`: never.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        match idle {
            None => self.socket.set_keepalive(false),
            Some(idle) => {
                let idle = TcpKeepalive::new().with_time(rounded_up(idle));
                self.socket.set_tcp_keepalive(&idle)
            }
        }
    }

    /// Returns whether the peer is probed.
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.socket.keepalive()
    }

    /// Binds the socket to a network interface by its name (`SO_BINDTODEVICE`); `None`: to none.
    ///
    /// # Errors
    ///
    /// If there is no such interface, or privileges are lacking.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn bind_device(&self, interface: Option<&str>) -> io::Result<()> {
        self.socket.bind_device(interface.map(str::as_bytes))
    }
}

/// How long to linger, as systems count it. Cut off, half a second would be a reset, and a very long time any number.
pub(super) fn lingering(limit: Duration) -> Duration {
    rounded_up(limit).min(Duration::from_secs(u16::MAX.into()))
}

/// Whole seconds.
fn rounded_up(time: Duration) -> Duration {
    let is_more = time.subsec_nanos() > 0;
    Duration::from_secs(time.as_secs().saturating_add(is_more.into()))
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for TcpSocket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
