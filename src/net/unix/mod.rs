//! Sockets between processes of one machine.
//!
//! # Addresses
//!
//! A path names a socket file. On Linux a path that begins with a zero byte names an *abstract* address: it is no file,
//! and goes with its socket. Everything that takes a path takes it; [`bind_addr`](UnixListener::bind_addr) and
//! `connect_addr` take an address of std's.
//!
//! # Files
//!
//! A socket file outlives its socket. [`UnixListener::bind`] makes up for that twice: its drop removes the file, if it
//! is still the one it made; and a file that a killed process left behind is replaced (see `file`).

mod addr;
mod cred;
mod datagram;
mod file;
mod listener;
mod stream;

pub use cred::PeerCred;
pub use datagram::UnixDatagram;
pub use listener::UnixListener;
pub use stream::UnixStream;
