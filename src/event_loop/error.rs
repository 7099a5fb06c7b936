//! What goes wrong where no caller is there to be told.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use super::context;
use crate::executor::task::{Kind, discard};
use crate::executor::{Incident, TaskInfo, TaskPanic, panic_message};

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
}

/// The hook that is told of failures nobody awaits.
pub(super) type ErrorHook = dyn Fn(&ErrorReport);

impl ErrorReport {
    fn of(incident: Incident) -> Self {
        match incident {
            Incident::Waker(payload) => Self::WakerPanic { payload },
            Incident::Task(TaskPanic { task, payload }) => match task.kind() {
                Kind::Callback => Self::CallbackPanic { location: task.location(), payload },
                Kind::Task | Kind::Internal => {
                    let now =
                        context::try_with(|core| core.executor.now()).unwrap_or(task.spawned());
                    Self::TaskPanic { task: TaskInfo::of(&task, now), payload }
                }
            },
        }
    }

    /// Returns the panic's text, or a stand-in if it has none.
    pub fn message(&self) -> &str {
        match self {
            Self::TaskPanic { payload, .. }
            | Self::CallbackPanic { payload, .. }
            | Self::WakerPanic { payload } => panic_message(&**payload),
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
        }
    }
}

impl fmt::Debug for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorReport({self})")
    }
}

/// Tells the hook, or stderr if there is none. A hook that panics is told of on stderr.
pub(super) fn report_incident(hook: Option<&ErrorHook>, incident: Incident) {
    let report = ErrorReport::of(incident);
    match hook {
        None => eprintln!("monoloop: {report}"),
        Some(hook) => {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| hook(&report))) {
                eprintln!("monoloop: {report}");
                eprintln!("monoloop: the error hook panicked too: {}", panic_message(&*panic));
                discard(panic);
            }
        }
    }
    discard_report(report);
}

fn discard_report(report: ErrorReport) {
    match report {
        ErrorReport::TaskPanic { payload, .. }
        | ErrorReport::CallbackPanic { payload, .. }
        | ErrorReport::WakerPanic { payload } => discard(payload),
    }
}
