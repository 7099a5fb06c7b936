//! Values that are watched.

mod channel_common;
mod common;

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use channel_common::{clingy, now, panics, probe, ready, with_seeds};
use common::{OnDrop, Random, grumpy, many, on_drop, panic_of, quiet_panic};
use futures_lite::StreamExt;
use monoloop::sync::watch::{self, RecvError};

#[test]
fn the_first_value_counts_as_seen() {
    let (_sender, mut receiver) = watch::channel(1);
    assert!(!receiver.has_changed());
    assert!(now(receiver.changed()).is_pending());
    assert_eq!(*receiver.borrow(), 1);
}

#[test]
fn only_the_newest_value_is_seen() {
    let (sender, mut receiver) = watch::channel(0);
    let mut waiting = probe(receiver.changed()).pending();
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!((waiting.wakes(), waiting.ready()), (1, Ok(())));
    drop(waiting);
    assert_eq!(*receiver.borrow(), 2);
    assert!(now(receiver.changed()).is_pending());
}

#[test]
fn to_borrow_is_not_to_have_seen() {
    let (sender, mut receiver) = watch::channel(0);
    sender.send(1).unwrap();
    assert!(receiver.borrow().has_changed());
    assert!(receiver.has_changed());
    assert!(receiver.borrow_and_update().has_changed());
    assert!(!receiver.has_changed());
}

#[test]
fn a_change_wakes_all_who_wait_once() {
    let (sender, receiver) = watch::channel(0);
    let mut receivers = vec![receiver; 100];
    let mut waiting: Vec<_> = receivers.iter_mut().map(|r| probe(r.changed()).pending()).collect();
    sender.send(1).unwrap();
    assert!(waiting.iter().all(|waiting| waiting.wakes() == 1));
    assert!(waiting.iter_mut().all(|waiting| waiting.ready() == Ok(())));
}

#[test]
fn the_last_change_is_seen_before_the_end() {
    let (sender, mut receiver) = watch::channel(0);
    let mut waiting = probe(receiver.changed()).pending();
    sender.send(1).unwrap();
    drop(sender);
    assert_eq!(waiting.ready(), Ok(()));
    drop(waiting);
    assert_eq!(ready(receiver.changed()), Err(RecvError));
    assert!(receiver.is_closed());
    assert_eq!(*receiver.borrow(), 1);
}

#[test]
fn the_end_wakes_those_who_wait() {
    let (sender, mut receiver) = watch::channel(0);
    let other = sender.clone();
    let mut waiting = probe(receiver.changed()).pending();
    drop(sender);
    assert_eq!(waiting.wakes(), 0);
    drop(other);
    assert_eq!((waiting.wakes(), waiting.ready()), (1, Err(RecvError)));
}

#[test]
fn sending_to_nobody_gives_the_value_back() {
    let (sender, receiver) = watch::channel('a');
    let mut closed = probe(sender.closed()).pending();
    drop(receiver);
    assert_eq!(closed.wakes(), 1);
    closed.ready();
    assert_eq!(sender.send('b').unwrap_err().into_inner(), 'b');
    assert_eq!(*sender.borrow(), 'a');
    assert_eq!(sender.send_replace('c'), 'a');
    let receiver = sender.subscribe();
    assert!(!receiver.has_changed());
    assert_eq!(*receiver.borrow(), 'c');
}

#[test]
fn who_says_that_nothing_changed_wakes_nobody() {
    let (sender, mut receiver) = watch::channel(0);
    let mut waiting = probe(receiver.changed()).pending();
    assert!(!sender.send_if_modified(|_| false));
    assert_eq!(waiting.wakes(), 0);
    assert!(waiting.poll().is_pending());
    sender.send_modify(|value| *value += 1);
    assert_eq!((waiting.wakes(), waiting.ready()), (1, Ok(())));
}

