//! The end of a loop.
//!
//! [`EventLoop::shutdown`](super::EventLoop::shutdown) lists the steps. Each is bounded: the grace period and the
//! clean-ups by a timer on the loop's clock, so that they take no time under a virtual one; drops that spawn by a number
//! of rounds, and by the limit in real time.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::clock::saturating_nanos;
use super::core::Core;
use super::ending::SHUTTING_DOWN;
use super::waiting::IO_GRACE;
use crate::executor::task::{Kind, TaskRef};
use crate::executor::{Ended, Incident, TaskInfo};
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

    core.ending.begin();
    ask(core, left().min(core.grace));
    core.remote.close(core);
    let is_overdue = || begin.elapsed() > limit;
    let first =
        core.executor.end_all(&|task| task.kind() != Kind::Cleanup, &is_overdue, &mut |task| {
            report.note(core, task)
        });
    turn_until(core, left(), &|| core.ending.cleanups() == 0);
    core.close_jobs(limit.saturating_sub(begin.elapsed()), Some(&mut report));
    core.finish_output(limit.saturating_sub(begin.elapsed()));
    core.ending.stop_adopting();
    let last = core.executor.end_all(&|_| true, &is_overdue, &mut |task| report.note(core, task));
    core.forget_who_gave_way();
    core.remote.tell_last(core);

    report.rounds = first.rounds + last.rounds;
    report.refused = refused(core, &[first, last]);
    report.panics = core.panics() - panics;
    report.took = begin.elapsed();
    report
}

/// Drops all tasks of a loop that is not current, and refuses calls from other threads.
pub(super) fn end_abruptly(core: &Core) {
    core.remote.close(core);
    core.ending.stop_adopting();
    core.executor.end_all(&|_| true, &|| false, &mut |_| {});
    core.forget_who_gave_way();
    core.close_jobs(core.shutdown_limit, None);
    core.remote.tell_last(core);
}

fn refused(core: &Core, ended: &[Ended]) -> usize {
    ended.iter().map(|ended| ended.refused).sum::<usize>() + core.ending.refused()
}

/// Asks the tasks to end by themselves, if they listen. An interrupt may have asked them before.
fn ask(core: &Core, grace: Duration) {
    let Some(token) = core.ending.asked_root() else { return };
    core.guard(|| {
        token.cancel_with(SHUTTING_DOWN);
    });
    let living = Living::new(core);
    turn_until(core, grace, &|| living.are_over());
}

/// The tasks to wait for. Looked at in every turn, so not all of them each time: from the last one on, those that are
/// over are forgotten, and a new list is made when none is left.
struct Living<'a> {
    core: &'a Core,
    tasks: RefCell<Vec<TaskRef>>,
}

impl<'a> Living<'a> {
    fn new(core: &'a Core) -> Self {
        Self { core, tasks: RefCell::default() }
    }

    fn are_over(&self) -> bool {
        self.forget_over();
        if self.tasks.borrow().is_empty() {
            self.tasks.replace(self.core.executor.tasks(&|task| task.kind() == Kind::Task));
            self.forget_over();
        }
        self.tasks.borrow().is_empty()
    }

    fn forget_over(&self) {
        let mut tasks = self.tasks.borrow_mut();
        while tasks.last().is_some_and(TaskRef::is_over) {
            tasks.pop();
        }
    }
}

/// Turns the loop until `is_done`, or the limit is up by the loop's clock. The alarm is there to end a wait; the deadline
/// is looked at besides, since an alarm waits for its turn behind all that is ready. A virtual clock stands still beside
/// what is always ready, so there the limit holds by the real one too.
fn turn_until(core: &Core, limit: Duration, is_done: &dyn Fn() -> bool) {
    if is_done() || limit.is_zero() {
        return;
    }
    let deadline = core.read_clock().saturating_add(saturating_nanos(limit));
    let has_rung = Rc::new(Cell::new(false));
    let flag = Rc::clone(&has_rung);
    let sleep = Sleep::after(core, limit);
    let alarm = core.executor.spawn_internal(async move {
        sleep.await;
        flag.set(true);
    });
    // A jump may have to wait for I/O first.
    let (begin, real_limit) = (Instant::now(), limit.max(2 * IO_GRACE));
    let is_overdue = || core.clock.is_virtual() && begin.elapsed() > real_limit;
    let is_up = || has_rung.get() || core.executor.now() > deadline || is_overdue();
    // A loop that cannot wait any more ends without.
    let _waited = core.turn_until_seen(&|| is_done() || is_up());
    alarm.abort();
}

impl ShutdownReport {
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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::future::pending;

    use super::Living;
    use crate::EventLoop;

    #[test]
    fn who_lives_is_listed_anew_only_when_all_on_the_list_are_over() {
        let event_loop = EventLoop::new().unwrap();
        let mut handles: Vec<_> = (0..3).map(|_| event_loop.spawn(pending::<()>())).collect();
        let living = Living::new(&event_loop.core);
        let look = || {
            let is_over = living.are_over();
            (is_over, living.tasks.borrow().len())
        };
        assert_eq!(look(), (false, 3));
        handles.push(event_loop.spawn(pending()));
        handles[0].abort();
        assert_eq!(look(), (false, 3), "the last one lives: nothing else is looked at");
        handles[2].abort();
        assert_eq!(look(), (false, 2));
        handles[1].abort();
        assert_eq!(look(), (false, 1), "the late one");
        handles[3].abort();
        assert_eq!(look(), (true, 0));
    }
}
