//! Descriptors and memory: nothing is kept, however sockets end, and running out of descriptors is survived.

#![cfg(not(miri))] // counts descriptors in the kernel, which Miri cannot do
#![cfg(target_os = "linux")]

#[path = "net_common/exhaust.rs"]
mod exhaust;
#[path = "net_common/memory.rs"]
mod memory;
mod net_common;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::task::Context;
use std::thread;
use std::time::Duration;

use exhaust::{exhaust, is_child};
use futures_lite::future::poll_once;
use monoloop::io::*;
use monoloop::net::{
    Connector, Server, TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener,
    UnixStream, pipe,
};
use monoloop::time::{interval, sleep};
use monoloop::{EventLoop, spawn, yield_now};
use net_common::*;

/// So that no child inherits it.
fn is_closed_on_exec(descriptor: &str) -> bool {
    const CLOEXEC: u32 = 0o2_000_000;
    let (number, _) = descriptor.split_once(' ').unwrap();
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    u32::from_str_radix(flags.trim(), 8).unwrap() & CLOEXEC != 0
}

#[test]
fn every_descriptor_is_closed_on_exec() {
    let _alone = alone();
    let place = std::env::temp_dir().join(format!("monoloop-cloexec-{}", std::process::id()));
    let before = descriptors();
    run(async {
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(tcp.local_addr().unwrap()).await.unwrap();
        let accepted = tcp.accept().await.unwrap();
        let connector = Connector::new().local_addr("127.0.0.1:0".parse().unwrap());
        let connected = connector.connect(tcp.local_addr().unwrap()).await.unwrap();
        let polled = poll_fn(|cx| tcp.poll_accept(cx)).await.unwrap();
        let sockets = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v6().ok());
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();

        let unix = UnixListener::bind(&place).unwrap();
        let path = UnixStream::connect(&place).await.unwrap();
        let from_path = unix.accept().await.unwrap();
        let pairs = (UnixStream::pair().unwrap(), UnixDatagram::pair().unwrap());
        let datagrams = UnixDatagram::unbound().unwrap();
        let bound = place.with_extension("datagrams");
        let bound = UnixDatagram::bind(bound).unwrap();
        let pipe = pipe::pipe().unwrap();

        // With those of the loop itself.
        let opened: Vec<_> = descriptors().into_iter().filter(|d| !before.contains(d)).collect();
        assert!(opened.len() > 20, "{opened:?}");
        for descriptor in &opened {
            assert!(is_closed_on_exec(descriptor), "{descriptor}");
        }
        drop((server, tcp, stream, accepted, connected, polled, sockets, udp));
        drop((unix, path, from_path, pairs, datagrams, bound, pipe));
    });
}

#[test]
fn a_loop_that_ends_closes_the_sockets_of_its_tasks() {
    let _alone = alone();
    let before = descriptors().len();
    for way in 0..3 {
        let event_loop = EventLoop::new().unwrap();
        event_loop.run(async {
            for n in 0..50 {
                let (mut stream, peer) = pair().await;
                drop(spawn(async move {
                    let _peer = peer;
                    match n % 3 {
                        0 => drop(stream.read(&mut [0]).await),
                        1 => drop(listener().await.accept().await),
                        _ => drop(stream.peek(&mut [0]).await),
                    }
                }));
            }
            for _ in 0..10 {
                yield_now().await;
            }
        });
        assert!(descriptors().len() > before + 100);
        match way {
            0 => drop(event_loop),
            1 => assert_eq!(event_loop.shutdown().dropped.len(), 50),
            _ => thread::scope(|_| drop(event_loop)),
        }
        assert_eq!(descriptors().len(), before, "{way}");
    }
}

#[test]
fn a_task_that_panics_or_is_aborted_closes_its_sockets() {
    let _alone = alone();
    run(async {
        let (first, mut first_peer) = pair().await;
        let (second, mut second_peer) = pair().await;
        let panicking = spawn(async move {
            let _stream = first;
            yield_now().await;
            std::panic::panic_any("on purpose");
        });
        let aborted = spawn(async move { second.readable().await });
        assert!(panicking.await.unwrap_err().is_panic());
        assert_eq!(first_peer.read(&mut [0]).await.unwrap(), 0);
        aborted.abort();
        assert_eq!(second_peer.read(&mut [0]).await.unwrap(), 0);
    });
}

