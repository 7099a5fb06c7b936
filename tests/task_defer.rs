//! Clean-ups that await: adopted however their scope is left, and run to their ends.

mod common;

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use common::{
    Counter, Log, isolated, message, on_drop, panic_of, poll_once, quiet_panic, reporting_loop,
    virtual_loop,
};
use monoloop::task::{self, CancelToken, TaskGroup, defer, finally, group, scope};
use monoloop::{EventLoop, spawn, time, yield_now};

const SECOND: Duration = Duration::from_secs(1);

/// A clean-up that takes a second.
fn farewell(log: &Log, name: &str) -> impl Future<Output = ()> + 'static {
    let (log, name) = (log.clone(), name.to_owned());
    async move {
        time::sleep(SECOND).await;
        log.push(name);
    }
}

// ----- however a scope is left

#[test]
fn a_clean_up_runs_when_its_scope_is_left_by_return_error_or_panic() {
    let log = Log::default();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let returned = spawn({
            let log = log.clone();
            async move {
                let _guard = defer(farewell(&log, "return"));
                1
            }
        });
        let failed = spawn({
            let log = log.clone();
            async move {
                let _guard = defer(farewell(&log, "error"));
                Err::<(), _>("no")?;
                Ok::<_, &str>(())
            }
        });
        let panicked = spawn({
            let log = log.clone();
            async move {
                let _guard = defer(farewell(&log, "panic"));
                quiet_panic("ouch")
            }
        });
        assert_eq!(returned.await.unwrap(), 1);
        assert_eq!(failed.await.unwrap(), Err("no"));
        assert_eq!(message(panicked.await.unwrap_err().into_panic()), "ouch");
        // The clean-ups run beside: they are shown as tasks.
        assert_eq!((log.len(), task::all().len()), (0, 4));
        time::sleep(SECOND * 2).await;
    });
    assert_eq!(log.take(), ["return", "error", "panic"]);
    assert!(event_loop.shutdown().is_clean());
}

#[test]
fn a_clean_up_runs_when_its_future_is_dropped() {
    let log = Log::default();
    virtual_loop().run(async {
        let endless = async {
            let _guard = defer(farewell(&log, "timeout"));
            pending::<()>().await
        };
        assert!(time::timeout(SECOND, endless).await.is_err());
        let noted = log.clone();
        let task = spawn(async move {
            let _guard = defer(farewell(&noted, "abort"));
            pending::<()>().await
        });
        yield_now().await;
        task.abort();
        time::sleep(SECOND * 2).await;
    });
    assert_eq!(log.take(), ["timeout", "abort"]);
}

#[test]
fn a_guard_can_be_disarmed_or_run_here() {
    let log = Log::default();
    virtual_loop().run(async {
        drop(defer(farewell(&log, "never")).disarm());
        defer(farewell(&log, "here")).run().await;
        assert_eq!(log.take(), ["here"]);
        // Half-way through, the rest is adopted.
        let half = time::timeout(SECOND / 2, defer(farewell(&log, "rest")).run());
        assert!(half.await.is_err());
        assert_eq!(log.len(), 0);
        time::sleep(SECOND).await;
        assert_eq!(log.take(), ["rest"]);
    });
}

#[test]
fn a_clean_up_never_runs_twice() {
    let log = Log::default();
    virtual_loop().run(async {
        finally(async {}, farewell(&log, "once")).await;
        defer(farewell(&log, "once more")).run().await;
        time::sleep(SECOND * 3).await;
    });
    assert_eq!(log.take(), ["once", "once more"]);
}

// ----- finally

#[test]
fn finally_gives_the_output_after_the_clean_up() {
    let log = Log::default();
    virtual_loop().run(async {
        let begin = time::now();
        assert_eq!(finally(async { 1 }, farewell(&log, "clean-up")).await, 1);
        assert_eq!((log.take(), time::now() - begin), (vec!["clean-up".into()], SECOND));
    });
}

#[test]
fn finally_cleans_up_after_a_drop_at_any_point() {
    for half_seconds in [1, 3] {
        let log = Log::default();
        virtual_loop().run(async {
            let work = finally(async { time::sleep(SECOND).await }, farewell(&log, "clean-up"));
            assert!(time::timeout(SECOND / 2 * half_seconds, work).await.is_err());
            assert_eq!(log.len(), 0);
            time::sleep(SECOND * 2).await;
            assert_eq!(log.take(), ["clean-up"], "{half_seconds}");
        });
    }
}

#[test]
fn finally_cleans_up_after_a_panic() {
    let log = Log::default();
    let clean_up = farewell(&log, "clean-up");
    let text = panic_of(|| {
        virtual_loop().run(async { finally(async { quiet_panic("ouch") }, clean_up).await })
    });
    assert_eq!((text, log.take()), ("ouch".into(), vec!["clean-up".into()]));
}

// ----- who waits

