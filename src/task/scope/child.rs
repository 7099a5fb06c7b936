//! A scope's child, and what becomes of its output.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::task::wake::wake;

/// Where a child's output waits for its handle.
pub(super) struct Outcome<T> {
    state: Cell<State<T>>,
    waiter: Cell<Option<Waker>>,
}

enum State<T> {
    Pending,
    Done(T),
    /// The child was dropped before it was through.
    Dropped,
    Taken,
}

/// The child's end. Dropped unused, it says that nothing will come.
pub(super) struct Promise<T> {
    outcome: Rc<Outcome<T>>,
    is_kept: bool,
}

/// What a scope polls.
pub(super) async fn run<F: Future>(future: F, mut promise: Promise<F::Output>) {
    let output = future.await;
    promise.is_kept = true;
    // Dropped here if nobody can ask for it.
    if Rc::strong_count(&promise.outcome) > 1 {
        promise.outcome.state.set(State::Done(output));
    }
}

impl<T> Outcome<T> {
    pub(super) fn new() -> Self {
        Self { state: Cell::new(State::Pending), waiter: Cell::new(None) }
    }

    pub(super) fn promise(self: &Rc<Self>) -> Promise<T> {
        Promise { outcome: Rc::clone(self), is_kept: false }
    }

    fn is_pending(&self) -> bool {
        let state = self.state.replace(State::Taken);
        let is_pending = matches!(state, State::Pending);
        self.state.set(state);
        is_pending
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.outcome.state.set(State::Dropped);
        }
        wake(self.outcome.waiter.take());
    }
}

/// Awaits the output of a scope's child. Dropping it changes nothing.
///
/// # Cancel safety
///
/// Nothing is lost by dropping a borrow of the handle that was awaited: await it again.
///
/// # Panics
///
/// Awaiting it panics if the child was dropped before it was through, because its scope was or panicked: only who is
/// outside of the scope can see that. And after it gave its output.
pub struct ScopeHandle<T> {
    outcome: Rc<Outcome<T>>,
}

impl<T> ScopeHandle<T> {
    pub(super) fn new(outcome: Rc<Outcome<T>>) -> Self {
        Self { outcome }
    }

    /// Returns whether the child is over: awaiting the handle would not wait.
    #[doc(alias = "done")]
    pub fn is_finished(&self) -> bool {
        !self.outcome.is_pending()
    }
}

impl<T> Future for ScopeHandle<T> {
    type Output = T;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if self.outcome.is_pending() {
            // Foreign code, with nothing borrowed; a child that it ends is seen below.
            let new = cx.waker().clone();
            drop(self.outcome.waiter.replace(Some(new)));
            if self.outcome.is_pending() {
                return Poll::Pending;
            }
        }
        match self.outcome.state.replace(State::Taken) {
            State::Done(output) => Poll::Ready(output),
            State::Dropped => panic!("a `ScopeHandle` was awaited whose scope dropped the child"),
            State::Taken => panic!("a `ScopeHandle` was polled after it gave its output"),
            State::Pending => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for ScopeHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeHandle").field("is_finished", &self.is_finished()).finish()
    }
}
