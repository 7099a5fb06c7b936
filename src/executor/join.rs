//! Handles to tasks: to await, to abort.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::FusedFuture;

use super::info::TaskId;
use super::task::{Outcome, Payload, RawJoin, Seed, State, TaskRef};

/// Awaits a task's end and gives what it returned.
///
/// Dropping the handle *detaches* the task: it runs on, and its output is dropped when it ends. A panic
/// that nobody can join any more goes to the loop's error hook, once: when the task ends if the handle is
/// gone already, else when the handle is dropped unread. Awaiting the handle counts as reading: an error that
/// is then ignored is not reported.
///
/// The handle belongs to the loop's thread (it is not `Send`), may outlive the loop (a task that the
/// loop dropped counts as cancelled), and may be awaited on any executor of that thread.
///
/// # Cancel safety
///
/// Nothing is lost by dropping a borrow of the handle (`&mut handle`) that was awaited: await it again.
///
/// # Panics
///
/// Polling the handle panics inside the task that it belongs to (it would wait for ever), and after it
/// gave its outcome.
///
/// # Examples
///
/// ```
/// monoloop::run(async {
///     let handle = monoloop::spawn(async { 6 * 7 });
///     assert_eq!(handle.await.unwrap(), 42);
/// });
/// ```
#[doc(alias = "Task")]
#[must_use = "a dropped handle detaches its task: say so with `detach`"]
pub struct JoinHandle<T> {
    join: RawJoin<T>,
}

