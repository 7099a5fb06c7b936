//! Oneshot channels.

mod channel_common;
mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use channel_common::{Counted, clear_hook, hooked, panics, probe, ready, set_hook, with_seeds};
use common::{Random, grumpy, many, on_drop};
use monoloop::sync::oneshot::{self, RecvError, TryRecvError};
use monoloop::time::timeout;

#[test]
fn a_value_that_is_there_is_received_at_once() {
    let (sender, receiver) = oneshot::channel();
    sender.send(1).unwrap();
    assert_eq!(ready(receiver), Ok(1));
}

#[test]
fn sending_wakes_the_receiver_once() {
    let (sender, receiver) = oneshot::channel();
    let mut receiver = probe(receiver).pending();
    sender.send("news").unwrap();
    assert_eq!((receiver.wakes(), receiver.ready()), (1, Ok("news")));
}

#[test]
fn a_sender_that_is_dropped_wakes_the_receiver_with_an_error() {
    let (sender, receiver) = oneshot::channel::<()>();
    let mut receiver = probe(receiver).pending();
    drop(sender);
    assert_eq!((receiver.wakes(), receiver.ready()), (1, Err(RecvError)));
}

#[test]
fn sending_to_nobody_gives_the_value_back() {
    let (sender, receiver) = oneshot::channel();
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send("back").unwrap_err().into_inner(), "back");
}

#[test]
fn a_receiver_that_is_dropped_in_mid_wait_leaves_nothing_behind() {
    let alive = Rc::new(Cell::new(0));
    let (sender, receiver) = oneshot::channel();
    drop(probe(receiver).pending());
    drop(sender.send(Counted::new(&alive)).unwrap_err());
    let (sender, receiver) = oneshot::channel();
    sender.send(Counted::new(&alive)).unwrap();
    assert_eq!(alive.get(), 1);
    drop(receiver);
    assert_eq!(alive.get(), 0);
}

#[test]
fn a_receiver_awaited_by_reference_loses_nothing() {
    let (sender, mut receiver) = oneshot::channel();
    drop(probe(&mut receiver).pending());
    sender.send(7).unwrap();
    assert_eq!(ready(&mut receiver), Ok(7));
    assert_eq!(ready(&mut receiver), Err(RecvError));
}

