//! Cancel tokens: the tree, who is woken in which order, and that nothing is left behind.

mod common;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use common::{
    Counter, Log, grumpy, isolated, many, panic_of, poll_once, quiet_panic, reporting_loop,
    virtual_loop,
};
use monoloop::task::{CancelToken, Cancelled};
use monoloop::{spawn, time, yield_now};

fn counts(token: &CancelToken) -> String {
    let text = format!("{token:?}");
    text[text.find("children").unwrap()..].trim_end_matches(" }").to_owned()
}

#[test]
fn cancelling_reaches_all_below_and_nobody_above() {
    let root = CancelToken::new();
    let (a, b) = (root.child(), root.child());
    let below = a.child();
    assert!(a.cancel_with("why") && !a.cancel_with("again"));
    let all = [&root, &a, &b, &below].map(CancelToken::is_cancelled);
    assert_eq!(all, [false, true, false, true]);
    assert_eq!(below.reason().as_deref(), Some("why"));
    assert!(root.cancel() && b.is_cancelled() && b.reason().is_none());
    assert_eq!(a.reason().as_deref(), Some("why"));
}

#[test]
fn the_child_of_a_cancelled_token_is_cancelled() {
    let root = CancelToken::new();
    root.cancel_with("early");
    let child = root.child().child();
    assert_eq!((child.is_cancelled(), child.reason().as_deref()), (true, Some("early")));
}

#[test]
fn a_child_is_reached_through_a_parent_nobody_holds() {
    let root = CancelToken::new();
    let grandchild = root.child().child();
    root.cancel();
    assert!(grandchild.is_cancelled());
}

#[test]
fn waiters_are_woken_in_the_order_they_came_parents_first() {
    virtual_loop().run(async {
        let log = Log::default();
        let root = CancelToken::new();
        let (a, b) = (root.child(), root.child());
        for (name, token) in
            [("b1", &b), ("a1", &a), ("root1", &root), ("a2", &a), ("root2", &root)]
        {
            let (token, log) = (token.clone(), log.clone());
            spawn(async move {
                token.cancelled().await;
                log.push(name);
            })
            .detach();
        }
        yield_now().await;
        root.cancel();
        yield_now().await;
        assert_eq!(log.take(), ["root1", "root2", "a1", "a2", "b1"]);
    });
}

#[test]
fn a_dropped_waiter_leaves_the_list() {
    let token = CancelToken::new();
    let (counter, waker) = Counter::new();
    for _ in 0..100 {
        let mut waits = [token.cancelled(), token.cancelled()];
        for wait in &mut waits {
            assert!(poll_once(wait, &waker).is_pending());
            assert!(poll_once(wait, &waker).is_pending());
        }
        assert_eq!(counts(&token), "children: 0, waiters: 2");
    }
    assert_eq!(counts(&token), "children: 0, waiters: 0");
    token.cancel();
    assert_eq!(counter.get(), 0);
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let token = CancelToken::new();
    let ((first, a), (second, b)) = (Counter::new(), Counter::new());
    let mut wait = token.cancelled();
    assert!(poll_once(&mut wait, &a).is_pending() && poll_once(&mut wait, &b).is_pending());
    token.cancel();
    assert_eq!((first.get(), second.get()), (0, 1));
    assert!(poll_once(&mut wait, &b).is_ready() && poll_once(&mut wait, &b).is_ready());
}

#[test]
fn a_million_children_leave_nothing_behind() {
    let root = CancelToken::new();
    let middle = root.child();
    for _ in 0..many(100_000, 1_000_000) {
        let child = middle.child();
        let _grandchild = child.child();
    }
    assert_eq!(counts(&middle), "children: 0, waiters: 0");
    drop(middle);
    assert_eq!(counts(&root), "children: 0, waiters: 0");
}

#[test]
fn deep_trees_are_cancelled_and_dropped_on_a_flat_stack() {
    let root = CancelToken::new();
    let mut last = root.clone();
    for _ in 0..many(100_000, 1_000_000) {
        last = last.child();
    }
    root.cancel();
    assert!(last.is_cancelled());
    let mut last = CancelToken::new();
    for _ in 0..many(100_000, 1_000_000) {
        last = last.child();
    }
    drop(last);
}

