//! The end of a run: interrupts, the grace period, and what is reported meanwhile.

mod common;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::io::{Read, Write};
use std::process::Command;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use common::{Log, isolated, on_drop, panic_of, quiet_panic, virtual_loop};
use monoloop::task::CancelToken;
use monoloop::{
    EventLoop, Handle, Interrupted, JoinHandle, OnCtrlC, call_later, call_soon, spawn, task, time,
    yield_now,
};

const SECOND: Duration = Duration::from_secs(1);

fn graceful_loop(grace: Duration) -> EventLoop {
    EventLoop::builder().virtual_time(true).grace(grace).build().unwrap()
}

// ----- interrupts

#[test]
fn an_interrupt_cancels_the_token_and_drops_the_future_after_the_grace_period() {
    let log = Log::default();
    let event_loop = graceful_loop(SECOND * 5);
    let begin = event_loop.now();
    let interrupted = event_loop.run_interruptible(async {
        let _held = log.on_drop("dropped");
        monoloop::call_later(SECOND, || Handle::current().interrupt().unwrap());
        CancelToken::root().cancelled().await;
        assert_eq!(
            (time::now() - begin, CancelToken::root().reason().as_deref()),
            (SECOND, Some("interrupted"))
        );
        pending::<()>().await
    });
    assert_eq!((interrupted, log.take()), (Err(Interrupted), vec!["dropped".into()]));
    assert_eq!(event_loop.now() - begin, SECOND * 6);
}

#[test]
fn a_future_that_ends_within_the_grace_period_gives_its_output() {
    let event_loop = graceful_loop(SECOND * 5);
    event_loop.handle().interrupt().unwrap();
    let output = event_loop.run_interruptible(async {
        CancelToken::root().cancelled().await;
        time::sleep(SECOND * 4).await;
        "in time"
    });
    assert_eq!(output, Ok("in time"));
}

/// There is a grace period for those who can know of it.
#[test]
fn where_nobody_asked_for_the_token_an_interrupt_drops_the_future_at_once() {
    let event_loop = virtual_loop();
    let begin = event_loop.now();
    event_loop.handle().interrupt().unwrap();
    assert_eq!(event_loop.run_interruptible(pending::<()>()), Err(Interrupted));
    assert_eq!(event_loop.now(), begin);
    // Nor do the others get one at the end.
    let handle = event_loop.spawn(pending::<()>());
    let report = event_loop.shutdown();
    assert!(report.took < SECOND * 2 && report.dropped.len() == 1, "{report}");
    drop(handle);
}

#[test]
fn an_interrupt_is_for_one_run() {
    let event_loop = graceful_loop(SECOND);
    let token = event_loop.token();
    event_loop.handle().interrupt().unwrap();
    assert_eq!(event_loop.run_interruptible(pending::<()>()), Err(Interrupted));
    assert!(token.is_cancelled());
    assert_eq!(event_loop.run_interruptible(async { time::sleep(SECOND * 9).await }), Ok(()));
    // Nothing of the watch is left.
    event_loop.run(async { assert_eq!(monoloop::task::all().len(), 1) });
}

#[test]
fn other_tasks_survive_an_interrupt() {
    let event_loop = graceful_loop(SECOND);
    let task = event_loop.spawn(async {
        time::sleep(SECOND * 3).await;
        1
    });
    event_loop.handle().interrupt().unwrap();
    assert_eq!(event_loop.run_interruptible(pending::<()>()), Err(Interrupted));
    assert_eq!(event_loop.run(task).unwrap(), 1);
}

#[test]
fn a_plain_run_is_asked_and_not_dropped() {
    let event_loop = graceful_loop(SECOND);
    event_loop.handle().interrupt().unwrap();
    event_loop.run(async {
        CancelToken::root().cancelled().await;
        time::sleep(SECOND * 60).await;
    });
}

#[test]
fn an_interrupt_comes_from_any_thread() {
    let event_loop = EventLoop::builder().grace(Duration::ZERO).build().unwrap();
    let handle = event_loop.handle();
    let thread = thread::spawn(move || handle.interrupt());
    assert_eq!(event_loop.run_interruptible(pending::<()>()), Err(Interrupted));
    thread.join().unwrap().unwrap();
    let handle = event_loop.handle();
    drop(event_loop);
    assert!(handle.interrupt().is_err());
}

#[test]
fn a_panic_while_the_future_is_dropped_is_resumed() {
    let event_loop = graceful_loop(SECOND);
    event_loop.handle().interrupt().unwrap();
    let text = panic_of(|| {
        event_loop.run_interruptible(async {
            let _sore = common::on_drop(|| quiet_panic("in the drop"));
            pending::<()>().await
        })
    });
    assert_eq!(text, "in the drop");
}

