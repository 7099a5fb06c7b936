//! Readiness: neither lost nor taken for more than it is, and given to the right task.

#![cfg(not(miri))] // asks the poller from outside, which Miri cannot do
#![cfg(unix)]

mod net_common;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{ErrorKind, Write};
use std::net::TcpStream as StdStream;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_lite::future::{poll_once, zip};
use monoloop::io::*;
use monoloop::net::TcpStream;
use monoloop::{EventLoop, spawn, yield_now};
use net_common::*;

/// The cheapest stream there is, with the type of a TCP stream.
fn cheap_pair() -> (StdStream, StdStream) {
    let (a, b) = UnixStream::pair().expect("a pair of sockets");
    (OwnedFd::from(a).into(), OwnedFd::from(b).into())
}

fn poll_read(stream: &TcpStream, buffer: &mut [u8], waker: &Waker) -> Poll<std::io::Result<usize>> {
    let mut stream = stream;
    Pin::new(&mut stream).poll_read(&mut Context::from_waker(waker), buffer)
}

fn poll_write(stream: &TcpStream, data: &[u8], waker: &Waker) -> Poll<std::io::Result<usize>> {
    let mut stream = stream;
    Pin::new(&mut stream).poll_write(&mut Context::from_waker(waker), data)
}

/// Passes events on until there are none: a wait of zero length finds nothing more.
fn settle(event_loop: &EventLoop) {
    for _ in 0..3 {
        while event_loop.turn(Some(Duration::ZERO)).unwrap() {}
    }
}

// Not lost: what the kernel still has is given, however it is cut.

#[test]
fn reading_byte_by_byte_gives_every_byte() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        let writer = spawn(async move {
            for n in 0..100_u8 {
                peer.write_all(&vec![n; usize::from(n)]).await.unwrap();
                if n % 3 == 0 {
                    yield_now().await;
                }
            }
        });
        for n in 0..100_u8 {
            for _ in 0..n {
                let mut byte = [0];
                assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
                assert_eq!(byte, [n]);
            }
        }
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        writer.await.unwrap();
    });
}

#[test]
fn reads_of_all_sizes_against_writes_of_all_sizes_give_every_byte() {
    let _alone = alone();
    run(async {
        for (read_size, write_size) in [(1, 7), (7, 1), (5, 5), (64, 3), (3, 64), (1000, 999)] {
            let (mut stream, mut peer) = pair().await;
            let reader = spawn(async move {
                let (mut total, mut buffer) = (0, vec![0; read_size]);
                loop {
                    match stream.read(&mut buffer).await.unwrap() {
                        0 => return total,
                        read => total += read,
                    }
                }
            });
            for n in 0..200 {
                peer.write_all(&vec![1; write_size]).await.unwrap();
                if n % 5 == 0 {
                    yield_now().await;
                }
            }
            drop(peer);
            assert_eq!(reader.await.unwrap(), 200 * write_size, "{read_size} {write_size}");
        }
    });
}

#[test]
fn peeking_before_every_read_gives_every_byte() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        let writer = spawn(async move {
            for n in 0..=255_u8 {
                peer.write_all(&[n, n]).await.unwrap();
                yield_now().await;
            }
        });
        for n in 0..=255_u8 {
            for _ in 0..2 {
                // A short peek does not mean that nothing is left: the byte is there to be read.
                let mut peeked = [0; 64];
                assert!(stream.peek(&mut peeked).await.unwrap() > 0);
                let mut byte = [0];
                assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
                assert_eq!((byte[0], peeked[0]), (n, n));
            }
        }
        assert_eq!(stream.peek(&mut [0]).await.unwrap(), 0);
        writer.await.unwrap();
    });
}

#[test]
fn short_writes_go_on_when_there_is_room() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        let total = fill(&stream) + 1_000_000;
        let filled = total - 1_000_000;
        let writer = spawn(async move {
            let data = [b'y'; 100_000];
            let (mut left, mut calls) = (1_000_000, 0);
            while left > 0 {
                left -= stream.write(&data[..left.min(data.len())]).await.unwrap();
                calls += 1;
            }
            calls
        });
        // Slowly, with a buffer of its own size for each read.
        let (mut read, mut size) = (0, 1);
        while read < total {
            let mut buffer = vec![0; size];
            let more = peer.read(&mut buffer).await.unwrap();
            assert!(more > 0, "{read} of {total}, {filled} of them at once");
            read += more;
            size = size * 5 / 4 + 1;
        }
        assert!(writer.await.unwrap() >= 10);
    });
}

