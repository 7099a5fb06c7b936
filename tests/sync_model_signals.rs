//! Random operations on what tasks wait for without holding it: events, latches, groups, notifications,
//! conditions, barriers and once-cells, each against a plain model.
//!
//! Actors wait, poll and give up (released or not), and signals are given, at random; wakers panic and call
//! back. A failure prints the seed; `MONOLOOP_SEED=n` runs that one.

mod common;
mod sync_common;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use common::{Random, many};
use monoloop::sync::{
    Barrier, Condition, Event, Latch, Mutex, Notify, OnceCell, WaitGroup, WorkToken,
};
use sync_common::{Boxed, bell, explore, for_ever, poll, tolerate};

const ACTORS: usize = 8;

/// Who waits, in order; with what each was served, if it did not see it yet; how often it was woken.
#[derive(Default)]
struct Line {
    queue: VecDeque<usize>,
    served: [Option<usize>; ACTORS],
    woken: [usize; ACTORS],
}

impl Line {
    fn serve(&mut self, outcome: usize) -> bool {
        let Some(first) = self.queue.pop_front() else { return false };
        self.served[first] = Some(outcome);
        self.woken[first] += 1;
        true
    }

    fn serve_all(&mut self, mut outcome: impl FnMut() -> usize) {
        while !self.queue.is_empty() {
            self.serve(outcome());
        }
    }
}

/// The real thing, and the plain one.
trait Subject: 'static {
    /// Waits; gives a number that tells outcomes apart.
    fn wait(&self) -> Boxed<usize>;
    /// Gives a signal, one of four.
    fn signal(&self, which: usize);

    /// The outcome of a wait that begins, if it is there at once. Else the actor is in the line, or something
    /// else that `poll` knows of.
    fn model_wait(&self, actor: usize, line: &mut Line) -> Option<usize>;
    fn model_signal(&self, which: usize, line: &mut Line);

    /// The outcome for one that waits, if it is there.
    fn model_poll(&self, actor: usize, line: &mut Line) -> Option<usize> {
        line.served[actor].take()
    }

    /// One that was not in the line, or is not any more, gives up.
    fn model_give_up(&self, _actor: usize, _served: Option<usize>, _line: &mut Line) {}
}

enum Actor {
    Idle,
    /// In the middle of a step: others, in it, leave it alone.
    Busy,
    Waiting(Boxed<usize>),
}

struct World<S> {
    subject: S,
    random: RefCell<Random>,
    actors: RefCell<Vec<Actor>>,
    line: RefCell<Line>,
}

impl<S: Subject> World<S> {
    fn step(&self) {
        let (index, choice, which) = {
            let mut random = self.random.borrow_mut();
            (random.below(ACTORS), random.below(8), random.below(4))
        };
        if choice == 0 {
            self.subject.model_signal(which, &mut self.line.borrow_mut());
            tolerate(|| self.subject.signal(which));
            return;
        }
        let actor = std::mem::replace(&mut self.actors.borrow_mut()[index], Actor::Busy);
        let actor = match (actor, choice) {
            (Actor::Idle, 1..=4) => {
                let outcome = self.subject.model_wait(index, &mut self.line.borrow_mut());
                self.poll(index, self.subject.wait(), outcome)
            }
            (Actor::Waiting(future), 1..=5) => {
                let outcome = self.subject.model_poll(index, &mut self.line.borrow_mut());
                self.poll(index, future, outcome)
            }
            (Actor::Waiting(future), _) => self.give_up(index, future),
            (as_it_was, _) => as_it_was,
        };
        self.actors.borrow_mut()[index] = actor;
    }

    fn poll(&self, index: usize, mut future: Boxed<usize>, expected: Option<usize>) -> Actor {
        let waker = bell(index, &mut self.random.borrow_mut());
        // A poll may release others.
        match tolerate(|| poll(&mut future, &waker)) {
            Some(Poll::Pending) => {
                assert_eq!(None, expected, "its release is lost");
                Actor::Waiting(future)
            }
            Some(Poll::Ready(outcome)) => {
                assert_eq!(Some(outcome), expected);
                Actor::Idle
            }
            None => {
                assert!(expected.is_some(), "only who is through releases others");
                Actor::Idle
            }
        }
    }

