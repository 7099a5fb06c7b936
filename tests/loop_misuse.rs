//! Misuse is loud: a panic, or an error, that says which call, where, and what to do.
// Handles and sleeps are taken out of runs on purpose here.
#![allow(clippy::async_yields_async)]

mod common;

use std::cell::RefCell;
use std::future::{Future, pending, ready};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use common::{message, on_drop, panic_of, poll_once, settle, virtual_loop};
use futures_core::Stream;
use monoloop::future::staggered_race;
use monoloop::io::{AsyncReadExt, StreamWriter, duplex};
use monoloop::net::{Server, TcpListener, idle_timeout};
use monoloop::protocol::{self, Protocol, Transport};
use monoloop::sync::RateLimiter;
use monoloop::task::{JoinSet, Ready, TaskGroup};
use monoloop::time::{Interval, Sleep};
use monoloop::{EventLoop, Handle, JoinHandle, call_soon, spawn, task, time, yield_now};

const SECOND: Duration = Duration::from_secs(1);

/// A context of nobody.
fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Whether a text names a place in this file.
fn names(text: &str, line: u32) -> bool {
    text.contains(&format!("{}:{line}:", file!()))
}

// ----- without a loop

/// Polls a future once.
fn poll<F: Future>(future: F) {
    let _ = poll_once(&mut Box::pin(future), Waker::noop());
}

/// Runs `act` in the body of a task group that no loop runs.
fn in_group(act: impl FnOnce(TaskGroup<(), ()>)) {
    poll(task::group(async |group| {
        act(group);
        Ok(())
    }));
}

/// What was made on a loop that is gone.
fn sleep() -> Sleep {
    monoloop::run(async { time::sleep(SECOND) })
}

fn interval() -> Interval {
    monoloop::run(async { time::interval(SECOND) })
}

fn server() -> Server<TcpListener> {
    Server::new([])
}

struct Deaf;

