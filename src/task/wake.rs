//! Waking, where a foreign waker's panic must not keep others from being woken.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

use crate::event_loop::context;
use crate::executor::Incident;

/// Wakes one. No borrow may be held: a foreign waker is foreign code.
pub(super) fn wake(waker: Option<Waker>) {
    wake_all(waker);
}

/// Wakes all, in order. A panic goes to the error hook of the loop that runs here; where none runs, the first one
/// goes to the caller, after all were woken.
pub(super) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    let mut first: Option<Box<dyn Any + Send>> = None;
    for waker in wakers {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            let unreported = report(payload);
            first = first.or(unreported);
        }
    }
    if let Some(payload) = first {
        resume_unwind(payload);
    }
}

/// Gives the panic back where no loop runs.
fn report(payload: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>> {
    let mut payload = Some(payload);
    context::try_with(|core| {
        let taken = payload.take().expect("put there above");
        core.executor.shared().report(Incident::Waker(taken));
    });
    payload
}
