//! Drives a connection, and tells its protocol.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::callbacks::call;
use super::scratch::with_scratch;
use super::{AfterEof, Protocol, Transport};
use crate::io::outgoing::{Outgoing, Pusher};
use crate::io::{AsyncRead, AsyncWrite, poll_proceed};

/// The task of a connection.
pub(super) struct Driver<S> {
    pusher: Pusher<S>,
    transport: Transport,
    protocol: Box<dyn Protocol>,
    stage: Stage,
    /// The protocol was told to pause writing.
    told_to_pause: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The protocol knows nothing yet.
    New,
    Reading,
    /// The peer sends nothing more.
    AtEof,
    /// The protocol was told that the connection is lost.
    Lost,
}

impl<S> Driver<S> {
    pub(super) fn new(stream: S, protocol: Box<dyn Protocol>) -> (Transport, Self) {
        let outgoing = Outgoing::new();
        let transport = Transport::new(outgoing.clone());
        let (pusher, stage) = (Pusher::new(stream, outgoing), Stage::New);
        let theirs = transport.clone();
        (theirs, Self { pusher, transport, protocol, stage, told_to_pause: false })
    }

    /// Calls the protocol, and then the one that it may have put in its place takes over.
    fn tell<R>(&mut self, f: impl FnOnce(&mut dyn Protocol, &Transport) -> R) -> io::Result<R> {
        let result = call(|| f(&mut *self.protocol, &self.transport));
        self.take_over();
        result
    }

    fn take_over(&mut self) {
        if let Some(next) = self.transport.shared.next.take() {
            let before = std::mem::replace(&mut self.protocol, next);
            // Foreign code.
            let _reported = call(|| drop(before));
        }
    }

    fn tell_lost(&mut self, error: Option<io::Error>) {
        if self.stage != Stage::Lost {
            self.take_over();
            let was_made = self.stage != Stage::New;
            self.stage = Stage::Lost;
            // A panic was reported; there is nothing left to end.
            let _reported = match was_made {
                true => self.tell(|protocol, _| protocol.connection_lost(error)),
                false => Ok(()),
            };
        }
    }

    /// Tells of a pause, and of its end. What the first brings about may be the second.
    fn tell_marks(&mut self) -> io::Result<()> {
        while self.told_to_pause != self.transport.shared.outgoing.is_paused() {
            self.told_to_pause = !self.told_to_pause;
            match self.told_to_pause {
                true => self.tell(|protocol, transport| protocol.pause_writing(transport))?,
                false => self.tell(|protocol, transport| protocol.resume_writing(transport))?,
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    /// Ready when the connection is over.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stage == Stage::New {
            self.stage = Stage::Reading;
            self.tell(|protocol, transport| protocol.connection_made(transport))?;
        }
        // Once before anything is written, which may use up what a task may do in one poll; and what came shall be
        // told before an error of writing.
        if self.may_read() {
            let _later = self.poll_read(cx)?;
        }
        loop {
            self.take_over();
            if let Poll::Ready(end) = self.pusher.poll_push(cx) {
                return Poll::Ready(end);
            }
            // What the protocol does about it has us polled again.
            self.tell_marks()?;
            if !self.may_read() {
                return Poll::Pending;
            }
            ready!(poll_proceed(cx));
            ready!(self.poll_read(cx))?;
        }
    }

    fn may_read(&self) -> bool {
        self.stage == Stage::Reading && self.transport.is_reading()
    }

    /// Reads once, and tells.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.take_over();
        with_scratch(|buffer| {
            let count = ready!(Pin::new(self.pusher.stream_mut()).poll_read(cx, buffer))?;
            let data = &buffer[..count];
            Poll::Ready(match data {
                [] => self.tell_eof(),
                data => self.tell(|protocol, transport| protocol.data_received(transport, data)),
            })
        })
    }

    fn tell_eof(&mut self) -> io::Result<()> {
        self.stage = Stage::AtEof;
        match self.tell(|protocol, transport| protocol.eof_received(transport))? {
            AfterEof::Close => self.transport.close(),
            AfterEof::KeepOpen => {}
        }
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let end = ready!(self.poll_connection(cx));
        // Whoever holds the transport shall find it closed.
        self.transport.abort();
        self.tell_lost(end.err());
        Poll::Ready(())
    }
}

impl<S> Unpin for Driver<S> {}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        self.transport.abort();
        let text = "the event loop ended";
        self.tell_lost(Some(io::Error::new(io::ErrorKind::ConnectionAborted, text)));
    }
}
