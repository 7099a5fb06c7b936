//! Locks, signals and their kin, for the tasks of one thread.

mod mutex;
mod semaphore;
mod wait_list;

pub use mutex::{MappedMutexGuard, Mutex, MutexGuard, TryLockError};
pub use semaphore::{AcquireError, OwnedPermit, Permit, Semaphore, TryAcquireError};

pub mod futures {
    //! The futures of this module, for those who must name them.

    pub use super::mutex::Lock;
    pub use super::semaphore::{Acquire, AcquireOwned};
}
