//! Random operations on tasks against a plain model.
//!
//! Tasks, and a host that turns the loop, spawn, wake, abort, join, drop handles and panic, in polls and in
//! drops; helper threads wake. The model is a few vectors that say what must happen. A failure prints the
//! seed; `MONOLOOP_SEED=n` runs that one.
//!
//! With exact wakes, every poll must be the one that the model expects next. With loose ones (threads that
//! wake whenever they come to it, wakers of tasks that are over) polls may be spurious; no wake may be lost.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use common::{Random, poll_once, quiet_panic};
use monoloop::task::TaskId;
use monoloop::{AbortHandle, ErrorReport, EventLoop, JoinHandle};

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Idle,
    Running,
    /// Its future is being dropped.
    Ending,
    Over(Outcome),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Outcome {
    Output,
    Panic,
    Cancelled,
}

/// What the model knows of a task.
struct Model {
    state: State,
    is_queued: bool,
    /// A thread woke it, and the loop has not looked yet.
    is_in_inbox: bool,
    has_handle: bool,
    /// The task that is woken when this one is over.
    joiner: Option<usize>,
    is_abort_requested: bool,
    /// How its last poll ended.
    last: Outcome,
    /// Panics in its drop.
    has_bomb: bool,
    waker: Option<Waker>,
    abort: AbortHandle,
    id: TaskId,
}

/// What a helper thread is to do.
enum Order {
    Wake(Waker),
    /// Says when all before is done.
    Sync,
}

struct World {
    is_exact: bool,
    random: RefCell<Random>,
    tasks: RefCell<Vec<Model>>,
    by_id: RefCell<HashMap<TaskId, usize>>,
    handles: RefCell<Vec<Option<JoinHandle<Output>>>>,
    /// Those that are not over, in no order.
    alive: RefCell<Vec<usize>>,
    queue: RefCell<VecDeque<usize>>,
    inbox: RefCell<VecDeque<usize>>,
    stale: RefCell<Vec<Waker>>,
    /// Panics that the hook must be told of right now.
    due: RefCell<Vec<usize>>,
    event_loop: RefCell<Option<Rc<EventLoop>>>,
    helper: RefCell<Option<mpsc::Sender<Order>>>,
    done: mpsc::Receiver<()>,
    outputs: Cell<isize>,
    futures: Cell<isize>,
    steps: Cell<usize>,
    /// Nothing happens any more but what was begun.
    is_calm: Cell<bool>,
    /// So many drops are on the stack.
    depth: Cell<usize>,
    last_dropped: Cell<usize>,
}

/// What tasks give: counted.
struct Output {
    world: Rc<World>,
    index: usize,
}

impl Drop for Output {
    fn drop(&mut self) {
        self.world.outputs.set(self.world.outputs.get() - 1);
    }
}

struct Actor {
    world: Rc<World>,
    index: usize,
}

impl World {
    fn below(&self, bound: usize) -> usize {
        self.random.borrow_mut().below(bound)
    }

    fn state(&self, index: usize) -> State {
        self.tasks.borrow()[index].state
    }

    /// A task that is not over.
    fn any_alive(&self) -> Option<usize> {
        let alive = self.alive.borrow();
        (!alive.is_empty()).then(|| alive[self.below(alive.len())])
    }

    fn step(&self) {
        self.steps.set(self.steps.get() + 1);
    }

    // ----- the model

    fn model_wake(&self, index: usize) {
        let task = &mut self.tasks.borrow_mut()[index];
        if !matches!(task.state, State::Over(_)) && !task.is_queued {
            task.is_queued = true;
            self.queue.borrow_mut().push_back(index);
        }
    }

    fn model_remote_wake(&self, index: usize) {
        if !self.is_exact {
            // It may arrive at any time: a poll is due from now on.
            return self.model_wake(index);
        }
        let task = &mut self.tasks.borrow_mut()[index];
        if !task.is_in_inbox {
            task.is_in_inbox = true;
            self.inbox.borrow_mut().push_back(index);
        }
    }

