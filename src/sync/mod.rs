//! Locks, signals, queues and channels, for the tasks of one thread.
//!
//! One thread means that no two tasks do anything at the same moment: between two awaits a task has
//! everything for itself, and a `RefCell` or a `Cell` is all that it needs. What is here is for what lasts
//! *across* awaits. Inside there are no atomics, no locks and no poisoning, so what need not wait costs a few
//! plain instructions.
//!
//! All of it works on any executor ([`RateLimiter`] alone needs an event loop, for its clock), and keeps
//! these promises (what is for other threads, in [`remote`], has locks inside):
//!
//! * **First in, first out.** Waiters are served in the order in which they first waited, and nobody
//!   overtakes them, neither by `try_` methods nor by asking for less. (Of those who wait to send or to put,
//!   that is the order of *places*: who is handed one puts its value in when it runs, and others who have a
//!   place may have been before it.)
//! * **Handed over.** Who is served *has* what it waited for (the lock, the permits, the turn) before it
//!   runs.
//! * **Nothing is lost by a drop.** A waiter may be dropped at any time. What it was handed and did not use
//!   goes to the next.
//! * **Wakers may do what they like.** They are called when all is in order: one that calls back is served,
//!   and the panic of one goes to whoever woke it, after all others were woken.
//! * **Nobody starves the others.** On a loop of this crate a receiver or getter that always finds something
//!   gives way now and then, as a socket does (the rest of what never waits does not: a loop that does nothing
//!   else needs a [`yield_now`](crate::yield_now)).
//! * **No herd.** Handing out one thing wakes one task.
//! * **A burst leaves no memory behind.** What has become empty (a queue, a channel, a list of those who wait)
//!   keeps room for 1024 and gives the rest back; queues and channels when somebody finds nothing to get.
//! * **Nothing is allocated to wait,** once as many waited before (1024, if they have all gone meanwhile); nor
//!   to be idle. (Between threads each wait is an entry of a tree.)
//!
//! | for | here | asyncio |
//! | --- | --- | --- |
//! | one at a time, across awaits | [`Mutex`] | `Lock` |
//! | many readers or one writer | [`RwLock`] | |
//! | so many at a time | [`Semaphore`] | `Semaphore`, `BoundedSemaphore` |
//! | so many in a time | [`RateLimiter`] | |
//! | a flag to wait for | [`Event`] | `Event` |
//! | a nudge, kept for one | [`Notify`] | |
//! | a change of what a mutex guards | [`Condition`] | `Condition` |
//! | all or nobody | [`Barrier`] | `Barrier` |
//! | a count down, once | [`Latch`] | |
//! | until nobody is at work | [`WaitGroup`] | `Queue.join`, without the queue |
//! | work for many workers | [`queue`] | `Queue`, `PriorityQueue`, `LifoQueue` |
//! | an answer | [`oneshot`] | `Future` |
//! | values for one receiver | [`mpsc`] | `Queue` |
//! | values for many receivers | [`broadcast`] | |
//! | the newest value | [`watch`] | |
//! | what comes from other threads | [`remote`] | `call_soon_threadsafe` |
//! | a value made once | [`OnceCell`], [`LazyCell`] | a `Future`, awaited by many |
//!
//! What a drop half-way loses stands at each method under *Cancel safety*, and in one table in
//! [docs/cancel-safety.md](https://github.com/monoloop/monoloop/blob/main/docs/cancel-safety.md).

mod barrier;
pub mod broadcast;
mod budget;
mod condition;
mod ends;
mod error;
mod event;
mod guard;
mod latch;
mod lazy_cell;
pub mod mpsc;
mod mutex;
mod notify;
mod once_cell;
pub mod oneshot;
mod places;
pub mod queue;
mod rate_limiter;
pub mod remote;
mod rw_lock;
mod semaphore;
mod wait_group;
mod waiting;
pub mod watch;

pub use barrier::{Barrier, BarrierWaitResult, BrokenBarrierError};
pub use condition::Condition;
pub use event::Event;
pub use latch::Latch;
pub use lazy_cell::LazyCell;
pub use mutex::{MappedMutexGuard, Mutex, MutexGuard, TryLockError};
pub use notify::Notify;
pub use once_cell::{OnceCell, SetError};
pub use rate_limiter::{RateLimitError, RateLimiter};
pub use rw_lock::{
    MappedRwLockReadGuard, MappedRwLockWriteGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
pub use semaphore::{AcquireError, OwnedPermit, Permit, Semaphore, TryAcquireError};
pub use wait_group::{WaitGroup, WorkToken};

pub mod futures {
    //! The futures of this module, for those who must name them.

    pub use super::barrier::BarrierWait;
    pub use super::event::EventWait;
    pub use super::mutex::Lock;
    pub use super::notify::Notified;
    pub use super::rw_lock::{Read, Write};
    pub use super::semaphore::{Acquire, AcquireOwned};
}
