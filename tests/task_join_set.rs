//! Join sets: outcomes in the order they come, limits, and that drops abort.

mod common;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::{
    Counter, Doorbell, Log, Stay, message, on_drop, poll_once, quiet_panic, reporting_loop,
    virtual_loop,
};
use futures_core::stream::FusedStream;
use futures_lite::StreamExt;
use monoloop::task::{self, JoinSet};
use monoloop::{EventLoop, time, yield_now};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn outcomes_come_in_the_order_they_are_there() {
    virtual_loop().run(async {
        let mut set = JoinSet::new();
        for seconds in [3, 1, 2] {
            set.spawn(async move {
                time::sleep(SECOND * seconds).await;
                seconds
            });
        }
        assert_eq!((set.len(), set.try_join_next().is_none()), (3, true));
        let mut order = Vec::new();
        while let Some(outcome) = set.next().await {
            order.push(outcome.unwrap());
        }
        assert_eq!((order, set.is_empty()), (vec![1, 2, 3], true));
        assert!(set.join_next().await.is_none());
    });
}

#[test]
fn a_wait_that_is_dropped_loses_nothing() {
    virtual_loop().run(async {
        let mut set = JoinSet::new();
        set.spawn(async { time::sleep(SECOND).await });
        {
            let mut wait = pin!(set.join_next());
            assert!(poll_once(&mut wait, &Counter::new().1).is_pending());
        }
        time::sleep(SECOND * 2).await;
        assert!(set.try_join_next().unwrap().is_ok());
    });
}

#[test]
fn panics_and_aborts_are_outcomes() {
    virtual_loop().run(async {
        let mut set = JoinSet::new();
        let abort = set.spawn_named("endless", pending::<()>());
        set.spawn(async { quiet_panic("ouch") });
        let error = set.join_next().await.unwrap().unwrap_err();
        assert_eq!(message(error.into_panic()), "ouch");
        abort.abort();
        let error = set.join_next().await.unwrap().unwrap_err();
        assert!(error.is_cancelled() && error.name() == Some("endless"));
    });
}

