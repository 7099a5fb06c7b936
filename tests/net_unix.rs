//! Unix sockets: streams, listeners, datagrams, their files and abstract addresses, and what passing descriptors does
//! to reads.

#![cfg(all(unix, not(miri)))] // Miri has no unix sockets with names

mod net_common;

use std::cell::Cell;
use std::fs;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::PathBuf;
use std::process;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_lite::future::poll_once;
use monoloop::io::*;
use monoloop::net::{UnixDatagram, UnixListener, UnixStream};
use monoloop::{spawn, yield_now};
use net_common::*;

/// A path that nobody uses; what is there at the end is removed.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let n = LAST.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("monoloop-{}-{n}", process::id())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _absent = fs::remove_file(&self.0);
    }
}

#[test]
fn a_stream_of_std_and_ours_speak_both_ways() {
    let _alone = alone();
    let place = Place::new();
    run(async {
        let listener = UnixListener::bind(&place.0).unwrap();
        let mut client = StdStream::connect(&place.0).unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"ping").unwrap();
        let mut buffer = [0; 4];
        server.read_exact(&mut buffer).await.unwrap();
        server.write_all(b"pong").await.unwrap();
        client.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"pong");

        let theirs = listener.into_std().unwrap();
        let mut client = UnixStream::connect(&place.0).await.unwrap();
        let (mut server, _) = theirs.accept().unwrap();
        client.write_all(b"x").await.unwrap();
        client.close().await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    });
}

#[test]
fn bytes_arrive_complete_and_in_order_in_both_directions() {
    let _alone = alone();
    run(async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let data: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let back = data.clone();
        let echo = spawn(async move {
            let (read, write) = other.split();
            copy(read, write).await.unwrap()
        });
        let (mut read, mut write) = one.split();
        let writing = async {
            write.write_all(&data).await.unwrap();
            write.close().await.unwrap();
        };
        let mut got = Vec::new();
        futures_lite::future::zip(writing, async { read.read_to_end(&mut got).await.unwrap() })
            .await;
        assert!(got == back);
        assert_eq!(echo.await.unwrap(), 1_000_000);
    });
}

#[test]
fn owned_halves_are_those_of_tcp() {
    let _alone = alone();
    run(async {
        let (one, mut other) = UnixStream::pair().unwrap();
        let (two, _kept) = UnixStream::pair().unwrap();
        let (read, write) = one.into_split();
        let (_, write_of_two) = two.into_split();
        let error = read.reunite(write_of_two).unwrap_err();
        let one = error.read.reunite(write).unwrap();
        let (mut read, write) = one.into_split();
        drop(write);
        assert_eq!(other.read(&mut [0]).await.unwrap(), 0, "the write half is closed");
        other.write_all(b"still").await.unwrap();
        read.read_exact(&mut [0; 5]).await.unwrap();
    });
}

#[test]
fn a_peer_that_is_gone_is_the_end_for_reads_and_an_error_for_writes() {
    let _alone = alone();
    run(async {
        let (mut one, other) = UnixStream::pair().unwrap();
        let (waiting, peer) = UnixStream::pair().unwrap();
        let waiter = spawn(async move { (&waiting).read(&mut [0]).await });
        yield_now().await;
        drop((other, peer));
        assert_eq!(one.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(one.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let vectored = [IoSlice::new(b"x"), IoSlice::new(b"y")];
        let error = one.write_vectored(&vectored).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(waiter.await.unwrap().unwrap(), 0);
    });
}

/// Class 17. A read stops where descriptors were passed, though more is there: a short read proves nothing.
#[cfg(target_os = "linux")]
#[test]
fn bytes_behind_passed_descriptors_are_read() {
    use std::mem::MaybeUninit;
    use std::os::fd::AsFd;

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    let _alone = alone();
    run(async {
        let (ours, peer) = StdStream::pair().unwrap();
        let mut ours = UnixStream::from_std(ours).unwrap();
        let mut buffer = [0; 16];
        assert!(poll_once(ours.read(&mut buffer)).await.is_none());
        let passed = [peer.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&passed)));
        sendmsg(&peer, &[IoSlice::new(b"a")], &mut ancillary, SendFlags::empty()).unwrap();
        (&peer).write_all(b"b").unwrap();
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 1);
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 1);
        assert_eq!(buffer[0], b'b');
    });
}

