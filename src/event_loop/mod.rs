//! The event loop: turns of polling tasks, firing timers and waiting for I/O.
//!
//! # One turn
//!
//! 1. Take the inbox: wakes and closures from other threads, oldest first.
//! 2. Fire due timers, by deadline and then by creation.
//! 3. Poll ready tasks: those that were ready when the step began, at most the poll budget.
//! 4. Ask for I/O: without waiting if anything is ready, else until the next deadline or for ever.
//! 5. Pass readiness on to those who wait for it.
//!
//! What becomes ready in step 3 runs after all that was ready before it. While tasks are ready, steps 2 and
//! 4 are not made in every turn, but after at most a quarter of a millisecond or 256 polls (settable).
//!
//! A task may do 128 operations in one poll, of which one that moves many bytes counts for several. Then it gives way: it goes
//! on in step 3 behind the others, and if it was I/O at which they were used up, after the next step 4.
//!
//! # Ends
//!
//! [`run`] makes a loop, runs a future to its end, and then shuts the loop down. [`EventLoop::run`]
//! leaves other tasks as they are, for the next run. Dropping the loop, or [`EventLoop::shutdown`], asks them to end,
//! drops them, and runs the clean-ups they deferred, all within a limit.
//!
//! Ctrl-c ends the process, unless [`Builder::on_ctrl_c`] says that it shall end the run: see
//! [`EventLoop::run_interruptible`].
//!
//! # Hosts
//!
//! A program with a loop of its own (a GUI, another runtime) drives ours with [`EventLoop::turn`]: it waits
//! until the loop's descriptor ([`AsFd`](std::os::fd::AsFd)) is readable or
//! [`next_deadline`](EventLoop::next_deadline) has come, then calls `turn` with a limit of zero for as
//! long as that gives true. What the host itself does on the loop's thread between turns (it spawns, aborts, sets an event
//! or wakes a task in any other way) does not make the descriptor readable: it calls `turn` after that too.

mod builder;
mod callback;
pub(crate) mod clock;
pub(crate) mod context;
mod core;
#[cfg(feature = "signal")]
#[cfg_attr(not(unix), path = "ctrl_c/elsewhere.rs")]
mod ctrl_c;
mod ending;
mod error;
mod handle;
mod interrupt;
#[cfg_attr(not(feature = "threads"), path = "offload/nowhere.rs")]
mod offload;
mod pace;
mod remote_join;
mod shutdown;
mod waiting;
#[cfg(feature = "sync")]
mod workers;

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use builder::Builder;
pub use callback::{CallHandle, call_at, call_later, call_soon};
pub use error::ErrorReport;
pub use handle::{Handle, LoopClosed, WorkGuard};
pub use interrupt::Interrupted;
#[cfg(feature = "signal")]
pub use interrupt::OnCtrlC;
pub use remote_join::{RemoteJoin, RemoteJoinError};
pub use shutdown::ShutdownReport;
#[cfg(feature = "sync")]
pub use workers::{Worker, WorkerError, Workers, WorkersBuilder, workers};

use self::context::Entered;
pub(crate) use self::core::Core;
pub(crate) use self::ending::Adopted;
pub(crate) use self::error::{report_failure, report_loss, report_panic};
use crate::executor::JoinHandle;
use crate::executor::task::{Outcome, RawJoin};
use crate::time::Sleep;

/// Runs a future to its end on a new event loop, then shuts the loop down.
///
/// The future may borrow from its surroundings; what it [`spawn`](crate::spawn)s may not. Tasks that are
/// still alive when it ends are dropped, as [`EventLoop::shutdown`] says.
///
/// # Panics
///
/// If a loop runs on this thread already, naming both places; if the operating system cannot make a poller
/// (no descriptors left); and with the future's own panic.
///
/// # Examples
///
/// ```
/// let word = String::from("hello");
/// let length = monoloop::run(async { word.len() });
/// assert_eq!(length, 5);
/// ```
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    let event_loop = EventLoop::new().expect("the operating system can make a poller");
    event_loop.run_at("monoloop::run", Location::caller(), future)
}