impl Protocol for Deaf {
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

#[test]
fn calls_without_a_loop_panic_with_their_name_and_place() {
    let calls: [(&str, fn()); 35] = [
        ("spawn", || drop(spawn(async {}))),
        ("task::Builder::spawn", || drop(task::Builder::new().name("x").spawn(async {}))),
        ("call_soon", || drop(call_soon(|| {}))),
        ("call_later", || drop(monoloop::call_later(Duration::ZERO, || {}))),
        ("call_at", || drop(monoloop::call_at(Instant::now(), || {}))),
        ("Handle::current", || drop(Handle::current())),
        ("time::sleep", || drop(time::sleep(Duration::ZERO))),
        ("time::sleep_until", || drop(time::sleep_until(Instant::now()))),
        ("time::timeout", || drop(time::timeout(Duration::ZERO, async {}))),
        ("time::timeout_at", || drop(time::timeout_at(Instant::now(), async {}))),
        ("time::interval", || drop(time::interval(Duration::from_secs(1)))),
        ("time::interval_at", || drop(time::interval_at(Instant::now(), Duration::from_secs(1)))),
        ("TaskGroup::spawn", || in_group(|group| drop(group.spawn(async { Ok(()) })))),
        ("TaskGroup::spawn_named", || in_group(|g| drop(g.spawn_named("x", async { Ok(()) })))),
        ("TaskGroup::try_spawn", || in_group(|g| drop(g.try_spawn(async { Ok(()) })))),
        ("TaskGroup::start", || in_group(|g| poll(g.start(async |_: Ready<()>| Ok(()))))),
        ("JoinSet::spawn", || drop(JoinSet::new().spawn(async {}))),
        ("JoinSet::spawn_named", || drop(JoinSet::new().spawn_named("x", async {}))),
        ("JoinSet::spawn", || JoinSet::new().extend([async {}])),
        ("task::shield", || drop(task::shield(async { Ok::<_, io::Error>(()) }))),
        ("task::spawn_detached", || drop(task::spawn_detached(async { Ok::<_, io::Error>(()) }))),
        ("task::spawn_eager", || drop(task::spawn_eager(async {}))),
        ("spawn_blocking", || drop(task::spawn_blocking(|| ()))),
        ("unblock", || poll(task::unblock(|| ()))),
        ("Sleep::reset", || Box::pin(sleep()).as_mut().reset(Instant::now())),
        ("Interval::reset", || interval().reset()),
        ("Interval::tick", || poll(interval().tick())),
        ("Interval::poll_tick", || assert!(interval().poll_tick(&mut noop()).is_ready())),
        ("time::advance", || poll(time::advance(SECOND))),
        ("future::staggered_race", || poll(staggered_race([ready(Ok::<_, ()>(()))], SECOND))),
        ("RateLimiter::acquire_many", || poll(RateLimiter::new(1, SECOND).acquire_many(2))),
        ("StreamWriter::new", || drop(StreamWriter::new(duplex(1).0))),
        ("protocol::attach", || drop(protocol::attach(duplex(1).0, Deaf))),
        ("Server::start", || drop(server().start(async |_, _, _| {}))),
        ("Server::start_streams", || drop(server().start_streams(async |_, _| {}))),
    ];
    let first = line!() - calls.len() as u32 - 1;
    for (n, (name, call)) in calls.into_iter().enumerate() {
        let text = panic_of(call);
        let place = format!("{}:{}:", file!(), first + n as u32);
        assert!(text.starts_with(&format!("`{name}` called at {place}")), "{text}");
        assert!(
            text.contains("no event loop running") && text.contains("`monoloop::run`"),
            "{text}"
        );
    }
}

#[test]
fn futures_polled_without_a_loop_panic_with_their_name() {
    let timeout = || monoloop::run(async { time::timeout(SECOND, pending::<()>()) });
    let (ours, _peer) = duplex(1);
    let mut idle = monoloop::run(async { idle_timeout(ours, SECOND) });
    let texts = [
        ("a `Sleep`", panic_of(|| poll(sleep()))),
        ("a `Timeout`", panic_of(|| poll(timeout()))),
        ("an `Interval`", panic_of(|| Pin::new(&mut interval()).poll_next(&mut noop()))),
        ("an `IdleTimeout`", panic_of(|| poll(idle.read(&mut [0])))),
    ];
    for (name, text) in texts {
        assert!(
            text.starts_with(&format!("{name} was polled with no event loop running")),
            "{text}"
        );
    }
}

#[test]
fn a_loop_that_exists_but_does_not_run_is_no_loop_to_be_on() {
    let _event_loop = EventLoop::new().unwrap();
    assert!(panic_of(|| spawn(async {})).contains("no event loop running"));
    assert!(Handle::try_current().is_none());
}

#[test]
fn what_was_to_be_spawned_without_a_loop_is_dropped() {
    let held = Rc::new(());
    let captured = Rc::clone(&held);
    panic_of(|| {
        spawn(async move {
            let _held = captured;
        })
    });
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn a_future_dropped_outside_of_a_run_has_no_loop_to_spawn_on() {
    let event_loop = EventLoop::new().unwrap();
    let mut handle = event_loop.spawn(async {
        let _held = on_drop(|| drop(spawn(async {})));
        pending::<()>().await
    });
    settle(&event_loop);
    handle.abort();
    let error = handle.try_join().unwrap().unwrap_err();
    assert!(error.to_string().contains("`spawn` called at"), "{error}");
}

#[test]
fn a_sleep_polled_without_its_loop_panics() {
    let mut sleep = monoloop::run(async { time::sleep(Duration::from_secs(1)) });
    let text = panic_of(|| poll_once(&mut sleep, std::task::Waker::noop()));
    assert!(text.contains("no event loop running"), "{text}");
    let text = panic_of(|| monoloop::run(sleep));
    assert!(
        text.contains("of event loop #") && text.contains("was used on event loop #"),
        "{text}"
    );
}

#[test]
fn a_sleep_reset_on_another_loop_panics_at_its_caller() {
    let mut sleep = Box::pin(sleep());
    let line = line!() + 1;
    let text = panic_of(|| monoloop::run(async { sleep.as_mut().reset(Instant::now()) }));
    let begin = format!("`Sleep::reset` called at {}:{line}:", file!());
    assert!(text.starts_with(&begin), "{text}");
    assert!(text.contains("was used on event loop #"), "{text}");
}

// ----- a run inside a run

#[test]
fn a_nested_run_panics_and_names_both_places() {
    let outer = line!() + 1;
    monoloop::run(async {
        let inner = line!() + 1;
        let text = panic_of(|| monoloop::run(async {}));
        assert!(text.starts_with("`monoloop::run` called at "), "{text}");
        assert!(names(&text, inner) && names(&text, outer), "{text}");
        assert!(text.contains("in `monoloop::run` since"), "{text}");
        // The outer one goes on.
        assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
    });
}

#[test]
fn every_way_to_run_a_loop_refuses_to_nest() {
    let event_loop = Rc::new(EventLoop::new().unwrap());
    let other = EventLoop::new().unwrap();
    let inside = Rc::clone(&event_loop);
    let outer = line!() + 1;
    event_loop.run(async move {
        let texts = [
            ("EventLoop::run", panic_of(|| other.run(async {}))),
            ("EventLoop::run", panic_of(|| inside.run(async {}))),
            ("EventLoop::run_forever", panic_of(|| other.run_forever())),
            ("EventLoop::run_forever", panic_of(|| inside.run_forever())),
            ("EventLoop::turn", panic_of(|| other.turn(None))),
            ("EventLoop::turn", panic_of(|| inside.turn(None))),
            ("EventLoop::shutdown", panic_of(|| other.shutdown())),
        ];
        let first = line!() - 8;
        for (n, (name, text)) in texts.into_iter().enumerate() {
            assert!(text.starts_with(&format!("`{name}` called at ")), "{text}");
            assert!(names(&text, first + n as u32) && names(&text, outer), "{text}");
            assert!(text.contains("in `EventLoop::run` since"), "{text}");
        }
        yield_now().await;
    });
}

#[test]
fn a_nested_run_in_a_turn_or_for_ever_names_that() {
    let event_loop = EventLoop::new().unwrap();
    let texts: Rc<RefCell<Vec<String>>> = Rc::default();
    let record = Rc::clone(&texts);
    let _call = event_loop.call_soon(move || {
        record.borrow_mut().push(panic_of(|| monoloop::run(async {})));
    });
    settle(&event_loop);
    let (record, handle) = (Rc::clone(&texts), event_loop.handle());
    let _call = event_loop.call_soon(move || {
        record.borrow_mut().push(panic_of(|| monoloop::run(async {})));
        handle.stop().unwrap();
    });
    event_loop.run_forever();
    let texts = texts.take();
    assert!(texts[0].contains("in `EventLoop::turn` since"), "{texts:?}");
    assert!(texts[1].contains("in `EventLoop::run_forever` since"), "{texts:?}");
}

#[test]
fn a_run_in_a_drop_at_the_end_is_a_nested_one() {
    let texts: Rc<RefCell<Vec<String>>> = Rc::default();
    for by_drop in [true, false] {
        let event_loop = EventLoop::new().unwrap();
        let record = Rc::clone(&texts);
        let guard = on_drop(move || {
            record.borrow_mut().push(panic_of(|| monoloop::run(async {})));
        });
        drop(event_loop.spawn(async move {
            let _held = guard;
            pending::<()>().await
        }));
        settle(&event_loop);
        if by_drop { drop(event_loop) } else { drop(event_loop.shutdown()) }
    }
    let texts = texts.take();
    assert!(texts[0].contains("in `EventLoop::drop` since"), "{texts:?}");
    assert!(texts[1].contains("in `EventLoop::shutdown` since"), "{texts:?}");
}

#[test]
fn after_a_refused_run_the_thread_has_a_loop_as_before() {
    let event_loop = EventLoop::new().unwrap();
    event_loop.run(async {
        for _ in 0..10 {
            assert!(panic_of(|| monoloop::run(async {})).contains("one loop at a time"));
            yield_now().await;
        }
        // Not caught in the task: it panics, and alone.
        let handle = spawn(async { monoloop::run(async {}) });
        assert!(handle.await.unwrap_err().is_panic());
    });
    assert_eq!(monoloop::run(async { 2 }), 2);
}

// ----- joining what cannot be joined

#[test]
fn a_task_that_awaits_itself_panics_by_name() {
    let (event_loop, reports) = common::reporting_loop();
    let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
    let inside = Rc::clone(&own);
    let line = line!() + 1;
    let handle = event_loop.spawn(async move {
        let own = inside.take().unwrap();
        own.await.unwrap();
    });
    *own.borrow_mut() = Some(handle);
    settle(&event_loop);
    let lines = reports.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("awaits its own `JoinHandle`"), "{lines:?}");
    assert!(names(&lines[0], line), "{lines:?}");
}

#[test]
fn a_handle_that_is_polled_after_it_gave_its_outcome_panics() {
    monoloop::run(async {
        let mut handle = spawn(async { 1 });
        assert_eq!((&mut handle).await.unwrap(), 1);
        let text = panic_of(|| poll_once(&mut handle, std::task::Waker::noop()));
        assert!(text.contains("polled after it gave its outcome"), "{text}");
        let mut handle = spawn(async { 1 });
        yield_now().await;
        assert_eq!(handle.try_join().unwrap().unwrap(), 1);
        let again = spawn(handle).await.unwrap_err();
        assert!(message(again.into_panic()).contains("polled after it gave its outcome"));
    });
}

// ----- time

#[test]
fn advancing_a_real_clock_panics() {
    let text = panic_of(|| monoloop::run(time::advance(Duration::from_secs(1))));
    let begin = format!("`time::advance` called at {}:{}:", file!(), line!() - 1);
    assert!(text.starts_with(&begin) && text.contains("virtual_time(true)"), "{text}");
}

#[test]
fn an_interval_of_zero_panics_at_its_caller() {
    virtual_loop().run(async {
        let text = panic_of(|| time::interval(Duration::ZERO));
        assert!(text.contains("must not be zero"), "{text}");
    });
}

#[test]
fn panics_point_at_the_caller() {
    use std::panic;
    use std::sync::{Arc, Mutex};

    // The hook is the process's: this test runs alone in one of its own.
    common::isolated("panics_point_at_the_caller", || {
        let place = Arc::new(Mutex::new((String::new(), 0)));
        let record = Arc::clone(&place);
        panic::set_hook(Box::new(move |info| {
            let location = info.location().unwrap();
            *record.lock().unwrap() = (location.file().to_owned(), location.line());
        }));
        let places = RefCell::new(Vec::new());
        let check = |line| {
            let should = (file!().to_owned(), line);
            places.borrow_mut().push((place.lock().unwrap().clone(), should));
        };
        panic_of(|| spawn(async {}));
        check(line!() - 1);
        panic_of(|| time::sleep(Duration::ZERO));
        check(line!() - 1);
        panic_of(|| in_group(|group| drop(group.spawn(async { Ok(()) }))));
        check(line!() - 1);
        panic_of(|| JoinSet::new().spawn(async {}));
        check(line!() - 1);
        let (mut sleep, stray, mut ticks) = (Box::pin(sleep()), sleep(), interval());
        panic_of(|| sleep.as_mut().reset(Instant::now()));
        check(line!() - 1);
        #[allow(clippy::redundant_async_block)] // the place is that of the `await`
        panic_of(|| poll(async { stray.await }));
        check(line!() - 1);
        panic_of(|| ticks.poll_tick(&mut noop()));
        check(line!() - 1);
        monoloop::run(async {
            panic_of(|| monoloop::run(async {}));
            check(line!() - 1);
            panic_of(|| time::interval(Duration::ZERO));
            check(line!() - 1);
            panic_of(|| sleep.as_mut().reset(Instant::now()));
            check(line!() - 1);
            let handle = spawn(pending::<()>());
            handle.abort();
            let error = handle.await.unwrap_err();
            panic_of(|| error.into_panic());
            check(line!() - 1);
        });
        drop(panic::take_hook());
        for (is, should) in places.take() {
            assert_eq!(is, should);
        }
    });
}
