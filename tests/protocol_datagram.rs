//! Protocols of datagrams, over real sockets.

#![cfg(not(miri))] // Miri has no datagrams

mod common;
mod net_common;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use common::Log;
use monoloop::io::QueueError;
use monoloop::net::UdpSocket;
use monoloop::protocol::{DatagramProtocol, DatagramTransport, attach_datagram};
use net_common::{alone, run, run_on, until};

/// Writes down what it is told, and echoes if it is asked something.
#[derive(Clone, Default)]
struct Told(Log);

impl DatagramProtocol for Told {
    fn connection_made(&mut self, _: &DatagramTransport) {
        self.0.push("made");
    }

    fn datagram_received(&mut self, transport: &DatagramTransport, data: &[u8], from: SocketAddr) {
        let text = String::from_utf8_lossy(data).into_owned();
        match &*text {
            "panic" => common::quiet_panic("boom"),
            "echo" => transport.send_to(data, from).unwrap(),
            _ => {}
        }
        self.0.push(format!("got {text:?}"));
    }

    fn error_received(&mut self, _: &DatagramTransport, error: io::Error) {
        self.0.push(format!("error {:?}", error.kind()));
    }

    fn pause_writing(&mut self, _: &DatagramTransport) {
        self.0.push("pause");
    }

    fn resume_writing(&mut self, _: &DatagramTransport) {
        self.0.push("resume");
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.0.push(format!("lost {:?}", error.map(|error| error.kind())));
    }
}

async fn bound() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

/// A socket with a protocol, and another socket.
async fn attached(told: &Told) -> (DatagramTransport, UdpSocket) {
    let transport = attach_datagram(bound().await, told.clone());
    (transport, bound().await)
}

#[test]
fn datagrams_come_whole_and_empty_ones_too() {
    let _alone = alone();
    let told = Told::default();
    run(async {
        let (transport, peer) = attached(&told).await;
        let addr = transport.local_addr().unwrap();
        for data in [&b"one"[..], b"", b"echo"] {
            peer.send_to(data, addr).await.unwrap();
        }
        let mut buffer = [0; 16];
        assert_eq!(peer.recv_from(&mut buffer).await.unwrap(), (4, addr));
        transport.send_to(b"", peer.local_addr().unwrap()).unwrap();
        assert_eq!(peer.recv_from(&mut buffer).await.unwrap(), (0, addr));
        transport.close();
        until(|| told.0.len() == 5).await;
    });
    assert_eq!(told.0.take(), ["made", "got \"one\"", "got \"\"", "got \"echo\"", "lost None"]);
}

