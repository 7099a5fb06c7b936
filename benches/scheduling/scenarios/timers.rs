//! Timers: most are dropped before they expire, so both ends of their life are measured.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::harness::platform;
use crate::runtimes::{Runtime, yield_by_waking};

/// Sleeps between two yields. Some runtimes let a task do only so much at a stretch (tokio: 128
/// operations) and answer `Pending` without registering anything once it is used up.
const STRETCH: u64 = 100;

/// Between the deadlines of two sleepers in [`expire`].
const SPACING: Duration = Duration::from_micros(10);

/// A prime, to visit numbers in an order that is not their own.
const SHUFFLE: u64 = 7919;

/// Creates a sleep, polls it once and drops it, while `others` are alive. An operation is one sleep.
pub async fn create_and_drop<R: Runtime>(operations: u64, others: u64) -> Duration {
    let mut alive = Vec::with_capacity(others as usize);
    for i in 0..others {
        let mut sleep = Box::pin(R::sleep(some_seconds(i)));
        poll_once(sleep.as_mut()).await;
        alive.push(sleep);
        rest(i).await;
    }
    let start = Instant::now();
    for i in 0..operations {
        let mut sleep = pin!(R::sleep(some_seconds(i)));
        black_box(poll_once(sleep.as_mut()).await);
        rest(i).await;
    }
    let elapsed = start.elapsed();
    drop(alive);
    elapsed
}

/// Lets many sleeping tasks wake up one after the other, [`SPACING`] apart. An operation is a
/// sleeper; the time is the processor time of the whole process, from when all of them sleep until the
/// last has ended.
pub async fn expire<R: Runtime>(operations: u64) -> Option<Duration> {
    let lead = Duration::from_millis(20) + SPACING * operations as u32 / 2;
    let first = Instant::now() + lead;
    let asleep = Rc::new(Cell::new(0));
    let sleepers: Vec<_> = (0..operations)
        .map(|i| {
            let place = (i * SHUFFLE % operations) as u32;
            R::spawn(sleep_until::<R>(first + SPACING * place, asleep.clone()))
        })
        .collect();
    while asleep.get() < operations {
        R::yield_now().await;
    }
    let before = platform::cpu_time()?;
    // Their order is random, so the joining task waits for a handful of them only.
    for sleeper in sleepers {
        R::output(sleeper.await);
    }
    Some(platform::cpu_time()? - before)
}

async fn sleep_until<R: Runtime>(deadline: Instant, asleep: Rc<Cell<u64>>) {
    let mut sleep = pin!(R::sleep(deadline.saturating_duration_since(Instant::now())));
    poll_once(sleep.as_mut()).await;
    asleep.set(asleep.get() + 1);
    sleep.await;
}

/// Between ten and sixty seconds: time limits, as programs set them.
fn some_seconds(i: u64) -> Duration {
    Duration::from_millis(10_000 + i * SHUFFLE % 50_000)
}

/// Polls `future` once and says whether it was ready.
async fn poll_once(mut future: Pin<&mut impl Future>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}

/// Yields once in a [`STRETCH`].
async fn rest(i: u64) {
    if i % STRETCH == STRETCH - 1 {
        yield_by_waking().await;
    }
}
