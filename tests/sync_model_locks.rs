//! Random operations on mutexes, read-write locks and semaphores, against one plain model.
//!
//! All three hand out parts of something, first come, first served: a mutex the whole, a semaphore so many
//! permits, a read-write lock one of many parts to a reader and all of them to a writer. Actors ask, poll,
//! try, give up (served or not) and give back, at random; holders of a read-write lock change sides, and
//! semaphores are closed; wakers panic and call back. A failure prints the seed; `MONOLOOP_SEED=n` runs that
//! one.

mod common;
mod sync_common;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem::{replace, take};
use std::rc::Rc;
use std::task::{Poll, Waker};

use common::{Random, many};
use monoloop::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore};
use sync_common::{Boxed, bell, explore, for_ever, poll, tolerate};

const ACTORS: usize = 10;

/// A guard of some type.
type Guard = Box<dyn Any>;

fn guard(guard: impl Any) -> Option<Guard> {
    Some(Box::new(guard))
}

/// What is modelled. References are to leaked values, so that guards have no lifetimes.
trait Resource: Copy + 'static {
    fn parts(self) -> usize;
    /// How many parts an actor may ask for.
    fn weight(self, random: &mut Random) -> usize;
    /// The future gives nothing if this is closed.
    fn ask(self, weight: usize) -> Boxed<Option<Guard>>;
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

    fn can_close(self) -> bool {
        false
    }

    fn close(self) {}

    /// Another, once this is closed and nobody uses it.
    fn anew(self) -> Self {
        self
    }

    /// What a guard of this weight may change to, if so much is free.
    fn other_weight(self, _weight: usize, _free: usize) -> Option<usize> {
        None
    }

    /// Changes a guard to the other weight.
    fn change(self, guard: Guard) -> Guard {
        guard
    }
}

impl Resource for &'static Mutex<()> {
    fn parts(self) -> usize {
        1
    }

    fn weight(self, _: &mut Random) -> usize {
        1
    }

    fn ask(self, _: usize) -> Boxed<Option<Guard>> {
        Box::pin(async move { guard(self.lock().await) })
    }

    fn try_ask(self, _: usize) -> Option<Guard> {
        self.try_lock().ok().and_then(guard)
    }
}

