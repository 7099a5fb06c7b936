//! TCP.

mod connect;
mod listener;
mod socket;
mod stream;

pub use connect::{ConnectError, Connector};
pub use listener::{Incoming, TcpListener};
pub use socket::TcpSocket;
pub use stream::TcpStream;
