//! Random operations on mutexes, read-write locks and semaphores, against one plain model.
//!
//! All three hand out parts of something, first come, first served: a mutex the whole, a semaphore so many
//! permits, a read-write lock one of many parts to a reader and all of them to a writer. Actors ask, poll,
//! try, give up (served or not) and give back, at random; wakers panic and call back. A failure prints the
//! seed; `MONOLOOP_SEED=n` runs that one.

mod common;
mod sync_common;

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Poll, Waker};

use common::{Random, many};
use monoloop::sync::{Mutex, RwLock, Semaphore};
use sync_common::{Boxed, bell, explore, for_ever, poll, tolerate};

const ACTORS: usize = 10;

/// A guard of some type.
type Guard = Box<dyn Any>;

/// What is modelled. References are to leaked values, so that guards have no lifetimes.
trait Resource: Copy + 'static {
    fn parts(self) -> usize;
    /// How many parts an actor may ask for.
    fn weight(self, random: &mut Random) -> usize;
    fn ask(self, weight: usize) -> Boxed<Guard>;
    fn try_ask(self, weight: usize) -> Option<Guard>;

    /// Whether parts can be added and taken away.
    fn is_elastic(self) -> bool {
        false
    }

    fn add(self) {}

    /// Takes one away, if it is free; says how many it took.
    fn forget(self) -> usize {
        0
    }
}

impl Resource for &'static Mutex<()> {
    fn parts(self) -> usize {
        1
    }

    fn weight(self, _: &mut Random) -> usize {
        1
    }

    fn ask(self, _: usize) -> Boxed<Guard> {
        Box::pin(async move { Box::new(self.lock().await) as Guard })
    }

    fn try_ask(self, _: usize) -> Option<Guard> {
        self.try_lock().ok().map(|guard| Box::new(guard) as Guard)
    }
}

impl Resource for &'static RwLock<()> {
    fn parts(self) -> usize {
        ACTORS
    }

    fn weight(self, random: &mut Random) -> usize {
        if random.below(3) == 0 { ACTORS } else { 1 }
    }

    fn ask(self, weight: usize) -> Boxed<Guard> {
        Box::pin(async move {
            match weight {
                1 => Box::new(self.read().await) as Guard,
                _ => Box::new(self.write().await) as Guard,
            }
        })
    }

    fn try_ask(self, weight: usize) -> Option<Guard> {
        match weight {
            1 => self.try_read().ok().map(|guard| Box::new(guard) as Guard),
            _ => self.try_write().ok().map(|guard| Box::new(guard) as Guard),
        }
    }
}

impl Resource for &'static Rc<Semaphore> {
    fn parts(self) -> usize {
        4
    }

    fn weight(self, random: &mut Random) -> usize {
        random.below(5)
    }

    fn ask(self, weight: usize) -> Boxed<Guard> {
        if weight % 2 == 0 {
            let acquire = self.acquire_many_owned(weight);
            return Box::pin(async move { Box::new(acquire.await.expect("open")) as Guard });
        }
        Box::pin(async move { Box::new(self.acquire_many(weight).await.expect("open")) as Guard })
    }

    fn try_ask(self, weight: usize) -> Option<Guard> {
        self.try_acquire_many(weight).ok().map(|guard| Box::new(guard) as Guard)
    }

    fn is_elastic(self) -> bool {
        true
    }

    fn add(self) {
        self.add_permits(1);
    }

    fn forget(self) -> usize {
        self.forget_permits(1)
    }
}

enum Actor {
    Idle,
    /// In the middle of a step: others, in it, leave it alone.
    Busy,
    /// In the queue, or served and not polled since.
    Waiting(Boxed<Guard>, usize),
    Holding(Guard, usize),
}

#[derive(Default)]
struct Model {
    free: usize,
    /// How many were added, or taken away.
    more: isize,
    queue: VecDeque<usize>,
    /// By actor: what it asked for, whether it was served, and how often it was woken.
    asked: [usize; ACTORS],
    is_served: [bool; ACTORS],
    woken: [usize; ACTORS],
}

impl Model {
    /// Whether one that is not in the queue gets its share at once.
    fn take(&mut self, weight: usize) -> bool {
        let fits = self.queue.is_empty() && self.free >= weight;
        self.free -= if fits { weight } else { 0 };
        fits
    }

    fn serve(&mut self) {
        while let Some(&first) = self.queue.front() {
            if self.asked[first] > self.free {
                break;
            }
            self.queue.pop_front();
            self.free -= self.asked[first];
            self.is_served[first] = true;
            self.woken[first] += 1;
        }
    }

    fn give_back(&mut self, weight: usize) {
        self.free += weight;
        self.serve();
    }
}

struct World<R> {
    resource: R,
    random: RefCell<Random>,
    actors: RefCell<Vec<Actor>>,
    model: RefCell<Model>,
}

