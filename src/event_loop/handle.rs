//! The one thing that crosses threads.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;

use super::context;
use super::core::Core;
use crate::executor::wake::{LoopId, Slot};

/// What other threads share with a loop.
pub(crate) struct Remote {
    id: LoopId,
    /// The slot of the task that serves `jobs`.
    control: OnceLock<&'static Slot>,
    /// `None` once the loop is gone.
    jobs: Mutex<Option<VecDeque<Job>>>,
    stop: AtomicBool,
    /// Living [`WorkGuard`]s.
    guards: AtomicUsize,
}

/// What to do on the loop's thread; it is told where it was handed over.
type Run = dyn FnOnce(&Core, &'static Location<'static>) + Send;

/// A closure from another thread, and where it was handed over.
struct Job {
    run: Box<Run>,
    location: &'static Location<'static>,
}

impl Remote {
    pub(super) fn new(id: LoopId) -> Self {
        Self {
            id,
            control: OnceLock::new(),
            jobs: Mutex::new(Some(VecDeque::new())),
            stop: AtomicBool::new(false),
            guards: AtomicUsize::new(0),
        }
    }

    pub(super) fn set_control(&self, control: &'static Slot) {
        self.control.set(control).expect("a loop has one control task");
    }

    fn jobs(&self) -> MutexGuard<'_, Option<VecDeque<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.jobs().is_none()
    }

    fn submit(&self, job: Job) -> Result<(), LoopClosed> {
        match &mut *self.jobs() {
            // A refused job is dropped by the caller's frame, after the lock.
            None => return Err(LoopClosed { id: self.id }),
            Some(jobs) => jobs.push_back(job),
        }
        self.wake();
        Ok(())
    }

    fn wake(&self) {
        if let Some(control) = self.control.get() {
            control.wake();
        }
    }

    fn take_jobs(&self) -> VecDeque<Job> {
        self.jobs().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// From now on every call is refused. Drops what was not run, with no lock held.
    pub(super) fn close(&self, core: &Core) {
        let unrun = self.jobs().take();
        for job in unrun.into_iter().flatten() {
            core.guard(|| drop(job));
        }
    }

    /// Whether `stop` was called since it was last taken.
    #[inline]
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether `stop` was called since this was last asked.
    pub(super) fn take_stop(&self) -> bool {
        self.is_stopped() && self.stop.swap(false, Ordering::Acquire)
    }

    pub(super) fn is_work_outstanding(&self) -> bool {
        self.guards.load(Ordering::Acquire) > 0
    }
}

/// The loop's own task: runs what other threads handed over, and takes back what they released.
pub(super) async fn serve_remote(remote: Arc<Remote>) {
    poll_fn(|_| {
        // Woken only while the loop turns, and then the loop is current.
        context::try_with(|core| {
            core.collect_released();
            for job in remote.take_jobs() {
                core.guard(|| (job.run)(core, job.location));
            }
        });
        Poll::<()>::Pending
    })
    .await;
}

/// Reaches an event loop from any thread.
///
/// Cloneable, `Send` and `Sync`. Every call on a loop that is gone gives [`LoopClosed`].
///
/// # Examples
///
/// ```
/// use monoloop::Handle;
///
/// let sum = monoloop::run(async {
///     let handle = Handle::current();
///     let (sender, receiver) = std::sync::mpsc::channel();
///     std::thread::spawn(move || {
///         // The closure is sent over; the future it makes stays on the loop's thread.
///         handle.spawn_with(move || async move { sender.send(1 + 1).unwrap() })
///     })
///     .join()
///     .unwrap()
///     .unwrap();
///     loop {
///         if let Ok(sum) = receiver.try_recv() {
///             break sum;
///         }
///         monoloop::yield_now().await;
///     }
/// });
/// assert_eq!(sum, 2);
/// ```
#[derive(Clone)]
pub struct Handle {
    remote: Arc<Remote>,
}

impl Handle {
    pub(super) fn new(remote: Arc<Remote>) -> Self {
        Self { remote }
    }

    /// Returns a handle to the loop that runs on this thread.
    ///
    /// # Panics
    ///
    /// If none does.
    #[doc(alias = "get_running_loop")]
    #[track_caller]
    pub fn current() -> Self {
        context::with("Handle::current", |core| Self::new(Arc::clone(&core.remote)))
    }

