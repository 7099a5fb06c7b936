//! Descriptors of any kind: pipes, event counters, sockets of std; what has no readiness is refused.

#![cfg(target_os = "linux")] // makes descriptors by Linux's calls
#![cfg(not(miri))] // makes pipes and sockets
#![cfg(not(mio_unsupported_force_poll_poll))] // there it is refused: see the unit test

mod net_common;

use std::cell::RefCell;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_lite::future::poll_once;
use monoloop::io::*;
use monoloop::{EventLoop, spawn, yield_now};
use net_common::{alone, poll_with, run, run_on};
use rustix::event::{EventfdFlags, eventfd};
use rustix::pipe::{PipeFlags, pipe_with};

/// The reading and the writing end.
fn pipe() -> (File, File) {
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
    (reader.into(), writer.into())
}

fn pair() -> (UnixStream, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    (ours, peer)
}

/// Writes until no more fits.
fn fill(mut file: &File) -> usize {
    let mut written = 0;
    while let Ok(more) = file.write(&[0; 4096]) {
        written += more;
    }
    written
}

#[test]
fn a_pipe_gives_what_comes_and_then_its_end() {
    let _alone = alone();
    run(async {
        let (reader, writer) = pipe();
        let (mut reader, mut writer) =
            (AsyncFd::new(reader).unwrap(), AsyncFd::new(writer).unwrap());
        let reading = spawn(async move {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.unwrap();
            all
        });
        let data: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
        writer.write_all(&data).await.unwrap();
        drop(writer);
        assert!(reading.await.unwrap() == data);
    });
}