// ----- grace

#[test]
fn tasks_that_listen_end_by_themselves_at_the_end_of_the_loop() {
    let log = Log::default();
    let event_loop = graceful_loop(SECOND * 5);
    let begin = event_loop.now();
    for seconds in [1, 2] {
        let (token, log) = (event_loop.token().child(), log.clone());
        let _task = event_loop.spawn(async move {
            token.cancelled().await;
            time::sleep(SECOND * seconds).await;
            log.push(token.reason().unwrap().to_string());
        });
    }
    event_loop.run(yield_now());
    let handle = event_loop.handle();
    let now = Rc::new(Cell::new(begin));
    let seen = now.clone();
    let _task = event_loop.spawn(async move {
        let token = CancelToken::root();
        token.cancelled().await;
        assert!(!handle.is_closed());
        time::sleep(SECOND * 3).await;
        seen.set(time::now());
    });
    let report = event_loop.shutdown();
    assert!(report.is_clean(), "{report}");
    assert_eq!(log.take(), ["the event loop shuts down"; 2]);
    assert_eq!(now.get() - begin, SECOND * 3);
}

#[test]
fn tasks_that_do_not_end_in_time_are_dropped() {
    let event_loop = graceful_loop(SECOND * 5);
    let token = event_loop.token();
    let last = Rc::new(Cell::new(None));
    let seen = last.clone();
    let _task = event_loop.spawn(async move {
        loop {
            time::sleep(SECOND).await;
            seen.set(Some(time::now()));
        }
    });
    let begin = event_loop.now();
    let report = event_loop.shutdown();
    assert_eq!((report.dropped.len(), token.is_cancelled()), (1, true));
    assert!((SECOND * 4..=SECOND * 5).contains(&(last.get().unwrap() - begin)));
}

#[test]
fn nobody_waits_where_nobody_asked_for_the_token() {
    let event_loop = graceful_loop(SECOND * 5);
    let polls = Rc::new(Cell::new(0));
    let count = polls.clone();
    let _task = event_loop.spawn(async move {
        loop {
            time::sleep(SECOND).await;
            count.set(count.get() + 1);
        }
    });
    event_loop.run(yield_now());
    assert_eq!((event_loop.shutdown().dropped.len(), polls.get()), (1, 0));
}

#[test]
fn the_grace_period_is_within_the_limit() {
    let event_loop = graceful_loop(Duration::MAX);
    let _token = event_loop.token();
    let _task = event_loop.spawn(pending::<()>());
    assert_eq!(event_loop.shutdown_within(SECOND).dropped.len(), 1);
}

#[test]
fn a_token_may_be_asked_for_at_the_end() {
    let event_loop = virtual_loop();
    let _task = event_loop.spawn(async {
        let _guard = common::on_drop(|| assert!(!CancelToken::root().is_cancelled()));
        pending::<()>().await
    });
    event_loop.run(yield_now());
    assert_eq!(event_loop.shutdown().panics, 0);
    let text = panic_of(CancelToken::root);
    assert!(text.contains("`CancelToken::root` called at"), "{text}");
}

/// A task that listens to the loop's token, and then needs a second.
fn says_goodbye(log: &Log) {
    let log = log.clone();
    drop(spawn(async move {
        CancelToken::root().cancelled().await;
        time::sleep(SECOND).await;
        log.push("goodbye");
    }));
}

#[test]
fn tasks_have_their_grace_at_the_end_also_after_an_interrupt() {
    for (interrupts, runs) in [(false, 1), (true, 1), (true, 2)] {
        let log = Log::default();
        let event_loop = virtual_loop();
        for _ in 0..runs {
            event_loop.run(async {
                says_goodbye(&log);
                yield_now().await;
                if interrupts {
                    Handle::current().interrupt().unwrap();
                    CancelToken::root().cancelled().await;
                }
            });
        }
        assert_eq!(log.take().len(), 0);
        assert!(event_loop.shutdown().is_clean());
        assert_eq!(log.take().len(), runs, "{interrupts} {runs}");
    }
}

#[test]
fn the_run_after_an_interrupted_one_has_a_new_token() {
    let event_loop = virtual_loop();
    let interrupt = async {
        Handle::current().interrupt().unwrap();
        pending::<()>().await;
    };
    assert_eq!(event_loop.run_interruptible(interrupt), Err(Interrupted));
    assert!(event_loop.token().is_cancelled());
    event_loop.run(async { assert!(!CancelToken::root().is_cancelled()) });
    assert!(!event_loop.token().is_cancelled());
}

