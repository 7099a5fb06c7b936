//! The virtual clock: it jumps when nothing else can happen, in order, and waits for sockets and threads.

mod net_common;

use std::cell::RefCell;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::{poll_once, zip};
use monoloop::io::*;
use monoloop::time::{self, advance, interval, sleep, timeout};
use monoloop::{Handle, call_later, spawn, yield_now};
use net_common::*;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// What a test takes that waits for nothing real, on the slowest of machines.
const AT_ONCE: Duration = Duration::from_secs(if cfg!(miri) { 1000 } else { 60 });

#[test]
fn years_pass_at_once() {
    let _alone = alone();
    let begin = Instant::now();
    run_virtually(async {
        let begin = time::now();
        for _ in 0..1000 {
            sleep(DAY).await;
        }
        assert_eq!(time::now() - begin, 1000 * DAY);
    });
    assert!(begin.elapsed() < AT_ONCE);
}

#[test]
fn time_stands_still_while_anything_can_run() {
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let begin = time::now();
        let mut sleeping = pin!(sleep(Duration::from_nanos(1)));
        assert!(poll_once(sleeping.as_mut()).await.is_none());
        for _ in 0..10_000 {
            yield_now().await;
        }
        // Real time passes, and does not count.
        thread::sleep(Duration::from_millis(2));
        assert_eq!(time::now(), begin);
        assert_eq!(event_loop.now(), begin);
        assert!(poll_once(sleeping.as_mut()).await.is_none());
        sleeping.await;
        assert_eq!(time::now() - begin, Duration::from_nanos(1));
    });
}

/// The turn's clock, which ages and first deadlines are measured by, is right before the first wait.
#[test]
fn a_fresh_loop_knows_what_time_it_is() {
    let _alone = alone();
    for is_virtual in [true, false] {
        let event_loop = monoloop::EventLoop::builder().virtual_time(is_virtual).build().unwrap();
        event_loop.run(async {
            let task = spawn(async { monoloop::task::current().unwrap().age() });
            if is_virtual {
                // What is due at once is there at the first poll.
                assert!(poll_once(interval(SECOND).tick()).await.is_some());
            }
            sleep(Duration::from_millis(1)).await;
            assert!(task.await.unwrap() < DAY);
            let age = monoloop::task::current().unwrap().age();
            assert!(age < DAY, "a task of this moment is {age:?} old");
        });
    }
}

/// What happens, and when, in seconds since the beginning.
#[derive(Clone)]
struct Log {
    begin: Instant,
    entries: Rc<RefCell<Vec<(u64, String)>>>,
}

impl Log {
    fn new() -> Log {
        Log { begin: time::now(), entries: Rc::default() }
    }

    fn add(&self, what: impl Into<String>) {
        let when = (time::now() - self.begin).as_secs();
        self.entries.borrow_mut().push((when, what.into()));
    }

    fn take(&self) -> Vec<(u64, String)> {
        self.entries.take()
    }
}

