//! `shared` and `promise`.

mod common;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{
    Counter, Doorbell, Log, alone, grumpy, panic_of, poll_once, quiet_panic, virtual_loop,
};
use monoloop::future::{BrokenPromise, Shared, gather, promise, shared};
use monoloop::time::{sleep, timeout};
use monoloop::{run, spawn};

#[test]
fn all_clones_get_the_one_output() {
    virtual_loop().run(async {
        let runs = Rc::new(Cell::new(0));
        let page = {
            let runs = Rc::clone(&runs);
            shared(async move {
                runs.set(runs.get() + 1);
                sleep(Duration::from_millis(10)).await;
                String::from("page")
            })
        };
        let tasks: Vec<_> = (0..5).map(|_| spawn(page.clone())).collect();
        for output in gather(tasks).await {
            assert_eq!(output.unwrap(), "page");
        }
        assert_eq!(page.await, "page");
        assert_eq!(runs.get(), 1);
    });
}

#[test]
fn another_clone_goes_on_when_the_one_that_polled_is_dropped_or_idle() {
    let _alone = alone();
    let bell = Doorbell::default();
    let mut first = shared(bell.wait());
    let (mut second, mut idle) = (first.clone(), first.clone());
    let (counter, waker) = Counter::new();
    assert!(poll_once(&mut first, Waker::noop()).is_pending());
    assert!(poll_once(&mut idle, Waker::noop()).is_pending());
    assert!(poll_once(&mut second, &waker).is_pending());
    assert_eq!(bell.polls(), 1, "who was not woken does not poll");
    drop(first);
    bell.open();
    assert_eq!(counter.get(), 1);
    assert!(poll_once(&mut second, &waker).is_ready());
    assert!(poll_once(&mut idle, &waker).is_ready());
    assert_eq!(bell.polls(), 2);
}

#[test]
fn the_last_clone_drops_the_future() {
    let log = Log::default();
    let guard = log.on_drop("future");
    let mut one = shared(async move {
        let _guard = guard;
        pending::<()>().await
    });
    let two = one.clone();
    assert!(poll_once(&mut one, Waker::noop()).is_pending());
    drop(one);
    assert_eq!(log.len(), 0);
    drop(two);
    assert_eq!(log.take(), ["future"]);
}

#[test]
fn a_panic_of_the_future_is_told_to_all() {
    let mut one = shared(async { quiet_panic("boom") as u8 });
    let mut two = one.clone();
    let (counter, waker) = Counter::new();
    let poll = |shared: &mut Shared<_>| panic_of(AssertUnwindSafe(|| poll_once(shared, &waker)));
    assert_eq!(poll(&mut one), "boom");
    assert!(counter.get() > 0);
    assert!(poll(&mut two).contains("a shared future panicked"));
}

#[test]
fn a_future_that_waits_for_itself_panics() {
    type Own = Rc<RefCell<Option<Shared<Pin<Box<dyn Future<Output = ()>>>>>>>;
    let own = Own::default();
    let inner = Rc::clone(&own);
    let future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
        let own = inner.borrow_mut().take().expect("it is there");
        own.await;
    });
    let mut outer = shared(future);
    *own.borrow_mut() = Some(outer.clone());
    let message = panic_of(AssertUnwindSafe(|| poll_once(&mut outer, Waker::noop())));
    assert!(message.contains("waits for itself"), "{message}");
}

#[test]
fn a_promise_is_set_once_and_awaited_by_many() {
    run(async {
        let (setter, waiter) = promise();
        let tasks: Vec<_> = (0..3).map(|_| spawn(waiter.clone())).collect();
        assert!(setter.is_awaited() && waiter.get().is_none() && !waiter.is_settled());
        spawn(async move { setter.set(7) }).detach();
        for output in gather(tasks).await {
            assert_eq!(output.unwrap(), Ok(7));
        }
        assert_eq!(waiter.get(), Some(&7));
        assert_eq!(waiter.await, Ok(7));
    });
}

/// asyncio's waiters wait for ever.
#[test]
fn a_promise_that_is_dropped_fails_its_waiters() {
    run(async {
        let (setter, waiter) = promise::<u8>();
        let task = spawn(waiter.clone());
        spawn(async move { drop(setter) }).detach();
        assert_eq!(task.await.unwrap(), Err(BrokenPromise));
        assert_eq!(waiter.await, Err(BrokenPromise));
    });
}

#[test]
fn waiters_are_woken_in_the_order_in_which_they_came() {
    let log = Log::default();
    run(async {
        let (setter, waiter) = promise();
        let tasks = ["a", "b", "c"].map(|name| {
            let (waiter, log) = (waiter.clone(), log.clone());
            spawn(async move {
                waiter.await.unwrap();
                log.push(name);
            })
        });
        monoloop::yield_now().await;
        setter.set(());
        assert!(gather(tasks).await.iter().all(Result::is_ok));
    });
    assert_eq!(log.take(), ["a", "b", "c"]);
}

#[test]
fn waiters_that_give_up_are_forgotten() {
    virtual_loop().run(async {
        let (setter, waiter) = promise::<u8>();
        for _ in 0..10 {
            assert!(timeout(Duration::from_millis(1), waiter.clone()).await.is_err());
        }
        assert!(format!("{setter:?}").contains("waiting: 0"), "{setter:?}");
        drop(waiter);
        assert!(!setter.is_awaited());
    });
}

#[test]
fn a_waker_that_panics_keeps_no_waiter_from_the_news() {
    let (setter, waiter) = promise();
    let (mut first, mut second) = (waiter.clone(), waiter);
    let (counter, waker) = Counter::new();
    assert!(poll_once(&mut first, &grumpy()).is_pending());
    assert!(poll_once(&mut second, &waker).is_pending());
    assert_eq!(panic_of(AssertUnwindSafe(|| setter.set(1))), "not now");
    assert_eq!(counter.get(), 1);
    assert_eq!(poll_once(&mut first, &waker), Poll::Ready(Ok(1)));
    assert_eq!(poll_once(&mut second, &waker), Poll::Ready(Ok(1)));
}

#[test]
fn a_waker_that_panics_keeps_no_clone_of_a_shared_future_waiting() {
    let bell = Doorbell::default();
    let (mut first, mut second) = (shared(bell.wait()), None);
    let (counter, waker) = Counter::new();
    assert!(poll_once(&mut first, &grumpy()).is_pending());
    assert!(poll_once(second.insert(first.clone()), &waker).is_pending());
    assert_eq!(panic_of(AssertUnwindSafe(|| bell.open())), "not now");
    assert_eq!(counter.get(), 1);
    let mut second = second.expect("it is there");
    assert!(Pin::new(&mut second).poll(&mut Context::from_waker(&waker)).is_ready());
}

/// The output's clone is foreign code: it may use the promise.
#[test]
fn a_clone_of_the_value_may_clone_its_waiter() {
    struct Odd(Rc<RefCell<Option<monoloop::future::Promised<Odd>>>>);
    impl Clone for Odd {
        fn clone(&self) -> Self {
            let waiter = self.0.borrow().clone();
            drop(waiter);
            Self(Rc::clone(&self.0))
        }
    }
    let (setter, waiter) = promise();
    let kept = Rc::new(RefCell::new(Some(waiter.clone())));
    setter.set(Odd(Rc::clone(&kept)));
    let mut waiter = waiter;
    assert!(poll_once(&mut waiter, Waker::noop()).is_ready());
    kept.take();
}
