//! Serving connections: each in a task of its own.
//!
//! ```text
//!   Server ── start(handler) ──► ServerHandle ── shutdown(limit) ──► Endings
//!                                  │      │ drop: as a shutdown without a limit's grace
//!              accepting (one task each   └────────┐
//!              per listener, `accepting`)          ▼
//!                  │ spawns, under a permit      Crowd: who is being served (`crowd`)
//!                  ▼                               ▲
//!              handler(stream, peer, token) ───────┘ its end is noted, whatever it is
//! ```
//!
//! Who wakes whom: a listener that becomes readable its accepting task; the end of a connection gives its permit to the
//! accepting task that waits longest, and wakes who waits for the last one.

mod accepting;
mod crowd;
mod handle;
mod listen;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::panic::Location;

use super::accept::BACKLOG;
use super::lookup::resolve;
use super::{TcpListener, TcpSocket, ToSocketAddrs};
use crate::event_loop::context;
use crate::task::CancelToken;
pub use accepting::AcceptError;
pub use crowd::Endings;
pub use handle::ServerHandle;
pub use listen::{HandlerOutput, Listener};

/// A server that listens, and serves nobody yet.
///
/// [`start`](Self::start) gives each connection to a handler, in a task of its own. The handler is an async function or
/// closure of the stream, the peer's address and a [`CancelToken`], which is cancelled when the server is to end. It
/// gives nothing, or a `Result<(), E>`.
///
/// * **A handler that fails or panics** closes its own connection and no other. The loop's error hook is told
///   ([`ErrorReport`](crate::ErrorReport)), with the peer's address in the task's name.
/// * **Running out of descriptors or memory** (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`) is reported, as an
///   [`AcceptError`], once for as long as it goes on. The server pauses for 100 ms, later up to a second, and recovers by
///   itself.
/// * **Accepting leaves room for others**: after 16 connections in a row it gives way to the tasks that are ready.
/// * **Slow peers.** [`idle_timeout`](super::idle_timeout()) ends a connection on which nothing moves;
///   [`time::timeout`](crate::time::timeout()) around the reading of a header bounds that, however slowly it drips in.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::io::*;
/// use monoloop::net::{Server, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let server = Server::bind("127.0.0.1:0").await?;
///     let server = server.start(async |stream: TcpStream, _peer, _token| {
///         copy(&stream, &stream).await.map(drop)
///     });
///
///     let mut client = TcpStream::connect(server.local_addrs()[0]).await?;
///     client.write_all(b"echo").await?;
///     client.read_exact(&mut [0; 4]).await?;
///     drop(client);
///
///     let endings = server.shutdown(Duration::from_secs(5)).await;
///     assert_eq!((endings.finished, endings.aborted), (1, 0));
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "create_server")]
#[doc(alias = "start_server")]
#[must_use = "call `start` to serve"]
pub struct Server<L: Listener = TcpListener> {
    listeners: Vec<L>,
    max_connections: Option<NonZeroUsize>,
    token: CancelToken,
}

impl Server {
    /// Binds as [`ServerBuilder::bind`] does with the defaults.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// As [`ServerBuilder::bind`].
    #[track_caller]
    pub fn bind(addr: impl ToSocketAddrs) -> impl Future<Output = io::Result<Self>> {
        ServerBuilder::default().bind_at("Server::bind", Location::caller(), addr)
    }

    /// Returns a builder, for what must be decided before binding.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }
}

#[cfg(unix)]
impl Server<super::UnixListener> {
    /// Binds to a path, as [`UnixListener::bind`](super::UnixListener::bind) does.
    ///
    /// # Errors
    ///
    /// As [`UnixListener::bind`](super::UnixListener::bind).
    #[doc(alias = "create_unix_server")]
    #[track_caller]
    pub fn bind_unix(path: impl AsRef<std::path::Path>) -> io::Result<Self> {
        Ok(Self::new([super::UnixListener::bind(path)?]))
    }
}

impl<L: Listener> Server<L> {
    /// Makes a server of listeners.
    pub fn new(listeners: impl IntoIterator<Item = L>) -> Self {
        Self {
            listeners: listeners.into_iter().collect(),
            max_connections: None,
            token: CancelToken::new(),
        }
    }

