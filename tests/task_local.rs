//! Task-local values and deadlines: who sees them, and until when.

#![allow(clippy::async_yields_async)] // handles go out of scopes, to be awaited elsewhere

mod common;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use common::{many, on_drop, panic_of, virtual_loop};
use monoloop::task::{self, inherit, scope, spawn_eager};
use monoloop::time::{self, timeout};
use monoloop::{spawn, task_local, yield_now};

const SECOND: Duration = Duration::from_secs(1);

task_local! {
    static NUMBER: u32;
    static TEXT: RefCell<String>;
}

fn number() -> Option<u32> {
    NUMBER.try_with(|number| *number).ok()
}

#[test]
fn a_value_is_seen_inside_across_awaits_and_nowhere_else() {
    virtual_loop().run(async {
        let other = spawn(async {
            for _ in 0..3 {
                assert_eq!(number(), None);
                yield_now().await;
            }
        });
        let inside = NUMBER.scope(1, async {
            for _ in 0..3 {
                assert_eq!(number(), Some(1));
                yield_now().await;
            }
            NUMBER.get()
        });
        assert_eq!((inside.await, number()), (1, None));
        other.await.unwrap();
    });
}

#[test]
fn inner_values_hide_outer_ones() {
    virtual_loop().run(async {
        let text = RefCell::new("text".into());
        let inside = NUMBER.scope(
            1,
            TEXT.scope(text, async {
                let inner = NUMBER.scope(2, async {
                    yield_now().await;
                    TEXT.with(|text| text.borrow_mut().push('!'));
                    NUMBER.get()
                });
                (inner.await, NUMBER.get(), TEXT.with(|text| text.borrow().clone()))
            }),
        );
        assert_eq!(inside.await, (2, 1, "text!".into()));
        assert_eq!(NUMBER.sync_scope(3, || NUMBER.sync_scope(4, number)), Some(4));
        assert_eq!(number(), None);
    });
}

#[test]
fn two_scopes_in_one_task_do_not_mix() {
    virtual_loop().run(async {
        scope(async |s| {
            for n in 0..10 {
                s.spawn(NUMBER.scope(n, async move {
                    for _ in 0..10 {
                        yield_now().await;
                        assert_eq!(number(), Some(n));
                    }
                }));
            }
            assert_eq!(number(), None);
        })
        .await;
    });
}

#[test]
fn a_value_is_gone_after_a_panic_and_seen_by_drops() {
    virtual_loop().run(async {
        let seen = Rc::new(Cell::new(None));
        let inner = seen.clone();
        let task = spawn(NUMBER.scope(5, async move {
            let _guard = on_drop(move || inner.set(number()));
            pending::<()>().await
        }));
        yield_now().await;
        task.abort();
        assert_eq!((seen.get(), number()), (Some(5), None));
        let panicked = spawn(NUMBER.scope(6, async { common::quiet_panic("ouch") }));
        assert!(panicked.await.is_err());
        assert_eq!(number(), None);
    });
}

#[test]
fn a_value_that_is_not_set_is_told_of() {
    assert_eq!(
        NUMBER.try_with(|_| ()).unwrap_err().to_string(),
        "the task-local `NUMBER` is not set here: call this inside its `scope`"
    );
    let text = panic_of(|| NUMBER.get());
    assert!(text.contains("`NUMBER` is not set"), "{text}");
}

#[test]
fn a_closure_that_has_the_value_may_do_what_it_likes() {
    let seen = NUMBER.sync_scope(1, || {
        NUMBER.with(|outer| NUMBER.sync_scope(2, || (*outer, NUMBER.with(|inner| *inner))))
    });
    assert_eq!(seen, (1, 2));
}

#[test]
fn tasks_inherit_only_when_asked() {
    virtual_loop().run(async {
        NUMBER
            .scope(1, async {
                assert_eq!(spawn(async { number() }).await.unwrap(), None);
                assert_eq!(spawn(inherit(async { number() })).await.unwrap(), Some(1));
                let heir = spawn(NUMBER.scope(2, inherit(async { number() })));
                assert_eq!(heir.await.unwrap(), Some(1));
                let eager = spawn_eager(async {
                    let first = number();
                    yield_now().await;
                    (first, number())
                });
                assert_eq!(eager.await.unwrap(), (None, None));
                assert_eq!(number(), Some(1));
                let eager = spawn_eager(inherit(async { number() }));
                assert_eq!(eager.ready().unwrap(), Some(1));
            })
            .await;
    });
}