    fn give_up(&self, index: usize, future: Boxed<usize>) -> Actor {
        let mut line = self.line.borrow_mut();
        line.queue.retain(|&other| other != index);
        let served = line.served[index].take();
        self.subject.model_give_up(index, served, &mut line);
        drop(line);
        tolerate(|| drop(future));
        Actor::Idle
    }
}

fn model<S: Subject>(steps: usize, make: impl Fn() -> S) {
    explore(
        ACTORS,
        steps,
        |random| World {
            subject: make(),
            random: RefCell::new(random),
            actors: RefCell::new((0..ACTORS).map(|_| Actor::Idle).collect()),
            line: RefCell::new(Line::default()),
        },
        |world| world.step(),
        |world, woken| assert_eq!(woken, world.line.borrow().woken, "each wake has its reason"),
    );
}

struct Events {
    real: &'static Event,
    is_set: Cell<bool>,
}

impl Subject for Events {
    fn wait(&self) -> Boxed<usize> {
        let event = self.real;
        Box::pin(async {
            event.wait().await;
            0
        })
    }

    fn signal(&self, which: usize) {
        match which {
            0 => self.real.set(),
            _ => self.real.clear(),
        }
    }

    fn model_wait(&self, actor: usize, line: &mut Line) -> Option<usize> {
        if self.is_set.get() {
            return Some(0);
        }
        line.queue.push_back(actor);
        None
    }

    fn model_signal(&self, which: usize, line: &mut Line) {
        self.is_set.set(which == 0);
        if which == 0 {
            line.serve_all(|| 0);
        }
    }
}

#[test]
fn events_do_what_the_model_says() {
    model(many(40_000, 1_000_000), || Events {
        real: for_ever(Event::new()),
        is_set: Cell::default(),
    });
}

struct Latches {
    real: RefCell<Rc<Latch>>,
    left: Cell<usize>,
}

impl Latches {
    const COUNT: usize = 3;
}

impl Subject for Latches {
    fn wait(&self) -> Boxed<usize> {
        let latch = Rc::clone(&self.real.borrow());
        Box::pin(async move {
            latch.wait().await;
            0
        })
    }

    /// Counts down, or makes a new one.
    fn signal(&self, _: usize) {
        let latch = Rc::clone(&self.real.borrow());
        match latch.is_open() {
            false => latch.count_down(),
            true => *self.real.borrow_mut() = Rc::new(Latch::new(Self::COUNT)),
        }
    }

    fn model_wait(&self, actor: usize, line: &mut Line) -> Option<usize> {
        if self.left.get() == 0 {
            return Some(0);
        }
        line.queue.push_back(actor);
        None
    }

    fn model_signal(&self, _: usize, line: &mut Line) {
        self.left.set(self.left.get().checked_sub(1).unwrap_or(Self::COUNT));
        if self.left.get() == 0 {
            line.serve_all(|| 0);
        }
    }
}

#[test]
fn latches_do_what_the_model_says() {
    model(many(40_000, 1_000_000), || Latches {
        real: RefCell::new(Rc::new(Latch::new(0))),
        left: Cell::default(),
    });
}

struct Groups {
    real: WaitGroup,
    tokens: RefCell<Vec<WorkToken>>,
    working: Cell<usize>,
}

impl Subject for Groups {
    fn wait(&self) -> Boxed<usize> {
        let group = self.real.clone();
        Box::pin(async move {
            group.wait().await;
            0
        })
    }

    fn signal(&self, which: usize) {
        let token = match which {
            0 => return self.tokens.borrow_mut().push(self.real.token()),
            _ => self.tokens.borrow_mut().pop(),
        };
        drop(token);
    }

    fn model_wait(&self, actor: usize, line: &mut Line) -> Option<usize> {
        if self.working.get() == 0 {
            return Some(0);
        }
        line.queue.push_back(actor);
        None
    }

