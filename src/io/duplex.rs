//! A connection in memory.
//!
//! Two pipes, one for each direction. Each end of the connection writes into one and reads off the other.
//! A write wakes the reader, a read wakes the writer; an end that closes its writing side, or goes, wakes
//! both. No waker is cloned, woken or dropped while a pipe is locked.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use futures_io::{AsyncRead, AsyncWrite};

use super::poll_proceed;
use crate::executor::wake::WakeRef;
use crate::wait_list::Wakes;

/// Makes a connection in memory, for tests: what one end writes, the other reads. In each direction
/// `capacity` bytes are kept; who writes more waits until some were read.
///
/// [`close`](crate::io::AsyncWriteExt::close) closes one direction: the other end reads what is there and then
/// the end, and can still write. An end that is dropped closes both: the other reads what is there and then
/// the end, and writing fails with [`BrokenPipe`](io::ErrorKind::BrokenPipe).
///
/// The ends need no loop, and may be on two threads.
///
/// # Panics
///
/// If the capacity is zero.
///
/// # Examples
///
/// ```
/// use monoloop::io::*;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let (mut ours, mut peer) = duplex(16);
///     ours.write_all(b"ping").await?;
///     ours.close().await?;
///     let mut text = String::new();
///     peer.read_to_string(&mut text).await?;
///     peer.write_all(text.to_uppercase().as_bytes()).await?;
///     let mut answer = [0; 4];
///     ours.read_exact(&mut answer).await?;
///     assert_eq!(&answer, b"PING");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "StreamReader.feed_data")]
#[track_caller]
pub fn duplex(capacity: usize) -> (DuplexStream, DuplexStream) {
    assert!(capacity > 0, "a pipe without room passes nothing on");
    let (there, back) = (Pipe::new(capacity), Pipe::new(capacity));
    let ours = DuplexStream { read: Arc::clone(&back), write: Arc::clone(&there) };
    (ours, DuplexStream { read: there, write: back })
}

/// One end of a connection in memory; see [`duplex`].
///
/// # Cancel safety
///
/// A `read` or `write` that is dropped has done nothing.
pub struct DuplexStream {
    read: Arc<Mutex<Pipe>>,
    write: Arc<Mutex<Pipe>>,
}

/// One direction.
struct Pipe {
    data: VecDeque<u8>,
    capacity: usize,
    /// Nothing more comes.
    ended: bool,
    /// Nobody will read.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn new(capacity: usize) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            data: VecDeque::new(),
            capacity,
            ended: false,
            abandoned: false,
            reader: None,
            writer: None,
        }))
    }

    /// `None`: there is nothing to read yet.
    fn read(&mut self, target: &mut [u8]) -> Option<usize> {
        if self.data.is_empty() && !self.ended && !target.is_empty() {
            return None;
        }
        let count = target.len().min(self.data.len());
        let (target, (front, back)) = (&mut target[..count], self.data.as_slices());
        let cut = front.len().min(count);
        target[..cut].copy_from_slice(&front[..cut]);
        target[cut..].copy_from_slice(&back[..count - cut]);
        self.data.drain(..count);
        Some(count)
    }

    /// `None`: there is no room.
    fn write(&mut self, data: &[u8]) -> Option<io::Result<usize>> {
        if self.abandoned || self.ended {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = self.capacity - self.data.len();
        if room == 0 && !data.is_empty() {
            return None;
        }
        let count = data.len().min(room);
        self.data.extend(&data[..count]);
        Some(Ok(count))
    }
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    // Nothing in here panics half way.
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Tries, and else waits with the waker in `place`; looks again after the waker was cloned, which is foreign
/// code. A success wakes the other side.
fn poll_pipe<T>(
    pipe: &Mutex<Pipe>,
    cx: &mut Context<'_>,
    mut attempt: impl FnMut(&mut Pipe) -> Option<T>,
    place: impl Fn(&mut Pipe) -> &mut Option<Waker>,
    other: impl Fn(&mut Pipe) -> &mut Option<Waker>,
) -> Poll<T> {
    ready!(poll_proceed(cx));
    let mut waker = None;
    loop {
        let mut locked = lock(pipe);
        if let Some(done) = attempt(&mut locked) {
            let other = other(&mut locked).take();
            drop(locked);
            wake(other);
            return Poll::Ready(done);
        }
        let place = place(&mut locked);
        if place.as_ref().is_some_and(|kept| kept.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        if let Some(waker) = waker.take() {
            let old = place.replace(waker);
            drop(locked);
            drop(old);
            return Poll::Pending;
        }
        drop(locked);
        waker = Some(cx.waker().clone());
    }
}

impl DuplexStream {
    /// Nothing more will be written at this end. Gives who is to be woken.
    fn end(&self) -> Option<Waker> {
        let mut pipe = lock(&self.write);
        pipe.ended = true;
        let (reader, writer) = (pipe.reader.take(), pipe.writer.take());
        drop(pipe);
        drop(writer);
        reader
    }

    /// Nothing more will be read at this end. Gives who is to be woken.
    fn abandon(&self) -> Option<Waker> {
        let mut pipe = lock(&self.read);
        pipe.abandoned = true;
        pipe.data = VecDeque::new();
        let (reader, writer) = (pipe.reader.take(), pipe.writer.take());
        drop(pipe);
        drop(reader);
        writer
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        let mut wakes = Wakes::new();
        // Both, though the first may panic.
        let all = [self.end(), self.abandon()].into_iter().flatten();
        all.for_each(|waker| wakes.wake(WakeRef::Foreign(waker)));
        wakes.finish();
    }
}

impl AsyncRead for DuplexStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let attempt = |pipe: &mut Pipe| pipe.read(target);
        poll_pipe(&self.read, cx, attempt, |pipe| &mut pipe.reader, |pipe| &mut pipe.writer).map(Ok)
    }
}

/// `poll_close` closes this end's direction.
impl AsyncWrite for DuplexStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let attempt = |pipe: &mut Pipe| pipe.write(data);
        poll_pipe(&self.write, cx, attempt, |pipe| &mut pipe.writer, |pipe| &mut pipe.reader)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        wake(self.end());
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for DuplexStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DuplexStream")
            .field("to_read", &lock(&self.read).data.len())
            .field("unread", &lock(&self.write).data.len())
            .finish()
    }
}
