//! `TcpSocket`: options before connecting and listening.

#![cfg(not(miri))] // sets options that Miri does not have

mod net_common;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use monoloop::io::*;
use monoloop::net::{TcpListener, TcpSocket, TcpStream};
use net_common::*;

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[test]
fn options_are_kept() {
    let _alone = alone();
    let socket = TcpSocket::new_v4().unwrap();
    assert!(socket.nodelay().unwrap(), "by default");
    socket.set_nodelay(false).unwrap();
    assert!(!socket.nodelay().unwrap());
    socket.set_reuse_addr(true).unwrap();
    assert!(socket.reuse_addr().unwrap());
    socket.set_recv_buffer_size(20_000).unwrap();
    assert!((20_000..=40_000).contains(&socket.recv_buffer_size().unwrap()));
    socket.set_send_buffer_size(20_000).unwrap();
    assert!((20_000..=40_000).contains(&socket.send_buffer_size().unwrap()));
    socket.set_linger(Some(Duration::from_secs(3))).unwrap();
    assert_eq!(socket.linger().unwrap(), Some(Duration::from_secs(3)));
    socket.set_linger(Some(Duration::from_millis(3100))).unwrap();
    assert_eq!(socket.linger().unwrap(), Some(Duration::from_secs(4)));
    for (idle, rounded) in [(1, 1), (1000, 1), (1001, 2), (30_000, 30)] {
        socket.set_keepalive(Some(Duration::from_millis(idle))).unwrap();
        assert!(socket.keepalive().unwrap());
        let kept = socket2::SockRef::from(&socket).tcp_keepalive_time().unwrap();
        assert_eq!(kept, Duration::from_secs(rounded));
    }
    socket.set_keepalive(None).unwrap();
    assert!(!socket.keepalive().unwrap());
    socket.set_tos(0x10).unwrap();
    assert_eq!(socket.tos().unwrap(), 0x10);
    if let Ok(socket) = TcpSocket::new_v6() {
        socket.set_only_v6(true).unwrap();
        assert!(socket.only_v6().unwrap());
    }
}

#[test]
fn a_connection_has_the_address_and_the_options_it_was_given() {
    let _alone = alone();
    run(async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let socket = TcpSocket::for_addr(&addr).unwrap();
        socket.set_nodelay(false).unwrap();
        socket.bind(ANY).unwrap();
        let local = socket.local_addr().unwrap();
        assert_ne!(local.port(), 0);
        let mut stream = socket.connect(addr).await.unwrap();
        let (mut server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, local);
        assert!(!stream.nodelay().unwrap());
        stream.write_all(b"x").await.unwrap();
        server.read_exact(&mut [0]).await.unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn listeners_that_reuse_a_port_share_it() {
    let _alone = alone();
    run(async {
        let listen = |addr| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuse_port(true).unwrap();
            assert!(socket.reuse_port().unwrap());
            socket.bind(addr).unwrap();
            socket.listen(128).unwrap()
        };
        let one = listen(ANY);
        let addr = one.local_addr().unwrap();
        let two = listen(addr);
        assert_eq!(TcpListener::bind(addr).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        let mut clients = Vec::new();
        for _ in 0..64 {
            clients.push(TcpStream::connect(addr).await.unwrap());
        }
        let count =
            |listener: &TcpListener| std::iter::from_fn(|| listener.try_accept().ok()).count();
        let (one, two) = (count(&one), count(&two));
        assert_eq!(one + two, 64);
        assert!(one > 0 && two > 0, "{one} and {two}");
    });
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let _alone = alone();
    run(async {
        let addr = listener().await.local_addr().unwrap();
        let taken = TcpListener::bind(addr).await.unwrap();
        let error = TcpSocket::new_v4().unwrap().bind(addr).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
        drop(taken);
    });
}

#[test]
fn a_refused_connection_is_an_error_and_closes_the_socket() {
    let _alone = alone();
    run(async {
        let addr = listener().await.local_addr().unwrap();
        let before = descriptors().len();
        let error = TcpSocket::new_v4().unwrap().connect(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(descriptors().len(), before);
    });
}

#[test]
fn an_ipv6_socket_that_takes_ipv4_too_does_and_one_that_does_not_does_not() {
    let _alone = alone();
    run(async {
        for only_v6 in [false, true] {
            let socket = TcpSocket::new_v6().unwrap();
            socket.set_only_v6(only_v6).unwrap();
            if socket.bind((Ipv6Addr::UNSPECIFIED, 0).into()).is_err() {
                eprintln!("SKIPPED: no IPv6");
                return;
            }
            let listener = socket.listen(8).unwrap();
            let port = listener.local_addr().unwrap().port();
            let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
            assert_eq!(connected.is_ok(), !only_v6);
        }
    });
}

#[test]
fn without_a_loop_connecting_and_listening_are_errors() {
    let _alone = alone();
    let error = TcpSocket::new_v4().unwrap().listen(1).unwrap_err();
    assert!(error.to_string().contains("`TcpSocket::listen`"), "{error}");
    assert!(error.to_string().contains(file!()), "{error}");
    let connect = TcpSocket::new_v4().unwrap().connect(ANY);
    futures_lite::future::block_on(connect).unwrap_err();
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_is_bound_to_an_interface() {
    let _alone = alone();
    let socket = TcpSocket::new_v4().unwrap();
    match socket.bind_device(Some("lo")) {
        // Older kernels let only root do so.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return,
        bound => bound.unwrap(),
    }
    let device = || socket2::SockRef::from(&socket).device().unwrap();
    assert_eq!(device().as_deref(), Some(&b"lo"[..]));
    socket.bind_device(None).unwrap();
    assert_eq!(device(), None);
    socket.bind_device(Some("no interface")).unwrap_err();
}

#[cfg(target_os = "linux")]
#[test]
fn packets_are_marked() {
    let _alone = alone();
    let socket = TcpSocket::new_v4().unwrap();
    match socket.set_mark(7) {
        // Only those who administer the network may.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return,
        marked => marked.unwrap(),
    }
    assert_eq!(socket.mark().unwrap(), 7);
}

#[cfg(target_os = "linux")]
#[test]
fn a_servers_connections_inherit_the_options_of_its_socket() {
    let _alone = alone();
    run(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_keepalive(Some(Duration::from_secs(30))).unwrap();
        socket.bind(ANY).unwrap();
        let listener = socket.listen(8).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let socket = socket2::SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(30));
    });
}
