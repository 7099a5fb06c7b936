//! Passing bytes on from one stream to another.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

use super::poll_proceed;

/// How long a copier's buffer is at first.
const FIRST: usize = 8 * 1024;
/// How long a buffer becomes that is filled by each read.
const LONGEST: usize = 64 * 1024;
/// After so many bytes in one poll a copier gives way: beside them a turn of the loop costs nothing.
const TURN: u64 = 1024 * 1024;

/// Copies all of `reader` into `writer`, flushes it, and returns how many bytes there were. `writer` is not
/// closed.
///
/// Gives way to other tasks now and then, even if both streams are always ready. What was written is flushed
/// while the reader has nothing.
///
/// # Cancel safety
///
/// Not cancel safe: up to 64 KiB that were read and not yet written are lost.
///
/// # Errors
///
/// That of either stream; [`WriteZero`](io::ErrorKind::WriteZero) if `writer` takes nothing. An error of the
/// reader comes after all that was read before it was written.
///
/// # Examples
///
/// ```
/// # monoloop::run(async {
/// let mut copied = Vec::new();
/// let count = monoloop::io::copy(&b"some bytes"[..], &mut copied).await.unwrap();
/// assert_eq!((count, &*copied), (10, &b"some bytes"[..]));
/// # });
/// ```
pub async fn copy<R: AsyncRead, W: AsyncWrite>(reader: R, writer: W) -> io::Result<u64> {
    let (mut reader, mut writer) = (std::pin::pin!(reader), std::pin::pin!(writer));
    let mut copier = Copier::new();
    poll_fn(|cx| copier.poll_copy(reader.as_mut(), writer.as_mut(), cx)).await?;
    Ok(copier.written)
}

/// Copies both ways between two streams until both have ended.
///
/// When one ends, the other's writing side is closed, and the other direction goes on: a half-closed
/// connection is passed on as such. The future ends with how many bytes went from `a` to `b`, and from `b`
/// to `a`; [`CopyBidirectional::copied`] tells before, and after an error.
///
/// # Cancel safety
///
/// Poll it by reference, `(&mut copy).await`, to go on after a timeout: nothing is lost then. Dropped, it
/// loses what was read and not yet written, up to 64 KiB in each direction.
///
/// # Errors
///
/// That of either stream, at once: what the other direction has read is offered to its writer once more.
///
/// # Examples
///
/// ```
/// use monoloop::io::*;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let (mut client, mut near) = duplex(16);
///     let (mut far, mut server) = duplex(16);
///     let proxy = monoloop::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
///
///     client.write_all(b"ask").await?;
///     client.close().await?;
///     let mut question = String::new();
///     server.read_to_string(&mut question).await?;
///     assert_eq!(question, "ask");
///     server.write_all(b"answer").await?;
///     drop(server);
///     assert_eq!(proxy.await.unwrap()?, (3, 6));
///     Ok(())
/// })
/// # }
/// ```
pub fn copy_bidirectional<'a, A, B>(a: &'a mut A, b: &'a mut B) -> CopyBidirectional<'a, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    CopyBidirectional { a, b, there: Way::new(), back: Way::new(), there_first: false }
}

/// The future of [`copy_bidirectional`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct CopyBidirectional<'a, A: ?Sized, B: ?Sized> {
    a: &'a mut A,
    b: &'a mut B,
    there: Way,
    back: Way,
    /// They take turns: the first may use up what a task may do in one poll.
    there_first: bool,
}

impl<A: ?Sized, B: ?Sized> CopyBidirectional<'_, A, B> {
    /// Returns how many bytes were written so far: to `b`, and to `a`.
    pub fn copied(&self) -> (u64, u64) {
        (self.there.copier.written, self.back.copier.written)
    }
}

impl<A, B> Future for CopyBidirectional<'_, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    type Output = io::Result<(u64, u64)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.there_first ^= true;
        // Both, whatever the first comes to: its error shall not keep back what the other has.
        let (there, back) = if this.there_first {
            let there = this.there.poll(Pin::new(this.a), Pin::new(this.b), cx);
            (there, this.back.poll(Pin::new(this.b), Pin::new(this.a), cx))
        } else {
            let back = this.back.poll(Pin::new(this.b), Pin::new(this.a), cx);
            (this.there.poll(Pin::new(this.a), Pin::new(this.b), cx), back)
        };
        match (there, back) {
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ok(this.copied())),
            _ => Poll::Pending,
        }
    }
}

/// One direction of two.
#[derive(Debug)]
struct Way {
    copier: Copier,
    state: WayState,
}

#[derive(Clone, Copy, Debug)]
enum WayState {
    Copying,
    /// The reader ended, and the writer is being closed.
    Closing,
    Done,
}

impl Way {
    fn new() -> Self {
        Self { copier: Copier::new(), state: WayState::Copying }
    }

    fn poll<R, W>(
        &mut self,
        reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        if let WayState::Copying = self.state {
            ready!(self.copier.poll_copy(reader, writer.as_mut(), cx))?;
            self.state = WayState::Closing;
        }
        if let WayState::Closing = self.state {
            ready!(writer.poll_close(cx))?;
            self.state = WayState::Done;
        }
        Poll::Ready(Ok(()))
    }
}

/// What was read and not yet written.
#[derive(Debug)]
struct Copier {
    /// Nothing is allocated before the first read.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    written: u64,
    /// Something was written since the last flush.
    is_unflushed: bool,
    ended: bool,
}

impl Copier {
    fn new() -> Self {
        Self { buffer: Vec::new(), start: 0, end: 0, written: 0, is_unflushed: false, ended: false }
    }

    /// Copies until the reader ends and the writer is flushed.
    fn poll_copy<R, W>(
        &mut self,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        let turn = self.written + TURN;
        loop {
            while self.start < self.end {
                ready!(self.poll_write(writer.as_mut(), cx))?;
            }
            if self.ended {
                return self.poll_flush(writer, cx);
            }
            ready!(poll_proceed(cx));
            if self.written >= turn {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.poll_read(reader.as_mut(), cx)? {
                Poll::Ready(()) => {}
                Poll::Pending => {
                    // The peer may be waiting for it. An error of the flush is one of the copy.
                    let _later = self.poll_flush(writer, cx)?;
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_read<R: AsyncRead + ?Sized>(
        &mut self,
        reader: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        debug_assert_eq!(self.start, self.end);
        if self.end == self.buffer.len() && self.buffer.len() < LONGEST {
            // It was filled to the brim, or is the first.
            self.buffer.resize((self.buffer.len() * 2).max(FIRST), 0);
        }
        (self.start, self.end) = (0, 0);
        let count = ready!(reader.poll_read(cx, &mut self.buffer))?;
        assert!(count <= self.buffer.len(), "a stream says that it read more than there was room");
        self.ended = count == 0;
        self.end = count;
        Poll::Ready(Ok(()))
    }

    fn poll_write<W: AsyncWrite + ?Sized>(
        &mut self,
        writer: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let count = ready!(writer.poll_write(cx, &self.buffer[self.start..self.end]))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.start += count;
        self.written += count as u64;
        self.is_unflushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_flush<W: AsyncWrite + ?Sized>(
        &mut self,
        writer: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_unflushed {
            ready!(writer.poll_flush(cx))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
