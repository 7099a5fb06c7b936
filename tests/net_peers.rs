//! What peers do that one would rather not meet: thousands of them, ones that never read, ones that hang up, ones that
//! close half of a connection.

#![cfg(not(miri))] // makes sockets
#![cfg(target_os = "linux")]

#[path = "net_common/memory.rs"]
mod memory;
mod net_common;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream as StdStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use monoloop::future::{gather, try_gather};
use monoloop::io::*;
use monoloop::net::{Server, TcpStream, UnixStream, pipe};
use monoloop::task::CancelToken;
use monoloop::{spawn, time};
use net_common::*;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Thousands of peers that hang up are no errors here.
async fn echo(stream: TcpStream, _: SocketAddr, _: CancelToken) -> io::Result<()> {
    let _reset = copy(&stream, &stream).await;
    Ok(())
}

/// Lifts the limit of descriptors, and says how many connections with both ends here fit.
fn room_for(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).unwrap();
    let most = limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap());
    wanted.min(most.saturating_sub(200) / 2)
}

/// Both ends live in this process, so the limit of descriptors may allow for fewer than that. To `poll` each of them is
/// work in every turn.
#[test]
fn ten_thousand_connections_are_held_and_closed() {
    let _alone = alone();
    let count = room_for(if cfg!(mio_unsupported_force_poll_poll) { 2000 } else { 10_000 });
    run_long(async {
        let server = Server::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap().start(echo);
        let port = server.local_addrs()[0].port();
        let mut clients = Vec::with_capacity(count);
        for n in 0..count {
            // Ten addresses: the ports of closed connections stay taken for a while.
            let addr = (Ipv4Addr::new(127, 0, 0, 1 + (n % 10) as u8), port);
            clients.push(TcpStream::connect(addr).await.unwrap());
        }
        until(|| server.connections() == count).await;
        // All are alive, those that were idle for longest too.
        let talk = clients.iter_mut().enumerate().map(async |(n, client)| {
            client.write_all(&[n as u8]).await?;
            let mut byte = [0];
            client.read_exact(&mut byte).await?;
            assert_eq!(byte[0], n as u8);
            io::Result::Ok(())
        });
        try_gather(talk).await.unwrap();
        clients.into_iter().for_each(reset);
        until(|| server.connections() == 0).await;
        assert_eq!(server.endings().total(), count as u64);
    });
}

/// Slow-loris in numbers: they hold their descriptors and their tasks' memory, and no task of theirs is polled while
/// others talk.
#[test]
fn idle_connections_cost_the_others_no_polls() {
    let _alone = alone();
    let count = room_for(2000);
    run(async {
        let polls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&polls);
        let echo = move |stream: TcpStream, peer: SocketAddr, token: CancelToken| {
            let polls = Rc::clone(&counted);
            let mut echo = Box::pin(echo(stream, peer, token));
            poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                echo.as_mut().poll(cx)
            })
        };
        let server = Server::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().start(echo);
        let addr = server.local_addrs()[0];
        let mut idle = Vec::new();
        for _ in 0..count {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(b"G").await.unwrap();
            stream.read_exact(&mut [0]).await.unwrap();
            idle.push(stream);
        }
        let mut client = TcpStream::connect(addr).await.unwrap();
        until(|| server.connections() == count + 1).await;
        let before = polls.get();
        for _ in 0..100 {
            client.write_all(b"x").await.unwrap();
            client.read_exact(&mut [0]).await.unwrap();
        }
        // Of the one that talks: one that reads, one that finds nothing more.
        let polls = polls.get() - before;
        assert!((100..=300).contains(&polls), "{polls} polls for 100 round trips");
        idle.into_iter().for_each(reset);
        until(|| server.connections() == 1).await;
    });
}

#[test]
fn a_peer_that_never_reads_costs_no_memory() {
    let _alone = alone();
    run(async {
        let (mut stream, peer) = pair().await;
        let data = vec![0; 1 << 20];
        let before = memory::in_use();
        let moved = Rc::new(Cell::new(0));
        let count = Rc::clone(&moved);
        let writing = spawn(async move {
            // A gigabyte, if the peer would.
            for _ in 0..1024 {
                stream.write_all(&data).await.unwrap();
                count.set(count.get() + data.len());
            }
        });
        let mut last = usize::MAX;
        while last != moved.get() {
            last = moved.get();
            time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!writing.is_finished());
        assert!(moved.get() < 64 << 20, "the kernel took {} bytes", moved.get());
        let more = memory::in_use().saturating_sub(before);
        assert!(more < 64 << 10, "{more} bytes more are in use");
        writing.abort();
        drop(peer);
    });
}

