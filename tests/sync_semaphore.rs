//! `sync::Semaphore`: counts, order, closing, and what drops give back.

mod channel_common;
mod common;
mod sync_common;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Poll, Waker};

use channel_common::{clear_hook, hooked, set_hook};
use common::{Counter, panic_of};
use monoloop::sync::{Semaphore, TryAcquireError};
use sync_common::{for_ever, now, poll, waiting};

fn leaked(permits: usize) -> &'static Semaphore {
    for_ever(Semaphore::new(permits))
}

#[test]
fn permits_come_back_when_they_are_dropped() {
    let semaphore = leaked(3);
    let mut two = now(semaphore.acquire_many(2)).expect("open");
    let one = two.split(1).expect("it has two");
    assert!(two.split(2).is_none());
    assert_eq!((two.permits(), one.permits(), semaphore.available_permits()), (1, 1, 1));
    drop(two);
    one.forget();
    assert_eq!(semaphore.available_permits(), 2);
    assert_eq!(semaphore.try_acquire_many(3).err(), Some(TryAcquireError::NoPermits));
}

/// Asked for as much as there will be, and small requests come and come.
#[test]
fn a_big_request_is_not_overtaken() {
    let semaphore = leaked(3);
    let held = now(semaphore.acquire()).expect("open");
    let mut big = waiting(semaphore.acquire_many(3), Waker::noop());
    assert!(semaphore.try_acquire().is_err(), "there are two, but somebody waits for them");
    let mut small = waiting(semaphore.acquire(), Waker::noop());
    drop(held);
    assert!(poll(&mut small, Waker::noop()).is_pending());
    let Poll::Ready(permit) = poll(&mut big, Waker::noop()) else { panic!("it was served") };
    drop(permit);
    assert!(poll(&mut small, Waker::noop()).is_ready());
}

#[test]
fn a_big_request_that_gives_up_lets_the_others_through() {
    let semaphore = leaked(2);
    let big = waiting(semaphore.acquire_many(3), Waker::noop());
    let (counter, waker) = Counter::new();
    let mut small = [(); 3].map(|()| waiting(semaphore.acquire(), &waker));
    drop(big);
    assert_eq!(counter.get(), 2);
    let permits = small.each_mut().map(|small| poll(small, &waker));
    assert_eq!(permits.each_ref().map(Poll::is_ready), [true, true, false]);
}

/// asyncio's gh-90155.
#[test]
fn permits_handed_to_one_who_is_dropped_go_to_the_next() {
    let semaphore = leaked(2);
    let both = now(semaphore.acquire_many(2)).expect("open");
    let first = waiting(semaphore.acquire_many(2), Waker::noop());
    let mut rest = [(); 2].map(|()| waiting(semaphore.acquire(), Waker::noop()));
    drop(both);
    assert_eq!(semaphore.available_permits(), 0, "they are the first's");
    drop(first);
    assert!(rest.iter_mut().all(|waiter| poll(waiter, Waker::noop()).is_ready()));
}

#[test]
fn a_drop_after_any_number_of_polls_loses_no_permit() {
    for polls in 0..4 {
        let semaphore = Rc::new(Semaphore::new(1));
        let held = now(semaphore.acquire_owned()).expect("open");
        let mut waiter: sync_common::Boxed<_> = Box::pin(semaphore.acquire_owned());
        for _ in 0..polls {
            assert!(poll(&mut waiter, Waker::noop()).is_pending());
        }
        drop(held);
        drop(waiter);
        assert_eq!(semaphore.available_permits(), 1, "{polls} polls");
        assert_eq!(Rc::strong_count(&semaphore), 1);
    }
}

#[test]
fn one_permit_wakes_one() {
    let semaphore = leaked(0);
    let (counter, waker) = Counter::new();
    let _waiters: Vec<_> = (0..10_000).map(|_| waiting(semaphore.acquire(), &waker)).collect();
    semaphore.add_permits(1);
    assert_eq!(counter.get(), 1);
    semaphore.add_permits(3);
    assert_eq!(counter.get(), 4);
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn closing_sends_all_away_in_order_and_leaves_permits_valid() {
    let semaphore = leaked(1);
    let held = now(semaphore.acquire()).expect("open");
    let mut waiters = [(); 3].map(|()| waiting(semaphore.acquire(), Waker::noop()));
    semaphore.close();
    for waiter in &mut waiters {
        assert!(matches!(poll(waiter, Waker::noop()), Poll::Ready(Err(_))));
    }
    drop(held);
    assert!(semaphore.is_closed() && semaphore.available_permits() == 1);
    assert!(now(semaphore.acquire()).is_err());
    assert_eq!(semaphore.try_acquire().err(), Some(TryAcquireError::Closed));
}

/// tokio's #8021.
#[test]
fn forgetting_permits_does_not_open_a_closed_one() {
    let semaphore = leaked(3);
    assert_eq!(semaphore.forget_permits(2), 2);
    semaphore.close();
    assert_eq!(semaphore.forget_permits(9), 1);
    assert_eq!(semaphore.available_permits(), 0);
    assert!(semaphore.is_closed());
    semaphore.add_permits(5);
    assert_eq!(semaphore.try_acquire().err(), Some(TryAcquireError::Closed));
}

#[test]
fn one_that_was_served_before_the_close_has_its_permit() {
    let semaphore = leaked(0);
    let mut waiter = waiting(semaphore.acquire(), Waker::noop());
    semaphore.add_permits(1);
    semaphore.close();
    assert!(matches!(poll(&mut waiter, Waker::noop()), Poll::Ready(Ok(_))));
}

#[test]
fn permits_that_cannot_be_counted_are_a_panic_when_they_come_back() {
    let semaphore = leaked(Semaphore::MAX_PERMITS);
    let held = [(); 9].map(|()| {
        let held = semaphore.try_acquire_many(Semaphore::MAX_PERMITS).expect("all are there");
        semaphore.add_permits(Semaphore::MAX_PERMITS);
        held
    });
    let mut panics = 0;
    for permits in held {
        let before = semaphore.available_permits();
        let panicked = catch_unwind(AssertUnwindSafe(|| drop(permits))).is_err();
        let sum = before + Semaphore::MAX_PERMITS;
        let expected = if panicked { Semaphore::MAX_PERMITS } else { sum };
        assert_eq!(semaphore.available_permits(), expected, "they are not counted");
        panics += u32::from(panicked);
    }
    assert_eq!(panics, 2);
}

#[test]
fn odd_numbers_are_no_harm() {
    let semaphore = leaked(0);
    assert_eq!(now(semaphore.acquire_many(0)).expect("open").permits(), 0);
    drop(waiting(semaphore.acquire_many(usize::MAX), Waker::noop()));
    semaphore.add_permits(Semaphore::MAX_PERMITS);
    assert!(panic_of(|| semaphore.add_permits(1)).contains("MAX_PERMITS"));
    assert!(panic_of(|| semaphore.add_permits(usize::MAX)).contains("MAX_PERMITS"));
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
    assert!(panic_of(|| Semaphore::new(usize::MAX)).contains("MAX_PERMITS"));
}

#[test]
fn a_waker_finds_the_semaphore_closed() {
    let semaphore = leaked(0);
    let seen = Rc::new(Cell::new(None));
    let (_waiter, seen_by) = (waiting(semaphore.acquire(), &hooked(0)), Rc::clone(&seen));
    set_hook(move |_| seen_by.set(semaphore.try_acquire().err()));
    semaphore.close();
    clear_hook();
    assert_eq!(seen.get(), Some(TryAcquireError::Closed));
}
