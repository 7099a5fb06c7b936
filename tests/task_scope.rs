//! Scopes: children that borrow, and what becomes of them.

mod common;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{
    Counter, Doorbell, Log, Stay, alone, message, on_drop, panic_of, poll_once, quiet_panic,
    reporting_loop, virtual_loop,
};
use monoloop::task::{self, Scope, scope};
use monoloop::{spawn, time, yield_now};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn children_borrow_what_lives_outside() {
    virtual_loop().run(async {
        let mut words = vec![String::from("a"), String::from("b")];
        let begin = time::now();
        scope(async |s| {
            for (word, seconds) in words.iter_mut().zip([2, 1]) {
                s.spawn(async move {
                    time::sleep(SECOND * seconds).await;
                    word.push('!');
                });
            }
        })
        .await;
        assert_eq!((words, time::now() - begin), (vec!["a!".into(), "b!".into()], SECOND * 2));
    });
}

#[test]
fn a_scope_gives_what_its_body_gave_when_all_are_through() {
    virtual_loop().run(async {
        let log = Log::default();
        let given = scope(async |s| {
            s.spawn(async {
                time::sleep(SECOND).await;
                log.push("child");
            });
            log.push("body");
            1
        });
        assert_eq!(given.await, 1);
        assert_eq!(log.take(), ["body", "child"]);
    });
}

#[test]
fn handles_give_outputs() {
    virtual_loop().run(async {
        let name = String::from("name");
        let given = scope(async |s| {
            let early = s.spawn(async { name.len() });
            let late = s.spawn(async {
                time::sleep(SECOND).await;
                &name[1..]
            });
            assert_eq!(s.len(), 2);
            (early.await, late.await)
        });
        assert_eq!(given.await, (4, "ame"));
    });
}

#[test]
fn children_spawn_children() {
    fn tree<'a>(
        s: Scope<'a>,
        count: &'a Cell<u32>,
        depth: u32,
    ) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        Box::pin(async move {
            count.set(count.get() + 1);
            yield_now().await;
            for _ in 0..if depth > 0 { 2 } else { 0 } {
                s.spawn(tree(s.clone(), count, depth - 1));
            }
        })
    }
    virtual_loop().run(async {
        let count = Cell::new(0);
        scope(async |s| drop(s.spawn(tree(s.clone(), &count, 6)))).await;
        assert_eq!(count.get(), 127);
    });
}

#[test]
fn children_start_in_spawn_order_after_the_body() {
    virtual_loop().run(async {
        let log = Log::default();
        scope(async |s| {
            for n in 0..300 {
                let log = &log;
                s.spawn(async move { log.push(n.to_string()) });
            }
            log.push("body");
        })
        .await;
        let order: Vec<_> =
            ["body".into()].into_iter().chain((0..300).map(|n| n.to_string())).collect();
        assert_eq!(log.take(), order);
    });
}

#[test]
fn a_wake_polls_only_the_child_it_was_meant_for() {
    let _alone = alone();
    let bells: Vec<Doorbell> = (0..1000).map(|_| Doorbell::default()).collect();
    virtual_loop().run(async {
        scope(async |s| {
            for bell in &bells {
                s.spawn(bell.wait());
            }
            while !s.is_empty() && bells[999].polls() == 0 {
                yield_now().await;
            }
            for bell in bells.iter().rev() {
                bell.open();
            }
        })
        .await;
    });
    // One to begin with, and one when it was woken.
    assert!(
        bells.iter().all(|bell| bell.polls() == 2),
        "{:?}",
        bells.iter().map(|b| b.polls()).max()
    );
}

#[test]
fn a_scope_with_many_busy_children_gives_way() {
    virtual_loop().run(async {
        let steps = Rc::new(Cell::new(0));
        let other = spawn({
            let steps = steps.clone();
            async move {
                yield_now().await;
                steps.get()
            }
        });
        scope(async |s| {
            for _ in 0..1000 {
                s.spawn(async { steps.set(steps.get() + 1) });
            }
        })
        .await;
        assert!(other.await.unwrap() < 1000);
    });
}

