//! The end of a loop: what is dropped, in which order, for how long, and what is said of it.

#![allow(clippy::async_yields_async)] // handles and sleeps go out of runs, to be used elsewhere

mod census;
mod common;

use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use common::{
    Log, Stay, isolated, on_drop, panic_of, quiet_panic, reporting_loop, settle, virtual_loop,
};
use monoloop::{EventLoop, JoinHandle, call_soon, spawn, task, time, yield_now};

/// A task that waits for ever, and notes when it is dropped.
fn waiting(event_loop: &EventLoop, log: &Log, name: &str) -> JoinHandle<()> {
    let guard = log.on_drop(name);
    event_loop.spawn(async move {
        let _held = guard;
        pending::<()>().await
    })
}

// ----- order

#[test]
fn tasks_are_dropped_in_spawn_order() {
    let log = Log::default();
    let event_loop = EventLoop::new().unwrap();
    let mut handles: Vec<_> =
        (0..200).map(|n| waiting(&event_loop, &log, &n.to_string())).collect();
    settle(&event_loop);
    // Places that are used again, out of order.
    for n in (0..200).step_by(2).rev() {
        handles[n].abort();
    }
    log.take();
    handles.extend((200..300).map(|n| waiting(&event_loop, &log, &n.to_string())));
    let names: Vec<_> =
        (0..200).filter(|n| n % 2 == 1).chain(200..300).map(|n| n.to_string()).collect();
    let ids: Vec<_> = handles.iter().filter(|h| !h.is_finished()).map(JoinHandle::id).collect();
    let report = event_loop.shutdown();
    assert_eq!(log.take(), names);
    assert_eq!(report.dropped.iter().map(|task| task.id()).collect::<Vec<_>>(), ids);
    assert!(handles.iter().all(JoinHandle::is_finished));
}

#[test]
fn a_loop_that_is_dropped_inside_of_anothers_run_drops_its_tasks_in_spawn_order_too() {
    let log = Log::default();
    let inner = EventLoop::new().unwrap();
    let handles: Vec<_> = (0..100).map(|n| waiting(&inner, &log, &n.to_string())).collect();
    settle(&inner);
    for n in (0..100).step_by(2) {
        handles[n].abort();
    }
    log.take();
    let _more: Vec<_> = (100..150).map(|n| waiting(&inner, &log, &n.to_string())).collect();
    monoloop::run(async move { drop(inner) });
    let names: Vec<_> =
        (0..100).filter(|n| n % 2 == 1).chain(100..150).map(|n| n.to_string()).collect();
    assert_eq!(log.take(), names);
}

#[test]
fn what_drops_spawn_is_dropped_in_the_next_round() {
    let log = Log::default();
    let event_loop = EventLoop::new().unwrap();
    for name in ["a", "b"] {
        let record = log.clone();
        let guard = on_drop(move || {
            record.push(name);
            let guard = record.on_drop(&format!("child of {name}"));
            drop(spawn(async move {
                let _held = guard;
                unreachable!("it is dropped before it is polled")
            }));
        });
        drop(event_loop.spawn(async move {
            let _held = guard;
            pending::<()>().await
        }));
    }
    settle(&event_loop);
    let report = event_loop.shutdown();
    assert_eq!(log.take(), ["a", "b", "child of a", "child of b"]);
    assert_eq!((report.dropped.len(), report.rounds, report.refused), (4, 2, 0));
    assert!(!report.is_clean());
}

// ----- limits

/// Spawns another of its kind when it is dropped, `left` times.
struct Hydra {
    left: usize,
    drops: Rc<Cell<usize>>,
}

impl Drop for Hydra {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
        if let Some(left) = self.left.checked_sub(1) {
            // At the very end no loop is current any more.
            if monoloop::Handle::try_current().is_some() {
                drop(spawn(hydra(left, &self.drops)));
            }
        }
    }
}

fn hydra(left: usize, drops: &Rc<Cell<usize>>) -> Pin<Box<dyn Future<Output = ()>>> {
    let head = Hydra { left, drops: Rc::clone(drops) };
    Box::pin(async move {
        let _held = head;
        pending().await
    })
}

#[test]
fn drops_that_spawn_a_few_times_are_gone_through() {
    let drops = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    drop(event_loop.spawn(hydra(9, &drops)));
    let report = event_loop.shutdown();
    assert_eq!((report.rounds, report.refused, report.dropped.len()), (10, 0, 10));
    assert_eq!(drops.get(), 10);
}