#[test]
fn the_grace_period_ends_though_all_tasks_are_ready_all_the_time() {
    let polls = Rc::new(Cell::new(0));
    let event_loop =
        EventLoop::builder().slow_poll(None).grace(Duration::from_millis(1)).build().unwrap();
    event_loop.run(async {
        for _ in 0..400 {
            let (root, count) = (CancelToken::root(), polls.clone());
            drop(spawn(async move {
                root.cancelled().await;
                loop {
                    count.set(count.get() + 1);
                    busy(Duration::from_millis(1));
                    yield_now().await;
                }
            }));
        }
        yield_now().await;
    });
    assert_eq!(event_loop.shutdown().dropped.len(), 400);
    // As many as are polled between two looks at the clock, and some: not a round of them all.
    assert!((1..200).contains(&polls.get()), "{}", polls.get());
}

#[test]
fn a_callback_that_is_far_away_is_not_waited_for() {
    let event_loop = virtual_loop();
    event_loop.run(async {
        let _listens = CancelToken::root();
        call_later(SECOND * 3600, || {});
    });
    let begin = event_loop.now();
    let handle = event_loop.handle();
    let end = Rc::new(Cell::new(begin));
    let clock = Rc::clone(&end);
    let note = on_drop(move || clock.set(time::now()));
    event_loop.call_later(SECOND * 3600, move || drop(note));
    assert_eq!(event_loop.shutdown().dropped.len(), 2);
    assert!(handle.is_closed());
    assert_eq!(end.get(), begin);
}

#[test]
fn the_end_is_bounded_though_a_work_guard_lives() {
    let name = "the_end_is_bounded_though_a_work_guard_lives";
    isolated(name, || {
        let event_loop = virtual_loop();
        let guard = event_loop.handle().work_guard();
        event_loop.run(async {
            let _listens = CancelToken::root();
            drop(spawn(async {
                let _cleanup = task::defer(pending());
                pending::<()>().await
            }));
            yield_now().await;
        });
        let report = event_loop.shutdown_within(SECOND);
        assert_eq!((report.dropped.len(), report.overran.len()), (1, 1));
        drop(guard);
    });
}

#[cfg(unix)]
#[test]
fn ctrl_c_interrupts_each_run() {
    isolated("ctrl_c_interrupts_each_run", || {
        let event_loop = EventLoop::builder()
            .on_ctrl_c(OnCtrlC::Interrupt)
            .grace(Duration::from_millis(1))
            .build()
            .unwrap();
        for _ in 0..3 {
            let ended = event_loop.run_interruptible(async {
                let pid = std::process::id().to_string();
                let kill = Command::new("kill").args(["-INT", &pid]).status();
                assert!(kill.unwrap().success());
                pending::<()>().await
            });
            assert_eq!(ended, Err(Interrupted));
        }
    });
}

// ----- run_until_stalled

#[test]
fn run_until_stalled_does_all_that_needs_no_waiting() {
    let event_loop = virtual_loop();
    let begin = event_loop.now();
    let (steps, late) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let (count, flag) = (steps.clone(), late.clone());
    let _task = event_loop.spawn(async move {
        for _ in 0..1000 {
            yield_now().await;
            count.set(count.get() + 1);
        }
        spawn(async {}).await.unwrap();
        time::sleep(Duration::ZERO).await;
        time::sleep(SECOND).await;
        flag.set(true);
    });
    event_loop.run_until_stalled();
    assert_eq!((steps.get(), late.get(), event_loop.now()), (1000, false, begin));
    event_loop.run_until_stalled();
    event_loop.run(async { time::sleep(SECOND * 2).await });
    assert!(late.get());
}

#[test]
fn run_until_stalled_takes_io_that_is_there() {
    let event_loop = EventLoop::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let task = event_loop.spawn(async move {
        use monoloop::io::AsyncReadExt;
        let mut stream = monoloop::net::TcpStream::connect(address).await.unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        byte[0]
    });
    event_loop.run_until_stalled();
    let (mut peer, _) = listener.accept().unwrap();
    event_loop.run_until_stalled();
    assert!(!task.is_finished());
    peer.write_all(b"x").unwrap();
    // Loopback is quick, but not always at once.
    let begin = Instant::now();
    while !task.is_finished() && begin.elapsed() < SECOND * 10 {
        event_loop.run_until_stalled();
    }
    assert!(task.is_finished());
    drop(event_loop.run(task));
    drop(peer.read(&mut [0]));
}

