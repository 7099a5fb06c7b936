//! Channels from many senders to many receivers.

mod channel_common;
mod common;

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use channel_common::{Counted, Probe, clingy, now, panics, probe, ready, with_seeds};
use common::{Random, gives_way, grumpy, many, quiet_panic};
use futures_core::Stream;
use monoloop::sync::broadcast::{self, RecvError, TryRecvError};

#[test]
fn every_receiver_gets_every_value() {
    let (sender, mut first) = broadcast::channel(4);
    let mut second = sender.subscribe();
    for n in 0..3 {
        assert_eq!(sender.send(n).unwrap(), 2);
    }
    for n in 0..3 {
        assert_eq!((ready(first.recv()), ready(second.recv())), (Ok(n), Ok(n)));
    }
    assert!(now(first.recv()).is_pending());
}

#[test]
fn a_value_wakes_all_who_wait_once() {
    let (sender, receiver) = broadcast::channel(4);
    let mut receivers: Vec<_> = (0..100).map(|_| receiver.resubscribe()).collect();
    let mut waiting: Vec<_> = receivers.iter_mut().map(|r| probe(r.recv()).pending()).collect();
    sender.send('a').unwrap();
    sender.send('b').unwrap();
    assert!(waiting.iter().all(|waiting| waiting.wakes() == 1));
    assert!(waiting.iter_mut().all(|waiting| waiting.ready() == Ok('a')));
}

#[test]
fn a_slow_receiver_is_told_how_many_it_missed() {
    let (sender, mut slow) = broadcast::channel(2);
    for n in 0..5 {
        sender.send(n).unwrap();
    }
    assert_eq!(slow.len(), 5);
    assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(3)));
    assert_eq!(slow.len(), 2);
    assert_eq!(ready(slow.recv()), Ok(3));
    sender.send(5).unwrap();
    sender.send(6).unwrap();
    assert_eq!(ready(slow.recv()), Err(RecvError::Lagged(1)));
    assert_eq!(ready(slow.recv()), Ok(5));
    assert_eq!(ready(slow.recv()), Ok(6));
}

#[test]
fn subscribers_get_what_is_sent_from_then_on() {
    let (sender, first) = broadcast::channel(4);
    sender.send(1).unwrap();
    let mut second = sender.subscribe();
    let mut third = first.resubscribe();
    sender.send(2).unwrap();
    assert_eq!((second.try_recv(), third.try_recv()), (Ok(2), Ok(2)));
    assert_eq!((first.len(), sender.receiver_count()), (2, 3));
}

#[test]
fn values_live_until_the_last_receiver_had_them() {
    let alive = Rc::new(Cell::new(0));
    let (sender, mut first) = broadcast::channel(4);
    let second = sender.subscribe();
    sender.send(Counted::new(&alive)).unwrap();
    sender.send(Counted::new(&alive)).unwrap();
    drop(ready(first.recv()));
    assert_eq!((alive.get(), sender.len()), (2, 2));
    // It was to receive both; the first receiver has yet to receive one.
    drop(second);
    assert_eq!((alive.get(), sender.len()), (1, 1));
    drop(first);
    assert_eq!((alive.get(), sender.len()), (0, 0));
}

#[test]
fn sending_to_nobody_gives_the_value_back() {
    let (sender, receiver) = broadcast::channel(1);
    let mut closed = probe(sender.closed()).pending();
    drop(receiver);
    assert_eq!(closed.wakes(), 1);
    closed.ready();
    assert_eq!(sender.send('x').unwrap_err().into_inner(), 'x');
    let mut late = sender.subscribe();
    sender.send('y').unwrap();
    assert_eq!(late.try_recv(), Ok('y'));
}