#[test]
fn drops_that_spawn_for_ever_are_refused_in_the_end() {
    let drops = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    drop(event_loop.spawn(hydra(usize::MAX, &drops)));
    let report = event_loop.shutdown();
    assert!(report.refused > 0, "{report}");
    assert!(report.rounds >= 16 && report.rounds < 100, "{report}");
    assert!(drops.get() < 10_000, "{}", drops.get());
}

#[test]
fn drops_that_spawn_many_times_over_do_not_overflow_the_stack() {
    let drops = Rc::new(Cell::new(0));
    monoloop::run(async {
        let handle = spawn(hydra(100_000, &drops));
        yield_now().await;
        // While the loop runs, each of them waits for its turn.
        handle.abort();
    });
    assert!(drops.get() > 16);
}

#[test]
fn a_limit_of_zero_refuses_what_drops_spawn_at_once() {
    let event_loop = EventLoop::builder().shutdown_limit(Duration::ZERO).build().unwrap();
    let log = Log::default();
    let record = log.clone();
    let guard = on_drop(move || {
        let inner = record.on_drop("refused");
        let handle = spawn(async move {
            let _held = inner;
            pending::<()>().await
        });
        record.push(if handle.is_finished() { "over at once" } else { "accepted" });
        let inner = record.on_drop("refused callback");
        assert!(call_soon(move || drop(inner)).is_over());
    });
    drop(event_loop.spawn(async move {
        let _held = guard;
        pending::<()>().await
    }));
    let report = event_loop.shutdown();
    assert_eq!(log.take(), ["refused", "over at once", "refused callback"]);
    assert_eq!((report.refused, report.rounds, report.dropped.len()), (2, 1, 1));
}

// ----- the report

#[test]
fn a_loop_without_tasks_ends_clean() {
    let event_loop = EventLoop::new().unwrap();
    event_loop.run(async { spawn(async {}).await.unwrap() });
    let report = event_loop.shutdown();
    assert!(report.is_clean());
    assert_eq!((report.dropped.len(), report.rounds, report.panics, report.refused), (0, 0, 0, 0));
}

#[test]
fn the_report_names_what_was_dropped() {
    let event_loop = EventLoop::new().unwrap();
    let line = line!() + 2;
    event_loop.run(async {
        drop(task::Builder::new().name("straggler").spawn(pending::<()>()));
    });
    let report = event_loop.shutdown();
    let left = &report.dropped[0];
    assert_eq!((left.name(), left.location().line()), (Some("straggler"), line));
    let text = report.to_string();
    assert!(text.starts_with("1 tasks dropped in 1 rounds, 0 panics, 0 refused\n"), "{text}");
    assert!(text.contains("straggler") && text.contains(file!()), "{text}");
    assert!(report.took < Duration::from_secs(60));
}

// ----- panics

