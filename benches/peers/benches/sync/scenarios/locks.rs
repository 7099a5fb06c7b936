//! Locks and permits.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::HOLDERS;

/// Takes and gives back what is free. An operation is both.
pub async fn acquire(operations: u64, acquire: impl AsyncFn()) -> Duration {
    let start = Instant::now();
    for _ in 0..operations {
        acquire().await;
    }
    start.elapsed()
}

/// Many tasks take turns, in each of which they hold the lock while they yield. An operation is a turn.
pub async fn pass_around<M: 'static>(
    operations: u64,
    mutex: M,
    turn: impl AsyncFn(&M) + Copy + 'static,
) -> Duration {
    let mutex = Rc::new(mutex);
    let start = Instant::now();
    let tasks: Vec<_> = (0..HOLDERS)
        .map(|_| {
            let mutex = Rc::clone(&mutex);
            monoloop::spawn(async move {
                for _ in 0..operations.div_ceil(HOLDERS) {
                    turn(&mutex).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no task panics");
    }
    start.elapsed()
}
