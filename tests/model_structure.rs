//! Random programs of groups, scopes and sets: whatever their children do, none outlives its parent, each output, error
//! and panic arrives once, and nothing is left.
//!
//! Children sleep, spawn, fail, panic, end their group, wait for each other, abort each other, leave clean-ups, and nest;
//! parents are dropped half-way. A failure prints the seed; `MONOLOOP_SEED=n` runs that one.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use common::{Random, Stay, many, message, quiet_panic};
use monoloop::task::{
    self, GroupHandle, JoinError, JoinSet, MemberError, Scope, ScopeHandle, TaskGroup, defer,
    group, scope,
};
use monoloop::time::{sleep, timeout};
use monoloop::{ErrorReport, EventLoop, spawn, yield_now};

/// All is over long before that.
const HOUR: Duration = Duration::from_secs(3600);

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// An output or an error. It knows who made it, and is counted.
struct Token {
    id: u64,
    _stay: Stay,
}

#[derive(Default)]
struct World {
    random: RefCell<Option<Random>>,
    last_id: Cell<u64>,
    tokens: Rc<Cell<usize>>,
    clean_ups: Rc<Cell<usize>>,
    /// All bodies and children.
    alive: Rc<Cell<usize>>,
    panics: Cell<usize>,
    /// Panics that a joiner got.
    caught: Cell<usize>,
}

impl World {
    fn below(&self, bound: usize) -> usize {
        self.random.borrow_mut().as_mut().expect("it was seeded").below(bound)
    }

    fn one_in(&self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn id(&self) -> u64 {
        self.last_id.set(self.last_id.get() + 1);
        self.last_id.get()
    }

    fn token(&self, id: u64) -> Token {
        Token { id, _stay: Stay::new(&self.tokens) }
    }

    fn moment(&self) -> Duration {
        Duration::from_millis(self.below(6) as u64)
    }

    /// When a parent is given up: as a rule, never.
    fn limit(&self) -> Duration {
        if self.one_in(4) { self.moment() } else { Duration::MAX }
    }

    fn panic(&self, id: u64) -> ! {
        self.panics.set(self.panics.get() + 1);
        quiet_panic(&id.to_string())
    }

    /// The number in a panic that a joiner got.
    fn catch(&self, error: JoinError) -> u64 {
        self.caught.set(self.caught.get() + 1);
        message(error.into_panic()).parse().expect("a number")
    }
}

/// What is known of one group or scope.
struct Scene {
    world: Rc<World>,
    /// Its body and children.
    alive: Rc<Cell<usize>>,
    clean_ups: Rc<Cell<usize>>,
    spawned: Cell<usize>,
    /// Errors and panics, in the order they came up.
    errors: RefCell<Vec<u64>>,
    panics: RefCell<Vec<u64>>,
    handles: RefCell<Vec<(u64, GroupHandle<Token>)>>,
}

impl Scene {
    fn new(world: &Rc<World>) -> Rc<Self> {
        Rc::new(Self {
            world: Rc::clone(world),
            alive: Rc::default(),
            clean_ups: Rc::default(),
            spawned: Cell::new(0),
            errors: RefCell::default(),
            panics: RefCell::default(),
            handles: RefCell::default(),
        })
    }

    fn enter(&self) -> [Stay; 2] {
        [Stay::new(&self.alive), Stay::new(&self.world.alive)]
    }

    /// Programs grow at random, and are not to grow for ever.
    fn is_crowded(&self) -> bool {
        self.world.alive.get() > 50 || self.spawned.replace(self.spawned.get() + 1) > 50
    }

    fn fail(&self, id: u64) -> Token {
        self.errors.borrow_mut().push(id);
        self.world.token(id)
    }

    fn panic(&self, id: u64) -> ! {
        self.panics.borrow_mut().push(id);
        self.world.panic(id)
    }