    /// What the loop does at the beginning of a turn, which polls one task at most.
    fn model_receive(&self) {
        let inbox = self.inbox.take();
        for index in inbox {
            self.tasks.borrow_mut()[index].is_in_inbox = false;
            self.model_wake(index);
        }
    }

    fn has_work(&self) -> bool {
        let queue = self.queue.borrow();
        !self.inbox.borrow().is_empty()
            || queue.iter().any(|&index| self.state(index) == State::Idle)
    }

    /// The task that must be polled next.
    fn model_next(&self) -> Option<usize> {
        let queue = self.queue.borrow();
        queue.iter().copied().find(|&index| self.state(index) == State::Idle)
    }

    fn model_poll(&self, index: usize) {
        if self.is_exact {
            assert_eq!(self.model_next(), Some(index), "the task that is polled next");
        }
        self.queue
            .borrow_mut()
            .retain(|&queued| queued != index && self.tasks.borrow()[queued].state == State::Idle);
        let task = &mut self.tasks.borrow_mut()[index];
        assert_eq!(task.state, State::Idle, "only idle tasks are polled");
        task.is_queued = false;
        task.state = State::Running;
    }

    /// The future is gone: the task is over.
    fn model_finish(&self, index: usize, outcome: Outcome) {
        let joiner = {
            let task = &mut self.tasks.borrow_mut()[index];
            assert_eq!(task.state, State::Ending);
            task.state = State::Over(outcome);
            if let Some(waker) = task.waker.take() {
                let mut stale = self.stale.borrow_mut();
                if stale.len() < 64 {
                    stale.push(waker);
                } else {
                    let place = self.below(64);
                    stale[place] = waker;
                }
            }
            if outcome == Outcome::Panic && !task.has_handle {
                self.due.borrow_mut().push(index);
            }
            task.joiner.take()
        };
        self.alive.borrow_mut().retain(|&other| other != index);
        if let Some(joiner) = joiner {
            self.model_wake(joiner);
        }
    }

    fn check_reports(&self) {
        assert!(
            self.due.borrow().is_empty(),
            "panics that were not reported: {:?}",
            self.due.borrow()
        );
    }
}

// ----- what the host and the tasks do

fn spawn(world: &Rc<World>) {
    let event_loop = world.event_loop.borrow().clone();
    let Some(event_loop) = event_loop else { return };
    let index = world.tasks.borrow().len();
    world.futures.set(world.futures.get() + 1);
    let actor = Actor { world: Rc::clone(world), index };
    let handle = match world.below(2) {
        0 if monoloop::Handle::try_current().is_some() => monoloop::spawn(actor),
        _ => event_loop.spawn(actor),
    };
    let model = Model {
        state: State::Idle,
        is_queued: false,
        is_in_inbox: false,
        has_handle: true,
        joiner: None,
        is_abort_requested: false,
        last: Outcome::Cancelled,
        has_bomb: world.below(8) == 0,
        waker: None,
        abort: handle.abort_handle(),
        id: handle.id(),
    };
    world.by_id.borrow_mut().insert(handle.id(), index);
    world.tasks.borrow_mut().push(model);
    world.handles.borrow_mut().push(Some(handle));
    world.alive.borrow_mut().push(index);
    world.model_wake(index);
}

fn wake(world: &World, index: usize) {
    let waker = world.tasks.borrow()[index].waker.clone();
    let Some(waker) = waker else { return };
    world.model_wake(index);
    if world.below(2) == 0 { waker.wake() } else { waker.wake_by_ref() }
}

fn wake_remotely(world: &World, index: usize) {
    let waker = world.tasks.borrow()[index].waker.clone();
    let Some(waker) = waker else { return };
    world.model_remote_wake(index);
    order(world, Order::Wake(waker));
    if world.is_exact {
        synchronise(world);
    }
}

