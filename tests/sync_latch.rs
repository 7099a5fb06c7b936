//! `sync::Latch` and `sync::WaitGroup`.

mod common;
mod sync_common;

use std::task::Waker;

use common::{Counter, virtual_loop};
use monoloop::sync::{Latch, WaitGroup};
use sync_common::{for_ever, now, poll, waiting};

#[test]
fn a_latch_opens_at_zero_for_good() {
    let latch: &Latch = for_ever(Latch::new(3));
    let (counter, waker) = Counter::new();
    let mut waiter = waiting(latch.wait(), &waker);
    latch.count_down_by(2);
    assert_eq!((latch.count(), latch.is_open(), counter.get()), (1, false, 0));
    now(latch.arrive_and_wait());
    assert!(poll(&mut waiter, &waker).is_ready());
    latch.count_down_by(usize::MAX);
    now(latch.wait());
    now(Latch::new(0).wait());
}

#[test]
fn a_dropped_arrival_has_arrived() {
    let latch: &Latch = for_ever(Latch::new(2));
    drop(waiting(latch.arrive_and_wait(), Waker::noop()));
    assert_eq!(latch.count(), 1);
}

#[test]
fn a_group_is_over_when_the_last_token_goes() {
    let group: &WaitGroup = for_ever(WaitGroup::new());
    now(group.wait());
    let first = group.token();
    let second = first.clone();
    assert_eq!(group.clone().tokens(), 2);
    let mut waiter = waiting(group.wait(), Waker::noop());
    drop(first);
    assert!(poll(&mut waiter, Waker::noop()).is_pending());
    drop(second);
    // New work does not hold back who waited for the old.
    let token = group.token();
    let mut late = waiting(group.wait(), Waker::noop());
    assert!(poll(&mut waiter, Waker::noop()).is_ready());
    assert!(poll(&mut late, Waker::noop()).is_pending());
    drop(token);
    assert!(poll(&mut late, Waker::noop()).is_ready());
}

#[test]
fn tokens_of_tasks_that_panic_or_are_aborted_go_too() {
    let event_loop = virtual_loop();
    event_loop.run(async {
        let group = WaitGroup::new();
        let (one, two) = (group.token(), group.token());
        let mut panics = monoloop::spawn(async move {
            let _token = one;
            common::quiet_panic("oh")
        });
        let hangs = monoloop::spawn(async move {
            let _token = two;
            std::future::pending::<()>().await;
        });
        monoloop::yield_now().await;
        hangs.abort();
        group.wait().await;
        assert!(panics.try_join().is_some_and(|result: Result<(), _>| result.is_err()));
    });
}