#[test]
fn the_last_sender_ends_it_after_what_was_sent() {
    let (sender, mut receiver) = broadcast::channel(1);
    let other = sender.clone();
    let mut waiting = probe(receiver.recv()).pending();
    other.send(1).unwrap();
    drop((sender, other));
    assert_eq!(waiting.ready(), Ok(1));
    drop(waiting);
    assert!(receiver.is_closed());
    assert_eq!(ready(receiver.recv()), Err(RecvError::Closed));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn the_end_wakes_those_who_wait() {
    let (sender, mut receiver) = broadcast::channel::<()>(1);
    let mut waiting = probe(receiver.recv()).pending();
    drop(sender);
    assert_eq!((waiting.wakes(), waiting.ready()), (1, Err(RecvError::Closed)));
}

#[test]
fn a_dropped_recv_loses_nothing() {
    let (sender, mut receiver) = broadcast::channel(4);
    for n in 0..3 {
        let waiting = probe(receiver.recv()).pending();
        sender.send(n).unwrap();
        drop(waiting);
        assert_eq!(receiver.try_recv(), Ok(n));
        assert!(now(receiver.recv()).is_pending());
    }
}

#[test]
fn receivers_are_streams_of_values_and_gaps() {
    let (sender, mut receiver) = broadcast::channel(1);
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    drop(sender);
    let mut cx = Context::from_waker(Waker::noop());
    let mut next = || Pin::new(&mut receiver).poll_next(&mut cx);
    assert_eq!(next(), Poll::Ready(Some(Err(RecvError::Lagged(1)))));
    assert_eq!(next(), Poll::Ready(Some(Ok(2))));
    assert_eq!(next(), Poll::Ready(None));
}

#[test]
fn a_clone_may_use_the_channel() {
    #[derive(Debug)]
    struct Nosy(Rc<RefCell<Vec<broadcast::Receiver<Nosy>>>>);
    impl Clone for Nosy {
        fn clone(&self) -> Self {
            // Receives the same value once more, by another receiver.
            let other = self.0.borrow_mut().pop();
            let cloned = other.map(|mut other| other.try_recv().is_ok());
            assert_ne!(cloned, Some(false));
            Self(Rc::clone(&self.0))
        }
    }
    let others = Rc::new(RefCell::new(Vec::new()));
    let (sender, mut receiver) = broadcast::channel(2);
    others.borrow_mut().extend((0..3).map(|_| sender.subscribe()));
    sender.send(Nosy(Rc::clone(&others))).unwrap();
    drop(ready(receiver.recv()).unwrap());
    assert_eq!((others.borrow().len(), sender.len()), (0, 0));
}

#[test]
fn a_drop_of_an_old_value_may_use_the_channel() {
    #[derive(Clone)]
    struct Echo(Rc<RefCell<Option<broadcast::Sender<Echo>>>>);
    impl Drop for Echo {
        fn drop(&mut self) {
            if let Some(sender) = self.0.take() {
                assert_eq!(sender.len(), 1);
            }
        }
    }
    let slot = Rc::new(RefCell::new(None));
    let (sender, _receiver) = broadcast::channel(1);
    sender.send(Echo(Rc::clone(&slot))).ok().unwrap();
    *slot.borrow_mut() = Some(sender.clone());
    sender.send(Echo(Rc::default())).ok().unwrap();
    assert!(slot.borrow().is_none());
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_its_value() {
    let (sender, mut first) = broadcast::channel(2);
    let mut second = sender.subscribe();
    let mut bad = probe(first.recv());
    assert!(bad.poll_with(&grumpy()).is_pending());
    let mut waiting = probe(second.recv()).pending();
    assert!(panics(|| sender.send(1)));
    assert_eq!((waiting.wakes(), waiting.ready(), bad.ready()), (1, Ok(1), Ok(1)));
}

#[test]
fn a_receiver_whose_waker_panics_in_its_drop_is_gone() {
    let (sender, mut receiver) = broadcast::channel::<u8>(2);
    let mut closed = probe(sender.closed()).pending();
    assert!(probe(receiver.recv()).poll_with(&clingy()).is_pending());
    assert!(panics(|| drop(receiver)));
    assert_eq!((sender.receiver_count(), closed.wakes()), (0, 1));
    closed.ready();
}

#[test]
fn a_receiver_that_always_finds_a_value_gives_way() {
    let (sender, mut receiver) = broadcast::channel(100_000);
    (0..100_000).for_each(|n| assert!(sender.send(n).is_ok()));
    drop(sender);
    assert!(gives_way(async { while receiver.recv().await.is_ok() {} }));
}

#[test]
fn a_receiver_that_is_gone_is_not_woken() {
    let (sender, mut receiver) = broadcast::channel::<u8>(1);
    let _other = sender.subscribe();
    let (counter, waker) = common::Counter::new();
    assert!(probe(receiver.recv()).poll_with(&waker).is_pending());
    drop(receiver);
    assert_eq!(std::sync::Arc::strong_count(&counter), 2, "its waker is gone");
    sender.send(1).unwrap();
    assert_eq!(counter.get(), 0);
}

#[test]
fn a_value_whose_clone_panics_counts_as_received_by_that_one() {
    thread_local!(static PANICS: Cell<bool> = const { Cell::new(true) });
    #[derive(PartialEq, Debug)]
    struct Touchy(u8);
    impl Clone for Touchy {
        fn clone(&self) -> Self {
            if PANICS.get() {
                quiet_panic("do not clone me");
            }
            Self(self.0)
        }
    }
    let (sender, mut first) = broadcast::channel(4);
    let mut second = sender.subscribe();
    sender.send(Touchy(1)).unwrap();
    assert!(panics(|| first.try_recv()));
    PANICS.set(false);
    assert_eq!(first.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(second.try_recv(), Ok(Touchy(1)));
}

/// Each receiver gets the numbers in order, is told of each gap exactly, and is woken when there is
/// something.
#[test]
fn random_operations_agree_with_plain_counting() {
    with_seeds(|seed| {
        let mut random = Random::new(seed);
        let capacity = 1 + random.below(5) as u64;
        let (sender, receiver) = broadcast::channel(capacity as usize);
        struct One {
            receiver: Option<broadcast::Receiver<u64>>,
            next: u64,
            waits: Option<(std::sync::Arc<common::Counter>, usize)>,
        }
        let mut all = vec![One { receiver: Some(receiver), next: 0, waits: None }];
        let mut sent = 0;
        for _ in 0..many(5_000, 200_000) {
            match random.below(8) {
                0 | 1 => {
                    let there = all.iter().filter(|one| one.receiver.is_some()).count();
                    let sending = sender.send(sent);
                    assert_eq!(sending.is_ok(), there > 0);
                    sent += u64::from(sending.is_ok());
                    for one in &all {
                        let woken = one.waits.as_ref().is_none_or(|(c, before)| c.get() > *before);
                        assert!(there == 0 || one.receiver.is_none() || woken, "a wake was lost");
                    }
                }
                2 if all.len() < 8 => {
                    all.push(One { receiver: Some(sender.subscribe()), next: sent, waits: None });
                }
                3 if random.below(4) == 0 => {
                    let index = random.below(all.len());
                    all.swap_remove(index);
                    if all.is_empty() {
                        all.push(One {
                            receiver: Some(sender.subscribe()),
                            next: sent,
                            waits: None,
                        });
                    }
                }
                _ => {
                    let index = random.below(all.len());
                    let one = &mut all[index];
                    let Some(receiver) = &mut one.receiver else { continue };
                    let (counter, waker) = common::Counter::new();
                    let mut cx = Context::from_waker(&waker);
                    one.waits = None;
                    let oldest = sent.saturating_sub(capacity);
                    match receiver.poll_recv(&mut cx) {
                        Poll::Pending => {
                            assert_eq!(one.next, sent);
                            one.waits = Some((counter, 0));
                        }
                        Poll::Ready(Ok(value)) => {
                            assert_eq!(value, one.next);
                            one.next += 1;
                        }
                        Poll::Ready(Err(RecvError::Lagged(missed))) => {
                            assert_eq!(one.next + missed, oldest);
                            one.next = oldest;
                        }
                        Poll::Ready(Err(RecvError::Closed)) => panic!("there is a sender"),
                    }
                }
            }
        }
        let longest = all.iter().map(|one| sent - one.next).max().unwrap_or(0);
        assert_eq!(sender.len() as u64, longest.min(capacity));
    });
}

#[test]
fn a_wait_that_is_given_up_for_good_leaves_the_list() {
    let (sender, first) = broadcast::channel::<u8>(1);
    let waiting: Vec<Probe<'_, _>> = (0..10)
        .map(|_| {
            let mut receiver = first.resubscribe();
            probe(async move { receiver.recv().await }).pending()
        })
        .collect();
    drop(waiting);
    assert_eq!(sender.receiver_count(), 1);
    assert_eq!(sender.send(1).unwrap(), 1);
}

#[test]
fn a_channel_is_closed_when_the_last_receiver_goes() {
    let (sender, receiver) = broadcast::channel::<u8>(1);
    let other = sender.subscribe();
    let mut closed = probe(sender.closed()).pending();
    drop(receiver);
    assert_eq!(closed.wakes(), 0);
    assert!(closed.poll().is_pending());
    drop(other);
    assert_eq!((closed.wakes(), closed.ready()), (1, ()));
}