fn order(world: &World, order: Order) {
    if let Some(helper) = &*world.helper.borrow() {
        helper.send(order).expect("the helper lives");
    }
}

fn synchronise(world: &World) {
    order(world, Order::Sync);
    world.done.recv().expect("the helper lives");
}

fn abort(world: &World, index: usize) {
    let abort = world.tasks.borrow()[index].abort.clone();
    let before = world.state(index);
    if before == State::Running {
        world.tasks.borrow_mut()[index].is_abort_requested = true;
    }
    let aborted = abort.abort();
    match before {
        State::Idle => {
            assert!(aborted);
            assert!(matches!(world.state(index), State::Over(_)), "dropped before `abort` returns");
            assert!(abort.is_finished());
        }
        State::Running => assert!(aborted && !abort.is_finished()),
        State::Ending | State::Over(_) => assert!(!aborted),
    }
}

fn drop_handle(world: &World, index: usize) {
    let handle = world.handles.borrow_mut()[index].take();
    if handle.is_some() {
        let mut tasks = world.tasks.borrow_mut();
        tasks[index].has_handle = false;
        tasks[index].joiner = None;
        if tasks[index].state == State::Over(Outcome::Panic) {
            world.due.borrow_mut().push(index);
        }
    }
    drop(handle);
    if !matches!(world.state(index), State::Ending) {
        world.check_reports();
    }
}

/// Takes the outcome if it is there; else waits for it as `joiner` with its waker, if there is one.
fn join(world: &World, index: usize, joiner: Option<(usize, &Waker)>) {
    let Some(mut handle) = world.handles.borrow_mut()[index].take() else { return };
    let state = world.state(index);
    assert_eq!(handle.is_finished(), matches!(state, State::Over(_)));
    let outcome = match joiner {
        Some((_, waker)) => match poll_once(&mut handle, waker) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        },
        None => handle.try_join(),
    };
    let expected = match state {
        State::Over(outcome) => Some(outcome),
        _ => None,
    };
    let found = outcome.as_ref().map(|outcome| match outcome {
        Ok(output) => {
            assert_eq!(output.index, index);
            Outcome::Output
        }
        Err(error) if error.is_panic() => Outcome::Panic,
        Err(_) => Outcome::Cancelled,
    });
    assert_eq!(found, expected, "the outcome of task {index}");
    if outcome.is_some() {
        world.tasks.borrow_mut()[index].has_handle = false;
        drop(handle);
    } else {
        if let Some((joiner, _)) = joiner {
            world.tasks.borrow_mut()[index].joiner = Some(joiner);
        }
        world.handles.borrow_mut()[index] = Some(handle);
    }
}

/// Takes the waker of a task that ends from where it waits: it would be a stale one.
fn forget_joiner(world: &World, index: usize) {
    let awaited: Vec<usize> = {
        let (alive, tasks) = (world.alive.borrow(), world.tasks.borrow());
        alive.iter().copied().filter(|&other| tasks[other].joiner == Some(index)).collect()
    };
    for other in awaited {
        if world.state(other) == State::Running {
            // We are inside its poll, where its handle cannot be polled.
            drop_handle(world, other);
            continue;
        }
        world.tasks.borrow_mut()[other].joiner = None;
        if let Some(handle) = &mut world.handles.borrow_mut()[other] {
            assert!(poll_once(handle, Waker::noop()).is_pending());
        }
    }
}

