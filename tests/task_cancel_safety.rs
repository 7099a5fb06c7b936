//! What a drop half-way loses: the rows of docs/cancel-safety.md for tasks and their structure, in their order. Those that
//! other files pin are named there.

mod common;

use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use common::{Log, poll_once, virtual_loop};
use monoloop::task::{
    self, CancelToken, JoinSet, TaskGroup, defer, finally, group, inherit, scope,
};
use monoloop::{spawn, task_local, time, yield_now};

const SECOND: Duration = Duration::from_secs(1);

/// Is over after a second.
async fn nap<T>(output: T) -> T {
    time::sleep(SECOND).await;
    output
}

/// Awaits a borrow of something for a moment and gives up. It must not be ready by then.
async fn give_up<F: Future + Unpin>(future: &mut F) {
    assert!(time::timeout(SECOND / 10, future).await.is_err());
}

fn run(future: impl Future<Output = ()>) {
    virtual_loop().run(future);
}

/// As `shield` wants it: an error it would report.
async fn fine(work: impl Future<Output = ()>) -> Result<(), &'static str> {
    work.await;
    Ok(())
}

// ----- handles

#[test]
fn a_borrow_of_a_join_handle_loses_nothing_and_a_drop_detaches() {
    run(async {
        let mut handle = spawn(nap(1));
        give_up(&mut handle).await;
        assert_eq!(handle.await.unwrap(), 1);

        let log = Log::default();
        let noted = log.clone();
        drop(spawn(async move {
            nap(()).await;
            noted.push("ran on")
        }));
        nap(()).await;
        yield_now().await;
        assert_eq!(log.take(), ["ran on"]);
    });
}

#[test]
fn a_borrow_of_an_aborting_handle_loses_nothing_and_a_drop_aborts() {
    run(async {
        let mut handle = spawn(nap(1)).abort_on_drop();
        give_up(&mut handle).await;
        assert_eq!(handle.await.unwrap(), 1);

        let log = Log::default();
        let guard = log.on_drop("dropped");
        let handle = spawn(async move {
            let _guard = guard;
            pending::<()>().await
        });
        yield_now().await;
        drop(handle.abort_on_drop());
        assert_eq!(log.take(), ["dropped"]);
    });
}

#[test]
fn an_eager_task_and_a_shielded_one_run_on() {
    run(async {
        let log = Log::default();
        let work = |name: &'static str| {
            let log = log.clone();
            async move {
                nap(()).await;
                log.push(name)
            }
        };
        let mut eager = task::spawn_eager(work("eager")).into_future();
        give_up(&mut eager).await;
        drop(eager);
        let mut shielded = Box::pin(task::shield(fine(work("shielded"))));
        give_up(&mut shielded).await;
        drop(shielded);
        nap(()).await;
        yield_now().await;
        assert_eq!(log.take(), ["eager", "shielded"]);
    });
}

// ----- groups and scopes. Their drops: task_group, task_scope

#[test]
fn clean_ups_of_a_dropped_group_or_scope_pass_outwards() {
    run(async {
        let log = Log::default();
        let child = |name: &'static str| {
            let log = log.clone();
            async move {
                let _guard = defer(async move {
                    nap(()).await;
                    log.push(name)
                });
                pending::<Result<(), ()>>().await
            }
        };
        let begin = time::now();
        let outer = group(async |_outer: TaskGroup<(), ()>| {
            let inner = group(async |inner: TaskGroup<(), ()>| {
                inner.spawn(child("of the group"));
                pending().await
            });
            assert!(time::timeout(SECOND, inner).await.is_err());
            let inner = scope(async |inner| {
                drop(inner.spawn(child("of the scope")));
                pending::<()>().await
            });
            assert!(time::timeout(SECOND, inner).await.is_err());
            log.push("body");
            Ok(())
        });
        outer.await.unwrap();
        assert_eq!(log.take(), ["body", "of the group", "of the scope"]);
        assert_eq!(time::now() - begin, 3 * SECOND);
    });
}

#[test]
fn a_borrow_of_a_childs_handle_loses_nothing_and_a_drop_lets_it_run() {
    run(async {
        let ran = Cell::new(0);
        let outcome = group(async |group| {
            let mut handle = group.spawn(nap(Ok::<_, ()>(1)));
            give_up(&mut handle).await;
            assert_eq!(handle.await, Ok(1));
            let dropped = Rc::new(Cell::new(false));
            let noted = Rc::clone(&dropped);
            drop(group.spawn(async move {
                nap(()).await;
                noted.set(true);
                Ok(())
            }));
            Ok(dropped)
        });
        assert!(outcome.await.unwrap().get());

        scope(async |s| {
            let mut handle = s.spawn(nap(2));
            give_up(&mut handle).await;
            assert_eq!(handle.await, 2);
            drop(s.spawn(async {
                nap(()).await;
                ran.set(1)
            }));
        })
        .await;
        assert_eq!(ran.get(), 1);
    });
}

// `TaskGroup::start`: task_group

// ----- sets

