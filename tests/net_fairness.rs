//! Nothing starves: sockets beside busy tasks, quiet sockets beside a hot one, more events than fit at once.

#![cfg(not(miri))] // thousands of sockets take Miri for ever
#![cfg(unix)]

mod net_common;

use std::cell::Cell;
use std::future::Future;
use std::io::Write;
use std::iter;
use std::net::TcpStream as StdStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use monoloop::io::*;
use monoloop::net::TcpStream;
use monoloop::{ErrorReport, EventLoop, Handle, JoinHandle, spawn, yield_now};
use net_common::*;

/// The cheapest stream there is, with the type of a TCP stream.
fn cheap_pair() -> (TcpStream, StdStream) {
    let (a, b) = UnixStream::pair().expect("a pair of sockets");
    (TcpStream::from_std(OwnedFd::from(a).into()).expect("a loop"), OwnedFd::from(b).into())
}

/// Two tasks that wake each other for ever. Gives how often they ran so far.
fn ping_pong() -> (Rc<Cell<usize>>, [JoinHandle<()>; 2]) {
    let runs = Rc::new(Cell::new(0));
    let wakers: [Rc<Cell<Option<Waker>>>; 2] = Default::default();
    let player = |n: usize| {
        let (mine, other) = (Rc::clone(&wakers[n]), Rc::clone(&wakers[1 - n]));
        let runs = Rc::clone(&runs);
        spawn(std::future::poll_fn(move |cx| {
            runs.set(runs.get() + 1);
            mine.set(Some(cx.waker().clone()));
            if let Some(other) = other.take() {
                other.wake();
            }
            std::task::Poll::<()>::Pending
        }))
    };
    let players = [player(0), player(1)];
    (runs, players)
}

/// How often others run while a byte that is there waits to be read.
async fn runs_before_a_byte(
    runs: &Cell<usize>,
    stream: &mut TcpStream,
    peer: &mut StdStream,
) -> usize {
    let mut byte = [0];
    let mut reading = std::pin::pin!(stream.read(&mut byte));
    assert!(futures_lite::future::poll_once(reading.as_mut()).await.is_none());
    peer.write_all(b"x").unwrap();
    let before = runs.get();
    assert_eq!(reading.await.unwrap(), 1);
    runs.get() - before
}

#[test]
fn sockets_timers_and_other_threads_are_served_beside_tasks_that_wake_each_other_for_ever() {
    let _alone = alone();
    run(async {
        let (runs, players) = ping_pong();
        let (mut stream, mut peer) = pair_with_std().await;
        for _ in 0..50 {
            let waited = runs_before_a_byte(&runs, &mut stream, &mut peer).await;
            // By default I/O is asked for after 256 polls, if not by time.
            assert!(waited <= 1000, "the socket waited for {waited} polls of others");
        }
        for _ in 0..5 {
            monoloop::time::sleep(Duration::from_millis(1)).await;
        }
        let handle = Handle::current();
        let called = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&called);
        let other = thread::spawn(move || {
            handle.call_soon_threadsafe(move || theirs.store(true, Ordering::SeqCst))
        });
        until(|| called.load(Ordering::SeqCst)).await;
        other.join().unwrap().unwrap();
        assert!(players.iter().all(|player| !player.is_finished()));
        let before = runs.get();
        yield_now().await;
        yield_now().await;
        assert!(runs.get() > before, "they do go on for ever");
        assert!(players.iter().all(|player| player.abort()));
    });
}

#[test]
fn a_socket_is_asked_for_after_as_many_polls_as_the_builder_says() {
    let _alone = alone();
    // Never by time: a poll takes less than the quarter of a millisecond that would count.
    let event_loop = EventLoop::builder().io_interval(10).virtual_time(true).build().unwrap();
    event_loop.run(async {
        let (runs, players) = ping_pong();
        let (mut stream, mut peer) = pair_with_std().await;
        for _ in 0..20 {
            let waited = runs_before_a_byte(&runs, &mut stream, &mut peer).await;
            // Asked for between stretches of polls, and a stretch is at most 32.
            assert!(waited <= 64, "{waited} polls");
        }
        assert!(players.iter().all(|player| player.abort()));
    });
}

/// A peek takes nothing, so a socket with one byte in it is ready for ever.
async fn peek_for_ever(stream: TcpStream, peeks: Rc<Cell<usize>>) {
    loop {
        peeks.set(peeks.get() + 1);
        assert_eq!(stream.peek(&mut [0]).await.unwrap(), 1);
    }
}