/// One random deed, of the host or of the task `me`.
fn act(world: &Rc<World>, me: Option<(usize, &Waker)>) {
    world.step();
    let Some(other) = world.any_alive() else { return spawn(world) };
    let is_crowded = world.alive.borrow().len() > 60;
    match world.below(64) {
        0..16 if !is_crowded => spawn(world),
        0..20 => {
            let recent = world.tasks.borrow().len() - 1;
            join(world, recent - world.below(recent.min(100) + 1), None);
        }
        20..34 => wake(world, other),
        34..40 if is_crowded => abort(world, other),
        34..37 => abort(world, other),
        37..44 => match me {
            Some((index, waker)) if index != other => join(world, other, Some((index, waker))),
            _ => join(world, other, None),
        },
        44..48 => {
            let recent = world.tasks.borrow().len() - 1;
            drop_handle(world, recent - world.below(recent.min(100) + 1));
        }
        48..50 => drop_handle(world, other),
        50 if world.below(8) == 0 => wake_remotely(world, other),
        51..54 if !world.is_exact => {
            let waker = {
                let stale = world.stale.borrow();
                (!stale.is_empty()).then(|| stale[world.below(stale.len())].clone())
            };
            match waker {
                Some(waker) if world.below(16) == 0 => order(world, Order::Wake(waker)),
                Some(waker) => waker.wake(),
                None => {}
            }
        }
        54..58 => {
            if let Some((_, waker)) = me {
                let index = me.map(|(index, _)| index).expect("as just seen");
                world.model_wake(index);
                waker.wake_by_ref();
            }
        }
        _ => {}
    }
}

impl Future for Actor {
    type Output = Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        let (world, index) = (Rc::clone(&self.world), self.index);
        world.step();
        world.model_poll(index);
        world.tasks.borrow_mut()[index].waker = Some(cx.waker().clone());
        assert_eq!(
            monoloop::task::current().map(|task| task.id()),
            Some(world.tasks.borrow()[index].id)
        );
        if !world.is_calm.get() {
            for _ in 0..world.below(3) {
                act(&world, Some((index, cx.waker())));
            }
            if world.below(16) == 0 {
                abort(&world, index);
            }
            match world.below(16) {
                0 => {
                    world.tasks.borrow_mut()[index].last = Outcome::Panic;
                    quiet_panic("in poll");
                }
                1..3 => {
                    world.tasks.borrow_mut()[index].last = Outcome::Output;
                    world.outputs.set(world.outputs.get() + 1);
                    return Poll::Ready(Output { world, index });
                }
                _ => {}
            }
        }
        if !world.tasks.borrow()[index].is_abort_requested {
            world.tasks.borrow_mut()[index].state = State::Idle;
        }
        Poll::Pending
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let (world, index) = (Rc::clone(&self.world), self.index);
        world.futures.set(world.futures.get() - 1);
        let bomb = {
            let task = &mut world.tasks.borrow_mut()[index];
            assert!(!matches!(task.state, State::Over(_) | State::Ending), "dropped once");
            task.state = State::Ending;
            task.has_bomb
        };
        if world.event_loop.borrow().is_none() {
            assert!(world.last_dropped.replace(index) < index, "the end is in spawn order");
        } else if world.depth.get() < 8 && !world.is_calm.get() {
            world.depth.set(world.depth.get() + 1);
            for _ in 0..world.below(3) {
                act(&world, None);
            }
            world.depth.set(world.depth.get() - 1);
        }
        let last = world.tasks.borrow()[index].last;
        if world.is_exact {
            forget_joiner(&world, index);
        }
        world.model_finish(index, if bomb { Outcome::Panic } else { last });
        if bomb {
            quiet_panic("in drop");
        }
    }
}

// ----- the test

