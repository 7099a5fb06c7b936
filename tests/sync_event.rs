//! `sync::Event`.

mod common;
mod sync_common;

use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use common::{Counter, Log, grumpy, panic_of, virtual_loop};
use monoloop::sync::Event;
use sync_common::{for_ever, now, poll, waiting};

fn leaked() -> &'static Event {
    for_ever(Event::new())
}

#[test]
fn a_set_event_is_not_waited_for() {
    let event = Event::new();
    event.set();
    now(event.wait());
    event.clear();
    assert!(!event.is_set());
}

#[test]
fn set_and_clear_in_one_go_release_those_who_waited_and_no_others() {
    let event = leaked();
    let mut early = [(); 3].map(|()| waiting(event.wait(), Waker::noop()));
    event.set();
    event.clear();
    let mut late = waiting(event.wait(), Waker::noop());
    assert!(early.iter_mut().all(|waiter| poll(waiter, Waker::noop()).is_ready()));
    assert!(poll(&mut late, Waker::noop()).is_pending());
}

#[test]
fn tasks_are_released_in_the_order_in_which_they_came() {
    let log = Log::default();
    virtual_loop().run(async {
        let event = Rc::new(Event::new());
        let tasks: Vec<_> = (0..5)
            .map(|n| {
                let (event, log) = (Rc::clone(&event), log.clone());
                monoloop::spawn(async move {
                    event.wait().await;
                    log.push(n.to_string());
                })
            })
            .collect();
        monoloop::yield_now().await;
        event.set();
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    assert_eq!(log.take().concat(), "01234");
}

#[test]
fn a_panicking_waker_keeps_nobody_waiting() {
    let event = leaked();
    let (counter, waker) = Counter::new();
    let bad = grumpy();
    let mut waiters = [&bad, &waker, &bad, &waker].map(|waker| waiting(event.wait(), waker));
    assert_eq!(panic_of(|| event.set()), "not now");
    assert_eq!(counter.get(), 2);
    assert!(waiters.iter_mut().all(|waiter| poll(waiter, &waker).is_ready()));
}

#[test]
fn those_who_gave_up_are_not_woken() {
    let event = leaked();
    let (counter, waker) = Counter::new();
    let waiters = [(); 3].map(|()| waiting(event.wait(), &waker));
    drop(waiters);
    event.set();
    assert_eq!((counter.get(), Arc::strong_count(&counter)), (0, 2), "and their wakers are gone");
}
