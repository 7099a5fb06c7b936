//! Sockets.
//!
//! A socket belongs to the loop on which it was made, and its operations fail with a clear error elsewhere.
//! But it holds only a key, so it is `Send`: libraries that ask that of a stream take it as it is.
//! Dropping a socket closes its descriptor at once, wherever that happens.

mod accept;
mod addr;
mod backoff;
mod datagram;
mod descriptor;
mod idle;
mod lookup;
mod pause;
#[cfg(unix)]
pub mod pipe;
mod server;
mod stream;
mod streams;
mod tcp;
mod udp;
#[cfg(unix)]
mod unix;

pub use addr::ToSocketAddrs;
pub use idle::{IdleTimeout, idle_timeout};
pub(crate) use lookup::Lookups;
pub use lookup::{Resolve, Resolving, lookup_host};
pub use server::{
    AcceptError, Endings, HandlerOutput, Listener, Server, ServerBuilder, ServerHandle,
};
#[doc(hidden)]
pub use stream::Connection;
pub use stream::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, SendFile, WriteHalf};
pub use streams::{open_connection, start_server};
#[cfg(unix)]
pub use streams::{open_unix_connection, start_unix_server};
pub use tcp::{ConnectError, Connector, Incoming, TcpListener, TcpSocket, TcpStream};
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{PeerCred, UnixDatagram, UnixListener, UnixStream};