#[test]
fn closing_refuses_what_comes_later_and_keeps_what_came_before() {
    let (sender, mut receiver) = oneshot::channel();
    receiver.close();
    assert!(sender.send(1).is_err());
    let (sender, mut receiver) = oneshot::channel();
    sender.send(2).unwrap();
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn a_closed_receiver_does_not_wait() {
    let (_sender, mut receiver) = oneshot::channel::<()>();
    drop(probe(&mut receiver).pending());
    receiver.close();
    assert_eq!(ready(&mut receiver), Err(RecvError));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn the_sender_learns_that_nobody_waits() {
    for close in [true, false] {
        let (mut sender, mut receiver) = oneshot::channel::<()>();
        let mut closed = probe(sender.closed()).pending();
        if close {
            receiver.close();
        } else {
            drop(receiver);
        }
        assert_eq!(closed.wakes(), 1);
        closed.ready();
    }
}

#[test]
fn trying_tells_not_yet_from_never() {
    let (sender, mut receiver) = oneshot::channel();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    sender.send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn the_newest_waker_is_woken() {
    let (sender, receiver) = oneshot::channel();
    let (old, new) = (common::Counter::new(), common::Counter::new());
    let mut receiver = probe(receiver);
    assert!(receiver.poll_with(&old.1).is_pending());
    assert!(receiver.poll_with(&new.1).is_pending());
    sender.send(()).unwrap();
    assert_eq!((old.0.get(), new.0.get()), (0, 1));
}

#[test]
fn a_waker_that_panics_does_not_take_the_value_with_it() {
    let (sender, mut receiver) = oneshot::channel();
    assert!(probe(&mut receiver).poll_with(&grumpy()).is_pending());
    assert!(panics(|| sender.send(3)));
    assert_eq!(receiver.try_recv(), Ok(3));
}

#[test]
fn a_waker_may_receive_inside_of_the_send() {
    let (sender, receiver) = oneshot::channel();
    let receiver = Rc::new(RefCell::new(receiver));
    let received = Rc::new(Cell::new(None));
    set_hook({
        let (receiver, received) = (Rc::clone(&receiver), Rc::clone(&received));
        move |_| received.set(receiver.borrow_mut().try_recv().ok())
    });
    assert!(probe(&mut *receiver.borrow_mut()).poll_with(&hooked(0)).is_pending());
    sender.send(5).unwrap();
    clear_hook();
    assert_eq!(received.get(), Some(5));
}

#[test]
fn a_value_may_hold_the_other_end() {
    struct Loop(#[allow(dead_code)] Option<oneshot::Receiver<Loop>>);
    let dropped = Rc::new(Cell::new(false));
    let guard = on_drop({
        let dropped = Rc::clone(&dropped);
        move || dropped.set(true)
    });
    let (sender, receiver) = oneshot::channel::<(Loop, common::OnDrop<_>)>();
    let (inner_sender, inner_receiver) = oneshot::channel::<Loop>();
    sender.send((Loop(Some(inner_receiver)), guard)).ok().unwrap();
    drop(receiver);
    assert!(dropped.get());
    assert!(inner_sender.is_closed());
}

#[test]
fn a_second_poll_waits_on() {
    let (sender, receiver) = oneshot::channel();
    let mut receiver = probe(receiver).pending();
    assert_eq!(receiver.poll(), Poll::Pending, "with the same waker");
    sender.send(1).unwrap();
    assert_eq!((receiver.wakes(), receiver.ready()), (1, Ok(1)));
}

#[test]
fn a_task_that_is_woken_by_something_else_waits_on() {
    common::virtual_loop().run(async {
        let (sender, mut receiver) = oneshot::channel();
        assert!(timeout(Duration::from_millis(1), &mut receiver).await.is_err());
        monoloop::spawn(async move { sender.send(7).unwrap() }).detach();
        assert_eq!(receiver.await, Ok(7));
    });
}

/// Random operations; in the end every value was received, came back or was dropped with the receiver, and
/// who waits is woken when there is something to know.
#[test]
fn whatever_the_order_nothing_is_lost() {
    with_seeds(|seed| {
        let mut random = Random::new(seed);
        let alive = Rc::new(Cell::new(0));
        for _ in 0..many(2_000, 100_000) {
            let (sender, receiver) = oneshot::channel();
            let (mut sender, mut receiver) = (Some(sender), Some(receiver));
            let (counter, waker) = common::Counter::new();
            let (mut waits, mut sent, mut got, mut closed) = (false, false, false, false);
            for _ in 0..6 {
                match random.below(5) {
                    0 => {
                        if let Some(sender) = sender.take() {
                            sent = sender.send(Counted::new(&alive)).is_ok();
                        }
                    }
                    1 => drop(sender.take()),
                    2 => drop(receiver.take()),
                    3 => receiver.iter_mut().for_each(|receiver| {
                        receiver.close();
                        closed = true;
                    }),
                    _ => {
                        let Some(receiver) = &mut receiver else { continue };
                        match common::poll_once(receiver, &waker) {
                            Poll::Pending => waits = true,
                            Poll::Ready(Ok(_)) => got = true,
                            Poll::Ready(Err(RecvError)) => {
                                let may_come = sent || sender.is_some() && !closed;
                                assert!(got || !may_come, "it fails, and there may be a value");
                                waits = false;
                            }
                        }
                    }
                }
                if waits && sender.is_none() && receiver.is_some() && !got {
                    assert!(counter.get() > 0, "a receiver was not woken");
                }
            }
            if let (true, false, Some(receiver)) = (sent, got, &mut receiver) {
                assert!(receiver.try_recv().is_ok(), "a value was lost");
            }
            drop((sender, receiver));
            assert_eq!(alive.get(), 0);
        }
    });
}
