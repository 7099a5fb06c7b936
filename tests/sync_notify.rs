//! `sync::Notify`: permits, rounds, and notifications that must not be lost.

mod common;
mod sync_common;

use std::future::Future;
use std::task::{Context, Poll, Waker};

use common::Counter;
use monoloop::sync::Notify;
use sync_common::{for_ever, now, poll, waiting};

fn leaked() -> &'static Notify {
    for_ever(Notify::new())
}

#[test]
fn one_permit_is_kept_and_no_more() {
    let notify = leaked();
    notify.notify_one();
    notify.notify_one();
    now(notify.notified());
    drop(waiting(notify.notified(), Waker::noop()));
}

#[test]
fn notifying_all_keeps_no_permit() {
    let notify = leaked();
    notify.notify_waiters();
    drop(waiting(notify.notified(), Waker::noop()));
}

#[test]
fn one_that_was_made_before_is_meant_though_it_was_not_polled() {
    let notify = leaked();
    let notified = notify.notified();
    notify.notify_waiters();
    now(notified);
}

#[test]
fn one_that_was_not_polled_has_no_place_in_the_queue() {
    let notify = leaked();
    let unpolled = notify.notified();
    let mut polled = waiting(notify.notified(), Waker::noop());
    notify.notify_one();
    assert!(poll(&mut polled, Waker::noop()).is_ready());
    drop(waiting(unpolled, Waker::noop()));
}

#[test]
fn a_notification_for_one_who_is_dropped_goes_to_the_next_or_is_kept() {
    let notify = leaked();
    let first = waiting(notify.notified(), Waker::noop());
    let (counter, waker) = Counter::new();
    let second = waiting(notify.notified(), &waker);
    notify.notify_one();
    drop(first);
    assert_eq!(counter.get(), 1);
    drop(second);
    now(notify.notified());
}

#[test]
fn a_notification_for_all_is_not_passed_on() {
    let notify = leaked();
    let first = waiting(notify.notified(), Waker::noop());
    notify.notify_waiters();
    let mut second = waiting(notify.notified(), Waker::noop());
    drop(first);
    assert!(poll(&mut second, Waker::noop()).is_pending());
}

#[test]
fn enabling_takes_a_place_and_keeps_the_waker() {
    let notify = Notify::new();
    let mut notified = notify.notified();
    assert!(!notified.enable());
    let (counter, waker) = Counter::new();
    let mut cx = Context::from_waker(&waker);
    assert!(std::pin::Pin::new(&mut notified).poll(&mut cx).is_pending());
    assert!(!notified.enable());
    notify.notify_one();
    assert_eq!(counter.get(), 1);
    assert!(notified.enable() && notified.enable());
    // It knows: so its drop passes nothing on, and it stays ready.
    assert_eq!(std::pin::Pin::new(&mut notified).poll(&mut cx), Poll::Ready(()));
    drop(notified);
    assert!(!notify.notified().enable());
}
