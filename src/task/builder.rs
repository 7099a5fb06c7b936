//! Tasks with more than a future.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;

use crate::event_loop::context;
use crate::executor::{self, JoinHandle};

/// Spawns tasks that have a name.
///
/// # Examples
///
/// ```
/// monoloop::run(async {
///     let handle = monoloop::task::Builder::new().name("adder").spawn(async { 1 + 1 });
///     assert_eq!(handle.name().as_deref(), Some("adder"));
///     assert_eq!(handle.await.unwrap(), 2);
/// });
/// ```
#[derive(Clone, Default)]
#[must_use = "call `spawn` to make the task"]
pub struct Builder {
    name: Option<Rc<str>>,
}

impl Builder {
    /// Makes a builder for a task without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the task, for error reports and [`task::all`](super::all). Names need not be unique.
    #[doc(alias = "set_name")]
    pub fn name(mut self, name: impl Into<Rc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Spawns the task, as [`spawn`](super::spawn) does.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_at(future, Location::caller())
    }

    /// Spawns the task as if that had been called at `location`.
    #[track_caller]
    pub(crate) fn spawn_at<F>(
        self,
        future: F,
        location: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let seed = context::with("task::Builder::spawn", |core| core.executor.seed(location));
        let (task, join) = match self.name {
            Some(name) => executor::new_named_task(future, name, seed),
            None => executor::new_task(future, seed),
        };
        context::with("task::Builder::spawn", |core| core.executor.admit(task));
        JoinHandle::new(join)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("name", &self.name).finish()
    }
}
