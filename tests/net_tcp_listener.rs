//! `TcpListener`: binding, accepting, many acceptors, and what becomes of connections nobody took.

#![cfg(not(miri))] // resets connections, which Miri cannot do

mod net_common;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_core::Stream;
use futures_lite::future::poll_once;
use monoloop::io::*;
use monoloop::net::{TcpListener, TcpStream};
use monoloop::spawn;
use net_common::*;

#[test]
fn port_zero_lets_the_system_choose() {
    let _alone = alone();
    run(async {
        let one = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let two = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (one, two) = (one.local_addr().unwrap(), two.local_addr().unwrap());
        assert_eq!(one.ip(), Ipv4Addr::LOCALHOST);
        assert!(one.port() != 0 && one.port() != two.port(), "{one} {two}");
    });
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let _alone = alone();
    run(async {
        let taken = listener().await;
        let addr = taken.local_addr().unwrap();
        let error = TcpListener::bind(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
        // One of several addresses is enough.
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        TcpListener::bind(&[addr, free][..]).await.unwrap();
    });
}

#[cfg(unix)]
#[test]
fn an_address_can_be_bound_again_at_once() {
    let _alone = alone();
    run(async {
        let mut addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        for _ in 0..3 {
            let listener = TcpListener::bind(addr).await.unwrap();
            addr = listener.local_addr().unwrap();
            let client = TcpStream::connect(addr).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            // The listener's side closes first and is left in TIME_WAIT.
            drop(server);
            drop(client);
        }
    });
}

#[test]
fn ipv6_works_where_the_system_has_it() {
    let _alone = alone();
    run(async {
        let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await else {
            eprintln!("SKIPPED: no IPv6 loopback");
            return;
        };
        let addr = listener.local_addr().unwrap();
        assert!(addr.is_ipv6());
        let client = TcpStream::connect(addr.to_string()).await.unwrap();
        let (_server, peer) = listener.accept().await.unwrap();
        assert_eq!(client.local_addr().unwrap(), peer);
    });
}

#[test]
fn try_accept_never_waits() {
    let _alone = alone();
    run(async {
        let listener = listener().await;
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_server, peer) = loop {
            match listener.try_accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => monoloop::yield_now().await,
                result => break result.unwrap(),
            }
        };
        assert_eq!(peer, client.local_addr().unwrap());
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

/// What the kernel has no room for knocks again after a second.
#[cfg(target_os = "linux")]
#[test]
fn a_crowd_that_comes_at_once_finds_room() {
    let _alone = alone();
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let count = most.trim().parse().map_or(500, |most: usize| most.min(500));
    run(async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let connect = |_| std::net::TcpStream::connect_timeout(&addr, Duration::from_millis(900));
        let crowd: io::Result<Vec<_>> = (0..count).map(connect).collect();
        assert_eq!(crowd.unwrap().len(), count);
    });
}

#[test]
fn connections_are_accepted_in_the_order_they_were_made() {
    let _alone = alone();
    run(async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(TcpStream::connect(addr).await.unwrap());
        }
        for client in &clients {
            let (_server, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
    });
}

#[test]
fn every_one_of_many_waiting_acceptors_is_served() {
    let _alone = alone();
    run(async {
        let listener = Rc::new(listener().await);
        let addr = listener.local_addr().unwrap();
        let served = Rc::new(RefCell::new(Vec::new()));
        let acceptors: Vec<_> = (0..10)
            .map(|n| {
                let (listener, served) = (Rc::clone(&listener), Rc::clone(&served));
                spawn(async move {
                    let (stream, _) = listener.accept().await.unwrap();
                    served.borrow_mut().push(n);
                    stream
                })
            })
            .collect();
        monoloop::yield_now().await;
        let mut clients = Vec::new();
        for _ in 0..10 {
            clients.push(TcpStream::connect(addr).await.unwrap());
        }
        for acceptor in acceptors {
            acceptor.await.unwrap();
        }
        let mut served = served.take();
        served.sort_unstable();
        assert_eq!(served, (0..10).collect::<Vec<_>>());
    });
}

/// Where the poller has to be told that an operation would have blocked, the next acceptor has to find that out.
const HAS_EDGES: bool = !cfg!(mio_unsupported_force_poll_poll);

#[test]
fn one_connection_wakes_one_acceptor() {
    const ACCEPTORS: usize = 10_000;

    let _alone = alone();
    run(async {
        let listener = Rc::new(listener().await);
        let addr = listener.local_addr().unwrap();
        let polls = Rc::new(Cell::new(0));
        let served = Rc::new(RefCell::new(Vec::new()));
        let mut acceptors: Vec<_> = (0..ACCEPTORS)
            .map(|n| {
                let (listener, served) = (Rc::clone(&listener), Rc::clone(&served));
                spawn(counted(Rc::clone(&polls), async move {
                    let (stream, _) = listener.accept().await.unwrap();
                    served.borrow_mut().push(n);
                    stream
                }))
            })
            .collect();
        until(|| polls.get() == ACCEPTORS).await;
        for n in 0..10 {
            let _client = TcpStream::connect(addr).await.unwrap();
            until(|| served.borrow().len() == n + 1).await;
            monoloop::yield_now().await;
            assert!(polls.get() == ACCEPTORS + n + 1 || !HAS_EDGES);
        }
        // As many as come at a time, too.
        let clients: Vec<_> =
            (0..90).map(|_| std::net::TcpStream::connect(addr).unwrap()).collect();
        for acceptor in acceptors.drain(..100) {
            acceptor.await.unwrap();
        }
        assert!(polls.get() == ACCEPTORS + 100 || !HAS_EDGES);
        assert_eq!(served.take(), (0..100).collect::<Vec<_>>());
        for acceptor in acceptors {
            acceptor.abort();
        }
        drop(clients);
    });
}

/// One acceptance after the other, each to be polled by hand.
type Accepting = Pin<Box<dyn Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send>>;

fn accepting<const N: usize>(
    listener: &Arc<TcpListener>,
) -> [(Accepting, Arc<Wakes>, std::task::Waker); N] {
    std::array::from_fn(|_| {
        let listener = Arc::clone(listener);
        let mut accepting: Accepting = Box::pin(async move { listener.accept().await });
        let (wakes, waker) = Wakes::new();
        assert!(poll_with(accepting.as_mut(), &waker).is_pending());
        (accepting, wakes, waker)
    })
}

#[test]
fn an_acceptor_that_was_woken_and_is_dropped_wakes_the_next() {
    let _alone = alone();
    run(async {
        let listener = Arc::new(listener().await);
        let [first, second, third, mut fourth] = accepting(&listener);
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        until(|| first.1.count() == 1).await;
        assert_eq!(second.1.count(), 0);
        // Whoever goes first out of the middle takes nothing along.
        drop(third);
        drop(first.0);
        assert_eq!((second.1.count(), fourth.1.count()), (1, 0));
        // Elsewhere, too.
        thread::spawn(move || drop(second.0)).join().unwrap();
        until(|| fourth.1.count() == 1).await;
        let Poll::Ready(accepted) = poll_with(fourth.0.as_mut(), &fourth.2) else {
            panic!("the connection is lost");
        };
        assert_eq!(accepted.unwrap().1, client.local_addr().unwrap());
    });
}

#[test]
fn an_acceptor_whose_connection_another_took_keeps_its_place() {
    let _alone = alone();
    run(async {
        let listener = Arc::new(listener().await);
        let addr = listener.local_addr().unwrap();
        let [mut first, second] = accepting(&listener);
        let connect = || std::net::TcpStream::connect(addr).unwrap();
        for n in 1..4 {
            let _client = connect();
            until(|| first.1.count() == n).await;
            listener.try_accept().unwrap();
            // Who comes now stands behind.
            let [late] = accepting(&listener);
            assert!(poll_with(first.0.as_mut(), &first.2).is_pending());
            assert_eq!((second.1.count(), late.1.count()), (0, 0));
        }
        let client = connect();
        until(|| first.1.count() == 4).await;
        let Poll::Ready(accepted) = poll_with(first.0.as_mut(), &first.2) else {
            panic!("it had the turn");
        };
        assert_eq!(accepted.unwrap().1, client.local_addr().unwrap());
        drop(first);
        assert!(second.1.count() == 0 || !HAS_EDGES);
    });
}

/// Whoever is dropped, woken or not: while somebody waits, no connection is left lying.
#[test]
fn acceptors_that_come_and_go_at_random_accept_every_connection() {
    let _alone = alone();
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 33) % below
    };
    run(async {
        let listener = Rc::new(listener().await);
        let addr = listener.local_addr().unwrap();
        let accepted = Rc::new(Cell::new(0));
        let accept = || {
            let (listener, accepted) = (Rc::clone(&listener), Rc::clone(&accepted));
            spawn(async move {
                listener.accept().await.unwrap();
                accepted.set(accepted.get() + 1);
            })
        };
        let mut acceptors = VecDeque::new();
        let mut made = 0;
        for _ in 0..5000 {
            match random(8) {
                0..=1 if made - accepted.get() < 100 => {
                    drop(std::net::TcpStream::connect(addr).unwrap());
                    made += 1;
                }
                0..=3 => acceptors.push_back(accept()),
                4..=5 if !acceptors.is_empty() => {
                    let one = random(acceptors.len() as u64) as usize;
                    acceptors.swap_remove_back(one).unwrap().abort();
                }
                _ => monoloop::yield_now().await,
            }
            if random(50) == 0 {
                // All that are there have time to do what they can.
                acceptors.push_back(accept());
                until(|| accepted.get() == made || acceptors.iter().all(|a| a.is_finished())).await;
            }
        }
        assert!(made > 500);
    });
}

