//! `UdpSocket`: datagrams whole and in the queue, refusals, options, sharing, drops half-way.

#![cfg(not(miri))] // Miri has no datagrams

mod net_common;

use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdSocket};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future::poll_once;
use monoloop::net::UdpSocket;
use monoloop::{spawn, time};
use net_common::*;

async fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback")
}

/// Two sockets that are connected with each other.
async fn connected() -> (UdpSocket, UdpSocket) {
    let (one, other) = (socket().await, socket().await);
    one.connect(other.local_addr().unwrap()).await.unwrap();
    other.connect(one.local_addr().unwrap()).await.unwrap();
    (one, other)
}

/// An address where nobody receives, though nobody else can take it meanwhile.
fn vacant() -> SocketAddr {
    let socket = StdSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap()
}

#[test]
fn datagrams_go_there_and_back_with_a_socket_of_std() {
    let _alone = alone();
    let peer = StdSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let peer_addr = peer.local_addr().unwrap();
    run(async {
        let socket = socket().await;
        assert_eq!(socket.send_to(b"ping", peer_addr).await.unwrap(), 4);
        let mut buffer = [0; 64];
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"ping"[..], socket.local_addr().unwrap()));
        peer.send_to(b"pong!", from).unwrap();
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], from), (&b"pong!"[..], peer_addr));
    });
}

#[test]
fn a_datagram_is_whole_and_an_empty_one_is_one() {
    let _alone = alone();
    run(async {
        let (one, other) = connected().await;
        let mut buffer = [0; 4];
        for data in [&b"too long"[..], b"", b"ok"] {
            assert_eq!(one.send(data).await.unwrap(), data.len());
        }
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
        assert_eq!(&buffer, b"too ", "the rest is lost");
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 0);
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 2);
    });
}

