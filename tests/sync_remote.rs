//! Channels and events between threads, ours and those of other crates.

mod channel_common;
mod common;

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread;

use channel_common::{panics, probe, ready};
use common::{Counter, gives_way, grumpy, many, panic_of, quiet_panic};
use monoloop::sync::remote::channel::{ReserveError, TryRecvError, TrySendError};
use monoloop::sync::remote::event::Event;
use monoloop::sync::remote::{channel, oneshot};

const VALUES: u64 = 1_000;

fn values() -> u64 {
    many(VALUES as usize, 50 * VALUES as usize) as u64
}

#[test]
fn a_thread_sends_to_a_loop() {
    for capacity in [1, 7, 1000] {
        let (sender, mut receiver) = channel::bounded(capacity);
        let thread = thread::spawn(move || {
            (0..values()).for_each(|n| sender.blocking_send(n).unwrap());
        });
        monoloop::run(async {
            for n in 0..values() {
                assert_eq!(receiver.recv().await, Some(n));
            }
            assert_eq!(receiver.recv().await, None);
        });
        thread.join().unwrap();
    }
}

#[test]
fn a_loop_sends_to_a_thread() {
    let (sender, mut receiver) = channel::bounded(3);
    let thread = thread::spawn(move || {
        let mut sum = 0;
        while let Some(n) = receiver.blocking_recv() {
            sum += n;
        }
        sum
    });
    monoloop::run(async move {
        for n in 0..values() {
            sender.send(n).await.unwrap();
        }
    });
    assert_eq!(thread.join().unwrap(), (0..values()).sum());
}

#[test]
fn two_loops_send_to_each_other() {
    let (there, mut from_here) = channel::bounded(2);
    let (back, mut from_there) = channel::unbounded();
    let other = thread::spawn(move || {
        monoloop::run(async move {
            while let Some(n) = from_here.recv().await {
                back.send(n + 1).await.unwrap();
            }
        });
    });
    monoloop::run(async move {
        for n in 0..values() {
            there.send(n).await.unwrap();
            assert_eq!(from_there.recv().await, Some(n + 1));
        }
    });
    other.join().unwrap();
}

