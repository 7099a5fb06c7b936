//! The end of a loop.

use std::fmt;
use std::time::Duration;

use super::core::Core;
use crate::executor::TaskInfo;

/// What was left when a loop ended; see [`EventLoop::shutdown`](super::EventLoop::shutdown).
///
/// `Display` gives one line for each task.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// The tasks and callbacks that were dropped before they were through, in the order they were
    /// dropped: spawn order, then what those drops spawned.
    pub dropped: Vec<TaskInfo>,
    /// How many rounds that took: each drops what the drops of the one before spawned.
    pub rounds: usize,
    /// How many panics of destructors went to the error hook.
    pub panics: usize,
    /// How many futures were spawned so late that they were refused, that is, dropped at once.
    pub refused: usize,
    /// How long it took, in real time.
    pub took: Duration,
}

impl ShutdownReport {
    /// Returns whether nothing was left: every task had ended by itself.
    pub fn is_clean(&self) -> bool {
        self.dropped.is_empty() && self.refused == 0
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tasks dropped in {} rounds", self.dropped.len(), self.rounds)?;
        write!(f, ", {} panics, {} refused", self.panics, self.refused)?;
        self.dropped.iter().try_for_each(|task| write!(f, "\n  {task}"))
    }
}

/// Drops all tasks of the loop, which is current, and refuses calls from other threads.
pub(super) fn end(core: &Core, mut each: impl FnMut(TaskInfo)) -> ShutdownReport {
    let begin = std::time::Instant::now();
    let incidents = core.incidents();
    core.remote.close(core);
    let now = core.executor.now();
    let is_overdue = || begin.elapsed() > core.shutdown_limit;
    let ended = core.executor.end_all(is_overdue, |task| each(TaskInfo::of(task, now)));
    ShutdownReport {
        dropped: Vec::new(),
        rounds: ended.rounds,
        panics: core.incidents() - incidents,
        refused: ended.refused,
        took: begin.elapsed(),
    }
}
