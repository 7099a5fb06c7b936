//! Connecting to hosts of several addresses: which are tried, when, and what is said when none works.

#![cfg(not(miri))] // makes sockets

mod net_common;

use std::future::ready;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use monoloop::net::{ConnectError, Connector, TcpStream};
use monoloop::time::{now, timeout};
use net_common::*;
use socket2::{Domain, Socket, Type};

const DELAY: Duration = Duration::from_millis(250);
const HOUR: Duration = Duration::from_secs(3600);

/// An address where nobody answers: the queue of its listener is full, so that the kernel drops what knocks.
struct Dead {
    addr: SocketAddr,
    _listener: Socket,
    _queue: Vec<Socket>,
}

impl Dead {
    /// `None`: this machine has no such loopback.
    fn at(ip: impl Into<std::net::IpAddr>) -> Option<Self> {
        let addr = SocketAddr::from((ip.into(), 0));
        let listener = Socket::new(Domain::for_address(addr), Type::STREAM, None).ok()?;
        listener.bind(&addr.into()).ok()?;
        listener.listen(0).unwrap();
        let addr = listener.local_addr().unwrap().as_socket().unwrap();
        let knock = |_| {
            let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _under_way = socket.connect(&addr.into());
            socket
        };
        Some(Self { addr, _listener: listener, _queue: (0..4).map(knock).collect() })
    }

    fn v4() -> Self {
        Self::at(Ipv4Addr::LOCALHOST).expect("loopback")
    }
}

/// An address that refuses.
fn refusing() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

fn live() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// Connects to a name that stands for `addrs`.
async fn connect(connector: Connector, addrs: &[SocketAddr]) -> io::Result<TcpStream> {
    let addrs = addrs.to_vec();
    let connector = connector.resolver(move |_: &str, _| ready(Ok(addrs.clone())));
    // By the virtual clock that is before the system gives up.
    timeout(3 * HOUR, connector.connect("host.test:80")).await.expect("it hangs")
}

fn attempts(error: &io::Error) -> Vec<(SocketAddr, ErrorKind)> {
    let inner = error.get_ref().and_then(|error| error.downcast_ref::<ConnectError>());
    inner.unwrap().attempts().iter().map(|(addr, error)| (*addr, error.kind())).collect()
}

#[test]
fn a_dead_ipv6_address_costs_a_quarter_of_a_second() {
    let _alone = alone();
    let Some(dead) = Dead::at(Ipv6Addr::LOCALHOST) else {
        eprintln!("SKIPPED: no IPv6 loopback");
        return;
    };
    let (_listener, live) = live();
    run_virtually(async {
        let begin = now();
        let stream = connect(Connector::new(), &[dead.addr, live]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live);
        assert_eq!(now() - begin, DELAY);
        assert!(stream.nodelay().unwrap());
    });
}

#[test]
fn families_take_turns() {
    let _alone = alone();
    let Some(dead) = Dead::at(Ipv6Addr::LOCALHOST) else {
        eprintln!("SKIPPED: no IPv6 loopback");
        return;
    };
    let (_listener, live) = live();
    run_virtually(async {
        let begin = now();
        // By the list it would be the third.
        let stream = connect(Connector::new(), &[dead.addr, dead.addr, live]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live);
        assert_eq!(now() - begin, DELAY);
    });
}

#[test]
fn a_failed_attempt_starts_the_next_at_once() {
    let _alone = alone();
    let (_listener, live) = live();
    run_virtually(async {
        let begin = now();
        let stream = connect(Connector::new(), &[refusing(), refusing(), live]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live);
        assert_eq!(now(), begin);
    });
}

#[test]
fn the_losers_are_closed() {
    let _alone = alone();
    let (dead, (_listener, live)) = (Dead::v4(), live());
    run_virtually(async {
        let before = descriptors().len();
        let stream = connect(Connector::new(), &[dead.addr, dead.addr, live]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live);
        assert_eq!(descriptors().len(), before + 1);
    });
}

#[test]
fn dropping_it_closes_every_attempt() {
    let _alone = alone();
    let dead = Dead::v4();
    run_virtually(async {
        let before = descriptors().len();
        let addrs = [dead.addr; 3];
        // Three attempts are under way after two delays.
        timeout(DELAY * 5 / 2, connect(Connector::new(), &addrs)).await.unwrap_err();
        assert_eq!(descriptors().len(), before);
    });
}

#[test]
fn the_delay_can_be_set_or_taken_away() {
    let _alone = alone();
    let (dead, (_listener, live)) = (Dead::v4(), live());
    run_virtually(async {
        let begin = now();
        let quick = Connector::new().attempt_delay(Duration::from_millis(10));
        connect(quick.clone(), &[dead.addr, live]).await.unwrap();
        assert_eq!(now() - begin, Duration::from_millis(10));

        let patient = quick.attempt_delay(None);
        timeout(HOUR, connect(patient.clone(), &[dead.addr, live])).await.unwrap_err();
        connect(patient, &[refusing(), live]).await.unwrap();
    });
}

#[test]
fn the_error_shows_every_address_tried() {
    let _alone = alone();
    let (one, other) = (refusing(), refusing());
    run(async {
        let error = connect(Connector::new(), &[one, other]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let refused = ErrorKind::ConnectionRefused;
        assert_eq!(attempts(&error), [(one, refused), (other, refused)]);
        let os = io::Error::from_raw_os_error(rustix::io::Errno::CONNREFUSED.raw_os_error());
        let text = format!("cannot connect to {one}: {os}; to {other}: {os}");
        assert_eq!(error.to_string(), text);
        assert!(error.get_ref().is_some_and(|inner| inner.source().is_none()));

        // One address alone: the same.
        let error = TcpStream::connect(one).await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot connect to {one}: {os}"));
        assert_eq!(attempts(&error), [(one, refused)]);
    });
}

#[test]
fn the_kind_of_the_error_is_that_of_the_attempt_that_came_farthest() {
    let _alone = alone();
    // Not a unicast address, so it fails at once and otherwise than by a refusal.
    let bad = SocketAddr::from((Ipv4Addr::new(224, 0, 0, 1), 1));
    run(async {
        for addrs in [[bad, refusing()], [refusing(), bad]] {
            let error = connect(Connector::new(), &addrs).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
            assert_ne!(
                attempts(&error).iter().find(|(addr, _)| *addr == bad).unwrap().1,
                error.kind()
            );
        }
        let error = connect(Connector::new(), &[bad]).await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    });
}

#[test]
fn the_local_address_is_kept() {
    let _alone = alone();
    let (listener, live) = live();
    run(async {
        let local = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 5), 0));
        let stream = connect(Connector::new().local_addr(local), &[live]).await.unwrap();
        assert_eq!(stream.local_addr().unwrap().ip(), local.ip());
        assert!(stream.nodelay().unwrap());
        assert_eq!(listener.accept().unwrap().1, stream.local_addr().unwrap());
    });
}