/// A single-threaded event loop. It belongs to the thread that made it.
///
/// # Forks
///
/// `process::Command` is how to start other programs. Whoever calls `fork` himself finds the loop
/// in the child as well, but it is the parent's: the two share the poller. So in the child all ways to run it panic, and its
/// drop, and those of sockets, children, socket files and temporary directories, do nothing that the parent would notice.
/// Locks that other threads held at the fork, of the loop's too, are locked for ever in the child: fork while they rest.
/// Tasks are dropped with the loop: end with `_exit` what shall not be dropped. What its handles are given reaches nobody.
///
/// The child makes a loop of its own; if it was forked inside of a run, on a new thread, and it must not return into
/// that run. The standard streams (`io::stdout` and its kin) have threads, which a fork does not take along: a child whose parent used
/// them writes by means of std.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let event_loop = monoloop::EventLoop::new()?;
/// let handle = event_loop.spawn(async { 1 });
/// let sum = event_loop.run(async move { handle.await.unwrap() + 1 });
/// assert_eq!(sum, 2);
/// assert!(event_loop.shutdown().is_clean());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Runner")]
#[doc(alias = "Runtime")]
pub struct EventLoop {
    core: Rc<Core>,
}

impl EventLoop {
    /// Makes a loop with the defaults of [`Builder`].
    ///
    /// # Errors
    ///
    /// If the operating system has no descriptors left for the poller.
    #[doc(alias = "new_event_loop")]
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// Returns a builder, to set the loop up.
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn from_core(core: Rc<Core>) -> Self {
        Self { core }
    }