#[cfg(target_os = "linux")]
#[test]
fn peer_cred_tells_who_is_there() {
    let _alone = alone();
    run(async {
        let (one, _other) = UnixStream::pair().unwrap();
        let cred = one.peer_cred().unwrap();
        assert_eq!(cred.pid, Some(process::id() as i32));
        assert_eq!(cred.uid, rustix::process::getuid().as_raw());
        assert_eq!(cred.gid, rustix::process::getgid().as_raw());

        // A process in another namespace of process numbers is zero, as is that of who is not connected.
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        let socket = std::os::fd::OwnedFd::from(socket.unwrap());
        let unseen = UnixStream::from_std(socket.into()).unwrap().peer_cred().unwrap_err();
        assert_eq!(unseen.kind(), ErrorKind::NotFound);
        assert_eq!(unseen.to_string(), "no process is to be seen");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_addresses_are_no_files() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let _alone = alone();
    run(async {
        let name = format!("monoloop-test-{}", process::id());
        let path = format!("\0{name}");
        let listener = UnixListener::bind(&path).unwrap();
        let addr = listener.local_addr().unwrap();
        assert_eq!(addr.as_abstract_name(), Some(name.as_bytes()));
        UnixStream::connect(&path).await.unwrap();
        listener.accept().await.unwrap();
        let addr = SocketAddr::from_abstract_name(&name).unwrap();
        UnixStream::connect_addr(&addr).await.unwrap();
        let error = UnixListener::bind_addr(&addr).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        drop(listener);
        UnixListener::bind_addr(&addr).unwrap();

        let receiver = UnixDatagram::bind(format!("{path}-datagrams")).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"x", format!("{path}-datagrams")).await.unwrap();
        assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 1);
        sender.connect(format!("{path}-datagrams")).unwrap();
        sender.send(b"yz").await.unwrap();
        assert_eq!(receiver.recv_from(&mut [0; 8]).await.unwrap().0, 2);
    });
}

/// As a process that was killed leaves it.
fn leave_stale_file(place: &Place) {
    drop(StdListener::bind(&place.0).unwrap());
    assert!(place.0.exists());
}

#[test]
fn a_stale_socket_file_is_replaced() {
    let _alone = alone();
    let place = Place::new();
    leave_stale_file(&place);
    run(async {
        let listener = UnixListener::bind(&place.0).unwrap();
        UnixStream::connect(&place.0).await.unwrap();
        listener.accept().await.unwrap();
    });
    drop(std::os::unix::net::UnixDatagram::bind(&place.0).unwrap());
    run(async { drop(UnixDatagram::bind(&place.0).unwrap()) });
}

