//! Locks, signals, queues and channels, for the tasks of one thread.

mod barrier;
pub mod broadcast;
mod condition;
mod error;
mod event;
mod latch;
mod lazy_cell;
mod lone_waiter;
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
mod wait_list;
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
pub use rw_lock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
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
