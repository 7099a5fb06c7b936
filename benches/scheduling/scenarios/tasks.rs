//! Spawning, yielding and waking on one thread.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::runtimes::Runtime;

/// Tasks that are spawned before the first of them is joined.
const BATCH: u64 = 100;

/// Yields of each task in [`alive`].
const YIELDS: u64 = 4;

/// Spawns trivial tasks in batches and joins each batch. An operation is a task.
pub async fn spawn_and_join<R: Runtime>(operations: u64) -> Duration {
    let mut handles = Vec::with_capacity(BATCH as usize);
    let start = Instant::now();
    for batch in 0..operations.div_ceil(BATCH) {
        handles.extend((0..BATCH).map(|i| R::spawn(async move { black_box(batch ^ i) })));
        for handle in handles.drain(..) {
            black_box(R::output(handle.await));
        }
    }
    start.elapsed()
}

/// Spawns all tasks, lets each yield a few times while all of them live, and joins them. An operation
/// is a task: one spawn, [`YIELDS`] + 1 polls, one join.
pub async fn alive<R: Runtime>(operations: u64) -> Duration {
    let mut handles = Vec::with_capacity(operations as usize);
    let start = Instant::now();
    for i in 0..operations {
        handles.push(R::spawn(async move {
            for _ in 0..YIELDS {
                R::yield_now().await;
            }
            black_box(i)
        }));
    }
    for handle in handles {
        black_box(R::output(handle.await));
    }
    start.elapsed()
}

/// Lets some tasks do nothing but yield. An operation is a yield; spawning and joining the tasks is
/// in the time, divided by the hundreds of yields that each makes.
pub async fn take_turns<R: Runtime, Y: Future<Output = ()> + 'static>(
    operations: u64,
    tasks: u64,
    yield_now: fn() -> Y,
) -> Duration {
    let yields = operations / tasks;
    let mut handles = Vec::with_capacity(tasks as usize);
    let start = Instant::now();
    handles.extend((0..tasks).map(|_| {
        R::spawn(async move {
            for _ in 0..yields {
                yield_now().await;
            }
        })
    }));
    for handle in handles {
        R::output(handle.await);
    }
    start.elapsed()
}

/// Checks that a yield lets the others run, each of them once: a yield that does not would be cheap.
///
/// # Panics
///
/// Panics if a task runs twice before the others ran once.
pub async fn assert_turns<R: Runtime>() {
    const TASKS: usize = 3;
    let log = Rc::new(RefCell::new(Vec::new()));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let log = log.clone();
            R::spawn(async move {
                for _ in 0..10 {
                    log.borrow_mut().push(task);
                    R::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        R::output(task.await);
    }
    for round in log.borrow_mut().chunks_mut(TASKS) {
        round.sort_unstable();
        assert_eq!(round, [0, 1, 2], "on {} a yield lets all others run", R::NAME);
    }
}

/// Two tasks hand a token to and fro. An operation is a round trip: two wakes and two polls.
pub async fn ping_pong<R: Runtime>(operations: u64) -> Duration {
    let token = Rc::new(Token::default());
    let start = Instant::now();
    let ping = R::spawn(play(token.clone(), 0, operations));
    let pong = R::spawn(play(token, 1, operations));
    R::output(ping.await);
    R::output(pong.await);
    start.elapsed()
}

async fn play(token: Rc<Token>, player: usize, rounds: u64) {
    for _ in 0..rounds {
        token.turn_of(player).await;
        token.pass_to(1 - player);
    }
}

/// What two players pass between them: the least that two tasks can share.
#[derive(Default)]
struct Token {
    holder: Cell<usize>,
    waiting: [Cell<Option<Waker>>; 2],
}

impl Token {
    fn turn_of(&self, player: usize) -> impl Future<Output = ()> + '_ {
        poll_fn(move |cx| {
            if self.holder.get() == player {
                return Poll::Ready(());
            }
            self.waiting[player].set(Some(cx.waker().clone()));
            Poll::Pending
        })
    }

    fn pass_to(&self, player: usize) {
        self.holder.set(player);
        if let Some(waker) = self.waiting[player].take() {
            waker.wake();
        }
    }
}
