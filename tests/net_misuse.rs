//! Sockets where they do not belong: without a loop, on another loop, on another thread, or no sockets at all.

#![cfg(not(miri))] // makes sockets of files, which Miri cannot do
#![cfg(unix)]

mod net_common;

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_lite::future::{block_on, poll_once};
use monoloop::EventLoop;
use monoloop::io::*;
use monoloop::net::{TcpListener, TcpStream};
use net_common::*;

#[track_caller]
fn assert_says(error: &io::Error, words: &[&str]) {
    let error = error.to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{words:?} are not all in {error:?}");
}

/// An address that a listener of std's has.
fn address() -> (StdListener, SocketAddr) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

#[test]
fn opening_a_socket_without_a_loop_is_an_error_that_says_what_to_do() {
    let _alone = alone();
    let (listener, addr) = address();
    let bind = block_on(TcpListener::bind("127.0.0.1:0")).unwrap_err();
    assert_says(&bind, &["`TcpListener::bind`", "no event loop", "monoloop::run"]);
    let connect = block_on(TcpStream::connect(addr)).unwrap_err();
    assert_says(&connect, &["`TcpStream::connect`", "no event loop", "monoloop::run"]);
    let line = line!() + 1;
    let stream = TcpStream::from_std(StdStream::connect(addr).unwrap()).unwrap_err();
    let here = format!("{}:{line}:", file!());
    assert_says(&stream, &["`TcpStream::from_std`", "no event loop", "monoloop::run", &here]);
    let line = line!() + 1;
    let listener = TcpListener::from_std(listener).unwrap_err();
    let here = format!("{}:{line}:", file!());
    assert_says(&listener, &["`TcpListener::from_std`", "no event loop", "monoloop::run", &here]);
}

/// The error says where: where the caller is, that is, and not where the library is.
#[test]
fn connecting_and_binding_without_a_loop_name_the_callers_place() {
    let _alone = alone();
    let (_listener, addr) = address();
    assert_says(&block_on(TcpListener::bind("127.0.0.1:0")).unwrap_err(), &[file!()]);
    assert_says(&block_on(TcpStream::connect(addr)).unwrap_err(), &[file!()]);
}

#[test]
fn connecting_without_a_loop_does_not_knock_at_the_peers_door() {
    let _alone = alone();
    let (listener, addr) = address();
    listener.set_nonblocking(true).unwrap();
    block_on(TcpStream::connect(addr)).unwrap_err();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// Every operation that waits or moves bytes, on the current thread as it is.
fn use_of(stream: &TcpStream, listener: &TcpListener) -> Vec<io::Error> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut half = stream;
    let mut half = Pin::new(&mut half);
    fn now<T>(poll: Poll<io::Result<T>>) -> io::Error {
        match poll {
            Poll::Ready(Err(error)) => error,
            Poll::Ready(Ok(_)) => panic!("done, on a foreign loop"),
            Poll::Pending => panic!("waits, on a foreign loop"),
        }
    }
    fn once<T>(future: impl Future<Output = io::Result<T>>) -> io::Error {
        now(pin!(future).poll(&mut Context::from_waker(Waker::noop())))
    }
    vec![
        now(half.as_mut().poll_read(&mut cx, &mut [0])),
        now(half.as_mut().poll_write(&mut cx, b"x")),
        once(stream.readable()),
        once(stream.writable()),
        once(stream.peek(&mut [0])),
        stream.try_read(&mut [0]).unwrap_err(),
        stream.try_write(b"x").unwrap_err(),
        once(listener.accept()),
        now(listener.poll_accept(&mut cx)),
        listener.try_accept().unwrap_err(),
    ]
}

#[test]
fn using_a_socket_on_another_loop_is_an_error_that_names_both() {
    let _alone = alone();
    let (one, two) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    let (listener, stream, _peer) = one.run(async {
        let (stream, peer) = pair_with_std().await;
        (listener().await, stream, peer)
    });
    let ids = [&one, &two].map(|event_loop| {
        let text = format!("{event_loop:?}");
        let digits = |c: &char| c.is_ascii_digit();
        text.chars().skip_while(|c| !digits(c)).take_while(digits).collect::<String>()
    });
    two.run(async {
        for error in use_of(&stream, &listener) {
            let both = ids.each_ref().map(|id| format!("event loop #{id}"));
            assert_says(&error, &[&both[0], &both[1], "into_std"]);
        }
    });
    // It is unharmed.
    one.run(async {
        let mut stream = stream;
        stream.write_all(b"x").await.unwrap();
        drop(listener);
    });
}