#[test]
fn a_condition_is_looked_at_first_and_after_each_change() {
    let (sender, mut receiver) = watch::channel(3);
    assert_eq!(*ready(receiver.wait_for(|value| *value == 3)).unwrap(), 3);
    let mut waiting =
        probe(async { receiver.wait_for(|value| *value > 5).await.map(|value| *value) }).pending();
    sender.send(4).unwrap();
    assert!(waiting.poll().is_pending());
    sender.send(6).unwrap();
    assert_eq!(waiting.ready(), Ok(6));
    drop(waiting);
    drop(sender);
    assert!(ready(receiver.wait_for(|value| *value == 0)).is_err());
}

#[test]
fn a_receiver_is_a_stream_of_the_newest_values() {
    let (sender, mut receiver) = watch::channel(0);
    let mut waiting = probe(receiver.next()).pending();
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!((waiting.wakes(), waiting.ready()), (1, Some(2)));
    drop(waiting);
    assert!(now(receiver.next()).is_pending(), "it gave that already");
    receiver.mark_changed();
    assert_eq!(ready(receiver.next()), Some(2));
    sender.send(3).unwrap();
    drop(sender);
    assert_eq!(ready((&mut receiver).collect::<Vec<_>>()), [3]);
    assert_eq!(ready(receiver.next()), None);
}

#[test]
fn a_dropped_wait_does_not_count_as_seen() {
    let (sender, mut receiver) = watch::channel(0);
    let waiting = probe(receiver.changed()).pending();
    sender.send(1).unwrap();
    drop(waiting);
    assert_eq!(ready(receiver.changed()), Ok(()));
    assert!(now(receiver.changed()).is_pending());
}

#[test]
fn a_value_can_be_marked_either_way() {
    let (sender, mut receiver) = watch::channel(0);
    // Even by one that stands in the list already.
    drop(probe(receiver.changed()).pending());
    receiver.mark_changed();
    assert_eq!(ready(receiver.changed()), Ok(()));
    sender.send(1).unwrap();
    receiver.mark_unchanged();
    assert!(now(receiver.changed()).is_pending());
}

#[test]
fn a_value_that_is_borrowed_cannot_be_changed() {
    let (sender, receiver) = watch::channel(0);
    let value = receiver.borrow();
    assert!(panic_of(|| sender.send(1)).contains("changed while it is borrowed"));
    drop(value);
    let message = panic_of(|| sender.send_modify(|_| drop(receiver.borrow())));
    assert!(message.contains("looked at while it changes"), "{message}");
    sender.send(2).unwrap();
    assert_eq!(*receiver.borrow(), 2);
}

#[test]
fn a_panic_inside_of_a_change_wakes_nobody() {
    let (sender, mut receiver) = watch::channel(0);
    let waiting = probe(receiver.changed()).pending();
    assert!(panics(|| sender.send_modify(|_| quiet_panic("half-way"))));
    assert_eq!(waiting.wakes(), 0);
    drop(waiting);
    sender.send(1).unwrap();
    assert_eq!(ready(receiver.changed()), Ok(()));
}