#[test]
fn a_childs_panic_ends_the_scope_after_its_siblings_were_dropped() {
    let log = Log::default();
    let (event_loop, reports) = reporting_loop();
    let text = panic_of(|| {
        event_loop.run(async {
            let _outside = log.on_drop("outside");
            scope(async |s| {
                let _body = log.on_drop("body");
                for name in ["a", "b"] {
                    let held = log.on_drop(name);
                    s.spawn(async move {
                        let _held = held;
                        pending::<()>().await
                    });
                }
                s.spawn(async {
                    yield_now().await;
                    quiet_panic("ouch")
                });
                pending::<()>().await
            })
            .await
        })
    });
    assert_eq!(text, "ouch");
    assert_eq!(log.take(), ["body", "a", "b", "outside"]);
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn further_panics_go_to_the_hook() {
    let (event_loop, reports) = reporting_loop();
    let text = panic_of(|| {
        event_loop.run(async {
            scope(async |s| {
                s.spawn(async {
                    let _sore = on_drop(|| quiet_panic("second"));
                    pending::<()>().await
                });
                yield_now().await;
                yield_now().await;
                quiet_panic("first")
            })
            .await
        })
    });
    assert_eq!(text, "first");
    let reports = reports.take();
    assert!(reports.len() == 1 && reports[0].ends_with("panicked: second"), "{reports:?}");
}

#[test]
fn a_scope_that_ends_by_a_panic_takes_no_children() {
    let log = Log::default();
    let text = panic_of(|| {
        virtual_loop().run(async {
            scope(async |s| {
                let (last, noted) = (s.clone(), log.clone());
                let guard = on_drop(move || {
                    let refused = last.spawn(async { unreachable!("it is refused") });
                    noted.push(format!("over: {}", refused.is_finished()));
                });
                s.spawn(async move {
                    let _guard = guard;
                    pending::<()>().await
                });
                s.spawn(async { quiet_panic("ouch") });
            })
            .await
        })
    });
    assert_eq!((text, log.take()), ("ouch".into(), vec!["over: true".into()]));
}

#[test]
fn a_dropped_scope_drops_body_and_children_before_the_drop_returns() {
    virtual_loop().run(async {
        let log = Log::default();
        let endless = scope(async |s| {
            let _body = log.on_drop("body");
            for name in ["a", "b", "c"] {
                let held = log.on_drop(name);
                s.spawn(async move {
                    let _held = held;
                    pending::<()>().await
                });
            }
            pending::<()>().await
        });
        assert!(time::timeout(SECOND, endless).await.is_err());
        assert_eq!(log.take(), ["body", "a", "b", "c"]);
    });
}

#[test]
fn children_that_were_never_polled_are_dropped_too() {
    let alive = Rc::new(Cell::new(0));
    let mut unpolled = Box::pin(scope(async |s| {
        for _ in 0..3 {
            let stay = Stay::new(&alive);
            s.spawn(async move {
                let _stay = stay;
                pending::<()>().await
            });
        }
        quiet_panic("before they are taken in")
    }));
    assert_eq!(panic_of(|| poll_once(&mut unpolled, Waker::noop())), "before they are taken in");
    assert_eq!(alive.get(), 0);
}

#[test]
fn a_handle_outside_of_a_dropped_scope_is_told() {
    virtual_loop().run(async {
        let leaked = RefCell::new(None);
        let endless = scope(async |s| {
            leaked.replace(Some(s.spawn(pending::<()>())));
            pending::<()>().await
        });
        assert!(time::timeout(SECOND, endless).await.is_err());
        let mut handle = leaked.take().unwrap();
        assert!(handle.is_finished());
        let text = panic_of(|| poll_once(&mut handle, Waker::noop()));
        assert_eq!(text, "a `ScopeHandle` was awaited whose scope dropped the child");
    });
}

#[test]
fn a_scope_that_is_over_takes_no_children() {
    let alive = Rc::new(Cell::new(0));
    virtual_loop().run(async {
        let late = scope(async |s| s.clone()).await;
        let stay = Stay::new(&alive);
        let handle = late.spawn(async move {
            let _stay = stay;
        });
        assert!(handle.is_finished() && late.is_empty());
        assert_eq!(alive.get(), 0);
    });
}

#[test]
fn a_child_spawned_from_another_task_runs() {
    virtual_loop().run(async {
        let log = Log::default();
        let noted = log.clone();
        scope(async |s: Scope<'static>| {
            let outside = s.clone();
            let task = spawn(async move {
                time::sleep(SECOND).await;
                outside.spawn(async move { noted.push("child") });
            });
            task.await.unwrap();
        })
        .await;
        assert_eq!(log.take(), ["child"]);
    });
}

/// Nothing relies on destructors: what is forgotten leaks, and is not run.
#[test]
#[cfg_attr(miri, ignore = "leaks on purpose")]
fn a_forgotten_scope_runs_no_more() {
    let polls = Cell::new(0);
    let bell = Doorbell::default();
    virtual_loop().run(async {
        {
            let borrowed = [1, 2, 3];
            let mut forgotten = Box::pin(scope(async |s| {
                s.spawn(async {
                    bell.wait().await;
                    polls.set(polls.get() + borrowed.len());
                });
                pending::<()>().await
            }));
            poll_fn(|cx| {
                for _ in 0..3 {
                    assert!(forgotten.as_mut().poll(cx).is_pending());
                }
                Poll::Ready(())
            })
            .await;
            mem::forget(forgotten);
        }
        bell.open();
        for _ in 0..5 {
            yield_now().await;
        }
    });
    assert_eq!(polls.get(), 0);
}