impl<R: Resource> World<R> {
    fn new(resource: R, random: Random) -> Self {
        Self {
            resource,
            random: RefCell::new(random),
            actors: RefCell::new((0..ACTORS).map(|_| Actor::Idle).collect()),
            model: RefCell::new(Model { free: resource.parts(), ..Model::default() }),
        }
    }

    fn put(&self, index: usize, actor: Actor) {
        self.actors.borrow_mut()[index] = actor;
    }

    fn bell(&self, index: usize) -> Waker {
        bell(index, &mut self.random.borrow_mut())
    }

    fn step(&self) {
        let (index, choice) = {
            let mut random = self.random.borrow_mut();
            (random.below(ACTORS), random.below(8))
        };
        let actor = std::mem::replace(&mut self.actors.borrow_mut()[index], Actor::Busy);
        match (actor, choice) {
            (Actor::Idle, 0..=4) => self.ask(index),
            (Actor::Idle, 5) => self.try_ask(index),
            (Actor::Idle, 6) if self.resource.is_elastic() => {
                self.add_or_forget();
                self.put(index, Actor::Idle);
            }
            (Actor::Waiting(future, weight), 0..=4) => self.poll(index, future, weight),
            (Actor::Waiting(future, weight), _) => self.give_up(index, future, weight),
            (Actor::Holding(guard, weight), 0..=5) => {
                self.model.borrow_mut().give_back(weight);
                tolerate(|| drop(guard));
                self.put(index, Actor::Idle);
            }
            (as_it_was, _) => self.put(index, as_it_was),
        }
    }

    fn ask(&self, index: usize) {
        let weight = self.resource.weight(&mut self.random.borrow_mut());
        let gets_it = self.model.borrow_mut().take(weight);
        let mut future = self.resource.ask(weight);
        match poll(&mut future, &self.bell(index)) {
            Poll::Ready(guard) => {
                assert!(gets_it, "it overtook others");
                self.put(index, Actor::Holding(guard, weight));
            }
            Poll::Pending => {
                assert!(!gets_it, "it waits for what is free");
                let mut model = self.model.borrow_mut();
                model.queue.push_back(index);
                model.asked[index] = weight;
                drop(model);
                self.put(index, Actor::Waiting(future, weight));
            }
        }
    }

    fn add_or_forget(&self) {
        let mut model = self.model.borrow_mut();
        if self.random.borrow_mut().below(2) == 0 && model.more < 3 {
            model.more += 1;
            model.give_back(1);
            drop(model);
            tolerate(|| self.resource.add());
        } else if model.more > -2 {
            let free = model.free.min(1);
            model.more -= free as isize;
            model.free -= free;
            assert_eq!(self.resource.forget(), free);
        }
    }

    fn try_ask(&self, index: usize) {
        let weight = self.resource.weight(&mut self.random.borrow_mut());
        let gets_it = self.model.borrow_mut().take(weight);
        let guard = self.resource.try_ask(weight);
        assert_eq!(guard.is_some(), gets_it);
        self.put(index, guard.map_or(Actor::Idle, |guard| Actor::Holding(guard, weight)));
    }

    fn poll(&self, index: usize, mut future: Boxed<Guard>, weight: usize) {
        let is_served = std::mem::take(&mut self.model.borrow_mut().is_served[index]);
        match poll(&mut future, &self.bell(index)) {
            Poll::Ready(guard) => {
                assert!(is_served, "nobody served it");
                self.put(index, Actor::Holding(guard, weight));
            }
            Poll::Pending => {
                assert!(!is_served, "what it was handed is lost");
                self.put(index, Actor::Waiting(future, weight));
            }
        }
    }

    fn give_up(&self, index: usize, future: Boxed<Guard>, weight: usize) {
        let mut model = self.model.borrow_mut();
        if std::mem::take(&mut model.is_served[index]) {
            model.give_back(weight);
        } else {
            model.queue.retain(|&other| other != index);
            model.serve();
        }
        drop(model);
        tolerate(|| drop(future));
        self.put(index, Actor::Idle);
    }

    fn check(&self, woken: &[usize]) {
        let model = self.model.borrow();
        assert_eq!(woken, model.woken, "each is woken once for each time it is served");
    }
}

fn model<R: Resource>(make: impl Fn() -> R) {
    explore(
        ACTORS,
        many(40_000, 1_000_000),
        |random| World::new(make(), random),
        |world| world.step(),
        |world, woken| world.check(woken),
    );
}

#[test]
fn mutexes_do_what_the_model_says() {
    model(|| for_ever(Mutex::new(())));
}

#[test]
fn read_write_locks_do_what_the_model_says() {
    model(|| for_ever(RwLock::new(())));
}

#[test]
fn semaphores_do_what_the_model_says() {
    model(|| for_ever(Rc::new(Semaphore::new(4))));
}
