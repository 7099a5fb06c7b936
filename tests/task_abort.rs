//! Aborting tasks, and what their drops may do.

mod common;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use common::{
    Counter, Doorbell, Log, Stay, many, on_drop, own_waker, poll_once, reporting_loop, settle,
};
use monoloop::{AbortHandle, EventLoop, JoinHandle, spawn, task, yield_now};

#[test]
fn abort_before_the_first_poll_drops_the_captures_and_never_runs_the_body() {
    let log = Log::default();
    monoloop::run(async {
        let (record, captured) = (log.clone(), log.on_drop("dropped"));
        let handle = spawn(async move {
            record.push("ran");
            drop(captured);
        });
        assert!(handle.abort());
        assert_eq!(log.take(), ["dropped"]);
        assert!(handle.is_finished());
        yield_now().await;
        assert!(handle.await.unwrap_err().is_cancelled());
    });
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn abort_drops_a_waiting_future_before_it_returns() {
    let log = Log::default();
    monoloop::run(async {
        let captured = log.on_drop("dropped");
        let handle = spawn(async move {
            let _held = captured;
            pending::<()>().await
        });
        yield_now().await;
        assert!(handle.abort());
        assert_eq!(log.take(), ["dropped"]);
        let error = handle.await.unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
    });
}

#[test]
fn a_task_that_was_woken_and_then_aborted_is_not_polled() {
    let event_loop = EventLoop::new().unwrap();
    let bell = Doorbell::default();
    let handle = event_loop.spawn(bell.wait());
    settle(&event_loop);
    bell.open();
    handle.abort();
    settle(&event_loop);
    assert_eq!(bell.polls(), 1);
    assert!(event_loop.run(handle).unwrap_err().is_cancelled());
}

#[test]
fn abort_wakes_the_joiner() {
    let event_loop = EventLoop::new().unwrap();
    let mut handle = event_loop.spawn(pending::<()>());
    let (counter, waker) = Counter::new();
    assert!(poll_once(&mut handle, &waker).is_pending());
    handle.abort();
    assert_eq!(counter.get(), 1);
    assert!(poll_once(&mut handle, &waker).is_ready());
}

#[test]
fn abort_of_a_task_that_is_over_changes_nothing() {
    monoloop::run(async {
        let handle = spawn(async { 5 });
        yield_now().await;
        assert!(!handle.abort());
        assert!(!handle.abort_handle().abort());
        assert_eq!(handle.await.unwrap(), 5);
        let handle = spawn(pending::<()>());
        assert!(handle.abort());
        assert!(!handle.abort());
        assert!(handle.await.unwrap_err().is_cancelled());
    });
}

// ----- from inside

/// Aborts itself, then does what `then` says.
fn self_aborting<T: 'static>(mut then: impl FnMut() -> Poll<T> + 'static) -> JoinHandle<T> {
    let own: Rc<RefCell<Option<AbortHandle>>> = Rc::default();
    let inside = Rc::clone(&own);
    let handle = spawn(poll_fn(move |_| {
        let own = inside.borrow();
        assert!(own.as_ref().unwrap().abort());
        assert!(!own.as_ref().unwrap().is_finished());
        then()
    }));
    *own.borrow_mut() = Some(handle.abort_handle());
    handle
}

#[test]
fn a_task_that_aborts_itself_is_dropped_when_it_returns_pending() {
    let log = Log::default();
    monoloop::run(async {
        let captured = log.on_drop("dropped");
        let record = log.clone();
        let handle = self_aborting::<()>(move || {
            let _held = &captured;
            record.push("polled");
            Poll::Pending
        });
        assert!(handle.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["polled", "dropped"]);
    });
}

#[test]
fn a_task_that_aborts_itself_and_is_ready_keeps_its_result() {
    monoloop::run(async {
        assert_eq!(self_aborting(|| Poll::Ready(7)).await.unwrap(), 7);
    });
}

#[test]
fn a_task_that_aborts_itself_and_panics_has_panicked() {
    monoloop::run(async {
        let handle = self_aborting::<()>(|| common::quiet_panic("after all"));
        assert_eq!(common::message(handle.await.unwrap_err().into_panic()), "after all");
    });
}