#[test]
fn values_live_as_long_as_their_heirs() {
    virtual_loop().run(async {
        let heir = NUMBER
            .scope(1, async {
                spawn(inherit(async {
                    time::sleep(SECOND).await;
                    NUMBER.get()
                }))
            })
            .await;
        assert_eq!((heir.await.unwrap(), number()), (1, None));
    });
}

thread_local!(static MOST: Cell<usize> = const { Cell::new(0) });

/// Each task sets the value anew for its heir, which hides the one before.
#[test]
fn long_lines_of_heirs_stay_short_chains() {
    async fn line(left: usize, alive: Rc<Cell<usize>>) {
        thread_local!(static LAST: Cell<Option<monoloop::JoinHandle<()>>> = const { Cell::new(None) });
        task_local!(static HELD: common::Stay);
        let stay = common::Stay::new(&alive);
        MOST.set(MOST.get().max(alive.get()));
        HELD.scope(stay, async move {
            if left > 0 {
                LAST.set(Some(spawn(inherit(
                    Box::pin(line(left - 1, alive)) as std::pin::Pin<Box<dyn Future<Output = ()>>>
                ))));
            }
        })
        .await;
        if let Some(last) = LAST.take() {
            last.detach();
        }
    }
    let alive = Rc::new(Cell::new(0));
    virtual_loop().run(async {
        line(many(2_000, 100_000), alive.clone()).await;
        while task::all().len() > 1 {
            yield_now().await;
        }
    });
    assert!(MOST.get() < 10, "{} at a time", MOST.get());
    assert_eq!(alive.get(), 0);
}

// ----- deadlines

#[test]
fn the_tightest_deadline_is_seen() {
    virtual_loop().run(async {
        let begin = time::now();
        let left = || time::deadline().map(|deadline| deadline - begin);
        assert_eq!(left(), None);
        timeout(SECOND * 10, async {
            assert_eq!(left(), Some(SECOND * 10));
            timeout(SECOND * 20, async {
                yield_now().await;
                assert_eq!(left(), Some(SECOND * 10));
            })
            .await
            .unwrap();
            let seen = timeout(SECOND * 5, async {
                yield_now().await;
                left()
            });
            assert_eq!(seen.await.unwrap(), Some(SECOND * 5));
            assert_eq!(left(), Some(SECOND * 10));
            timeout(Duration::MAX, async { assert_eq!(left(), Some(SECOND * 10)) }).await.unwrap();
        })
        .await
        .unwrap();
        assert_eq!(left(), None);
        timeout(Duration::MAX, async { assert_eq!(left(), None) }).await.unwrap();
    });
}

#[test]
fn a_deadline_is_for_who_runs_under_it_or_inherits_it() {
    virtual_loop().run(async {
        timeout(SECOND, async {
            assert_eq!(spawn(async { time::deadline() }).await.unwrap(), None);
            assert_eq!(spawn_eager(async { time::deadline() }).ready().unwrap(), None);
            assert_eq!(
                scope(async |s| s.spawn(async { time::deadline() }).await).await,
                time::deadline()
            );
            let heir = spawn(inherit(async {
                yield_now().await;
                time::deadline()
            }));
            assert_eq!(heir.await.unwrap(), time::deadline());
            assert!(time::deadline().is_some());
        })
        .await
        .unwrap();
        assert!(spawn(timeout(SECOND, async { common::quiet_panic("ouch") })).await.is_err());
        assert_eq!(time::deadline(), None);
    });
}

#[test]
fn destructors_of_an_aborted_task_see_nothing_of_the_surroundings_of_who_aborts_it() {
    task_local!(static USER: u32);
    let seen = Rc::new(Cell::new(None));
    monoloop::run(async {
        let out = seen.clone();
        let victim = spawn(async move {
            let _guard = on_drop(move || {
                let user = USER.try_with(|user| *user).ok();
                out.set(Some((user, time::deadline())));
            });
            pending::<()>().await
        });
        yield_now().await;
        let abort = async {
            assert!(victim.abort());
            // And who aborts is as before.
            assert!(time::deadline().is_some() && USER.try_with(|user| *user) == Ok(7));
        };
        USER.scope(7, timeout(Duration::from_secs(1), abort)).await.unwrap();
    });
    assert_eq!(seen.get(), Some((None, None)));
}
