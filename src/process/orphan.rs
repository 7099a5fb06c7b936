//! Children whose handles are gone, until they are reaped.
//!
//! While the loop lives, a task of its own waits for each. The loop's end drops those tasks: children that were killed are
//! gone within moments, and are waited for; others run for as long as they like, so a thread, which exists
//! only while there are any, looks after them. So it does for those that are dropped inside of another loop's run.

use std::mem;
use std::process::Child as StdChild;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::exit::Running;
use crate::event_loop::context;
use crate::executor::Origin;

/// How long the loop's end waits for a child that was killed. Only one that the system cannot end takes so long.
const MOMENT: Duration = Duration::from_millis(200);
/// How often the thread looks after its children: at first, and when they turn out to run for long.
const PERIODS: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// A child that nobody waits for.
pub(super) struct Orphan {
    /// `None` only in the drop.
    running: Option<Running>,
    is_killed: bool,
}

impl Orphan {
    pub(super) fn new(running: Running, is_killed: bool) -> Self {
        Self { running: Some(running), is_killed }
    }

    /// Leaves it to the loop that watches it, if that is current; else to our drop.
    pub(super) fn adopt(self) {
        let mut orphan = Some(self);
        context::try_with(|core| {
            let is_ours = |orphan: &mut Self| {
                orphan.running.as_ref().is_some_and(|running| running.is_watched_by(core))
            };
            if let Some(orphan) = orphan.take_if(is_ours) {
                core.executor.spawn_internal(orphan.reap());
            }
        });
    }

    async fn reap(self) {
        if let Some(running) = &self.running {
            // Where the loop fails to tell, our drop does what is left.
            let _status = running.wait().await;
        }
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        // Inside of a run, nothing blocks.
        let may_wait = self.is_killed && context::try_with(|_| ()).is_none();
        if !running.is_to_reap() || may_wait && running.wait_a_moment(MOMENT) {
            return;
        }
        if let Some(child) = running.into_std() {
            give_to_thread(child);
        }
    }
}

/// The children that the thread looks after.
static LEFT: Mutex<Left> = Mutex::new(Left { children: Vec::new(), thread: None, is_new: false });
/// There is a new one.
static NEW: Condvar = Condvar::new();

struct Left {
    children: Vec<StdChild>,
    /// The process that has the thread: a fork does not take it along.
    thread: Option<Origin>,
    /// One came since the thread looked.
    is_new: bool,
}

fn give_to_thread(child: StdChild) {
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    left.children.push(child);
    left.is_new = true;
    NEW.notify_one();
    if !left.thread.is_some_and(Origin::is_here) {
        let thread = thread::Builder::new().name("monoloop-reaper".to_owned());
        // Where there can be no thread, the next orphan tries again.
        left.thread = thread.spawn(look_after_all).is_ok().then(Origin::here);
    }
}

fn look_after_all() {
    let mut period = PERIODS.0;
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        // An error means that somebody else reaped it.
        left.children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        if left.children.is_empty() {
            drop(mem::take(&mut left.children));
            left.thread = None;
            return;
        }
        period = if mem::take(&mut left.is_new) { PERIODS.0 } else { PERIODS.1.min(period * 2) };
        left = NEW.wait_timeout(left, period).unwrap_or_else(PoisonError::into_inner).0;
    }
}