#[test]
fn a_running_task_that_another_would_abort_ends_like_one_that_aborts_itself() {
    // The running task polls, by hand, a future that aborts it.
    monoloop::run(async {
        let own: Rc<RefCell<Option<AbortHandle>>> = Rc::default();
        let inside = Rc::clone(&own);
        let handle = spawn(async move {
            let mut inner = Box::pin(async move {
                inside.borrow().as_ref().unwrap().abort();
                pending::<()>().await;
            });
            poll_fn(|cx| inner.as_mut().poll(cx)).await;
        });
        *own.borrow_mut() = Some(handle.abort_handle());
        assert!(handle.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_task_that_aborts_and_wakes_itself_is_not_polled_again() {
    monoloop::run(async {
        let own: Rc<RefCell<Option<AbortHandle>>> = Rc::default();
        let (inside, polls) = (Rc::clone(&own), Rc::new(Cell::new(0)));
        let count = Rc::clone(&polls);
        let handle = spawn(poll_fn(move |cx| {
            count.set(count.get() + 1);
            cx.waker().wake_by_ref();
            inside.borrow().as_ref().unwrap().abort();
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        *own.borrow_mut() = Some(handle.abort_handle());
        assert!(handle.await.unwrap_err().is_cancelled());
        yield_now().await;
        assert_eq!(polls.get(), 1);
    });
}

// ----- drops that do things

/// A task that waits, and does `at_drop` when its future is dropped.
fn waiting(at_drop: impl FnOnce() + 'static) -> JoinHandle<()> {
    let guard = on_drop(at_drop);
    spawn(async move {
        let _held = guard;
        pending::<()>().await
    })
}

#[test]
fn a_future_may_spawn_when_it_is_dropped() {
    let log = Log::default();
    monoloop::run(async {
        let record = log.clone();
        let handle = waiting(move || {
            let record = record.clone();
            drop(spawn(async move { record.push("spawned") }));
        });
        yield_now().await;
        handle.abort();
        yield_now().await;
        assert_eq!(log.take(), ["spawned"]);
    });
}

#[test]
fn a_future_may_wake_itself_and_others_when_it_is_dropped() {
    monoloop::run(async {
        let bell = Doorbell::default();
        let other = spawn(bell.wait());
        let own: Rc<RefCell<Option<std::task::Waker>>> = Rc::default();
        let (store, load) = (Rc::clone(&own), Rc::clone(&own));
        let guard = on_drop(move || {
            load.borrow().as_ref().unwrap().wake_by_ref();
            bell.open();
        });
        let handle = spawn(async move {
            let _held = guard;
            *store.borrow_mut() = Some(own_waker().await);
            pending::<()>().await
        });
        yield_now().await;
        handle.abort();
        other.await.unwrap();
        // And once more, long after.
        own.borrow().as_ref().unwrap().wake_by_ref();
        assert!(handle.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_future_may_abort_itself_and_others_when_it_is_dropped() {
    let alive = Rc::new(Cell::new(0));
    monoloop::run(async {
        let stay = Stay::new(&alive);
        let victim = waiting(move || drop(stay));
        let own: Rc<RefCell<Option<AbortHandle>>> = Rc::default();
        let (target, inside) = (victim.abort_handle(), Rc::clone(&own));
        let handle = waiting(move || {
            assert!(!inside.borrow().as_ref().unwrap().abort(), "it is being dropped already");
            assert!(target.abort());
        });
        *own.borrow_mut() = Some(handle.abort_handle());
        yield_now().await;
        assert!(handle.abort());
        assert_eq!(alive.get(), 0);
        assert!(victim.await.unwrap_err().is_cancelled());
        assert!(handle.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn two_futures_may_abort_each_other_when_they_are_dropped() {
    monoloop::run(async {
        let handles: Rc<RefCell<Vec<AbortHandle>>> = Rc::default();
        let tasks: Vec<_> = (0..2)
            .map(|n| {
                let handles = Rc::clone(&handles);
                waiting(move || {
                    let other = handles.borrow()[1 - n].clone();
                    other.abort();
                })
            })
            .collect();
        handles.borrow_mut().extend(tasks.iter().map(JoinHandle::abort_handle));
        yield_now().await;
        tasks[0].abort();
        assert!(tasks.iter().all(JoinHandle::is_finished));
        handles.borrow_mut().clear();
    });
}

#[test]
fn a_future_may_drop_and_take_its_own_handle_when_it_is_dropped() {
    monoloop::run(async {
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let inside = Rc::clone(&own);
        let handle = waiting(move || {
            let mut handle = inside.borrow_mut().take().unwrap();
            assert!(!handle.is_finished());
            assert!(handle.try_join().is_none());
            drop(handle);
        });
        let abort = handle.abort_handle();
        *own.borrow_mut() = Some(handle);
        yield_now().await;
        assert!(abort.abort());
        assert!(abort.is_finished());
    });
}

#[test]
fn a_future_that_panics_when_it_is_dropped_has_panicked() {
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let handle = waiting(|| common::quiet_panic("in drop"));
        yield_now().await;
        assert!(handle.abort(), "the abort itself does not panic");
        assert_eq!(common::message(handle.await.unwrap_err().into_panic()), "in drop");
        assert_eq!(reports.len(), 0);
        // Detached: to the hook.
        let handle = waiting(|| common::quiet_panic("in drop, alone"));
        let abort = handle.abort_handle();
        drop(handle);
        yield_now().await;
        assert!(abort.abort());
    });
    let reports = reports.take();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("in drop, alone"), "{reports:?}");
}

#[test]
fn a_future_that_is_dropped_at_the_end_of_its_task_may_do_all_that() {
    let alive = Rc::new(Cell::new(0));
    monoloop::run(async {
        let stay = Stay::new(&alive);
        let victim = waiting(move || drop(stay));
        let bell = Doorbell::default();
        let other = spawn(bell.wait());
        let log = Log::default();
        let (target, record) = (victim.abort_handle(), log.clone());
        let guard = on_drop(move || {
            assert!(target.abort());
            bell.open();
            drop(spawn(async move { record.push("spawned") }));
        });
        yield_now().await;
        spawn(async move { drop(guard) }).await.unwrap();
        other.await.unwrap();
        assert_eq!(alive.get(), 0);
        yield_now().await;
        assert_eq!(log.take(), ["spawned"]);
    });
}

#[test]
fn an_output_may_do_all_that_when_it_is_dropped() {
    let event_loop = EventLoop::new().unwrap();
    let victim = event_loop.spawn(pending::<()>());
    let bell = Doorbell::default();
    let other = event_loop.spawn(bell.wait());
    settle(&event_loop);
    let target = victim.abort_handle();
    drop(event_loop.spawn(async move {
        on_drop(move || {
            assert!(target.abort());
            bell.open();
            drop(spawn(async {}));
        })
    }));
    settle(&event_loop);
    assert!(victim.is_finished() && other.is_finished());
}

#[test]
fn abort_outside_of_a_run_drops_the_future_at_once() {
    let event_loop = EventLoop::new().unwrap();
    let alive = Rc::new(Cell::new(0));
    let stay = Stay::new(&alive);
    let handle = event_loop.spawn(async move {
        let _held = stay;
        pending::<()>().await
    });
    settle(&event_loop);
    assert!(handle.abort());
    assert_eq!(alive.get(), 0);
}

#[test]
fn a_stale_abort_handle_does_not_reach_the_successor_in_the_slot() {
    monoloop::run(async {
        let first = spawn(async {});
        let stale = first.abort_handle();
        first.await.unwrap();
        // Whichever of these took the place of the first.
        let successors: Vec<_> = (0..200).map(|n| spawn(async move { n })).collect();
        assert!(!stale.abort());
        for (n, successor) in successors.into_iter().enumerate() {
            assert_eq!(successor.await.unwrap(), n);
        }
    });
}

// ----- depth

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The innermost task of a chain, each of which aborts the next when it is dropped.
fn chain(event_loop: &EventLoop, length: usize, alive: &Rc<Cell<usize>>) -> AbortOnDrop {
    let mut last = AbortOnDrop(event_loop.spawn(pending()));
    for _ in 0..length {
        let (next, stay) = (last, Stay::new(alive));
        last = AbortOnDrop(event_loop.spawn(async move {
            let _held = (next, stay);
            pending().await
        }));
    }
    last
}

#[test]
fn a_long_chain_of_tasks_that_abort_each_other_in_their_drops_does_not_overflow() {
    let length = many(50_000, 1_000_000);
    let alive = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    let head = chain(&event_loop, length, &alive);
    settle(&event_loop);
    drop(head);
    assert_eq!(alive.get(), 0, "all are gone when the outermost abort returns");

    // At the loop's end, from either end of the chain.
    let head = chain(&event_loop, length, &alive);
    settle(&event_loop);
    drop(event_loop);
    assert_eq!(alive.get(), 0);
    drop(head);
}

#[test]
fn a_tree_of_tasks_that_abort_each_other_in_their_drops_is_dropped_whole() {
    fn grow(depth: usize, alive: &Rc<Cell<usize>>) -> AbortOnDrop {
        let stay = Stay::new(alive);
        let children: Vec<AbortOnDrop> =
            (0..if depth == 0 { 0 } else { 2 }).map(|_| grow(depth - 1, alive)).collect();
        let body: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
            let _held = (children, stay);
            pending().await
        });
        AbortOnDrop(spawn(body))
    }
    let alive = Rc::new(Cell::new(0));
    monoloop::run(async {
        let mut root = grow(9, &alive);
        // And a stem, deeper than aborts nest.
        for _ in 0..100 {
            let (below, stay) = (root, Stay::new(&alive));
            root = AbortOnDrop(spawn(async move {
                let _held = (below, stay);
                pending().await
            }));
        }
        yield_now().await;
        assert_eq!(alive.get(), 1023 + 100);
        drop(root);
        assert_eq!(alive.get(), 0);
        assert_eq!(task::all().len(), 1);
    });
}

/// The first task of a finished chain, each of which has the next one's handle for an output.
fn finished_chain(
    event_loop: &EventLoop,
    length: usize,
    alive: &Rc<Cell<usize>>,
) -> JoinHandle<Link> {
    let mut first = event_loop.spawn(ready(Link::default()));
    for _ in 0..length {
        let link = Link { _stay: Some(Stay::new(alive)), _next: Some(first) };
        first = event_loop.spawn(ready(link));
    }
    settle(event_loop);
    first
}

#[derive(Default)]
struct Link {
    _stay: Option<Stay>,
    _next: Option<JoinHandle<Link>>,
}

#[test]
fn a_long_chain_of_outputs_that_hold_the_next_handle_does_not_overflow() {
    let length = many(50_000, 1_000_000);
    let alive = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    let first = finished_chain(&event_loop, length, &alive);
    assert_eq!(alive.get(), length);
    drop(first);
    assert_eq!(alive.get(), 0, "all are gone when the outermost drop returns");

    // Dropped by the loop, because nobody waits for the first.
    let first = finished_chain(&event_loop, length, &alive);
    event_loop.spawn(async move { first.await.unwrap() }).detach();
    settle(&event_loop);
    assert_eq!(alive.get(), 0);
}

#[test]
fn a_panic_deep_in_a_chain_of_outputs_comes_out_when_all_are_gone() {
    struct Bomb {
        _next: Option<JoinHandle<Bomb>>,
        _stay: Stay,
        is_armed: bool,
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.is_armed, "the bomb");
        }
    }
    let alive = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    let mut next = None;
    for number in 0..200 {
        let is_armed = number == 50 || number == 20;
        let output = Bomb { _next: next.take(), _stay: Stay::new(&alive), is_armed };
        next = Some(event_loop.spawn(ready(output)));
    }
    settle(&event_loop);
    assert!(common::panic_of(|| drop(next)).contains("the bomb"));
    assert_eq!(alive.get(), 0);
}
