//! What can be known of a task from outside.

use std::fmt;
use std::num::NonZeroU64;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::task::{Seed, State, TaskRef};

/// Identifies a task within its event loop. Given out in spawn order, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(NonZeroU64);

impl TaskId {
    /// `None` for zero, which stands for no task.
    pub(super) fn new(id: u64) -> Option<Self> {
        NonZeroU64::new(id).map(Self)
    }

    pub(super) fn of(task: &TaskRef) -> Self {
        Self::new(task.id()).expect("ids start at 1")
    }

    pub(crate) fn of_job(job: &Seed) -> Self {
        Self::new(job.id).expect("ids start at 1")
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({})", self.0)
    }
}

/// Where a task stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TaskState {
    /// It waits to be woken.
    Idle,
    /// It was woken, and its turn will come.
    Queued,
    /// It is being polled.
    Running,
    /// Its future is being dropped, or was: it returned, panicked or was aborted.
    Over,
}

/// A snapshot of a task's metadata.
///
/// # Examples
///
/// ```
/// monoloop::run(async {
///     let me = monoloop::task::current().expect("inside a task");
///     assert_eq!(me.name(), Some("main"));
///     assert_eq!(me.state(), monoloop::task::TaskState::Running);
/// });
/// ```
#[derive(Clone, Debug)]
pub struct TaskInfo {
    id: TaskId,
    parent: Option<TaskId>,
    name: Option<Rc<str>>,
    location: &'static Location<'static>,
    state: TaskState,
    age: Duration,
}

impl TaskInfo {
    /// `now` by the turn's clock, in nanoseconds since the loop's epoch.
    pub(crate) fn of(task: &TaskRef, now: u64) -> Self {
        Self {
            id: TaskId::of(task),
            parent: TaskId::new(task.parent()),
            name: task.name(),
            location: task.location(),
            state: match task.state() {
                State::Idle if task.is_queued() => TaskState::Queued,
                State::Idle => TaskState::Idle,
                State::Running => TaskState::Running,
                _ => TaskState::Over,
            },
            age: Duration::from_nanos(now.saturating_sub(task.spawned())),
        }
    }

    /// Of a blocking job: see `of`.
    pub(crate) fn of_job(job: &Seed, state: TaskState, now: u64) -> Self {
        Self {
            id: TaskId::of_job(job),
            parent: TaskId::new(job.parent),
            name: None,
            location: job.location,
            state,
            age: Duration::from_nanos(now.saturating_sub(job.spawned)),
        }
    }

    /// Returns the task's id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Returns the id of the task that spawned this one, or `None` if it was spawned outside of tasks.
    pub fn parent(&self) -> Option<TaskId> {
        self.parent
    }

    /// Returns the name given to [`task::Builder::name`](crate::task::Builder::name). The main future of
    /// a run is called `main`.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns where the task was spawned.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// Returns where the task stood when the snapshot was made.
    pub fn state(&self) -> TaskState {
        self.state
    }

    /// Returns how long ago the task was spawned, as far as the loop knew: its clock is read about once a
    /// turn, not for each spawn.
    pub fn age(&self) -> Duration {
        self.age
    }
}

/// One line: id, name if there is one, and spawn site.
impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        if let Some(name) = self.name() {
            write!(f, " {name:?}")?;
        }
        write!(f, " (spawned at {})", self.location)
    }
}
