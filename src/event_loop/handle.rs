//! The one thing that crosses threads.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::thread::{self, ThreadId};

use super::context;
use super::core::Core;
use super::error::report_incident;
use super::remote_join::{self, RemoteJoin};
use crate::executor::task::Payload;
use crate::executor::wake::{LoopId, Slot};
use crate::executor::{self, Incident, Lost};

/// What other threads share with a loop.
pub(crate) struct Remote {
    id: LoopId,
    /// Whose loop it is.
    thread: ThreadId,
    /// The slot of the task that serves `jobs`.
    control: OnceLock<&'static Slot>,
    /// `None` once the loop is gone.
    jobs: Mutex<Option<VecDeque<Job>>>,
    /// Incidents of other threads; `None` at the very end.
    untold: Mutex<Option<Vec<Box<Untold>>>>,
    stop: AtomicBool,
    /// Living [`WorkGuard`]s.
    guards: AtomicUsize,
}

/// What to do on the loop's thread; it is told where it was handed over.
type Run = dyn FnOnce(&Core, &'static Location<'static>) + Send;

/// Makes a report, on the thread that tells it.
type Untold = dyn FnOnce() -> Incident + Send;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A closure from another thread, and where it was handed over.
struct Job {
    run: Box<Run>,
    location: &'static Location<'static>,
}

impl Remote {
    pub(super) fn new(id: LoopId) -> Self {
        Self {
            id,
            thread: thread::current().id(),
            control: OnceLock::new(),
            jobs: Mutex::new(Some(VecDeque::new())),
            untold: Mutex::new(Some(Vec::new())),
            stop: AtomicBool::new(false),
            guards: AtomicUsize::new(0),
        }
    }

    pub(super) fn set_control(&self, control: &'static Slot) {
        self.control.set(control).expect("a loop has one control task");
    }

    fn jobs(&self) -> MutexGuard<'_, Option<VecDeque<Job>>> {
        lock(&self.jobs)
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

    pub(super) fn id(&self) -> LoopId {
        self.id
    }

    pub(super) fn gone(&self) -> LoopClosed {
        LoopClosed { id: self.id }
    }

    pub(super) fn is_own_thread(&self) -> bool {
        thread::current().id() == self.thread
    }

    /// Has the error hook told, on the loop's thread; prints where the loop is gone.
    pub(super) fn report(&self, incident: impl FnOnce() -> Incident + Send + 'static) {
        let mut incident = Some(incident);
        if let Some(untold) = &mut *lock(&self.untold) {
            untold.extend(incident.take().map(|incident| Box::new(incident) as Box<Untold>));
        }
        match incident {
            None => self.wake(),
            Some(incident) => report_incident(None, incident()),
        }
    }

    /// Has the error hook told that a foreign waker panicked.
    pub(super) fn report_waker(&self, payload: Payload) {
        self.report(move || Incident::Waker(payload));
    }

    /// Tells the error hook what other threads had to say.
    pub(super) fn tell(&self, core: &Core) {
        let untold = lock(&self.untold).as_mut().map(std::mem::take);
        for incident in untold.into_iter().flatten() {
            core.executor.shared().report(incident());
        }
    }

    /// Does as [`tell`](Self::tell), for the last time.
    pub(super) fn tell_last(&self, core: &Core) {
        let untold = lock(&self.untold).take();
        for incident in untold.into_iter().flatten() {
            core.executor.shared().report(incident());
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
            remote.tell(core);
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
/// Not for handlers of signals, which interrupt a thread anywhere: its calls take locks and allocate. To hear of a
/// signal there is the module `signal`.
///
/// # Examples
///
/// ```
/// use monoloop::Handle;
///
/// let event_loop = monoloop::EventLoop::new().unwrap();
/// let handle: Handle = event_loop.handle();
/// let thread = std::thread::spawn(move || {
///     // The closure is sent over; the future it makes stays on the loop's thread.
///     let sum = handle.spawn_with(|| async { 1 + 1 }).unwrap().join();
///     handle.stop().unwrap();
///     sum
/// });
/// event_loop.run_forever();
/// assert_eq!(thread.join().unwrap().unwrap(), 2);
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
    #[doc(alias = "get_event_loop")]
    #[doc(alias = "get_running_loop")]
    #[track_caller]
    pub fn current() -> Self {
        context::with("Handle::current", |core| Self::new(Arc::clone(&core.remote)))
    }

    /// Whether the loop is of this thread.
    pub(super) fn is_own_thread(&self) -> bool {
        self.remote.is_own_thread()
    }

    /// Returns a handle to the loop that runs on this thread, if one does.
    #[doc(alias = "is_running")]
    pub fn try_current() -> Option<Self> {
        context::try_with(|core| Self::new(Arc::clone(&core.remote)))
    }

    /// Sends a closure to the loop's thread and spawns the future it makes as a task. The closure and the output are
    /// `Send`, the future need not be. A panic of the closure counts as the task's.
    ///
    /// The handle waits for the output, on a thread or as a future, and can abort the task. Dropping it detaches.
    ///
    /// # Errors
    ///
    /// [`LoopClosed`] if the loop is gone; the closure is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let word = monoloop::run(async {
    ///     let handle = monoloop::Handle::current();
    ///     monoloop::spawn_blocking(move || {
    ///         // On another thread: ask the loop, and wait for the answer.
    ///         handle.spawn_with(|| async { "hello" }).unwrap().join().unwrap()
    ///     })
    ///     .await
    ///     .unwrap()
    /// });
    /// assert_eq!(word, "hello");
    /// ```
    #[doc(alias = "run_coroutine_threadsafe")]
    #[track_caller]
    pub fn spawn_with<M, F>(&self, make: M) -> Result<RemoteJoin<F::Output>, LoopClosed>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let (bearer, join) = remote_join::pair(Arc::clone(&self.remote));
        self.submit(move |core, location| {
            let seed = core.executor.seed(location);
            core.executor.admit(executor::new_task(bearer.carry(make, seed), seed).0);
        })?;
        Ok(join)
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

    /// Has the error hook told that data was lost.
    pub(super) fn report_loss(&self, lost: Lost) {
        self.remote.report(move || Incident::Lost(lost));
    }

    /// Announces work that another thread does for this loop: while the guard lives, a virtual clock does
    /// not jump. Without effect on a loop with the real clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use monoloop::{Handle, sync::remote::oneshot, time::timeout};
    ///
    /// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
    /// let (sender, receiver) = oneshot::channel();
    /// let guard = Handle::current().work_guard();
    /// std::thread::spawn(move || {
    ///     sender.send(1).unwrap();
    ///     drop(guard);
    /// });
    /// // Without the guard the clock would not wait for the thread.
    /// assert_eq!(timeout(Duration::from_secs(1), receiver).await, Ok(Ok(1)));
    /// # });
    /// ```
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
