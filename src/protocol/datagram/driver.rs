//! Drives a socket of datagrams, and tells its protocol.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{DatagramProtocol, DatagramTransport};
use crate::net::UdpSocket;
use crate::protocol::callbacks::call;
use crate::protocol::scratch::with_scratch;

/// The task of a socket.
pub(super) struct Driver<P: DatagramProtocol> {
    socket: UdpSocket,
    transport: DatagramTransport,
    protocol: P,
    stage: Stage,
    /// The protocol was told to pause writing.
    told_to_pause: bool,
}

/// How many datagrams are sent before one is received: both share in what a task may do in one poll, and who
/// always has something to send is not to be deaf.
const ROUND: usize = 8;

/// Of what was to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sent {
    All,
    Some,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The protocol knows nothing yet.
    New,
    Open,
    /// The protocol was told that the socket is gone.
    Lost,
}

impl<P: DatagramProtocol> Driver<P> {
    pub(super) fn new(socket: UdpSocket, protocol: P) -> (DatagramTransport, Self) {
        let addrs = (socket.local_addr().ok(), socket.peer_addr().ok());
        let transport = DatagramTransport::new(addrs.0, addrs.1);
        let (theirs, stage) = (transport.clone(), Stage::New);
        (theirs, Self { socket, transport, protocol, stage, told_to_pause: false })
    }

    fn tell(&mut self, f: impl FnOnce(&mut P, &DatagramTransport)) -> io::Result<()> {
        call(|| f(&mut self.protocol, &self.transport))
    }

    fn tell_lost(&mut self, error: Option<io::Error>) {
        if let Stage::Open = std::mem::replace(&mut self.stage, Stage::Lost) {
            // A panic was reported; there is nothing left to end.
            let _reported = self.tell(|protocol, _| protocol.connection_lost(error));
        }
    }

    fn tell_marks(&mut self) -> io::Result<()> {
        while self.told_to_pause != self.transport.is_paused() {
            self.told_to_pause = !self.told_to_pause;
            match self.told_to_pause {
                true => self.tell(|protocol, transport| protocol.pause_writing(transport))?,
                false => self.tell(|protocol, transport| protocol.resume_writing(transport))?,
            }
        }
        Ok(())
    }

    /// Ready when the socket was closed and all is sent, or when a callback panicked.
    fn poll_socket(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stage == Stage::New {
            self.stage = Stage::Open;
            self.tell(|protocol, transport| protocol.connection_made(transport))?;
        }
        self.transport.register(cx);
        loop {
            // Before, too: a socket that takes all at once is no reason to queue without an end.
            self.tell_marks()?;
            let sending = self.poll_send_some(cx)?;
            self.tell_marks()?;
            let has_more = sending == Poll::Ready(Sent::Some);
            if !self.transport.is_closing() {
                // Whether something is left to send or not: what comes is received.
                let receiving = self.poll_receive(cx)?;
                if receiving.is_pending() && !has_more {
                    return Poll::Pending;
                }
            } else if !has_more {
                return sending.map(|_| Ok(()));
            }
        }
    }

    /// Sends what there is, or as much as is right before it is looked what came.
    fn poll_send_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Sent>> {
        for _ in 0..ROUND {
            let Some(datagram) = self.transport.pop() else { return Poll::Ready(Ok(Sent::All)) };
            let polled = match datagram.to {
                Some(addr) => self.socket.poll_send_to(cx, &datagram.data, addr),
                None => self.socket.poll_send(cx, &datagram.data),
            };
            let Poll::Ready(result) = polled else {
                self.transport.unpop(datagram);
                return Poll::Pending;
            };
            self.transport.is_through(datagram);
            if let Err(error) = result {
                self.tell(|protocol, transport| protocol.error_received(transport, error))?;
            }
        }
        Poll::Ready(Ok(Sent::Some))
    }

    /// Receives once, and tells.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_scratch(|buffer| {
            let received = ready!(self.socket.poll_recv_from(cx, buffer));
            Poll::Ready(self.tell(|protocol, transport| match received {
                Ok((count, from)) => protocol.datagram_received(transport, &buffer[..count], from),
                Err(error) => protocol.error_received(transport, error),
            }))
        })
    }
}

impl<P: DatagramProtocol> Future for Driver<P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let end = ready!(self.poll_socket(cx));
        self.transport.abort();
        self.tell_lost(end.err());
        Poll::Ready(())
    }
}

// The protocol is not pinned.
impl<P: DatagramProtocol> Unpin for Driver<P> {}

impl<P: DatagramProtocol> Drop for Driver<P> {
    fn drop(&mut self) {
        self.transport.abort();
        let text = "the event loop ended";
        self.tell_lost(Some(io::Error::new(io::ErrorKind::ConnectionAborted, text)));
    }
}