#[test]
fn closing_sends_what_is_queued_and_aborting_does_not() {
    let _alone = alone();
    let told = Told::default();
    run(async {
        let (transport, peer) = attached(&told).await;
        let addr = peer.local_addr().unwrap();
        for n in 0..10 {
            transport.send_to(&[n], addr).unwrap();
        }
        assert_eq!(transport.unsent(), 10 * 9);
        transport.close();
        assert!(matches!(transport.send_to(b"x", addr), Err(QueueError::Closed)));
        for n in 0..10 {
            let mut buffer = [0; 16];
            assert_eq!(peer.recv(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], n);
        }
        until(|| told.0.len() == 2).await;
        assert_eq!(told.0.take(), ["made", "lost None"]);

        let (transport, _peer) = attached(&told).await;
        transport.send_to(b"x", addr).unwrap();
        transport.abort();
        assert_eq!(transport.unsent(), 0);
        until(|| told.0.len() == 2).await;
        assert_eq!(told.0.take(), ["made", "lost None"]);
        let mut buffer = [0; 16];
        assert_eq!(peer.try_recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

/// A refusal comes back as an ICMP message, and is an error of the next operation.
#[test]
fn errors_are_told_and_the_socket_goes_on() {
    let _alone = alone();
    let told = Told::default();
    run(async {
        let socket = bound().await;
        // In this order, or the first could be given the port of the second.
        let nobody = bound().await.local_addr().unwrap();
        socket.connect(nobody).await.unwrap();
        let addr = socket.local_addr().unwrap();
        let transport = attach_datagram(socket, told.clone());
        assert_eq!(transport.peer_addr(), Some(nobody));
        transport.send(b"anybody?").unwrap();
        until(|| told.0.len() == 2).await;
        assert_eq!(told.0.take(), ["made", "error ConnectionRefused"]);
        // Somebody is there now.
        let peer = UdpSocket::bind(nobody).await.unwrap();
        transport.send_to(b"now?", nobody).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(peer.recv_from(&mut buffer).await.unwrap(), (4, addr));
        // And nobody else is spoken to.
        let error = transport.send_to(b"you?", addr).unwrap_err();
        assert!(error.to_string().contains("is connected to"), "{error}");
        // One that is too long is an error of its own (UDP ends at 65 507).
        transport.send(&[0; 65_520]).unwrap();
        until(|| told.0.len() == 1).await;
        assert!(told.0.take()[0].starts_with("error"));
        assert_eq!(transport.unsent(), 0);
    });
}

#[test]
fn an_unconnected_socket_needs_an_address() {
    let _alone = alone();
    run(async {
        let (transport, _peer) = attached(&Told::default()).await;
        match transport.send(b"to whom?") {
            Err(QueueError::Io(error)) => assert_eq!(error.kind(), ErrorKind::NotConnected),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn the_queue_is_bounded_and_pauses_are_told() {
    let _alone = alone();
    let told = Told::default();
    run(async {
        let (transport, peer) = attached(&told).await;
        transport.set_water_marks(100, 10);
        transport.set_capacity(1000);
        let addr = peer.local_addr().unwrap();
        let mut sent = 0;
        // Even empty datagrams count.
        while transport.send_to(b"", addr).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 125);
        until(|| transport.unsent() == 0).await;
        transport.close();
        until(|| told.0.len() == 4).await;
    });
    assert_eq!(told.0.take(), ["made", "pause", "resume", "lost None"]);
}

/// Sends as much as it may, all the time.
struct Floods(SocketAddr, Log);

impl Floods {
    fn flood(&self, transport: &DatagramTransport) {
        while transport.unsent() <= 64 * 1024 && transport.send_to(b"", self.0).is_ok() {}
    }
}

impl DatagramProtocol for Floods {
    fn connection_made(&mut self, transport: &DatagramTransport) {
        self.flood(transport);
    }

    fn datagram_received(&mut self, transport: &DatagramTransport, _: &[u8], _: SocketAddr) {
        self.1.push("got one");
        transport.close();
    }

    fn resume_writing(&mut self, transport: &DatagramTransport) {
        self.flood(transport);
    }
}

#[test]
fn who_sends_without_an_end_still_receives() {
    let _alone = alone();
    let log = Log::default();
    run(async {
        let (socket, peer, drain) = (bound().await, bound().await, bound().await);
        let addr = socket.local_addr().unwrap();
        let floods = Floods(drain.local_addr().unwrap(), log.clone());
        let transport = attach_datagram(socket, floods);
        peer.send_to(b"stop", addr).await.unwrap();
        for _ in 0..1000 {
            monoloop::yield_now().await;
        }
        assert!(transport.is_closing(), "it receives nothing");
    });
    assert_eq!(log.take(), ["got one"]);
}

#[test]
fn a_callback_that_panics_ends_its_socket_and_is_reported() {
    let _alone = alone();
    let (event_loop, reports) = common::reporting_loop();
    let told = Told::default();
    run_on(&event_loop, async {
        let (transport, peer) = attached(&told).await;
        peer.send_to(b"panic", transport.local_addr().unwrap()).await.unwrap();
        until(|| transport.is_closing()).await;
        until(|| told.0.len() == 2).await;
    });
    assert_eq!(told.0.take(), ["made", "lost Some(Other)"]);
    assert_eq!(reports.len(), 1);
}

#[test]
fn the_end_of_the_loop_is_the_end_of_the_socket() {
    let _alone = alone();
    let told = Told::default();
    let event_loop = monoloop::EventLoop::new().unwrap();
    run_on(&event_loop, async {
        attached(&told).await;
        until(|| told.0.len() == 1).await;
    });
    drop(event_loop);
    assert_eq!(told.0.take(), ["made", "lost Some(ConnectionAborted)"]);
}
