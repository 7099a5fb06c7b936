//! Forks.

use std::mem;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The process that something was made in. A child made by `fork` has a copy of all memory, and shares what the system
/// keeps: pollers, files' names, children. What is not the copy's own it leaves alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    process: u32,
}

impl Origin {
    /// This process.
    pub(crate) fn here() -> Self {
        Self { process: process::id() }
    }

    /// Whether that is still this process: a system call.
    pub(crate) fn is_here(self) -> bool {
        process::id() == self.process
    }

    /// Another process.
    #[cfg(test)]
    pub(crate) fn elsewhere() -> Self {
        Self { process: 0 }
    }
}

/// What the threads of one process share.
pub(crate) struct OfProcess<T>(Mutex<Option<(Origin, Arc<T>)>>);

impl<T> OfProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Origin, Arc<T>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this process has, if it has any.
    pub(crate) fn get(&self) -> Option<Arc<T>> {
        self.lock()
            .as_ref()
            .filter(|(origin, _)| origin.is_here())
            .map(|(_, made)| Arc::clone(made))
    }

    /// What this process has, made when it is first asked for. `make` is told what a fork has copied, if any.
    pub(crate) fn get_or_make(&self, make: impl FnOnce(Option<&T>) -> T) -> Arc<T> {
        let mut made = self.lock();
        if let Some((origin, made)) = &*made {
            if origin.is_here() {
                return Arc::clone(made);
            }
        }
        let new = Arc::new(make(made.as_ref().map(|(_, copied)| &**copied)));
        // The copied wakers and guards are the parent's: to drop them here is not for us.
        mem::forget(made.replace((Origin::here(), Arc::clone(&new))));
        new
    }
}