/// Data and the end in one event, then a read that is short: the end must still be seen.
#[test]
fn a_short_read_does_not_hide_the_end() {
    let _alone = alone();
    run(async {
        for _ in 0..50 {
            let (mut stream, mut peer) = pair().await;
            let mut buffer = [0; 64];
            let mut reading = pin!(stream.read(&mut buffer));
            assert!(poll_once(reading.as_mut()).await.is_none());
            peer.write_all(b"abc").await.unwrap();
            drop(peer);
            assert_eq!(reading.await.unwrap(), 3);
            assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
        }
    });
}

// Not taken for more than it is.

#[test]
fn a_spurious_wake_is_one_more_poll() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        let polls = Rc::new(Cell::new(0));
        let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
        let kept = Rc::clone(&waker);
        let reader = spawn(counted(Rc::clone(&polls), async move {
            let mut byte = [0];
            let mut reading = pin!(stream.read(&mut byte));
            std::future::poll_fn(|cx| {
                *kept.borrow_mut() = Some(cx.waker().clone());
                reading.as_mut().poll(cx)
            })
            .await
        }));
        yield_now().await;
        for n in 1..10 {
            assert_eq!(polls.get(), n);
            waker.borrow().as_ref().unwrap().wake_by_ref();
            yield_now().await;
        }
        assert!(!reader.is_finished());
        peer.write_all(b"x").await.unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), 1);
        assert_eq!(polls.get(), 11);
    });
}

/// The reader is woken, and before it runs another takes the data past the loop.
#[test]
fn an_event_whose_data_is_gone_is_one_more_poll() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair_with_std().await;
        let stream = Rc::new(stream);
        let polls = Rc::new(Cell::new(0));
        let theirs = Rc::clone(&stream);
        assert!(stream.try_read(&mut [0]).is_err());
        for n in 1..=20 {
            // First in the list of those who wait for it: the thief, which is this very task.
            let mut thief = pin!(stream.readable());
            assert!(poll_once(thief.as_mut()).await.is_none());
            polls.set(0);
            let (their_polls, theirs) = (Rc::clone(&polls), Rc::clone(&theirs));
            let reader = spawn(async move {
                let mut buffer = [0; 8];
                let read = counted(their_polls, theirs.peek(&mut buffer)).await;
                (read.unwrap(), buffer)
            });
            yield_now().await;
            peer.write_all(b"stolen").unwrap();
            thief.await.unwrap();
            let mut past = StdStream::from(stream.as_fd().try_clone_to_owned().unwrap());
            assert_eq!(std::io::Read::read(&mut past, &mut [0; 8]).unwrap(), 6);
            drop(past);
            until(|| polls.get() == 2).await;
            assert!(!reader.is_finished(), "{n}");
            peer.write_all(b"real").unwrap();
            let (read, buffer) = reader.await.unwrap();
            assert_eq!((&buffer[..read], polls.get()), (&b"real"[..], 3));
            assert_eq!(stream.try_read(&mut [0; 8]).unwrap(), 4);
            assert!(stream.try_read(&mut [0; 8]).is_err());
        }
    });
}

#[test]
fn of_two_tasks_woken_for_one_byte_the_second_waits_on() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair().await;
        let stream = Rc::new(stream);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let stream = Rc::clone(&stream);
                spawn(async move {
                    loop {
                        stream.readable().await.unwrap();
                        let mut byte = [0];
                        match stream.try_read(&mut byte) {
                            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                            result => break (result.unwrap(), byte[0]),
                        }
                    }
                })
            })
            .collect();
        yield_now().await;
        peer.write_all(b"1").await.unwrap();
        until(|| readers[0].is_finished()).await;
        for _ in 0..100 {
            yield_now().await;
        }
        assert!(!readers[1].is_finished());
        peer.write_all(b"2").await.unwrap();
        let mut got = Vec::new();
        for reader in readers {
            got.push(reader.await.unwrap());
        }
        assert_eq!(got, [(1, b'1'), (1, b'2')]);
    });
}

// Given to the right task.

