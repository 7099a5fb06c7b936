//! What std alone does for a row, by hand and with no more than the row asks for: the floor under all columns, most of
//! which is the loop and the bench itself.
//!
//! Nobody is told of the end of anything, nothing is fair, and what is dropped half-way is lost.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::scenarios::{self, CAPACITY, Kind, WAITERS, run};

pub fn measure(kind: Kind, n: u64) -> Option<f64> {
    match kind {
        Kind::FreeMutex | Kind::FreePermit => run(n, async |n| {
            let free = Cell::new(true);
            let take = async || assert!(black_box(&free).replace(false));
            scenarios::acquire(n, async || {
                take().await;
                free.set(true);
            })
            .await
        }),
        Kind::Bounded => run(n, async |n| {
            let (sender, receiver) = Pipe::new();
            let send = async move |item| sender.send(item).await;
            scenarios::pass(n, send, async move || receiver.receive().await).await
        }),
        Kind::Unbounded => run(n, async |n| {
            let (sender, receiver) = Pipe::new();
            let send = scenarios::in_batches(move |item| sender.push(item));
            scenarios::pass(n, send, async move || receiver.receive().await).await
        }),
        Kind::Oneshot => run(n, async |n| {
            let channel = || {
                let answer = Rc::new(Answer::default());
                (Rc::clone(&answer), async move { answer.receive().await })
            };
            scenarios::answer(n, channel, |answer: Rc<Answer>, item| answer.send(item)).await
        }),
        Kind::OneshotAlone => run(n, async |n| {
            let once = async || {
                let answer = Rc::new(Answer::default());
                Rc::clone(&answer).send(1);
                black_box(answer.receive().await);
            };
            scenarios::acquire(n, once).await
        }),
        Kind::Event => run(n, async |n| {
            let wait = async |crowd: &Crowd| crowd.wait().await;
            scenarios::release(n, WAITERS, Crowd::default(), wait, Crowd::release).await
        }),
        Kind::Priority => run(n, async |n| {
            let heap = RefCell::new(BinaryHeap::new());
            scenarios::put_and_get(
                n,
                heap,
                async |heap, item| heap.borrow_mut().push(Reverse(item)),
                async |heap| heap.borrow_mut().pop().expect("never empty").0,
            )
            .await
        }),
        _ => None,
    }
}

/// A queue, and a waker at each end.
#[derive(Default)]
struct Pipe {
    items: RefCell<VecDeque<u64>>,
    sender: Cell<Option<Waker>>,
    receiver: Cell<Option<Waker>>,
}

impl Pipe {
    fn new() -> (Rc<Self>, Rc<Self>) {
        let pipe = Rc::new(Self::default());
        (Rc::clone(&pipe), pipe)
    }

    fn push(&self, item: u64) {
        self.items.borrow_mut().push_back(item);
        wake(&self.receiver);
    }

    fn send(&self, item: u64) -> impl Future<Output = ()> + '_ {
        poll_fn(move |cx| {
            if self.items.borrow().len() == CAPACITY {
                self.sender.set(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            self.push(item);
            Poll::Ready(())
        })
    }

    fn receive(&self) -> impl Future<Output = u64> + '_ {
        poll_fn(|cx| {
            let Some(item) = self.items.borrow_mut().pop_front() else {
                self.receiver.set(Some(cx.waker().clone()));
                wake(&self.sender);
                return Poll::Pending;
            };
            Poll::Ready(item)
        })
    }
}

/// A place for a value.
#[derive(Default)]
struct Answer {
    value: Cell<Option<u64>>,
    receiver: Cell<Option<Waker>>,
}

impl Answer {
    fn send(&self, value: u64) {
        self.value.set(Some(value));
        wake(&self.receiver);
    }

    fn receive(&self) -> impl Future<Output = u64> + '_ {
        poll_fn(|cx| match self.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                self.receiver.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
    }
}

/// The wakers of those who wait, all released together.
#[derive(Default)]
struct Crowd {
    round: Cell<u64>,
    wakers: RefCell<Vec<Waker>>,
}

impl Crowd {
    fn release(&self) {
        self.round.set(self.round.get() + 1);
        self.wakers.borrow_mut().drain(..).for_each(Waker::wake);
    }

    async fn wait(&self) {
        let round = self.round.get();
        poll_fn(|cx| {
            if self.round.get() != round {
                return Poll::Ready(());
            }
            self.wakers.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

fn wake(waker: &Cell<Option<Waker>>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
