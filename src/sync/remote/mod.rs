//! Channels and events between threads.
//!
//! Everything else in [`sync`](super) stays on its thread. What is here may cross: each end is `Send`, and
//! can be awaited on any executor or waited for by blocking, so that a thread with a loop and one without
//! work together.
//!
//! | | for one value | for many | for a signal |
//! | --- | --- | --- | --- |
//! | | [`oneshot`] | [`channel`] | [`event`] |
//!
//! A value that arrives wakes the loop through a plain [`Waker`], which costs a system call
//! if the loop sleeps, and else next to nothing. These channels have a lock inside; within one thread take
//! [`mpsc`](super::mpsc), [`oneshot`](super::oneshot) and [`Event`](super::Event), which have none.
//!
//! # Other crates
//!
//! Whatever works with `Waker`s works here. These are tested with monoloop, in both directions between a loop
//! and a plain thread (`tests/sync_remote.rs`):
//!
//! | crate | what |
//! | --- | --- |
//! | [`async-channel`](https://docs.rs/async-channel) | many to many, bounded or not |
//! | [`flume`](https://docs.rs/flume) | many to many, with selection |
//! | [`tokio::sync`] | `mpsc`, `oneshot`, `watch`, `broadcast`, `Notify`; they need no tokio runtime |
//!
//! [`tokio::sync`]: https://docs.rs/tokio/latest/tokio/sync
//!
//! # Examples
//!
//! ```
//! use std::thread;
//! use monoloop::sync::remote::channel;
//!
//! let (sender, mut receiver) = channel::bounded(16);
//! let worker = thread::spawn(move || {
//!     for n in 0..100 {
//!         sender.blocking_send(n * n).expect("the loop receives");
//!     }
//! });
//! let sum = monoloop::run(async {
//!     let mut sum = 0;
//!     while let Some(square) = receiver.recv().await {
//!         sum += square;
//!     }
//!     sum
//! });
//! assert_eq!(sum, 328_350);
//! # worker.join().unwrap();
//! ```

mod block;
pub mod channel;
pub mod event;
pub mod oneshot;

pub(crate) use block::refuse_on_loop;

use std::sync::{Mutex, MutexGuard};
use std::task::Waker;

use crate::executor::wake::WakeRef;
use crate::wait_list;

/// Locks. Nothing that runs under our locks can leave them half-changed, so poison means nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// Wakes who waits, if anybody does. A panic of the waker goes to the caller, unless this thread is panicking
/// already: drops wake as well.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        wait_list::wake(WakeRef::Foreign(waker));
    }
}
