//! Reads that wait for an event though there may be something to read: nothing is left lying.
//!
//! A stream whose reads found nothing after each full one is taken to go on like that, and the next read is not tried
//! before an event comes. Here it is wrong each time.

#![cfg(not(miri))] // opens sockets
#![cfg(unix)]

mod net_common;

use std::cell::Cell;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener as StdListener, TcpStream as StdStream, UdpSocket as StdUdp};
use std::os::unix::net::UnixStream as StdUnix;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::poll_once;
use monoloop::io::*;
use monoloop::net::{TcpStream, UdpSocket, UnixStream};
use monoloop::time::{now, sleep, timeout};
use monoloop::{EventLoop, JoinHandle, spawn, yield_now};
use net_common::*;

const MESSAGE: usize = 8;
const LONG: Duration = Duration::from_secs(60);

fn tcp() -> (TcpStream, StdStream) {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    (TcpStream::from_std(near).unwrap(), listener.accept().unwrap().0)
}

fn unix() -> (UnixStream, StdUnix) {
    let (near, far) = StdUnix::pair().unwrap();
    (UnixStream::from_std(near).unwrap(), far)
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    stream.read_exact(&mut message).await.unwrap();
    message
}

/// Message after message, each awaited before it is sent: until the stream is sure that there is no second one.
async fn make_sure(stream: &mut (impl AsyncRead + Unpin), peer: &mut impl Write) {
    for n in 0..10 {
        let mut read = pin!(read(stream));
        assert!(poll_once(read.as_mut()).await.is_none());
        peer.write_all(&[n; MESSAGE]).unwrap();
        assert_eq!(read.await, [n; MESSAGE]);
    }
}

/// And now two at once. The first one is read.
async fn mislead(stream: &mut (impl AsyncRead + Unpin), peer: &mut impl Write) {
    make_sure(stream, peer).await;
    let mut read = pin!(read(stream));
    assert!(poll_once(read.as_mut()).await.is_none());
    peer.write_all(&[1; 2 * MESSAGE]).unwrap();
    assert_eq!(read.await, [1; MESSAGE]);
}

/// A loop with a task that has a message to read, and will hear of no event.
fn misled_reader() -> (EventLoop, JoinHandle<([u8; MESSAGE], StdStream)>) {
    let event_loop = EventLoop::new().unwrap();
    let (mut stream, peer) = event_loop.run(async {
        let (mut stream, mut peer) = tcp();
        mislead(&mut stream, &mut peer).await;
        (stream, peer)
    });
    // The peer is given back, so that it stays open: its end would be an event.
    let reader = event_loop.spawn(async move { (read(&mut stream).await, peer) });
    (event_loop, reader)
}

async fn in_time<F: Future>(future: F) -> F::Output {
    timeout(LONG, future).await.expect("what is there is read")
}

#[test]
fn the_second_of_two_messages_is_read_without_an_event() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = tcp();
        mislead(&mut stream, &mut peer).await;
        assert_eq!(in_time(read(&mut stream)).await, [1; MESSAGE]);
        let (mut stream, mut peer) = unix();
        mislead(&mut stream, &mut peer).await;
        assert_eq!(in_time(read(&mut stream)).await, [1; MESSAGE]);
    });
}

#[test]
fn many_messages_at_once_are_read() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = tcp();
        for _ in 0..3 {
            make_sure(&mut stream, &mut peer).await;
            peer.write_all(&[2; 100 * MESSAGE]).unwrap();
            for _ in 0..100 {
                assert_eq!(in_time(read(&mut stream)).await, [2; MESSAGE]);
            }
        }
    });
}

// Others that are always ready do not keep it from being read.
#[test]
fn a_busy_loop_reads_it_too() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = tcp();
        mislead(&mut stream, &mut peer).await;
        let is_read = Rc::new(Cell::new(false));
        let flag = Rc::clone(&is_read);
        let busy = spawn(async move {
            for yields in 0..100_000 {
                if flag.get() {
                    return yields;
                }
                yield_now().await;
            }
            panic!("it is not read");
        });
        assert_eq!(read(&mut stream).await, [1; MESSAGE]);
        is_read.set(true);
        assert!(busy.await.unwrap() < 100_000);
    });
}

#[test]
fn a_loop_is_not_stalled_while_there_is_something_to_read() {
    let _alone = alone();
    let (event_loop, reader) = misled_reader();
    event_loop.run_until_stalled();
    assert!(reader.is_finished());
}

// A host that waits for the loop's descriptor hears of no event.
#[test]
fn turns_go_on_while_there_is_something_to_read() {
    let _alone = alone();
    let (event_loop, reader) = misled_reader();
    while event_loop.turn(Some(Duration::ZERO)).unwrap() {}
    assert!(reader.is_finished());
}

// Somebody has given way, and is over when the loop has looked for I/O.
#[test]
fn turns_go_on_though_who_gave_way_is_over() {
    let _alone = alone();
    let (event_loop, reader) = misled_reader();
    let (stream, mut peer) = event_loop.run(async { tcp() });
    peer.write_all(b"x").unwrap();
    drop(
        event_loop
            .spawn(async move { while poll_once(pin!(stream.peek(&mut [0]))).await.is_some() {} }),
    );
    while event_loop.turn(Some(Duration::ZERO)).unwrap() {}
    assert!(reader.is_finished());
}