    fn model_signal(&self, which: usize, line: &mut Line) {
        match (which, self.working.get()) {
            (0, working) => self.working.set(working + 1),
            (_, 0) => (),
            (_, working) => self.working.set(working - 1),
        }
        if which != 0 && self.working.get() == 0 {
            line.serve_all(|| 0);
        }
    }
}

#[test]
fn wait_groups_do_what_the_model_says() {
    model(many(40_000, 1_000_000), || Groups {
        real: WaitGroup::new(),
        tokens: RefCell::default(),
        working: Cell::default(),
    });
}

struct Notifications {
    real: &'static Notify,
    has_permit: Cell<bool>,
}

impl Notifications {
    const ONE: usize = 1;
    const ALL: usize = 2;

    fn notify_one(&self, line: &mut Line) {
        if !line.serve(Self::ONE) {
            self.has_permit.set(true);
        }
    }
}

impl Subject for Notifications {
    fn wait(&self) -> Boxed<usize> {
        let notify = self.real;
        Box::pin(async {
            notify.notified().await;
            0
        })
    }

    fn signal(&self, which: usize) {
        match which {
            0 => self.real.notify_waiters(),
            _ => self.real.notify_one(),
        }
    }

    fn model_wait(&self, actor: usize, line: &mut Line) -> Option<usize> {
        if self.has_permit.take() {
            return Some(0);
        }
        line.queue.push_back(actor);
        None
    }

    fn model_signal(&self, which: usize, line: &mut Line) {
        match which {
            0 => line.serve_all(|| Self::ALL),
            _ => self.notify_one(line),
        }
    }

    fn model_poll(&self, actor: usize, line: &mut Line) -> Option<usize> {
        line.served[actor].take().map(|_| 0)
    }

    fn model_give_up(&self, _: usize, served: Option<usize>, line: &mut Line) {
        if served == Some(Self::ONE) {
            self.notify_one(line);
        }
    }
}

#[test]
fn notifications_do_what_the_model_says() {
    model(many(40_000, 1_000_000), || Notifications {
        real: for_ever(Notify::new()),
        has_permit: Cell::default(),
    });
}

/// Nobody holds the mutex between two steps.
struct Conditions {
    mutex: &'static Mutex<()>,
    real: &'static Condition,
}

impl Subject for Conditions {
    fn wait(&self) -> Boxed<usize> {
        let (mutex, condition) = (self.mutex, self.real);
        Box::pin(async {
            let _guard = condition.wait(mutex.lock().await).await;
            0
        })
    }

    fn signal(&self, which: usize) {
        match which {
            3 => self.real.notify_all(),
            n => self.real.notify_n(n),
        }
    }

    fn model_wait(&self, actor: usize, line: &mut Line) -> Option<usize> {
        line.queue.push_back(actor);
        None
    }

    fn model_signal(&self, which: usize, line: &mut Line) {
        match which {
            3 => line.serve_all(|| 0),
            n => {
                for _ in 0..n {
                    line.serve(0);
                }
            }
        }
    }

    fn model_give_up(&self, _: usize, served: Option<usize>, line: &mut Line) {
        if served.is_some() {
            line.serve(0);
        }
    }
}

#[test]
fn conditions_do_what_the_model_says() {
    model(many(40_000, 1_000_000), || Conditions {
        mutex: for_ever(Mutex::new(())),
        real: for_ever(Condition::new()),
    });
}

struct Barriers {
    real: &'static Barrier,
    is_broken: Cell<bool>,
}

impl Barriers {
    const BROKEN: usize = 100;
}

impl Subject for Barriers {
    fn wait(&self) -> Boxed<usize> {
        let barrier = self.real;
        Box::pin(async {
            barrier.wait().await.map_or(Self::BROKEN, |passed| {
                assert_eq!(passed.is_leader(), passed.index() == barrier.parties() - 1);
                passed.index()
            })
        })
    }

    fn signal(&self, which: usize) {
        match which {
            0 => self.real.abort(),
            1 => self.real.reset(),
            _ => assert_eq!(self.real.is_broken(), self.is_broken.get()),
        }
    }

