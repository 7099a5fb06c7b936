//! The end of a loop.
//!
//! [`EventLoop::shutdown`](super::EventLoop::shutdown) lists the steps. Each is bounded: the grace period and the
//! clean-ups by a timer on the loop's clock, so that they take no time under a virtual one; drops that spawn by a number
//! of rounds, and by the limit in real time.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::core::Core;
use super::ending::SHUTTING_DOWN;
use crate::blocking::Left;
use crate::executor::task::{Kind, TaskRef};
use crate::executor::{Ended, Incident, TaskInfo, TaskState};
use crate::time::Sleep;

/// What was left when a loop ended; see [`EventLoop::shutdown`](super::EventLoop::shutdown).
///
/// `Display` gives one line for each task.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// The tasks and callbacks that were dropped before they were through, in the order they were
    /// dropped: spawn order, then what those drops spawned.
    pub dropped: Vec<TaskInfo>,
    /// The clean-ups that the limit did not suffice for, in the order they were deferred. They were dropped too.
    pub overran: Vec<TaskInfo>,
    /// The blocking jobs ([`spawn_blocking`](crate::spawn_blocking)) that never ran, in the order they were handed over.
    pub unstarted: Vec<TaskInfo>,
    /// The blocking jobs that still ran when the limit was up. Their threads were left behind.
    pub stuck: Vec<TaskInfo>,
    /// How many rounds that took: each drops what the drops of the one before spawned.
    pub rounds: usize,
    /// How many panics of destructors went to the error hook.
    pub panics: usize,
    /// How many futures were spawned, or deferred, so late that they were refused, that is, dropped at once.
    pub refused: usize,
    /// How long it took, in real time.
    pub took: Duration,
}

impl ShutdownReport {
    /// Returns whether nothing was left: every task had ended by itself.
    pub fn is_clean(&self) -> bool {
        let lists = [&self.dropped, &self.overran, &self.unstarted, &self.stuck];
        lists.iter().all(|list| list.is_empty()) && self.refused == 0
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tasks dropped in {} rounds", self.dropped.len(), self.rounds)?;
        write!(f, ", {} panics, {} refused", self.panics, self.refused)?;
        self.dropped.iter().try_for_each(|task| write!(f, "\n  {task}"))?;
        self.overran.iter().try_for_each(|task| write!(f, "\n  {task} overran the limit"))?;
        self.unstarted.iter().try_for_each(|job| write!(f, "\n  blocking {job} never ran"))?;
        self.stuck.iter().try_for_each(|job| write!(f, "\n  blocking {job} is stuck"))
    }
}

/// Ends all tasks of the loop, which is current, and refuses calls from other threads.
pub(super) fn end(core: &Core, limit: Duration) -> ShutdownReport {
    let begin = Instant::now();
    let deadline = core.clock.instant().checked_add(limit);
    let left = || match deadline {
        Some(deadline) => deadline.saturating_duration_since(core.clock.instant()),
        None => limit,
    };
    let panics = core.panics();
    let mut report = ShutdownReport::default();

    ask(core, left().min(core.grace));
    core.remote.close(core);
    let is_overdue = || begin.elapsed() > limit;
    let first = core.executor.end_all(
        |task| task.kind() != Kind::Cleanup,
        is_overdue,
        |task| report.note(core, task),
    );
    turn_until(core, left(), || core.ending.cleanups() == 0);
    let jobs = core.offload.close(limit.saturating_sub(begin.elapsed()));
    report.note_jobs(core, &jobs);
    core.finish_output(limit.saturating_sub(begin.elapsed()));
    core.ending.stop_adopting();
    let last = core.executor.end_all(|_| true, is_overdue, |task| report.note(core, task));
    core.remote.tell_last(core);

    report.rounds = first.rounds + last.rounds;
    report.refused = refused(core, &[first, last]);
    report.panics = core.panics() - panics;
    report.took = begin.elapsed();
    report
}

fn refused(core: &Core, ended: &[Ended]) -> usize {
    ended.iter().map(|ended| ended.refused).sum::<usize>() + core.ending.refused()
}

/// Asks the tasks to end by themselves, if they listen.
fn ask(core: &Core, grace: Duration) {
    let Some(token) = core.ending.asked_root() else { return };
    core.guard(|| {
        token.cancel_with(SHUTTING_DOWN);
    });
    turn_until(core, grace, || core.executor.tasks().is_empty());
}

/// Turns the loop until `is_done`, or the limit is up by the loop's clock.
fn turn_until(core: &Core, limit: Duration, is_done: impl Fn() -> bool) {
    if is_done() || limit.is_zero() {
        return;
    }
    let is_up = Rc::new(Cell::new(false));
    let flag = Rc::clone(&is_up);
    let sleep = Sleep::after(core, limit);
    let alarm = core.executor.spawn_internal(async move {
        sleep.await;
        flag.set(true);
    });
    // A loop that cannot wait any more ends without.
    let _waited = core.turn_until_seen(|| is_done() || is_up.get());
    alarm.abort();
}

impl ShutdownReport {
    fn note_jobs(&mut self, core: &Core, left: &Left) {
        let now = core.executor.now();
        let info = |state| move |job| TaskInfo::of_job(job, state, now);
        self.unstarted = left.unstarted.iter().map(info(TaskState::Over)).collect();
        self.stuck = left.stuck.iter().map(info(TaskState::Running)).collect();
        left.stuck.iter().for_each(|&job| core.executor.shared().report(Incident::Stuck(job)));
    }

    fn note(&mut self, core: &Core, task: &TaskRef) {
        let info = TaskInfo::of(task, core.executor.now());
        if task.kind() == Kind::Cleanup {
            self.overran.push(info);
            core.executor.shared().report(Incident::Overrun(task.clone()));
        } else {
            self.dropped.push(info);
        }
    }
}
