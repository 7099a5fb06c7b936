//! The memory of tasks that wait.
//!
//! Memory that was used once stays with the process, so each sample is a process of its own: the
//! benchmark starts itself again with [`CHILD_FLAG`], and the child prints one number.

use std::cell::RefCell;
use std::env;
use std::future::poll_fn;
use std::process::{self, Command};
use std::task::{Context, Poll, Waker};

use crate::platform;
use crate::runtimes::Runtime;

/// `CHILD_FLAG NAME TASKS` makes this process measure the runtime of that name.
pub const CHILD_FLAG: &str = "--parked-tasks-of";

/// Tasks spawned before they are given a turn, so that it is not the ready queue that grows.
const BATCH: u64 = 1000;

thread_local! {
    /// Somebody must hold the waker of a parked task: where tasks are reference counted they would be
    /// gone otherwise.
    static WAKERS: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// Starts a child that parks `tasks` tasks, and returns the bytes that became resident.
pub fn bytes_in_fresh_process(name: &str, tasks: u64) -> Option<f64> {
    let child = Command::new(env::current_exe().expect("this program has a path"))
        .args([CHILD_FLAG, name, &tasks.to_string()])
        .output()
        .expect("this program starts again");
    assert!(
        child.status.success(),
        "the child that parks the tasks of {name} failed: {}",
        String::from_utf8_lossy(&child.stderr),
    );
    String::from_utf8_lossy(&child.stdout).trim().parse().ok()
}

/// What the child does: parks the tasks, prints the bytes, or nothing where the platform cannot tell,
/// and leaves without tearing anything down.
pub fn print_parked_bytes<R: Runtime>(tasks: u64) {
    R::block_on(async move { R::output(R::spawn(park_all::<R>(tasks)).await) });
}

async fn park_all<R: Runtime>(tasks: u64) {
    touch_wakers(tasks as usize);
    let before = platform::resident_bytes();
    for _ in 0..tasks.div_ceil(BATCH) {
        let expected = parked() + BATCH as usize;
        for _ in 0..BATCH {
            R::spawn_detached(poll_fn(park));
        }
        while parked() < expected {
            R::yield_now().await;
        }
    }
    if let (Some(before), Some(after)) = (before, platform::resident_bytes()) {
        println!("{}", after.saturating_sub(before));
    }
    process::exit(0);
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
