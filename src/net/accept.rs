//! What all listeners share: accepting, by any number of tasks, with a pause when descriptors run out.

use std::io;
use std::panic::Location;
use std::task::{Context, Poll, ready};

use mio::event::Source;

use super::pause::Pause;
use crate::io::{Direction, Registered};

/// How many connections the kernel keeps by default until they are accepted. Those that come while it has so many try
/// again after a second.
pub(super) const BACKLOG: u32 = 1024;

/// A listening socket of mio's.
pub(super) trait Listen: Source {
    /// A connection and its peer's address.
    type Accepted;

    fn accept(&self) -> io::Result<Self::Accepted>;

    /// Whether there may be a connection to accept.
    fn has_more(&self) -> bool;
}

impl Listen for mio::net::TcpListener {
    type Accepted = (mio::net::TcpStream, std::net::SocketAddr);

    fn accept(&self) -> io::Result<Self::Accepted> {
        self.accept()
    }

    fn has_more(&self) -> bool {
        may_be_readable(self)
    }
}

#[cfg(unix)]
impl Listen for mio::net::UnixListener {
    type Accepted = (mio::net::UnixStream, std::os::unix::net::SocketAddr);

    fn accept(&self) -> io::Result<Self::Accepted> {
        self.accept()
    }

    fn has_more(&self) -> bool {
        may_be_readable(self)
    }
}

/// Asks the system, where the poller need not be told of it.
#[cfg(unix)]
fn may_be_readable(socket: &impl std::os::fd::AsFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use crate::reactor::sources::HAS_EDGES;

    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    !HAS_EDGES || poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&now)) != Ok(0)
}

#[cfg(not(unix))]
fn may_be_readable<T>(_: &T) -> bool {
    true
}

/// Accepts connections.
pub(super) struct Acceptor<L: Source> {
    pub(super) io: Registered<L>,
    pause: Pause,
}

impl<L: Listen> Acceptor<L> {
    pub(super) fn new(what: &str, location: &Location<'_>, listener: L) -> io::Result<Self> {
        Ok(Self { io: Registered::new(what, location, listener)?, pause: Pause::default() })
    }

    /// Waits until there may be a connection, and a pause is over.
    pub(super) async fn wait(&self) -> io::Result<()> {
        self.rest().await?;
        self.io.ready(Direction::Read).await
    }

    /// Waits until a pause is over.
    async fn rest(&self) -> io::Result<()> {
        while let Some(pause) = self.io.with_core(|core| Ok(self.pause.sleep(core)))? {
            pause.await;
        }
        Ok(())
    }

    pub(super) async fn accept(&self) -> io::Result<L::Accepted> {
        self.rest().await?;
        self.note(self.io.read_in_turn(L::accept, L::has_more).await)
    }

    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<L::Accepted>> {
        ready!(match self.io.with_core(|core| Ok(self.pause.poll(core, cx))) {
            Ok(pause) => pause.map(Ok),
            Err(error) => Poll::Ready(Err(error)),
        })?;
        let accepted = ready!(self.io.poll_io(Direction::Read, cx, L::accept));
        Poll::Ready(self.note(accepted))
    }

    pub(super) fn try_accept(&self) -> io::Result<L::Accepted> {
        self.note(self.io.try_io(Direction::Read, L::accept))
    }

    /// Begins a pause if resources ran out.
    pub(super) fn note<T>(&self, accepted: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &accepted {
            self.io.with_core(|core| {
                self.pause.note(core, error);
                Ok(())
            })?;
        }
        accepted
    }
}
