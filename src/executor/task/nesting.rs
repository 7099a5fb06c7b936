//! Drops of outputs that drop outputs, and so on: only so many on the stack.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{TaskRef, discard};

/// So many drops may nest.
const MAX_DEPTH: u32 = 32;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Tasks whose outputs the outermost drop will drop.
    static DEFERRED: RefCell<Vec<TaskRef>> = const { RefCell::new(Vec::new()) };
}

/// Runs `drop_output` for the task: at once, or, deep inside other such drops, before the outermost returns. A
/// panic goes to the caller of the outermost; of several, the first.
pub(super) fn run(task: &TaskRef, drop_output: fn(&TaskRef)) {
    let depth = DEPTH.get();
    // `DEFERRED` is gone while its thread ends: then there is nothing but the stack.
    if depth >= MAX_DEPTH
        && DEFERRED.try_with(|deferred| deferred.borrow_mut().push(task.clone())).is_ok()
    {
        return;
    }
    DEPTH.set(depth + 1);
    let mut first = catch_unwind(AssertUnwindSafe(|| drop_output(task))).err();
    if depth == 0 {
        while let Some(task) = next_deferred() {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop_output(&task)));
            keep_first(&mut first, dropped.err());
        }
    }
    DEPTH.set(depth);
    if let Some(payload) = first {
        resume_unwind(payload);
    }
}

fn next_deferred() -> Option<TaskRef> {
    DEFERRED.try_with(|deferred| deferred.borrow_mut().pop()).ok().flatten()
}

fn keep_first(first: &mut Option<Box<dyn Any + Send>>, next: Option<Box<dyn Any + Send>>) {
    match next {
        Some(payload) if first.is_some() => discard(payload),
        Some(payload) => *first = Some(payload),
        None => {}
    }
}