#[test]
fn abort_all_aborts_in_spawn_order_and_keeps_the_outcomes() {
    virtual_loop().run(async {
        let log = Log::default();
        let mut set = JoinSet::new();
        for name in ["a", "b", "c"] {
            let held = log.on_drop(name);
            set.spawn(async move {
                let _held = held;
                pending::<()>().await
            });
        }
        yield_now().await;
        set.abort_all();
        assert_eq!((log.take(), set.len()), (["a", "b", "c"].map(String::from).into(), 3));
        while let Some(outcome) = set.join_next().await {
            assert!(outcome.unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_dropped_set_aborts_in_spawn_order() {
    virtual_loop().run(async {
        let log = Log::default();
        let mut set = JoinSet::new();
        for name in ["a", "b"] {
            let held = log.on_drop(name);
            set.spawn(async move {
                let _held = held;
                pending::<()>().await
            });
        }
        drop(set);
        assert_eq!(log.take(), ["a", "b"]);
        assert_eq!(task::all().len(), 1);
    });
}

#[test]
fn detached_tasks_run_on() {
    virtual_loop().run(async {
        let count = Rc::new(Cell::new(0));
        let mut set = JoinSet::with_limit(2);
        for _ in 0..5 {
            let count = count.clone();
            set.spawn(async move {
                time::sleep(SECOND).await;
                count.set(count.get() + 1);
            });
        }
        set.detach_all();
        assert!(set.is_empty());
        // The set is as good as new.
        set.spawn(async {});
        assert!(set.join_next().await.unwrap().is_ok() && set.join_next().await.is_none());
        time::sleep(SECOND * 5).await;
        assert_eq!(count.get(), 5);
    });
}

#[test]
fn shutdown_waits_until_all_are_gone_and_reports_panics() {
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let mut set = JoinSet::new();
        set.spawn(async { quiet_panic("unread") });
        yield_now().await;
        set.spawn(pending());
        set.shutdown().await;
        assert!(set.is_empty());
    });
    let reports = reports.take();
    assert!(reports.len() == 1 && reports[0].ends_with("panicked: unread"), "{reports:?}");
}

// ----- limits

#[test]
fn a_limit_bounds_how_many_run_and_keeps_spawn_order() {
    virtual_loop().run(async {
        let (running, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let log = Log::default();
        let mut set = JoinSet::with_limit(3);
        for n in 0..20 {
            let (running, most, log) = (running.clone(), most.clone(), log.clone());
            set.spawn(async move {
                log.push(n.to_string());
                running.set(running.get() + 1);
                most.set(most.get().max(running.get()));
                time::sleep(SECOND).await;
                running.set(running.get() - 1);
            });
        }
        let begin = time::now();
        while set.join_next().await.is_some() {}
        assert_eq!((most.get(), time::now() - begin), (3, SECOND * 7));
        assert_eq!(log.take(), (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    });
}

#[test]
fn a_turn_that_is_given_and_not_taken_goes_to_the_next() {
    virtual_loop().run(async {
        let bells = [(); 3].map(|()| Doorbell::default());
        let mut set = JoinSet::with_limit(1);
        let mut aborts: Vec<_> = bells.iter().map(|bell| set.spawn(bell.wait())).collect();
        yield_now().await;
        yield_now().await;
        assert_eq!(bells.each_ref().map(Doorbell::polls), [1, 0, 0]);
        // The first goes; the second has its turn, and goes before it runs.
        aborts[0].abort();
        aborts[1].abort();
        aborts.clear();
        yield_now().await;
        assert_eq!(bells.each_ref().map(Doorbell::polls), [1, 0, 1]);
    });
}

#[test]
fn who_waits_for_a_turn_can_be_aborted() {
    virtual_loop().run(async {
        let alive = Rc::new(Cell::new(0));
        let bell = Doorbell::default();
        let mut set = JoinSet::with_limit(1);
        set.spawn(bell.wait());
        for _ in 0..100 {
            let stay = Stay::new(&alive);
            let waiting = set.spawn(async move { drop(stay) });
            yield_now().await;
            waiting.abort();
            assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
        }
        assert_eq!((alive.get(), set.len()), (0, 1));
        bell.open();
        assert!(set.join_next().await.unwrap().is_ok());
    });
}

#[test]
fn a_limit_of_zero_counts_as_one() {
    virtual_loop().run(async {
        let mut set = JoinSet::with_limit(0);
        set.spawn(async { 1 });
        set.spawn(async { 2 });
        let first = set.join_next().await.unwrap().unwrap();
        assert_eq!((first, set.join_next().await.unwrap().unwrap()), (1, 2));
    });
}

#[test]
fn a_limit_may_be_as_large_as_can_be() {
    virtual_loop().run(async {
        let mut set = JoinSet::with_limit(usize::MAX);
        set.spawn(async { 1 });
        assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
    });
}

#[test]
fn a_panic_gives_its_turn_back() {
    virtual_loop().run(async {
        let mut set = JoinSet::with_limit(1);
        for _ in 0..3 {
            set.spawn(async {
                let _sore = on_drop(|| quiet_panic("in a drop"));
                yield_now().await;
            });
        }
        for _ in 0..3 {
            assert_eq!(
                message(set.join_next().await.unwrap().unwrap_err().into_panic()),
                "in a drop"
            );
        }
    });
}

// ----- odd places

#[test]
fn a_set_outlives_its_loop() {
    let event_loop = EventLoop::new().unwrap();
    let mut set = event_loop.run(async {
        let mut set = JoinSet::new();
        set.spawn(pending::<()>());
        set.spawn(async {});
        yield_now().await;
        set
    });
    drop(event_loop);
    assert!(set.try_join_next().unwrap().is_ok());
    assert!(set.try_join_next().unwrap().unwrap_err().is_cancelled());
    assert!(set.try_join_next().is_none() && set.is_empty());
}

#[test]
fn a_set_may_be_dropped_by_a_task_in_it() {
    virtual_loop().run(async {
        let mut set = JoinSet::new();
        let holder = Rc::new(Cell::new(None));
        let held = holder.clone();
        let abort = set.spawn(async move {
            drop(held.take());
            yield_now().await;
            unreachable!("it is aborted when it waits")
        });
        set.spawn(pending::<()>());
        holder.set(Some(set));
        yield_now().await;
        assert!(abort.is_finished());
        assert_eq!(task::all().len(), 1);
    });
}

#[test]
fn only_the_last_who_waits_is_woken() {
    virtual_loop().run(async {
        let mut set = JoinSet::new();
        set.spawn(time::sleep(SECOND));
        let ((first, a), (second, b)) = (Counter::new(), Counter::new());
        for waker in [&a, &b] {
            let mut wait = pin!(set.join_next());
            assert!(matches!(poll_once(&mut wait, waker), Poll::Pending));
        }
        time::sleep(SECOND * 2).await;
        assert_eq!((first.get(), second.get()), (0, 1));
        let _: &dyn Future<Output = _> = &set.join_next();
    });
}

thread_local! {
    static SET: RefCell<Option<JoinSet<u8>>> = const { RefCell::new(None) };
    static JOINED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Polls the set where it is woken, as some executors do.
struct Inline;

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        let mut set = SET.take().expect("it lies there between polls");
        let polled = set.poll_join_next(&mut Context::from_waker(&Waker::from(self)));
        SET.set(Some(set));
        if let Poll::Ready(Some(outcome)) = polled {
            JOINED.with_borrow_mut(|joined| joined.push(outcome.unwrap()));
        }
    }
}

#[test]
fn a_waker_that_polls_at_once_gets_the_outcome() {
    monoloop::run(async {
        let mut set = JoinSet::new();
        set.spawn(async {
            yield_now().await;
            1
        });
        let waker = Waker::from(Arc::new(Inline));
        assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
        SET.set(Some(set));
        for _ in 0..3 {
            yield_now().await;
        }
        assert!(SET.take().unwrap().is_empty());
        assert_eq!(JOINED.take(), [1]);
    });
}

#[test]
fn outcomes_tell_whose_they_are() {
    monoloop::run(async {
        let mut set = JoinSet::new();
        let (good, bad) = (set.spawn(async { 1 }), set.spawn(async { quiet_panic("bad") }));
        assert_eq!(set.join_next_with_id().await.unwrap().unwrap(), (good.id(), 1));
        assert_eq!(set.join_next_with_id().await.unwrap().unwrap_err().id(), bad.id());
        assert!(set.join_next_with_id().await.is_none());
    });
}

#[test]
fn join_all_goes_on_with_a_panic_and_aborts_the_others() {
    let log = Log::default();
    monoloop::run(async {
        let (guard, log) = (log.on_drop("aborted"), log.clone());
        let task = monoloop::spawn(async move {
            let mut set = JoinSet::new();
            set.spawn(async { quiet_panic("bad") });
            set.spawn(async move {
                let _guard = guard;
                pending().await
            });
            let _: Vec<()> = set.join_all().await;
        });
        assert_eq!(message(task.await.unwrap_err().into_panic()), "bad");
        assert_eq!(log.take(), ["aborted"]);
    });
}

#[test]
fn sets_are_made_of_iterators() {
    monoloop::run(async {
        let mut set: JoinSet<u32> = (0..3).map(|n| async move { n }).collect();
        set.extend((3..5).map(|n| async move { n }));
        assert!(!set.is_terminated());
        assert_eq!(set.join_all().await, [0, 1, 2, 3, 4]);
    });
}