#[test]
fn a_task_whose_socket_is_always_ready_gives_way() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair_with_std().await;
        peer.write_all(b"x").unwrap();
        let peeks = Rc::new(Cell::new(0));
        let hot = spawn(peek_for_ever(stream, Rc::clone(&peeks)));
        for turn in 1..100 {
            yield_now().await;
            let peeks = peeks.get();
            assert!(peeks > 0 && peeks <= turn * 1000, "{peeks} operations in {turn} polls");
        }
        hot.abort();
    });
}

/// As above, for every way to move bytes: none of them may run for ever in one poll.
#[test]
fn reading_and_writing_without_end_give_way() {
    let _alone = alone();
    run(async {
        let (mut stream, peer) = pair_with_std().await;
        let flood = thread::spawn(move || while (&peer).write_all(&[0; 65_536]).is_ok() {});
        let done = Rc::new(Cell::new(false));
        let flag = Rc::clone(&done);
        drop(spawn(async move {
            for _ in 0..20 {
                yield_now().await;
            }
            flag.set(true);
        }));
        while !done.get() {
            // Small reads of a stream that is never empty for long.
            assert!(stream.read(&mut [0; 16]).await.unwrap() > 0);
        }
        reset(stream);
        flood.join().unwrap();

        let (mut stream, peer) = pair_with_std().await;
        let sink = thread::spawn(move || std::io::copy(&mut { peer }, &mut std::io::sink()));
        let flag = Rc::clone(&done);
        done.set(false);
        drop(spawn(async move {
            for _ in 0..20 {
                yield_now().await;
            }
            flag.set(true);
        }));
        while !done.get() {
            assert!(stream.write(b"x").await.unwrap() > 0);
        }
        drop(stream);
        sink.join().unwrap().unwrap();
    });
}

#[test]
fn quiet_sockets_are_served_beside_a_hot_one() {
    let _alone = alone();
    let count = pairs_of_at_most(1000);
    run(async {
        let (stream, mut peer) = cheap_pair();
        peer.write_all(b"x").unwrap();
        let peeks = Rc::new(Cell::new(0));
        let hot_polls = Rc::new(Cell::new(0));
        let hot = spawn(counted(Rc::clone(&hot_polls), peek_for_ever(stream, Rc::clone(&peeks))));
        let (quiet, mut peers): (Vec<_>, Vec<_>) = (0..count).map(|_| cheap_pair()).unzip();
        // Each serves its peer, and notes how often the hot one was polled meanwhile.
        let waits = Rc::new(Cell::new(Vec::new()));
        let began = Rc::new(Cell::new(0));
        let tasks: Vec<_> = quiet
            .into_iter()
            .map(|mut stream| {
                let (waits, began) = (Rc::clone(&waits), Rc::clone(&began));
                let hot_polls = Rc::clone(&hot_polls);
                spawn(async move {
                    let mut byte = [0];
                    while stream.read(&mut byte).await.unwrap() > 0 {
                        stream.write_all(&byte).await.unwrap();
                        let mut all = waits.take();
                        all.push(hot_polls.get() - began.get());
                        waits.set(all);
                    }
                })
            })
            .collect();
        yield_now().await;
        for round in 1..=10 {
            began.set(hot_polls.get());
            for peer in &mut peers {
                peer.write_all(b"?").unwrap();
            }
            loop {
                let all = waits.take();
                let served = all.len();
                waits.set(all);
                if served == round * count {
                    break;
                }
                yield_now().await;
            }
        }
        for mut peer in peers {
            std::io::Read::read_exact(&mut peer, &mut [0; 10]).unwrap();
        }
        for task in tasks {
            task.await.unwrap();
        }
        hot.abort();
        let mut waits = waits.take();
        waits.sort_unstable();
        let (median, max) = (waits[waits.len() / 2], waits[waits.len() - 1]);
        assert!(max <= 10 * median.max(30), "median {median}, longest {max} polls of the hot one");
    });
}

/// Several in one task share what it may do in one poll.
#[test]
fn branches_of_one_task_take_turns() {
    let _alone = alone();
    let counts: Vec<Rc<Cell<usize>>> = (0..4).map(|_| Rc::default()).collect();
    run(async {
        let mut peers = Vec::new();
        let mut branches = Vec::new();
        for count in &counts {
            let (stream, mut peer) = cheap_pair();
            peer.write_all(b"x").unwrap();
            peers.push(peer);
            branches.push(peek_for_ever(stream, Rc::clone(count)));
        }
        let all = spawn(monoloop::future::gather(branches));
        for _ in 0..4000 {
            yield_now().await;
        }
        all.abort();
        drop(peers);
    });
    let counts: Vec<_> = counts.iter().map(|count| count.get()).collect();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    // Each round is for one of them.
    assert!(*least > 0 && most - least <= 1000, "{counts:?}");
}

