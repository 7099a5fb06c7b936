//! What the tests of `sync` share: wakers that misbehave, and a runner of random steps.

#![allow(dead_code)] // every test binary uses its own part

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::AtomicPtr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use crate::common::{Random, quiet_panic};

/// A value that lives as long as the process. A list holds it, so that no checker takes it for a leak.
pub fn for_ever<T: 'static>(value: T) -> &'static T {
    static KEPT: Mutex<Vec<AtomicPtr<()>>> = Mutex::new(Vec::new());
    let value: &'static T = Box::leak(Box::new(value));
    let kept = AtomicPtr::new(ptr::from_ref(value).cast_mut().cast());
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    value
}

/// A future that gives a boxed thing.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// Polls a boxed future.
pub fn poll<T>(future: &mut Boxed<T>, waker: &Waker) -> Poll<T> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// Boxes and polls once; the future must wait.
pub fn waiting<T>(future: impl Future<Output = T> + 'static, waker: &Waker) -> Boxed<T> {
    let mut future: Boxed<T> = Box::pin(future);
    assert!(poll(&mut future, waker).is_pending(), "it need not wait");
    future
}

/// The output of a future that need not wait.
#[track_caller]
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// What a waker does beside counting.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Manners {
    Calm,
    /// Panics.
    Grumpy,
    /// Takes a step of its own.
    Meddling,
}

/// The waker of an actor.
struct Bell {
    actor: usize,
    manners: Manners,
}

/// A step that a meddling waker takes.
type Step = Rc<dyn Fn()>;

thread_local! {
    /// How often each actor was woken.
    static WOKEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    static STEP: RefCell<Option<Step>> = const { RefCell::new(None) };
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

const GRUMPY: &str = "not now";

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        WOKEN.with_borrow_mut(|woken| woken[self.actor] += 1);
        match self.manners {
            Manners::Calm => (),
            Manners::Grumpy => quiet_panic(GRUMPY),
            Manners::Meddling => meddle(),
        }
    }
}

/// Takes a step in the middle of another; not while a panic is on its way, which the model does not follow.
fn meddle() {
    let step = STEP.with_borrow(Clone::clone);
    if let (Some(step), true) = (step, DEPTH.get() < 3 && !thread::panicking()) {
        DEPTH.set(DEPTH.get() + 1);
        step();
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Some actor's waker, with random manners.
pub fn bell(actor: usize, random: &mut Random) -> Waker {
    let manners = match random.below(4) {
        0 => Manners::Grumpy,
        1 => Manners::Meddling,
        _ => Manners::Calm,
    };
    Waker::from(Arc::new(Bell { actor, manners }))
}

/// How often each actor was woken, since the world began.
pub fn woken() -> Vec<usize> {
    WOKEN.with_borrow(Clone::clone)
}

/// Does what may wake others. A grumpy waker's panic comes through, and nobody else's.
pub fn tolerate<T>(f: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(output) => Some(output),
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) if *text == GRUMPY => None,
            Ok(text) => panic!("{text}"),
            Err(payload) => std::panic::resume_unwind(payload),
        },
    }
}

/// Keeps a world that went wrong from being dropped, which would panic again and hide what went wrong.
struct KeepIfPanicking;

impl Drop for KeepIfPanicking {
    fn drop(&mut self) {
        if thread::panicking() {
            std::mem::forget(STEP.take());
        }
    }
}

/// Takes random steps in a world of so many actors, and looks at it after each.
pub fn explore<W: 'static>(
    actors: usize,
    steps: usize,
    make: impl Fn(Random) -> W,
    step: impl Fn(&W) + Copy + 'static,
    check: impl Fn(&W, &[usize]),
) {
    let given = std::env::var("MONOLOOP_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seeds = given.map_or(1..=4, |seed: u64| seed..=seed);
    for seed in seeds {
        println!("MONOLOOP_SEED={seed}");
        WOKEN.set(vec![0; actors]);
        let world = Rc::new(make(Random::new(seed)));
        let inner = Rc::clone(&world);
        STEP.set(Some(Rc::new(move || step(&inner))));
        let _keep = KeepIfPanicking;
        for _ in 0..steps {
            step(&world);
            WOKEN.with_borrow(|woken| check(&world, woken));
        }
        STEP.set(None);
        // What is held still is given back.
        tolerate(|| drop(world));
    }
}
