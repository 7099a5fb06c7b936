//! Runs that end before their future does.
//!
//! An interrupt comes from ctrl-c ([`ctrl_c`](super::ctrl_c)) or from [`Handle::interrupt`](super::Handle::interrupt).
//! It cancels the loop's token at once. A *watch*, a task of the loop's own that lives as long as the run, then lets the
//! grace period pass, if anybody ever asked for the token, and aborts the main task, which ends the run. So the turn knows
//! nothing of all this.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;

use super::context;
use super::core::Core;
#[cfg(feature = "signal")]
use super::ctrl_c;
use super::{Entered, EventLoop, Main, check};
use crate::executor::task::TaskRef;
use crate::time::sleep;

/// What ctrl-c does while a loop lives; see [`Builder::on_ctrl_c`](super::Builder::on_ctrl_c).
#[cfg(feature = "signal")]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub enum OnCtrlC {
    /// What it does without us.
    #[default]
    Default,
    /// The first one interrupts the run: it cancels the loop's token
    /// ([`CancelToken::root`](crate::task::CancelToken::root)), and after the grace period, or at once if nobody ever asked
    /// for the token, [`EventLoop::run_interruptible`] drops its future. The second one ends the process, as by default.
    ///
    /// On Unix; elsewhere ctrl-c keeps its default. Without effect on a loop with a virtual clock.
    Interrupt,
}

impl EventLoop {
    /// Runs a future to its end, as [`run`](EventLoop::run) does, or until it is interrupted: by ctrl-c, if
    /// [`Builder::on_ctrl_c`](super::Builder::on_ctrl_c) says so, or by [`Handle::interrupt`](super::Handle::interrupt).
    ///
    /// An interrupt cancels the loop's token ([`CancelToken::root`](crate::task::CancelToken::root)). If the future then ends
    /// by itself within the [grace period](super::Builder::grace), its output stands; else it is dropped. If nobody ever
    /// asked for the token, it is dropped at once. Other tasks are left as they are.
    ///
    /// `run`, which must give an output, does not drop its future: there an interrupt only cancels the token.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if the future was dropped.
    ///
    /// # Panics
    ///
    /// As [`run`](EventLoop::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::{EventLoop, Interrupted};
    ///
    /// let event_loop = EventLoop::builder().virtual_time(true).build().unwrap();
    /// event_loop.handle().interrupt().unwrap(); // as ctrl-c does
    /// let interrupted = event_loop.run_interruptible(std::future::pending::<()>());
    /// assert_eq!(interrupted, Err(Interrupted));
    /// ```
    #[doc(alias = "KeyboardInterrupt")]
    #[track_caller]
    pub fn run_interruptible<F: Future>(&self, future: F) -> Result<F::Output, Interrupted> {
        self.run_interruptible_at("EventLoop::run_interruptible", Location::caller(), future)
    }

    #[track_caller]
    pub(super) fn run_interruptible_at<F: Future>(
        &self,
        what: &'static str,
        location: &'static Location<'static>,
        future: F,
    ) -> Result<F::Output, Interrupted> {
        let _entered = Entered::new(&self.core, what, location);
        self.core.executor.restore_stash();
        let _request = self.core.ending.for_this_run();
        let main = Main::spawn(&self.core, future, location);
        let _watch = Watch::begin(&self.core, main.join.task().clone());
        check(self.core.turn_until_over(main.join.task()));
        main.output().ok_or(Interrupted)
    }

    /// Runs a program's main future and shuts the loop down. If the run was interrupted, ends the process, as the signal
    /// does by default; on Unix the parent sees that it was ended by SIGINT.
    ///
    /// `#[monoloop::main(ctrl_c)]` makes use of this.
    ///
    /// # Panics
    ///
    /// As [`run`](EventLoop::run).
    #[cfg(feature = "signal")]
    #[track_caller]
    pub fn run_or_exit<F: Future>(self, future: F) -> F::Output {
        let ran = self.run_interruptible_at("EventLoop::run_or_exit", Location::caller(), future);
        drop(self);
        ran.unwrap_or_else(|Interrupted| ctrl_c::exit())
    }
}

/// Aborts the main task when the run was interrupted and the grace period is over. Over with its run.
struct Watch {
    task: TaskRef,
}

impl Watch {
    fn begin(core: &Rc<Core>, main: TaskRef) -> Self {
        let interrupted = core.ending.interrupted();
        let grace = core.grace;
        let watch = async move {
            interrupted.cancelled().await;
            // Nobody makes use of a grace period who was not told.
            if context::with("a watch", |core| core.ending.asked_root().is_some()) {
                sleep(grace).await;
            }
            main.abort();
        };
        Self { task: core.executor.spawn_internal(watch) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The run was interrupted, and its future dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the run was interrupted")
    }
}

impl Error for Interrupted {}

impl From<Interrupted> for std::io::Error {
    fn from(interrupted: Interrupted) -> Self {
        Self::new(std::io::ErrorKind::Interrupted, interrupted)
    }
}