#[test]
fn after_a_jump_of_a_day_everything_happens_in_order() {
    let _alone = alone();
    run_virtually(async {
        let log = Log::new();
        let mut tasks = Vec::new();
        for hours in [24, 1, 12, 6, 24, 3] {
            let log = log.clone();
            tasks.push(spawn(async move {
                sleep(hours * 3600 * SECOND).await;
                log.add(format!("sleep {hours}"));
            }));
        }
        let bounded = log.clone();
        tasks.push(spawn(async move {
            timeout(DAY, std::future::pending::<()>()).await.unwrap_err();
            bounded.add("timeout");
        }));
        let ticking = log.clone();
        tasks.push(spawn(async move {
            let mut interval = interval(8 * 3600 * SECOND);
            for n in 0..4 {
                interval.tick().await;
                ticking.add(format!("tick {n}"));
            }
        }));
        let called = log.clone();
        call_later(DAY, move || called.add("call"));
        yield_now().await;
        assert_eq!(log.take(), [(0, "tick 0".to_owned())]);
        // In one step.
        advance(DAY).await;
        let hours = |hours: u64, what: &str| (hours * 3600, what.to_owned());
        let order: Vec<_> = log.take();
        let times: Vec<_> = order.iter().map(|(when, _)| *when).collect();
        assert!(times.is_sorted(), "{times:?}");
        let head = [
            hours(1, "sleep 1"),
            hours(3, "sleep 3"),
            hours(6, "sleep 6"),
            hours(8, "tick 1"),
            hours(12, "sleep 12"),
            hours(16, "tick 2"),
        ];
        assert_eq!(order[..6], head);
        // All at the same instant: in the order of their making. The callback's was made first, as tasks
        // begin to run only after it.
        let names: Vec<_> = order[6..].iter().map(|(_, what)| what.as_str()).collect();
        assert_eq!(names, ["call", "sleep 24", "sleep 24", "timeout", "tick 3"]);
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn advancing_by_hand_stops_where_it_was_told() {
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let begin = time::now();
        let sleeper = spawn(async { sleep(10 * SECOND).await });
        yield_now().await;
        advance(9 * SECOND).await;
        assert_eq!(time::now() - begin, 9 * SECOND);
        assert!(!sleeper.is_finished());
        advance(Duration::ZERO).await;
        assert_eq!(time::now() - begin, 9 * SECOND);
        advance(SECOND).await;
        assert!(sleeper.is_finished());
        assert_eq!(time::now() - begin, 10 * SECOND);
        // It is no jump to wherever: a chain of sleeps sees each of its times.
        let log = Log::new();
        let theirs = log.clone();
        drop(spawn(async move {
            for n in 1..=5 {
                sleep(n * SECOND).await;
                theirs.add("");
            }
        }));
        advance(100 * SECOND).await;
        let times: Vec<_> = log.take().into_iter().map(|(when, _)| when).collect();
        assert_eq!(times, [1, 3, 6, 10, 15]);
        assert_eq!(event_loop.next_deadline(), None);
        advance(Duration::MAX).await;
    });
}

/// The receiver gives way after a few thousand values, and is ready all the same.
#[test]
fn advance_waits_for_those_who_give_way() {
    let _alone = alone();
    run_virtually(async {
        let (sender, mut receiver) = monoloop::sync::mpsc::unbounded_channel();
        (0..20_000).for_each(|n| sender.send(n).unwrap());
        drop(sender);
        let begin = time::now();
        let draining = spawn(async move {
            while receiver.recv().await.is_some() {}
            time::now()
        });
        advance(DAY).await;
        assert_eq!(draining.await.unwrap(), begin);
    });
}

#[test]
fn advancing_the_real_clock_panics() {
    let _alone = alone();
    let payload = catch_unwind(AssertUnwindSafe(|| run(advance(SECOND)))).unwrap_err();
    let text = payload.downcast_ref::<String>().expect("a text");
    assert!(text.contains("virtual_time(true)"), "{text}");
}

#[test]
fn a_hosts_turn_that_must_not_wait_lets_no_time_pass() {
    let _alone = alone();
    let event_loop = virtual_loop();
    let begin = event_loop.now();
    let task = event_loop.spawn(async { sleep(SECOND).await });
    for _ in 0..10 {
        event_loop.turn(Some(Duration::ZERO)).unwrap();
    }
    assert_eq!(event_loop.now(), begin);
    assert_eq!(event_loop.next_deadline(), Some(begin + SECOND));
    // One that may wait goes as far as it may.
    event_loop.turn(Some(SECOND / 4)).unwrap();
    assert_eq!(event_loop.now(), begin + SECOND / 4);
    assert!(!task.is_finished());
    // But not past the next deadline.
    event_loop.turn(Some(DAY)).unwrap();
    assert_eq!(event_loop.now(), begin + SECOND);
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert!(task.is_finished());
}

// With sockets.

#[test]
fn a_read_times_out_where_the_peer_is_silent() {
    let _alone = alone();
    let begin = Instant::now();
    run_virtually(async {
        let (mut stream, _peer) = pair_with_std().await;
        let begin = time::now();
        timeout(DAY, stream.read(&mut [0])).await.unwrap_err();
        assert_eq!(time::now() - begin, DAY);
        // The clock gives I/O its chance once, not at every tick.
        let mut reading = pin!(async { (&stream).read(&mut [0]).await });
        assert!(poll_once(reading.as_mut()).await.is_none());
        for _ in 0..1000 {
            sleep(SECOND).await;
        }
    });
    assert!(begin.elapsed() < AT_ONCE);
}

#[test]
fn what_a_peer_on_the_same_loop_sends_arrives_before_time_passes() {
    let _alone = alone();
    run_virtually(async {
        let (mut stream, mut peer) = pair().await;
        let begin = time::now();
        let echo = spawn(async move {
            let mut byte = [0];
            while peer.read(&mut byte).await.unwrap() > 0 {
                sleep(SECOND).await;
                peer.write_all(&byte).await.unwrap();
            }
        });
        for n in 1..=5 {
            let exchange = async {
                stream.write_all(&[n]).await.unwrap();
                stream.read_exact(&mut [0]).await.unwrap();
            };
            timeout(SECOND + Duration::from_nanos(1), exchange).await.expect("in time");
            assert_eq!(time::now() - begin, u32::from(n) * SECOND);
        }
        drop(stream);
        echo.await.unwrap();
    });
}

#[test]
fn connecting_and_accepting_take_no_virtual_time() {
    let _alone = alone();
    run_virtually(async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let begin = time::now();
        let both = zip(monoloop::net::TcpStream::connect(addr), listener.accept());
        let (client, server) = timeout(Duration::from_nanos(1), both).await.expect("in time");
        client.unwrap();
        server.unwrap();
        assert_eq!(time::now(), begin);
    });
}

