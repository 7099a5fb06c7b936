//! What can be written where an address is asked for, and what is said of what cannot.

#![cfg(not(miri))] // asks the resolver, which Miri cannot do

mod net_common;

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::pin;
use std::rc::Rc;

use futures_lite::future::poll_once;
use monoloop::net::{TcpListener, TcpStream, ToSocketAddrs, lookup_host};
use monoloop::{spawn, yield_now};
use net_common::*;

/// A name that no resolver need be asked over the network for: a label has at most 63 characters.
fn bogus() -> String {
    format!("{}.invalid", "x".repeat(70))
}

async fn bound(addr: impl ToSocketAddrs) -> SocketAddr {
    TcpListener::bind(addr).await.unwrap().local_addr().unwrap()
}

async fn refusal(addr: impl ToSocketAddrs) -> io::Error {
    let bind = TcpListener::bind(&addr).await.unwrap_err();
    let connect = TcpStream::connect(&addr).await.unwrap_err();
    assert_eq!(bind.kind(), connect.kind());
    assert_eq!(bind.to_string(), connect.to_string());
    bind
}

#[test]
fn addresses_of_every_type_are_taken() {
    let _alone = alone();
    let v4 = Ipv4Addr::LOCALHOST;
    run(async {
        for addr in [
            bound(SocketAddr::from((v4, 0))).await,
            bound(SocketAddrV4::new(v4, 0)).await,
            bound((v4, 0)).await,
            bound((IpAddr::from(v4), 0)).await,
            bound(&[SocketAddr::from((v4, 0))][..]).await,
            bound("127.0.0.1:0").await,
            bound(String::from("127.0.0.1:0")).await,
            bound(&String::from("127.0.0.1:0")).await,
            bound(&&"127.0.0.1:0").await,
            bound(("127.0.0.1", 0)).await,
            bound((String::from("127.0.0.1"), 0)).await,
        ] {
            assert_eq!(addr.ip(), v4);
            assert_ne!(addr.port(), 0);
        }
    });
}

#[test]
fn ipv6_literals_stand_in_brackets_or_in_a_pair() {
    let _alone = alone();
    let v6 = Ipv6Addr::LOCALHOST;
    run(async {
        if TcpListener::bind((v6, 0)).await.is_err() {
            eprintln!("SKIPPED: no IPv6 loopback");
            return;
        }
        for addr in [
            bound(SocketAddrV6::new(v6, 0, 0, 0)).await,
            bound((IpAddr::from(v6), 0)).await,
            bound("[::1]:0").await,
            bound(("::1", 0)).await,
            bound(("[::1]", 0)).await,
        ] {
            assert_eq!(addr.ip(), v6);
        }
    });
}

#[test]
fn an_ipv6_literal_may_name_its_interface() {
    let _alone = alone();
    run(async {
        let Ok(addrs) = lookup_host("[fe80::1%lo]:80").await else {
            eprintln!("SKIPPED: no interface `lo`");
            return;
        };
        let [SocketAddr::V6(addr)] = addrs[..] else { panic!("{addrs:?}") };
        assert_eq!((*addr.ip(), addr.port()), ("fe80::1".parse().unwrap(), 80));
        assert_ne!(addr.scope_id(), 0);
    });
}

#[test]
fn an_ipv6_literal_may_number_its_interface() {
    let _alone = alone();
    run(async {
        let wanted = SocketAddr::from(SocketAddrV6::new("fe80::1".parse().unwrap(), 80, 0, 7));
        for text in ["[fe80::1%7]:80", "fe80::1%7:80"] {
            // A lookup would take another thread, and so at least a second poll.
            let addrs = poll_once(pin!(lookup_host(text))).await.expect("at once").unwrap();
            assert_eq!(addrs, [wanted], "{text}");
        }
        let addrs = poll_once(pin!(lookup_host(("fe80::1%7", 80)))).await.expect("at once");
        assert_eq!(addrs.unwrap(), [wanted]);
    });
}