/// Polls its future whenever it is woken, inside of the wake.
struct Inline(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        let Some(mut future) = lock(&self.0).take() else { return };
        let waker = Waker::from(Arc::clone(&self));
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *lock(&self.0) = Some(future);
        }
    }
}

#[test]
fn one_that_is_polled_by_its_waker_goes_on_after_it_gave_way() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = cheap_pair();
        peer.write_all(b"x").unwrap();
        let (done, is_done) = monoloop::sync::remote::oneshot::channel();
        let peeks = async move {
            for _ in 0..1000 {
                stream.peek(&mut [0]).await.unwrap();
            }
            done.send(()).unwrap();
        };
        Arc::new(Inline(Mutex::new(Some(Box::pin(peeks))))).wake();
        is_done.await.unwrap();
        drop(peer);
    });
}

/// As many pairs of sockets as the limit on descriptors leaves room for, but no more than `most`.
fn pairs_of_at_most(most: usize) -> usize {
    use rustix::process::{Resource, getrlimit};

    let limit = getrlimit(Resource::Nofile).current.unwrap_or(20_000) as usize;
    let count = limit.saturating_sub(200).div_euclid(2).min(most);
    assert!(count > 100, "a limit of {limit} descriptors is too low for this test");
    count
}

/// The poller takes 1024 events at a time.
#[cfg(target_os = "linux")]
#[test]
fn more_ready_sockets_than_fit_one_batch_are_all_served() {
    let _alone = alone();
    let count = pairs_of_at_most(5000);
    let event_loop = EventLoop::new().unwrap();
    let mut all = event_loop.run(async {
        let mut all = Vec::new();
        for _ in 0..count {
            let (stream, peer) = cheap_pair();
            let (wakes, waker) = Wakes::new();
            all.push((stream, peer, wakes, waker));
        }
        all
    });
    event_loop.run(async {
        for (stream, _, _, waker) in &mut all {
            let polled = Pin::new(stream).poll_read(&mut Context::from_waker(waker), &mut [0]);
            assert!(polled.is_pending());
        }
    });
    // The events of registering are gone before those that count come.
    while event_loop.turn(Some(Duration::ZERO)).unwrap() {}
    for (_, peer, _, _) in &mut all {
        peer.write_all(b"x").unwrap();
    }
    let mut turns = 0;
    while all.iter().any(|(_, _, wakes, _)| wakes.count() == 0) {
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        turns += 1;
        assert!(turns <= 20, "{turns} turns for {count} events");
    }
    assert!(all.iter().all(|(_, _, wakes, _)| wakes.count() == 1));
    // And as tasks.
    run_on(&event_loop, async {
        let mut tasks = Vec::new();
        for (mut stream, peer, _, _) in all {
            let task = spawn(async move {
                assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 1);
                assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
            });
            tasks.push((task, peer));
        }
        yield_now().await;
        let (tasks, peers): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
        drop(peers);
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// A stream with so much to read that nobody may read it in one poll, and how much that is. On most systems: where the
/// buffers are small these tests say nothing.
async fn full_stream() -> (TcpStream, StdStream, usize) {
    let (stream, mut peer) = pair_with_std().await;
    peer.set_nonblocking(true).unwrap();
    let length = iter::repeat_with(|| peer.write(&[0; PIECE])).map_while(Result::ok).sum();
    if length <= 2 * MOST_IN_A_POLL {
        eprintln!("SKIPPED: only {length} bytes fit into the buffers of the system");
    }
    (stream, peer, length)
}

const PIECE: usize = 64 * 1024;
const MOST_IN_A_POLL: usize = 512 * 1024 + PIECE;

async fn read_all(mut stream: TcpStream, length: usize, mut after_each: impl FnMut(usize)) {
    let (mut buffer, mut count) = ([0; PIECE], 0);
    while count < length {
        count += stream.read(&mut buffer).await.unwrap();
        after_each(count);
    }
}

/// A loop with a task that has much to read. The peer is given back, so that it stays open.
#[cfg(target_os = "linux")]
fn reader_of_much() -> (EventLoop, JoinHandle<()>, StdStream) {
    let event_loop = EventLoop::new().unwrap();
    let (stream, peer, length) = event_loop.run(full_stream());
    let reader = event_loop.spawn(read_all(stream, length, |_| ()));
    (event_loop, reader, peer)
}

#[test]
#[cfg(target_os = "linux")] // the others have smaller buffers
fn who_reads_much_gives_way_to_others_that_wait() {
    let _alone = alone();
    run(async {
        let (stream, _peer, length) = full_stream().await;
        let (mut quiet, mut quiet_peer) = pair_with_std().await;
        let served = Rc::new(Cell::new(false));
        let flag = Rc::clone(&served);
        let other = spawn(async move {
            assert_eq!(quiet.read(&mut [0]).await.unwrap(), 1);
            flag.set(true);
        });
        yield_now().await;
        quiet_peer.write_all(b"x").unwrap();
        read_all(stream, length, |count| {
            assert!(served.get() || count <= MOST_IN_A_POLL, "nobody else had a turn, at {count}");
        })
        .await;
        other.await.unwrap();
    });
}

#[test]
fn who_gave_way_goes_on_though_nothing_happens() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair_with_std().await;
        peer.write_all(b"x").unwrap();
        for _ in 0..1000 {
            assert_eq!(stream.peek(&mut [0]).await.unwrap(), 1);
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn who_gave_way_goes_on_before_the_loop_is_stalled() {
    let _alone = alone();
    let (event_loop, reader, _peer) = reader_of_much();
    event_loop.run_until_stalled();
    assert!(reader.is_finished());
}

#[test]
#[cfg(target_os = "linux")]
fn a_host_that_turns_until_nothing_is_ready_sees_the_end_of_it() {
    let _alone = alone();
    let (event_loop, reader, _peer) = reader_of_much();
    while event_loop.turn(Some(Duration::ZERO)).unwrap() {}
    assert!(reader.is_finished());
}

#[test]
#[cfg(target_os = "linux")]
fn virtual_time_does_not_pass_while_somebody_gives_way() {
    let _alone = alone();
    run_virtually(async {
        let (stream, _peer, length) = full_stream().await;
        let begin = monoloop::time::now();
        let sleeper = spawn(monoloop::time::sleep(Duration::from_secs(1)));
        read_all(stream, length, |_| ()).await;
        assert_eq!(monoloop::time::now(), begin);
        sleeper.abort();
    });
}

#[test]
#[cfg(target_os = "linux")]
fn advancing_the_clock_lets_who_gave_way_go_on_first() {
    let _alone = alone();
    run_virtually(async {
        let (stream, _peer, length) = full_stream().await;
        let second = Duration::from_secs(1);
        let reader = spawn(monoloop::time::timeout(second, read_all(stream, length, |_| ())));
        monoloop::time::advance(second).await;
        assert_eq!(reader.await.unwrap(), Ok(()));
    });
}

/// A waker that panics when it goes.
struct Grumpy(Arc<AtomicUsize>);

impl Wake for Grumpy {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Grumpy {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("not now");
    }
}

#[test]
fn the_end_of_the_loop_drops_who_gave_way_and_survives_it() {
    let _alone = alone();
    let reports = Rc::new(Cell::new(0));
    let count = Rc::clone(&reports);
    let hook = move |_: &ErrorReport| count.set(count.get() + 1);
    let event_loop = EventLoop::builder().on_error(hook).build().unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    event_loop.run(async {
        let (stream, mut peer) = pair_with_std().await;
        peer.write_all(b"x").unwrap();
        let waker = Waker::from(Arc::new(Grumpy(Arc::clone(&dropped))));
        // Until it must give way.
        while poll_with(std::pin::pin!(stream.peek(&mut [0])), &waker).is_ready() {}
    });
    event_loop.shutdown();
    assert_eq!((dropped.load(Ordering::Relaxed), reports.get()), (1, 1));
}

/// A waker of another library's, woken from inside of the loop's wait: it may wake as many as it likes.
#[test]
fn wakers_that_wake_tasks_are_fair_too() {
    struct Relay(Waker);
    impl Wake for Relay {
        fn wake(self: Arc<Self>) {
            self.0.wake_by_ref();
        }
    }
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair_with_std().await;
        let mut byte = [0];
        let reading = async { stream.read(&mut byte).await };
        let mut reading = std::pin::pin!(reading);
        peer.write_all(b"").unwrap();
        let relayed = std::future::poll_fn(|cx| {
            let waker = Waker::from(Arc::new(Relay(cx.waker().clone())));
            poll_with(reading.as_mut(), &waker)
        });
        let task = async {
            assert_eq!(relayed.await.unwrap(), 1);
        };
        let writing = async {
            yield_now().await;
            peer.write_all(b"x").unwrap();
        };
        futures_lite::future::zip(task, writing).await;
    });
}
