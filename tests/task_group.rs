//! Task groups: who ends them, what they give, and that nobody outlives them.

mod common;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use common::{Log, Stay, message, on_drop, quiet_panic, reporting_loop, virtual_loop};
use monoloop::task::{self, GroupError, MemberError, StartError, TaskGroup, group};
use monoloop::{spawn, time, yield_now};

const SECOND: Duration = Duration::from_secs(1);

/// A child that waits for ever, and notes when it is dropped.
async fn waiting<E>(log: Log, name: &'static str) -> Result<(), E> {
    let _held = log.on_drop(name);
    pending().await
}

fn tasks() -> usize {
    task::all().len()
}

// ----- the good end

#[test]
fn a_group_waits_for_its_children_and_gives_what_the_body_gave() {
    virtual_loop().run(async {
        let begin = time::now();
        let given = group(async |group: TaskGroup<_, Infallible>| {
            for seconds in 1..=3 {
                group.spawn(async move {
                    time::sleep(SECOND * seconds).await;
                    Ok(())
                });
            }
            Ok("body")
        });
        assert_eq!(given.await.unwrap(), "body");
        assert_eq!((time::now() - begin, tasks()), (SECOND * 3, 1));
    });
}

#[test]
fn a_group_without_children_ends_with_its_body() {
    virtual_loop().run(async {
        assert_eq!(group(async |_: TaskGroup<_, ()>| Ok(1)).await, Ok(1));
        let error = group(async |_: TaskGroup<(), _>| Err(2)).await.unwrap_err();
        assert_eq!(error.errors(), [2]);
    });
}

#[test]
fn the_body_may_borrow() {
    virtual_loop().run(async {
        let log = RefCell::new(Vec::new());
        let ended = group(async |group: TaskGroup<(), Infallible>| {
            let seven = group.spawn(async { Ok(7) }).await.unwrap();
            log.borrow_mut().push(seven);
            Ok(())
        });
        ended.await.unwrap();
        assert_eq!(log.into_inner(), [7]);
    });
}

#[test]
fn children_give_outputs_of_any_type() {
    virtual_loop().run(async {
        let given = group(async |group: TaskGroup<_, Infallible>| {
            let number = group.spawn(async { Ok(1) });
            let text = group.spawn_named("scribe", async { Ok(String::from("one")) });
            Ok((number.await.unwrap(), text.await.unwrap()))
        });
        assert_eq!(given.await.unwrap(), (1, "one".into()));
    });
}

#[test]
fn an_output_can_be_taken_after_the_group_is_over() {
    virtual_loop().run(async {
        let given = group(async |group: TaskGroup<_, Infallible>| Ok(group.spawn(async { Ok(1) })));
        assert_eq!(given.await.unwrap().await, Ok(1));
    });
}

#[test]
fn children_may_spawn_while_the_group_closes() {
    virtual_loop().run(async {
        let log = Log::default();
        let given = group(async |group: TaskGroup<(), Infallible>| {
            let (inner, log) = (group.clone(), log.clone());
            group.spawn(async move {
                time::sleep(SECOND).await;
                assert!(inner.is_open());
                let last = inner.clone();
                inner.spawn(async move {
                    time::sleep(SECOND).await;
                    log.push("grandchild");
                    assert!(last.try_spawn(async { Ok(()) }).is_ok());
                    Ok(())
                });
                Ok(())
            });
            Ok(())
        });
        given.await.unwrap();
        assert_eq!((log.take(), tasks()), (vec!["grandchild".into()], 1));
    });
}

// ----- the bad end

#[test]
fn the_first_error_aborts_siblings_and_body_in_spawn_order_and_at_once() {
    virtual_loop().run(async {
        let log = Log::default();
        let begin = time::now();
        let failed = group(async |group: TaskGroup<(), _>| {
            let _body = log.on_drop("body");
            for name in ["a", "b", "c"] {
                group.spawn(waiting(log.clone(), name));
            }
            group.spawn(async {
                time::sleep(SECOND).await;
                Err::<(), _>("no luck")
            });
            pending().await
        });
        let error = failed.await.unwrap_err();
        assert_eq!((error.errors(), time::now() - begin), (&["no luck"][..], SECOND));
        assert_eq!((log.take(), tasks()), (["a", "b", "c", "body"].map(String::from).into(), 1));
    });
}