#[test]
fn many_threads_send_to_one_loop() {
    let (sender, mut receiver) = channel::bounded(4);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let sender = sender.clone();
            thread::spawn(move || (0..values()).for_each(|n| sender.blocking_send(n).unwrap()))
        })
        .collect();
    drop(sender);
    let sum = monoloop::run(async {
        let mut sum = 0;
        while let Some(n) = receiver.recv().await {
            sum += n;
        }
        sum
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(sum, 4 * (0..values()).sum::<u64>());
}

#[test]
fn senders_wait_in_line() {
    let (sender, mut receiver) = channel::bounded(1);
    sender.try_send(1).unwrap();
    let mut second = probe(sender.send(2)).pending();
    let third = probe(sender.send(3)).pending();
    let mut fourth = probe(sender.send(4)).pending();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    assert!(sender.try_send(9).is_err());
    second.ready().unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
    // The third was served, and goes: its place is the fourth's.
    drop(third);
    assert_eq!(fourth.wakes(), 1);
    fourth.ready().unwrap();
    assert_eq!((receiver.try_recv(), sender.is_empty()), (Ok(4), true));
}

#[test]
fn closing_gives_values_back_to_those_who_wait() {
    let (sender, mut receiver) = channel::bounded(1);
    sender.try_send(1).unwrap();
    let mut waiting = probe(sender.send(2)).pending();
    receiver.close();
    assert_eq!((waiting.wakes(), waiting.ready().unwrap_err().into_inner()), (1, 2));
    assert_eq!(ready(receiver.recv()), Some(1));
    assert_eq!(ready(receiver.recv()), None);
    assert_eq!(sender.blocking_send(3).unwrap_err().into_inner(), 3);
}

#[test]
fn a_receiver_that_goes_wakes_a_blocked_thread() {
    let (sender, receiver) = channel::bounded(1);
    sender.try_send(0).unwrap();
    let thread = thread::spawn(move || sender.blocking_send(1).is_err());
    drop(receiver);
    assert!(thread.join().unwrap());
}

#[test]
fn a_dropped_recv_loses_nothing() {
    let (sender, mut receiver) = channel::unbounded();
    let waiting = probe(receiver.recv()).pending();
    sender.try_send(1).unwrap();
    assert_eq!(waiting.wakes(), 1);
    drop(waiting);
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn a_waker_that_panics_leaves_the_channel_usable() {
    let (sender, mut receiver) = channel::unbounded();
    assert!(probe(receiver.recv()).poll_with(&grumpy()).is_pending());
    assert!(panics(|| sender.try_send(1)));
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn a_senders_waker_that_panics_costs_no_value() {
    let (sender, mut receiver) = channel::bounded(1);
    sender.try_send(1).unwrap();
    let mut sending = probe(sender.send(2));
    assert!(sending.poll_with(&grumpy()).is_pending());
    assert!(panics(|| receiver.try_recv()));
    assert_eq!(receiver.try_recv(), Ok(1));
    sending.ready().unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
    sender.try_send(3).unwrap();
    assert!(sender.try_send(4).is_err(), "capacity did not grow");
}

#[test]
fn a_second_panic_while_panicking_does_not_end_the_process() {
    let grumpy = grumpy();
    // The receivers' wakers panic in the drop of the senders.
    let (sender, mut receiver) = channel::unbounded::<u8>();
    let mut receiving = probe(receiver.recv());
    assert!(receiving.poll_with(&grumpy).is_pending());
    let (asked, answer) = oneshot::channel::<u8>();
    let mut answering = probe(answer);
    assert!(answering.poll_with(&grumpy).is_pending());
    // And so does that of who waits behind a sender that has a place and is dropped.
    let (full, mut drained) = channel::bounded(1);
    full.try_send(1).unwrap();
    let first = probe(full.send(2)).pending();
    let mut second = probe(full.send(3));
    assert!(second.poll_with(&grumpy).is_pending());
    assert_eq!(drained.try_recv(), Ok(1));
    assert!(panics(move || {
        let _dropped = (sender, asked, first);
        quiet_panic("the first")
    }));
    assert_eq!(receiving.ready(), None);
    assert!(answering.ready().is_err());
    second.ready().unwrap();
    assert_eq!(drained.try_recv(), Ok(3));
}

#[test]
fn an_answer_comes_from_a_thread_or_goes_to_one() {
    for _ in 0..many(100, 2_000) {
        let (sender, receiver) = oneshot::channel();
        let thread = thread::spawn(move || sender.send(1).unwrap());
        assert_eq!(monoloop::run(receiver), Ok(1));
        thread.join().unwrap();

        let (sender, receiver) = oneshot::channel();
        let thread = thread::spawn(move || receiver.blocking_recv());
        monoloop::run(async { sender.send(2).unwrap() });
        assert_eq!(thread.join().unwrap(), Ok(2));
    }
}

#[test]
fn an_answer_that_will_not_come_is_an_error() {
    let (sender, receiver) = oneshot::channel::<()>();
    let mut waiting = probe(receiver).pending();
    drop(sender);
    assert_eq!((waiting.wakes(), waiting.ready()), (1, Err(oneshot::RecvError)));
    let (sender, mut receiver) = oneshot::channel();
    receiver.close();
    assert!(sender.is_closed());
    assert_eq!(sender.send(1).unwrap_err().into_inner(), 1);
}

#[test]
fn a_race_of_send_poll_and_drop_loses_no_value() {
    for round in 0..many(300, 20_000) {
        let (sender, receiver) = oneshot::channel();
        let thread =
            thread::spawn(move || sender.send(Box::new(1)).map_err(|error| *error.into_inner()));
        let mut waiting = probe(receiver);
        let received = waiting.poll().is_ready();
        if round % 2 == 0 || received {
            drop(waiting);
            let sent = thread.join().unwrap();
            assert!(sent == Ok(()) || !received && sent == Err(1));
        } else {
            thread.join().unwrap().unwrap();
            assert_eq!(waiting.wakes(), 1);
            assert_eq!(waiting.ready().map(|value| *value), Ok(1));
        }
    }
}

#[test]
fn an_event_releases_loops_and_threads() {
    let event = Event::new();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let event = event.clone();
            thread::spawn(move || event.blocking_wait())
        })
        .collect();
    let setter = thread::spawn({
        let event = event.clone();
        move || event.set()
    });
    monoloop::run(event.wait());
    threads.into_iter().chain([setter]).for_each(|thread| thread.join().unwrap());
    assert!(event.is_set());
}

#[test]
fn many_are_received_at_once() {
    let (sender, mut receiver) = channel::bounded(4);
    let other = sender.clone();
    assert!(sender.same_channel(&other) && !sender.same_channel(&channel::unbounded().0));
    (0..4).for_each(|n| sender.try_send(n).unwrap());
    let mut values = Vec::new();
    assert_eq!(ready(receiver.recv_many(&mut values, 0)), 0);
    assert_eq!(ready(receiver.recv_many(&mut values, 3)), 3);
    assert_eq!((receiver.sender_count(), receiver.is_closed()), (2, false));
    drop((sender, other));
    assert_eq!((receiver.sender_count(), receiver.is_closed()), (0, true));
    assert_eq!(ready(receiver.recv_many(&mut values, 3)), 1);
    assert_eq!(ready(receiver.recv_many(&mut values, 3)), 0);
    assert_eq!(values, [0, 1, 2, 3]);
}

#[test]
fn a_receiver_that_always_finds_a_value_gives_way() {
    let (sender, mut receiver) = channel::unbounded();
    (0..1000).for_each(|n| sender.try_send(n).unwrap());
    drop(sender);
    assert!(gives_way(async { while receiver.recv().await.is_some() {} }));
}

/// Even where there is nothing to wait for.
#[test]
fn blocking_a_loop_from_inside_panics() {
    let (sender, mut receiver) = channel::unbounded();
    let (_, answer) = oneshot::channel::<()>();
    let event = Event::new();
    sender.try_send(1).unwrap();
    event.set();
    let told = |what: &str, panicked: String| {
        assert!(panicked.contains(what) && panicked.contains(file!()), "{panicked}");
    };
    monoloop::run(async {
        told("Sender::blocking_send", panic_of(|| sender.blocking_send(2)));
        told("Receiver::blocking_recv", panic_of(|| receiver.blocking_recv()));
        told("Receiver::blocking_recv", panic_of(|| answer.blocking_recv()));
        told("Event::blocking_wait", panic_of(|| event.blocking_wait()));
    });
    // A thread whose loop does not run may block.
    event.blocking_wait();
    assert_eq!(receiver.blocking_recv(), Some(1));
}

/// Polls a future that waits with one waker, then with another: the second is woken.
fn wakes_the_newest<T>(future: impl Future<Output = T>, wake: impl FnOnce()) {
    let ((old, old_waker), (new, new_waker)) = (Counter::new(), Counter::new());
    let mut future = probe(future);
    assert!(future.poll_with(&old_waker).is_pending());
    assert!(future.poll_with(&new_waker).is_pending());
    wake();
    assert_eq!((old.get(), new.get()), (0, 1));
    future.ready();
}

#[test]
fn the_newest_waker_is_woken() {
    let (sender, receiver) = channel::unbounded::<u8>();
    wakes_the_newest(sender.closed(), || drop(receiver));
    let (sender, mut receiver) = channel::bounded(1);
    sender.try_send(1).unwrap();
    wakes_the_newest(sender.reserve(), || assert_eq!(receiver.try_recv(), Ok(1)));
    let (mut sender, receiver) = oneshot::channel::<u8>();
    wakes_the_newest(sender.closed(), || drop(receiver));
    let (sender, mut receiver) = channel::bounded(1);
    wakes_the_newest(receiver.recv(), || sender.try_send(1).unwrap());
    sender.try_send(1).unwrap();
    wakes_the_newest(sender.send(2), || assert_eq!(receiver.try_recv(), Ok(1)));
    let (sender, receiver) = oneshot::channel();
    wakes_the_newest(receiver, || sender.send(()).unwrap());
    let event = Event::new();
    wakes_the_newest(event.wait(), || event.set());
}

#[test]
fn senders_wait_until_nobody_receives() {
    let (sender, mut receiver) = channel::bounded::<u8>(1);
    let other = sender.clone();
    let mut closed = [probe(sender.closed()).pending(), probe(other.closed()).pending()];
    drop(probe(sender.closed()).pending());
    receiver.close();
    closed.iter_mut().for_each(|closed| assert_eq!((closed.wakes(), closed.ready()), (1, ())));
    ready(sender.closed());

    let (mut sender, mut receiver) = oneshot::channel::<u8>();
    let mut closed = probe(sender.closed()).pending();
    assert!(receiver.try_recv().is_err());
    assert!(closed.poll().is_pending());
    receiver.close();
    assert_eq!((closed.wakes(), closed.ready()), (1, ()));
    drop(closed);
    ready(sender.closed());
    assert_eq!(sender.send(1).unwrap_err().into_inner(), 1);

    let (mut sender, receiver) = oneshot::channel::<u8>();
    let mut closed = probe(sender.closed()).pending();
    drop(receiver);
    assert_eq!((closed.wakes(), closed.ready()), (1, ()));
}

#[test]
fn a_place_is_reserved_for_one_value() {
    let (sender, mut receiver) = channel::bounded(2);
    let permit = sender.try_reserve().unwrap();
    let other = ready(sender.reserve()).unwrap();
    assert_eq!(sender.try_reserve().unwrap_err(), TrySendError::Full(()));
    let mut sending = probe(sender.send(3)).pending();
    let reserving = probe(sender.reserve()).pending();
    // Unused, it goes to who waits longest.
    drop(other);
    assert_eq!((sending.wakes(), reserving.wakes()), (1, 0));
    assert_eq!(sending.ready(), Ok(()));
    permit.send(1);
    assert_eq!(receiver.try_recv(), Ok(3));
    assert_eq!(reserving.wakes(), 1);
    // Dropped before it ran, it passes the place on.
    let mut last = probe(sender.send(4)).pending();
    drop(reserving);
    assert_eq!((last.wakes(), last.ready()), (1, Ok(())));
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(4)));
}