    /// Runs a future to its end. Other tasks of the loop run beside it, and those that are still alive
    /// then wait for the next run.
    ///
    /// The future may borrow from its surroundings. It is a task, called `main`.
    ///
    /// # Panics
    ///
    /// If a loop runs on this thread already, naming both places; if waiting for I/O fails; in a process that was
    /// [forked](Self#forks) since it was made; and with the future's own panic.
    #[doc(alias = "run_until_complete")]
    #[doc(alias = "block_on")]
    #[track_caller]
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        self.run_at("EventLoop::run", Location::caller(), future)
    }

    #[track_caller]
    fn run_at<F: Future>(
        &self,
        what: &'static str,
        location: &'static Location<'static>,
        future: F,
    ) -> F::Output {
        let _entered = Entered::new(&self.core, what, location);
        self.core.executor.restore_stash();
        let _request = self.core.ending.for_this_run();
        let main = Main::spawn(&self.core, future, location);
        check(self.core.turn_until_over(main.join.task()));
        main.output().expect("nobody else has the main task's handle")
    }

    /// Runs until [`Handle::stop`] is called. Can be called again.
    ///
    /// If `stop` was called before, makes one turn, without waiting.
    ///
    /// # Panics
    ///
    /// If a loop runs on this thread already, naming both places, and if waiting for I/O fails.
    #[track_caller]
    pub fn run_forever(&self) {
        let _entered = Entered::new(&self.core, "EventLoop::run_forever", Location::caller());
        self.core.executor.restore_stash();
        let _request = self.core.ending.for_this_run();
        check(self.core.turn_until_stopped());
    }

    /// Runs until nothing can make progress by itself: no task is ready, no timer is due and no I/O has come. Does not
    /// wait for any of them, and a virtual clock stands still.
    ///
    /// For tests that look at what tasks wait for, and for hosts.
    ///
    /// # Panics
    ///
    /// If a loop runs on this thread already, naming both places, and if asking for I/O fails.
    ///
    /// # Examples
    ///
    /// ```
    /// let event_loop = monoloop::EventLoop::new().unwrap();
    /// let quick = event_loop.spawn(monoloop::yield_now());
    /// let stuck = event_loop.spawn(std::future::pending::<()>());
    /// event_loop.run_until_stalled();
    /// assert!(quick.is_finished() && !stuck.is_finished());
    /// ```
    #[doc(alias = "wait_all_tasks_blocked")]
    #[track_caller]
    pub fn run_until_stalled(&self) {
        let _entered = Entered::new(&self.core, "EventLoop::run_until_stalled", Location::caller());
        self.core.executor.restore_stash();
        check(self.core.turn_until_stalled());
    }

    /// Makes one turn, for a host that has a loop of its own: waits for at most `limit` if nothing is
    /// ready (`None`: for as long as it takes). Gives whether more is ready: call it again at once.
    ///
    /// If it gives false, something from another thread, or I/O, makes the loop's descriptor readable. Whoever wakes a
    /// task on the loop's own thread calls this again.
    ///
    /// Under a virtual clock a turn that finds nothing ready jumps to the next deadline, or by `limit` if that
    /// is less; with no deadline to jump to, it waits in real time.
    ///
    /// # Errors
    ///
    /// If waiting for I/O fails.
    ///
    /// # Panics
    ///
    /// If a loop runs on this thread already, naming both places.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let event_loop = monoloop::EventLoop::new()?;
    /// let handle = event_loop.spawn(monoloop::yield_now());
    /// while event_loop.turn(Some(Duration::ZERO))? {}
    /// assert!(handle.is_finished());
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn turn(&self, limit: Option<Duration>) -> io::Result<bool> {
        let _entered = Entered::new(&self.core, "EventLoop::turn", Location::caller());
        self.core.executor.restore_stash();
        self.core.turn(limit)?;
        let is_ready = self.core.executor.ready_len() > 0 || self.core.is_timer_due();
        // Parked, so that what comes from other threads makes the descriptor readable.
        Ok(is_ready || !self.core.executor.park())
    }

    /// Returns when the loop must be turned though nothing else happens: its next deadline. The deadlines of
    /// tasks that were aborted since the last turn count until their removal in the next one.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.core.next_deadline().map(clock::instant_at)
    }

    /// Returns a handle for other threads.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.core.remote))
    }

    /// Spawns a task. It is first polled when the loop runs.
    #[doc(alias = "create_task")]
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        JoinHandle::new(self.core.executor.spawn(future, Location::caller()))
    }

    /// Runs a closure when the loop runs, after all that is ready now; see [`call_soon`].
    #[track_caller]
    pub fn call_soon(&self, callback: impl FnOnce() + 'static) -> CallHandle {
        CallHandle::soon(&self.core, callback, Location::caller())
    }

    /// Runs a closure once `delay` has passed; see [`call_at`].
    #[track_caller]
    pub fn call_later(&self, delay: Duration, callback: impl FnOnce() + 'static) -> CallHandle {
        let sleep = Sleep::after(&self.core, delay);
        CallHandle::at(&self.core, sleep, callback, Location::caller())
    }

    /// Runs a closure once the loop's clock has reached `deadline`; see [`call_at`].
    #[track_caller]
    pub fn call_at(&self, deadline: Instant, callback: impl FnOnce() + 'static) -> CallHandle {
        let sleep = Sleep::until(&self.core, deadline);
        CallHandle::at(&self.core, sleep, callback, Location::caller())
    }

    /// Returns the time of the loop's clock.
    #[doc(alias = "time")]
    pub fn now(&self) -> Instant {
        self.core.clock.instant()
    }

    /// Ends the loop, within the limit it was built with ([`Builder::shutdown_limit`]), and says what was left.
    /// Dropping the loop does the same, without a report; but inside another loop's run it drops the tasks, waits for
    /// blocking jobs (step 4), and no more: what their drops spawn panics there, and what they deferred is dropped unpolled.
    ///
    /// 1. If somebody asked for the loop's token ([`CancelToken::root`](crate::task::CancelToken::root)), it is cancelled
    ///    (unless an interrupt did that), and the tasks run on until all are over or the [grace period](Builder::grace) is.
    ///    Callbacks that are due run too, but are not waited for; nor are [work guards](Handle::work_guard) heeded.
    /// 2. The tasks that are still alive are dropped, in spawn order, and what their drops spawn, in at most 16 rounds;
    ///    what is spawned after that is refused: dropped at once. From now on all calls of a [`Handle`] fail.
    /// 3. The loop runs until the clean-ups that were [`defer`](crate::task::defer())red are through, or the limit is up.
    /// 4. Blocking jobs that have not begun are dropped, except those that write buffered data of files. Those that run
    ///    are waited for, in real time, for as long as the limit allows; the threads of the others are left behind.
    ///    Then the standard streams are waited for, if something was written to them on this loop.
    /// 5. Clean-ups that are not through are dropped and reported, and what is left besides.
    ///
    /// # Panics
    ///
    /// If a loop runs on this thread, naming both places.
    #[doc(alias = "close")]
    #[track_caller]
    pub fn shutdown(self) -> ShutdownReport {
        let limit = self.core.shutdown_limit;
        self.shutdown_at(limit, Location::caller())
    }

    /// Ends the loop as [`shutdown`](Self::shutdown) does, within another limit.
    ///
    /// # Panics
    ///
    /// If a loop runs on this thread, naming both places.
    #[doc(alias = "shutdown_default_executor")]
    #[track_caller]
    pub fn shutdown_within(self, limit: Duration) -> ShutdownReport {
        self.shutdown_at(limit, Location::caller())
    }

    #[track_caller]
    fn shutdown_at(self, limit: Duration, location: &'static Location<'static>) -> ShutdownReport {
        if !self.core.origin.is_here() {
            // It is the parent's: our drop forgets it.
            return ShutdownReport::default();
        }
        let _entered = Entered::new(&self.core, "EventLoop::shutdown", location);
        shutdown::end(&self.core, limit)
    }
}

