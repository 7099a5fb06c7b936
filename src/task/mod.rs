//! Tasks: futures that the loop owns and polls, one beside the other.
//!
//! A task need be neither `Send` nor `Sync`: it is polled, woken locally and dropped on the loop's thread.
//! The loop owns it, so dropping its [`JoinHandle`] does not end it. Tasks are first polled in the order in
//! which they were spawned, and later in the order in which they were woken.
//!
//! Cancelling a task is dropping its future ([`JoinHandle::abort`]): no code can swallow it. A panic
//! stays in its task; whoever joins it gets the payload.
//!
//! # Structure
//!
//! | to | use | children | ends early by |
//! | --- | --- | --- | --- |
//! | run children that borrow, in this task | [`scope`](scope()) | may borrow, and are polled in place | a panic |
//! | run tasks that stand or fall together | [`group`], [`TaskGroup`] | tasks of the loop | the first error, [`finish`](TaskGroup::finish) |
//! | take outcomes as they come, or bound how many run | [`JoinSet`] | tasks of the loop | dropping it |
//! | tie one task to a handle | [`AbortOnDrop`] | one task | dropping it |
//! | ask work to stop, in its own time | [`CancelToken`] | who listens | [`cancel`](CancelToken::cancel) |
//! | let work go on though its waiter is gone | [`shield`], [`spawn_detached`] | one task | |
//! | clean up with an await | [`defer`](defer()), [`finally`] | the clean-up | the limit of the loop's end |
//!
//! No child outlives its group or scope, whatever ends that: return, error, panic or drop. What is guaranteed of
//! clean-ups is said at [`defer`](defer()).
//!
//! # For those who know asyncio
//!
//! | asyncio | here | what differs |
//! | --- | --- | --- |
//! | `create_task` | [`spawn`] | the loop owns the task: it cannot vanish because nobody holds it |
//! | `Task.cancel` | [`JoinHandle::abort`] | drops the future: it cannot be caught, delayed or lost, and there is nothing to count |
//! | `Task.uncancel`, `cancelling` | | a scope drops its own future, so there is no question whose cancel it was |
//! | `TaskGroup` | [`group`] | may be ended with a value, gives refused futures back, waits for clean-ups |
//! | `TaskGroup.cancel` (3.15) | [`TaskGroup::cancel`], [`TaskGroup::finish`] | |
//! | `ExceptionGroup` | [`GroupError`] | all errors, the first one first |
//! | nursery's `start` (trio) | [`TaskGroup::start`] | |
//! | `wait`, `as_completed` on tasks | [`JoinSet`] | dropping it aborts its tasks |
//! | `shield` | [`shield`] | no reference to keep; an error is reported once |
//! | `finally:` with an await | [`defer`](defer()), [`finally`] | runs as a task of its own, and cannot be cancelled |
//! | `contextvars` | [`task_local!`](crate::task_local) | children inherit when asked: [`inherit`] |
//! | `eager_task_factory` | [`spawn_eager`] | per call, never for all |
//! | `KeyboardInterrupt` | [`EventLoop::run_interruptible`](crate::EventLoop::run_interruptible) | asks first, by [`CancelToken::root`] |
//! | "exception was never retrieved" | [`Builder::on_error`](crate::Builder::on_error) | when it happens, not when the object is collected |

mod abort_on_drop;
#[cfg(feature = "threads")]
mod blocking;
mod builder;
mod cancel_token;
mod defer;
mod eager;
mod group;
mod household;
mod join_set;
mod local;
mod scope;
mod shield;
mod surroundings;
mod wake;
mod yield_now;

use std::future::Future;
use std::panic::Location;

use crate::event_loop::context;

#[doc(inline)]
pub use crate::executor::{AbortHandle, JoinError, JoinHandle, TaskId, TaskInfo, TaskState};
pub use abort_on_drop::AbortOnDrop;
#[cfg(feature = "threads")]
pub use blocking::{BlockingJoin, Unblock, spawn_blocking, unblock};
pub use builder::Builder;
pub use cancel_token::{CancelToken, Cancelled, DropGuard, RunUntilCancelled};
pub use defer::{Deferred, Finally, defer, finally};
pub use eager::{Eager, EagerJoin, spawn_eager};
pub use group::{
    GroupError, GroupHandle, MemberError, Ready, Refused, StartError, TaskGroup, group,
};
pub use join_set::JoinSet;
pub use local::{Inherit, LocalKey, LocalUnset, Scoped, inherit};
pub use scope::{Scope, ScopeHandle, scope};
pub(crate) use shield::report_own;
pub use shield::{Shield, shield, spawn_detached};
pub(crate) use surroundings::outside;
pub use yield_now::{YieldNow, yield_now};

/// Spawns a task on the loop that runs on this thread. It is polled after all that are ready now.
///
/// # Panics
///
/// If no loop runs on this thread; use [`EventLoop::spawn`](crate::EventLoop::spawn) there.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
///
/// let count = Rc::new(Cell::new(0));
/// monoloop::run(async {
///     let handles = [1, 2, 3].map(|n| {
///         let count = Rc::clone(&count);
///         monoloop::spawn(async move { count.set(count.get() + n) })
///     });
///     for handle in handles {
///         handle.await.unwrap();
///     }
/// });
/// assert_eq!(count.get(), 6);
/// ```
#[doc(alias = "ensure_future")]
#[doc(alias = "create_task")]
#[doc(alias = "spawn_local")]
#[track_caller]
#[inline]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let location = Location::caller();
    let place = context::with("spawn", |core| core.executor.reserve(location));
    JoinHandle::new(place.move_in(future))
}

/// Returns the task that is being polled, or `None` outside of tasks. While a future is dropped, its task
/// is the current one.
///
/// # Examples
///
/// ```
/// assert!(monoloop::task::current().is_none());
/// monoloop::run(async {
///     let worker = monoloop::task::Builder::new().name("worker");
///     let me = worker.spawn(async { monoloop::task::current() }).await.unwrap();
///     assert_eq!(me.unwrap().name(), Some("worker"));
/// });
/// ```
#[doc(alias = "current_task")]
pub fn current() -> Option<TaskInfo> {
    context::try_with(|core| {
        core.executor.current().map(|task| TaskInfo::of(&task, core.executor.now()))
    })
    .flatten()
}

/// Returns all tasks of the loop that are not over, in spawn order, the running one included. Empty where
/// no loop runs.
///
/// # Examples
///
/// ```
/// monoloop::run(async {
///     let worker = monoloop::task::Builder::new()
///         .name("worker")
///         .spawn(std::future::pending::<()>());
///     let names: Vec<_> =
///         monoloop::task::all().iter().map(|task| task.name().map(String::from)).collect();
///     assert_eq!(names, [Some("main".into()), Some("worker".into())]);
/// #   drop(worker);
/// });
/// ```
#[doc(alias = "all_tasks")]
pub fn all() -> Vec<TaskInfo> {
    context::try_with(|core| {
        let now = core.executor.now();
        let tasks = core.executor.tasks(&|task| task.kind().is_shown());
        tasks.iter().map(|task| TaskInfo::of(task, now)).collect()
    })
    .unwrap_or_default()
}
