//! Callbacks instead of streams: asyncio's protocols and transports.
//!
//! A [`Protocol`] is told what happens on a connection, one thing after the other, and acts through a
//! [`Transport`]. [`attach`] ties it to a stream of any kind. For datagrams there are [`DatagramProtocol`],
//! [`DatagramTransport`] and [`attach_datagram`].
//!
//! This is for code that comes from asyncio, and for state machines that are written like that. What is new is
//! shorter with [`open_connection`](crate::net::open_connection), or with the streams as they are.
//!
//! ```text
//!                    ┌───────────────── data_received ◄─┐        pause_writing ──► resume_writing ─┐
//!                    │                                  │              ▲                          │
//!   connection_made ─┴─► (reading) ─────────────────────┘              └──────────────────────────┘
//!                            │ the peer's end
//!                            ▼
//!                       eof_received ── Close ──► (closing) ── all sent ──► connection_lost
//!                            └── KeepOpen: only writing goes on
//! ```
//!
//! # What is guaranteed
//!
//! * `connection_made` comes first, and once. `connection_lost` comes last, and once, whatever happens: the
//!   connection ends or fails, a callback panics, the loop ends.
//! * `eof_received` comes at most once, and no `data_received` after it.
//! * `pause_writing` and `resume_writing` come in turn, beginning with the first. After the last there may be one
//!   `pause_writing` without a `resume_writing` if the connection is lost.
//! * A callback is never called inside of another one: what [`Transport::write`] brings about is told afterwards.
//! * After [`Transport::close`] or [`abort`](Transport::abort), only `connection_lost` comes, and before that the
//!   pauses and resumptions of what is still being sent.
//! * A callback that panics ends its connection only. The loop's error hook is told.
//! * Other tasks have their turn, however much comes, and so has the other direction.
//!
//! # Examples
//!
//! ```
//! use monoloop::io::*;
//! use monoloop::protocol::{self, Protocol, Transport};
//!
//! struct Echo;
//!
//! impl Protocol for Echo {
//!     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
//!         // Refused only if the connection is over, or if 16 MiB wait to be sent.
//!         if transport.write(data).is_err() {
//!             transport.abort();
//!         }
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! monoloop::run(async {
//!     let (mut client, server) = duplex(64);
//!     protocol::attach(server, Echo);
//!     client.write_all(b"hello").await?;
//!     client.close().await?;
//!     let mut text = String::new();
//!     client.read_to_string(&mut text).await?;
//!     assert_eq!(text, "hello");
//!     Ok(())
//! })
//! # }
//! ```
//!
//! A server is a loop: `loop { protocol::attach(listener.accept().await?.0, Echo); }`.

mod callbacks;
mod datagram;
mod driver;
mod scratch;
mod transport;

use std::io;

use crate::event_loop::context;
use crate::io::{AsyncRead, AsyncWrite};
use crate::task;
pub use datagram::{DatagramProtocol, DatagramTransport, attach_datagram};
pub use transport::Transport;

/// What happens on a connection, told by callbacks; see [the module](self) for their order.
///
/// All methods but [`data_received`](Self::data_received) need not be implemented.
pub trait Protocol {
    /// The connection is there.
    fn connection_made(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Bytes came: in which pieces says nothing.
    fn data_received(&mut self, transport: &Transport, data: &[u8]);

    /// The peer sends nothing more. Unless it is implemented otherwise, the connection is closed when all that was
    /// written is sent.
    fn eof_received(&mut self, transport: &Transport) -> AfterEof {
        let _ = transport;
        AfterEof::Close
    }

    /// More than the high-water mark waits to be sent: write less.
    fn pause_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// No more than the low-water mark waits to be sent.
    fn resume_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// The connection is over: closed on this side or ended by the peer (`None`), or it failed. It is not called on a
    /// protocol that [`Transport::set_protocol`] replaced before.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}

/// What follows the peer's end; see [`Protocol::eof_received`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum AfterEof {
    /// The connection is closed when all that was written is sent.
    #[default]
    Close,
    /// More may be written: until [`Transport::close`].
    KeepOpen,
}

/// Tells `protocol` what happens on `stream`, beginning with the loop's next turn, by a task of its own.
///
/// What is to be asked of the stream itself, addresses and options, ask before.
///
/// # Panics
///
/// If no loop runs on this thread.
#[doc(alias = "create_connection")]
#[doc(alias = "connect_accepted_socket")]
#[track_caller]
pub fn attach<S, P>(stream: S, protocol: P) -> Transport
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    P: Protocol + 'static,
{
    context::with("protocol::attach", |_| ());
    let (transport, driver) = driver::Driver::new(stream, Box::new(protocol));
    task::spawn(driver).detach();
    transport
}
