//! Pauses that grow.

use std::time::Duration;

#[cfg(unix)]
use crate::time::{Sleep, sleep};

/// Gives pauses, each twice as long as the one before, up to a limit.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    /// How long the next pause is.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }
}

#[cfg(unix)]
impl Backoff {
    /// For a queue in the kernel that is full, and of which nobody tells us when there is room.
    pub(super) const fn for_full_queue() -> Self {
        Self::new(Duration::from_millis(1), Duration::from_millis(50))
    }

    /// The next pause.
    pub(super) fn pause(&mut self) -> Sleep {
        sleep(self.next())
    }
}