#[test]
fn all_errors_come_the_first_one_first() {
    virtual_loop().run(async {
        let failed = group(async |group: TaskGroup<(), _>| {
            for (name, seconds) in [("a", 2), ("b", 1)] {
                let all = group.clone();
                group.spawn(async move {
                    let _farewell = task::defer(async move {
                        time::sleep(SECOND * seconds).await;
                        assert_eq!(all.fail(name), None);
                    });
                    pending::<Result<(), _>>().await
                });
            }
            group.spawn(async {
                yield_now().await;
                Err::<(), _>("first")
            });
            pending().await
        });
        let error = failed.await.unwrap_err();
        assert_eq!(error.to_string(), "first (and 2 more errors)");
        assert_eq!(error.into_errors(), ["first", "b", "a"]);
    });
}

#[test]
fn an_error_wins_over_an_early_end() {
    virtual_loop().run(async {
        let mut outside = None;
        let failed = group(async |group: TaskGroup<(), _>| {
            outside = Some(group.clone());
            let inner = group.clone();
            group.spawn(async move {
                inner.cancel();
                Err::<(), _>("after the end")
            });
            pending().await
        });
        assert_eq!(failed.await.unwrap_err().to_string(), "after the end");
        assert_eq!(outside.unwrap().fail("late"), Some("late"));
    });
}

#[test]
fn a_child_that_was_merely_cancelled_does_not_end_the_group() {
    virtual_loop().run(async {
        let given = group(async |group: TaskGroup<_, Infallible>| {
            let cancelled = group.spawn(async { pending().await });
            yield_now().await;
            assert!(cancelled.abort());
            let outcome: Result<(), _> = cancelled.await;
            assert_eq!(outcome, Err(MemberError::Cancelled));
            Ok(group.spawn(async { Ok(1) }).await.unwrap())
        });
        assert_eq!(given.await.unwrap(), 1);
    });
}

#[test]
fn a_panic_of_a_child_comes_when_all_are_gone() {
    let log = Log::default();
    let (event_loop, reports) = reporting_loop();
    let payload = event_loop.run(async {
        let noted = log.clone();
        let parent = spawn(async move {
            let _parent = noted.on_drop("parent");
            let done: Result<(), GroupError<()>> = group(async |group| {
                group.spawn(waiting(noted.clone(), "sibling"));
                group
                    .spawn(async {
                        yield_now().await;
                        quiet_panic("ouch")
                    })
                    .await
                    .unwrap_or_else(|_| unreachable!("the body is gone"));
                Ok(())
            })
            .await;
            done.unwrap_or_else(|_| unreachable!("it panics"))
        });
        parent.await.unwrap_err().into_panic()
    });
    assert_eq!(message(payload), "ouch");
    assert_eq!(
        (log.take(), reports.take()),
        (["sibling", "parent"].map(String::from).into(), vec![])
    );
}

#[test]
fn a_panic_of_the_body_aborts_the_children() {
    let log = Log::default();
    virtual_loop().run(async {
        let noted = log.clone();
        let parent = spawn(async move {
            let done: Result<(), GroupError<()>> = group(async |group| {
                group.spawn(waiting(noted.clone(), "child"));
                yield_now().await;
                quiet_panic("body")
            })
            .await;
            done
        });
        assert_eq!(message(parent.await.unwrap_err().into_panic()), "body");
        assert_eq!((log.take(), tasks()), (vec!["child".into()], 1));
    });
}

#[test]
fn a_second_panic_goes_to_the_hook() {
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let parent = spawn(async {
            let done: Result<(), GroupError<()>> = group(async |group| {
                group.spawn(async {
                    let _sore = on_drop(|| quiet_panic("second"));
                    pending::<Result<(), ()>>().await
                });
                yield_now().await;
                quiet_panic("first")
            })
            .await;
            done
        });
        assert_eq!(message(parent.await.unwrap_err().into_panic()), "first");
    });
    let reports = reports.take();
    assert!(reports.len() == 1 && reports[0].ends_with("panicked: second"), "{reports:?}");
}

