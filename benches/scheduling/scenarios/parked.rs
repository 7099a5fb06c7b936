//! The memory of tasks that wait; a sample needs a process of its own.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use crate::harness::platform;
use crate::runtimes::Runtime;

/// Tasks spawned before they are given a turn, so that it is not the ready queue that grows.
const BATCH: u64 = 1000;

thread_local! {
    /// Somebody must hold the waker of a parked task: where tasks are reference counted they would be
    /// gone otherwise.
    static WAKERS: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// Parks `tasks` tasks, and gives the bytes that became resident.
pub fn resident_bytes<R: Runtime>(tasks: u64) -> Option<f64> {
    R::block_on(async move { R::output(R::spawn(park_all::<R>(tasks)).await) })
}

async fn park_all<R: Runtime>(tasks: u64) -> Option<f64> {
    touch_wakers(tasks as usize);
    let before = platform::resident_bytes()?;
    for _ in 0..tasks.div_ceil(BATCH) {
        let expected = parked() + BATCH as usize;
        for _ in 0..BATCH {
            R::spawn_detached(poll_fn(park));
        }
        while parked() < expected {
            R::yield_now().await;
        }
    }
    Some(platform::resident_bytes()?.saturating_sub(before) as f64)
}

/// Makes the memory of the wakers resident before the count begins: it belongs to whoever wakes.
fn touch_wakers(tasks: usize) {
    let mut wakers = vec![Waker::noop().clone(); tasks];
    wakers.clear();
    WAKERS.set(wakers);
}

fn park(cx: &mut Context<'_>) -> Poll<()> {
    WAKERS.with_borrow_mut(|wakers| wakers.push(cx.waker().clone()));
    Poll::Pending
}

fn parked() -> usize {
    WAKERS.with_borrow(Vec::len)
}
