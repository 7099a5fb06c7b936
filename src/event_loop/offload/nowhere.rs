//! No threads for blocking work: the feature `threads` is off.

use std::io;
use std::time::Duration;

use super::core::Core;
use super::shutdown::ShutdownReport;

/// There is nothing to set.
#[derive(Default)]
pub(super) struct Config {}

/// Part of a [`Core`].
#[derive(Debug)]
pub(super) struct Offload;

impl Offload {
    pub(super) fn new(_: Config) -> Self {
        Self
    }

    /// Never: there are no jobs to wait for.
    #[inline]
    pub(super) fn looks_around(&self) -> bool {
        false
    }
}

impl Core {
    pub(super) fn wait_for_job(&self, limit: Option<Duration>) -> io::Result<()> {
        self.sleep(limit)
    }

    pub(super) fn close_jobs(&self, _: Duration, _: Option<&mut ShutdownReport>) {}
}
