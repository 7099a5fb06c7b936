//! Forks.

use std::process;

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
