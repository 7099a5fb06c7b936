//! Children that say when they are ready.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{GroupHandle, TaskGroup};
use crate::task::wake::Waiter;

/// What passes between a child that starts and who waits for it.
struct Handshake<V> {
    value: Cell<Option<V>>,
    /// Nothing more will come.
    is_over: Cell<bool>,
    waiter: Waiter,
}

/// Says that a child is ready; given to it by [`TaskGroup::start`]. Dropped unused, it says that it will not be.
#[doc(alias = "task_status")]
#[must_use = "call `signal` when the task is ready"]
pub struct Ready<V> {
    handshake: Rc<Handshake<V>>,
}

impl<V> Ready<V> {
    /// Says that the child is ready, and hands a value over.
    ///
    /// # Errors
    ///
    /// The value, if nobody waits for it any more.
    #[doc(alias = "started")]
    pub fn signal(self, value: V) -> Result<(), V> {
        if Rc::strong_count(&self.handshake) == 1 {
            return Err(value);
        }
        self.handshake.value.set(Some(value));
        Ok(())
    }
}

impl<V> Drop for Ready<V> {
    fn drop(&mut self) {
        self.handshake.is_over.set(true);
        self.handshake.waiter.wake();
    }
}

impl<V> fmt::Debug for Ready<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}

impl<V> Handshake<V> {
    fn poll(&self, cx: &Context<'_>) -> Poll<Option<V>> {
        if !self.is_over.get() {
            self.waiter.register(cx);
        }
        if self.is_over.get() { Poll::Ready(self.value.take()) } else { Poll::Pending }
    }
}

impl<T: 'static, E: 'static> TaskGroup<T, E> {
    /// Spawns a child and waits until it says that it is ready, with a value: a server its address, say.
    ///
    /// # Cancel safety
    ///
    /// Dropping this before the child was ready aborts the child. After that it is a child like any other; its value is
    /// lost if this was not polled since.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the child ended, or was refused, without having said so. If it failed, the group is ending, and
    /// a body that waits here is dropped.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::task;
    ///
    /// # monoloop::run(async {
    /// task::group(async |group| {
    ///     let server = |ready: task::Ready<u16>| async move {
    ///         let port = 7000; // as bound
    ///         let _nobody_asks = ready.signal(port);
    ///         Ok::<_, ()>(()) // and here it would serve
    ///     };
    ///     assert_eq!(group.start(server).await, Ok(7000));
    ///     Ok(())
    /// })
    /// .await
    /// .unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn start<V, M, F, U>(&self, make: M) -> impl Future<Output = Result<V, StartError>>
    where
        V: 'static,
        M: FnOnce(Ready<V>) -> F,
        F: Future<Output = Result<U, E>> + 'static,
        U: 'static,
    {
        self.start_at(make, Location::caller())
    }

    async fn start_at<V, M, F, U>(
        &self,
        make: M,
        location: &'static Location<'static>,
    ) -> Result<V, StartError>
    where
        V: 'static,
        M: FnOnce(Ready<V>) -> F,
        F: Future<Output = Result<U, E>> + 'static,
        U: 'static,
    {
        if !self.is_open() {
            return Err(StartError::Refused);
        }
        let handshake = Rc::new(Handshake {
            value: Cell::new(None),
            is_over: Cell::new(false),
            waiter: Waiter::default(),
        });
        let child = make(Ready { handshake: Rc::clone(&handshake) });
        let spawned = self.spawn_at("TaskGroup::start", None, child, location);
        let handle = spawned.map_err(|_| StartError::Refused)?;
        let mut starting = AbortUnready { handle, handshake, is_ready: false };
        let value = poll_fn(|cx| starting.handshake.poll(cx)).await;
        starting.is_ready = value.is_some();
        value.ok_or(StartError::NotReady)
    }
}

/// Aborts a child that nobody waits for any more, unless it has said that it is ready.
struct AbortUnready<U, V> {
    handle: GroupHandle<U>,
    handshake: Rc<Handshake<V>>,
    /// Its value was taken.
    is_ready: bool,
}

impl<U, V> Drop for AbortUnready<U, V> {
    fn drop(&mut self) {
        let unheard = self.handshake.value.take();
        if !self.is_ready && unheard.is_none() {
            self.handle.abort();
        }
    }
}

/// Why a child did not start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StartError {
    /// It ended, or dropped its [`Ready`], without having said that it is ready. What is left of it is aborted.
    NotReady,
    /// The group is ending and took no new child.
    Refused,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReady => "the task ended without saying that it is ready",
            Self::Refused => "the task group is ending and takes no new tasks",
        })
    }
}

impl Error for StartError {}

impl From<StartError> for std::io::Error {
    fn from(error: StartError) -> Self {
        Self::other(error)
    }
}
