//! What the tests of sockets and timers share: being alone, pairs of sockets, counting wakers.

#![allow(dead_code, unreachable_pub, unused_imports)] // each test file uses its part

#[path = "../census/mod.rs"]
pub mod census;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, Read};
use std::net::Ipv4Addr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

pub use census::{alone, descriptors};
use monoloop::EventLoop;
use monoloop::net::{TcpListener, TcpStream};

/// What would hang becomes a failure after so long, on the slowest of machines.
const HANG: Duration = Duration::from_secs(if cfg!(miri) { 1000 } else { 60 });

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `future` on a new loop; panics instead of hanging.
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    let event_loop = EventLoop::new().expect("a loop");
    run_on(&event_loop, future)
}

/// Runs `future`, which has much to do, on a new loop; panics instead of hanging.
#[track_caller]
pub fn run_long<F: Future>(future: F) -> F::Output {
    let result = monoloop::run(async { monoloop::time::timeout(5 * HANG, future).await });
    result.expect("it hangs")
}

/// Runs `future` on a loop with the real clock; panics instead of hanging.
#[track_caller]
pub fn run_on<F: Future>(event_loop: &EventLoop, future: F) -> F::Output {
    let result = event_loop.run(async { monoloop::time::timeout(HANG, future).await });
    result.expect("it hangs")
}

/// Runs `future` on a new loop with a virtual clock.
pub fn run_virtually<F: Future>(future: F) -> F::Output {
    virtual_loop().run(future)
}

pub fn virtual_loop() -> EventLoop {
    EventLoop::builder().virtual_time(true).build().expect("a loop")
}

pub async fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback")
}

/// A connection, both ends on the current loop.
pub async fn pair() -> (TcpStream, TcpStream) {
    let (ours, peer) = std_pair();
    (TcpStream::from_std(ours).expect("a loop"), TcpStream::from_std(peer).expect("a loop"))
}

/// A connection, one end on the current loop, the other std's, blocking.
pub async fn pair_with_std() -> (TcpStream, std::net::TcpStream) {
    let (ours, peer) = std_pair();
    (TcpStream::from_std(ours).expect("a loop"), peer)
}

pub fn std_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let addr = listener.local_addr().expect("bound");
    let client = std::net::TcpStream::connect(addr).expect("it listens");
    let (server, _) = listener.accept().expect("it connected");
    (client, server)
}

/// Writes without waiting until no more fits; gives how much did.
pub fn fill(stream: &TcpStream) -> usize {
    let chunk = [b'x'; 64 * 1024];
    let mut written = 0;
    loop {
        match stream.try_write(&chunk) {
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return written,
            Err(error) => panic!("while filling: {error}"),
        }
    }
}

/// Reads `length` bytes off a blocking stream.
pub fn drain(mut stream: &std::net::TcpStream, length: usize) {
    let read = io::copy(&mut stream.by_ref().take(length as u64), &mut io::sink());
    assert_eq!(read.expect("it is open"), length as u64);
}

/// Closes a stream so that the peer gets a reset.
pub fn reset(stream: TcpStream) {
    stream.set_linger(Some(Duration::ZERO)).expect("a socket lingers");
    drop(stream);
}

/// A waker that is not the loop's, and counts.
#[derive(Debug, Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    pub fn new() -> (Arc<Wakes>, Waker) {
        let wakes = Arc::new(Wakes::default());
        (Arc::clone(&wakes), Waker::from(wakes))
    }

    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls once, for whoever has `waker`.
pub fn poll_with<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Counts how often `future` is polled.
pub async fn counted<F: Future>(polls: Rc<Cell<usize>>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        polls.set(polls.get() + 1);
        future.as_mut().poll(cx)
    })
    .await
}

/// Lets the loop run until `condition` holds, which something that was begun will bring about.
pub async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        monoloop::yield_now().await;
    }
}