/// Of many who wait, those at the front go away while a connection comes: the one behind gets it.
#[test]
fn an_acceptor_that_is_woken_and_dropped_takes_no_connection_along() {
    let _alone = alone();
    run(async {
        let listener = Rc::new(listener().await);
        let addr = listener.local_addr().unwrap();
        let accept = || {
            let listener = Rc::clone(&listener);
            spawn(async move { listener.accept().await.map(|(_, peer)| peer) })
        };
        let first = accept();
        let second = accept();
        monoloop::yield_now().await;
        let client = std::net::TcpStream::connect(addr).unwrap();
        first.abort();
        assert_eq!(second.await.unwrap().unwrap(), client.local_addr().unwrap());
        assert!(first.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_dropped_accept_loses_no_connection() {
    let _alone = alone();
    run(async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        for _ in 0..10 {
            assert!(poll_once(listener.accept()).await.is_none());
            let client = TcpStream::connect(addr).await.unwrap();
            drop(listener.accept());
            let (_server, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
    });
}

#[test]
fn poll_accept_and_the_stream_of_connections_give_them_too() {
    let _alone = alone();
    run(async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let (wakes, waker) = Wakes::new();
        let mut polled = pin!(poll_fn(|cx| listener.poll_accept(cx)));
        assert!(poll_with(polled.as_mut(), &waker).is_pending());
        let one = TcpStream::connect(addr).await.unwrap();
        until(|| wakes.count() == 1).await;
        let Poll::Ready(Ok((_, peer))) = poll_with(polled.as_mut(), &waker) else {
            panic!("woken for a connection");
        };
        assert_eq!(peer, one.local_addr().unwrap());

        let mut incoming: monoloop::net::Incoming<'_> = listener.incoming();
        let two = TcpStream::connect(addr).await.unwrap();
        let next = poll_fn(|cx| Pin::new(&mut incoming).poll_next(cx)).await;
        let stream = next.expect("it never ends").unwrap();
        assert_eq!(stream.peer_addr().unwrap(), two.local_addr().unwrap());
    });
}

#[test]
fn a_connection_that_is_reset_before_it_is_accepted_does_not_end_the_listener() {
    let _alone = alone();
    run(async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        reset(TcpStream::connect(addr).await.unwrap());
        let good = TcpStream::connect(addr).await.unwrap();
        // Some systems give the dead connection, some an error, some pass it over.
        loop {
            match listener.accept().await {
                Ok((_, peer)) if peer == good.local_addr().unwrap() => break,
                Ok((mut dead, _)) => assert!(dead.read(&mut [0]).await.is_err()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionAborted),
            }
        }
    });
}

#[cfg(unix)]
#[test]
fn from_std_and_back_keeps_the_connections_in_the_queue() {
    let _alone = alone();
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let one = std::net::TcpStream::connect(addr).unwrap();
    let two = std::net::TcpStream::connect(addr).unwrap();
    let listener = run(async {
        let listener = TcpListener::from_std(listener).unwrap();
        assert_eq!(listener.local_addr().unwrap(), addr);
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, one.local_addr().unwrap());
        listener.into_std().unwrap()
    });
    assert_eq!(listener.accept().unwrap().1, two.local_addr().unwrap());
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn options_are_kept() {
    let _alone = alone();
    run(async {
        let listener = listener().await;
        listener.set_ttl(33).unwrap();
        assert_eq!(listener.ttl().unwrap(), 33);
        let port = listener.local_addr().unwrap().port().to_string();
        assert!(format!("{listener:?}").contains(&port), "{listener:?}");
    });
}

/// An always-ready listener gives way: the budget of a task counts for `accept` too.
#[test]
fn accepting_a_long_queue_gives_way_to_others() {
    let _alone = alone();
    run(async {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let addr = listener.local_addr().unwrap();
        let others = Rc::new(std::cell::Cell::new(0));
        let count = Rc::clone(&others);
        let other = spawn(async move {
            loop {
                count.set(count.get() + 1);
                monoloop::yield_now().await;
            }
        });
        // std's queue holds 128 connections or more on every system we know.
        let clients: Vec<_> =
            (0..100).map(|_| std::net::TcpStream::connect(addr).unwrap()).collect();
        let before = others.get();
        let mut streams = Vec::new();
        for _ in &clients {
            streams.push(listener.accept().await.unwrap());
            // Something else that is always ready: a write.
            (&streams[0].0).write_all(b"x").await.unwrap();
        }
        assert!(others.get() > before, "200 operations in one poll");
        other.abort();
    });
}
