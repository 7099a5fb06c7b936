//! What is in force around a poll: task-local values, a deadline, and who waits for clean-ups.

use super::household;
use super::local::Inside;
use crate::time::deadline;

/// Runs a closure in nobody's surroundings, whoever calls: what belongs to another task, its first poll or its
/// destructors, has its own.
pub(crate) fn outside(f: &mut dyn FnMut()) {
    let _under = deadline::lift();
    let _inside = Inside::none();
    let mut nowhere = None;
    let _at = household::enter(&mut nowhere);
    f();
}