// ----- an early end

#[test]
fn cancel_ends_a_group_early_without_an_error() {
    virtual_loop().run(async {
        let log = Log::default();
        let given = group(async |group: TaskGroup<(), Infallible>| {
            group.spawn(waiting(log.clone(), "child"));
            yield_now().await;
            group.cancel();
            group.cancel();
            assert!(!group.is_open());
            pending().await
        });
        assert_eq!(given.await, Ok(()));
        assert_eq!((log.take(), tasks()), (vec!["child".into()], 1));
    });
}

#[test]
fn the_first_value_of_a_group_stands() {
    virtual_loop().run(async {
        let given = group(async |group: TaskGroup<_, Infallible>| {
            assert_eq!(group.finish(1), None);
            assert_eq!(group.finish(2), Some(2));
            Ok(3)
        });
        assert_eq!(given.await, Ok(1));
        let given = group(async |group: TaskGroup<_, Infallible>| {
            let inner = group.clone();
            group.spawn(async move {
                yield_now().await;
                assert_eq!(inner.finish(4), Some(4));
                pending::<Result<(), _>>().await
            });
            Ok(5)
        });
        assert_eq!(given.await, Ok(5));
    });
}

#[test]
fn a_child_that_ends_its_own_group_ends_when_it_next_waits() {
    virtual_loop().run(async {
        let log = Log::default();
        let given = group(async |group: TaskGroup<(), Infallible>| {
            let (inner, log) = (group.clone(), log.clone());
            group.spawn(async move {
                inner.cancel();
                log.push("still here");
                yield_now().await;
                log.push("never");
                Ok(())
            });
            pending().await
        });
        given.await.unwrap();
        assert_eq!(log.take(), ["still here"]);
    });
}

// ----- refusals

#[test]
fn a_group_that_ends_gives_futures_back() {
    virtual_loop().run(async {
        let alive = Rc::new(Cell::new(0));
        let mut outside = None;
        let given = group(async |group: TaskGroup<(), Infallible>| {
            group.cancel();
            let stay = Stay::new(&alive);
            let refused = group.try_spawn(async move {
                let _stay = stay;
                Ok(1)
            });
            let refused = refused.map(drop).unwrap_err();
            assert_eq!(refused.to_string(), "the task group is ending and takes no new tasks");
            assert_eq!(alive.get(), 1);
            assert_eq!(refused.into_inner().await, Ok(1));
            assert_eq!(alive.get(), 0);
            let stay = Stay::new(&alive);
            let dropped = group.spawn(async move {
                let _stay = stay;
                Ok(())
            });
            assert_eq!((alive.get(), dropped.is_finished(), dropped.id()), (0, true, None));
            assert_eq!(dropped.await, Err(MemberError::Cancelled));
            outside = Some(group.clone());
            pending().await
        });
        given.await.unwrap();
        let outside = outside.unwrap();
        assert!(outside.try_spawn(async { Ok(()) }).is_err() && outside.is_empty());
    });
}

/// gh-116048: a task that was spawned and aborted before its first step must let go of what it was given.
#[test]
fn a_child_that_never_ran_lets_go_of_what_it_holds() {
    virtual_loop().run(async {
        let alive = Rc::new(Cell::new(0));
        let failed = group(async |group: TaskGroup<(), _>| {
            let stay = Stay::new(&alive);
            group.spawn::<_, ()>(async move {
                let _stay = stay;
                unreachable!("it is aborted before")
            });
            Err::<(), _>("early")
        });
        assert_eq!(failed.await.unwrap_err().into_first(), "early");
        assert_eq!((alive.get(), tasks()), (0, 1));
    });
}

// ----- drops

#[test]
fn a_dropped_group_drops_its_body_and_then_its_children_before_the_drop_returns() {
    virtual_loop().run(async {
        let log = Log::default();
        let endless = group(async |group: TaskGroup<(), Infallible>| {
            let _body = log.on_drop("body");
            for name in ["a", "b", "c"] {
                group.spawn(waiting(log.clone(), name));
            }
            pending().await
        });
        assert!(time::timeout(SECOND, endless).await.is_err());
        assert_eq!(log.take(), ["body", "a", "b", "c"]);
        assert_eq!(tasks(), 1);
    });
}