    /// Returns a handle to the loop that runs on this thread, if one does.
    pub fn try_current() -> Option<Self> {
        context::try_with(|core| Self::new(Arc::clone(&core.remote)))
    }

    /// Sends a closure to the loop's thread and spawns the future it makes as a task. The future need not
    /// be `Send`. The task is detached; a panic of the closure counts as the task's.
    ///
    /// # Errors
    ///
    /// [`LoopClosed`] if the loop is gone; the closure is dropped.
    #[doc(alias = "run_coroutine_threadsafe")]
    #[track_caller]
    pub fn spawn_with<M, F>(&self, make: M) -> Result<(), LoopClosed>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
    {
        self.submit(move |core, location| {
            let future = async move {
                make().await;
            };
            drop(core.executor.spawn(future, location));
        })
    }

    /// Runs a closure on the loop's thread, after what is ready there.
    ///
    /// # Errors
    ///
    /// [`LoopClosed`] if the loop is gone; the closure is dropped.
    #[track_caller]
    pub fn call_soon_threadsafe(
        &self,
        callback: impl FnOnce() + Send + 'static,
    ) -> Result<(), LoopClosed> {
        self.submit(move |core, location| drop(core.call_soon(callback, location)))
    }

    #[track_caller]
    fn submit(
        &self,
        run: impl FnOnce(&Core, &'static Location<'static>) + Send + 'static,
    ) -> Result<(), LoopClosed> {
        self.remote.submit(Job { run: Box::new(run), location: Location::caller() })
    }

    /// Makes [`EventLoop::run_forever`](super::EventLoop::run_forever) return after the turn under way;
    /// if none is running, the next one makes a single turn. Does not end a `run`, which ends with its
    /// future.
    ///
    /// # Errors
    ///
    /// [`LoopClosed`] if the loop is gone.
    pub fn stop(&self) -> Result<(), LoopClosed> {
        if self.is_closed() {
            return Err(LoopClosed { id: self.remote.id });
        }
        self.remote.stop.store(true, Ordering::Release);
        self.remote.wake();
        Ok(())
    }

    /// Does what ctrl-c does under [`OnCtrlC::Interrupt`](super::OnCtrlC): cancels the loop's token
    /// ([`CancelToken::root`](crate::task::CancelToken::root)), and has
    /// [`EventLoop::run_interruptible`](super::EventLoop::run_interruptible) drop its future after the grace period. For a
    /// program's own signals, or a button.
    ///
    /// # Errors
    ///
    /// [`LoopClosed`] if the loop is gone.
    #[track_caller]
    pub fn interrupt(&self) -> Result<(), LoopClosed> {
        self.submit(|core, _| core.ending.interrupt())
    }

    /// Returns whether the loop is gone, or about to go.
    pub fn is_closed(&self) -> bool {
        self.remote.is_closed()
    }

    /// Announces work that another thread does for this loop: while the guard lives, a virtual clock does
    /// not jump. Without effect on a loop with the real clock.
    #[must_use = "the clock is held only while the guard lives"]
    pub fn work_guard(&self) -> WorkGuard {
        self.remote.guards.fetch_add(1, Ordering::AcqRel);
        WorkGuard { remote: Arc::clone(&self.remote) }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("loop", &self.remote.id)
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

/// Holds a virtual clock; see [`Handle::work_guard`]. Drop it on any thread.
pub struct WorkGuard {
    remote: Arc<Remote>,
}

impl Drop for WorkGuard {
    fn drop(&mut self) {
        self.remote.guards.fetch_sub(1, Ordering::AcqRel);
        self.remote.wake();
    }
}

impl fmt::Debug for WorkGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkGuard").field("loop", &self.remote.id).finish()
    }
}

/// The event loop is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoopClosed {
    id: LoopId,
}

impl fmt::Display for LoopClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event loop {} is gone", self.id)
    }
}

impl std::error::Error for LoopClosed {}

impl From<LoopClosed> for std::io::Error {
    fn from(error: LoopClosed) -> Self {
        Self::new(std::io::ErrorKind::NotConnected, error)
    }
}
