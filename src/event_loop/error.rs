//! What goes wrong where no caller is there to be told.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use super::context;
use super::handle::Handle;
use crate::executor::task::{Kind, Payload, Seed, TaskRef, discard};
use crate::executor::{Incident, Lost, TaskInfo, TaskPanic, TaskState, panic_message};

/// A failure that nobody awaits, as given to [`Builder::on_error`](super::Builder::on_error).
///
/// `Display` gives one readable line.
#[non_exhaustive]
pub enum ErrorReport {
    /// A task panicked, or its output did when it was dropped, and its `JoinHandle` is gone.
    TaskPanic {
        /// The task.
        task: TaskInfo,
        /// What it panicked with.
        payload: Box<dyn std::any::Any + Send>,
    },
    /// A closure given to `call_soon`, `call_later`, `call_at` or `call_soon_threadsafe` panicked.
    CallbackPanic {
        /// Where the callback was handed over.
        location: &'static Location<'static>,
        /// What it panicked with.
        payload: Box<dyn std::any::Any + Send>,
    },
    /// A waker of another library's panicked when it was woken.
    WakerPanic {
        /// What it panicked with.
        payload: Box<dyn std::any::Any + Send>,
    },
    /// Something panicked that belongs to no task: a destructor, say, or a closure handed over by another thread.
    StrayPanic {
        /// What it panicked with.
        payload: Box<dyn std::any::Any + Send>,
    },
    /// A task gave an error that nobody receives: it was spawned with
    /// [`spawn_detached`](crate::task::spawn_detached), or [`shield`](crate::task::shield)ed and its waiter is gone.
    TaskFailed {
        /// The task.
        task: TaskInfo,
        /// What it gave.
        error: Box<dyn Error>,
    },
    /// A clean-up ([`defer`](crate::task::defer())) was not through when the shutdown limit was, and was dropped.
    ShutdownOverrun {
        /// The clean-up; its spawn site is where it was deferred.
        task: TaskInfo,
    },
    /// A blocking job ([`spawn_blocking`](crate::spawn_blocking)) still ran when the shutdown limit was up. Its thread was
    /// left behind.
    BlockingStuck {
        /// The job.
        task: TaskInfo,
    },
    /// Bytes that were written to a file were buffered, its handle was dropped without a
    /// [`flush`](crate::io::AsyncWriteExt::flush), and then they could not be written; or they could not, and nobody was
    /// there to be told.
    WriteLost {
        /// Where they should have gone.
        path: PathBuf,
        /// How many they were.
        bytes: usize,
        /// Why they could not.
        error: io::Error,
    },
    /// A task or callback kept the loop for long in a single poll; see
    /// [`Builder::slow_poll`](super::Builder::slow_poll).
    SlowPoll {
        /// Who it was.
        task: TaskInfo,
        /// For how long, in real time.
        took: Duration,
    },
}

/// The hook that is told of failures nobody awaits.
pub(super) type ErrorHook = dyn Fn(&ErrorReport);

impl ErrorReport {
    fn of(incident: Incident) -> Self {
        match incident {
            Incident::Waker(payload) => Self::WakerPanic { payload },
            Incident::Stray(payload) => Self::StrayPanic { payload },
            Incident::Failure(task, error) => Self::TaskFailed { task: info(&task), error },
            Incident::SlowPoll(task, took) => Self::SlowPoll { task: info(&task), took },
            Incident::Overrun(task) => Self::ShutdownOverrun { task: info(&task) },
            Incident::Job(seed, payload) => {
                Self::TaskPanic { task: job(&seed, TaskState::Over), payload }
            }
            Incident::Stuck(seed) => Self::BlockingStuck { task: job(&seed, TaskState::Running) },
            Incident::Lost(Lost { target, bytes, error }) => {
                Self::WriteLost { path: target, bytes, error }
            }
            Incident::Task(TaskPanic { task, payload }) => match task.kind() {
                Kind::Callback => Self::CallbackPanic { location: task.location(), payload },
                Kind::Task | Kind::Cleanup | Kind::Internal => {
                    Self::TaskPanic { task: info(&task), payload }
                }
            },
        }
    }