#[test]
fn virtual_time_does_not_pass_while_there_is_something_to_read() {
    let _alone = alone();
    EventLoop::builder().virtual_time(true).build().unwrap().run(async {
        let (mut stream, mut peer) = tcp();
        mislead(&mut stream, &mut peer).await;
        let begin = now();
        let sleeper = spawn(sleep(LONG));
        assert_eq!(read(&mut stream).await, [1; MESSAGE]);
        assert_eq!(now(), begin);
        sleeper.abort();
    });
}

#[test]
fn the_end_of_a_stream_is_seen() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = tcp();
        make_sure(&mut stream, &mut peer).await;
        peer.write_all(&[3; MESSAGE]).unwrap();
        drop(peer);
        assert_eq!(in_time(read(&mut stream)).await, [3; MESSAGE]);
        assert_eq!(in_time(stream.read(&mut [0; MESSAGE])).await.unwrap(), 0);
    });
}

// More may have come while the kernel copied.
#[test]
#[cfg(not(mio_unsupported_force_poll_poll))]
fn a_read_of_many_bytes_is_followed_by_another_try() {
    let _alone = alone();
    run(async {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let near = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let witness = near.try_clone().unwrap();
        let mut stream = TcpStream::from_std(near).unwrap();
        let mut peer = listener.accept().unwrap().0;
        let mut buffer = [0; 16 * 1024];
        let mut send = |bytes: &[u8]| {
            peer.write_all(bytes).unwrap();
            let all = || witness.peek(&mut [0; 16 * 1024]).is_ok_and(|n| n == bytes.len());
            while !all() {
                std::thread::yield_now();
            }
        };
        for (much, is_tried) in [(1000, false), (5000, true)] {
            send(&[1; 5000][..much]);
            assert_eq!(stream.read(&mut buffer).await.unwrap(), much);
            send(&[2; MESSAGE]);
            let next = poll_once(pin!(stream.read(&mut buffer))).await;
            assert_eq!(next.is_some(), is_tried, "after {much} bytes");
            if !is_tried {
                assert_eq!(stream.read(&mut buffer).await.unwrap(), MESSAGE);
            }
        }
    });
}

// What waits may be dropped, and another begin. (A poller without edges is asked each time: nothing waits there.)
#[test]
#[cfg(not(mio_unsupported_force_poll_poll))]
fn a_dropped_read_leaves_the_message_to_the_next() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = tcp();
        mislead(&mut stream, &mut peer).await;
        for _ in 0..3 {
            assert!(poll_once(pin!(stream.read(&mut [0; 1]))).await.is_none());
        }
        assert_eq!(in_time(read(&mut stream)).await, [1; MESSAGE]);
        make_sure(&mut stream, &mut peer).await;
        drop(poll_once(pin!(stream.read(&mut [0; 1]))).await);
        drop(stream);
        yield_now().await;
    });
}

#[test]
fn the_second_of_two_datagrams_is_received_without_an_event() {
    let _alone = alone();
    run(async {
        let peer = StdUdp::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        peer.connect(socket.local_addr().unwrap()).unwrap();
        let mut buffer = [0; MESSAGE];
        for n in 0..10 {
            let mut received = pin!(socket.recv(&mut buffer));
            assert!(poll_once(received.as_mut()).await.is_none());
            peer.send(&[n]).unwrap();
            assert_eq!(received.await.unwrap(), 1);
        }
        peer.send(b"one").unwrap();
        peer.send(b"other").unwrap();
        assert_eq!(in_time(socket.recv(&mut buffer)).await.unwrap(), 3);
        assert_eq!(in_time(socket.recv_from(&mut buffer)).await.unwrap().0, 5);
    });
}

/// The first is woken by an event, and its receive is a success; so it is not sure any more that the next finds nothing,
/// while the other waits because it was.
#[test]
fn one_who_waits_in_doubt_is_woken_though_another_receives() {
    let _alone = alone();
    run(async {
        let peer = StdUdp::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let socket = Rc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        peer.connect(socket.local_addr().unwrap()).unwrap();
        for n in 0..10 {
            let mut byte = [0];
            let mut received = pin!(socket.recv(&mut byte));
            assert!(poll_once(received.as_mut()).await.is_none());
            peer.send(&[n]).unwrap();
            assert_eq!(received.await.unwrap(), 1);
        }
        let receive = async |socket: &UdpSocket| {
            let mut byte = [0];
            socket.recv(&mut byte).await.unwrap();
            byte[0]
        };
        let first = Rc::clone(&socket);
        let first = spawn(async move { receive(&first).await });
        yield_now().await;
        for n in 1..=3 {
            peer.send(&[n]).unwrap();
        }
        let other = spawn(async move {
            // Before the first one, when the event is there.
            let one = loop {
                match poll_once(pin!(receive(&socket))).await {
                    Some(byte) => break byte,
                    None => yield_now().await,
                }
            };
            [one, receive(&socket).await]
        });
        let [one, last] = in_time(other).await.unwrap();
        let mut all = [one, last, in_time(first).await.unwrap()];
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3]);
    });
}