#[test]
fn a_thread_that_holds_a_work_guard_is_waited_for() {
    let _alone = alone();
    run_virtually(async {
        let (mut stream, mut peer) = pair_with_std().await;
        let guard = Handle::current().work_guard();
        let begin = time::now();
        // Longer than the clock waits for I/O by itself.
        let answerer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(120));
            peer.write_all(b"x").unwrap();
            drop(guard);
            peer
        });
        timeout(SECOND, stream.read_exact(&mut [0])).await.expect("waited for").unwrap();
        assert_eq!(time::now(), begin);
        let _peer = answerer.join().unwrap();
        // The guard is gone, and time goes on.
        timeout(SECOND, stream.read_exact(&mut [0])).await.unwrap_err();
        assert_eq!(time::now() - begin, SECOND);
    });
}

/// No socket, only a guard: the clock waits for its end, and then jumps.
#[test]
fn a_guard_alone_holds_the_clock_until_it_is_dropped() {
    let _alone = alone();
    run_virtually(async {
        let guard = Handle::current().work_guard();
        let handle = Handle::current();
        let (sender, receiver) = channel();
        let worker = thread::spawn(move || {
            for n in 0..10 {
                let sender = sender.clone();
                thread::sleep(Duration::from_millis(1));
                handle
                    .call_soon_threadsafe(move || sender.send((n, time::now())).unwrap())
                    .unwrap();
            }
            drop(guard);
        });
        let begin = time::now();
        sleep(DAY).await;
        worker.join().unwrap();
        let calls: Vec<_> = receiver.try_iter().collect();
        assert_eq!(calls, (0..10).map(|n| (n, begin)).collect::<Vec<_>>());
        assert_eq!(time::now() - begin, DAY);
    });
}

/// A wait that is cut short by something else, here a timer of the kernel's from an earlier turn, does not
/// cut the 50 ms short which a socket is given.
#[test]
fn the_chance_that_io_is_given_is_not_cut_short() {
    let _alone = alone();
    let event_loop = virtual_loop();
    let (stream, mut peer) = event_loop.run(async {
        let (stream, peer) = pair_with_std().await;
        assert!(stream.try_read(&mut [0]).is_err());
        (stream, peer)
    });
    // A turn of at most 5 ms that ends at once, as bytes are there.
    peer.write_all(b"x").unwrap();
    event_loop.turn(Some(Duration::from_millis(5))).unwrap();
    let real = event_loop.run(async {
        assert_eq!(stream.try_read(&mut [0; 8]).unwrap(), 1);
        let begin = Instant::now();
        timeout(DAY, stream.peek(&mut [0])).await.unwrap_err();
        begin.elapsed()
    });
    assert!(real >= Duration::from_millis(49), "it was given {real:?}");
    event_loop.run(async { drop(stream) });
}