#[test]
fn using_a_socket_where_no_loop_runs_is_an_error_that_names_its_own() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let (listener, stream, _peer) = event_loop.run(async {
        let (stream, peer) = pair_with_std().await;
        (listener().await, stream, peer)
    });
    let check = |errors: Vec<io::Error>| {
        for error in errors {
            assert_says(&error, &["event loop #", "no event loop runs on this thread"]);
        }
    };
    check(use_of(&stream, &listener));
    thread::scope(|scope| {
        scope.spawn(|| check(use_of(&stream, &listener))).join().unwrap();
    });
    drop(event_loop);
    check(use_of(&stream, &listener));
}

#[test]
fn what_needs_no_loop_works_everywhere() {
    let _alone = alone();
    let (stream, mut peer) = run(async { pair_with_std().await });
    // The loop is gone.
    thread::spawn(move || {
        assert_eq!(stream.peer_addr().unwrap().ip(), stream.local_addr().unwrap().ip());
        stream.set_nodelay(false).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(io::Read::read(&mut peer, &mut [0]).unwrap(), 0);
}

#[test]
fn a_socket_dropped_elsewhere_closes_its_descriptor_at_once() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let other = EventLoop::new().unwrap();
    type Drop<'a> = Box<dyn Fn(TcpStream) + 'a>;
    let ways: [Drop<'_>; 3] = [
        Box::new(drop),
        Box::new(|stream| thread::spawn(|| drop(stream)).join().unwrap()),
        Box::new(|stream| other.run(async { drop(stream) })),
    ];
    for way in ways {
        let (stream, mut peer) = event_loop.run(async { pair_with_std().await });
        let before = descriptors().len();
        way(stream);
        if cfg!(target_os = "linux") {
            assert_eq!(descriptors().len(), before - 1);
        }
        assert_eq!(io::Read::read(&mut peer, &mut [0]).unwrap(), 0, "the peer sees the end");
    }
    let (stream, mut peer) = event_loop.run(async { pair_with_std().await });
    drop(event_loop);
    thread::spawn(|| drop(stream)).join().unwrap();
    assert_eq!(io::Read::read(&mut peer, &mut [0]).unwrap(), 0);
}

/// The loop forgets it, waiters and all, when it next turns.
#[test]
fn a_socket_dropped_on_another_thread_is_forgotten_by_its_loop() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let (wakes, waker) = Wakes::new();
    let (stream, _peer) = event_loop.run(async {
        let (mut stream, peer) = pair_with_std().await;
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut stream).poll_read(&mut cx, &mut [0]).is_pending());
        (stream, peer)
    });
    assert_eq!(Arc::strong_count(&wakes), 3);
    thread::spawn(|| drop(stream)).join().unwrap();
    while event_loop.turn(Some(std::time::Duration::ZERO)).unwrap() {}
    assert_eq!(Arc::strong_count(&wakes), 2);
    assert_eq!(wakes.count(), 0);
}

#[test]
fn into_std_elsewhere_is_an_error_and_the_loop_forgets_the_socket() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let (wakes, waker) = Wakes::new();
    let (stream, mut peer) = event_loop.run(async {
        let (mut stream, peer) = pair_with_std().await;
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut stream).poll_read(&mut cx, &mut [0]).is_pending());
        (stream, peer)
    });
    let error = thread::spawn(|| stream.into_std().unwrap_err()).join().unwrap();
    assert_says(&error, &["event loop #", "no event loop runs on this thread"]);
    assert_eq!(io::Read::read(&mut peer, &mut [0]).unwrap(), 0, "it is closed");
    while event_loop.turn(Some(std::time::Duration::ZERO)).unwrap() {}
    assert_eq!(Arc::strong_count(&wakes), 2, "its source is gone from the reactor");
}

/// `epoll` refuses regular files.
#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
#[test]
fn what_the_poller_refuses_is_an_error_and_leaves_nothing_behind() {
    use std::os::fd::OwnedFd;

    let _alone = alone();
    run(async {
        let before = descriptors().len();
        for _ in 0..100 {
            let file = std::fs::File::open("/proc/self/exe").unwrap();
            let error = TcpStream::from_std(OwnedFd::from(file).into()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            let file = std::fs::File::open("/proc/self/exe").unwrap();
            TcpListener::from_std(OwnedFd::from(file).into()).unwrap_err();
        }
        assert_eq!(descriptors().len(), before);
        // The keys were given back, and the loop works.
        let (mut stream, mut peer) = pair().await;
        peer.write_all(b"x").await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
    });
}

#[test]
fn a_stream_that_is_used_after_its_loop_ended_says_so_and_can_be_rescued_by_its_descriptor() {
    let _alone = alone();
    let (stream, mut peer) = run(async { pair_with_std().await });
    let copy = stream.as_fd().try_clone_to_owned().unwrap();
    assert!(block_on(poll_once(stream.readable())).unwrap().is_err());
    drop(stream);
    run(async {
        let mut stream = TcpStream::from_std(copy.into()).unwrap();
        io::Write::write_all(&mut peer, b"x").unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
    });
}