#[test]
fn a_permit_is_good_after_the_channel_was_closed() {
    let (sender, mut receiver) = channel::bounded(2);
    let permits = [sender.try_reserve().unwrap(), sender.try_reserve().unwrap()];
    let mut late = probe(sender.reserve()).pending();
    receiver.close();
    assert_eq!(late.ready().unwrap_err(), ReserveError::Closed);
    assert_eq!(sender.try_reserve().unwrap_err(), TrySendError::Closed(()));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "two may come");
    let [first, second] = permits;
    let mut receiving = probe(receiver.recv()).pending();
    first.send(1);
    assert_eq!((receiving.wakes(), receiving.ready()), (1, Some(1)));
    drop(receiving);
    let mut receiving = probe(receiver.recv()).pending();
    drop(second);
    assert_eq!((receiving.wakes(), receiving.ready()), (1, None));
    drop(receiving);

    // Whose receiver is gone sends nowhere.
    let value = Arc::new(());
    let (sender, receiver) = channel::bounded(1);
    let permit = sender.try_reserve().unwrap();
    drop(receiver);
    permit.send(Arc::clone(&value));
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn who_waits_for_the_end_of_an_answer_can_still_send_it() {
    let (mut sender, receiver) = oneshot::channel();
    let mut receiving = probe(receiver).pending();
    assert!(probe(sender.closed()).poll().is_pending());
    sender.send(1).unwrap();
    assert_eq!((receiving.wakes(), receiving.ready()), (1, Ok(1)));
}

