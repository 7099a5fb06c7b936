//! Waking, where a foreign waker's panic must not keep others from being woken.

use std::any::Any;
use std::panic::resume_unwind;
use std::task::Context;
use std::thread;

use crate::event_loop::context;
use crate::executor::Incident;
use crate::executor::task::discard;
use crate::executor::wake::WakeRef;
use crate::wait_list::LoneWaiter;

type Payload = Box<dyn Any + Send>;

/// The waker of the one who waits, kept by what it waits for.
#[derive(Default)]
pub(super) struct Waiter(LoneWaiter);

impl Waiter {
    /// Keeps the waker of `cx` in place of the one before.
    ///
    /// No borrow may be held: clones and drops of foreign wakers are foreign code. So whoever found nothing before looks
    /// again afterwards.
    pub(super) fn register(&self, cx: &Context<'_>) {
        self.0.register(cx);
    }

    /// Wakes who waits, if anybody does. No borrow may be held. A panic goes where those of [`wake_all`] go.
    pub(super) fn wake(&self) {
        wake_all(&mut self.0.take().into_iter());
    }

    /// Nobody waits any more. No borrow may be held.
    pub(super) fn clear(&self) {
        drop(self.0.take());
    }
}

/// Wakes all, in order. No borrow may be held: foreign wakers are foreign code. A panic goes to the error hook of the loop
/// that runs here; where none runs, the first one goes to the caller, after all were woken, unless this thread is panicking
/// already.
pub(super) fn wake_all(wakers: &mut dyn Iterator<Item = WakeRef>) {
    let mut first = None;
    for waker in wakers {
        let Some(unreported) = waker.wake().err().and_then(report) else { continue };
        match first {
            None => first = Some(unreported),
            Some(_) => discard(unreported),
        }
    }
    match first {
        // A guard that is dropped by a panic wakes others: a second panic would end the process.
        Some(payload) if thread::panicking() => discard(payload),
        Some(payload) => resume_unwind(payload),
        None => {}
    }
}

/// Gives the panic back where no loop runs.
fn report(payload: Payload) -> Option<Payload> {
    let mut payload = Some(payload);
    context::try_with(|core| {
        let taken = payload.take().expect("put there above");
        core.executor.shared().report(Incident::Waker(taken));
    });
    payload
}
