//! `sync::OnceCell` and `sync::LazyCell`: who initialises, and what happens if that one is dropped.

mod common;
mod sync_common;

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use common::{Counter, Doorbell, panic_of, quiet_panic};
use monoloop::sync::{LazyCell, OnceCell};
use sync_common::{for_ever, now, poll, waiting};

fn leaked() -> &'static OnceCell<u32> {
    for_ever(OnceCell::new())
}

#[test]
fn it_is_made_once_and_all_who_wait_get_it_at_once() {
    let cell = leaked();
    let bell = Doorbell::default();
    let wait = bell.clone();
    let first = async move || {
        wait.wait().await;
        5
    };
    let mut first = waiting(cell.get_or_init(first), Waker::noop());
    let (counter, waker) = Counter::new();
    let mut others = [(); 3].map(|()| waiting(cell.get_or_init(async || unreachable!()), &waker));
    bell.open();
    assert_eq!(poll(&mut first, Waker::noop()), Poll::Ready(&5));
    assert_eq!(counter.get(), 3, "all at once");
    assert!(others.iter_mut().all(|other| poll(other, &waker) == Poll::Ready(&5)));
    assert_eq!(now(cell.get_or_init(async || 6)), &5);
}

#[test]
fn the_next_begins_if_the_first_is_dropped() {
    let cell = leaked();
    let first = waiting(cell.get_or_init(async || pending().await), Waker::noop());
    let (counter, waker) = Counter::new();
    let second = waiting(cell.get_or_init(async || 2), &waker);
    let mut third = waiting(cell.get_or_init(async || 3), &waker);
    drop(first);
    assert_eq!(counter.get(), 1);
    drop(second); // it was its turn, and it did not run
    assert_eq!(counter.get(), 2);
    assert_eq!(poll(&mut third, &waker), Poll::Ready(&3));
}

#[test]
fn the_next_begins_if_the_first_fails_or_panics() {
    let cell = leaked();
    let bell = Doorbell::default();
    let wait = bell.clone();
    let mut first = waiting(
        cell.get_or_try_init(async move || {
            wait.wait().await;
            Err("no")
        }),
        Waker::noop(),
    );
    let mut second = waiting(cell.get_or_init(async || quiet_panic("oh")), Waker::noop());
    let mut third = waiting(cell.get_or_try_init(async || Ok::<_, ()>(3)), Waker::noop());
    bell.open();
    assert_eq!(poll(&mut first, Waker::noop()), Poll::Ready(Err("no")));
    assert!(poll(&mut third, Waker::noop()).is_pending());
    assert_eq!(panic_of(|| poll(&mut second, Waker::noop())), "oh");
    assert_eq!(poll(&mut third, Waker::noop()), Poll::Ready(Ok(&3)));
}

#[test]
fn setting_gives_the_value_back_if_there_is_one_or_one_is_made() {
    let cell = leaked();
    let making = waiting(cell.get_or_init(async || pending().await), Waker::noop());
    assert_eq!(cell.set(1).map_err(|error| error.0), Err(1));
    drop(making);
    assert_eq!(cell.set(2), Ok(()));
    let error = cell.set(3).expect_err("there is one");
    assert_eq!((error.0, error.to_string().is_empty()), (3, false));
    assert_eq!(cell.get(), Some(&2));
}

#[test]
fn a_taken_value_can_be_made_again() {
    let mut cell = OnceCell::from(1);
    assert_eq!(cell.take(), Some(1));
    assert_eq!(now(cell.get_or_init(async || 2)), &2);
    *cell.get_mut().expect("there is one") += 1;
    assert_eq!(cell.into_inner(), Some(3));
}

#[test]
fn the_next_goes_on_where_the_first_stopped() {
    let polls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&polls);
    let lazy: &LazyCell<_, _> = for_ever(LazyCell::new(poll_fn(move |_| {
        counted.set(counted.get() + 1);
        if counted.get() < 3 { Poll::Pending } else { Poll::Ready("made") }
    })));
    let first = waiting(lazy.force(), Waker::noop());
    let (counter, waker) = Counter::new();
    let mut second = waiting(lazy.force(), &waker);
    assert_eq!((polls.get(), lazy.get()), (1, None));
    drop(first);
    assert_eq!(counter.get(), 1);
    assert!(poll(&mut second, &waker).is_pending());
    assert_eq!(poll(&mut second, &waker), Poll::Ready(&"made"));
    assert_eq!((polls.get(), now(lazy.force())), (3, &"made"));
}

#[test]
fn a_lazy_future_that_panicked_is_not_polled_again() {
    let lazy: LazyCell<u8> = LazyCell::new(Box::pin(async { quiet_panic("oh") }));
    assert_eq!(panic_of(|| now(lazy.force())), "oh");
    assert!(panic_of(|| now(lazy.force())).contains("panicked"));
}

#[test]
fn a_cell_that_was_emptied_begins_anew() {
    let mut cell = OnceCell::new();
    assert_eq!(now(cell.get_or_init(async || 1)), &1);
    assert_eq!(cell.take(), Some(1));
    assert_eq!(now(cell.get_or_init(async || 2)), &2);
    assert_eq!(cell.take(), Some(2));
    assert_eq!(cell.set(3), Ok(()));
}
