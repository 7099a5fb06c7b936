//! What a server needs of a listener, and of what a handler gives.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::net::{TcpListener, TcpStream};

/// A listener that a [`Server`](super::Server) can accept from: [`TcpListener`] and
/// [`UnixListener`](crate::net::UnixListener).
#[allow(private_bounds)] // it is sealed by that
pub trait Listener: Accept + 'static {
    /// A connection.
    type Stream: 'static;
    /// An address of either end.
    type Addr: Clone + fmt::Debug + 'static;

    #[doc(hidden)]
    fn addr(&self) -> io::Result<Self::Addr>;

    #[doc(hidden)]
    fn accept_now(&self) -> io::Result<(Self::Stream, Self::Addr)>;

    /// How people write the address; `None`: it has no name.
    #[doc(hidden)]
    fn text(addr: &Self::Addr) -> Option<String>;
}

/// Waiting for connections.
pub(crate) trait Accept {
    /// Waits until it makes sense to try to accept.
    async fn wait(&self) -> io::Result<()>;
}

impl Accept for TcpListener {
    async fn wait(&self) -> io::Result<()> {
        self.acceptor().wait().await
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Addr = SocketAddr;

    fn addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn accept_now(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.try_accept()
    }

    fn text(addr: &SocketAddr) -> Option<String> {
        Some(addr.to_string())
    }
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::unix::net::SocketAddr;

    use super::{Accept, Listener};
    use crate::net::{UnixListener, UnixStream};

    impl Accept for UnixListener {
        async fn wait(&self) -> io::Result<()> {
            self.acceptor().wait().await
        }
    }

    impl Listener for UnixListener {
        type Stream = UnixStream;
        type Addr = SocketAddr;

        fn addr(&self) -> io::Result<SocketAddr> {
            self.local_addr()
        }

        fn accept_now(&self) -> io::Result<(UnixStream, SocketAddr)> {
            self.try_accept()
        }

        fn text(addr: &SocketAddr) -> Option<String> {
            addr.as_pathname().map(|path| path.display().to_string())
        }
    }
}

/// What a handler of a [`Server`](super::Server) may give: `()`, or a `Result<(), E>` whose error is reported.
pub trait HandlerOutput: sealed::Sealed {
    #[doc(hidden)]
    fn into_failure(self) -> Option<Box<dyn Error>>;
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for () {}
impl HandlerOutput for () {
    fn into_failure(self) -> Option<Box<dyn Error>> {
        None
    }
}

impl<E: Into<Box<dyn Error>>> sealed::Sealed for Result<(), E> {}
impl<E: Into<Box<dyn Error>>> HandlerOutput for Result<(), E> {
    fn into_failure(self) -> Option<Box<dyn Error>> {
        self.err().map(Into::into)
    }
}