    fn model_wait(&self, actor: usize, line: &mut Line) -> Option<usize> {
        if self.is_broken.get() {
            return Some(Self::BROKEN);
        }
        line.queue.push_back(actor);
        if line.queue.len() < self.real.parties() {
            return None;
        }
        let last = self.real.parties() - 1;
        line.queue.pop_back();
        let mut indices = 0..last;
        line.serve_all(|| indices.next().expect("one for each"));
        Some(last)
    }

    fn model_signal(&self, which: usize, line: &mut Line) {
        if which < 2 {
            self.is_broken.set(which == 0);
            line.serve_all(|| Self::BROKEN);
        }
    }
}

#[test]
fn barriers_do_what_the_model_says() {
    model(many(40_000, 1_000_000), || Barriers {
        real: for_ever(Barrier::new(4)),
        is_broken: Cell::default(),
    });
}

/// Initialisers wait until they are told how to end.
struct Cells {
    real: RefCell<Rc<OnceCell<()>>>,
    /// What the next look of an initialiser finds: whether it succeeds.
    order: Rc<Cell<Option<bool>>>,
    has_value: Cell<bool>,
    /// Who has the turn and was polled since.
    initialiser: Cell<Option<usize>>,
    is_busy: Cell<bool>,
    model_order: Cell<Option<bool>>,
}

impl Cells {
    const FAILED: usize = 0;
    const DONE: usize = 1;
    const TURN: usize = 2;

    fn initialise(&self, actor: usize, line: &mut Line) -> Option<usize> {
        match self.model_order.take() {
            None => {
                self.initialiser.set(Some(actor));
                None
            }
            Some(true) => {
                self.initialiser.set(None);
                self.is_busy.set(false);
                self.has_value.set(true);
                line.serve_all(|| Self::DONE);
                Some(Self::DONE)
            }
            Some(false) => {
                self.pass_on(line);
                Some(Self::FAILED)
            }
        }
    }

    fn pass_on(&self, line: &mut Line) {
        self.initialiser.set(None);
        self.is_busy.set(line.serve(Self::TURN));
    }
}

impl Subject for Cells {
    fn wait(&self) -> Boxed<usize> {
        let (cell, order) = (Rc::clone(&self.real.borrow()), Rc::clone(&self.order));
        Box::pin(async move {
            let ordered = || poll_fn(|_| order.take().map_or(Poll::Pending, Poll::Ready));
            let result =
                cell.get_or_try_init(async || if ordered().await { Ok(()) } else { Err(()) }).await;
            usize::from(result.is_ok())
        })
    }

    fn signal(&self, which: usize) {
        self.order.set([None, Some(true), Some(false), Some(false)][which]);
    }

    fn model_wait(&self, actor: usize, line: &mut Line) -> Option<usize> {
        if self.has_value.get() && line.served.iter().all(Option::is_none) {
            // Nobody knows the old cell any more.
            self.real.replace(Rc::new(OnceCell::new()));
            self.has_value.set(false);
        }
        if self.has_value.get() {
            return Some(Self::DONE);
        }
        if self.is_busy.replace(true) {
            line.queue.push_back(actor);
            return None;
        }
        self.initialise(actor, line)
    }

    fn model_poll(&self, actor: usize, line: &mut Line) -> Option<usize> {
        match line.served[actor].take() {
            Some(Self::TURN) => self.initialise(actor, line),
            None if self.initialiser.get() == Some(actor) => self.initialise(actor, line),
            served => served,
        }
    }

    fn model_signal(&self, which: usize, _: &mut Line) {
        self.model_order.set([None, Some(true), Some(false), Some(false)][which]);
    }

    fn model_give_up(&self, actor: usize, served: Option<usize>, line: &mut Line) {
        if served == Some(Self::TURN) || self.initialiser.get() == Some(actor) {
            self.pass_on(line);
        }
    }
}

#[test]
fn once_cells_do_what_the_model_says() {
    model(many(40_000, 1_000_000), || Cells {
        real: RefCell::default(),
        order: Rc::default(),
        has_value: Cell::default(),
        initialiser: Cell::default(),
        is_busy: Cell::default(),
        model_order: Cell::default(),
    });
}