    /// A clean-up that takes a moment, and may panic, or fails the group that it is given.
    fn defer(&self, failing: Option<(Rc<Self>, Group)>) -> impl Sized + use<> {
        let (world, time) = (Rc::clone(&self.world), self.world.moment());
        let stays = [Stay::new(&self.clean_ups), Stay::new(&world.clean_ups)];
        defer(async move {
            let _stays = stays;
            sleep(time).await;
            if let Some((scene, group)) = failing {
                drop(group.fail(scene.fail(world.id())));
            } else if world.one_in(16) {
                world.panic(0);
            }
        })
    }

    /// The parent has given its outcome; it was not dropped.
    fn is_over(&self) {
        assert_eq!(self.alive.get(), 0, "children that outlived their parent");
        assert_eq!(self.clean_ups.get(), 0, "clean-ups that were not waited for");
    }
}

// ----- groups

type Group = TaskGroup<Token, Token>;

/// What bodies and children do.
async fn member(scene: Rc<Scene>, group: Group, id: u64, depth: usize) -> Result<Token, Token> {
    let _stays = scene.enter();
    let world = &scene.world;
    let mut guards = Vec::new();
    for _ in 0..world.below(6) {
        match world.below(14) {
            0..4 => sleep(world.moment()).await,
            4 => yield_now().await,
            5..8 => spawn_member(&scene, &group, depth),
            8 => guards.push(scene.defer(None)),
            9 if depth > 0 => any_parent(Rc::clone(world), depth - 1).await,
            13 if world.one_in(4) => {
                guards.push(scene.defer(Some((Rc::clone(&scene), group.clone()))))
            }
            10 => await_member(&scene, id).await,
            11 => abort_or_drop_member(&scene),
            12 if world.one_in(4) => drop(group.finish(world.token(id))),
            _ => {}
        }
    }
    match world.below(16) {
        0 => Err(scene.fail(id)),
        1 => scene.panic(id),
        _ => Ok(world.token(id)),
    }
}

fn spawn_member(scene: &Rc<Scene>, group: &Group, depth: usize) {
    if scene.is_crowded() {
        return;
    }
    let id = scene.world.id();
    let future = member(Rc::clone(scene), group.clone(), id, depth);
    // Boxed because it holds itself, so to speak.
    let future: Boxed<'static, _> = Box::pin(future);
    match group.try_spawn(future) {
        Ok(handle) => scene.handles.borrow_mut().push((id, handle)),
        Err(refused) => {
            assert!(!group.is_open());
            drop(refused);
        }
    }
}

fn any_handle(scene: &Scene) -> Option<(u64, GroupHandle<Token>)> {
    let mut handles = scene.handles.borrow_mut();
    let count = handles.len();
    (count > 0).then(|| handles.swap_remove(scene.world.below(count)))
}

fn abort_or_drop_member(scene: &Scene) {
    let Some((id, handle)) = any_handle(scene) else { return };
    if scene.world.one_in(2) {
        handle.abort();
        scene.handles.borrow_mut().push((id, handle));
    }
}

async fn await_member(scene: &Scene, me: u64) {
    let Some((id, mut handle)) = any_handle(scene) else { return };
    if id == me {
        return;
    }
    // Not for ever: it may be waiting for us.
    match timeout(scene.world.moment(), &mut handle).await {
        Ok(outcome) => check_outcome(scene, id, outcome),
        Err(_) => scene.handles.borrow_mut().push((id, handle)),
    }
}

fn check_outcome(scene: &Scene, id: u64, outcome: Result<Token, MemberError>) {
    let has_failed = scene.errors.borrow().contains(&id) || scene.panics.borrow().contains(&id);
    match outcome {
        Ok(token) => assert!(token.id == id && !has_failed),
        Err(MemberError::Failed) => assert!(has_failed, "{id} is said to have failed"),
        Err(_) => {}
    }
}

async fn any_group(world: Rc<World>, depth: usize) {
    let scene = Scene::new(&world);
    let limit = world.limit();
    let run = {
        let scene = Rc::clone(&scene);
        let id = world.id();
        let body = async move |group: Group| member(scene, group, id, depth).await;
        // As a task, whose joiner gets its panic.
        spawn(timeout(limit, group(body))).abort_on_drop()
    };
    match run.await {
        Ok(Err(_elapsed)) => assert_eq!(scene.alive.get(), 0, "children of a dropped group"),
        Ok(Ok(outcome)) => {
            scene.is_over();
            assert!(scene.panics.borrow().is_empty());
            let errors = outcome.err().map(|error| error.into_errors()).unwrap_or_default();
            let ids: Vec<_> = errors.iter().map(|token| token.id).collect();
            assert_eq!(ids, *scene.errors.borrow(), "each error, the first one first");
        }
        Err(error) => {
            scene.is_over();
            assert_eq!(scene.panics.borrow().first(), Some(&world.catch(error)), "the first panic");
        }
    }
    for (id, handle) in scene.handles.take() {
        assert!(handle.is_finished(), "the group is over, and {id} is not");
        check_outcome(&scene, id, handle.await);
    }
}

// ----- scopes

async fn scope_child<'env>(scene: &'env Scene, s: Scope<'env>, id: u64, depth: usize) -> Token {
    let _stays = scene.enter();
    let world = &scene.world;
    let mut guards = Vec::new();
    let mut handles: Vec<(u64, ScopeHandle<'_, Token>)> = Vec::new();
    for _ in 0..world.below(6) {
        match world.below(12) {
            0..4 => sleep(world.moment()).await,
            4 => yield_now().await,
            5..8 if !scene.is_crowded() => {
                let id = world.id();
                let child: Boxed<'env, _> = Box::pin(scope_child(scene, s.clone(), id, depth));
                handles.push((id, s.spawn(child)));
            }
            8 => guards.push(scene.defer(None)),
            9 if depth > 0 => any_parent(Rc::clone(world), depth - 1).await,
            10 => {
                if let Some((id, mut handle)) = handles.pop() {
                    // Its own child, so not one that waits for it: but it may take long.
                    match timeout(world.moment(), &mut handle).await {
                        Ok(token) => assert_eq!(token.id, id),
                        Err(_) => handles.push((id, handle)),
                    }
                }
            }
            _ => {}
        }
    }
    if world.one_in(16) {
        scene.panic(id);
    }
    world.token(id)
}

async fn any_scope(world: Rc<World>, depth: usize) {
    let scene = Scene::new(&world);
    let (limit, id) = (world.limit(), world.id());
    let run = {
        let scene = Rc::clone(&scene);
        spawn(async move {
            let scene = &*scene;
            let run = scope(async |s: Scope<'_>| scope_child(scene, s, id, depth).await);
            let outcome = timeout(limit, run).await;
            assert_eq!(scene.alive.get(), 0, "children that outlived their scope");
            outcome
        })
        .abort_on_drop()
    };
    match run.await {
        Ok(Err(_elapsed)) => {}
        Ok(Ok(token)) => {
            scene.is_over();
            assert!(token.id == id && scene.panics.borrow().is_empty());
        }
        Err(error) => {
            scene.is_over();
            assert_eq!(scene.panics.borrow().first(), Some(&world.catch(error)), "the first panic");
        }
    }
}

// ----- sets

async fn any_set(world: Rc<World>, depth: usize) {
    let limit = 1 + world.below(4);
    let running = Rc::new(Cell::new(0));
    let mut set = if world.one_in(2) { JoinSet::new() } else { JoinSet::with_limit(limit) };
    let is_limited = format!("{set:?}").contains("Some");
    let (mut inside, mut aborts) = (HashSet::new(), Vec::new());
    let mut aborted = HashSet::new();
    for _ in 0..world.below(24) {
        match world.below(16) {
            0..8 => {
                let (id, running, world) = (world.id(), Rc::clone(&running), Rc::clone(&world));
                inside.insert(id);
                let task = async move {
                    let _stays = [Stay::new(&running), Stay::new(&world.alive)];
                    assert!(!is_limited || running.get() <= limit, "{} run", running.get());
                    sleep(world.moment()).await;
                    if depth > 0 && world.one_in(8) {
                        any_parent(Rc::clone(&world), depth - 1).await;
                    }
                    if world.one_in(8) {
                        world.panic(id);
                    }
                    world.token(id)
                };
                // Boxed because a set may nest in a set.
                let task: Boxed<'static, _> = Box::pin(task);
                aborts.push((id, set.spawn(task)));
            }
            8..12 => {
                let next = timeout(world.moment(), set.join_next()).await;
                if let Ok(Some(outcome)) = next {
                    check_joined(&world, outcome, &mut inside, &aborted);
                }
            }
            12 => {
                if let Some(outcome) = set.try_join_next() {
                    check_joined(&world, outcome, &mut inside, &aborted);
                }
            }
            13..15 if !aborts.is_empty() => {
                let (id, abort) = aborts.swap_remove(world.below(aborts.len()));
                if abort.abort() {
                    aborted.insert(id);
                }
            }
            _ => {}
        }
        assert_eq!(set.len(), inside.len());
    }
    match world.below(4) {
        0 => drop(set),
        1 => {
            set.shutdown().await;
            assert!(set.is_empty());
        }
        _ => {
            while let Some(outcome) = set.join_next().await {
                check_joined(&world, outcome, &mut inside, &aborted);
            }
            assert!(inside.is_empty(), "outcomes that did not come: {inside:?}");
        }
    }
    assert_eq!(running.get(), 0, "tasks that outlived their set");
}

/// Each outcome comes once, and is cancelled only if it was aborted.
fn check_joined(
    world: &World,
    outcome: Result<Token, JoinError>,
    inside: &mut HashSet<u64>,
    aborted: &HashSet<u64>,
) {
    let id = match outcome {
        Ok(token) => token.id,
        Err(error) if error.is_panic() => world.catch(error),
        Err(_) => {
            // Which one is not said; one of those that were.
            let id = inside.iter().find(|id| aborted.contains(id)).copied();
            id.expect("nobody was aborted")
        }
    };
    assert!(inside.remove(&id), "{id} came twice");
}

// ----- all together

/// Boxed because they nest in each other.
fn any_parent(world: Rc<World>, depth: usize) -> Boxed<'static, ()> {
    match world.below(3) {
        0 => Box::pin(any_group(world, depth)),
        1 => Box::pin(any_scope(world, depth)),
        _ => Box::pin(any_set(world, depth)),
    }
}

fn run(seed: u64, rounds: usize) {
    let world = Rc::new(World::default());
    *world.random.borrow_mut() = Some(Random::new(seed));
    let reported = Rc::new(Cell::new(0));
    let count = Rc::clone(&reported);
    let event_loop = EventLoop::builder()
        .virtual_time(true)
        .slow_poll(None)
        .on_error(move |report| {
            assert!(!matches!(report, ErrorReport::ShutdownOverrun { .. }), "{report}");
            count.set(count.get() + 1);
        })
        .build()
        .expect("a loop");
    for _ in 0..rounds {
        event_loop.run(async {
            let mut parent = any_parent(Rc::clone(&world), 2);
            let done = timeout(HOUR, &mut parent).await;
            assert!(done.is_ok(), "they wait for ever: {:#?}", task::all());
            // Clean-ups of what was dropped are the loop's.
            for _ in 0..100 {
                sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(world.clean_ups.get(), 0, "clean-ups that do not end");
            yield_now().await;
            assert_eq!(task::all().len(), 1, "tasks that are left: {:?}", task::all());
        });
        assert_eq!(world.alive.get(), 0);
    }
    assert!(event_loop.shutdown().is_clean());
    assert_eq!(world.tokens.get(), 0, "outputs and errors that were not dropped");
    assert_eq!(world.caught.get() + reported.get(), world.panics.get(), "each panic is told once");
    assert_eq!(Rc::strong_count(&world), 1);
    println!("seed {seed}: {} children, {} panics", world.last_id.get(), world.panics.get());
}

#[test]
fn random_structures_keep_their_promises() {
    let given = std::env::var("MONOLOOP_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seeds = given.map_or(1..=8, |seed: u64| seed..=seed);
    for seed in seeds {
        println!("MONOLOOP_SEED={seed}");
        run(seed, if cfg!(miri) { 5 } else { many(300, 10_000) });
    }
}