#[test]
fn a_reader_and_a_writer_of_one_socket_are_each_woken_by_their_own_direction() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair_with_std().await;
        let filled = fill(&stream);
        let ((reads, reader), (writes, writer)) = (Wakes::new(), Wakes::new());
        let mut buffer = [0; 8];
        for n in 1..=5 {
            assert!(poll_write(&stream, b"w", &writer).is_pending());
            assert!(poll_read(&stream, &mut buffer, &reader).is_pending());
            peer.write_all(b"r").unwrap();
            until(|| reads.count() == n).await;
            assert_eq!(writes.count(), 0, "there is no room yet");
            let Poll::Ready(Ok(1)) = poll_read(&stream, &mut buffer, &reader) else { panic!() };
        }
        assert!(poll_read(&stream, &mut buffer, &reader).is_pending());
        drain(&peer, filled);
        until(|| writes.count() == 1).await;
        assert_eq!(reads.count(), 5, "nothing is there to read");
    });
}

#[test]
fn the_waker_of_the_last_poll_is_the_one_that_is_woken() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair_with_std().await;
        let filled = fill(&stream);
        let ((old_wakes, old), (new_wakes, new)) = (Wakes::new(), Wakes::new());
        let mut buffer = [0; 8];
        for waker in [&old, &new] {
            assert!(poll_read(&stream, &mut buffer, waker).is_pending());
            assert!(poll_write(&stream, b"w", waker).is_pending());
        }
        // The old one was let go: the test has one, and the waker itself.
        drop(old);
        assert_eq!(Arc::strong_count(&old_wakes), 1);
        peer.write_all(b"r").unwrap();
        until(|| new_wakes.count() == 1).await;
        drain(&peer, filled);
        until(|| new_wakes.count() == 2).await;
        assert_eq!(old_wakes.count(), 0);
    });
}

#[test]
fn a_wait_that_moves_to_another_task_wakes_that_one() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair_with_std().await;
        let stream = Rc::new(stream);
        let mut waiting = Box::pin({
            let stream = Rc::clone(&stream);
            async move { stream.readable().await }
        });
        let (old_wakes, old) = Wakes::new();
        assert!(stream.try_read(&mut [0]).is_err());
        assert!(poll_with(waiting.as_mut(), &old).is_pending());
        let polls = Rc::new(Cell::new(0));
        let other = spawn(counted(Rc::clone(&polls), waiting));
        yield_now().await;
        assert_eq!(polls.get(), 1);
        peer.write_all(b"r").unwrap();
        other.await.unwrap().unwrap();
        assert_eq!((polls.get(), old_wakes.count()), (2, 0));
    });
}

#[test]
fn many_waiters_are_all_woken_in_the_order_they_came() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair_with_std().await;
        let filled = fill(&stream);
        assert!(stream.try_read(&mut [0]).is_err());
        let stream = Rc::new(stream);
        let order = Rc::new(RefCell::new(Vec::new()));
        let wait = |n: usize, write: bool| {
            let (stream, order) = (Rc::clone(&stream), Rc::clone(&order));
            spawn(async move {
                match write {
                    true => stream.writable().await.unwrap(),
                    false => stream.readable().await.unwrap(),
                }
                order.borrow_mut().push(n);
            })
        };
        let readers: Vec<_> = (0..20).map(|n| wait(n, false)).collect();
        let writers: Vec<_> = (100..120).map(|n| wait(n, true)).collect();
        yield_now().await;
        peer.write_all(b"r").unwrap();
        for reader in readers {
            reader.await.unwrap();
        }
        assert_eq!(order.take(), (0..20).collect::<Vec<_>>());
        assert!(writers.iter().all(|writer| !writer.is_finished()));
        drain(&peer, filled);
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(order.take(), (100..120).collect::<Vec<_>>());
    });
}