#[test]
fn a_drop_of_the_old_value_may_use_the_channel() {
    let seen = Rc::new(Cell::new(false));
    type Guard = OnDrop<Box<dyn FnOnce()>>;
    let (sender, receiver) = watch::channel(None::<Guard>);
    let look: Box<dyn FnOnce()> = {
        let (receiver, seen) = (receiver.clone(), Rc::clone(&seen));
        Box::new(move || seen.set(receiver.borrow().is_none()))
    };
    sender.send(Some(on_drop(look))).ok().unwrap();
    sender.send(None).ok().unwrap();
    assert!(seen.get());
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_the_news() {
    let (sender, mut first) = watch::channel(0);
    let mut second = first.clone();
    let mut bad = probe(first.changed());
    assert!(bad.poll_with(&grumpy()).is_pending());
    let mut waiting = probe(second.changed()).pending();
    assert!(panics(|| sender.send(1)));
    assert_eq!((waiting.wakes(), waiting.ready(), bad.ready()), (1, Ok(()), Ok(())));
}

#[test]
fn a_receiver_whose_waker_panics_in_its_drop_is_gone() {
    let (sender, mut receiver) = watch::channel(0);
    let mut closed = probe(sender.closed()).pending();
    assert!(probe(receiver.changed()).poll_with(&clingy()).is_pending());
    assert!(panics(|| drop(receiver)));
    assert_eq!((sender.receiver_count(), closed.wakes()), (0, 1));
    closed.ready();
}

#[test]
fn a_receiver_that_is_gone_is_not_woken() {
    let (sender, mut receiver) = watch::channel(0);
    let _other = sender.subscribe();
    let (counter, waker) = common::Counter::new();
    assert!(probe(receiver.changed()).poll_with(&waker).is_pending());
    drop(receiver);
    assert_eq!(std::sync::Arc::strong_count(&counter), 2, "its waker is gone");
    sender.send(1).unwrap();
    assert_eq!(counter.get(), 0);
}

#[test]
fn what_was_waited_for_is_new_if_it_is() {
    let (sender, mut receiver) = watch::channel(0);
    assert!(!ready(receiver.wait_for(|n| *n == 0)).unwrap().has_changed());
    sender.send(1).unwrap();
    assert!(ready(receiver.wait_for(|n| *n == 1)).unwrap().has_changed());
    assert!(!ready(receiver.wait_for(|n| *n == 1)).unwrap().has_changed());
    let mut waiting = probe(receiver.wait_for(|n| *n == 3)).pending();
    sender.send(3).unwrap();
    assert!(waiting.ready().unwrap().has_changed());
}

/// Versions are counted beside it.
#[test]
fn random_operations_agree_with_plain_counting() {
    with_seeds(|seed| {
        let mut random = Random::new(seed);
        let (sender, receiver) = watch::channel(0_u64);
        struct One {
            receiver: watch::Receiver<u64>,
            seen: u64,
            waits: Option<std::sync::Arc<common::Counter>>,
        }
        let mut all = vec![One { receiver, seen: 0, waits: None }];
        let mut version = 0;
        for _ in 0..many(5_000, 200_000) {
            let index = random.below(all.len());
            match random.below(8) {
                0 => {
                    version += 1;
                    sender.send_modify(|value| *value += 1);
                    for one in &all {
                        let woken = one.waits.as_ref().is_none_or(|counter| counter.get() == 1);
                        assert!(woken, "a wake was lost");
                    }
                    all.iter_mut().for_each(|one| one.waits = None);
                }
                1 if all.len() < 8 => {
                    let (receiver, seen) = (all[index].receiver.clone(), all[index].seen);
                    all.push(One { receiver, seen, waits: None });
                }
                2 if all.len() > 1 => drop(all.swap_remove(index)),
                3 => {
                    let one = &mut all[index];
                    assert_eq!(one.receiver.has_changed(), one.seen != version);
                    one.seen = *one.receiver.borrow_and_update();
                    assert_eq!(one.seen, version);
                }
                _ => {
                    let one = &mut all[index];
                    let (counter, waker) = common::Counter::new();
                    match one.receiver.poll_changed(&mut Context::from_waker(&waker)) {
                        Poll::Pending => {
                            assert_eq!(one.seen, version);
                            one.waits = Some(counter);
                        }
                        Poll::Ready(changed) => {
                            assert_ne!(one.seen, version);
                            assert_eq!(changed, Ok(()));
                            one.seen = version;
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn a_channel_is_closed_when_the_last_receiver_goes() {
    let (sender, receiver) = watch::channel(0);
    let other = sender.subscribe();
    let mut closed = probe(sender.closed()).pending();
    drop(receiver);
    assert_eq!(closed.wakes(), 0);
    assert!(closed.poll().is_pending());
    drop(other);
    assert_eq!((closed.wakes(), closed.ready()), (1, ()));
}