#[test]
fn a_wide_tree_is_cancelled_whole() {
    let root = CancelToken::new();
    let children: Vec<_> = (0..10_000).map(|_| root.child()).collect();
    root.cancel();
    assert!(children.iter().all(CancelToken::is_cancelled));
    assert_eq!(counts(&root), "children: 0, waiters: 0");
}

#[test]
fn a_guard_cancels_when_it_is_dropped_unless_disarmed() {
    let token = CancelToken::new();
    assert!(!token.drop_guard().disarm().is_cancelled());
    drop(token.drop_guard());
    assert!(token.is_cancelled());
}

#[test]
fn what_is_there_wins_over_a_cancelled_token() {
    virtual_loop().run(async {
        let token = CancelToken::new();
        token.cancel();
        assert_eq!(token.run_until_cancelled(async { 1 }).await, Some(1));
        assert_eq!(token.run_until_cancelled(pending::<()>()).await, None);
        let token = CancelToken::new();
        let guard = token.clone();
        monoloop::call_later(Duration::from_secs(1), move || {
            guard.cancel();
        });
        let begin = time::now();
        assert_eq!(token.run_until_cancelled(pending::<()>()).await, None);
        assert_eq!(time::now() - begin, Duration::from_secs(1));
    });
}

// ----- foreign wakers

/// Calls back when it is cloned, woken or dropped.
struct Meddler<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync> Wake for Meddler<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

impl<F: Fn() + Send + Sync> Drop for Meddler<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

thread_local! {
    static TOKEN: RefCell<Option<CancelToken>> = const { RefCell::new(None) };
    static WAITS: RefCell<Vec<Cancelled>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn a_waker_may_meddle_with_the_tree() {
    let token = CancelToken::new();
    TOKEN.set(Some(token.clone()));
    let meddler = Waker::from(Arc::new(Meddler(|| {
        let token = TOKEN.with_borrow(|token| token.clone()).unwrap();
        token.cancel();
        let mut late = token.child().cancelled();
        assert!(poll_once(&mut late, Waker::noop()).is_ready());
        drop(WAITS.take());
    })));
    let child = token.child();
    let mut waits = vec![token.cancelled(), child.cancelled(), token.cancelled()];
    for wait in &mut waits {
        assert!(poll_once(wait, &meddler).is_pending());
    }
    WAITS.set(waits);
    drop(meddler);
    assert!(token.cancel() && WAITS.take().is_empty() && child.is_cancelled());
    TOKEN.set(None);
}

#[test]
fn a_panicking_waker_does_not_keep_others_from_being_woken() {
    let wait_for = |token: &CancelToken, waker: &Waker| {
        let mut wait = token.cancelled();
        assert!(poll_once(&mut wait, waker).is_pending());
        wait
    };
    let (counter, waker) = Counter::new();
    let token = CancelToken::new();
    let grumpy = grumpy();
    let _waits = [wait_for(&token, &grumpy), wait_for(&token, &waker)];
    // Where no loop runs, whoever cancels hears of it; the noise of the panic is std's.
    assert_eq!(panic_of(|| token.cancel()), "not now");
    assert_eq!((counter.get(), token.is_cancelled()), (1, true));
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let token = CancelToken::new();
        let _waits = [wait_for(&token, &grumpy), wait_for(&token, &waker)];
        assert!(token.cancel());
    });
    assert_eq!(
        (counter.get(), reports.take()),
        (2, vec!["a foreign waker panicked: not now".into()])
    );
}

#[test]
fn a_waiting_future_outlives_its_handles() {
    let count = Rc::new(Cell::new(0));
    let child = {
        let root = CancelToken::new();
        let mut wait = pin!(root.child().cancelled());
        assert!(matches!(
            wait.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())),
            Poll::Pending
        ));
        count.set(1);
        root.child()
    };
    assert!(!child.is_cancelled() && count.get() == 1);
}

#[test]
fn a_waker_that_panics_while_its_thread_unwinds_does_not_end_the_process() {
    isolated("a_waker_that_panics_while_its_thread_unwinds_does_not_end_the_process", || {
        let text = panic_of(|| {
            let token = CancelToken::new();
            let mut waiting = token.cancelled();
            assert!(poll_once(&mut waiting, &grumpy()).is_pending());
            let _guard = token.drop_guard();
            quiet_panic("first")
        });
        assert_eq!(text, "first");
    });
}