// The handle holds no `T` that could be pinned: the output stays in the task's cell until it is taken.
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    pub(crate) fn new(join: RawJoin<T>) -> Self {
        Self { join }
    }

    /// Aborts the task: its future is dropped, and awaiting the handle gives an error for which
    /// [`JoinError::is_cancelled`] is true.
    ///
    /// A task that was never polled never runs. A waiting task's future is dropped before `abort`
    /// returns. The running task itself is dropped when it next returns `Pending`; if it returns `Ready`
    /// instead, its result stands. Gives false if the task was over already. Inside drops that abort
    /// tasks whose drops abort tasks, and so on for more than 32 levels, the deepest wait for the
    /// outermost.
    #[doc(alias = "cancel")]
    pub fn abort(&self) -> bool {
        self.join.task().abort()
    }

    /// Lets the task run on by itself, as dropping the handle does. A panic of it goes to the error hook.
    pub fn detach(self) {
        drop(self);
    }

    /// Returns a handle that can abort the task, and nothing else.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.join.task().clone())
    }

    /// Returns whether the task is over: awaiting the handle would not wait.
    #[doc(alias = "done")]
    pub fn is_finished(&self) -> bool {
        self.join.task().is_over()
    }

    /// Returns the task's id.
    pub fn id(&self) -> TaskId {
        TaskId::of(self.join.task())
    }

    /// Returns the task's name, if it was given one.
    #[doc(alias = "get_name")]
    pub fn name(&self) -> Option<std::rc::Rc<str>> {
        self.join.task().name()
    }

    /// Takes the outcome if the task is over, without waiting. `None`: it is not over, or the outcome was
    /// taken before.
    ///
    /// # Errors
    ///
    /// As for awaiting: the task panicked or was aborted.
    #[doc(alias = "result")]
    pub fn try_join(&mut self) -> Option<Result<T, JoinError>> {
        let outcome = self.join.take()?;
        Some(self.result(outcome))
    }

    /// Takes the output if the task returned and nobody took it. Panics and cancellations stay.
    pub(crate) fn take_output(&mut self) -> Option<T> {
        if self.join.task().state() != State::Done {
            return None;
        }
        match self.join.take() {
            Some(Outcome::Done(output)) => Some(output),
            _ => None,
        }
    }

    pub(crate) fn task_ref(&self) -> &TaskRef {
        self.join.task()
    }

    fn result(&self, outcome: Outcome<T>) -> Result<T, JoinError> {
        match outcome {
            Outcome::Done(output) => Ok(output),
            Outcome::Aborted => Err(JoinError::new(self.join.task(), None)),
            Outcome::Panicked(payload) => Err(JoinError::new(self.join.task(), Some(payload))),
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[track_caller]
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.join.poll(cx) {
            Poll::Ready(Some(outcome)) => Poll::Ready(self.result(outcome)),
            Poll::Ready(None) => panic!("a `JoinHandle` was polled after it gave its outcome"),
            Poll::Pending if self.join.is_own() => panic!(
                "task {} (spawned at {}) awaits its own `JoinHandle`: it would wait for ever",
                self.id(),
                self.join.task().location(),
            ),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Terminated once it gave its outcome.
impl<T> FusedFuture for JoinHandle<T> {
    fn is_terminated(&self) -> bool {
        self.join.task().state() == State::Taken
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// Aborts a task. Cloneable; does not keep the task's output, and cannot await it.
///
/// # Examples
///
/// ```
/// monoloop::run(async {
///     let handle = monoloop::spawn(std::future::pending::<()>());
///     let abort = handle.abort_handle();
///     assert!(abort.abort());
///     assert!(handle.await.unwrap_err().is_cancelled());
/// });
/// ```
#[derive(Clone)]
pub struct AbortHandle {
    task: TaskRef,
}

impl AbortHandle {
    pub(crate) fn new(task: TaskRef) -> Self {
        Self { task }
    }

    /// Aborts the task, as [`JoinHandle::abort`] does.
    pub fn abort(&self) -> bool {
        self.task.abort()
    }

    /// Returns whether the task is over.
    pub fn is_finished(&self) -> bool {
        self.task.is_over()
    }

    /// Returns the task's id.
    pub fn id(&self) -> TaskId {
        TaskId::of(&self.task)
    }

    /// Returns the task's name, if it was given one.
    #[doc(alias = "get_name")]
    pub fn name(&self) -> Option<std::rc::Rc<str>> {
        self.task.name()
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("id", &self.id())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// Why a task gave no output: it was aborted, or it panicked.
///
/// # Examples
///
/// ```
/// # use std::panic;
/// # panic::set_hook(Box::new(|_| {}));
/// monoloop::run(async {
///     let error = monoloop::spawn(async { panic!("no luck") }).await.unwrap_err();
///     assert!(error.is_panic());
///     assert!(error.to_string().contains("no luck"));
/// });
/// ```
pub struct JoinError {
    /// In a box: tasks seldom fail, and each `Result` of a join has room for one of these.
    failure: Box<Failure>,
}

struct Failure {
    id: TaskId,
    name: Option<Box<str>>,
    location: &'static std::panic::Location<'static>,
    /// `None`: cancelled. Behind a lock only to be `Sync` for those who ask that of errors.
    panic: Option<Mutex<Payload>>,
}

impl JoinError {
    fn new(task: &TaskRef, panic: Option<Payload>) -> Self {
        let failure = Failure {
            id: TaskId::of(task),
            name: task.name().map(|name| Box::from(&*name)),
            location: task.location(),
            panic: panic.map(Mutex::new),
        };
        Self { failure: Box::new(failure) }
    }

    /// Of a blocking job.
    pub(crate) fn of_job(job: &Seed, panic: Option<Payload>) -> Self {
        let failure = Failure {
            id: TaskId::of_job(job),
            name: None,
            location: job.location(),
            panic: panic.map(Mutex::new),
        };
        Self { failure: Box::new(failure) }
    }

    /// Returns whether the task was aborted, or dropped with its loop.
    #[doc(alias = "CancelledError")]
    pub fn is_cancelled(&self) -> bool {
        self.failure.panic.is_none()
    }

    /// Returns whether the task panicked.
    pub fn is_panic(&self) -> bool {
        self.failure.panic.is_some()
    }

    /// Returns the id of the task that failed.
    pub fn id(&self) -> TaskId {
        self.failure.id
    }

    /// Returns the name of the task that failed.
    pub fn name(&self) -> Option<&str> {
        self.failure.name.as_deref()
    }

    /// Returns the panic's payload, for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    ///
    /// If the task did not panic; see [`try_into_panic`](Self::try_into_panic).
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("`into_panic` on an error that is no panic: {error}"),
        }
    }

    /// Returns the panic's payload.
    ///
    /// # Errors
    ///
    /// The error itself, if the task did not panic.
    pub fn try_into_panic(mut self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self.failure.panic.take() {
            Some(payload) => Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner)),
            None => Err(self),
        }
    }

    /// What is known of the panic, as text.
    fn message(&self) -> Option<String> {
        let payload = self.failure.panic.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(panic_message(&**payload).to_owned())
    }
}

/// The text of a panic, if it has one.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a text"
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id())?;
        if let Some(name) = self.name() {
            write!(f, " {name:?}")?;
        }
        write!(f, " (spawned at {}) ", self.failure.location)?;
        match self.message() {
            None => f.write_str("was cancelled"),
            Some(message) => write!(f, "panicked: {message}"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(error)
    }
}
