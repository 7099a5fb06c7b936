//! Any descriptor whose readiness the system can tell.

mod guard;
mod source;

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use rustix::fs::FileType;

use super::{Direction, Registered};
use crate::reactor::sources::HAS_EDGES;
pub use guard::{ReadyGuard, WouldBlock};
use source::FdSource;

/// A descriptor of any kind in the loop that runs on this thread: what it is ready for can be awaited.
///
/// `T` is what owns the descriptor, as [`OwnedFd`](std::os::fd::OwnedFd) or a type of another crate, or a
/// [`BorrowedFd`]. It is registered once, for both directions. Dropping the `AsyncFd` takes it out of the
/// loop and *then* drops `T`, which closes the descriptor if it owns it; so nothing is left behind even if
/// a duplicate of the descriptor lives on. [`into_inner`](Self::into_inner) gives `T` back instead.
///
/// **The descriptor must be non-blocking**, or an operation may hold up the loop. That is left to the
/// caller: the flag is one of the open file, which other processes may share.
///
/// It needs epoll or kqueue, which all but a few rare systems have.
///
/// Readiness is edge-triggered: it is remembered until an operation has said
/// [`WouldBlock`](io::ErrorKind::WouldBlock). [`read_with`](Self::read_with) and
/// [`write_with`](Self::write_with) see to that; with [`readable`](Self::readable) and
/// [`writable`](Self::writable) it is the guard's [`try_io`](ReadyGuard::try_io). If `&T` implements
/// [`Read`] or [`Write`], so does the `AsyncFd` [`AsyncRead`] or [`AsyncWrite`].
///
/// # Cancel safety
///
/// Waiting that is dropped has done nothing.
///
/// # Examples
///
/// ```
/// use std::io::Read;
/// use std::os::unix::net::UnixStream;
/// use monoloop::io::{AsyncFd, AsyncWriteExt};
///
/// # fn main() -> std::io::Result<()> {
/// let (ours, peer) = UnixStream::pair()?;
/// ours.set_nonblocking(true)?;
/// peer.set_nonblocking(true)?;
/// # let outcome: std::io::Result<()> =  // refused where there is neither epoll nor kqueue
/// monoloop::run(async {
///     let (ours, mut peer) = (AsyncFd::new(ours)?, AsyncFd::new(peer)?);
///     peer.write_all(b"hello").await?;
///     let mut buffer = [0; 16];
///     let read = ours.read_with(|mut ours| ours.read(&mut buffer)).await?;
///     assert_eq!(&buffer[..read], b"hello");
///     Ok(())
/// })
/// # ;
/// # outcome.or_else(|error| match error.kind() {
/// #     std::io::ErrorKind::Unsupported => Ok(()),
/// #     _ => Err(error),
/// # })
/// # }
/// ```
#[doc(alias = "remove_reader")]
#[doc(alias = "add_reader")]
#[doc(alias = "add_writer")]
pub struct AsyncFd<T: AsFd> {
    io: Registered<FdSource<T>>,
}

impl<T: AsFd> AsyncFd<T> {
    /// Registers the descriptor of `inner`.
    ///
    /// # Errors
    ///
    /// [`AsyncFdError`], which gives `inner` back, and converts into an [`io::Error`]: if no loop runs on this
    /// thread, the descriptor is registered already, the system refuses, or it is a regular file, a
    /// directory or a disk. Those are always ready in the system's eyes, and then block.
    #[track_caller]
    pub fn new(inner: T) -> Result<Self, AsyncFdError<T>> {
        if let Err(error) = refuse_back_end().and_then(|()| refuse_files(inner.as_fd())) {
            return Err(AsyncFdError { error, inner });
        }
        let location = Location::caller();
        match Registered::new_or_return("AsyncFd::new", location, FdSource(inner)) {
            Ok(io) => Ok(Self { io }),
            Err((error, FdSource(inner))) => Err(AsyncFdError { error: explain(error), inner }),
        }
    }

    /// Returns what owns the descriptor.
    pub fn get_ref(&self) -> &T {
        &self.io.get().0
    }

