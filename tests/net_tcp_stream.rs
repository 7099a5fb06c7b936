//! `TcpStream`: connecting, reading, writing, closing, errors and options.

#![cfg(not(miri))] // resets connections, which Miri cannot do

mod net_common;

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_lite::future::{poll_once, zip};
use monoloop::io::*;
use monoloop::net::TcpStream;
use monoloop::{spawn, yield_now};
use net_common::*;

/// An address at which nobody listens, for as long as the socket lives.
#[cfg(target_os = "linux")]
fn refusing() -> (std::os::fd::OwnedFd, SocketAddr) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};

    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let addr = getsockname(&socket).unwrap().try_into().unwrap();
    (socket, addr)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 + n / 251) as u8).collect()
}

#[test]
fn streams_and_halves_are_send_and_sync() {
    let _alone = alone();
    fn check<T: Send + Sync + Unpin>() {}
    check::<TcpStream>();
    check::<monoloop::net::TcpListener>();
    check::<monoloop::net::OwnedReadHalf>();
    check::<monoloop::net::OwnedWriteHalf>();
    fn check_send(_: impl Send) {}
    run(async {
        let (stream, _peer) = pair().await;
        check_send(stream.readable());
        check_send(stream.peek(&mut [0]));
    });
}

#[test]
fn bytes_arrive_complete_and_in_order_in_both_directions() {
    let _alone = alone();
    run(async {
        let (mut a, mut b) = pair().await;
        let data = pattern(1 << 20);
        let theirs = data.clone();
        let echo = spawn(async move {
            let mut all = vec![0; theirs.len()];
            b.read_exact(&mut all).await.unwrap();
            assert!(all == theirs);
            b.write_all(&all).await.unwrap();
        });
        a.write_all(&data).await.unwrap();
        a.flush().await.unwrap();
        let mut back = Vec::new();
        a.read_to_end(&mut back).await.unwrap();
        assert!(back == data);
        echo.await.unwrap();
    });
}

#[test]
fn connect_gives_a_stream_whose_addresses_agree_with_the_peers() {
    let _alone = alone();
    run(async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let (client, accepted) = zip(TcpStream::connect(addr), listener.accept()).await;
        let (client, (server, peer)) = (client.unwrap(), accepted.unwrap());
        assert_eq!(client.peer_addr().unwrap(), addr);
        assert_eq!(server.local_addr().unwrap(), addr);
        assert_eq!(client.local_addr().unwrap(), peer);
        assert_eq!(server.peer_addr().unwrap(), peer);
        assert!(format!("{client:?}").contains(&addr.port().to_string()));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn connecting_where_nobody_listens_is_refused_and_the_error_names_the_address() {
    let _alone = alone();
    let (_socket, addr) = refusing();
    let error = run(TcpStream::connect(addr)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn connect_tries_one_address_after_the_other_and_reports_the_last() {
    let _alone = alone();
    let (_socket, bad) = refusing();
    let (_other_socket, worse) = refusing();
    run(async {
        let listener = listener().await;
        let good = listener.local_addr().unwrap();
        let stream = TcpStream::connect(&[bad, good][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let error = TcpStream::connect(&[bad, worse][..]).await.unwrap_err();
        assert!(error.to_string().contains(&worse.to_string()), "{error}");
    });
}

#[test]
fn a_dropped_connect_closes_its_socket() {
    let _alone = alone();
    run(async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let before = descriptors().len();
        drop(poll_once(TcpStream::connect(addr)).await);
        assert_eq!(descriptors().len(), before);
        // The listener got a connection all the same, or not; it must not be harmed.
        let _client = TcpStream::connect(addr).await.unwrap();
        listener.accept().await.unwrap();
    });
}

#[test]
fn read_exact_tells_of_an_early_end() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        peer.write_all(b"abc").await.unwrap();
        drop(peer);
        let error = stream.read_exact(&mut [0; 4]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn lines_are_read_through_a_buffer() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair().await;
        peer.write_all(b"one\ntwo\nthree").await.unwrap();
        peer.close().await.unwrap();
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).await.unwrap() == 0 {
                break;
            }
            lines.push(line);
        }
        assert_eq!(lines, ["one\n", "two\n", "three"]);
    });
}

#[test]
fn reading_into_nothing_and_writing_nothing_move_nothing() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        assert_eq!(stream.write(&[]).await.unwrap(), 0);
        peer.write_all(b"x").await.unwrap();
        stream.readable().await.unwrap();
        assert_eq!(stream.read(&mut []).await.unwrap(), 0);
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"x");
    });
}