#[test]
fn peeking_leaves_the_datagram() {
    let _alone = alone();
    run(async {
        let (one, other) = connected().await;
        one.send(b"once").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(other.peek(&mut buffer).await.unwrap(), 4);
        let from = one.local_addr().unwrap();
        assert_eq!(other.peek_from(&mut buffer).await.unwrap(), (4, from));
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
        assert_eq!(other.try_recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

/// Class 17: each datagram is a system call of its own, and a small one proves nothing about the next.
#[test]
fn many_small_datagrams_in_the_queue_are_all_received() {
    let _alone = alone();
    run(async {
        let (one, other) = connected().await;
        for n in 0..100_u8 {
            one.send(&[n]).await.unwrap();
        }
        let mut buffer = [0; 1500];
        for n in 0..100_u8 {
            assert_eq!(other.recv(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], n);
        }
    });
}

/// The peer's system answers with ICMP "port unreachable".
#[cfg(target_os = "linux")]
#[test]
fn a_refusal_is_an_error_of_a_connected_socket() {
    let _alone = alone();
    run(async {
        let socket = socket().await;
        socket.connect(vacant()).await.unwrap();
        // One that waits to receive is told.
        socket.send(b"anybody?").await.unwrap();
        let error = socket.recv(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        // So is one who sends again.
        socket.send(b"anybody?").await.unwrap();
        let error = loop {
            match socket.send(b"anybody?").await {
                Ok(_) => monoloop::yield_now().await,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        // And the socket lives on.
        let peer = self::socket().await;
        socket.connect(peer.local_addr().unwrap()).await.unwrap();
        while socket.send(b"you").await.is_err() {}
        assert_eq!(peer.recv(&mut [0; 8]).await.unwrap(), 3);
    });
}

#[test]
fn an_unconnected_socket_is_not_told_of_refusals() {
    let _alone = alone();
    run(async {
        let socket = socket().await;
        for _ in 0..5 {
            socket.send_to(b"anybody?", vacant()).await.unwrap();
        }
        let other = self::socket().await;
        other.send_to(b"me", socket.local_addr().unwrap()).await.unwrap();
        assert_eq!(socket.recv_from(&mut [0; 8]).await.unwrap().0, 2);
    });
}

#[test]
fn a_connected_socket_receives_from_its_peer_only() {
    let _alone = alone();
    run(async {
        let (one, other) = connected().await;
        assert_eq!(one.peer_addr().unwrap(), other.local_addr().unwrap());
        socket().await.send_to(b"stranger", one.local_addr().unwrap()).await.unwrap();
        other.send(b"friend").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(one.recv(&mut buffer).await.unwrap(), 6);
        assert_eq!(&buffer[..6], b"friend");
    });
}

#[test]
fn one_task_receives_while_others_send_on_the_same_socket() {
    let _alone = alone();
    run(async {
        let (one, other) = connected().await;
        let one = Rc::new(one);
        let receiver = spawn({
            let one = Rc::clone(&one);
            async move { one.recv(&mut [0; 8]).await.unwrap() }
        });
        monoloop::yield_now().await;
        let senders: Vec<_> = (0..3)
            .map(|_| {
                let one = Rc::clone(&one);
                spawn(async move { one.send(b"hi").await.unwrap() })
            })
            .collect();
        for sender in senders {
            sender.await.unwrap();
        }
        for _ in 0..3 {
            assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 2);
        }
        assert!(!receiver.is_finished());
        other.send(b"yo!").await.unwrap();
        assert_eq!(receiver.await.unwrap(), 3);
    });
}

#[test]
fn every_one_of_many_waiting_receivers_is_served() {
    let _alone = alone();
    run(async {
        let (one, other) = connected().await;
        let other = Rc::new(other);
        let receivers: Vec<_> = (0..10)
            .map(|_| {
                let other = Rc::clone(&other);
                spawn(async move { other.recv(&mut [0; 8]).await.unwrap() })
            })
            .collect();
        monoloop::yield_now().await;
        for _ in 0..10 {
            one.send(b"x").await.unwrap();
        }
        for receiver in receivers {
            assert_eq!(receiver.await.unwrap(), 1);
        }
    });
}

#[test]
fn a_dropped_receive_loses_no_datagram() {
    let _alone = alone();
    run(async {
        let (one, other) = connected().await;
        for _ in 0..20 {
            let mut buffer = [0; 8];
            assert!(poll_once(pin!(other.recv(&mut buffer))).await.is_none());
            one.send(b"kept").await.unwrap();
            drop(other.recv(&mut buffer));
            assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
        }
    });
}

#[test]
fn polling_and_trying_agree_with_waiting() {
    let _alone = alone();
    run(async {
        let (one, other) = connected().await;
        let mut buffer = [0; 8];
        let (wakes, waker) = Wakes::new();
        {
            let mut polled = pin!(poll_fn(|cx| other.poll_recv(cx, &mut buffer)));
            assert!(poll_with(polled.as_mut(), &waker).is_pending());
            assert_eq!(poll_fn(|cx| one.poll_send(cx, b"abc")).await.unwrap(), 3);
            until(|| wakes.count() == 1).await;
            assert!(matches!(poll_with(polled.as_mut(), &waker), Poll::Ready(Ok(3))));
        }
        let to = other.local_addr().unwrap();
        assert_eq!(one.try_send_to(b"d", to).unwrap(), 1);
        assert_eq!(poll_fn(|cx| one.poll_send_to(cx, b"ef", to)).await.unwrap(), 2);
        other.readable().await.unwrap();
        assert_eq!(other.try_recv_from(&mut buffer).unwrap().0, 1);
        let from = one.local_addr().unwrap();
        let received = poll_fn(|cx| other.poll_recv_from(cx, &mut buffer)).await.unwrap();
        assert_eq!(received, (2, from));
        one.writable().await.unwrap();
        assert_eq!(one.try_send(b"").unwrap(), 0);
    });
}

#[test]
fn options_are_kept() {
    let _alone = alone();
    run(async {
        let socket = socket().await;
        assert!(!socket.broadcast().unwrap());
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        socket.set_ttl(42).unwrap();
        assert_eq!(socket.ttl().unwrap(), 42);
        socket.set_multicast_ttl_v4(3).unwrap();
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 3);
        socket.set_multicast_loop_v4(false).unwrap();
        assert!(!socket.multicast_loop_v4().unwrap());
        assert!(socket.take_error().unwrap().is_none());
        let port = socket.local_addr().unwrap().port().to_string();
        assert!(format!("{socket:?}").contains(&port), "{socket:?}");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn who_may_not_broadcast_is_told_so() {
    let _alone = alone();
    run(async {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        let all = SocketAddr::from((Ipv4Addr::new(127, 255, 255, 255), 9));
        let error = socket.send_to(b"all", all).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        socket.set_broadcast(true).unwrap();
        assert_eq!(socket.send_to(b"all", all).await.unwrap(), 3);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn groups_of_ipv6_are_joined_and_left() {
    let _alone = alone();
    run(async {
        let Ok(socket) = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await else {
            eprintln!("SKIPPED: no IPv6");
            return;
        };
        assert!(socket.multicast_loop_v6().unwrap(), "by default");
        socket.set_multicast_loop_v6(false).unwrap();
        assert!(!socket.multicast_loop_v6().unwrap());
        // The group is one of this machine, and the loopback interface the first.
        let group: Ipv6Addr = "ff01::4d:6f6e".parse().unwrap();
        socket.join_multicast_v6(&group, 1).unwrap();
        assert_eq!(socket.join_multicast_v6(&group, 1).unwrap_err().kind(), ErrorKind::AddrInUse);
        socket.leave_multicast_v6(&group, 1).unwrap();
        socket.leave_multicast_v6(&group, 1).unwrap_err();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_group_that_was_joined_is_received_from_and_left() {
    let _alone = alone();
    run(async {
        let group = Ipv4Addr::new(239, 255, 77, 13);
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        if let Err(error) = socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST) {
            eprintln!("SKIPPED: no multicast on loopback: {error}");
            return;
        }
        let sender = StdSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket2::SockRef::from(&sender).set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        let port = socket.local_addr().unwrap().port();
        if let Err(error) = sender.send_to(b"all", (group, port)) {
            eprintln!("SKIPPED: no multicast on loopback: {error}");
            return;
        }
        match time::timeout(Duration::from_secs(2), socket.recv(&mut [0; 8])).await {
            Ok(received) => assert_eq!(received.unwrap(), 3),
            Err(_) => eprintln!("SKIPPED: multicast does not come back on loopback"),
        }
        socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap_err();
    });
}

#[test]
fn from_std_and_back_keeps_what_the_kernel_holds() {
    let _alone = alone();
    let theirs = StdSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = theirs.local_addr().unwrap();
    let theirs = run(async {
        let ours = UdpSocket::from_std(theirs).unwrap();
        socket().await.send_to(b"kept", addr).await.unwrap();
        ours.readable().await.unwrap();
        ours.into_std().unwrap()
    });
    assert_eq!(theirs.recv(&mut [0; 8]).unwrap(), 4);
    assert_eq!(theirs.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn binding_takes_the_first_address_that_works_and_names_the_last_that_did_not() {
    let _alone = alone();
    run(async {
        let taken = socket().await;
        let addr = taken.local_addr().unwrap();
        let error = UdpSocket::bind(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        UdpSocket::bind(&[addr, free][..]).await.unwrap();
    });
    let error = futures_lite::future::block_on(UdpSocket::bind("127.0.0.1:0")).unwrap_err();
    assert!(error.to_string().contains("`UdpSocket::bind`"), "{error}");
    assert!(error.to_string().contains(file!()), "{error}");
}
