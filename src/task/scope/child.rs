//! A scope's child: one allocation that holds its future, and then its output. The scope has one reference to it and
//! polls it, its handle the other one and takes the output.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::executor::pinned::PinCell;
use crate::task::wake::Waiter;

/// The scope's reference. Dropping it drops the future, if that is not over.
pub(super) struct Child<'env> {
    body: Pin<Rc<dyn Run + 'env>>,
}

pin_project! {
    struct Body<F: Future> {
        // `None` once it was dropped.
        #[pin]
        future: PinCell<Option<F>>,
        outcome: Outcome<F::Output>,
    }
}

/// What becomes of the output.
struct Outcome<T> {
    state: Cell<State<T>>,
    waiter: Waiter,
    /// The handle is there.
    is_wanted: Cell<bool>,
}

enum State<T> {
    Pending,
    Done(T),
    /// The child was dropped before it was through.
    Dropped,
    Taken,
}

/// The scope's side of a child of any type.
trait Run {
    fn poll(self: Pin<&Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Drops the future.
    fn end(self: Pin<&Self>);
}

/// The handle's side.
trait Give<T> {
    fn outcome(&self) -> &Outcome<T>;
}

impl<F: Future> Run for Body<F> {
    #[inline]
    fn poll(self: Pin<&Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project_ref();
        let output = ready!(this.future.with(|mut future| {
            let running = future.as_mut().as_pin_mut().expect("it is there until it is over");
            let output = ready!(running.poll(cx));
            future.set(None);
            Poll::Ready(output)
        }));
        this.outcome.settle(State::Done(output));
        Poll::Ready(())
    }

    fn end(self: Pin<&Self>) {
        let this = self.project_ref();
        // After the future, though its drop panics.
        let _settle = SettleOnDrop(this.outcome);
        this.future.with(|mut future| future.set(None));
    }
}

impl<F: Future> Give<F::Output> for Body<F> {
    fn outcome(&self) -> &Outcome<F::Output> {
        &self.outcome
    }
}

impl<'env> Child<'env> {
    pub(super) fn new<F: Future + 'env>(future: F) -> (Self, ScopeHandle<'env, F::Output>) {
        let outcome = Outcome::new(State::Pending);
        let body = Rc::pin(Body { future: PinCell::new(Some(future)), outcome });
        (Self { body: body.clone() }, ScopeHandle { body })
    }

    #[inline]
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.body.as_ref().poll(cx)
    }
}

impl Drop for Child<'_> {
    fn drop(&mut self) {
        self.body.as_ref().end();
    }
}

impl<T> Outcome<T> {
    fn new(state: State<T>) -> Self {
        Self { state: Cell::new(state), waiter: Waiter::default(), is_wanted: Cell::new(true) }
    }

    fn is_pending(&self) -> bool {
        let state = self.state.replace(State::Taken);
        let is_pending = matches!(state, State::Pending);
        self.state.set(state);
        is_pending
    }

    /// The child is over. An output that nobody can ask for is dropped here.
    fn settle(&self, state: State<T>) {
        if self.is_wanted.get() {
            self.state.set(state);
            self.waiter.wake();
        } else {
            self.state.set(State::Taken);
        }
    }
}

/// Says that nothing will come, if nothing has.
struct SettleOnDrop<'a, T>(&'a Outcome<T>);

impl<T> Drop for SettleOnDrop<'_, T> {
    fn drop(&mut self) {
        if self.0.is_pending() {
            self.0.settle(State::Dropped);
        }
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
pub struct ScopeHandle<'env, T> {
    body: Pin<Rc<dyn Give<T> + 'env>>,
}

impl<'env, T: 'env> ScopeHandle<'env, T> {
    /// The handle of a child that was not taken.
    pub(super) fn refused() -> Self {
        Self { body: Rc::pin(Refused(Outcome::new(State::Dropped))) }
    }

    /// Returns whether the child is over: awaiting the handle would not wait.
    #[doc(alias = "done")]
    pub fn is_finished(&self) -> bool {
        !self.body.outcome().is_pending()
    }
}

impl<T> Future for ScopeHandle<'_, T> {
    type Output = T;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let outcome = self.body.outcome();
        if outcome.is_pending() {
            outcome.waiter.register(cx);
            if outcome.is_pending() {
                return Poll::Pending;
            }
        }
        match outcome.state.replace(State::Taken) {
            State::Done(output) => Poll::Ready(output),
            State::Dropped => panic!("a `ScopeHandle` was awaited whose scope dropped the child"),
            State::Taken => panic!("a `ScopeHandle` was polled after it gave its output"),
            State::Pending => Poll::Pending,
        }
    }
}

impl<T> Drop for ScopeHandle<'_, T> {
    fn drop(&mut self) {
        let outcome = self.body.outcome();
        outcome.is_wanted.set(false);
        outcome.waiter.clear();
        if !outcome.is_pending() {
            drop(outcome.state.replace(State::Taken));
        }
    }
}

impl<T> fmt::Debug for ScopeHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_finished = !self.body.outcome().is_pending();
        f.debug_struct("ScopeHandle").field("is_finished", &is_finished).finish()
    }
}

/// What the handle of a child that was not taken has instead of one.
struct Refused<T>(Outcome<T>);

impl<T> Give<T> for Refused<T> {
    fn outcome(&self) -> &Outcome<T> {
        &self.0
    }
}