#[test]
fn a_scope_runs_on_any_executor() {
    let (count, waker) = Counter::new();
    let bell = Doorbell::default();
    let word = String::from("borrowed");
    let mut by_hand = pin!(scope(async |s| {
        let child = s.spawn(async {
            bell.wait().await;
            word.len()
        });
        child.await
    }));
    let mut cx = Context::from_waker(&waker);
    let mut polled = by_hand.as_mut().poll(&mut cx);
    while count.get() > 0 && polled.is_pending() && bell.polls() == 0 {
        polled = by_hand.as_mut().poll(&mut cx);
    }
    bell.open();
    for _ in 0..3 {
        if let Poll::Ready(length) = by_hand.as_mut().poll(&mut cx) {
            assert_eq!(length, 8);
            return;
        }
    }
    panic!("the scope should be through");
}

#[test]
fn a_scope_moves_between_tasks() {
    virtual_loop().run(async {
        let bell = Doorbell::default();
        let inner = bell.clone();
        let mut moved = Box::pin(scope(async move |s: Scope<'static>| {
            s.spawn(inner.wait()).await;
            1
        }));
        assert!(time::timeout(SECOND, &mut moved).await.is_err());
        let task = spawn(moved);
        yield_now().await;
        bell.open();
        assert_eq!(task.await.unwrap(), 1);
    });
}

#[test]
fn scopes_nest() {
    virtual_loop().run(async {
        let outer = String::from("outer");
        let length = scope(async |s| {
            let outer = &outer;
            let nested = s.spawn(async move {
                let inner = String::from("inner");
                scope(async |s| {
                    let a = s.spawn(async { outer.len() });
                    let b = s.spawn(async { inner.len() });
                    a.await + b.await
                })
                .await
            });
            nested.await
        });
        assert_eq!(length.await, 10);
    });
}

#[test]
fn places_are_used_again() {
    virtual_loop().run(async {
        let alive = Rc::new(Cell::new(0));
        let (alive, most) = (&alive, &Cell::new(0));
        scope(async |s| {
            for _ in 0..500 {
                let stay = Stay::new(alive);
                s.spawn(async move {
                    most.set(most.get().max(alive.get()));
                    yield_now().await;
                    drop(stay);
                })
                .await;
            }
        })
        .await;
        assert_eq!((alive.get(), most.get()), (0, 1));
    });
}

#[test]
fn what_a_child_sees_is_what_the_scope_sees() {
    monoloop::task_local!(static USER: u32);
    virtual_loop().run(async {
        let seen = USER.scope(7, async {
            scope(async |s| s.spawn(async { (USER.get(), task::current().unwrap().id()) }).await)
                .await
        });
        assert_eq!(seen.await, (7, task::current().unwrap().id()));
    });
}

#[test]
fn a_panic_in_a_task_is_the_joiners() {
    virtual_loop().run(async {
        let task = spawn(scope(async |s: Scope<'static>| {
            s.spawn(async { quiet_panic("child") });
        }));
        assert_eq!(message(task.await.unwrap_err().into_panic()), "child");
    });
}

#[test]
fn a_body_that_panics_before_it_is_a_future_waits_for_clean_ups_too() {
    let log = Log::default();
    virtual_loop().run(async {
        let (cleaned, dropped) = (log.clone(), log.on_drop("child"));
        let task = spawn(scope(move |s| {
            s.spawn(async move { drop(dropped) });
            let _guard = task::defer(async move {
                time::sleep(Duration::from_secs(1)).await;
                cleaned.push("cleaned");
            });
            if true {
                quiet_panic("body")
            }
            async {}
        }));
        assert_eq!(message(task.await.unwrap_err().into_panic()), "body");
        assert_eq!(log.take(), ["child", "cleaned"]);
    });
}

/// The body's place is not given to a child, though the body was woken in its last poll.
#[test]
fn a_body_that_is_woken_at_its_end_leaves_its_place_to_nobody() {
    let _alone = common::alone();
    let ran = Cell::new(0);
    virtual_loop().run(async {
        let done = scope(async |s| {
            let inner = s.clone();
            let ran = &ran;
            s.spawn(async move {
                yield_now().await;
                for _ in 0..5 {
                    inner.spawn(async { ran.set(ran.get() + 1) });
                }
            });
            common::own_waker().await.wake();
        });
        time::timeout(SECOND, done).await.expect("it ends");
    });
    assert_eq!(ran.get(), 5);
}
