//! `sync::Condition` with its mutex.

mod common;
mod sync_common;

use std::rc::Rc;
use std::task::{Poll, Waker};

use common::{Counter, Log, virtual_loop};
use monoloop::sync::{Condition, Mutex, MutexGuard};
use sync_common::{Boxed, for_ever, now, poll, waiting};

type Guard = MutexGuard<'static, u32>;

fn leaked() -> (&'static Mutex<u32>, &'static Condition) {
    (for_ever(Mutex::new(0)), for_ever(Condition::new()))
}

/// Locks and waits.
fn wait(mutex: &'static Mutex<u32>, condition: &'static Condition, waker: &Waker) -> Boxed<Guard> {
    let guard = now(mutex.lock());
    waiting(condition.wait(guard), waker)
}

#[test]
fn waiting_unlocks_and_comes_back_with_the_lock() {
    let (mutex, condition) = leaked();
    let mut waiter = wait(mutex, condition, Waker::noop());
    *mutex.try_lock().expect("it was unlocked") = 7;
    assert!(poll(&mut waiter, Waker::noop()).is_pending());
    condition.notify_one();
    let Poll::Ready(guard) = poll(&mut waiter, Waker::noop()) else { panic!("it was notified") };
    assert_eq!(*guard, 7);
    assert!(mutex.try_lock().is_err());
}

#[test]
fn a_wait_that_was_not_polled_holds_the_lock() {
    let (mutex, condition) = leaked();
    let wait = condition.wait(now(mutex.lock()));
    assert!(mutex.is_locked());
    drop(wait);
    assert!(!mutex.is_locked());
}

#[test]
fn a_notified_waiter_queues_for_the_lock() {
    let (mutex, condition) = leaked();
    let mut waiter = wait(mutex, condition, Waker::noop());
    let guard = now(mutex.lock());
    let mut other = waiting(mutex.lock(), Waker::noop());
    condition.notify_one();
    assert!(poll(&mut waiter, Waker::noop()).is_pending());
    drop(guard);
    assert!(poll(&mut waiter, Waker::noop()).is_pending());
    drop(poll(&mut other, Waker::noop()));
    assert!(poll(&mut waiter, Waker::noop()).is_ready());
}

#[test]
fn notifications_go_out_in_order_and_are_not_kept() {
    let (mutex, condition) = leaked();
    condition.notify_one();
    condition.notify_all();
    let counters: Vec<_> = (0..4).map(|_| Counter::new()).collect();
    let waiters: Vec<_> = counters.iter().map(|(_, waker)| wait(mutex, condition, waker)).collect();
    let woken = || counters.iter().map(|(counter, _)| counter.get()).collect::<Vec<_>>();
    condition.notify_n(0);
    assert_eq!(woken(), [0, 0, 0, 0]);
    condition.notify_n(2);
    assert_eq!(woken(), [1, 1, 0, 0]);
    condition.notify_all();
    assert_eq!(woken(), [1, 1, 1, 1]);
    waiters.into_iter().rev().for_each(drop);
}

/// asyncio's gh-112202: a waiter that was notified and cancelled passes it on.
#[test]
fn a_notification_of_one_who_is_dropped_goes_to_the_next() {
    let (mutex, condition) = leaked();
    let first = wait(mutex, condition, Waker::noop());
    let (counter, waker) = Counter::new();
    let mut second = wait(mutex, condition, &waker);
    condition.notify_one();
    drop(first);
    assert_eq!(counter.get(), 1);
    assert!(poll(&mut second, &waker).is_ready());
}

/// The same, for one that is dropped while it waits for the lock.
#[test]
fn a_notification_is_passed_on_until_the_lock_is_there() {
    let (mutex, condition) = leaked();
    let mut first = wait(mutex, condition, Waker::noop());
    let (counter, waker) = Counter::new();
    let mut second = wait(mutex, condition, &waker);
    let guard = now(mutex.lock());
    condition.notify_one();
    assert!(poll(&mut first, Waker::noop()).is_pending(), "it waits for the lock");
    drop(guard); // handed to the first
    drop(first);
    assert_eq!(counter.get(), 1);
    assert!(poll(&mut second, &waker).is_ready());
}

#[test]
fn a_drop_while_waiting_leaves_the_mutex_to_others() {
    let (mutex, condition) = leaked();
    let waiter = wait(mutex, condition, Waker::noop());
    let guard = now(mutex.lock());
    drop(waiter);
    assert!(mutex.is_locked());
    drop(guard);
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn wait_while_looks_first_and_after_each_notification() {
    let (mutex, condition) = leaked();
    let guard = now(condition.wait_while(now(mutex.lock()), |n| *n > 0));
    let mut waiter = waiting(condition.wait_while(guard, |n| *n < 2), Waker::noop());
    for n in 1..=2 {
        *now(mutex.lock()) = n;
        condition.notify_all();
        assert_eq!(poll(&mut waiter, Waker::noop()).is_ready(), n == 2);
    }
}

#[test]
fn several_conditions_share_a_mutex() {
    let log = Log::default();
    virtual_loop().run(async {
        let place = Rc::new((Mutex::new(0_u32), Condition::new(), Condition::new()));
        let (there, output) = (Rc::clone(&place), log.clone());
        let taker = monoloop::spawn(async move {
            let (cup, filled, emptied) = &*there;
            for _ in 0..3 {
                let mut cup = filled.wait_while(cup.lock().await, |cup| *cup == 0).await;
                output.push(cup.to_string());
                *cup = 0;
                emptied.notify_one();
            }
        });
        let (cup, filled, emptied) = &*place;
        for n in 1..=3 {
            let mut cup = emptied.wait_while(cup.lock().await, |cup| *cup != 0).await;
            *cup = n;
            filled.notify_one();
        }
        taker.await.expect("no panic");
    });
    assert_eq!(log.take().concat(), "123");
}
