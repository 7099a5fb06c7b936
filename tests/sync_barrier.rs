//! `sync::Barrier`: rounds, indices, and breaking.

mod channel_common;
mod common;
mod sync_common;

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Poll, Waker};

use channel_common::{clear_hook, hooked, set_hook};
use common::{Counter, panic_of, virtual_loop};
use monoloop::sync::Barrier;
use sync_common::{for_ever, now, poll, waiting};

fn leaked(parties: usize) -> &'static Barrier {
    for_ever(Barrier::new(parties))
}

#[test]
fn the_last_to_come_releases_all() {
    let barrier = leaked(3);
    let mut first = waiting(barrier.wait(), Waker::noop());
    let mut second = waiting(barrier.wait(), Waker::noop());
    assert_eq!((barrier.waiting(), barrier.parties()), (2, 3));
    let last = now(barrier.wait()).expect("all are there");
    assert_eq!((last.index(), last.is_leader(), barrier.waiting()), (2, true, 0));
    for (waiter, index) in [(&mut second, 1), (&mut first, 0)] {
        let Poll::Ready(Ok(passed)) = poll(waiter, Waker::noop()) else { panic!("released") };
        assert_eq!((passed.index(), passed.is_leader()), (index, false));
    }
}

/// asyncio's "draining" state is not needed: the released have their results.
#[test]
fn who_comes_before_the_released_ran_is_of_the_next_round() {
    let barrier = leaked(2);
    let mut first = waiting(barrier.wait(), Waker::noop());
    let _ = now(barrier.wait());
    let mut next = waiting(barrier.wait(), Waker::noop());
    barrier.abort();
    assert!(matches!(poll(&mut first, Waker::noop()), Poll::Ready(Ok(_))));
    assert!(matches!(poll(&mut next, Waker::noop()), Poll::Ready(Err(_))));
}

#[test]
fn who_gives_up_did_not_come() {
    let barrier = leaked(2);
    drop(waiting(barrier.wait(), Waker::noop()));
    let mut first = waiting(barrier.wait(), Waker::noop());
    assert_eq!(now(barrier.wait()).map(|passed| passed.index()), Ok(1));
    let Poll::Ready(Ok(passed)) = poll(&mut first, Waker::noop()) else { panic!("released") };
    assert_eq!(passed.index(), 0, "no gap is left");
}

#[test]
fn reset_sends_away_and_begins_anew() {
    let barrier = leaked(2);
    let (counter, waker) = Counter::new();
    let mut waiter = waiting(barrier.wait(), &waker);
    barrier.reset();
    assert_eq!((counter.get(), barrier.is_broken()), (1, false));
    assert!(matches!(poll(&mut waiter, &waker), Poll::Ready(Err(_))));
    let _waits = waiting(barrier.wait(), Waker::noop());
}

#[test]
fn a_broken_barrier_lets_nobody_wait_until_it_is_reset() {
    let barrier = leaked(2);
    barrier.abort();
    let error = now(barrier.wait()).expect_err("broken");
    assert_eq!(error.to_string(), "the barrier is broken");
    barrier.reset();
    let _waits = waiting(barrier.wait(), Waker::noop());
    assert!(now(barrier.wait()).is_ok());
}

#[test]
fn a_waker_finds_the_barrier_broken() {
    let barrier = leaked(2);
    let seen = Rc::new(Cell::new(false));
    let (_waiter, seen_by) = (waiting(barrier.wait(), &hooked(0)), Rc::clone(&seen));
    set_hook(move |_| seen_by.set(barrier.is_broken()));
    barrier.abort();
    clear_hook();
    assert!(seen.get());
}

#[test]
fn one_party_passes_alone_and_none_is_refused() {
    assert!(now(leaked(1).wait()).expect("alone").is_leader());
    assert!(panic_of(|| Barrier::new(0)).contains("one task at least"));
}

#[test]
fn tasks_stay_in_step() {
    virtual_loop().run(async {
        let barrier = Rc::new(Barrier::new(5));
        let counts = Rc::new(std::cell::RefCell::new([0; 5]));
        let tasks: Vec<_> = (0..5)
            .map(|n| {
                let (barrier, counts) = (Rc::clone(&barrier), Rc::clone(&counts));
                monoloop::spawn(async move {
                    let mut leads = 0;
                    for round in 0..10 {
                        counts.borrow_mut()[n] += 1;
                        leads += usize::from(barrier.wait().await.expect("whole").is_leader());
                        assert!(counts.borrow().iter().all(|&count| count > round));
                    }
                    leads
                })
            })
            .collect();
        let mut leads = 0;
        for task in tasks {
            leads += task.await.expect("no panic");
        }
        assert_eq!(leads, 10, "one in each round");
    });
}