#[cfg(not(miri))]
/// More sockets than the loop takes events at a time, each with an event that nobody waits for.
fn noise() -> Vec<monoloop::net::UdpSocket> {
    let new = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    (0..1100).map(|_| monoloop::net::UdpSocket::from_std(new()).unwrap()).collect()
}

#[cfg(not(miri))]
/// A socket, with the task that waits for a byte of it.
async fn reader() -> (std::net::TcpStream, JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut ours = monoloop::net::TcpStream::from_std(stream).unwrap();
    let reader = spawn(async move {
        use monoloop::io::AsyncReadExt;
        ours.read_exact(&mut [0]).await.unwrap();
    });
    (listener.accept().unwrap().0, reader)
}

#[cfg(not(miri))] // no datagrams
#[test]
fn events_that_did_not_fit_are_seen_before_the_loop_has_stalled() {
    let event_loop = EventLoop::new().unwrap();
    let (mut peer, reader) = event_loop.run(reader());
    event_loop.run_until_stalled();
    let noisy = event_loop.spawn(async move {
        let noise = noise();
        peer.write_all(b"x").unwrap();
        (noise, peer)
    });
    event_loop.run_until_stalled();
    assert!(reader.is_finished());
    event_loop.run(async { drop(noisy.await) });
}

#[cfg(not(miri))] // no datagrams
#[test]
fn events_that_did_not_fit_are_seen_before_a_virtual_clock_jumps() {
    virtual_loop().run(async {
        let (mut peer, reader) = reader().await;
        // Nothing comes: the clock does not wait for I/O before the next jump.
        time::sleep(SECOND).await;
        let _noise = noise();
        peer.write_all(b"x").unwrap();
        time::sleep(SECOND).await;
        assert!(reader.is_finished());
    });
}

#[test]
fn run_until_stalled_inside_a_run_is_refused() {
    let event_loop = Rc::new(virtual_loop());
    let inner = event_loop.clone();
    let text = panic_of(|| event_loop.run(async move { inner.run_until_stalled() }));
    assert!(text.contains("`EventLoop::run_until_stalled` called at"), "{text}");
}

// ----- slow polls

fn slow_loop(threshold: Option<Duration>) -> (EventLoop, Log) {
    let log = Log::default();
    let reports = log.clone();
    let event_loop = EventLoop::builder()
        .slow_poll(threshold)
        .on_error(move |report| reports.push(report.to_string()))
        .build()
        .unwrap();
    (event_loop, log)
}

fn busy(duration: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < duration {
        std::hint::spin_loop();
    }
}

#[test]
fn a_slow_poll_is_reported_with_its_task() {
    let (event_loop, reports) = slow_loop(Some(Duration::from_millis(20)));
    event_loop.run(async {
        let slow = monoloop::task::Builder::new().name("slow").spawn(async {
            yield_now().await;
            busy(Duration::from_millis(25));
        });
        slow.await.unwrap();
        call_soon(|| busy(Duration::from_millis(25)));
        yield_now().await;
    });
    let reports = reports.take();
    // A machine that is busy with other things may add some of the others.
    let slow: Vec<_> = reports.iter().filter(|report| report.contains("\"slow\"")).collect();
    assert!(slow.len() == 1 && slow[0].ends_with("ms in one poll"), "{reports:?}");
    assert!(reports.iter().any(|report| !report.contains('"')), "{reports:?}");
}

#[test]
fn polls_are_not_timed_when_nobody_asks() {
    let (event_loop, reports) = slow_loop(None);
    event_loop.run(async { busy(Duration::from_millis(120)) });
    assert_eq!(reports.len(), 0);
}

#[test]
fn slow_polls_are_no_panics() {
    let (event_loop, reports) = slow_loop(Some(Duration::ZERO));
    event_loop.run(yield_now());
    assert!(reports.len() >= 2);
    assert_eq!(event_loop.shutdown().panics, 0);
}

#[test]
fn timed_polls_keep_the_order_and_end_in_time() {
    let (event_loop, _reports) = slow_loop(Some(SECOND * 60));
    let log = Rc::new(RefCell::new(Vec::new()));
    for n in 0..5 {
        let log = log.clone();
        let _task = event_loop.spawn(async move {
            for _ in 0..3 {
                log.borrow_mut().push(n);
                yield_now().await;
            }
        });
    }
    let spawned: Box<dyn Future<Output = ()>> = Box::new(async {});
    event_loop.run(Box::into_pin(spawned));
    assert_eq!(*log.borrow(), [0, 1, 2, 3, 4]);
    event_loop.run_until_stalled();
    assert_eq!(log.borrow()[5..], [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
}