#[test]
fn a_group_waits_for_the_clean_ups_of_its_children() {
    virtual_loop().run(async {
        let log = Log::default();
        let begin = time::now();
        let failed = group(async |group: TaskGroup<(), _>| {
            let _body = defer(farewell(&log, "body"));
            for name in ["a", "b"] {
                let log = log.clone();
                group.spawn(async move {
                    let _guard = defer(farewell(&log, name));
                    pending::<Result<(), _>>().await
                });
            }
            yield_now().await;
            Err("fails")
        });
        assert_eq!(failed.await.unwrap_err().into_first(), "fails");
        assert_eq!(time::now() - begin, SECOND);
        assert_eq!(
            (log.take(), task::all().len()),
            (["body", "a", "b"].map(String::from).into(), 1)
        );
    });
}

#[test]
fn a_scope_waits_for_the_clean_ups_of_its_children() {
    virtual_loop().run(async {
        let log = Log::default();
        scope(async |s| {
            s.spawn(async {
                let _guard = defer(farewell(&log, "child"));
            });
            let _guard = defer(farewell(&log, "body"));
        })
        .await;
        assert_eq!(log.take(), ["body", "child"]);
        assert_eq!(task::all().len(), 1);
    });
}

#[test]
fn clean_ups_that_defer_are_waited_for_too() {
    virtual_loop().run(async {
        let log = Log::default();
        let given = group(async |_: TaskGroup<(), Infallible>| {
            let noted = log.clone();
            let _guard = defer(async move {
                let _again = defer(farewell(&noted, "second"));
                farewell(&noted, "first").await;
            });
            Ok(())
        });
        given.await.unwrap();
        assert_eq!(log.take(), ["first", "second"]);
    });
}

#[test]
fn the_clean_ups_of_a_dropped_group_pass_to_the_group_around_it() {
    virtual_loop().run(async {
        let log = Log::default();
        let begin = time::now();
        let outer = group(async |_: TaskGroup<(), Infallible>| {
            let inner = group(async |inner: TaskGroup<(), Infallible>| {
                let noted = log.clone();
                inner.spawn::<_, ()>(async move {
                    let _guard = defer(farewell(&noted, "grandchild"));
                    pending().await
                });
                let _scope = scope(async |s| {
                    let log = log.clone();
                    s.spawn(async move {
                        let _guard = defer(farewell(&log, "in a scope"));
                        pending::<()>().await
                    });
                    pending::<()>().await
                })
                .await;
                pending().await
            });
            assert!(time::timeout(SECOND, inner).await.is_err());
            Ok(())
        });
        outer.await.unwrap();
        let mut done = log.take();
        done.sort();
        assert_eq!(
            (done, time::now() - begin),
            (["grandchild", "in a scope"].map(String::from).into(), SECOND * 2)
        );
    });
}

#[test]
fn a_panic_of_a_clean_up_goes_to_the_hook_and_does_not_hold_up_the_group() {
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let given = group(async |_: TaskGroup<(), Infallible>| {
            let _guard = defer(async { quiet_panic("clean-up") });
            Ok(())
        });
        given.await.unwrap();
    });
    let reports = reports.take();
    assert!(reports.len() == 1 && reports[0].ends_with("panicked: clean-up"), "{reports:?}");
}

#[test]
fn the_household_of_a_clean_up_is_where_it_was_deferred() {
    // A guard that is handed out of its group and dropped after it counts nowhere but in the loop.
    let log = Log::default();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let guard =
            group(async |_: TaskGroup<_, Infallible>| Ok(defer(farewell(&log, "late")))).await;
        drop(guard);
    });
    assert_eq!(log.len(), 0);
    assert!(event_loop.shutdown().is_clean());
    assert_eq!(log.take(), ["late"]);
}

// ----- the end of a loop

#[test]
fn run_waits_for_clean_ups_before_it_returns() {
    let log = Log::default();
    let noted = log.clone();
    monoloop::run(async move {
        let inner = noted.clone();
        spawn(async move {
            let _guard = defer(async move {
                time::sleep(Duration::from_millis(2)).await;
                inner.push("task");
            });
            pending::<()>().await
        })
        .detach();
        yield_now().await;
        let _guard = defer(async move {
            yield_now().await;
            noted.push("main");
        });
    });
    assert_eq!(log.take(), ["main", "task"]);
}

#[test]
fn a_clean_up_may_use_the_loop_at_the_end() {
    let log = Log::default();
    let event_loop = virtual_loop();
    let noted = log.clone();
    let _task = event_loop.spawn(async move {
        let _guard = defer(async move {
            let helper = spawn(async { time::sleep(SECOND).await });
            helper.await.unwrap();
            noted.push("helped");
        });
        pending::<()>().await
    });
    event_loop.run(yield_now());
    let report = event_loop.shutdown();
    assert_eq!((log.take(), report.dropped.len()), (vec!["helped".into()], 1), "{report}");
}

