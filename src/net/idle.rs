//! Ending connections on which nothing moves.

use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use pin_project_lite::pin_project;

use crate::event_loop::clock::saturating_nanos;
use crate::event_loop::{Core, context};
use crate::time::Sleep;

/// Bounds how long a stream may be idle: how long reading and writing wait while no byte moves in either direction.
///
/// Each byte that moves begins the time anew, so a peer that drips one byte after the other is not idle. Against that,
/// and for requests that must arrive whole within some time, put a [`timeout`](crate::time::timeout()) around the
/// reading of them.
///
/// The time counts from the last byte, or from the beginning of the last wait: a program that does something else for
/// long is not the peer's fault. A wait that is dropped, by a `timeout` say, lasts until the next one of its direction is
/// over: so a loop that reads with a shorter limit, again and again, finds an idle peer nevertheless.
///
/// # Examples
///
/// ```
/// use std::io::ErrorKind;
/// use std::time::Duration;
/// use monoloop::io::*;
/// use monoloop::net::{TcpListener, TcpStream, idle_timeout};
/// use monoloop::time::timeout;
///
/// # fn main() -> std::io::Result<()> {
/// # monoloop::EventLoop::builder().virtual_time(true).build()?.run(async {
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let mut peer = TcpStream::connect(listener.local_addr()?).await?;
/// # let (stream, _) = listener.accept().await?;
/// let mut stream = BufReader::new(idle_timeout(stream, Duration::from_secs(30)));
///
/// let mut head = String::new();
/// # peer.write_all(b"GET /\n").await?;
/// // The head within ten seconds, however it comes.
/// timeout(Duration::from_secs(10), stream.read_line(&mut head)).await??;
///
/// // And then nothing for thirty.
/// head.clear();
/// let error = stream.read_line(&mut head).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::TimedOut);
/// # Ok(())
/// # })
/// # }
/// ```
pub fn idle_timeout<S>(stream: S, limit: Duration) -> IdleTimeout<S> {
    IdleTimeout { stream, watch: Watch { limit, since: 0, read: Wait::Not, write: Wait::Not } }
}

pin_project! {
    /// A stream whose reading and writing fail when nothing moves for some time; see [`idle_timeout`].
    ///
    /// # Cancel safety
    ///
    /// As safe as the stream.
    ///
    /// # Errors
    ///
    /// Those of the stream, and [`TimedOut`](io::ErrorKind::TimedOut). After that the stream can still be used.
    ///
    /// # Panics
    ///
    /// When it has to wait and no loop runs on this thread.
    #[derive(Debug)]
    pub struct IdleTimeout<S> {
        #[pin]
        stream: S,
        watch: Watch,
    }
}

impl<S> IdleTimeout<S> {
    /// Returns the stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Returns the stream. What is read or written with this does not count.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Gives the stream back.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Returns how long it may be idle.
    pub fn limit(&self) -> Duration {
        self.watch.limit
    }

    /// Changes how long it may be idle. For a wait that is under way it counts once that is polled again.
    pub fn set_limit(&mut self, limit: Duration) {
        self.watch.limit = limit;
        self.watch.forget_timers();
    }
}

/// When something moved last, and who waits for it to do so again.
#[derive(Debug)]
struct Watch {
    limit: Duration,
    /// When something moved last, or a wait began, in nanoseconds since the clock's epoch.
    since: u64,
    read: Wait,
    write: Wait,
}

/// Whether one direction waits, and its timer. That fires at or before the end of the time: whoever moves something does
/// not set it anew, but whoever is woken by it.
#[derive(Debug)]
enum Wait {
    Not,
    Waits(Sleep),
}

impl Watch {
    /// Notes whether something moved, and goes on as [`Watch::watch`].
    fn watch_bytes(
        &mut self,
        wait: fn(&mut Self) -> &mut Wait,
        cx: &Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if matches!(polled, Poll::Ready(Ok(1..))) {
            self.since = context::try_with(|core| core.executor.now()).unwrap_or(self.since);
        }
        self.watch(wait, cx, polled)
    }

    /// Passes on what one direction's poll gave, or an error if nothing has moved for too long.
    fn watch<T>(
        &mut self,
        wait: fn(&mut Self) -> &mut Wait,
        cx: &Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(result) => {
                *wait(self) = Wait::Not;
                Poll::Ready(result)
            }
            Poll::Pending => {
                let elapsed = context::with_polled("an `IdleTimeout`", |core| {
                    if matches!(wait(self), Wait::Not) {
                        self.since = core.executor.now();
                    }
                    self.poll_elapsed(wait, core, cx)
                });
                elapsed.map(|()| Err(self.error()))
            }
        }
    }

    fn poll_elapsed(
        &mut self,
        wait: fn(&mut Self) -> &mut Wait,
        core: &Core,
        cx: &Context<'_>,
    ) -> Poll<()> {
        loop {
            let deadline = self.since.saturating_add(saturating_nanos(self.limit));
            let wait = wait(self);
            if let Wait::Waits(timer) = wait {
                if timer.poll_elapsed(cx).is_pending() {
                    return Poll::Pending;
                }
                if deadline <= core.executor.now() {
                    *wait = Wait::Not;
                    return Poll::Ready(());
                }
            }
            *wait = Wait::Waits(Sleep::until_nanos(core, deadline));
        }
    }

    /// The next polls make new ones.
    fn forget_timers(&mut self) {
        self.read = Wait::Not;
        self.write = Wait::Not;
    }

    fn error(&self) -> io::Error {
        let text = format!("the connection was idle for {:?}", self.limit);
        io::Error::new(io::ErrorKind::TimedOut, text)
    }
}

impl<S: AsyncRead> AsyncRead for IdleTimeout<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let polled = this.stream.poll_read(cx, buffer);
        this.watch.watch_bytes(|watch| &mut watch.read, cx, polled)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let polled = this.stream.poll_read_vectored(cx, buffers);
        this.watch.watch_bytes(|watch| &mut watch.read, cx, polled)
    }
}

impl<S: AsyncWrite> AsyncWrite for IdleTimeout<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let polled = this.stream.poll_write(cx, data);
        this.watch.watch_bytes(|watch| &mut watch.write, cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let polled = this.stream.poll_write_vectored(cx, data);
        this.watch.watch_bytes(|watch| &mut watch.write, cx, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let polled = this.stream.poll_flush(cx);
        this.watch.watch(|watch| &mut watch.write, cx, polled)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let polled = this.stream.poll_close(cx);
        this.watch.watch(|watch| &mut watch.write, cx, polled)
    }
}
