//! What the tests of channels and queues share: futures polled by hand, and wakers that misbehave.

#![allow(dead_code)] // every test binary uses its own part

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::common::{Counter, quiet_panic};

/// A future that is polled by hand, and whose wakes are counted.
pub struct Probe<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    counter: Arc<Counter>,
    waker: Waker,
}

pub fn probe<'a, T>(future: impl Future<Output = T> + 'a) -> Probe<'a, T> {
    let (counter, waker) = Counter::new();
    Probe { future: Box::pin(future), counter, waker }
}

/// Polls once, and drops the future.
pub fn now<T>(future: impl Future<Output = T>) -> Poll<T> {
    probe(future).poll()
}

/// What a future that need not wait gives.
#[track_caller]
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match now(future) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

impl<T> Probe<'_, T> {
    pub fn poll(&mut self) -> Poll<T> {
        self.poll_with(&self.waker.clone())
    }

    pub fn poll_with(&mut self, waker: &Waker) -> Poll<T> {
        self.future.as_mut().poll(&mut Context::from_waker(waker))
    }

    #[track_caller]
    pub fn pending(mut self) -> Self {
        assert!(self.poll().is_pending(), "it does not wait");
        self
    }

    #[track_caller]
    pub fn ready(&mut self) -> T {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it still waits"),
        }
    }

    pub fn wakes(&self) -> usize {
        self.counter.get()
    }
}

type Hook = Rc<dyn Fn(usize)>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// A waker that calls the hook of its thread with its number.
pub fn hooked(number: usize) -> Waker {
    struct Hooked(usize);
    impl Wake for Hooked {
        fn wake(self: Arc<Self>) {
            let hook = HOOK.with_borrow(Option::clone);
            if let Some(hook) = hook {
                hook(self.0);
            }
        }
    }
    Waker::from(Arc::new(Hooked(number)))
}

/// A waker whose last drop panics.
pub fn clingy() -> Waker {
    struct Clingy;
    impl Wake for Clingy {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Clingy {
        fn drop(&mut self) {
            quiet_panic("let me stay");
        }
    }
    Waker::from(Arc::new(Clingy))
}

/// What hooked wakers of this thread do from now on.
pub fn set_hook(hook: impl Fn(usize) + 'static) {
    HOOK.set(Some(Rc::new(hook)));
}

pub fn clear_hook() {
    HOOK.set(None);
}

/// Runs `f`; true if it panicked.
pub fn panics<T>(f: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

/// Counts how many of it live; none may be lost, none dropped twice.
#[derive(Debug)]
pub struct Counted {
    alive: Rc<Cell<isize>>,
}

impl Counted {
    pub fn new(alive: &Rc<Cell<isize>>) -> Self {
        alive.set(alive.get() + 1);
        Self { alive: Rc::clone(alive) }
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(&self.alive)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.set(self.alive.get() - 1);
    }
}

/// Runs a model with eight seeds, or with the one that `MONOLOOP_SEED` gives.
pub fn with_seeds(mut run: impl FnMut(u64)) {
    let given = std::env::var("MONOLOOP_SEED").ok().map(|seed| seed.parse().expect("a number"));
    for seed in given.map_or(1..=8, |seed: u64| seed..=seed) {
        println!("MONOLOOP_SEED={seed}");
        run(seed);
    }
}