fn run(seed: u64, is_exact: bool, steps: usize) {
    let (helper, orders) = mpsc::channel();
    let (finished, done) = mpsc::channel();
    let thread = thread::spawn(move || {
        for order in orders {
            match order {
                Order::Wake(waker) => waker.wake(),
                Order::Sync => finished.send(()).expect("the test waits"),
            }
        }
    });
    let world = Rc::new(World {
        is_exact,
        random: RefCell::new(Random::new(seed)),
        tasks: RefCell::default(),
        by_id: RefCell::default(),
        handles: RefCell::default(),
        alive: RefCell::default(),
        queue: RefCell::default(),
        inbox: RefCell::default(),
        stale: RefCell::default(),
        due: RefCell::default(),
        event_loop: RefCell::default(),
        helper: RefCell::new(Some(helper)),
        done,
        outputs: Cell::new(0),
        futures: Cell::new(0),
        steps: Cell::new(0),
        is_calm: Cell::new(false),
        depth: Cell::new(0),
        last_dropped: Cell::new(0),
    });
    let told = Rc::downgrade(&world);
    let hook = move |report: &ErrorReport| {
        let ErrorReport::TaskPanic { task, .. } = report else { unreachable!("{report}") };
        let Some(world) = told.upgrade() else { return };
        let index = world.by_id.borrow()[&task.id()];
        let mut due = world.due.borrow_mut();
        let place = due.iter().position(|&other| other == index);
        // The hook's own panics are swallowed: what it finds out is kept.
        match place {
            Some(place) => drop(due.swap_remove(place).to_string()),
            None => due.push(usize::MAX),
        }
    };
    let event_loop =
        EventLoop::builder().poll_budget(1).slow_poll(None).on_error(hook).build().expect("a loop");
    *world.event_loop.borrow_mut() = Some(Rc::new(event_loop));

    let turn = |world: &World| {
        let event_loop = world.event_loop.borrow().clone().expect("it ends later");
        world.model_receive();
        let more = event_loop.turn(Some(Duration::ZERO)).expect("a turn");
        world.check_reports();
        if !more && world.is_exact {
            assert!(!world.has_work(), "a ready task was forgotten");
        }
        more
    };
    while world.steps.get() < steps {
        if world.below(3) == 0 {
            act(&world, None);
        } else if world.below(16) == 0 || world.has_work() {
            // A turn without work costs system calls.
            turn(&world);
        }
        if world.below(5000) == 0 {
            calm_down(&world, turn);
        }
    }
    calm_down(&world, turn);
    let alive: Vec<usize> = world.alive.borrow().clone();
    drop(world.event_loop.take());
    assert!(world.alive.borrow().is_empty(), "all ended with the loop: {alive:?}");
    assert_eq!(world.futures.get(), 0);
    let tasks = world.tasks.borrow().len();
    for index in 0..tasks {
        join(&world, index, None);
    }
    assert_eq!(world.outputs.get(), 0, "every output was dropped once");
    world.check_reports();
    // After the loop.
    for waker in world.stale.take() {
        order(&world, Order::Wake(waker.clone()));
        waker.wake();
    }
    drop(world.helper.take());
    thread.join().expect("the helper");
}

/// Lets everything come to rest, and looks whether a wake was lost.
fn calm_down(world: &Rc<World>, turn: impl Fn(&World) -> bool) {
    world.is_calm.set(true);
    synchronise(world);
    while turn(world) {}
    world.model_receive();
    for &index in world.alive.borrow().iter() {
        assert!(!world.tasks.borrow()[index].is_queued, "a wake of task {index} was lost");
    }
    world.is_calm.set(false);
}

/// For each of eight seeds: a million in each test, also where nothing is optimised.
const STEPS: usize = if cfg!(miri) { 500 } else { 125_000 };

fn run_all(is_exact: bool) {
    let given = std::env::var("MONOLOOP_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seeds = given.map_or(1..=8, |seed: u64| seed..=seed);
    for seed in seeds {
        println!("MONOLOOP_SEED={seed}");
        run(seed, is_exact, STEPS);
    }
}

/// One test at a time: wake slots outlive their loops and serve the next, so a stale waker of the one test may
/// cost the other's tasks a poll that the exact model does not expect.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn tasks_do_what_the_model_says() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    run_all(true);
}

#[test]
fn tasks_lose_no_wake_though_stale_wakers_and_threads_wake_at_any_time() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    run_all(false);
}
