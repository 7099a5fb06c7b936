#![doc = include_str!("../docs/tour.md")]
// Under `--cfg loom` the crate is empty: `tests/loom_wake.rs` includes the module it checks by path.
#![cfg(not(loom))]
#![cfg_attr(docsrs, feature(doc_cfg))]
// What those who read it cannot choose is not said of each item.
#![cfg_attr(docsrs, doc(auto_cfg(hide(loom, mio_unsupported_force_poll_poll))))]
// Parts of the core serve features only, and the documentation names them all. What is dead with all of them is dead.
#![cfg_attr(
    not(feature = "full"),
    allow(dead_code, unused_imports, rustdoc::broken_intra_doc_links)
)]
#![deny(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

#[cfg(feature = "threads")]
mod blocking;
pub mod event_loop;
#[allow(unsafe_code)]
// wake slots and task cells: the argument heads `executor::wake` and `executor::task`
mod executor;
#[cfg(feature = "fs")]
pub mod fs;
pub mod future;
mod in_order;
#[cfg(feature = "io")]
pub mod io;
mod memory;
#[cfg(feature = "net")]
pub mod net;
#[cfg(all(unix, feature = "process"))]
pub mod process;
#[cfg(feature = "protocol")]
pub mod protocol;
#[cfg(test)]
mod random;
mod reactor;
#[cfg(all(unix, feature = "signal"))]
pub mod signal;
#[cfg(feature = "sync")]
pub mod sync;
pub mod task;
pub mod time;
mod timer;
mod wait_list;

#[doc(inline)]
#[cfg(feature = "signal")]
pub use event_loop::OnCtrlC;
#[doc(inline)]
pub use event_loop::{
    Builder, CallHandle, ErrorReport, EventLoop, Handle, Interrupted, LoopClosed, RemoteJoin,
    RemoteJoinError, ShutdownReport, WorkGuard, call_at, call_later, call_soon, run,
};
#[doc(inline)]
#[cfg(feature = "sync")]
pub use event_loop::{Worker, WorkerError, Workers, WorkersBuilder, workers};
#[cfg(feature = "macros")]
pub use monoloop_macros::{main, test};
#[doc(inline)]
pub use task::{AbortHandle, JoinError, JoinHandle, spawn, yield_now};
#[doc(inline)]
#[cfg(feature = "threads")]
pub use task::{BlockingJoin, spawn_blocking, unblock};

/// The README's examples, as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The guides' examples, as doctests.
#[cfg(doctest)]
#[doc = include_str!("../docs/from-asyncio.md")]
#[doc = include_str!("../docs/from-tokio.md")]
struct Guides;
