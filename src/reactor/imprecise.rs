//! Where there is no timer in the poller: waits as long as the poller's timeout, which is rounded up to whole
//! milliseconds.

use std::io;
use std::time::Duration;

use mio::{Registry, Token};

/// Stands in for a timer of the kernel's.
#[derive(Debug)]
pub(super) struct PreciseTimer;

impl PreciseTimer {
    pub(super) fn new(_: &Registry, _: Token) -> io::Result<Self> {
        Ok(Self)
    }

    /// The poller's timeout for a wait of at most `limit`.
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)] // the face of its twin
    pub(super) fn timeout(&self, limit: Duration) -> io::Result<Option<Duration>> {
        Ok(Some(limit))
    }
}