#[test]
fn a_million_small_writes_arrive_complete_and_in_order() {
    const WRITES: usize = 1_000_000;

    let _alone = alone();
    run_long(async {
        let (mut stream, peer) = pair_with_std().await;
        let reading = thread::spawn(move || {
            let mut peer = io::BufReader::with_capacity(1 << 16, peer);
            let (mut chunk, mut at) = ([0; 4096], 0usize);
            loop {
                let read = peer.read(&mut chunk).unwrap();
                for &byte in &chunk[..read] {
                    assert_eq!(byte, at as u8, "at {at}");
                    at += 1;
                }
                if read == 0 {
                    return at;
                }
            }
        });
        for n in 0..WRITES {
            assert_eq!(stream.write(&[n as u8]).await.unwrap(), 1);
        }
        drop(stream);
        assert_eq!(reading.join().unwrap(), WRITES);
    });
}

#[test]
fn both_sides_close_one_half_each_and_everything_arrives() {
    let _alone = alone();
    for we_close_first in [false, true] {
        run(async {
            let (mut stream, mut peer) = pair_with_std().await;
            let theirs = thread::spawn(move || {
                let mut heard = String::new();
                if we_close_first {
                    peer.read_to_string(&mut heard).unwrap();
                }
                peer.write_all(b"from them").unwrap();
                peer.shutdown(Shutdown::Write).unwrap();
                if !we_close_first {
                    peer.read_to_string(&mut heard).unwrap();
                }
                heard
            });
            let mut heard = String::new();
            if !we_close_first {
                stream.read_to_string(&mut heard).await.unwrap();
            }
            stream.write_all(b"from us").await.unwrap();
            stream.close().await.unwrap();
            if we_close_first {
                stream.read_to_string(&mut heard).await.unwrap();
            }
            assert_eq!(heard, "from them");
            // Both halves are closed, and the end stays the end.
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
            assert_eq!(theirs.join().unwrap(), "from us");
            stream.write_all(b"x").await.unwrap_err();
        });
    }
}

#[test]
fn a_peer_that_resets_ends_everything_that_waits_on_the_connection() {
    let _alone = alone();
    run(async {
        let (stream, peer) = pair().await;
        fill(&stream);
        let stream = Rc::new(stream);
        let reading = spawn({
            let stream = Rc::clone(&stream);
            async move { (&mut &*stream).read(&mut [0]).await.map(drop) }
        });
        let writing = spawn({
            let stream = Rc::clone(&stream);
            async move { (&mut &*stream).write_all(b"x").await }
        });
        let readable = spawn({
            let stream = Rc::clone(&stream);
            async move { stream.readable().await }
        });
        monoloop::yield_now().await;
        reset(peer);
        let ended = gather([reading, writing]).await;
        let kinds = ended.map(|ended| ended.unwrap().unwrap_err().kind());
        // The error is given once; whoever comes second is told of a closed connection.
        assert!(kinds.contains(&ErrorKind::ConnectionReset), "{kinds:?}");
        readable.await.unwrap().unwrap();
    });
}

/// Asked for with a handler in place, which sees what the default would end the process by.
#[test]
fn writing_to_a_peer_that_is_gone_raises_no_signal() {
    let _alone = alone();
    let raised = Arc::new(AtomicUsize::new(0));
    let pipes = {
        let raised = Arc::clone(&raised);
        signal_hook::flag::register_usize(signal_hook::consts::SIGPIPE, raised, 1).unwrap()
    };
    run(async {
        let (tcp, peer) = pair().await;
        drop(peer);
        let (unix, peer) = UnixStream::pair().unwrap();
        drop(peer);
        let slices = [io::IoSlice::new(b"a"), io::IoSlice::new(b"b")];
        for vectored in [false, true] {
            let error = loop {
                let wrote = match vectored {
                    true => tcp.try_write_vectored(&slices),
                    false => tcp.try_write(b"x"),
                };
                match wrote {
                    Ok(_) => monoloop::yield_now().await,
                    Err(error) => break error,
                }
            };
            let gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(gone.contains(&error.kind()), "{error}");
        }
        assert_eq!(unix.try_write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        let error = unix.try_write_vectored(&slices).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(raised.load(Ordering::SeqCst), 0);

        // A pipe has no such way: there the program's ignoring it is what counts.
        let (sender, receiver) = pipe::pipe().unwrap();
        drop(receiver);
        assert_eq!(sender.try_write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(raised.load(Ordering::SeqCst), 1, "the handler works");
    });
    signal_hook::low_level::unregister(pipes);
}

#[test]
fn connecting_that_times_out_in_the_kernel_is_an_error() {
    let _alone = alone();
    run(async {
        // `TCP_USER_TIMEOUT` has the kernel give up soon; nobody answers there, as its queue is full.
        let listener =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let addr = listener.local_addr().unwrap().as_socket().unwrap();
        let knock = || StdStream::connect_timeout(&addr, Duration::from_millis(10));
        let _queue: Vec<_> = (0..4).map(|_| knock()).collect();
        let socket = monoloop::net::TcpSocket::new_v4().unwrap();
        socket2::SockRef::from(&socket)
            .set_tcp_user_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let error = socket.connect(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    });
}