#[test]
fn who_gave_up_waiting_for_an_event_is_not_woken() {
    let event = Event::new();
    let (counter, waker) = Counter::new();
    assert!(probe(event.wait()).poll_with(&waker).is_pending());
    assert_eq!(Arc::strong_count(&counter), 2, "its waker is gone");
    event.set();
    assert_eq!(counter.get(), 0);
}

#[test]
fn an_event_that_is_cleared_at_once_still_releases_those_who_waited() {
    let event = Event::new();
    let mut waiting = probe(event.wait()).pending();
    let given_up = probe(event.wait()).pending();
    drop(given_up);
    event.set();
    event.clear();
    assert_eq!(waiting.wakes(), 1);
    waiting.ready();
    assert!(channel_common::now(event.wait()).is_pending());
}

/// Sends there and back between a loop and a plain thread.
macro_rules! works_with {
    ($test:ident, $channel:expr, $send:expr, $recv:expr, $blocking_send:expr, $blocking_recv:expr) => {
        #[test]
        fn $test() {
            let (there, at_thread) = $channel;
            let (back, here) = $channel;
            let (ready, is_ready) = std_mpsc::channel();
            let thread = thread::spawn(move || {
                let mut at_thread = at_thread;
                ready.send(()).unwrap();
                for _ in 0..values() {
                    let n: u64 = $blocking_recv(&mut at_thread);
                    $blocking_send(&back, n + 1);
                }
            });
            is_ready.recv().unwrap();
            monoloop::run(async move {
                let turns = Rc::new(Cell::new(0));
                let counting = monoloop::spawn({
                    let turns = Rc::clone(&turns);
                    let mut here = here;
                    async move {
                        for n in 0..values() {
                            let received: u64 = $recv(&mut here).await;
                            assert_eq!(received, n + 1);
                            turns.set(n + 1);
                        }
                    }
                });
                for n in 0..values() {
                    $send(&there, n).await;
                }
                counting.await.unwrap();
                assert_eq!(turns.get(), values());
            });
            thread.join().unwrap();
        }
    };
}

