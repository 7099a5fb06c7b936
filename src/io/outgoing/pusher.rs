//! The one who sends.

use std::future::Future;
use std::io;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_io::AsyncWrite;

use super::{Failure, Outgoing, Wish};
use crate::io::poll_proceed;

/// What an empty buffer keeps for the next writes. There are two of them, also while the connection is idle.
const KEPT: usize = 16 * 1024;

/// What the stream is expected to be while this is polled.
const ALIVE: &str = "nobody polls it again when it is over";

/// Sends what is in the queue of an [`Outgoing`]. Ready when it was told to close and has sent all, when it was
/// told to abort, or when the stream fails.
#[derive(Debug)]
pub(crate) struct Pusher<W> {
    /// `None` when all is over: it is dropped then, and not with this.
    stream: Option<W>,
    outgoing: Rc<Outgoing>,
    /// What was taken off the queue, and how much of it was sent.
    sending: Vec<u8>,
    sent: usize,
    /// How it ended, if not by being dropped.
    end: Option<Result<(), Failure>>,
}

impl<W> Pusher<W> {
    pub(crate) fn new(stream: W, outgoing: Rc<Outgoing>) -> Self {
        Self { stream: Some(stream), outgoing, sending: Vec::new(), sent: 0, end: None }
    }

    /// # Panics
    ///
    /// If it is over.
    pub(crate) fn stream_mut(&mut self) -> &mut W {
        self.stream.as_mut().expect(ALIVE)
    }

    /// Takes the queue in exchange for the empty buffer.
    fn take_queue(&mut self) {
        self.sending.clear();
        self.sending.shrink_to(KEPT);
        self.sent = 0;
        mem::swap(&mut self.sending, &mut self.outgoing.state.borrow_mut().queue);
    }

    fn has_sent(&mut self, count: usize) {
        self.sent += count;
        let mut state = self.outgoing.state.borrow_mut();
        state.unsent -= count;
        let was_paused = state.is_paused;
        state.look_at_marks();
        let has_room = was_paused && !state.is_paused;
        drop(state);
        if has_room {
            self.outgoing.changed.notify_waiters();
        }
    }

    /// Whoever writes or wishes wakes this poll's task from now on.
    fn register(&self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let old = self.outgoing.state.borrow_mut().pusher.replace(waker);
        drop(old);
    }
}

impl<W: AsyncWrite + Unpin> Pusher<W> {
    pub(crate) fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.register(cx);
        let result = ready!(self.poll_through(cx));
        self.end = Some(match &result {
            Ok(()) => Ok(()),
            Err(error) => Err(Failure::of(error)),
        });
        self.tell_end();
        Poll::Ready(result)
    }

    fn poll_through(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.wish() == Wish::Abort {
                return Poll::Ready(Ok(()));
            }
            let at_end_of_batch = self.sent == self.sending.len();
            let is_flush_due = self.outgoing.state.borrow().is_flush_due(at_end_of_batch);
            if is_flush_due {
                ready!(self.poll_flush(cx))?;
            }
            if at_end_of_batch {
                self.take_queue();
            }
            if self.sending.is_empty() {
                ready!(self.poll_idle(cx))?;
                let state = self.outgoing.state.borrow();
                // The stream's flush or close may have led to more.
                let is_through =
                    state.queue.is_empty() && (state.is_ended || state.wish == Wish::Open);
                match state.wish {
                    _ if !is_through => continue,
                    Wish::Open | Wish::End => return Poll::Pending,
                    Wish::Close | Wish::Abort => return Poll::Ready(Ok(())),
                }
            }
            ready!(poll_proceed(cx));
            let data = &self.sending[self.sent..];
            let stream = Pin::new(self.stream.as_mut().expect(ALIVE));
            let count = ready!(stream.poll_write(cx, data))?;
            assert!(count <= data.len(), "a stream says that it wrote more than there was");
            match count {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.has_sent(count),
            }
        }
    }

    /// All is sent: flushes, and closes the write side if that is wished.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wish = self.wish();
        let is_flushed = {
            let state = self.outgoing.state.borrow();
            state.flushed == state.sent()
        };
        if !is_flushed {
            ready!(self.poll_flush(cx))?;
        }
        let is_ended = self.outgoing.state.borrow().is_ended;
        if !is_ended && wish >= Wish::End {
            ready!(Pin::new(self.stream_mut()).poll_close(cx))?;
            self.outgoing.state.borrow_mut().is_ended = true;
            self.outgoing.changed.notify_waiters();
        }
        Poll::Ready(Ok(()))
    }

    /// Flushes what was sent.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(self.stream_mut()).poll_flush(cx))?;
        let mut state = self.outgoing.state.borrow_mut();
        state.flushed = state.sent();
        drop(state);
        self.outgoing.changed.notify_waiters();
        Poll::Ready(Ok(()))
    }

    fn wish(&self) -> Wish {
        self.outgoing.state.borrow().wish
    }
}

impl<W> Pusher<W> {
    /// Drops the stream, and tells those who wait that nothing more happens.
    fn tell_end(&mut self) {
        drop(self.stream.take());
        let dropped = || Err(Failure::aborted());
        let mut state = self.outgoing.state.borrow_mut();
        let aborted = state.wish == Wish::Abort && state.unsent > 0;
        let end = if aborted { dropped() } else { self.end.take().unwrap_or_else(dropped) };
        state.over.get_or_insert(end);
        state.unsent = 0;
        state.is_paused = false;
        let (queue, pusher) = (mem::take(&mut state.queue), state.pusher.take());
        drop(state);
        drop((queue, pusher));
        self.sending = Vec::new();
        self.sent = 0;
        self.outgoing.changed.notify_waiters();
    }
}

impl<W: AsyncWrite + Unpin> Future for Pusher<W> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_push(cx)
    }
}

impl<W> Unpin for Pusher<W> {}

impl<W> Drop for Pusher<W> {
    fn drop(&mut self) {
        self.tell_end();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_burst_gives_its_memory_back() {
        let outgoing = Outgoing::new();
        let mut pusher = Pusher::new(futures_lite::io::sink(), Rc::clone(&outgoing));
        outgoing.write(&[0; 100 * KEPT]).expect("it is open");
        assert!(pusher.poll_push(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(outgoing.unsent(), 0);
        let kept = (pusher.sending.capacity(), outgoing.state.borrow().queue.capacity());
        assert!(kept.0 <= KEPT && kept.1 <= KEPT, "{kept:?}");
    }
}
