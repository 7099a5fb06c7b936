//! Protocols of datagrams.

mod driver;
mod transport;

use std::io;
use std::net::SocketAddr;

use crate::event_loop::context;
use crate::net::UdpSocket;
use crate::task;
pub use transport::DatagramTransport;

/// What happens on a socket of datagrams, told by callbacks: `connection_made` first, `connection_lost` last, each
/// once, and never one inside of another.
///
/// # Examples
///
/// ```
/// use std::net::SocketAddr;
/// use monoloop::net::UdpSocket;
/// use monoloop::protocol::{self, DatagramProtocol, DatagramTransport};
///
/// struct Echo;
///
/// impl DatagramProtocol for Echo {
///     fn datagram_received(&mut self, transport: &DatagramTransport, data: &[u8], from: SocketAddr) {
///         // A datagram may be lost anywhere on its way: here, too.
///         let _ = transport.send_to(data, from);
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let echo = UdpSocket::bind("127.0.0.1:0").await?;
///     let addr = echo.local_addr()?;
///     protocol::attach_datagram(echo, Echo);
///
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///     client.send_to(b"hello", addr).await?;
///     let mut buffer = [0; 64];
///     let (count, from) = client.recv_from(&mut buffer).await?;
///     assert_eq!((&buffer[..count], from), (&b"hello"[..], addr));
///     Ok(())
/// })
/// # }
/// ```
pub trait DatagramProtocol {
    /// The socket is there.
    fn connection_made(&mut self, transport: &DatagramTransport) {
        let _ = transport;
    }

    /// A datagram came; it may be empty.
    fn datagram_received(&mut self, transport: &DatagramTransport, data: &[u8], from: SocketAddr);

    /// Sending or receiving failed, of a datagram that was sent before as a rule: nobody receives there, say. The socket
    /// goes on.
    fn error_received(&mut self, transport: &DatagramTransport, error: io::Error) {
        let _ = (transport, error);
    }

    /// More than the high-water mark waits to be sent: send less.
    fn pause_writing(&mut self, transport: &DatagramTransport) {
        let _ = transport;
    }

    /// No more than the low-water mark waits to be sent.
    fn resume_writing(&mut self, transport: &DatagramTransport) {
        let _ = transport;
    }

    /// The socket is closed (`None`), or a callback panicked, or the loop ended.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}

/// Tells `protocol` what happens on `socket`, beginning with the loop's next turn, by a task of its own.
///
/// # Panics
///
/// If no loop runs on this thread.
#[doc(alias = "create_datagram_endpoint")]
#[track_caller]
pub fn attach_datagram<P: DatagramProtocol + 'static>(
    socket: UdpSocket,
    protocol: P,
) -> DatagramTransport {
    context::with("protocol::attach_datagram", |_| ());
    let (transport, driver) = driver::Driver::new(socket, protocol);
    task::spawn(driver).detach();
    transport
}
