//! Accepting connections of this machine.

use std::io;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::task::{Context, Poll};

use super::file::{SocketFile, Unlink, bind_over_stale};
use super::{UnixStream, addr};
use crate::net::accept::Acceptor;
use crate::net::descriptor::descriptor;

/// Accepts connections from processes of this machine.
///
/// # Examples
///
/// ```
/// use monoloop::io::*;
/// use monoloop::net::{UnixListener, UnixStream};
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("monoloop-doc-{}", std::process::id()));
/// monoloop::run(async {
///     let listener = UnixListener::bind(&path)?;
///     let mut client = UnixStream::connect(&path).await?;
///     let (mut server, _) = listener.accept().await?;
///     client.write_all(b"hello").await?;
///     server.read_exact(&mut [0; 5]).await?;
///
///     drop(listener);
///     assert!(!path.exists());
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "create_unix_server")]
pub struct UnixListener {
    /// First, so that it is removed before the socket is closed: a file without a listener looks stale to others, who
    /// might have put theirs in its place.
    file: Unlink,
    acceptor: Acceptor<mio::net::UnixListener>,
}

impl UnixListener {
    /// Binds a listener to a path; one that begins with a zero byte is an abstract address (Linux).
    ///
    /// A socket file that nobody listens at is replaced: it was left by a process that was killed. The check is
    /// safe against everything but another process that does the same at the same moment. Dropping the listener
    /// removes the file, if it is still the one that was made here; see [`keep_file`](Self::keep_file).
    ///
    /// # Errors
    ///
    /// If somebody listens there or the file is no socket, if the system refuses, or if no loop runs on this thread.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let location = Location::caller();
        Self::bind_at(&addr::of_path(path.as_ref())?, "UnixListener::bind", location)
    }

    /// Binds a listener to an address of std's, as [`bind`](Self::bind) does to a path.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    #[track_caller]
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::bind_at(addr, "UnixListener::bind_addr", Location::caller())
    }

    fn bind_at(addr: &SocketAddr, what: &str, location: &Location<'_>) -> io::Result<Self> {
        crate::event_loop::context::io_with(what, location, |_| Ok(()))?;
        let (bind, knock) = (mio::net::UnixListener::bind_addr, mio::net::UnixStream::connect_addr);
        let listener = bind_over_stale(addr, bind, knock)
            .map_err(|error| addr::failed("bind", addr, &error))?;
        let file = Unlink(addr.as_pathname().and_then(SocketFile::at));
        Ok(Self { acceptor: Acceptor::new(what, location, listener)?, file })
    }

    /// Takes a listener of std's into the loop that runs on this thread, and makes it non-blocking. Its file is left
    /// alone.
    ///
    /// # Errors
    ///
    /// If the operating system refuses, or no loop runs on this thread.
    #[track_caller]
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = mio::net::UnixListener::from_std(listener);
        let (what, location) = ("UnixListener::from_std", Location::caller());
        Ok(Self { acceptor: Acceptor::new(what, location, listener)?, file: Unlink(None) })
    }

    /// Takes the listener out of the loop. It stays non-blocking, and its file stays.
    ///
    /// # Errors
    ///
    /// If the listener's loop is not the one that runs on this thread; the listener is closed then.
    pub fn into_std(mut self) -> io::Result<std::os::unix::net::UnixListener> {
        let listener = self.acceptor.io.into_inner()?;
        self.file.0 = None;
        Ok(std::os::fd::OwnedFd::from(listener).into())
    }

    /// Leaves the socket file where it is when the listener is dropped.
    pub fn keep_file(&mut self) {
        self.file.0 = None;
    }

    /// Waits for a connection, and gives it with the peer's address, which most often has no name.
    ///
    /// Any number of tasks may wait, and take turns as those of
    /// [`TcpListener::accept`](crate::net::TcpListener::accept).
    ///
    /// # Cancel safety
    ///
    /// No connection is lost; the place among those who wait is.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::accept`](crate::net::TcpListener::accept).
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let accepted = self.acceptor.accept().await?;
        self.adopt(accepted)
    }

    /// Polls for a connection. Of several tasks that poll, only the last is woken.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        self.acceptor.poll_accept(cx).map(|accepted| self.adopt(accepted?))
    }

    /// Accepts a connection if one is there.
    ///
    /// # Errors
    ///
    /// Of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if none is; else as [`accept`](Self::accept).
    pub fn try_accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.adopt(self.acceptor.try_accept()?)
    }

    pub(in crate::net) fn acceptor(&self) -> &Acceptor<mio::net::UnixListener> {
        &self.acceptor
    }

    fn adopt(
        &self,
        (stream, peer): (mio::net::UnixStream, SocketAddr),
    ) -> io::Result<(UnixStream, SocketAddr)> {
        Ok((self.acceptor.note(UnixStream::accepted(stream))?, peer))
    }

    /// Returns the address the listener is bound to.
    ///
    /// # Errors
    ///
    /// If the operating system cannot tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.io.get().local_addr()
    }
}

descriptor!(UnixListener, |this| this.acceptor.io);