#[test]
fn three_drops_that_panic_do_not_keep_others_from_being_dropped() {
    let (event_loop, reports) = reporting_loop();
    let log = Log::default();
    for n in 0..6 {
        let guard = log.on_drop(&n.to_string());
        drop(event_loop.spawn(async move {
            let _held = (
                on_drop(move || {
                    if n % 2 == 0 {
                        quiet_panic("at the end")
                    }
                }),
                guard,
            );
            pending::<()>().await
        }));
    }
    settle(&event_loop);
    let report = event_loop.shutdown();
    assert_eq!(log.take(), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!((report.panics, report.dropped.len()), (3, 6));
    assert_eq!(reports.take().len(), 3);
}

#[test]
fn three_drops_that_panic_in_a_dropped_loop_do_not_keep_others_from_being_dropped() {
    let (event_loop, reports) = reporting_loop();
    let alive = Rc::new(Cell::new(0));
    for n in 0..6 {
        let stay = Stay::new(&alive);
        drop(event_loop.spawn(async move {
            let _held = (
                on_drop(move || {
                    if n % 2 == 0 {
                        quiet_panic("at the end")
                    }
                }),
                stay,
            );
            pending::<()>().await
        }));
    }
    settle(&event_loop);
    // While its thread unwinds, too.
    assert_eq!(
        panic_of(move || {
            let _held = event_loop;
            quiet_panic("outer")
        }),
        "outer"
    );
    assert_eq!(alive.get(), 0);
    assert_eq!(reports.take().len(), 3);
}

#[test]
fn a_panic_at_the_end_goes_to_the_joiner_if_there_is_one() {
    let (event_loop, reports) = reporting_loop();
    let mut handle = event_loop.spawn(async {
        let _held = on_drop(|| quiet_panic("at the end"));
        pending::<()>().await
    });
    settle(&event_loop);
    drop(event_loop);
    assert_eq!(reports.len(), 0);
    let error = handle.try_join().unwrap().unwrap_err();
    assert_eq!(common::message(error.into_panic()), "at the end");
}

#[test]
fn closures_of_threads_that_never_ran_are_dropped_though_their_drops_panic() {
    isolated("closures_of_threads_that_never_ran_are_dropped_though_their_drops_panic", || {
        let (event_loop, reports) = reporting_loop();
        let log = Log::default();
        drop(waiting(&event_loop, &log, "task"));
        let handle = event_loop.handle();
        for _ in 0..3 {
            let guard = on_drop(|| quiet_panic("in a closure's drop"));
            handle.call_soon_threadsafe(move || drop(guard)).unwrap();
        }
        let report = event_loop.shutdown();
        assert_eq!(log.take(), ["task"]);
        assert_eq!((report.panics, reports.len()), (3, 3));
    });
}

// ----- what is seen from elsewhere

#[test]
fn a_run_of_its_own_loop_drops_what_is_left() {
    let alive = Rc::new(Cell::new(0));
    let handle = monoloop::run(async {
        let stay = Stay::new(&alive);
        let handle = spawn(async move {
            let _held = stay;
            pending::<()>().await
        });
        yield_now().await;
        handle
    });
    assert_eq!(alive.get(), 0);
    assert!(handle.is_finished());
}

#[test]
fn the_loop_is_current_while_it_drops_its_tasks() {
    let log = Log::default();
    let event_loop = EventLoop::new().unwrap();
    let record = log.clone();
    let guard = on_drop(move || {
        assert!(monoloop::Handle::current().is_closed());
        record.push(task::current().unwrap().name().unwrap());
        drop(time::sleep(Duration::from_secs(1)));
        record.push("slept");
    });
    event_loop.run(async {
        drop(task::Builder::new().name("last").spawn(async move {
            let _held = guard;
            pending::<()>().await
        }));
    });
    drop(event_loop);
    assert_eq!(log.take(), ["last", "slept"]);
}

#[test]
fn tasks_that_join_each_other_are_all_dropped() {
    let alive = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    event_loop.run(async {
        let mut last = spawn(pending::<()>());
        for _ in 0..100 {
            let (next, stay) = (last, Stay::new(&alive));
            last = spawn(async move {
                let _held = stay;
                // Its end is that of the loop.
                next.await.unwrap_err();
            });
        }
        drop(last);
        yield_now().await;
        yield_now().await;
    });
    let report = event_loop.shutdown();
    assert_eq!(alive.get(), 0);
    assert_eq!(report.dropped.len(), 101);
}

#[test]
fn a_loop_may_be_dropped_by_a_task_of_its_own() {
    isolated("a_loop_may_be_dropped_by_a_task_of_its_own", || {
        let alive = Rc::new(Cell::new(0));
        // Never polled, waiting, and together with others.
        for polled in [false, true] {
            let event_loop = Rc::new(EventLoop::new().unwrap());
            let (inside, stay) = (Rc::clone(&event_loop), Stay::new(&alive));
            let handle = event_loop.spawn(async move {
                let _held = (inside, stay);
                pending::<()>().await
            });
            let stay = Stay::new(&alive);
            let other = event_loop.spawn(async move {
                let _held = stay;
                pending::<()>().await
            });
            if polled {
                settle(&event_loop);
            }
            drop(event_loop);
            assert!(handle.abort());
            assert!(handle.is_finished() && other.is_finished());
            assert_eq!(alive.get(), 0);
            // The thread's next loop is as good as any.
            assert_eq!(monoloop::run(async { spawn(async { 1 }).await.unwrap() }), 1);
        }
    });
}

#[test]
fn a_loop_may_be_dropped_by_the_output_of_a_task_of_its_own() {
    isolated("a_loop_may_be_dropped_by_the_output_of_a_task_of_its_own", || {
        let event_loop = Rc::new(EventLoop::new().unwrap());
        let inside = Rc::clone(&event_loop);
        let handle = event_loop.spawn(async move { inside });
        settle(&event_loop);
        drop(event_loop);
        drop(handle);
        assert!(monoloop::Handle::try_current().is_none());
        assert_eq!(monoloop::run(async { 1 }), 1);
    });
}

#[test]
fn a_loop_may_be_dropped_by_a_task_of_another() {
    isolated("a_loop_may_be_dropped_by_a_task_of_another", || {
        let alive = Rc::new(Cell::new(0));
        let inner = Rc::new(EventLoop::new().unwrap());
        let handles: Vec<_> = (0..10)
            .map(|_| {
                let (stay, keep) = (Stay::new(&alive), Rc::clone(&inner));
                inner.spawn(async move {
                    let _held = (stay, keep);
                    pending::<()>().await
                })
            })
            .collect();
        settle(&inner);
        let remote = inner.handle();
        let mut alone = inner.spawn(pending::<()>());
        monoloop::run(async {
            // From now on its own tasks keep it, and the last one takes it along.
            drop(inner);
            for (n, handle) in handles.iter().enumerate() {
                assert!(!remote.is_closed());
                assert!(handle.abort());
                assert_eq!(alive.get(), 9 - n);
            }
            assert!(remote.is_closed());
            assert!(alone.try_join().unwrap().unwrap_err().is_cancelled());
            assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
        });
    });
}

#[test]
fn a_deep_chain_of_loops_that_hold_each_other_ends() {
    let alive = Rc::new(Cell::new(0));
    let mut last: Option<EventLoop> = None;
    for _ in 0..20 {
        let (inner, stay) = (last.take(), Stay::new(&alive));
        let event_loop = EventLoop::new().unwrap();
        drop(event_loop.spawn(async move {
            let _held = (inner, stay);
            pending::<()>().await
        }));
        settle(&event_loop);
        last = Some(event_loop);
    }
    drop(last);
    assert_eq!(alive.get(), 0);
}

/// A virtual clock stands still beside what is always ready.
#[test]
fn the_end_of_a_virtual_loop_is_bounded_too() {
    async fn for_ever() {
        loop {
            yield_now().await;
        }
    }

    for is_cleanup in [false, true] {
        let event_loop = virtual_loop();
        event_loop.run(async {
            if is_cleanup {
                drop(spawn(async {
                    let _deferred = monoloop::task::defer(for_ever());
                    pending::<()>().await;
                }));
            } else {
                let _asked = monoloop::task::CancelToken::root();
                drop(spawn(for_ever()));
            }
            yield_now().await;
        });
        let report = event_loop.shutdown_within(Duration::from_millis(1));
        assert!(!report.is_clean(), "{report}");
    }
}

#[test]
fn a_loop_that_ended_leaves_no_descriptor_and_no_thread() {
    isolated("a_loop_that_ended_leaves_no_descriptor_and_no_thread", || {
        monoloop::run(async {});
        let before = census::Census::take();
        for _ in 0..100 {
            let event_loop = EventLoop::new().unwrap();
            let text = panic_of(|| event_loop.run(async { monoloop::run(async {}) }));
            assert!(text.contains("one loop at a time"), "{text}");
            drop(event_loop.spawn(pending::<()>()));
            event_loop.run(yield_now());
        }
        assert_eq!(census::Census::take(), before);
    });
}

#[test]
fn drops_of_a_loop_inside_of_anothers_run_reach_no_loop() {
    let log = Log::default();
    let (inner, reports) = reporting_loop();
    let (spawned, deferred) = (log.clone(), log.clone());
    drop(inner.spawn(async move {
        let _later = task::defer(async move { deferred.push("deferred") });
        let _guard = on_drop(move || drop(spawn(async move { spawned.push("spawned") })));
        pending::<()>().await
    }));
    settle(&inner);
    monoloop::run(async {
        drop(inner);
        // And the one that runs is there as before.
        assert_eq!(spawn(async { task::all().len() }).await.unwrap(), 2);
    });
    assert_eq!(log.take(), Vec::<String>::new());
    let reports = reports.take();
    assert!(reports.len() == 1 && reports[0].contains("no event loop running"), "{reports:?}");
}