#[test]
fn nested_groups_go_together() {
    virtual_loop().run(async {
        let log = Log::default();
        let failed = group(async |outer: TaskGroup<(), &str>| {
            let noted = log.clone();
            outer.spawn(async move {
                let inner = group(async |inner: TaskGroup<(), &str>| {
                    inner.spawn(waiting(noted.clone(), "inner child"));
                    let _body = noted.on_drop("inner body");
                    pending().await
                });
                inner.await.map_err(GroupError::into_first)
            });
            time::sleep(SECOND).await;
            Err("outer")
        });
        assert_eq!(failed.await.unwrap_err().into_first(), "outer");
        assert_eq!(log.take(), ["inner body", "inner child"]);
        assert_eq!(tasks(), 1);
    });
}

#[test]
fn an_outer_timeout_passes_through_a_group_that_cancels_itself() {
    // gh-155433: the group's own cancel must not eat the one from outside.
    virtual_loop().run(async {
        let timed = time::timeout(SECOND, async {
            let given = group(async |group: TaskGroup<(), Infallible>| {
                group.cancel();
                pending().await
            });
            given.await.unwrap();
            pending::<()>().await
        });
        assert!(timed.await.is_err());
    });
}

#[test]
fn a_group_ends_with_its_loop() {
    let event_loop = virtual_loop();
    let task = event_loop.spawn(group(async |group: TaskGroup<(), Infallible>| {
        group.spawn(async { pending().await }).await.unwrap_or(());
        Ok(())
    }));
    event_loop.run(async { time::sleep(SECOND).await });
    // The group's drop aborts the child, before its turn to be dropped comes.
    assert_eq!(event_loop.shutdown().dropped.len(), 1);
    assert!(task.is_finished());
}

// ----- start

#[test]
fn a_child_that_starts_was_spawned_by_who_called_start() {
    let line = line!() + 4;
    let location = virtual_loop().run(async {
        group(async |group: TaskGroup<_, StartError>| {
            let child = async |ready: task::Ready<_>| Ok(ready.signal(task::current().unwrap()));
            Ok(group.start(child).await?.location())
        })
        .await
        .unwrap()
    });
    assert_eq!((location.file(), location.line()), (file!(), line));
}

#[test]
fn start_waits_until_the_child_is_ready() {
    virtual_loop().run(async {
        let begin = time::now();
        let given = group(async |group: TaskGroup<_, Infallible>| {
            let port = group
                .start(|ready| async move {
                    time::sleep(SECOND).await;
                    ready.signal(7000).unwrap();
                    time::sleep(SECOND).await;
                    Ok(())
                })
                .await;
            assert_eq!(time::now() - begin, SECOND);
            Ok(port.unwrap())
        });
        assert_eq!(given.await.unwrap(), 7000);
        assert_eq!(time::now() - begin, SECOND * 2);
    });
}

#[test]
fn a_child_that_ends_unready_is_told_of() {
    virtual_loop().run(async {
        let given = group(async |group: TaskGroup<_, Infallible>| {
            let unready = group.start(|ready: task::Ready<()>| async {
                drop(ready);
                pending::<Result<(), _>>().await
            });
            Ok(unready.await)
        });
        assert_eq!(given.await.unwrap(), Err(StartError::NotReady));
        let given = group(async |group: TaskGroup<_, Infallible>| {
            assert!(group.finish(Ok(())).is_none());
            let refused = group.start(|ready: task::Ready<()>| async move {
                drop(ready);
                Ok(())
            });
            assert_eq!(refused.await, Err(StartError::Refused));
            Ok(Err(()))
        });
        assert_eq!(given.await.unwrap(), Ok(()));
    });
}

#[test]
fn a_child_that_fails_before_it_is_ready_ends_the_group() {
    virtual_loop().run(async {
        let failed = group(async |group: TaskGroup<(), _>| {
            let start = group.start(|ready: task::Ready<()>| async move {
                let _ready = ready;
                yield_now().await;
                Err::<(), _>("no port")
            });
            let _never = start.await;
            pending().await
        });
        assert_eq!(failed.await.unwrap_err().into_first(), "no port");
    });
}

