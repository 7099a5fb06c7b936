//! Who looks names up, and for how long.

#![cfg(not(miri))] // makes sockets

mod common;
mod net_common;

use std::future::{pending, ready};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use monoloop::net::{
    Connector, Resolve, Resolving, TcpListener, TcpStream, UdpSocket, lookup_host,
};
use monoloop::time::{now, sleep, timeout};
use monoloop::{Builder, EventLoop};
use net_common::*;

fn virtually() -> Builder {
    EventLoop::builder().virtual_time(true)
}

/// No resolver is asked over the network for a label this long.
fn bogus() -> String {
    format!("{}.invalid:1", "x".repeat(70))
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[test]
fn the_loops_resolver_serves_all_that_take_names() {
    let _alone = alone();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let resolver = move |host: &str, port| {
        lock(&noted).push(format!("{host}:{port}"));
        ready(Ok(vec![loopback(port)]))
    };
    let event_loop = EventLoop::builder().resolver(resolver).build().unwrap();
    run_on(&event_loop, async {
        let listener = TcpListener::bind("listen.test:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect(("connect.test", port)).await.unwrap();
        let socket = UdpSocket::bind("udp.test:0").await.unwrap();
        socket.send_to(b"x", ("send.test", port)).await.unwrap();
        assert_eq!(lookup_host("look.test:7").await.unwrap(), [loopback(7)]);

        let asked = lock(&asked);
        let connect = format!("connect.test:{port}");
        let send = format!("send.test:{port}");
        assert_eq!(*asked, ["listen.test:0", &connect, "udp.test:0", &send, "look.test:7"]);
    });
}

#[test]
fn literals_and_localhost_never_reach_it() {
    let _alone = alone();
    let resolver =
        |host: &str, _| -> std::future::Ready<_> { panic!("{host} should not be asked for") };
    let event_loop = EventLoop::builder().resolver(resolver).build().unwrap();
    run_on(&event_loop, async {
        for name in ["127.0.0.1:1", "[::1]:1", "localhost:1", "LOCALHOST:1"] {
            assert!(!lookup_host(name).await.unwrap().is_empty(), "{name}");
        }
        assert_eq!(lookup_host(("::1", 2)).await.unwrap(), ["[::1]:2".parse().unwrap()]);
    });
}

#[test]
fn a_resolver_of_the_call_goes_before_the_loops() {
    let _alone = alone();
    let event_loop = EventLoop::builder()
        .resolver(|_: &str, _| ready(Err(ErrorKind::NotFound.into())))
        .build()
        .unwrap();
    run_on(&event_loop, async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let connector = Connector::new().resolver(move |_: &str, _| ready(Ok(vec![addr])));
        connector.connect("db.test:1").await.unwrap();
        let error = Connector::new().connect("db.test:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with("cannot look up \"db.test\": "), "{error}");
    });
}

/// A resolver with a state, whose future borrows it.
struct Slow(AtomicUsize);

impl Resolve for Slow {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move {
            self.0.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(host.len() as u64)).await;
            Ok(vec![loopback(port)])
        })
    }
}

#[test]
fn a_resolver_may_wait_and_keep_a_state() {
    let _alone = alone();
    let event_loop = virtually().resolver(Slow(AtomicUsize::new(0))).build().unwrap();
    event_loop.run(async {
        let begin = now();
        assert_eq!(lookup_host("four:1").await.unwrap(), [loopback(1)]);
        assert_eq!(now() - begin, Duration::from_millis(4));
    });
}

#[test]
fn a_lookup_that_takes_too_long_is_an_error_that_names_it() {
    let _alone = alone();
    let silent = |_: &str, _| pending::<io::Result<Vec<SocketAddr>>>();
    for (limit, builder) in [
        (Duration::from_secs(30), virtually()),
        (Duration::from_secs(2), virtually().lookup_limit(Duration::from_secs(2))),
    ] {
        builder.resolver(silent).build().unwrap().run(async {
            let begin = now();
            let error = TcpStream::connect("dead.test:1").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            let text = format!("cannot look up \"dead.test\": no answer within {limit:?}");
            assert_eq!(error.to_string(), text);
            assert_eq!(now() - begin, limit);
        });
    }
}

#[test]
fn a_name_without_addresses_is_an_error() {
    let _alone = alone();
    let event_loop =
        EventLoop::builder().resolver(|_: &str, _| ready(Ok(Vec::new()))).build().unwrap();
    run_on(&event_loop, async {
        let error = lookup_host("empty.test:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.to_string(), "cannot look up \"empty.test\": it has no address");
    });
}

#[test]
fn without_a_loop_it_is_an_error_that_says_so() {
    let _alone = alone();
    let error = futures_lite::future::block_on(lookup_host("localhost:1")).unwrap_err();
    assert!(error.to_string().contains("`lookup_host` called at"), "{error}");
}

#[test]
fn many_lookups_at_a_time_are_all_answered() {
    let _alone = alone();
    run(async {
        // That few threads do it: see the unit tests.
        let name = bogus();
        let lookups = (0..200).map(|_| lookup_host(name.as_str()));
        for result in monoloop::future::gather(lookups).await {
            result.unwrap_err();
        }
    });
}

/// The threads that look up are the process's, and a fork copies none of them.
#[cfg(unix)]
#[test]
fn a_forked_child_looks_up_on_threads_of_its_own() {
    let alone = alone();
    let output = common::isolated("a_forked_child_looks_up_on_threads_of_its_own", || {
        let is_answered = || {
            let limit = Duration::from_secs(60);
            let answer = monoloop::run(async { timeout(limit, lookup_host(bogus())).await });
            answer.is_ok_and(|answer| answer.is_err())
        };
        assert!(is_answered());
        // Its thread waits for another lookup.
        // SAFETY: no other thread of this process holds a lock.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends the child without the parent's clean-up.
            unsafe { libc::_exit(if is_answered() { 42 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: the pointer is to a live variable.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(libc::WEXITSTATUS(status), 42);
    });
    if output.is_none() {
        // The isolated process has a thread that ends it if it hangs.
        std::mem::forget(alone);
    }
}