#[test]
fn a_set_keeps_what_a_dropped_wait_did_not_take() {
    run(async {
        let mut set = JoinSet::new();
        for n in 1..=3 {
            set.spawn(async move {
                time::sleep(SECOND * n).await;
                n
            });
        }
        for n in 1..=3 {
            for _ in 0..3 {
                give_up(&mut pin!(set.join_next())).await;
            }
            assert_eq!(set.join_next().await.unwrap().unwrap(), n);
        }
        assert!(set.join_next().await.is_none());
    });
}

#[test]
fn a_dropped_shutdown_has_aborted_all_the_same() {
    run(async {
        let log = Log::default();
        let mut set = JoinSet::new();
        for name in ["a", "b"] {
            let guard = log.on_drop(name);
            set.spawn(async move {
                let _guard = guard;
                pending::<()>().await
            });
        }
        // One drops the shutdown that aborts it: its own future is not gone yet.
        let shared = Rc::new(std::cell::RefCell::new(set));
        let own = Rc::clone(&shared);
        shared.borrow_mut().spawn(async move {
            let mut set = own.borrow_mut();
            let mut shutdown = Box::pin(set.shutdown());
            assert!(poll_once(&mut shutdown, Waker::noop()).is_pending());
        });
        yield_now().await;
        assert_eq!(log.take(), ["a", "b"]);
        let mut set = shared.take();
        assert_eq!(set.len(), 1, "it stays in the set");
        // It was aborted when it was through: its output stands.
        assert!(set.join_next().await.unwrap().is_ok());
    });
}

// ----- tokens

#[test]
fn a_dropped_wait_for_a_token_loses_nothing() {
    run(async {
        let token = CancelToken::new();
        give_up(&mut pin!(token.cancelled())).await;
        token.cancel();
        for _ in 0..2 {
            assert!(poll_once(&mut pin!(token.cancelled()), Waker::noop()).is_ready());
        }
    });
}

#[test]
fn what_runs_until_a_token_is_cancelled_is_dropped_with_it() {
    run(async {
        let log = Log::default();
        let guard = log.on_drop("dropped");
        let token = CancelToken::new();
        let work = async move {
            let _guard = guard;
            pending::<()>().await
        };
        let mut running = Box::pin(token.run_until_cancelled(work));
        give_up(&mut running).await;
        drop(running);
        assert_eq!(log.take(), ["dropped"]);
        assert!(!token.is_cancelled());
    });
}

// ----- values

task_local! {
    static NAME: &'static str;
}

#[test]
fn futures_with_values_are_dropped_with_them_in_force() {
    run(async {
        let log = Log::default();
        let watched = || {
            let log = log.clone();
            async move {
                let _guard = common::on_drop(move || log.push(NAME.try_with(|n| *n).unwrap()));
                pending::<()>().await
            }
        };
        let mut scoped = Box::pin(NAME.scope("scoped", watched()));
        give_up(&mut scoped).await;
        drop(scoped);
        let mut heir = NAME.sync_scope("inherited", || Box::pin(inherit(watched())));
        give_up(&mut heir).await;
        drop(heir);
        assert_eq!(log.take(), ["scoped", "inherited"]);
    });
}

// ----- clean-ups

/// A clean-up of two steps, a second each.
async fn farewell(log: Log) {
    for step in ["half", "whole"] {
        nap(()).await;
        log.push(step);
    }
}

#[test]
fn the_rest_of_a_clean_up_that_was_dropped_half_way_is_adopted() {
    run(async {
        let log = Log::default();
        let outcome = group(async |_: TaskGroup<(), ()>| {
            let running = defer(farewell(log.clone())).run();
            assert!(time::timeout(SECOND * 3 / 2, running).await.is_err());
            assert_eq!(log.take(), ["half"]);
            Ok(())
        });
        outcome.await.unwrap();
        assert_eq!(log.take(), ["whole"]);
    });
}

#[test]
fn finally_adopts_its_clean_up_before_and_while_it_runs() {
    run(async {
        let log = Log::default();
        for limit in [SECOND / 2, SECOND * 5 / 2] {
            let work = async {
                let _guard = log.on_drop("the work");
                nap(()).await
            };
            let outcome = group(async |_: TaskGroup<(), ()>| {
                let both = finally(work, farewell(log.clone()));
                assert!(time::timeout(limit, both).await.is_err());
                log.push("given up");
                Ok(())
            });
            outcome.await.unwrap();
        }
        let expected = "the work,given up,half,whole,the work,half,given up,whole";
        assert_eq!(log.take().join(","), expected);
    });
}

/// The table is about futures: they all are, and none is polled by being made.
#[test]
fn what_was_not_polled_loses_nothing_but_itself() {
    run(async {
        let log = Log::default();
        let work = || {
            let log = log.clone();
            async move { log.push("polled") }
        };
        let futures: Vec<Pin<Box<dyn Future<Output = ()>>>> = vec![
            Box::pin(async {
                drop(
                    group(async |_| {
                        work().await;
                        Ok::<_, ()>(())
                    })
                    .await,
                )
            }),
            Box::pin(async { scope(async |_| work().await).await }),
            Box::pin(inherit(work())),
            Box::pin(NAME.scope("x", work())),
        ];
        drop(futures);
        yield_now().await;
        assert_eq!(log.len(), 0);
        // A shield spawns when it is made: that is what it is for.
        drop(task::shield(fine(work())));
        yield_now().await;
        assert_eq!(log.take(), ["polled"]);
    });
}
