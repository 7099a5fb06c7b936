//! `call_soon`, `call_later` and `call_at`: order, cancelling, panics.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use common::{Log, Stay, reporting_loop, settle, virtual_loop};
use monoloop::{
    CallHandle, ErrorReport, EventLoop, call_at, call_later, call_soon, spawn, time, yield_now,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn callbacks_and_tasks_run_in_the_order_in_which_they_were_made() {
    let log = Log::default();
    let event_loop = EventLoop::new().unwrap();
    for n in 0..100 {
        let log = log.clone();
        if n % 3 == 0 {
            drop(event_loop.spawn(async move { log.push(n.to_string()) }));
        } else {
            let _call = event_loop.call_soon(move || log.push(n.to_string()));
        }
    }
    settle(&event_loop);
    assert_eq!(log.take(), (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_callback_made_by_a_callback_runs_after_those_made_before() {
    let log = Log::default();
    let event_loop = EventLoop::new().unwrap();
    let record = log.clone();
    let _call = event_loop.call_soon(move || {
        record.push("first");
        let _call = call_soon(move || record.push("third"));
    });
    let record = log.clone();
    let _call = event_loop.call_soon(move || record.push("second"));
    settle(&event_loop);
    assert_eq!(log.take(), ["first", "second", "third"]);
}

#[test]
fn a_callback_does_not_run_at_once() {
    let called = Rc::new(Cell::new(false));
    monoloop::run(async {
        let flag = Rc::clone(&called);
        let call = call_soon(move || flag.set(true));
        assert!(!called.get() && !call.is_over());
        yield_now().await;
        assert!(called.get() && call.is_over());
    });
}

#[test]
fn a_dropped_handle_does_not_cancel() {
    let called = Rc::new(Cell::new(0));
    virtual_loop().run(async {
        let count = Rc::clone(&called);
        drop(call_soon(move || count.set(count.get() + 1)));
        let count = Rc::clone(&called);
        drop(call_later(SECOND, move || count.set(count.get() + 1)));
        time::sleep(2 * SECOND).await;
    });
    assert_eq!(called.get(), 2);
}

#[test]
fn a_cancelled_callback_does_not_run_and_drops_what_it_held() {
    let alive = Rc::new(Cell::new(0));
    virtual_loop().run(async {
        let stay = Stay::new(&alive);
        let soon = call_soon(move || unreachable!("{:p}", &stay));
        let stay = Stay::new(&alive);
        let later = call_later(SECOND, move || unreachable!("{:p}", &stay));
        assert_eq!(alive.get(), 2);
        for call in [&soon, &later] {
            assert!(call.cancel());
            assert!(call.is_over());
            assert!(!call.cancel(), "once");
        }
        assert_eq!(alive.get(), 0);
        time::sleep(2 * SECOND).await;
    });
}

#[test]
fn a_waiting_callback_can_be_cancelled_by_any_clone_of_its_handle() {
    virtual_loop().run(async {
        let call = call_later(SECOND, || unreachable!());
        time::sleep(SECOND / 2).await;
        let clone = call.clone();
        assert!(clone.cancel());
        assert!(!call.cancel());
        time::sleep(SECOND).await;
    });
}

#[test]
fn a_callback_that_ran_cannot_be_cancelled() {
    virtual_loop().run(async {
        let soon = call_soon(|| {});
        let later = call_later(SECOND, || {});
        time::sleep(2 * SECOND).await;
        assert!(!soon.cancel() && !later.cancel());
    });
}

#[test]
fn a_callback_may_cancel_one_that_is_ready_with_it() {
    let log = Log::default();
    virtual_loop().run(async {
        let second: Rc<RefCell<Option<CallHandle>>> = Rc::default();
        let (record, target) = (log.clone(), Rc::clone(&second));
        let _call = call_later(SECOND, move || {
            record.push("first");
            assert!(target.borrow().as_ref().unwrap().cancel());
        });
        *second.borrow_mut() = Some(call_later(SECOND, || unreachable!()));
        time::sleep(2 * SECOND).await;
    });
    assert_eq!(log.take(), ["first"]);
}

#[test]
fn a_callback_that_cancels_itself_runs_on() {
    let done = Rc::new(Cell::new(false));
    monoloop::run(async {
        let own: Rc<RefCell<Option<CallHandle>>> = Rc::default();
        let (inside, flag) = (Rc::clone(&own), Rc::clone(&done));
        let call = call_soon(move || {
            inside.borrow().as_ref().unwrap().cancel();
            flag.set(true);
        });
        *own.borrow_mut() = Some(call);
        yield_now().await;
        assert!(own.borrow().as_ref().unwrap().is_over());
    });
    assert!(done.get());
}

#[test]
fn later_callbacks_run_by_deadline() {
    let log = Log::default();
    virtual_loop().run(async {
        let begin = time::now();
        for seconds in [5, 1, 3, 2, 4] {
            let log = log.clone();
            let _call = call_later(seconds * SECOND, move || {
                log.push(format!("{seconds} at {}", (time::now() - begin).as_secs()));
            });
        }
        time::sleep(10 * SECOND).await;
    });
    assert_eq!(log.take(), ["1 at 1", "2 at 2", "3 at 3", "4 at 4", "5 at 5"]);
}

#[test]
fn a_handle_tells_the_deadline() {
    let event_loop = virtual_loop();
    let begin = event_loop.now();
    assert_eq!(event_loop.call_soon(|| {}).deadline(), None);
    let later = event_loop.call_later(2 * SECOND, || {});
    assert_eq!(later.deadline(), Some(begin + 2 * SECOND));
    assert_eq!(event_loop.call_at(begin - SECOND, || {}).deadline(), Some(begin - SECOND));
    event_loop.run(async {
        assert_eq!(call_at(begin + SECOND, || {}).deadline(), Some(begin + SECOND));
        assert!(call_later(Duration::MAX, || {}).deadline() > Some(begin + 1_000_000 * SECOND));
        time::sleep(3 * SECOND).await;
    });
    // Also when it is over.
    assert!(later.is_over());
    assert_eq!(later.deadline(), Some(begin + 2 * SECOND));
}

#[test]
fn callbacks_of_one_deadline_run_in_the_order_of_the_calls() {
    let log = Log::default();
    virtual_loop().run(async {
        let deadline = time::now() + SECOND;
        for n in 0..100 {
            let log = log.clone();
            let _call = call_at(deadline, move || log.push(n.to_string()));
            if n % 10 == 0 {
                // The order is that of the calls, not that in which the loop came to know of them.
                yield_now().await;
            }
        }
        time::sleep(2 * SECOND).await;
    });
    assert_eq!(log.take(), (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_deadline_that_is_past_is_soon() {
    let log = Log::default();
    virtual_loop().run(async {
        time::sleep(10 * SECOND).await;
        let begin = time::now();
        for (name, deadline) in [("past", begin - 5 * SECOND), ("now", begin)] {
            let log = log.clone();
            let _call = call_at(deadline, move || log.push(name));
        }
        let record = log.clone();
        let _call = call_later(Duration::ZERO, move || record.push("zero"));
        for _ in 0..3 {
            yield_now().await;
        }
        assert_eq!(time::now(), begin);
    });
    assert_eq!(log.take(), ["past", "now", "zero"]);
}

#[test]
fn a_delay_too_long_for_the_clock_is_never() {
    let alive = Rc::new(Cell::new(0));
    let stay = Stay::new(&alive);
    virtual_loop().run(async {
        let _call = call_later(Duration::MAX, move || unreachable!("{:p}", &stay));
        time::sleep(SECOND).await;
    });
    assert_eq!(alive.get(), 0);
}

#[test]
fn callbacks_of_a_loop_that_does_not_run_wait_for_it() {
    let log = Log::default();
    let event_loop = virtual_loop();
    let begin = event_loop.now();
    let record = log.clone();
    let _call = event_loop.call_at(begin + 2 * SECOND, move || record.push("at"));
    let record = log.clone();
    let _call = event_loop.call_later(SECOND, move || record.push("later"));
    let record = log.clone();
    let _call = event_loop.call_soon(move || record.push("soon"));
    assert_eq!(log.len(), 0);
    event_loop.run(async { time::sleep(3 * SECOND).await });
    assert_eq!(log.take(), ["soon", "later", "at"]);
}

#[test]
fn a_callback_that_panics_is_reported_with_its_place_and_the_loop_goes_on() {
    let seen = Rc::new(Cell::new(0));
    let count = Rc::clone(&seen);
    let lines = Rc::new(Cell::new((0, 0)));
    let expected = Rc::clone(&lines);
    let event_loop = EventLoop::builder()
        .slow_poll(None)
        .virtual_time(true)
        .on_error(move |report| {
            let ErrorReport::CallbackPanic { location, .. } = report else { panic!("{report}") };
            assert_eq!(location.file(), file!());
            let (soon, later) = expected.get();
            assert_eq!(location.line(), if count.get() == 0 { soon } else { later });
            assert_eq!(report.message(), "careless");
            count.set(count.get() + 1);
        })
        .build()
        .unwrap();
    event_loop.run(async {
        lines.set((line!() + 1, line!() + 2));
        let soon = call_soon(|| common::quiet_panic("careless"));
        let _call = call_later(SECOND, || common::quiet_panic("careless"));
        yield_now().await;
        assert!(soon.is_over());
        time::sleep(2 * SECOND).await;
    });
    assert_eq!(seen.get(), 2);
}

#[test]
fn a_cancelled_callback_that_panics_in_its_drop_is_reported() {
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let guard = common::on_drop(|| common::quiet_panic("in drop"));
        let call = call_soon(move || drop(guard));
        assert!(call.cancel());
    });
    let lines = reports.take();
    assert!(lines.len() == 1 && lines[0].contains("in drop"), "{lines:?}");
}

#[test]
fn callbacks_that_never_ran_go_with_their_loop() {
    let alive = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    let stay = Stay::new(&alive);
    let soon = event_loop.call_soon(move || drop(stay));
    let stay = Stay::new(&alive);
    let later = event_loop.call_later(SECOND, move || drop(stay));
    drop(event_loop);
    assert_eq!(alive.get(), 0);
    assert!(soon.is_over() && later.is_over());
    assert!(!soon.cancel() && !later.cancel());
}

#[test]
fn a_callback_may_spawn_and_its_task_is_first_polled_later() {
    let log = Log::default();
    monoloop::run(async {
        let record = log.clone();
        let _call = call_soon(move || {
            let inner = record.clone();
            drop(spawn(async move { inner.push("task") }));
            record.push("callback");
        });
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(log.take(), ["callback", "task"]);
}