    /// Returns what was wrong, as text: of a panic its message, or a stand-in if it has none.
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::TaskPanic { payload, .. }
            | Self::CallbackPanic { payload, .. }
            | Self::WakerPanic { payload }
            | Self::StrayPanic { payload } => panic_message(&**payload).into(),
            Self::TaskFailed { error, .. } => error.to_string().into(),
            Self::ShutdownOverrun { .. } => "its clean-up overran the shutdown limit".into(),
            Self::BlockingStuck { .. } => "it still runs, after the shutdown limit".into(),
            Self::WriteLost { error, .. } => error.to_string().into(),
            Self::SlowPoll { took, .. } => format!("it kept the loop for {took:.1?}").into(),
        }
    }

    /// Returns the task it is about, if it is about one.
    pub fn task(&self) -> Option<&TaskInfo> {
        match self {
            Self::TaskPanic { task, .. }
            | Self::TaskFailed { task, .. }
            | Self::ShutdownOverrun { task }
            | Self::BlockingStuck { task }
            | Self::SlowPoll { task, .. } => Some(task),
            Self::CallbackPanic { .. }
            | Self::WakerPanic { .. }
            | Self::StrayPanic { .. }
            | Self::WriteLost { .. } => None,
        }
    }
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message();
        match self {
            Self::TaskPanic { task, .. } => write!(f, "{task} panicked: {message}"),
            Self::CallbackPanic { location, .. } => {
                write!(f, "callback (from {location}) panicked: {message}")
            }
            Self::WakerPanic { .. } => write!(f, "a foreign waker panicked: {message}"),
            Self::StrayPanic { .. } => write!(f, "outside of tasks, something panicked: {message}"),
            Self::TaskFailed { task, .. } => write!(f, "{task} failed: {message}"),
            Self::ShutdownOverrun { task } => {
                write!(f, "{task} was dropped: {message}")
            }
            Self::BlockingStuck { task } => write!(f, "blocking {task} is stuck: {message}"),
            Self::WriteLost { path, bytes, .. } => {
                write!(f, "{bytes} bytes written to {} are lost: {message}", path.display())
            }
            Self::SlowPoll { task, took } => {
                write!(f, "{task} kept the loop for {took:.1?} in one poll")
            }
        }
    }
}

impl fmt::Debug for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorReport({self})")
    }
}

/// Tells the hook, or stderr if there is none. A hook that panics is told of on stderr. Does not panic itself: what
/// calls it is in the midst of ending a task.
pub(super) fn report_incident(hook: Option<&ErrorHook>, incident: Incident) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| tell(hook, incident))) {
        discard(panic);
    }
}

fn tell(hook: Option<&ErrorHook>, incident: Incident) {
    let report = ErrorReport::of(incident);
    match hook {
        None => print(&report),
        Some(hook) => {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| hook(&report))) {
                print(&report);
                print(&format_args!("the error hook panicked too: {}", panic_message(&*panic)));
                discard(panic);
            }
        }
    }
    discard(report);
}

/// Prints one line. A user's `Display`, which may panic, is at work in it.
fn print(report: &dyn fmt::Display) {
    match catch_unwind(AssertUnwindSafe(|| report.to_string())) {
        Ok(text) => print_line(&text),
        Err(panic) => {
            print_line(&format!("an error cannot be shown: {}", panic_message(&*panic)));
            discard(panic);
        }
    }
}

/// Prints on one line, and unlike `eprintln!` does not panic where nobody reads stderr any more.
fn print_line(text: &str) {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' { line.push_str(" | ") } else { line.push(c) }
    }
    let _unread = writeln!(io::stderr(), "monoloop: {line}");
}

fn info(task: &TaskRef) -> TaskInfo {
    TaskInfo::of(task, context::try_with(|core| core.executor.now()).unwrap_or(task.spawned()))
}

fn job(seed: &Seed, state: TaskState) -> TaskInfo {
    TaskInfo::of_job(seed, state, context::try_with(|core| core.executor.now()).unwrap_or(0))
}

/// Reports an error that nobody receives; on stderr where no loop is current.
pub(crate) fn report_failure(task: &TaskRef, error: Box<dyn Error>) {
    report(Incident::Failure(task.clone(), error));
}

/// Reports a panic that came to light in the running task, or in none.
pub(crate) fn report_panic(payload: Payload) {
    let task = context::try_with(|core| core.executor.current()).flatten();
    report(match task {
        Some(task) => Incident::Task(TaskPanic { task, payload }),
        None => Incident::Stray(payload),
    });
}

/// Has the hook of a loop told that data was lost; prints it if there is no loop. On any thread.
pub(crate) fn report_loss(handle: Option<&Handle>, lost: Lost) {
    match handle {
        Some(handle) => handle.report_loss(lost),
        None => report_incident(None, Incident::Lost(lost)),
    }
}

/// Reports what came to light on this thread; on stderr where no loop is current.
pub(super) fn report(incident: Incident) {
    let mut incident = Some(incident);
    context::try_with(|core| {
        core.executor.shared().report(incident.take().expect("put there above"));
    });
    if let Some(incident) = incident {
        report_incident(None, incident);
    }
}