impl Drop for EventLoop {
    #[track_caller]
    fn drop(&mut self) {
        if self.core.remote.is_closed() {
            return;
        }
        if context::try_with(|_| ()).is_none() && self.core.origin.is_here() {
            let _entered = Entered::new(&self.core, "EventLoop::drop", Location::caller());
            shutdown::end(&self.core, self.core.shutdown_limit);
        } else {
            // Inside another's run, or after a fork, it cannot be current, and its tasks' drops shall not spawn on that other one.
            let _nowhere = context::Nowhere::new();
            shutdown::end_abruptly(&self.core);
        }
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").field("id", &self.core.id()).finish_non_exhaustive()
    }
}

/// Readable when the loop has something to do that did not come from its own thread.
#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
impl std::os::fd::AsFd for EventLoop {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.core.reactor.as_fd()
    }
}

#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
impl std::os::fd::AsRawFd for EventLoop {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(self))
    }
}

/// Waiting for I/O fails only if the poller's descriptor is broken, and then no loop can go on.
#[track_caller]
fn check(waited: io::Result<()>) {
    if let Err(error) = waited {
        panic!("the event loop cannot wait for I/O: {error}");
    }
}

/// The main task of a run, which may borrow: over, at the latest, when this is dropped.
struct Main<T> {
    join: RawJoin<T>,
}

impl<T> Main<T> {
    #[allow(unsafe_code)]
    fn spawn<F>(core: &Core, future: F, location: &'static Location<'static>) -> Self
    where
        F: Future<Output = T>,
    {
        // SAFETY: `Main` is private to this module, whose functions (`run_at` and `run_interruptible_at`) keep it on
        // their stack and do not move it out, so its drop runs before they return or unwind, hence before a borrow
        // of `F` or `T` ends. The drop ends the task, and then the join handle's drop drops an output that was not
        // taken.
        Self { join: unsafe { core.executor.spawn_main(future, location) } }
    }

    /// What the future gave; `None` if it was aborted. Resumes its panic.
    fn output(&self) -> Option<T> {
        match self.join.take() {
            Some(Outcome::Done(output)) => Some(output),
            Some(Outcome::Panicked(payload)) => resume_unwind(payload),
            Some(Outcome::Aborted) | None => None,
        }
    }
}

impl<T> Drop for Main<T> {
    fn drop(&mut self) {
        // Not running: `run_at` is outside of polls. So the future is gone when this returns.
        self.join.task().end_now();
    }
}
