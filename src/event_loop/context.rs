//! Which loop is current on this thread.
//!
//! A loop is current while it runs: inside `run`, `run_forever`, `turn`, and while it drops its tasks at
//! the end. The thread-local is a plain pointer without a destructor, so that it can be read at any time
//! of a thread's life for the price of one load; [`Entered`] keeps the loop alive while the pointer is set.

use std::cell::Cell;
use std::io;
use std::panic::Location;
use std::ptr;
use std::rc::Rc;

use super::core::Core;

thread_local! {
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

/// While it lives, a loop is current.
#[derive(Debug)]
pub(super) struct Entered {
    core: Rc<Core>,
}

impl Entered {
    /// Makes `core` current.
    ///
    /// # Panics
    ///
    /// If a loop is current already: one thread runs one loop at a time. If `core` is the parent process's.
    #[track_caller]
    pub(super) fn new(
        core: &Rc<Core>,
        what: &'static str,
        location: &'static Location<'static>,
    ) -> Self {
        if let Some((running, since)) = try_with(|core| core.entered_by()) {
            let is_forked = try_with(|core| !core.origin.is_here()) == Some(true);
            assert!(
                !is_forked,
                "`{what}` called at {location}, in a process that was forked inside of an event loop: make a new \
                 loop on a new thread"
            );
            panic!(
                "`{what}` called at {location}, inside the event loop that is in `{running}` since \
                 {since}: a thread runs one loop at a time; `.await` the future or `spawn` it instead"
            );
        }
        assert!(
            core.origin.is_here(),
            "`{what}` called at {location} on an event loop that was made before the process was forked, and is the \
             parent's: make a new loop"
        );
        core.set_entered_by(what, location);
        CURRENT.with(|current| current.set(Rc::as_ptr(core)));
        Self { core: Rc::clone(core) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        debug_assert!(CURRENT.with(|current| current.get() == Rc::as_ptr(&self.core)));
        CURRENT.with(|current| current.set(ptr::null()));
        self.core.executor.leave();
    }
}

/// While it lives, no loop is current, though one runs.
#[derive(Debug)]
pub(super) struct Nowhere {
    outer: *const Core,
}

impl Nowhere {
    pub(super) fn new() -> Self {
        Self { outer: CURRENT.with(|current| current.replace(ptr::null())) }
    }
}

impl Drop for Nowhere {
    fn drop(&mut self) {
        // Its `Entered` sits below us on the stack.
        CURRENT.with(|current| current.set(self.outer));
    }
}

/// Runs `f` with this thread's current loop, if there is one.
#[inline]
#[allow(unsafe_code)]
pub(crate) fn try_with<R>(f: impl FnOnce(&Core) -> R) -> Option<R> {
    // SAFETY: the pointer is null or was set by an `Entered` that lives on this thread's stack and holds
    // an `Rc` of the core; that `Entered` sits below us, so it outlives this call.
    let core = unsafe { CURRENT.with(Cell::get).as_ref() };
    core.map(f)
}

/// Runs `f` with this thread's current loop.
///
/// # Panics
///
/// If there is none, naming `what` and where it was called.
#[inline]
#[track_caller]
pub(crate) fn with<R>(what: &str, f: impl FnOnce(&Core) -> R) -> R {
    match try_with(f) {
        Some(result) => result,
        None => no_loop(what),
    }
}

/// Like [`with`], where the user called `what` at `location`.
#[inline]
#[track_caller]
pub(crate) fn with_at<R>(what: &str, location: &Location<'_>, f: impl FnOnce(&Core) -> R) -> R {
    match try_with(f) {
        Some(result) => result,
        None => no_loop_at(what, location),
    }
}

/// Like [`with`], for polls, whose caller is not the user: `what` is polled.
#[inline]
#[track_caller]
pub(crate) fn with_polled<R>(what: &str, f: impl FnOnce(&Core) -> R) -> R {
    match try_with(f) {
        Some(result) => result,
        None => no_loop_to_poll_on(what),
    }
}

#[cold]
#[track_caller]
fn no_loop(what: &str) -> ! {
    no_loop_at(what, Location::caller())
}

#[cold]
#[track_caller]
fn no_loop_at(what: &str, location: &Location<'_>) -> ! {
    panic!("{}", absence(what, location))
}

#[cold]
#[track_caller]
fn no_loop_to_poll_on(what: &str) -> ! {
    panic!(
        "{what} was polled with no event loop running on this thread: await it inside the future given to \
         `monoloop::run` or `EventLoop::run`, as in `run(async {{ .. }})`"
    )
}

fn absence(what: &str, location: &Location<'_>) -> String {
    format!(
        "`{what}` called at {location} with no event loop running on this thread: call it inside \
         the future given to `monoloop::run` or `EventLoop::run`, as in `run(async {{ .. }})`"
    )
}

/// Like [`with`], with an error in place of the panic. `location` is where the user called `what`.
#[inline]
pub(crate) fn io_with<R>(
    what: &str,
    location: &Location<'_>,
    f: impl FnOnce(&Core) -> io::Result<R>,
) -> io::Result<R> {
    match try_with(f) {
        Some(result) => result,
        None => Err(io::Error::other(absence(what, location))),
    }
}