#[test]
fn a_dropped_wait_leaves_no_waiter() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair_with_std().await;
        assert!(stream.try_read(&mut [0]).is_err());
        let wakes: Vec<_> = (0..9).map(|_| Wakes::new()).collect();
        let mut waits: Vec<_> = (0..9).map(|_| Some(Box::pin(stream.readable()))).collect();
        for (wait, (_, waker)) in waits.iter_mut().flatten().zip(&wakes) {
            assert!(poll_with(wait.as_mut(), waker).is_pending());
        }
        let references = |n: usize| Arc::strong_count(&wakes[n].0);
        assert_eq!(references(4), 3, "ours, our waker, and the one that waits");
        for n in [0, 4, 8] {
            waits[n] = None;
            assert_eq!(references(n), 2);
        }
        peer.write_all(b"r").unwrap();
        until(|| wakes[7].0.count() == 1).await;
        let counts: Vec<_> = wakes.iter().map(|(wakes, _)| wakes.count()).collect();
        assert_eq!(counts, [0, 1, 1, 1, 0, 1, 1, 1, 0]);
        // Those that were woken and are dropped unpolled leave nothing either.
        drop(waits);
        assert!((0..9).all(|n| references(n) == 2));
        let (both, waker) = Wakes::new();
        assert_eq!(stream.try_read(&mut [0; 8]).unwrap(), 1);
        let mut again = Box::pin(zip(stream.readable(), stream.readable()));
        assert!(stream.try_read(&mut [0]).is_err());
        assert!(poll_with(again.as_mut(), &waker).is_pending());
        assert!(poll_with(again.as_mut(), &waker).is_pending());
        drop(again);
        peer.write_all(b"r").unwrap();
        stream.readable().await.unwrap();
        assert_eq!(both.count(), 0);
    });
}

#[test]
fn a_dropped_socket_lets_its_wakers_go() {
    let _alone = alone();
    run(async {
        let (stream, _peer) = pair().await;
        let (wakes, waker) = Wakes::new();
        assert!(poll_read(&stream, &mut [0], &waker).is_pending());
        let mut waiting = Box::pin(stream.readable());
        assert!(poll_with(waiting.as_mut(), &waker).is_pending());
        assert_eq!(Arc::strong_count(&wakes), 4);
        drop(waiting);
        drop(stream);
        assert_eq!(Arc::strong_count(&wakes), 2);
        assert_eq!(wakes.count(), 0);
    });
}

// Late events, and descriptors that live on elsewhere.

/// Closes the other stream when it is woken, and opens one in its place: same descriptor, same key but for the
/// generation, while an event for the old one waits in the same batch.
struct Saboteur {
    shared: Arc<Mutex<Shared>>,
    victim: usize,
}

#[derive(Default)]
struct Shared {
    streams: [Option<TcpStream>; 2],
    spare: Option<StdStream>,
    /// What became of the victim's descriptor: before and after.
    descriptors: Option<(i32, i32)>,
    successor: Option<(TcpStream, Arc<Wakes>)>,
    woken: usize,
}

impl Wake for Saboteur {
    fn wake(self: Arc<Self>) {
        let mut shared = lock(&self.shared);
        shared.woken += 1;
        let Some(old) = shared.streams[self.victim].take() else { return };
        if shared.spare.is_none() {
            return;
        }
        let old_number = old.as_fd().as_raw_fd();
        drop(old);
        let spare = shared.spare.take().expect("just seen");
        // The lowest free number: the one that was just closed.
        let new = spare.try_clone().unwrap();
        let number = new.as_raw_fd();
        let new = TcpStream::from_std(new).unwrap();
        let (wakes, waker) = Wakes::new();
        assert!(poll_read(&new, &mut [0], &waker).is_pending());
        shared.descriptors = Some((old_number, number));
        shared.successor = Some((new, wakes));
        shared.spare = Some(spare);
    }
}

#[test]
fn a_late_event_of_a_closed_socket_does_not_reach_its_successor() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let shared = Arc::new(Mutex::new(Shared::default()));
    let (mut peers, spare_peer) = event_loop.run(async {
        let (spare, spare_peer) = cheap_pair();
        lock(&shared).spare = Some(spare);
        let mut peers = Vec::new();
        for own in 0..2 {
            let (stream, peer) = cheap_pair();
            let stream = TcpStream::from_std(stream).unwrap();
            let waker =
                Waker::from(Arc::new(Saboteur { shared: Arc::clone(&shared), victim: 1 - own }));
            assert!(poll_read(&stream, &mut [0], &waker).is_pending());
            lock(&shared).streams[own] = Some(stream);
            peers.push(peer);
        }
        (peers, spare_peer)
    });
    settle(&event_loop);
    for peer in &mut peers {
        peer.write_all(b"x").unwrap();
    }
    settle(&event_loop);
    let mut done = std::mem::take(&mut *lock(&shared));
    assert_eq!(done.woken, 1, "the event of the one that was closed is dropped");
    let (before, after) = done.descriptors.expect("one closed the other");
    assert_eq!(before, after, "the descriptor was used again");
    let (successor, wakes) = done.successor.take().unwrap();
    assert_eq!(wakes.count(), 0);
    // It works, too: its own event does arrive.
    (&spare_peer).write_all(b"y").unwrap();
    settle(&event_loop);
    assert_eq!(wakes.count(), 1);
    event_loop.run(async { drop((successor, done)) });
}

