#![doc = include_str!("../docs/tour.md")]
// Under `--cfg loom` the crate is empty: `tests/loom_wake.rs` includes the module it checks by path.
#![cfg(not(loom))]
#![deny(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod blocking;
pub mod event_loop;
#[allow(unsafe_code)]
// wake slots and task cells: the argument heads `executor::wake` and `executor::task`
mod executor;
pub mod fs;
pub mod future;
pub mod io;
pub mod net;
#[cfg(unix)]
pub mod process;
pub mod protocol;
mod reactor;
#[cfg(unix)]
pub mod signal;
pub mod sync;
pub mod task;
pub mod time;
mod timer;

#[doc(inline)]
pub use event_loop::{
    Builder, CallHandle, ErrorReport, EventLoop, Handle, Interrupted, LoopClosed, OnCtrlC,
    RemoteJoin, RemoteJoinError, ShutdownReport, WorkGuard, Worker, WorkerError, Workers,
    WorkersBuilder, call_at, call_later, call_soon, run, workers,
};
#[cfg(feature = "macros")]
pub use monoloop_macros::{main, test};
#[doc(inline)]
pub use task::{
    AbortHandle, BlockingJoin, JoinError, JoinHandle, spawn, spawn_blocking, unblock, yield_now,
};

/// The README's examples, as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The guides' examples, as doctests.
#[cfg(doctest)]
#[doc = include_str!("../docs/from-asyncio.md")]
#[doc = include_str!("../docs/from-tokio.md")]
struct Guides;