    /// Sets how many connections are served at a time, over all listeners; zero counts as one. Further ones wait in the
    /// kernel's queue. Default: as many as come.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = Some(NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN));
        self
    }

    /// Sets a token whose cancelling asks all handlers to end. The server goes on to accept; see
    /// [`ServerHandle::shutdown`]. Default: one of its own.
    pub fn token(mut self, parent: &CancelToken) -> Self {
        self.token = parent.child();
        self
    }

    /// Returns the listeners.
    pub fn listeners(&self) -> &[L] {
        &self.listeners
    }

    /// Serves connections from now on.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    #[doc(alias = "start_serving")]
    #[doc(alias = "serve_forever")]
    #[track_caller]
    pub fn start<H, R>(self, handler: H) -> ServerHandle<L::Addr>
    where
        H: AsyncFn(L::Stream, L::Addr, CancelToken) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        context::with("Server::start", |_| ());
        self.start_at(handler, Location::caller())
    }

    /// Serves connections by tasks that were spawned at `location`.
    pub(in crate::net) fn start_at<H, R>(
        self,
        handler: H,
        location: &'static Location<'static>,
    ) -> ServerHandle<L::Addr>
    where
        H: AsyncFn(L::Stream, L::Addr, CancelToken) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        ServerHandle::start(self.listeners, self.max_connections, self.token, handler, location)
    }
}

impl<L: Listener + fmt::Debug> fmt::Debug for Server<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.listeners)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

/// Sets up how a [`Server`] listens.
#[derive(Clone, Debug)]
#[must_use = "call `bind`"]
pub struct ServerBuilder {
    backlog: u32,
    #[cfg(unix)]
    reuse_port: bool,
}

impl ServerBuilder {
    /// Sets how many connections the kernel keeps until they are accepted; it may have a limit of its own
    /// (`somaxconn`). Default: 1024.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Sets whether other servers, of other loops or processes, may listen on the same port and share its connections
    /// (`SO_REUSEPORT`), if they ask for that too. Default: no.
    #[cfg(unix)]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// Binds to *all* addresses that `addr` names. IPv6 sockets take no IPv4 connections, so that both can be bound
    /// with one port. With port 0 each address has a port of its own.
    ///
    /// An address that this machine does not have is passed over if another one can be bound: `localhost` names
    /// `::1` on machines without IPv6 too.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// If `addr` is malformed or cannot be looked up, if an address cannot be bound (then none is), or if no loop runs
    /// on this thread.
    #[track_caller]
    pub fn bind(self, addr: impl ToSocketAddrs) -> impl Future<Output = io::Result<Server>> {
        self.bind_at("ServerBuilder::bind", Location::caller(), addr)
    }

    async fn bind_at(
        self,
        what: &'static str,
        location: &'static Location<'static>,
        addr: impl ToSocketAddrs,
    ) -> io::Result<Server> {
        context::io_with(what, location, |_| Ok(()))?;
        let mut listeners = Vec::new();
        let mut passed_over = None;
        let mut addrs = Vec::new();
        for addr in resolve(addr.target()).await? {
            // A name may have an address twice, and it can be bound once; with port 0, too.
            if !addrs.contains(&addr) {
                addrs.push(addr);
            }
        }
        for addr in addrs {
            match self.listen(addr) {
                Ok(listener) => listeners.push(listener),
                Err(error) if is_not_ours(&error) => passed_over = Some(error),
                Err(error) => return Err(error),
            }
        }
        match passed_over {
            Some(error) if listeners.is_empty() => Err(error),
            _ => Ok(Server::new(listeners)),
        }
    }

    fn listen(&self, addr: SocketAddr) -> io::Result<TcpListener> {
        let socket = TcpSocket::for_addr(&addr)?;
        #[cfg(unix)]
        {
            socket.set_reuse_addr(true)?;
            socket.set_reuse_port(self.reuse_port)?;
        }
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(addr)?;
        socket.listen(self.backlog)
    }
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            backlog: BACKLOG,
            #[cfg(unix)]
            reuse_port: false,
        }
    }
}

/// The machine has no such address, or no such family of addresses.
fn is_not_ours(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) {
        return true;
    }
    error.kind() == io::ErrorKind::AddrNotAvailable
}
