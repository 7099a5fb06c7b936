//! Accepting connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::TcpStream;
use crate::event_loop::context;
use crate::net::ToSocketAddrs;
use crate::net::accept::{Acceptor, BACKLOG};
use crate::net::addr::first_bound;
use crate::net::descriptor::descriptor;
use crate::net::lookup::resolve;

/// Accepts TCP connections.
///
/// # Examples
///
/// ```
/// use monoloop::io::*;
/// use monoloop::net::{TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let addr = listener.local_addr()?;
///     let client = monoloop::spawn(async move {
///         let mut stream = TcpStream::connect(addr).await?;
///         stream.write_all(b"hello").await
///     });
///     let (mut stream, _peer) = listener.accept().await?;
///     let mut text = String::new();
///     stream.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     client.await.unwrap()
/// })
/// # }
/// ```
pub struct TcpListener {
    acceptor: Acceptor<mio::net::TcpListener>,
}

impl TcpListener {
    /// Binds a listener: to the first of the addresses that works. Port 0 lets the system choose one.
    ///
    /// The address can be bound again at once after the listener is closed (`SO_REUSEADDR`, on Unix). The kernel keeps up
    /// to 1024 connections until they are accepted, if it does not have a lower limit (`somaxconn`);
    /// [`TcpSocket::listen`](super::TcpSocket::listen) does otherwise.
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
            context::io_with("TcpListener::bind", location, |_| Ok(()))?;
            let listener = first_bound(resolve(addr.target()).await?, listen)?;
            Self::new("TcpListener::bind", location, listener)
        }
    }

    pub(super) fn new(
        what: &str,
        location: &Location<'_>,
        listener: mio::net::TcpListener,
    ) -> io::Result<Self> {
        Ok(Self { acceptor: Acceptor::new(what, location, listener)? })
    }

    /// Takes a listener of std's into the loop that runs on this thread, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// If the operating system refuses, or no loop runs on this thread.
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = mio::net::TcpListener::from_std(listener);
        Self::new("TcpListener::from_std", Location::caller(), listener)
    }

    /// Takes the listener out of the loop. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// If the listener's loop is not the one that runs on this thread; the listener is closed then.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        Ok(self.acceptor.io.into_inner()?.into())
    }

    /// Waits for a connection, and gives it with the peer's address. `TCP_NODELAY` is set on it.
    ///
    /// Any number of tasks may wait. They take turns: a connection wakes the one that has waited longest, and no other.
    /// So a future of this that was polled must be polled again when it is woken, or dropped: put aside, it holds up those
    /// behind it.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost; the place among those who wait is.
    ///
    /// # Errors
    ///
    /// What `accept` failed with. After running out of descriptors or memory, the next `accept` pauses for
    /// 100 ms first, so that a loop that goes on does not spin. The error concerns one connection, not the
    /// listener: go on accepting.
    #[doc(alias = "sock_accept")]
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self.acceptor.accept().await?;
        self.adopt(accepted)
    }

    /// Polls for a connection. Of several tasks that poll, only the last is woken; use
    /// [`accept`](Self::accept) for many.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.acceptor.poll_accept(cx).map(|accepted| self.adopt(accepted?))
    }

    /// Accepts a connection if one is there.
    ///
    /// # Errors
    ///
    /// Of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if none is; else as [`accept`](Self::accept).
    pub fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.adopt(self.acceptor.try_accept()?)
    }

    pub(in crate::net) fn acceptor(&self) -> &Acceptor<mio::net::TcpListener> {
        &self.acceptor
    }

    fn adopt(
        &self,
        (stream, peer): (mio::net::TcpStream, SocketAddr),
    ) -> io::Result<(TcpStream, SocketAddr)> {
        Ok((self.acceptor.note(TcpStream::accepted(stream))?, peer))
    }

    /// Returns the address the listener is bound to.
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.io.get().local_addr()
    }

    /// Returns the time to live of packets sent.
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn ttl(&self) -> io::Result<u32> {
        self.acceptor.io.get().ttl()
    }

    /// Sets the time to live of packets sent: how many hops they may make.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.acceptor.io.get().set_ttl(hops)
    }

    /// Returns a stream of connections that never ends. Errors are items of it; see
    /// [`accept`](Self::accept).
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }
}

descriptor!(TcpListener, |this| this.acceptor.io);

fn listen(addr: SocketAddr) -> io::Result<mio::net::TcpListener> {
    let listener = mio::net::TcpListener::bind(addr)?;
    // mio's queue is that of std, of 128: a crowd that comes at once waits a second. So it is made longer.
    socket2::SockRef::from(&listener).listen(BACKLOG as i32)?;
    Ok(listener)
}

/// A stream of connections; see [`TcpListener::incoming`].
#[derive(Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.listener.poll_accept(cx).map(|result| Some(result.map(|(stream, _peer)| stream)))
    }
}