/// Dropped by the thread's end, after the loop and its thread-locals are gone.
#[test]
fn sockets_and_sleeps_kept_in_a_thread_local_go_with_the_thread() {
    thread_local! {
        static KEPT: RefCell<Vec<(TcpStream, TcpListener, monoloop::time::Sleep)>> =
            const { RefCell::new(Vec::new()) };
        static LOOP: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
    }
    let _alone = alone();
    for keeps_loop in [false, true] {
        for touched_first in [false, true] {
            thread::spawn(move || {
                if touched_first {
                    KEPT.with(|kept| assert!(kept.borrow().is_empty()));
                }
                let event_loop = EventLoop::new().unwrap();
                let kept = event_loop.run(async {
                    let (stream, _) = pair_with_std().await;
                    let mut sleep = sleep(Duration::from_secs(1000));
                    assert!(futures_lite::future::poll_once(&mut sleep).await.is_none());
                    (stream, listener().await, sleep)
                });
                if keeps_loop {
                    LOOP.with(|slot| *slot.borrow_mut() = Some(event_loop));
                }
                KEPT.with(|all| all.borrow_mut().push(kept));
            })
            .join()
            .unwrap();
        }
    }
}

/// Calls `round` often, and asserts that it keeps less than four bytes each time.
fn assert_keeps_nothing(mut round: impl FnMut()) {
    const COUNT: usize = if cfg!(miri) { 1000 } else { 20_000 };

    (0..COUNT / 10).for_each(|_| round());
    let before = memory::in_use();
    (0..COUNT).for_each(|_| round());
    let after = memory::in_use();
    assert!(after < before + 4 * COUNT, "{before} bytes became {after}");
}

fn open() -> (TcpStream, StdUnixStream) {
    let (stream, peer) = StdUnixStream::pair().unwrap();
    (TcpStream::from_std(OwnedFd::from(stream).into()).unwrap(), peer)
}

#[test]
fn opening_and_closing_for_ever_takes_no_more_memory() {
    let _alone = alone();
    run(async {
        assert_keeps_nothing(|| {
            let (stream, peer) = open();
            let mut byte = [0];
            let mut reading = std::pin::pin!(stream.peek(&mut byte));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(reading.as_mut().poll(&mut cx).is_pending());
            drop(peer);
        });
    });
}

#[test]
fn closing_where_the_loop_is_not_current_takes_no_more_memory() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    assert_keeps_nothing(|| drop(event_loop.run(async { open() })));
}

/// Of an idle socket no event ever comes that would clear them away.
#[test]
fn waits_dropped_where_the_loop_is_not_current_take_no_more_memory() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let (listener, (stream, _peer)) = event_loop.run(async { (listener().await, open()) });
    // Not ready, that is.
    let would_block = event_loop.run(async { stream.try_read(&mut [0]).unwrap_err() });
    assert_eq!(would_block.kind(), ErrorKind::WouldBlock);
    assert_keeps_nothing(|| {
        let (mut accepting, mut reading) = (pin!(listener.accept()), pin!(stream.readable()));
        event_loop.run(async {
            assert!(poll_once(&mut accepting).await.is_none());
            assert!(poll_once(&mut reading).await.is_none());
        });
    });
}

/// `epoll` refuses regular files: the place that was made for it is given back.
#[cfg(not(mio_unsupported_force_poll_poll))]
#[test]
fn failing_to_register_for_ever_takes_no_more_memory() {
    let _alone = alone();
    let file = File::open("/proc/self/exe").unwrap();
    run(async {
        assert_keeps_nothing(|| {
            let copy = OwnedFd::from(file.try_clone().unwrap());
            TcpStream::from_std(copy.into()).unwrap_err();
        });
    });
}