#[test]
fn files_that_are_not_stale_are_left_alone() {
    let _alone = alone();
    let (living, file, datagrams) = (Place::new(), Place::new(), Place::new());
    let listener = StdListener::bind(&living.0).unwrap();
    fs::write(&file.0, "precious").unwrap();
    let _socket = std::os::unix::net::UnixDatagram::bind(&datagrams.0).unwrap();
    run(async {
        for place in [&living, &file, &datagrams] {
            let error = UnixListener::bind(&place.0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            let name = place.0.file_name().unwrap().to_str().unwrap();
            assert!(error.to_string().contains(name), "{error}");
        }
        for place in [&living, &file, &datagrams] {
            UnixDatagram::bind(&place.0).unwrap_err();
        }
    });
    assert_eq!(fs::read(&file.0).unwrap(), b"precious");
    drop(StdStream::connect(&living.0).unwrap());
    // The knock of our check was a connection, and gone again.
    listener.accept().unwrap();
}

#[test]
fn the_file_goes_with_its_listener_unless_it_is_anothers_by_then() {
    let _alone = alone();
    let place = Place::new();
    run(async {
        drop(UnixListener::bind(&place.0).unwrap());
        assert!(!place.0.exists());

        let first = UnixListener::bind(&place.0).unwrap();
        fs::remove_file(&place.0).unwrap();
        let second = UnixListener::bind(&place.0).unwrap();
        drop(first);
        assert!(place.0.exists(), "it is the second's");
        UnixStream::connect(&place.0).await.unwrap();
        drop(second);

        let mut kept = UnixListener::bind(&place.0).unwrap();
        kept.keep_file();
        drop(kept);
        assert!(place.0.exists());
        let rescued = UnixListener::bind(&place.0).unwrap().into_std().unwrap();
        assert!(place.0.exists());
        drop(UnixListener::from_std(rescued).unwrap());
        assert!(place.0.exists());
        drop(UnixDatagram::bind(&place.0).unwrap());
        assert!(!place.0.exists());
    });
}

/// Linux says `EAGAIN` then, and never tells when there is room.
#[cfg(target_os = "linux")]
#[test]
fn connecting_to_a_full_queue_waits_for_room() {
    let _alone = alone();
    let place = Place::new();
    run(async {
        let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        let listener = listener.unwrap();
        listener.bind(&socket2::SockAddr::unix(&place.0).unwrap()).unwrap();
        listener.listen(0).unwrap();
        let listener = UnixListener::from_std(std::os::fd::OwnedFd::from(listener).into()).unwrap();
        let mut first = Vec::new();
        let waiting = loop {
            let mut connect = Box::pin(UnixStream::connect(&place.0));
            match poll_once(&mut connect).await {
                Some(stream) => first.push(stream.unwrap()),
                None => break connect,
            }
        };
        for _ in &first {
            listener.accept().await.unwrap();
        }
        waiting.await.unwrap();
        listener.accept().await.unwrap();
    });
}

#[test]
fn connecting_to_nobody_is_an_error_that_names_the_address() {
    let _alone = alone();
    let place = Place::new();
    run(async {
        let name = place.0.to_str().unwrap();
        let absent = UnixStream::connect(&place.0).await.unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
        assert!(absent.to_string().contains(name), "{absent}");
        leave_stale_file(&place);
        let refused = UnixStream::connect(&place.0).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let long = "x".repeat(200);
        let error = UnixStream::connect(&long).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(UnixListener::bind(&long).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn without_a_loop_nothing_is_bound_and_nothing_is_opened() {
    let _alone = alone();
    let place = Place::new();
    let error = UnixListener::bind(&place.0).unwrap_err();
    assert!(error.to_string().contains("`UnixListener::bind`"), "{error}");
    assert!(error.to_string().contains(file!()), "{error}");
    UnixDatagram::bind(&place.0).unwrap_err();
    assert!(!place.0.exists());
    assert!(UnixStream::pair().unwrap_err().to_string().contains("`UnixStream::pair`"));
}

#[test]
fn datagrams_keep_their_bounds_and_their_order() {
    let _alone = alone();
    run(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        for data in [&b"one"[..], b"", b"three"] {
            one.send(data).await.unwrap();
        }
        let mut buffer = [0; 16];
        for length in [3, 0, 5] {
            assert_eq!(other.recv(&mut buffer).await.unwrap(), length);
        }
        assert_eq!(other.try_recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(other);
        assert!(one.send(b"x").await.is_err());
    });
}

/// The queue is full of another's datagrams, and on Linux only its owner is told when there is room.
#[test]
fn a_path_with_a_zero_byte_names_no_other_socket() {
    let place = Place::new();
    let _alone = alone();
    run(async {
        let receiver = UnixDatagram::bind(&place.0).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let path = format!("{}\0more", place.0.display());
        let errors = [
            sender.send_to(b"x", &path).await.unwrap_err(),
            sender.try_send_to(b"x", &path).unwrap_err(),
            sender.connect(&path).unwrap_err(),
        ];
        assert_eq!(errors.map(|error| error.kind()), [ErrorKind::InvalidInput; 3]);
        assert_eq!(receiver.try_recv(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_sender_gets_through_when_another_had_filled_the_queue() {
    let _alone = alone();
    let place = Place::new();
    run(async {
        let receiver = UnixDatagram::bind(&place.0).unwrap();
        let (greedy, patient) =
            (UnixDatagram::unbound().unwrap(), UnixDatagram::unbound().unwrap());
        let mut filled = 0;
        while greedy.try_send_to(b"x", &place.0).is_ok() {
            filled += 1;
        }
        assert!(filled > 0);
        let sent = Rc::new(Cell::new(false));
        let sender = spawn({
            let (sent, path) = (Rc::clone(&sent), place.0.clone());
            async move {
                patient.send_to(b"patience", path).await.unwrap();
                sent.set(true);
            }
        });
        for _ in 0..5 {
            yield_now().await;
        }
        assert!(!sent.get());
        let mut buffer = [0; 16];
        for _ in 0..filled {
            assert_eq!(receiver.recv(&mut buffer).await.unwrap(), 1);
        }
        assert_eq!(receiver.recv(&mut buffer).await.unwrap(), 8);
        sender.await.unwrap();
    });
}

/// That one receiver's queue was full says nothing of the other receivers', nor of the same one's later.
#[test]
fn a_full_queue_does_not_keep_a_socket_from_sending() {
    let _alone = alone();
    let (full, free) = (Place::new(), Place::new());
    run(async {
        let receiver = UnixDatagram::bind(&full.0).unwrap();
        let other = UnixDatagram::bind(&free.0).unwrap();
        let (greedy, sender) = (UnixDatagram::unbound().unwrap(), UnixDatagram::unbound().unwrap());
        let mut filled = 0;
        while greedy.try_send_to(b"x", &full.0).is_ok() {
            filled += 1;
        }
        let refused = sender.try_send_to(b"y", &full.0).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        assert_eq!(sender.try_send_to(b"one", &free.0).unwrap(), 3);

        // One that waits for the full one keeps no other waiting.
        let mut waiting = Box::pin(sender.send_to(b"late", &full.0));
        assert!(poll_once(&mut waiting).await.is_none());
        sender.writable().await.unwrap();
        assert_eq!(poll_once(sender.send_to(b"two", &free.0)).await.unwrap().unwrap(), 3);
        sender.connect(&free.0).unwrap();
        assert_eq!(poll_once(sender.send(b"three")).await.unwrap().unwrap(), 5);
        drop(waiting);

        let mut buffer = [0; 16];
        for length in [3, 3, 5] {
            assert_eq!(other.try_recv(&mut buffer).unwrap(), length);
        }
        for _ in 0..filled {
            receiver.recv(&mut buffer).await.unwrap();
        }
        assert_eq!(sender.try_send_to(b"z", &full.0).unwrap(), 1);
    });
}

/// Between the two, the file would look stale to others, who might have replaced it when we remove it.
#[test]
fn the_file_is_gone_when_the_socket_is_closed() {
    let _alone = alone();
    let place = Place::new();
    for _ in 0..300 {
        run(async {
            let listener = UnixListener::bind(&place.0).unwrap();
            let mut client = StdStream::connect(&place.0).unwrap();
            let path = place.0.clone();
            let watching = std::thread::spawn(move || {
                // It was never accepted, and so ends with the listener.
                let _reset = client.read(&mut [0]);
                path.exists()
            });
            drop(listener);
            assert!(!watching.join().unwrap());
        });
    }
}

/// Who has a name can be answered.
#[test]
fn datagrams_are_answered_to_the_address_they_came_from() {
    let _alone = alone();
    let place = Place::new();
    run(async {
        let server = UnixDatagram::bind(&place.0).unwrap();
        let file = Place::new();
        let mut names = vec![file.0.clone()];
        if cfg!(target_os = "linux") {
            names.push(format!("\0monoloop-test-{}-answered", process::id()).into());
        }
        let mut buffer = [0; 16];
        for name in names {
            let client = UnixDatagram::bind(&name).unwrap();
            client.send_to(b"ping", &place.0).await.unwrap();
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            assert_eq!(server.send_to_addr(&buffer[..length], &from).await.unwrap(), 4);
            assert_eq!(client.recv(&mut buffer).await.unwrap(), 4);
            let other = UnixDatagram::unbound().unwrap();
            other.connect_addr(&from).unwrap();
            other.send(b"pong!").await.unwrap();
            assert_eq!(client.recv(&mut buffer).await.unwrap(), 5);
        }
        let nameless = UnixDatagram::unbound().unwrap();
        nameless.send_to(b"ping", &place.0).await.unwrap();
        let (_, from) = server.recv_from(&mut buffer).await.unwrap();
        let error = server.send_to_addr(b"who?", &from).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_listener_that_cannot_be_moved_takes_its_file_along() {
    let _alone = alone();
    let place = Place::new();
    let listener = run(async { UnixListener::bind(&place.0).unwrap() });
    listener.into_std().unwrap_err();
    assert!(!place.0.exists());
    let socket = run(async { UnixDatagram::bind(&place.0).unwrap() });
    socket.into_std().unwrap_err();
    assert!(!place.0.exists());
}