#[test]
fn vectored_reads_and_writes_use_every_buffer() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        assert_eq!(peer.write_vectored(&parts).await.unwrap(), 5);
        assert_eq!(peer.try_write_vectored(&parts).unwrap(), 5);
        let (mut one, mut two) = ([0; 3], [0; 4]);
        let mut buffers = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        // Ten bytes are under way; seven fit.
        until_peeked(&stream, 10).await;
        assert_eq!(stream.read_vectored(&mut buffers).await.unwrap(), 7);
        assert_eq!((&one, &two), (b"abc", b"deab"));
        let mut buffers = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        assert_eq!(stream.try_read_vectored(&mut buffers).unwrap(), 3);
        assert_eq!(&one, b"cde");
    });
}

async fn until_peeked(stream: &TcpStream, length: usize) {
    let mut buffer = vec![0; length];
    while stream.peek(&mut buffer).await.unwrap() < length {
        yield_now().await;
    }
}

/// The system takes 1024 buffers at a time: that a call moved fewer bytes than were given does not mean
/// then that the next one would block.
#[test]
fn a_vectored_write_of_more_buffers_than_the_system_takes_goes_on() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        let byte = [7];
        let parts = vec![IoSlice::new(&byte); 3000];
        let mut written = 0;
        while written < parts.len() {
            written += stream.write_vectored(&parts[written..]).await.unwrap();
        }
        drop(stream);
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, vec![7; 3000]);
    });
}

#[test]
fn a_vectored_read_into_more_buffers_than_the_system_takes_goes_on() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        peer.write_all(&pattern(3000)).await.unwrap();
        until_peeked(&stream, 3000).await;
        let mut bytes = vec![[0_u8; 1]; 3000];
        let mut read = 0;
        while read < bytes.len() {
            let mut rest: Vec<_> =
                bytes[read..].iter_mut().map(|byte| IoSliceMut::new(byte)).collect();
            read += stream.read_vectored(&mut rest).await.unwrap();
        }
        assert_eq!(bytes.concat(), pattern(3000));
    });
}

/// A read stops at the mark of urgent data: it is short, and still more is there.
#[cfg(target_os = "linux")]
#[test]
fn urgent_data_does_not_hide_what_comes_after_it() {
    use rustix::net::{SendFlags, send};

    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair_with_std().await;
        // The reader waits, so one event announces all three parts.
        let mut first = [0; 16];
        let mut reading = pin!(stream.read(&mut first));
        assert!(poll_once(reading.as_mut()).await.is_none());
        peer.write_all(b"abc").unwrap();
        send(&peer, b"!", SendFlags::OOB).unwrap();
        peer.write_all(b"def").unwrap();
        assert_eq!(reading.await.unwrap(), 3);
        let mut rest = [0; 3];
        stream.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"def");
    });
}

#[test]
fn peek_takes_nothing() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        let mut buffer = [0; 4];
        {
            let mut peeking = pin!(stream.peek(&mut buffer));
            assert!(poll_once(peeking.as_mut()).await.is_none());
            peer.write_all(b"abcd").await.unwrap();
            assert_eq!(peeking.await.unwrap(), 4);
        }
        assert_eq!(&buffer, b"abcd");
        for _ in 0..3 {
            let mut two = [0; 2];
            assert_eq!(stream.peek(&mut two).await.unwrap(), 2);
            assert_eq!(&two, b"ab");
        }
        let mut read = [0; 4];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"abcd");
        drop(peer);
        assert_eq!(stream.peek(&mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn try_read_and_try_write_never_wait() {
    let _alone = alone();
    run(async {
        let (stream, peer) = pair().await;
        let mut buffer = [0; 8];
        assert_eq!(stream.try_read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(peer.try_write(b"hi").unwrap(), 2);
        stream.readable().await.unwrap();
        assert_eq!(stream.try_read(&mut buffer).unwrap(), 2);
        assert_eq!(stream.try_read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(fill(&stream) > 0);
        assert_eq!(stream.try_write(b"more").unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(peer);
        stream.readable().await.unwrap();
    });
}

#[test]
fn a_read_that_is_dropped_while_it_waits_loses_nothing() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        for n in 0..20 {
            let mut lost = [0; 8];
            assert!(poll_once(stream.read(&mut lost)).await.is_none());
            peer.write_all(&[n, n + 1]).await.unwrap();
            stream.readable().await.unwrap();
            assert_eq!(lost, [0; 8]);
            let mut both = [0; 2];
            stream.read_exact(&mut both).await.unwrap();
            assert_eq!(both, [n, n + 1]);
        }
    });
}

// Ends: half-closed, closed, reset.

#[test]
fn a_peer_that_closes_its_write_side_still_gets_our_bytes() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        stream.write_all(b"still").await.unwrap();
        // Then the reverse, so that both are closed.
        stream.shutdown(Shutdown::Write).unwrap();
        let mut all = String::new();
        peer.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "still");
        assert!(stream.write_all(b"x").await.is_err());
        assert!(peer.write_all(b"x").await.is_err());
    });
}