/// Rounds of closing and opening, with events under way for all that are closed.
#[test]
fn sockets_that_are_closed_and_opened_again_and_again_get_only_their_own_events() {
    const SOCKETS: usize = 40;
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 1700 };

    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let mut live: Vec<(TcpStream, StdStream, Arc<Wakes>)> = Vec::new();
    let open = || {
        let (stream, peer) = cheap_pair();
        let stream = TcpStream::from_std(stream).unwrap();
        let (wakes, waker) = Wakes::new();
        assert!(poll_read(&stream, &mut [0], &waker).is_pending());
        (stream, peer, wakes)
    };
    for round in 0..ROUNDS {
        event_loop.run(async { live.resize_with(SOCKETS, open) });
        for (_, peer, _) in &mut live {
            peer.write_all(b"x").unwrap();
        }
        // All have an event under way. Every other socket is closed before it is passed on, and its
        // descriptor and key go to a new one, for which nothing is under way.
        event_loop.run(async {
            for n in (0..SOCKETS).step_by(2) {
                live.push(open());
                drop(live.swap_remove(n));
                live.push(open());
                drop(live.swap_remove(n));
            }
        });
        settle(&event_loop);
        for (n, (_, _, wakes)) in live.iter().enumerate() {
            assert_eq!(wakes.count(), n % 2, "socket {n} in round {round}");
        }
        event_loop.run(async { live.retain(|(_, _, wakes)| wakes.count() == 0) });
    }
    event_loop.run(async { live.clear() });
}

/// Whether the poller has anything to report.
#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
fn has_events(event_loop: &EventLoop) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};

    let zero = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(event_loop, PollFlags::IN)], Some(&zero)).unwrap() > 0
}

#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
#[test]
fn a_dropped_socket_whose_descriptor_lives_on_elsewhere_causes_no_events() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let (copy, mut peer) = event_loop.run(async {
        let (stream, peer) = pair_with_std().await;
        let copy = stream.as_fd().try_clone_to_owned().unwrap();
        assert!(poll_once(stream.readable()).await.is_some());
        drop(stream);
        (copy, peer)
    });
    settle(&event_loop);
    peer.write_all(b"x").unwrap();
    assert!(!has_events(&event_loop), "the poller does not know the descriptor any more");
    // The copy is a connection like any other.
    event_loop.run(async {
        let mut stream = TcpStream::from_std(copy.into()).unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
    });
}

/// Where the loop is not current, the poller cannot be told: it may report once for each event, and no more.
#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
#[test]
fn one_that_is_dropped_on_another_thread_does_not_make_the_loop_spin() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let (stream, copy, mut peer) = event_loop.run(async {
        let (stream, peer) = pair_with_std().await;
        let copy = stream.as_fd().try_clone_to_owned().unwrap();
        (stream, copy, peer)
    });
    std::thread::spawn(|| drop(stream)).join().unwrap();
    settle(&event_loop);
    peer.write_all(b"x").unwrap();
    settle(&event_loop);
    assert!(!has_events(&event_loop), "edge-triggered: reported once at most");
    drop(copy);
    drop(peer);
    settle(&event_loop);
    assert!(!has_events(&event_loop));
}

/// The kernel knows a registration by number and open file: a copy under the same number is known already.
#[test]
fn a_copy_can_be_registered_under_the_number_of_a_socket_dropped_elsewhere() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let (stream, copy, mut peer) = event_loop.run(async {
        let (stream, peer) = pair_with_std().await;
        let copy = stream.as_fd().try_clone_to_owned().unwrap();
        (stream, copy, peer)
    });
    let number = stream.as_fd().as_raw_fd();
    std::thread::spawn(|| drop(stream)).join().unwrap();
    let again = copy.try_clone().unwrap();
    assert_eq!(again.as_raw_fd(), number, "the lowest number that is free");
    run_on(&event_loop, async {
        let mut stream = TcpStream::from_std(again.into()).unwrap();
        let mut byte = [0];
        let mut reading = pin!(stream.read(&mut byte));
        assert!(poll_once(reading.as_mut()).await.is_none());
        peer.write_all(b"x").unwrap();
        assert_eq!(reading.await.unwrap(), 1);
    });
}