works_with!(
    async_channel_works,
    async_channel::bounded(4),
    async |s: &async_channel::Sender<u64>, n| s.send(n).await.unwrap(),
    async |r: &mut async_channel::Receiver<u64>| r.recv().await.unwrap(),
    |s: &async_channel::Sender<u64>, n| s.send_blocking(n).unwrap(),
    |r: &mut async_channel::Receiver<u64>| r.recv_blocking().unwrap()
);

works_with!(
    flume_works,
    flume::bounded(4),
    async |s: &flume::Sender<u64>, n| s.send_async(n).await.unwrap(),
    async |r: &mut flume::Receiver<u64>| r.recv_async().await.unwrap(),
    |s: &flume::Sender<u64>, n| s.send(n).unwrap(),
    |r: &mut flume::Receiver<u64>| r.recv().unwrap()
);

works_with!(
    tokio_mpsc_works,
    tokio::sync::mpsc::channel(4),
    async |s: &tokio::sync::mpsc::Sender<u64>, n| s.send(n).await.unwrap(),
    async |r: &mut tokio::sync::mpsc::Receiver<u64>| r.recv().await.unwrap(),
    |s: &tokio::sync::mpsc::Sender<u64>, n| s.blocking_send(n).unwrap(),
    |r: &mut tokio::sync::mpsc::Receiver<u64>| r.blocking_recv().unwrap()
);

#[test]
fn the_other_channels_of_tokio_work() {
    let (answer, receiver) = tokio::sync::oneshot::channel();
    let (watched, mut watcher) = tokio::sync::watch::channel(0);
    let (sender, mut heard) = tokio::sync::broadcast::channel(4);
    let notify = std::sync::Arc::new(tokio::sync::Notify::new());
    let thread = thread::spawn({
        let notify = std::sync::Arc::clone(&notify);
        move || {
            answer.send(1).unwrap();
            watched.send(2).unwrap();
            sender.send(3).unwrap();
            notify.notify_one();
        }
    });
    monoloop::run(async {
        assert_eq!(receiver.await, Ok(1));
        watcher.changed().await.unwrap();
        assert_eq!(*watcher.borrow(), 2);
        assert_eq!(heard.recv().await, Ok(3));
        notify.notified().await;
    });
    thread.join().unwrap();
}
