//! Tasks: futures that the loop owns and polls, one beside the other.
//!
//! A task need be neither `Send` nor `Sync`: it is polled, woken locally and dropped on the loop's thread.
//! The loop owns it, so dropping its [`JoinHandle`] does not end it. Tasks are first polled in the order in
//! which they were spawned, and later in the order in which they were woken.
//!
//! Cancelling a task is dropping its future ([`JoinHandle::abort`]): no code can swallow it. A panic
//! stays in its task; whoever joins it gets the payload.

mod abort_on_drop;
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
mod wake;
mod yield_now;

use std::future::Future;
use std::panic::Location;

use crate::event_loop::context;
use crate::executor;

#[doc(inline)]
pub use crate::executor::{AbortHandle, JoinError, JoinHandle, TaskId, TaskInfo, TaskState};
pub use abort_on_drop::AbortOnDrop;
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
pub use shield::{Shield, shield, spawn_detached};
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
    let seed = context::with("spawn", |core| core.executor.seed(location));
    let (task, join) = executor::new_task(future, seed);
    context::with("spawn", |core| core.executor.admit(task));
    JoinHandle::new(join)
}

/// Returns the task that is being polled, or `None` outside of tasks. While a future is dropped, its task
/// is the current one.
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
        let tasks = core.executor.tasks();
        let shown = tasks.iter().filter(|task| task.kind().is_shown());
        shown.map(|task| TaskInfo::of(task, now)).collect()
    })
    .unwrap_or_default()
}