impl Resource for &'static RwLock<()> {
    fn parts(self) -> usize {
        ACTORS
    }

    fn weight(self, random: &mut Random) -> usize {
        if random.below(3) == 0 { ACTORS } else { 1 }
    }

    fn ask(self, weight: usize) -> Boxed<Option<Guard>> {
        Box::pin(async move {
            match weight {
                1 => guard(self.read().await),
                _ => guard(self.write().await),
            }
        })
    }

    fn other_weight(self, weight: usize, free: usize) -> Option<usize> {
        match weight {
            1 => (free == ACTORS - 1).then_some(ACTORS),
            _ => Some(1),
        }
    }

    fn change(self, guard: Guard) -> Guard {
        match guard.downcast::<RwLockWriteGuard<'static, ()>>() {
            Ok(writer) => Box::new(RwLockWriteGuard::downgrade(*writer)),
            Err(guard) => {
                let reader = guard.downcast::<RwLockReadGuard<'static, ()>>().expect("a reader");
                Box::new(RwLockReadGuard::try_upgrade(*reader).expect("nobody else holds it"))
            }
        }
    }

    fn try_ask(self, weight: usize) -> Option<Guard> {
        match weight {
            1 => self.try_read().ok().and_then(guard),
            _ => self.try_write().ok().and_then(guard),
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

    fn ask(self, weight: usize) -> Boxed<Option<Guard>> {
        if weight % 2 == 0 {
            let acquire = self.acquire_many_owned(weight);
            return Box::pin(async move { guard(acquire.await.ok()?) });
        }
        Box::pin(async move { guard(self.acquire_many(weight).await.ok()?) })
    }

    fn try_ask(self, weight: usize) -> Option<Guard> {
        self.try_acquire_many(weight).ok().and_then(guard)
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

    fn can_close(self) -> bool {
        true
    }

    fn close(self) {
        Semaphore::close(self);
    }

    fn anew(self) -> Self {
        for_ever(Rc::new(Semaphore::new(self.parts())))
    }
}

enum Actor {
    Idle,
    /// In the middle of a step: others, in it, leave it alone.
    Busy,
    /// In the queue, or served and not polled since.
    Waiting(Boxed<Option<Guard>>, usize),
    Holding(Guard, usize),
}

#[derive(Default)]
struct Model {
    free: usize,
    /// How many were added, or taken away.
    more: isize,
    is_closed: bool,
    queue: VecDeque<usize>,
    /// By actor: what it asked for, whether it was served or refused, and how often it was woken.
    asked: [usize; ACTORS],
    is_served: [bool; ACTORS],
    is_refused: [bool; ACTORS],
    woken: [usize; ACTORS],
}

impl Model {
    /// Whether one that is not in the queue gets its share at once.
    fn take(&mut self, weight: usize) -> bool {
        let fits = !self.is_closed && self.queue.is_empty() && self.free >= weight;
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

    fn close(&mut self) {
        self.is_closed = true;
        for index in self.queue.drain(..) {
            self.is_refused[index] = true;
            self.woken[index] += 1;
        }
    }
}

struct World<R> {
    resource: Cell<R>,
    random: RefCell<Random>,
    actors: RefCell<Vec<Actor>>,
    model: RefCell<Model>,
}

impl<R: Resource> World<R> {
    fn new(resource: R, random: Random) -> Self {
        Self {
            resource: Cell::new(resource),
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
        let actor = replace(&mut self.actors.borrow_mut()[index], Actor::Busy);
        match (actor, choice) {
            (Actor::Idle, 0..=4) => self.ask(index),
            (Actor::Idle, 5) => self.try_ask(index),
            (Actor::Idle, 6) if self.resource.get().is_elastic() => {
                self.add_or_forget();
                self.put(index, Actor::Idle);
            }
            (Actor::Idle, 7) => {
                self.close_or_open();
                self.put(index, Actor::Idle);
            }
            (Actor::Waiting(future, weight), 0..=4) => self.poll(index, future, weight),
            (Actor::Waiting(future, weight), _) => self.give_up(index, future, weight),
            (Actor::Holding(guard, weight), 0..=5) => {
                self.model.borrow_mut().give_back(weight);
                tolerate(|| drop(guard));
                self.put(index, Actor::Idle);
            }
            (Actor::Holding(guard, weight), 6) => self.change(index, guard, weight),
            (as_it_was, _) => self.put(index, as_it_was),
        }
    }

    fn ask(&self, index: usize) {
        let weight = self.resource.get().weight(&mut self.random.borrow_mut());
        let gets_it = self.model.borrow_mut().take(weight);
        let mut future = self.resource.get().ask(weight);
        match poll(&mut future, &self.bell(index)) {
            Poll::Ready(None) => {
                assert!(self.model.borrow().is_closed, "it was refused");
                self.put(index, Actor::Idle);
            }
            Poll::Ready(Some(guard)) => {
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
            tolerate(|| self.resource.get().add());
        } else if model.more > -2 {
            let free = model.free.min(1);
            model.more -= free as isize;
            model.free -= free;
            assert_eq!(self.resource.get().forget(), free);
        }
    }

    /// Closes it now and then, and opens another once everybody is through with it.
    fn close_or_open(&self) {
        let others = ACTORS - 1; // all but the one whose step this is
        let is_idle = |actor: &&Actor| matches!(actor, Actor::Idle);
        if !self.model.borrow().is_closed {
            if self.random.borrow_mut().below(20) == 0 && self.resource.get().can_close() {
                self.model.borrow_mut().close();
                tolerate(|| self.resource.get().close());
            }
        } else if self.actors.borrow().iter().filter(is_idle).count() == others {
            self.resource.set(self.resource.get().anew());
            let mut model = self.model.borrow_mut();
            (model.is_closed, model.free, model.more) = (false, self.resource.get().parts(), 0);
        }
    }

    fn change(&self, index: usize, guard: Guard, weight: usize) {
        let mut model = self.model.borrow_mut();
        let Some(other) = self.resource.get().other_weight(weight, model.free) else {
            drop(model);
            return self.put(index, Actor::Holding(guard, weight));
        };
        match weight.checked_sub(other) {
            Some(less) => model.give_back(less),
            None => model.free -= other - weight,
        }
        drop(model);
        let changed = tolerate(|| self.resource.get().change(guard));
        if changed.is_none() {
            // The panic took the guard along.
            self.model.borrow_mut().give_back(other);
        }
        self.put(index, changed.map_or(Actor::Idle, |guard| Actor::Holding(guard, other)));
    }

    fn try_ask(&self, index: usize) {
        let weight = self.resource.get().weight(&mut self.random.borrow_mut());
        let gets_it = self.model.borrow_mut().take(weight);
        let guard = self.resource.get().try_ask(weight);
        assert_eq!(guard.is_some(), gets_it);
        self.put(index, guard.map_or(Actor::Idle, |guard| Actor::Holding(guard, weight)));
    }

    fn poll(&self, index: usize, mut future: Boxed<Option<Guard>>, weight: usize) {
        let is_served = take(&mut self.model.borrow_mut().is_served[index]);
        let is_refused = take(&mut self.model.borrow_mut().is_refused[index]);
        match poll(&mut future, &self.bell(index)) {
            Poll::Ready(None) => {
                assert!(is_refused, "nobody closed it while it waited");
                self.put(index, Actor::Idle);
            }
            Poll::Ready(Some(guard)) => {
                assert!(is_served, "nobody served it");
                self.put(index, Actor::Holding(guard, weight));
            }
            Poll::Pending => {
                assert!(!is_served, "what it was handed is lost");
                assert!(!is_refused, "it waits for what is closed");
                self.put(index, Actor::Waiting(future, weight));
            }
        }
    }

    fn give_up(&self, index: usize, future: Boxed<Option<Guard>>, weight: usize) {
        let mut model = self.model.borrow_mut();
        if take(&mut model.is_served[index]) {
            model.give_back(weight);
        } else if !take(&mut model.is_refused[index]) {
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