#[test]
fn localhost_needs_no_resolver() {
    let _alone = alone();
    run(async {
        for name in ["localhost:0", "LocalHost:0"] {
            // A lookup would take another thread, and so at least a second poll.
            let bound = poll_once(TcpListener::bind(name)).await.expect("at once").unwrap();
            assert!(bound.local_addr().unwrap().ip().is_loopback());
        }
        let listener = poll_once(TcpListener::bind(("localhost", 0))).await.unwrap().unwrap();
        // Both ways, IPv4 and IPv6, are tried.
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await;
        for listener in [Ok(listener), v6].into_iter().flatten() {
            let port = listener.local_addr().unwrap().port();
            TcpStream::connect(("localhost", port)).await.unwrap();
        }
    });
}

#[test]
fn malformed_text_is_an_error_that_quotes_it() {
    let _alone = alone();
    run(async {
        for (text, why) in [
            ("localhost", "not of the form host:port"),
            ("", "not of the form host:port"),
            ("127.0.0.1", "not of the form host:port"),
            ("127.0.0.1:", "not a port"),
            ("localhost:http", "not a port"),
            ("localhost:65536", "not a port"),
            ("localhost:-1", "not a port"),
            ("localhost: 80", "not a port"),
            (":80", "not the name of a host"),
            ("a\0b:80", "not the name of a host"),
            ("[::1:80", "not the name of a host"),
            ("[localhost]:80", "not the name of a host"),
        ] {
            let error = refusal(text).await;
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}");
            let error = error.to_string();
            assert!(error.contains(why), "{text:?} gave {error:?}");
            let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
            assert!(error.contains(&format!("{text:?}")) || error.contains(&format!("{host:?}")));
        }
    });
}

#[test]
fn no_address_at_all_is_an_error() {
    let _alone = alone();
    run(async {
        let error = refusal(&[][..] as &[SocketAddr]).await;
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "no address was given");
    });
}

#[test]
fn a_name_that_is_not_known_is_an_error_that_names_it() {
    let _alone = alone();
    run(async {
        let name = bogus();
        for error in [refusal((name.as_str(), 80)).await, refusal(format!("{name}:80")).await] {
            assert!(error.to_string().contains(&format!("cannot look up \"{name}\"")), "{error}");
        }
    });
}

#[test]
fn a_lookup_does_not_hold_up_the_loop() {
    let _alone = alone();
    run(async {
        let turns = Rc::new(Cell::new(0));
        let count = Rc::clone(&turns);
        let other = spawn(async move {
            loop {
                count.set(count.get() + 1);
                yield_now().await;
            }
        });
        // The other thread may be done before we look, but not every time.
        let mut lookups = 0;
        while turns.get() == 0 {
            assert!(lookups < 100, "each lookup ran inside of a single poll");
            lookups += 1;
            TcpStream::connect((bogus(), 1)).await.unwrap_err();
        }
        other.abort();
    });
}

#[test]
fn a_dropped_lookup_ends_by_itself() {
    let _alone = alone();
    run(async {
        let name = bogus();
        for _ in 0..10 {
            let mut connecting = pin!(TcpStream::connect((name.as_str(), 1)));
            let _ = poll_once(connecting.as_mut()).await;
        }
    });
    // Also one that outlives its loop. `alone` sees that no thread stays.
    let event_loop = monoloop::EventLoop::new().unwrap();
    drop(event_loop.spawn(async move { TcpStream::connect((bogus(), 1)).await.map(drop) }));
    event_loop.run(yield_now());
    drop(event_loop);
}

#[test]
fn a_virtual_clock_waits_for_a_lookup() {
    let _alone = alone();
    run_virtually(async {
        for _ in 0..5 {
            let lookup = TcpStream::connect((bogus(), 1));
            let result = monoloop::time::timeout(std::time::Duration::from_nanos(1), lookup).await;
            result.expect("time stands still meanwhile").unwrap_err();
        }
    });
}