/// By the virtual clock: if accepting spun, time would stand still, and this would hang.
#[test]
fn running_out_of_descriptors_is_an_error_of_accept_and_does_not_spin() {
    let _alone = alone();
    if !is_child("running_out_of_descriptors_is_an_error_of_accept_and_does_not_spin") {
        return;
    }
    for use_poll in [false, true] {
        let event_loop = virtual_loop();
        event_loop.run(async {
            let listener = Rc::new(listener().await);
            let addr = listener.local_addr().unwrap();
            let clients: Vec<_> =
                (0..20).map(|_| std::net::TcpStream::connect(addr).unwrap()).collect();
            let files = exhaust(3);
            let (accepted, errors) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let streams = Rc::new(RefCell::new(Vec::new()));
            let acceptor = {
                let (accepted, errors) = (Rc::clone(&accepted), Rc::clone(&errors));
                let (streams, listener) = (Rc::clone(&streams), Rc::clone(&listener));
                spawn(async move {
                    loop {
                        let result = match use_poll {
                            true => std::future::poll_fn(|cx| listener.poll_accept(cx)).await,
                            false => listener.accept().await,
                        };
                        match result {
                            Ok((stream, _)) => {
                                streams.borrow_mut().push(stream);
                                accepted.set(accepted.get() + 1);
                            }
                            Err(error) => {
                                assert_eq!(error.raw_os_error(), Some(24), "{error}");
                                errors.set(errors.get() + 1);
                            }
                        }
                    }
                })
            };
            let ticks = Rc::new(Cell::new(0));
            let count = Rc::clone(&ticks);
            let ticker = spawn(async move {
                let mut interval = interval(Duration::from_millis(10));
                loop {
                    interval.tick().await;
                    count.set(count.get() + 1);
                }
            });
            sleep(Duration::from_millis(1005)).await;
            assert_eq!(accepted.get(), 3);
            // One at once, then one in each 100 ms.
            assert!((2..=11).contains(&errors.get()), "{} errors in a second", errors.get());
            assert_eq!(ticks.get(), 101);
            // Descriptors are free again: the next attempt takes all that wait.
            drop(files);
            let before = errors.get();
            sleep(Duration::from_millis(205)).await;
            assert_eq!((accepted.get(), errors.get()), (20, before));
            acceptor.abort();
            ticker.abort();
            drop(clients);
        });
    }
}

#[test]
fn polling_a_listener_that_pauses_sets_one_timer() {
    let _alone = alone();
    if !is_child("polling_a_listener_that_pauses_sets_one_timer") {
        return;
    }
    virtual_loop().run(async {
        let listener = listener().await;
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _files = exhaust(0);
        assert_eq!(listener.accept().await.unwrap_err().raw_os_error(), Some(24));
        let (wakes, waker) = Wakes::new();
        for _ in 0..1000 {
            assert!(listener.poll_accept(&mut Context::from_waker(&waker)).is_pending());
        }
        sleep(Duration::from_millis(200)).await;
        assert_eq!(wakes.count(), 1);
    });
}

#[test]
fn running_out_of_descriptors_is_an_error_of_everything_else_too() {
    let _alone = alone();
    if !is_child("running_out_of_descriptors_is_an_error_of_everything_else_too") {
        return;
    }
    let event_loop = EventLoop::new().unwrap();
    event_loop.run(async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let files = exhaust(0);
        let connect = TcpStream::connect(addr).await.unwrap_err();
        assert!(connect.to_string().contains("cannot connect to 127.0.0.1"), "{connect}");
        assert!(connect.to_string().contains("Too many open files"), "{connect}");
        let bind = TcpListener::bind("127.0.0.1:0").await.unwrap_err();
        assert!(bind.to_string().contains("cannot bind 127.0.0.1:0"), "{bind}");
        assert!(EventLoop::new().is_err());
        drop(files);
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        drop(peer);
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    });
    drop(event_loop);
    // Of the descriptors that a loop needs, each in turn is the one that is missing.
    let needed = {
        let before = descriptors().len();
        let _event_loop = EventLoop::new().unwrap();
        descriptors().len() - before
    };
    for left in 0..needed {
        let files = exhaust(left);
        let error = EventLoop::new().expect_err("it needs more");
        assert_eq!(error.raw_os_error(), Some(24));
        // All that it opened on the way is closed: as many can be opened again.
        let again: Vec<_> = (0..left).map(|_| File::open("/dev/null").unwrap()).collect();
        assert_eq!(File::open("/dev/null").unwrap_err().raw_os_error(), Some(24));
        drop((files, again));
    }
    let _files = exhaust(0);
    std::panic::set_hook(Box::new(|_| {}));
    let payload = std::panic::catch_unwind(|| monoloop::run(async {})).unwrap_err();
    let text = payload.downcast_ref::<String>().expect("a text");
    assert!(text.contains("Too many open files"), "{text}");
}
