//! Channels, queues and events.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use monoloop::yield_now;

use super::{CAPACITY, ITEMS};

/// One task sends, another receives. An operation is an item.
pub async fn pass(
    operations: u64,
    mut send: impl AsyncFnMut(u64) + 'static,
    mut receive: impl AsyncFnMut() -> u64 + 'static,
) -> Duration {
    let start = Instant::now();
    let producer = monoloop::spawn(async move {
        for item in 0..operations {
            send(item).await;
        }
    });
    let consumer = monoloop::spawn(async move {
        for item in 0..operations {
            assert_eq!(receive().await, item);
        }
    });
    producer.await.expect("no task panics");
    consumer.await.expect("no task panics");
    start.elapsed()
}

/// Makes the sending operation of an unbounded channel, which never waits: it yields when it has sent as
/// many as the bounded ones hold.
pub fn in_batches(mut send: impl FnMut(u64) + 'static) -> impl AsyncFnMut(u64) + 'static {
    async move |item| {
        send(item);
        if item % CAPACITY as u64 == CAPACITY as u64 - 1 {
            yield_now().await;
        }
    }
}

/// One task makes a oneshot, hands its sender to a second, which answers, and awaits the answer. An
/// operation is all that: two wakes and two polls.
pub async fn answer<S: 'static, F: Future<Output = u64>>(
    operations: u64,
    channel: impl Fn() -> (S, F) + 'static,
    send: impl Fn(S, u64) + 'static,
) -> Duration {
    let mailbox = Rc::new(Mailbox { letter: Cell::new(None), waker: Cell::new(None) });
    let requests = Rc::clone(&mailbox);
    let start = Instant::now();
    let server = monoloop::spawn(async move {
        for answer in 0..operations {
            send(requests.take().await, answer);
        }
    });
    for expected in 0..operations {
        let (sender, receiver) = channel();
        mailbox.post(sender);
        assert_eq!(receiver.await, expected);
    }
    server.await.expect("no task panics");
    start.elapsed()
}

/// The least that brings something to another task; the same for all libraries.
struct Mailbox<T> {
    letter: Cell<Option<T>>,
    waker: Cell<Option<Waker>>,
}

impl<T> Mailbox<T> {
    fn post(&self, letter: T) {
        self.letter.set(Some(letter));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn take(&self) -> impl Future<Output = T> + '_ {
        poll_fn(|cx| match self.letter.take() {
            Some(letter) => Poll::Ready(letter),
            None => {
                self.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
    }
}

/// Sends to many tasks, each of which has a receiver, and lets all receive it. An operation is a message.
pub async fn fan_out<R: 'static>(
    operations: u64,
    receivers: Vec<R>,
    receive: impl AsyncFn(&mut R) -> u64 + Clone + 'static,
    mut send: impl FnMut(u64),
) -> Duration {
    let received = Rc::new(Cell::new(0));
    let expected = receivers.len() as u64;
    let tasks: Vec<_> = receivers
        .into_iter()
        .map(|mut receiver| {
            let (received, receive) = (Rc::clone(&received), receive.clone());
            monoloop::spawn(async move {
                for message in 1..=operations {
                    assert_eq!(receive(&mut receiver).await, message);
                    received.set(received.get() + 1);
                }
            })
        })
        .collect();
    yield_now().await;
    let start = Instant::now();
    for message in 1..=operations {
        send(message);
        while received.get() < message * expected {
            yield_now().await;
        }
    }
    let elapsed = start.elapsed();
    for task in tasks {
        task.await.expect("no task panics");
    }
    elapsed
}

/// Lets many tasks wait, and releases them all. An operation is a release.
pub async fn release<E: 'static>(
    operations: u64,
    waiters: u64,
    event: E,
    wait: impl AsyncFn(&E) + Copy + 'static,
    set: impl Fn(&E),
) -> Duration {
    let event = Rc::new(event);
    let released = Rc::new(Cell::new(0));
    let tasks: Vec<_> = (0..waiters)
        .map(|_| {
            let (event, released) = (Rc::clone(&event), Rc::clone(&released));
            monoloop::spawn(async move {
                for _ in 0..operations {
                    wait(&event).await;
                    released.set(released.get() + 1);
                }
            })
        })
        .collect();
    yield_now().await;
    let start = Instant::now();
    for round in 1..=operations {
        set(&event);
        while released.get() < round * waiters {
            yield_now().await;
        }
    }
    let elapsed = start.elapsed();
    for task in tasks {
        task.await.expect("no task panics");
    }
    elapsed
}

/// Fills a priority queue once, and then puts and gets in turns. An operation is both.
pub async fn put_and_get<Q>(
    operations: u64,
    queue: Q,
    put: impl AsyncFn(&Q, u64),
    get: impl AsyncFn(&Q) -> u64,
) -> Duration {
    let numbers = RefCell::new(Numbers(1));
    for _ in 0..ITEMS {
        let number = numbers.borrow_mut().next();
        put(&queue, number).await;
    }
    let start = Instant::now();
    for _ in 0..operations {
        let number = numbers.borrow_mut().next();
        put(&queue, number).await;
        black_box(get(&queue).await);
    }
    start.elapsed()
}

/// A linear congruential generator (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }
}
