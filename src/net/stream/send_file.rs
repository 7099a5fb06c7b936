//! Files into sockets, without a copy where the system can do that.

use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::RangeBounds;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::io::{CopyFileError, FileCopier};
use crate::net::TcpStream;
#[cfg(unix)]
use crate::net::UnixStream;

/// The future of [`TcpStream::send_file`] and `UnixStream::send_file`.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct SendFile<'a> {
    target: Target<'a>,
    copier: FileCopier<'a>,
    /// Whether the system's own way is worth a try.
    is_native: bool,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::net) enum Target<'a> {
    Tcp(&'a TcpStream),
    #[cfg(unix)]
    Unix(&'a UnixStream),
}

impl<'a> SendFile<'a> {
    pub(in crate::net) fn new(
        target: Target<'a>,
        file: &'a File,
        range: impl RangeBounds<u64>,
    ) -> Self {
        let is_native = cfg!(any(target_os = "linux", target_os = "android"));
        Self { target, copier: FileCopier::new(file, range), is_native }
    }

    /// Returns how many bytes were sent so far.
    pub fn sent(&self) -> u64 {
        self.copier.copied()
    }

    fn poll_copy(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_native {
            if let Some(result) = ready!(self.poll_native(cx)) {
                return Poll::Ready(result);
            }
            self.is_native = false;
        }
        match self.target {
            Target::Tcp(mut stream) => self.copier.poll_copy(Pin::new(&mut stream), cx),
            #[cfg(unix)]
            Target::Unix(mut stream) => self.copier.poll_copy(Pin::new(&mut stream), cx),
        }
    }

    /// `None`: this file cannot be sent like that.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn poll_native(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<()>>> {
        while self.copier.left() > 0 {
            match ready!(self.target.poll_send(&self.copier, cx)) {
                Ok(0) => break,
                Ok(count) => self.copier.advance(count),
                Err(error) if self.copier.copied() == 0 && native::is_no_matter_for(&error) => {
                    return Poll::Ready(None);
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(Some(Ok(())))
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn poll_native(&mut self, _: &mut Context<'_>) -> Poll<Option<io::Result<()>>> {
        Poll::Ready(None)
    }
}

impl Future for SendFile<'_> {
    type Output = Result<u64, CopyFileError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = ready!(self.poll_copy(cx));
        Poll::Ready(self.copier.outcome(polled))
    }
}

/// `sendfile` of Linux.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod native {
    use std::io;
    use std::task::{Context, Poll};

    use rustix::fs::sendfile;
    use rustix::io::Errno;

    use super::Target;
    use crate::io::{Direction, FileCopier};

    /// How much is sent at once: other tasks have their turn in between.
    const BLOCK: u64 = 512 * 1024;

    impl Target<'_> {
        pub(super) fn poll_send(
            self,
            copier: &FileCopier<'_>,
            cx: &Context<'_>,
        ) -> Poll<io::Result<usize>> {
            let count = copier.left().min(BLOCK) as usize;
            let file = copier.file;
            let send = |socket: rustix::fd::BorrowedFd<'_>| {
                let mut at = copier.at;
                Ok(sendfile(socket, file, Some(&mut at), count)?)
            };
            use std::os::fd::AsFd;
            // With zero wanted none is short: the file may have ended.
            match self {
                Target::Tcp(stream) => stream
                    .io
                    .poll_bytes(Direction::Write, cx, 0, |io| io.try_io(|| send(io.as_fd()))),
                Target::Unix(stream) => stream
                    .io
                    .poll_bytes(Direction::Write, cx, 0, |io| io.try_io(|| send(io.as_fd()))),
            }
        }
    }

    /// The file's system, or what it is, lacks this way: reading may work.
    pub(super) fn is_no_matter_for(error: &io::Error) -> bool {
        let no = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::SPIPE];
        Errno::from_io_error(error).is_some_and(|error| no.contains(&error))
    }
}