#[test]
fn a_writer_waits_for_room_and_is_told_when_the_reader_goes() {
    let _alone = alone();
    run(async {
        let (mut reader, writer) = pipe();
        let writer = AsyncFd::new(writer).unwrap();
        let full = fill(writer.get_ref());
        let mut writing = pin!(writer.write_with(|mut file| file.write(b"x")));
        assert!(poll_once(writing.as_mut()).await.is_none());
        reader.read_exact(&mut vec![0; full]).unwrap();
        assert_eq!(writing.await.unwrap(), 1);

        fill(writer.get_ref());
        let mut writing = pin!(writer.write_with(|mut file| file.write(b"x")));
        assert!(poll_once(writing.as_mut()).await.is_none());
        drop(reader);
        assert_eq!(writing.await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn an_event_counter_wakes_whoever_waits() {
    let _alone = alone();
    run(async {
        let counter = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap();
        let counter = Rc::new(AsyncFd::new(counter).unwrap());
        let waiting = spawn({
            let counter = Rc::clone(&counter);
            async move {
                let mut number = [0; 8];
                counter.read_with(|fd| Ok(rustix::io::read(fd, &mut number)?)).await.unwrap();
                u64::from_ne_bytes(number)
            }
        });
        yield_now().await;
        assert!(!waiting.is_finished());
        // From a thread without a loop, as a driver would.
        let fd = counter.as_fd().try_clone_to_owned().unwrap();
        std::thread::spawn(move || rustix::io::write(fd, &7_u64.to_ne_bytes()).unwrap())
            .join()
            .unwrap();
        assert_eq!(waiting.await.unwrap(), 7);
    });
}

#[test]
fn a_borrowed_descriptor_is_left_open() {
    let _alone = alone();
    run(async {
        let (ours, mut peer) = pair();
        let borrowed = AsyncFd::new(ours.as_fd()).unwrap();
        peer.write_all(b"hi").unwrap();
        let mut buffer = [0; 8];
        let count = borrowed.read_with(|fd| Ok(rustix::io::read(fd, &mut buffer)?)).await.unwrap();
        assert_eq!(&buffer[..count], b"hi");
        drop(borrowed);
        peer.write_all(b"still").unwrap();
        assert_eq!((&ours).read(&mut buffer).unwrap(), 5);
    });
}

#[test]
fn readiness_stays_until_an_operation_would_block() {
    let _alone = alone();
    run(async {
        let (ours, mut peer) = pair();
        let ours = AsyncFd::new(ours).unwrap();
        peer.write_all(b"ab").unwrap();
        // A guard that is dropped changes nothing.
        drop(ours.readable().await.unwrap());
        let mut guard = poll_once(ours.readable()).await.expect("still ready").unwrap();
        let read = guard.try_io(|mut ours| ours.read(&mut [0; 8]));
        assert_eq!(read.unwrap().unwrap(), 2);
        // Nobody has said that the next would block.
        let mut guard = poll_once(ours.readable()).await.expect("thought to be ready").unwrap();
        guard.try_io(|mut ours| ours.read(&mut [0; 8])).unwrap_err();
        let mut waiting = pin!(ours.readable());
        assert!(poll_once(waiting.as_mut()).await.is_none());
        peer.write_all(b"c").unwrap();
        let _guard = waiting.await.unwrap();
    });
}

#[test]
fn what_came_after_the_guard_was_made_is_not_cleared() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    run_on(&event_loop, async {
        let (ours, mut peer) = pair();
        let ours = AsyncFd::new(ours).unwrap();
        let mut old = ours.readable().await.unwrap();
        old.try_io(|mut ours| ours.read(&mut [0])).unwrap_err();
        let mut old = {
            peer.write_all(b"a").unwrap();
            ours.readable().await.unwrap()
        };
        // An event comes while the guard is alive, of another task's doing.
        let mut stream = ours.get_ref();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        peer.write_all(b"b").unwrap();
        for _ in 0..1000 {
            yield_now().await;
        }
        old.clear_ready();
        let _guard = ours.readable().await.expect("the second byte is there");
    });
}

#[test]
fn all_who_wait_are_woken() {
    let _alone = alone();
    run(async {
        let (ours, mut peer) = pair();
        let ours = Rc::new(AsyncFd::new(ours).unwrap());
        let order = Rc::new(RefCell::new(Vec::new()));
        let waiting: Vec<_> = (0..5)
            .map(|n| {
                let (ours, order) = (Rc::clone(&ours), Rc::clone(&order));
                spawn(async move {
                    let mut byte = [0];
                    ours.read_with(|mut ours| ours.read(&mut byte)).await.unwrap();
                    order.borrow_mut().push(n);
                })
            })
            .collect();
        yield_now().await;
        peer.write_all(b"12345").unwrap();
        for one in waiting {
            one.await.unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_dropped_read_has_taken_nothing() {
    let _alone = alone();
    run(async {
        let (ours, mut peer) = pair();
        let ours = AsyncFd::new(ours).unwrap();
        let mut buffer = [0; 8];
        {
            let mut reading = pin!(ours.read_with(|mut ours| ours.read(&mut buffer)));
            assert!(poll_once(reading.as_mut()).await.is_none());
            peer.write_all(b"kept").unwrap();
        }
        assert_eq!(ours.read_with(|mut ours| ours.read(&mut buffer)).await.unwrap(), 4);
    });
}

#[test]
fn polls_wake_the_last_poller() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let (wakes, waker) = net_common::Wakes::new();
    run_on(&event_loop, async {
        let (ours, mut peer) = pair();
        let ours = AsyncFd::new(ours).unwrap();
        let mut guard = ours.readable().await.unwrap();
        guard.clear_ready();
        let mut cx = Context::from_waker(&waker);
        assert!(ours.poll_readable(&mut cx).is_pending());
        assert!(ours.poll_writable(&mut cx).is_ready(), "the other direction is another matter");
        peer.write_all(b"!").unwrap();
        net_common::until(|| wakes.count() == 1).await;
        assert!(ours.poll_readable(&mut cx).is_ready());
    });
}

/// What is there is given, however it is cut.
#[test]
fn read_byte_by_byte_a_pipe_gives_every_byte() {
    let _alone = alone();
    run(async {
        let (reader, writer) = pipe();
        let (reader, mut writer) = (AsyncFd::new(reader).unwrap(), AsyncFd::new(writer).unwrap());
        let writing = spawn(async move {
            for n in 0..50_u8 {
                writer.write_all(&vec![n; usize::from(n)]).await.unwrap();
                yield_now().await;
            }
        });
        let mut got = Vec::new();
        loop {
            let mut byte = [0];
            // A task of its own kind now and then: with a guard, and without.
            let count = match got.len() % 2 {
                0 => reader.read_with(|mut file| file.read(&mut byte)).await.unwrap(),
                _ => loop {
                    let mut guard = reader.readable().await.unwrap();
                    if let Ok(result) = guard.try_io(|mut file| file.read(&mut byte)) {
                        break result.unwrap();
                    }
                },
            };
            match count {
                0 => break,
                _ => got.push(byte[0]),
            }
        }
        writing.await.unwrap();
        let expected: Vec<u8> = (0..50).flat_map(|n| vec![n; usize::from(n)]).collect();
        assert_eq!(got, expected);
    });
}

#[test]
fn each_direction_wakes_its_own() {
    let _alone = alone();
    run(async {
        let (ours, mut peer) = pair();
        let ours = Rc::new(AsyncFd::new(ours).unwrap());
        // Full to the brim, and nothing to read.
        let mut stream = ours.get_ref();
        while stream.write(&[0; 4096]).is_ok() {}
        let polls = [(); 2].map(|()| Rc::new(std::cell::Cell::new(0)));
        let task = |which: usize| {
            let (ours, polls) = (Rc::clone(&ours), Rc::clone(&polls[which]));
            spawn(net_common::counted(polls, async move {
                match which {
                    0 => ours.read_with(|mut ours| ours.read(&mut [0; 8])).await,
                    _ => ours.write_with(|mut ours| ours.write(b"x")).await,
                }
            }))
        };
        let (reading, writing) = (task(0), task(1));
        for _ in 0..10 {
            yield_now().await;
        }
        let before = polls[1].get();
        peer.write_all(b"hi").unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), 2);
        assert_eq!(polls[1].get(), before, "the writer was not concerned");
        let mut sink = vec![0; 1 << 20];
        while peer.read(&mut sink).is_ok() {}
        assert_eq!(writing.await.unwrap().unwrap(), 1);
    });
}

#[test]
fn dropping_it_leaves_nothing_behind_even_if_a_duplicate_lives() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let (ours, mut peer) = pair();
    let duplicate = ours.try_clone().unwrap();
    event_loop.run(async { drop(AsyncFd::new(ours).unwrap()) });
    peer.write_all(b"unheard").unwrap();
    for _ in 0..5 {
        // An event of the duplicate would count as something that was done.
        assert!(!event_loop.turn(Some(Duration::ZERO)).unwrap());
    }
    drop(duplicate);
}

#[test]
fn dropped_on_another_thread_it_leaves_nothing_behind() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let (ours, mut peer) = pair();
    let duplicate = ours.try_clone().unwrap();
    let fd = event_loop.run(async { AsyncFd::new(ours).unwrap() });
    std::thread::spawn(move || drop(fd)).join().unwrap();
    while event_loop.turn(Some(Duration::ZERO)).unwrap() {}
    peer.write_all(b"unheard").unwrap();
    assert!(!event_loop.turn(Some(Duration::ZERO)).unwrap());
    drop(duplicate);
}

#[test]
fn used_on_another_loop_it_says_so() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let fd = event_loop.run(async { AsyncFd::new(pair().0).unwrap() });
    let error = run(async { fd.readable().await.unwrap_err() });
    assert!(error.to_string().contains("belongs to event loop"), "{error}");
    let mut waiting = pin!(fd.readable());
    assert!(poll_with(waiting.as_mut(), Waker::noop()).is_ready(), "without a loop, too");
}

#[test]
fn taken_back_it_can_be_registered_again() {
    let _alone = alone();
    run(async {
        let (ours, mut peer) = pair();
        let ours = AsyncFd::new(ours).unwrap().into_inner().unwrap();
        let ours = AsyncFd::new(ours).unwrap();
        peer.write_all(b"x").unwrap();
        let read = ours.read_with(|mut ours| ours.read(&mut [0])).await;
        assert_eq!(read.unwrap(), 1);
    });
}

#[test]
fn a_descriptor_is_registered_once() {
    let _alone = alone();
    run(async {
        let (ours, _peer) = pair();
        let _first = AsyncFd::new(ours.as_fd()).unwrap();
        let (_, error) = AsyncFd::new(ours.as_fd()).unwrap_err().into_parts();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("registered with this event loop already"), "{error}");
    });
}

// What the system refuses is given back, and nothing is left of it. That no source
// stays is a unit test of the reactor.

#[test]
fn files_have_no_readiness_and_are_given_back() {
    let _alone = alone();
    run(async {
        for (path, what) in [
            ("/proc/self/exe", "a regular file is always ready, and its operations block"),
            ("/", "a directory"),
            ("/dev/null", "the descriptor has no readiness"),
        ] {
            let file = OwnedFd::from(File::open(path).unwrap());
            let error = AsyncFd::new(file).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(what), "{path}: {text}");
            assert!(text.contains("on a thread that may block"), "{path}: {text}");
            let (file, error) = error.into_parts();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{path}");
            // It is open still.
            rustix::fs::fstat(file).unwrap();
        }
    });
}

#[test]
fn without_a_loop_the_descriptor_is_given_back() {
    let _alone = alone();
    let error = AsyncFd::new(pair().0).unwrap_err();
    assert!(error.to_string().contains("AsyncFd::new"), "{error}");
    assert!(error.to_string().contains("io_async_fd.rs"), "{error}");
    let (_ours, _error) = error.into_parts();
}