    /// Returns what owns the descriptor. It has to go on owning the same one.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.io.get_mut().0
    }

    /// Takes the descriptor out of the loop and gives back what owns it.
    ///
    /// # Errors
    ///
    /// If the loop is not the one that runs on this thread; what owns the descriptor is dropped then.
    pub fn into_inner(self) -> io::Result<T> {
        Ok(self.io.into_inner()?.0)
    }

    /// Waits until there is something to read, or the end, or an error. Any number of tasks may wait.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// If the loop is not the one that runs on this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Read;
    /// use std::os::unix::net::UnixStream;
    /// use monoloop::io::AsyncFd;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (ours, peer) = UnixStream::pair()?;
    /// ours.set_nonblocking(true)?;
    /// drop(peer);
    /// # let outcome: std::io::Result<()> =  // refused where there is neither epoll nor kqueue
    /// monoloop::run(async {
    ///     let ours = AsyncFd::new(ours)?;
    ///     let end = loop {
    ///         let mut guard = ours.readable().await?;
    ///         // An operation that would block: wait again.
    ///         if let Ok(result) = guard.try_io(|mut ours| ours.read(&mut [0])) {
    ///             break result?;
    ///         }
    ///     };
    ///     assert_eq!(end, 0);
    ///     Ok(())
    /// })
    /// # ;
    /// # outcome.or_else(|error| match error.kind() {
    /// #     std::io::ErrorKind::Unsupported => Ok(()),
    /// #     _ => Err(error),
    /// # })
    /// # }
    /// ```
    pub async fn readable(&self) -> io::Result<ReadyGuard<'_, T>> {
        self.ready(Direction::Read).await
    }

    /// Waits until something can be written, or an error. Any number of tasks may wait.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// If the loop is not the one that runs on this thread.
    pub async fn writable(&self) -> io::Result<ReadyGuard<'_, T>> {
        self.ready(Direction::Write).await
    }

    async fn ready(&self, direction: Direction) -> io::Result<ReadyGuard<'_, T>> {
        self.io.ready(direction).await?;
        ReadyGuard::new(self, direction)
    }

    /// Polls for [`readable`](Self::readable). Of several tasks that poll, only the last is woken.
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyGuard<'_, T>>> {
        ready!(self.io.poll_readiness(Direction::Read, cx))?;
        Poll::Ready(ReadyGuard::new(self, Direction::Read))
    }

    /// Polls for [`writable`](Self::writable). Of several tasks that poll, only the last is woken.
    ///
    /// # Errors
    ///
    /// As [`writable`](Self::writable).
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyGuard<'_, T>>> {
        ready!(self.io.poll_readiness(Direction::Write, cx))?;
        Poll::Ready(ReadyGuard::new(self, Direction::Write))
    }

    /// Runs `operation` when there is something to read, until it does not fail with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// # Cancel safety
    ///
    /// `operation` runs only in the poll that gives its result: dropped before, nothing was done.
    ///
    /// # Errors
    ///
    /// Those of `operation`, and if the loop is not the one that runs on this thread.
    pub async fn read_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.io.io(Direction::Read, |source| operation(&source.0)).await
    }

    /// Runs `operation` when something can be written, until it does not fail with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// # Cancel safety
    ///
    /// As [`read_with`](Self::read_with).
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    pub async fn write_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.io.io(Direction::Write, |source| operation(&source.0)).await
    }
}

/// Where mio stands on `poll` or event ports, it tells of a descriptor once, until that is registered anew. Its own
/// sockets see to that, and other descriptors do not: waiting would hang.
fn refuse_back_end() -> io::Result<()> {
    match HAS_EDGES {
        true => Ok(()),
        false => Err(unsupported("the system has neither epoll nor kqueue")),
    }
}

/// Regular files, directories and disks are no matter of readiness. epoll refuses them, and kqueue and poll
/// say that they are always ready.
fn refuse_files(fd: BorrowedFd<'_>) -> io::Result<()> {
    let what = match FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::BlockDevice => "a disk",
        _ => return Ok(()),
    };
    Err(unsupported(&format!("{what} is always ready, and its operations block")))
}

fn explain(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the descriptor is registered with this event loop already",
        ),
        // What epoll says of files that have no readiness.
        io::ErrorKind::PermissionDenied => unsupported("the descriptor has no readiness"),
        _ => error,
    }
}

fn unsupported(why: &str) -> io::Error {
    let text = format!("{why}: do its operations on a thread that may block");
    io::Error::new(io::ErrorKind::Unsupported, text)
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncFd").field(self.get_ref()).finish()
    }
}

impl<T: AsFd> Unpin for AsyncFd<T> {}

impl<T: AsFd> AsyncRead for AsyncFd<T>
where
    for<'a> &'a T: Read,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // A short read proves nothing: of a terminal or a tun device it is one line or packet.
        self.io.poll_io(Direction::Read, cx, |source| (&source.0).read(buffer))
    }
}

/// `poll_flush` and `poll_close` flush `T`; dropping closes.
impl<T: AsFd> AsyncWrite for AsyncFd<T>
where
    for<'a> &'a T: Write,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_io(Direction::Write, cx, |source| (&source.0).write(data))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_io(Direction::Write, cx, |source| (&source.0).flush())
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// A descriptor that could not be registered. Converts into an [`io::Error`].
pub struct AsyncFdError<T> {
    error: io::Error,
    inner: T,
}

impl<T> AsyncFdError<T> {
    /// Gives back what owns the descriptor, and why it was refused.
    pub fn into_parts(self) -> (T, io::Error) {
        (self.inner, self.error)
    }
}

impl<T> fmt::Display for AsyncFdError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot register a descriptor: {}", self.error)
    }
}

impl<T> fmt::Debug for AsyncFdError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFdError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> Error for AsyncFdError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl<T> From<AsyncFdError<T>> for io::Error {
    fn from(error: AsyncFdError<T>) -> Self {
        error.error
    }
}

#[cfg(all(test, mio_unsupported_force_poll_poll))]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_edges_is_refused() {
        crate::run(async {
            let (ours, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
            let (_, error) = AsyncFd::new(ours).unwrap_err().into_parts();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        });
    }
}