#[test]
fn a_clean_up_that_overruns_the_limit_is_dropped_and_named() {
    let log = Log::default();
    let reports = Log::default();
    let hook = reports.clone();
    let event_loop = EventLoop::builder()
        .slow_poll(None)
        .virtual_time(true)
        .on_error(move |report| hook.push(report.to_string()))
        .build()
        .unwrap();
    let quick = farewell(&log, "quick");
    let held = log.on_drop("dropped");
    event_loop.run(async {
        let _quick = defer(quick);
        let _stuck = defer(async move {
            let _held = held;
            pending::<()>().await
        });
    });
    let begin = event_loop.now();
    let report = event_loop.shutdown_within(SECOND * 3);
    assert_eq!(log.take(), ["quick", "dropped"]);
    assert_eq!((report.overran.len(), report.dropped.len(), report.is_clean()), (1, 0, false));
    let _ = begin;
    assert!(report.to_string().contains("task_defer.rs"), "{report}");
    assert!(report.to_string().ends_with("overran the limit"), "{report}");
    let reports = reports.take();
    assert!(
        reports.len() == 1 && reports[0].ends_with("its clean-up overran the shutdown limit"),
        "{reports:?}"
    );
}

#[test]
fn what_is_deferred_too_late_is_refused() {
    let log = Log::default();
    let event_loop = virtual_loop();
    let late = log.on_drop("late");
    event_loop.run(async {
        let _stuck = defer(async move {
            let _late = defer(async move {
                let _late = late;
                unreachable!("it is not run");
            });
            pending::<()>().await
        });
    });
    let report = event_loop.shutdown_within(SECOND);
    assert_eq!((log.take(), report.refused), (vec!["late".into()], 1), "{report}");
}

#[test]
fn a_limit_of_zero_runs_no_clean_up() {
    let event_loop = virtual_loop();
    event_loop.run(async { drop(defer(async { unreachable!("there is no time for it") })) });
    assert_eq!(event_loop.shutdown_within(Duration::ZERO).overran.len(), 1);
}

#[test]
fn without_a_loop_a_clean_up_is_dropped_unpolled() {
    let log = Log::default();
    let held = log.on_drop("dropped");
    let mut by_hand = Box::pin(async move {
        let _guard = defer(async move {
            let _held = held;
            unreachable!("no loop runs it");
        });
        pending::<()>().await
    });
    assert!(poll_once(&mut by_hand, &Counter::new().1).is_pending());
    drop(by_hand);
    assert_eq!(log.take(), ["dropped"]);
}

#[test]
fn clean_ups_run_while_the_thread_unwinds() {
    let output = isolated("clean_ups_run_while_the_thread_unwinds", || {
        let log = Log::default();
        let clean_up = farewell(&log, "clean-up");
        let text = panic_of(|| {
            let event_loop = virtual_loop();
            event_loop.run(async {
                let _guard = defer(async {
                    // A panic inside of the unwinding, too.
                    spawn(async { quiet_panic("inner") }).await.unwrap_err();
                    clean_up.await;
                });
                quiet_panic("outer")
            });
        });
        assert_eq!((text, log.take()), ("outer".into(), vec!["clean-up".into()]));
    });
    drop(output);
}

#[test]
fn a_token_and_a_clean_up_together() {
    let log = Log::default();
    let event_loop = virtual_loop();
    let (early, late) = (farewell(&log, "asked"), farewell(&log, "cleaned up"));
    let _task = event_loop.spawn(async move {
        let _guard = defer(late);
        CancelToken::root().cancelled().await;
        early.await;
    });
    event_loop.run(yield_now());
    assert!(event_loop.shutdown().is_clean());
    assert_eq!(log.take(), ["asked", "cleaned up"]);
}

// ----- clean-ups that panic

/// Panics in its first poll, and counts them all.
fn panics_once(polls: &Rc<Cell<u32>>) -> impl Future<Output = ()> + 'static {
    let polls = Rc::clone(polls);
    poll_fn(move |_| {
        polls.set(polls.get() + 1);
        if polls.get() == 1 { quiet_panic("clean-up") } else { Poll::Ready(()) }
    })
}

#[test]
fn a_clean_up_that_panics_where_it_is_run_is_not_polled_again() {
    let polls = Rc::new(Cell::new(0));
    for is_finally in [false, true] {
        polls.set(0);
        let (event_loop, reports) = reporting_loop();
        let text = panic_of(|| {
            event_loop.run(async {
                match is_finally {
                    false => defer(panics_once(&polls)).run().await,
                    true => finally(async {}, panics_once(&polls)).await,
                }
            });
        });
        assert_eq!((text.as_str(), polls.get()), ("clean-up", 1));
        // The end would run what was adopted.
        assert!(event_loop.shutdown().is_clean());
        assert_eq!((polls.get(), reports.take()), (1, vec![]));
    }
}

#[test]
fn what_a_stranger_defers_whom_a_child_aborts_is_not_the_groups() {
    virtual_loop().run(async {
        let stranger = spawn(async {
            let _guard = on_drop(|| drop(defer(time::sleep(SECOND * 5))));
            pending::<()>().await
        });
        yield_now().await;
        let begin = time::now();
        let ended = group(async |_: TaskGroup<(), Infallible>| {
            stranger.abort();
            Ok(())
        });
        ended.await.unwrap();
        assert_eq!(time::now() - begin, Duration::ZERO);
    });
}
