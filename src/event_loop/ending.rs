//! What a loop keeps for its end: the request to stop, and the clean-ups to wait for.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;

use super::core::Core;
#[cfg(feature = "signal")]
use super::ctrl_c;
use super::{EventLoop, context};
use crate::executor::task::{Kind, Seed};
use crate::task::CancelToken;

/// Why the loop's token was cancelled by an interrupt.
const INTERRUPTED: &str = "interrupted";
/// Why it was cancelled at the loop's end.
pub(super) const SHUTTING_DOWN: &str = "the event loop shuts down";

/// Part of a [`Core`].
pub(crate) struct Ending {
    /// Made when somebody asks for it, or an interrupt cancels it.
    root: RefCell<Option<CancelToken>>,
    /// Somebody asked for it, ever.
    is_asked_for: Cell<bool>,
    /// Cancelled by an interrupt, for who watches over the main future.
    interrupted: RefCell<CancelToken>,
    /// The run that was to be interrupted is over.
    is_met: Cell<bool>,
    /// The loop is being shut down.
    has_begun: Cell<bool>,
    /// Clean-ups that were adopted and are not through.
    cleanups: Rc<Cell<usize>>,
    /// Late in the end, none is adopted.
    is_adopting: Cell<bool>,
    /// Clean-ups that were not adopted then.
    refused: Cell<usize>,
}

impl Ending {
    pub(super) fn new() -> Self {
        Self {
            root: RefCell::default(),
            is_asked_for: Cell::new(false),
            interrupted: RefCell::default(),
            is_met: Cell::new(false),
            has_begun: Cell::new(false),
            cleanups: Rc::default(),
            is_adopting: Cell::new(true),
            refused: Cell::new(0),
        }
    }

    /// The loop's token.
    pub(super) fn root(&self) -> CancelToken {
        self.is_asked_for.set(true);
        self.make_root()
    }

    fn make_root(&self) -> CancelToken {
        self.root.borrow_mut().get_or_insert_with(CancelToken::new).clone()
    }

    /// The loop's token, if anybody asked for it.
    pub(super) fn asked_root(&self) -> Option<CancelToken> {
        self.is_asked_for.get().then(|| self.make_root())
    }

    pub(super) fn interrupted(&self) -> CancelToken {
        self.interrupted.borrow().clone()
    }

    /// Asks the run to end.
    pub(super) fn interrupt(&self) {
        self.make_root().cancel_with(INTERRUPTED);
        self.interrupted().cancel();
    }

    /// A request to end is for the run under way; with the guard's drop it is met. Until the next run begins the token stays
    /// cancelled, so that what listens to it is asked, and has its grace, when the loop ends instead.
    pub(super) fn for_this_run(&self) -> ForThisRun<'_> {
        if self.is_met.take() {
            self.interrupted.take();
            self.root.take();
            #[cfg(feature = "signal")]
            ctrl_c::arm_anew();
        }
        ForThisRun { ending: self }
    }

    /// The end of the loop begins.
    pub(super) fn begin(&self) {
        self.has_begun.set(true);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.get()
    }

    pub(super) fn cleanups(&self) -> usize {
        self.cleanups.get()
    }

    /// From now on no clean-up is adopted.
    pub(super) fn stop_adopting(&self) {
        self.is_adopting.set(false);
    }

    pub(super) fn refused(&self) -> usize {
        self.refused.get()
    }
}

/// While it lives, a run is under way.
pub(super) struct ForThisRun<'a> {
    ending: &'a Ending,
}

impl Drop for ForThisRun<'_> {
    fn drop(&mut self) {
        self.ending.is_met.set(self.ending.interrupted().is_cancelled());
    }
}

/// A clean-up that the end of the loop waits for, while this lives.
pub(crate) struct Adopted {
    count: Rc<Cell<usize>>,
}

impl Drop for Adopted {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
    }
}

impl Core {
    /// Counts a clean-up that is about to be spawned. `None`: it is too late for that.
    pub(crate) fn adopt(&self, location: &'static Location<'static>) -> Option<(Seed, Adopted)> {
        if !self.ending.is_adopting.get() {
            self.ending.refused.set(self.ending.refused.get() + 1);
            return None;
        }
        let count = Rc::clone(&self.ending.cleanups);
        count.set(count.get() + 1);
        Some((self.executor.seed_of(Kind::Cleanup, location), Adopted { count }))
    }
}

impl CancelToken {
    /// Returns the token of the loop that runs on this thread. It is cancelled when the run is interrupted, by ctrl-c if
    /// that [was asked for](super::Builder::on_ctrl_c) or by [`Handle::interrupt`](super::Handle::interrupt), and at the
    /// end of the loop: then tasks have a [grace period](super::Builder::grace) before they are dropped.
    ///
    /// The run after an interrupted one has a new token.
    ///
    /// Whoever asked for the token asked for the grace period: the end of the loop waits that long for a task that does
    /// not listen, though not for callbacks.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    /// use monoloop::task::CancelToken;
    ///
    /// let said_goodbye = Rc::new(Cell::new(false));
    /// monoloop::run(async {
    ///     let flag = said_goodbye.clone();
    ///     let token = CancelToken::root();
    ///     monoloop::spawn(async move {
    ///         token.cancelled().await;
    ///         monoloop::yield_now().await;
    ///         flag.set(true);
    ///     })
    ///     .detach();
    /// });
    /// assert!(said_goodbye.get());
    /// ```
    #[track_caller]
    pub fn root() -> Self {
        context::with("CancelToken::root", |core| core.ending.root())
    }
}

impl EventLoop {
    /// Returns the loop's token; see [`CancelToken::root`].
    pub fn token(&self) -> CancelToken {
        self.core.ending.root()
    }
}