#[test]
fn after_closing_our_write_side_we_still_read() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        stream.write_all(b"last words").await.unwrap();
        stream.close().await.unwrap();
        stream.close().await.unwrap();
        let error = stream.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let mut all = String::new();
        peer.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "last words");
        peer.write_all(b"answer").await.unwrap();
        drop(peer);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        // The peer is gone altogether: closed is closed.
        stream.close().await.unwrap();
    });
}

#[test]
fn closing_our_read_side_ends_a_read_that_waits() {
    let _alone = alone();
    run(async {
        let (stream, _peer) = pair().await;
        let mut buffer = [0; 8];
        let mut reading = pin!(async { (&stream).read(&mut buffer).await });
        assert!(poll_once(reading.as_mut()).await.is_none());
        stream.shutdown(Shutdown::Read).unwrap();
        assert_eq!(reading.await.unwrap(), 0);
    });
}

#[test]
fn what_was_written_before_a_drop_still_arrives() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        let data = pattern(100_000);
        let reader = spawn(async move {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).await.map(|_| all)
        });
        stream.write_all(&data).await.unwrap();
        drop(stream);
        assert!(reader.await.unwrap().unwrap() == data);
    });
}

/// The three ways in which a task may hang on a connection that is reset.
#[test]
fn a_reset_ends_a_read_that_waits_with_an_error() {
    let _alone = alone();
    run(async {
        let (mut stream, peer) = pair().await;
        let mut buffer = [0; 8];
        let mut reading = pin!(stream.read(&mut buffer));
        assert!(poll_once(reading.as_mut()).await.is_none());
        reset(peer);
        assert_eq!(reading.await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_reset_ends_a_write_that_waits_with_an_error() {
    let _alone = alone();
    run(async {
        let (mut stream, peer) = pair().await;
        fill(&stream);
        let mut writing = pin!(stream.write(b"more"));
        assert!(poll_once(writing.as_mut()).await.is_none());
        reset(peer);
        assert!(writing.await.is_err());
    });
}

#[test]
fn a_reset_ends_waits_for_readiness() {
    let _alone = alone();
    run(async {
        let (stream, peer) = pair().await;
        fill(&stream);
        assert!(stream.try_read(&mut [0]).is_err());
        let mut both = pin!(zip(stream.readable(), stream.writable()));
        assert!(poll_once(both.as_mut()).await.is_none());
        reset(peer);
        let (read, write) = both.await;
        read.unwrap();
        write.unwrap();
        assert!(stream.take_error().unwrap().is_some());
    });
}

/// The listener's queue is reset while its client waits for an answer, and connecting to it is then refused.
#[test]
fn a_listener_that_goes_away_resets_those_it_did_not_accept() {
    let _alone = alone();
    run(async {
        let listener = listener().await;
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut buffer = [0; 8];
        let mut reading = pin!(stream.read(&mut buffer));
        assert!(poll_once(reading.as_mut()).await.is_none());
        drop(listener);
        assert_eq!(reading.await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn writing_to_a_peer_that_is_gone_is_an_error_at_last() {
    let _alone = alone();
    run(async {
        let (mut stream, peer) = pair().await;
        drop(peer);
        let error = loop {
            if let Err(error) = stream.write_all(&[0; 1024]).await {
                break error;
            }
        };
        let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "{error}");
    });
}

// Options, and the way from and to std.

#[test]
fn small_writes_are_sent_at_once_unless_asked_otherwise() {
    let _alone = alone();
    run(async {
        let listener = listener().await;
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        for stream in [&client, &server] {
            assert!(stream.nodelay().unwrap());
            stream.set_nodelay(false).unwrap();
            assert!(!stream.nodelay().unwrap());
        }
        // What comes from std is left as it was.
        let (a, b) = std_pair();
        a.set_nodelay(true).unwrap();
        assert!(TcpStream::from_std(a).unwrap().nodelay().unwrap());
        assert!(!TcpStream::from_std(b).unwrap().nodelay().unwrap());
    });
}

#[test]
fn options_are_kept() {
    let _alone = alone();
    run(async {
        let (stream, _peer) = pair().await;
        stream.set_ttl(42).unwrap();
        assert_eq!(stream.ttl().unwrap(), 42);
        assert_eq!(stream.linger().unwrap(), None);
        stream.set_linger(Some(Duration::from_secs(3))).unwrap();
        assert_eq!(stream.linger().unwrap(), Some(Duration::from_secs(3)));
        // Less than a second is no reset.
        stream.set_linger(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(stream.linger().unwrap(), Some(Duration::from_secs(1)));
        stream.set_linger(Some(Duration::MAX)).unwrap();
        assert!(stream.linger().unwrap() > Some(Duration::from_secs(3600)));
        stream.set_linger(None).unwrap();
        assert_eq!(stream.linger().unwrap(), None);
        assert!(stream.take_error().unwrap().is_none());
        assert!(stream.set_ttl(0).is_err(), "zero hops reach nobody");
    });
}

#[cfg(unix)]
#[test]
fn from_std_and_back_keeps_what_the_kernel_holds() {
    let _alone = alone();
    let (ours, mut peer) = std_pair();
    peer.write_all(b"abcdef").unwrap();
    let addr = ours.local_addr().unwrap();
    let mut ours = run(async {
        let mut stream = TcpStream::from_std(ours).unwrap();
        let mut two = [0; 2];
        stream.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"ab");
        stream.write_all(b"12").await.unwrap();
        stream.into_std().unwrap()
    });
    assert_eq!(ours.local_addr().unwrap(), addr);
    let mut two = [0; 2];
    ours.read_exact(&mut two).unwrap();
    assert_eq!(&two, b"cd");
    assert_eq!(ours.read(&mut [0; 1]).unwrap(), 1);
    assert_eq!(ours.read(&mut [0; 1]).unwrap(), 1);
    let error = ours.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "it stays non-blocking");
    // Into another loop, and it works there.
    run(async {
        let mut stream = TcpStream::from_std(ours).unwrap();
        peer.write_all(b"gh").unwrap();
        stream.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"gh");
        stream.write_all(b"34").await.unwrap();
    });
    let mut all = String::new();
    peer.read_to_string(&mut all).unwrap();
    assert_eq!(all, "1234");
}

#[cfg(unix)]
#[test]
fn into_std_leaves_no_registration_and_from_std_makes_a_new_one() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair_with_std().await;
        for n in 0..100 {
            let mut byte = [0];
            {
                let mut reading = pin!(stream.read(&mut byte));
                assert!(poll_once(reading.as_mut()).await.is_none());
                peer.write_all(&[n]).unwrap();
                assert_eq!(reading.await.unwrap(), 1);
            }
            assert_eq!(byte, [n]);
            stream = TcpStream::from_std(stream.into_std().unwrap()).unwrap();
        }
    });
}

#[test]
fn the_traits_are_implemented_on_references_so_that_two_tasks_can_share() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair().await;
        peer.write_all(b"ping").await.unwrap();
        let read = async {
            let mut buffer = [0; 4];
            (&stream).read_exact(&mut buffer).await.unwrap();
            buffer
        };
        let write = async { (&stream).write_all(b"pong").await.unwrap() };
        assert_eq!(zip(read, write).await.0, *b"ping");
        let mut buffer = [0; 4];
        poll_fn(|cx| Pin::new(&mut peer).poll_read(cx, &mut buffer)).await.unwrap();
        assert_eq!(&buffer, b"pong");
    });
}

#[test]
fn copy_moves_a_stream_to_its_end() {
    let _alone = alone();
    run(async {
        let (a, mut a_peer) = pair().await;
        let (b, mut b_peer) = pair().await;
        let copying = spawn(async move { copy(&a, &mut &b).await });
        let data = pattern(200_000);
        let reading = async {
            let mut all = Vec::new();
            b_peer.read_to_end(&mut all).await.unwrap();
            all
        };
        let writing = async {
            a_peer.write_all(&data).await.unwrap();
            a_peer.close().await.unwrap();
        };
        let (all, ()) = zip(reading, writing).await;
        assert!(all == data);
        assert_eq!(copying.await.unwrap().unwrap(), 200_000);
    });
}

/// An `async fn` that is not polled does nothing.
#[test]
fn futures_are_lazy() {
    let _alone = alone();
    run(async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        fn is_future<F: Future>(future: F) -> F {
            future
        }
        drop(is_future(TcpStream::connect(addr)));
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}
