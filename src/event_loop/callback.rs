//! Plain closures on the loop, for those who need no future.

use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::context;
use super::core::Core;
use crate::executor::task::TaskRef;
use crate::time::Sleep;

/// Cancels a callback; made by [`call_soon`], [`call_later`] and [`call_at`].
///
/// Dropping it changes nothing: the callback will run.
#[doc(alias = "TimerHandle")]
#[derive(Clone)]
pub struct CallHandle {
    task: TaskRef,
    deadline: Option<Instant>,
}

impl CallHandle {
    pub(super) fn soon(
        core: &Core,
        callback: impl FnOnce() + 'static,
        location: &'static Location<'static>,
    ) -> Self {
        Self { task: core.call_soon(callback, location), deadline: None }
    }

    pub(super) fn at(
        core: &Core,
        sleep: Sleep,
        callback: impl FnOnce() + 'static,
        location: &'static Location<'static>,
    ) -> Self {
        let deadline = Some(sleep.deadline());
        let future = async move {
            sleep.await;
            callback();
        };
        Self { task: core.spawn_callback(future, location), deadline }
    }

    /// Cancels the callback: it will not run, and the closure is dropped. Gives false if it ran, or was
    /// cancelled, before.
    pub fn cancel(&self) -> bool {
        self.task.abort()
    }

    /// Returns the time before which the callback does not run; `None` if it was made by [`call_soon`]. A delay too long
    /// for the clock gives the latest time there is.
    #[doc(alias = "when")]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns whether the callback ran, was cancelled, or went with its loop.
    pub fn is_over(&self) -> bool {
        self.task.is_over()
    }
}

impl fmt::Debug for CallHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallHandle")
            .field("deadline", &self.deadline)
            .field("is_over", &self.is_over())
            .finish()
    }
}

/// Runs a closure once, after everything that is ready now. Callbacks and tasks share one queue.
///
/// # Panics
///
/// If no loop runs on this thread. A panic of the closure goes to the loop's error hook.
///
/// # Examples
///
/// ```
/// use std::{cell::RefCell, rc::Rc};
///
/// let log = Rc::new(RefCell::new(Vec::new()));
/// monoloop::run(async {
///     for word in ["first", "second"] {
///         let log = Rc::clone(&log);
///         monoloop::call_soon(move || log.borrow_mut().push(word));
///     }
///     monoloop::yield_now().await;
/// });
/// assert_eq!(*log.borrow(), ["first", "second"]);
/// ```
#[track_caller]
pub fn call_soon(callback: impl FnOnce() + 'static) -> CallHandle {
    let location = Location::caller();
    context::with("call_soon", |core| CallHandle::soon(core, callback, location))
}

/// Runs a closure once `delay` has passed. See [`call_at`].
///
/// # Panics
///
/// As [`call_soon`].
#[track_caller]
pub fn call_later(delay: Duration, callback: impl FnOnce() + 'static) -> CallHandle {
    let location = Location::caller();
    context::with("call_later", |core| {
        CallHandle::at(core, Sleep::after(core, delay), callback, location)
    })
}

/// Runs a closure once the loop's clock has reached `deadline`; never before, and in the order of the
/// calls where deadlines are equal.
///
/// # Panics
///
/// As [`call_soon`].
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc, time::Duration};
/// use monoloop::time;
///
/// let called = Rc::new(Cell::new(0));
/// monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
///     let deadline = time::now() + Duration::from_secs(5);
///     for _ in 0..2 {
///         let called = Rc::clone(&called);
///         monoloop::call_at(deadline, move || called.set(called.get() + 1));
///     }
///     let cancelled = monoloop::call_later(Duration::from_secs(1), || unreachable!());
///     cancelled.cancel();
///     time::sleep(Duration::from_secs(6)).await;
/// });
/// assert_eq!(called.get(), 2);
/// ```
#[track_caller]
pub fn call_at(deadline: Instant, callback: impl FnOnce() + 'static) -> CallHandle {
    let location = Location::caller();
    context::with("call_at", |core| {
        CallHandle::at(core, Sleep::until(core, deadline), callback, location)
    })
}