#[test]
fn a_dropped_start_aborts_a_child_that_is_not_ready() {
    virtual_loop().run(async {
        let log = Log::default();
        let given = group(async |group: TaskGroup<(), Infallible>| {
            let noted = log.clone();
            let start = group.start(|ready: task::Ready<()>| async move {
                let _ready = ready;
                waiting::<Infallible>(noted, "unready").await
            });
            assert!(time::timeout(SECOND, start).await.is_err());
            assert_eq!(log.take(), ["unready"]);
            Ok(())
        });
        given.await.unwrap();
    });
}

// ----- many

#[test]
fn a_failing_group_of_many_leaves_nobody() {
    virtual_loop().run(async {
        let alive = Rc::new(Cell::new(0));
        let failed = group(async |group: TaskGroup<(), u32>| {
            for n in 0..1000 {
                let stay = Stay::new(&alive);
                group.spawn(async move {
                    let _stay = stay;
                    time::sleep(SECOND * n).await;
                    if n == 500 { Err(n) } else { Ok(()) }
                });
            }
            pending().await
        });
        assert_eq!(failed.await.unwrap_err().into_errors(), [500]);
        assert_eq!((alive.get(), tasks()), (0, 1));
    });
}

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// A group in a box, which its child drops: what becomes of the child then.
fn outlive(end: impl FnOnce() -> Result<(), Stay> + 'static) -> (Vec<String>, bool) {
    let (event_loop, reports) = reporting_loop();
    let is_gone = event_loop.run(async {
        let place = Rc::new(RefCell::new(None::<Boxed>));
        let own = place.clone();
        let boxed: Boxed = Box::pin(async {
            let ended = group(async |group: TaskGroup<(), Stay>| {
                group.spawn(async move {
                    yield_now().await;
                    let group = own.take();
                    drop(group);
                    end()
                });
                pending().await
            });
            drop(ended.await);
        });
        place.replace(Some(boxed));
        poll_fn(|cx| {
            let mut place = place.borrow_mut();
            assert!(place.as_mut().expect("put there above").as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        yield_now().await;
        yield_now().await;
        place.borrow().is_none()
    });
    drop(event_loop);
    (reports.take(), is_gone)
}

#[test]
fn a_panic_of_a_child_whose_group_is_gone_is_reported() {
    let (reports, is_gone) = outlive(|| quiet_panic("nobody hears me"));
    assert!(is_gone && reports.len() == 1, "{reports:?}");
    assert!(reports[0].ends_with("panicked: nobody hears me"), "{reports:?}");
}

#[test]
fn an_error_of_a_child_whose_group_is_gone_is_dropped() {
    let alive = Rc::new(Cell::new(0));
    let error = Stay::new(&alive);
    assert_eq!(outlive(|| Err(error)), (vec![], true));
    assert_eq!(alive.get(), 0);
}

#[test]
fn a_child_that_said_that_it_is_ready_runs_on_though_nobody_heard_it() {
    let log = Log::default();
    let record = log.clone();
    monoloop::run(group(async |group: TaskGroup<(), Infallible>| {
        let child = |ready: task::Ready<u8>| async move {
            record.push(format!("{:?}", ready.signal(1)));
            yield_now().await;
            record.push("runs on");
            Ok(())
        };
        let mut start = Box::pin(group.start(child));
        let polled = poll_fn(|cx| Poll::Ready(start.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        yield_now().await;
        drop(start);
        Ok(())
    }))
    .unwrap();
    assert_eq!(log.take(), ["Ok(())", "runs on"]);
}

#[test]
fn handles_of_children_know_their_names() {
    monoloop::run(group(async |group: TaskGroup<(), Infallible>| {
        let child = group.spawn_named("bob", async { Ok(()) });
        assert_eq!(child.name().as_deref(), Some("bob"));
        assert_eq!(group.spawn(async { Ok(()) }).name(), None);
        Ok(())
    }))
    .unwrap();
}
