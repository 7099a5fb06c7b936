//! Sets of tasks whose outcomes come as they are there.
//!
//! Each task's future is a [`Tracked`]: when it is dropped, because it is through or was aborted, its key goes to the
//! list of those that are over, and whoever waits for the next is woken. The outcome stays in the task's own cell until
//! it is taken, so a set allocates nothing for it.

mod gate;
mod tracked;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};
use slab::Slab;

use self::gate::Gate;
use self::tracked::Tracked;
use super::wake::Waiter;
use super::{AbortHandle, JoinError, JoinHandle, TaskId};
use crate::event_loop::context;
use crate::executor;
use crate::in_order::sort_by_number;

/// A set of tasks, joined in the order in which they end. Dropping it aborts them all.
///
/// It is also a [`Stream`] of outcomes.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::{task::JoinSet, time::sleep};
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let mut set = JoinSet::new();
/// for seconds in [3, 1, 2] {
///     set.spawn(async move {
///         sleep(Duration::from_secs(seconds)).await;
///         seconds
///     });
/// }
/// let mut order = Vec::new();
/// while let Some(outcome) = set.join_next().await {
///     order.push(outcome.unwrap());
/// }
/// assert_eq!(order, [1, 2, 3]);
/// # });
/// ```
#[doc(alias = "wait")]
#[doc(alias = "as_completed")]
pub struct JoinSet<T> {
    shared: Rc<Shared<T>>,
}

struct Shared<T> {
    members: RefCell<Slab<Entry<T>>>,
    /// The members whose futures are gone, in that order.
    over: RefCell<VecDeque<usize>>,
    spawned: Cell<u64>,
    waiter: Waiter,
    /// `None`: no limit.
    gate: Option<Gate>,
}

struct Entry<T> {
    /// Orders the members by their spawn; keys are reused.
    order: u64,
    /// `None` while it is being spawned.
    handle: Option<JoinHandle<T>>,
}

impl<T: 'static> JoinSet<T> {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self::with_gate(None)
    }

    /// Makes an empty set of which at most `limit` tasks run at the same time; zero counts as one. The others wait for
    /// their turn, in spawn order, unpolled.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use monoloop::{task::JoinSet, time};
    ///
    /// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
    /// let begin = time::now();
    /// let mut set = JoinSet::with_limit(2);
    /// for _ in 0..6 {
    ///     set.spawn(async { time::sleep(Duration::from_secs(1)).await });
    /// }
    /// while set.join_next().await.is_some() {}
    /// assert_eq!(time::now() - begin, Duration::from_secs(3));
    /// # });
    /// ```
    pub fn with_limit(limit: usize) -> Self {
        Self::with_gate(Some(Gate::new(limit)))
    }

    fn with_gate(gate: Option<Gate>) -> Self {
        let shared = Shared {
            members: RefCell::default(),
            over: RefCell::default(),
            spawned: Cell::new(0),
            waiter: Waiter::default(),
            gate,
        };
        Self { shared: Rc::new(shared) }
    }

    /// Spawns a task into the set.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn spawn<F: Future<Output = T> + 'static>(&mut self, future: F) -> AbortHandle {
        self.spawn_at("JoinSet::spawn", None, future, Location::caller())
    }

    /// Spawns a task that has a name into the set.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn spawn_named<F: Future<Output = T> + 'static>(
        &mut self,
        name: impl Into<Rc<str>>,
        future: F,
    ) -> AbortHandle {
        self.spawn_at("JoinSet::spawn_named", Some(name.into()), future, Location::caller())
    }

    /// `what` is the method that was called at `location`.
    #[track_caller]
    fn spawn_at<F: Future<Output = T> + 'static>(
        &mut self,
        what: &'static str,
        name: Option<Rc<str>>,
        future: F,
        location: &'static Location<'static>,
    ) -> AbortHandle {
        let seed = context::with_at(what, location, |core| core.executor.seed(location));
        let key = self.shared.enter();
        let tracked = Tracked::new(future, Rc::clone(&self.shared), key);
        let (task, join) = match name {
            Some(name) => executor::new_named_task(tracked, name, seed),
            None => executor::new_task(tracked, seed),
        };
        let abort = AbortHandle::new(task.clone());
        self.shared.members.borrow_mut()[key].handle = Some(JoinHandle::new(join));
        context::with_at(what, location, |core| core.executor.admit(task));
        abort
    }

    /// Waits for the next task that ends, and gives its outcome; `None` if the set is empty.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: an outcome that is not taken is the next call's.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was aborted.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// Gives the outcome of the next task that has ended, without waiting; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As for [`join_next`](Self::join_next).
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.try_next().map(|(_, outcome)| outcome)
    }

    /// Polls for the next outcome, as [`join_next`](Self::join_next) does.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_next_of_all(cx).map(|next| next.map(|(_, outcome)| outcome))
    }

    fn try_next(&mut self) -> Option<(TaskId, Result<T, JoinError>)> {
        let key = *self.shared.over.borrow().front()?;
        let next = {
            let mut members = self.shared.members.borrow_mut();
            let handle = members[key].handle.as_mut()?;
            // A task whose future is gone, and whose output is not there yet, has a waker of ours to run in between.
            (handle.id(), handle.try_join()?)
        };
        self.shared.over.borrow_mut().pop_front();
        let entry = self.shared.members.borrow_mut().remove(key);
        drop(entry);
        Some(next)
    }

    fn poll_next_of_all(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(TaskId, Result<T, JoinError>)>> {
        if let Some(next) = self.try_next() {
            return Poll::Ready(Some(next));
        }
        if self.is_empty() {
            return Poll::Ready(None);
        }
        self.shared.waiter.register(cx);
        if let Some(next) = self.try_next() {
            return Poll::Ready(Some(next));
        }
        self.watch_ending(cx);
        self.try_next().map_or(Poll::Pending, |next| Poll::Ready(Some(next)))
    }

    /// The next task's future may be gone and its outcome not be there yet, if a waker of ours polls at once, in between.
    /// Then nobody but the task itself will wake us again.
    fn watch_ending(&self, cx: &Context<'_>) {
        let front = self.shared.over.borrow().front().copied();
        let ending = front.and_then(|key| {
            let members = self.shared.members.borrow();
            Some(members[key].handle.as_ref()?.task_ref().clone())
        });
        if let Some(task) = ending {
            task.watch(cx.waker());
        }
    }

    /// Waits for all tasks and gives their outputs in the order in which they end.
    ///
    /// # Cancel safety
    ///
    /// Dropping this aborts the tasks that are left, and loses the outputs that came.
    ///
    /// # Panics
    ///
    /// If a task panicked, with its panic, or was aborted. The others are aborted then.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::task::JoinSet;
    ///
    /// # monoloop::run(async {
    /// let set: JoinSet<u32> = [1, 2, 3].map(|n| async move { n * n }).into_iter().collect();
    /// assert_eq!(set.join_all().await, [1, 4, 9]);
    /// # });
    /// ```
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(outcome) = self.join_next().await {
            match outcome.map_err(JoinError::try_into_panic) {
                Ok(output) => outputs.push(output),
                Err(Ok(payload)) => resume_unwind(payload),
                Err(Err(cancelled)) => panic!("`join_all` found no output: {cancelled}"),
            }
        }
        outputs
    }

    /// Waits for the next task that ends, as [`join_next`](Self::join_next) does, and tells which it was; an error tells
    /// that by [itself](JoinError::id).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: an outcome that is not taken is the next call's.
    ///
    /// # Errors
    ///
    /// As for [`join_next`](Self::join_next).
    pub async fn join_next_with_id(&mut self) -> Option<Result<(TaskId, T), JoinError>> {
        let (id, outcome) = poll_fn(|cx| self.poll_next_of_all(cx)).await?;
        Some(outcome.map(|output| (id, output)))
    }

    /// Aborts all tasks, in spawn order. They stay in the set until they are joined.
    pub fn abort_all(&self) {
        let mut aborts: Vec<_> = self
            .shared
            .members
            .borrow()
            .iter()
            .filter_map(|(_, entry)| Some((entry.order, entry.handle.as_ref()?.abort_handle())))
            .collect();
        sort_by_number(&mut aborts, |(order, _)| *order);
        for (_, abort) in aborts {
            abort.abort();
        }
    }

    /// Aborts all tasks and waits until they are gone. Panics, if there were any, go to the error hook.
    ///
    /// # Cancel safety
    ///
    /// The tasks are aborted all the same; those that are not gone stay in the set.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        poll_fn(|cx| {
            self.discard_over();
            if !self.is_empty() {
                self.shared.waiter.register(cx);
                self.discard_over();
            }
            if self.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Drops the outcomes of those that are over, unread.
    fn discard_over(&mut self) {
        while let Some(entry) = self.shared.next_over() {
            drop(entry);
        }
    }

    /// Lets all tasks run on by themselves, and empties the set. Those that wait for their turn still get it.
    pub fn detach_all(&mut self) {
        let limit = self.shared.gate.as_ref().map(Gate::limit);
        let empty = Self::with_gate(limit.map(Gate::new));
        let full = std::mem::replace(self, empty);
        full.shared.take_members().into_iter().for_each(drop);
    }

    /// Returns how many tasks are in the set: running, waiting for their turn, or over and not joined.
    pub fn len(&self) -> usize {
        self.shared.members.borrow().len()
    }

    /// Returns whether no task is in the set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Shared<T> {
    fn enter(&self) -> usize {
        let order = self.spawned.get() + 1;
        self.spawned.set(order);
        self.members.borrow_mut().insert(Entry { order, handle: None })
    }

    /// A member's future is gone.
    fn is_over(&self, key: usize) {
        // A set that is gone keeps no members.
        if self.members.borrow().contains(key) {
            self.over.borrow_mut().push_back(key);
            self.waiter.wake();
        }
    }

    fn next_over(&self) -> Option<Entry<T>> {
        let key = self.over.borrow_mut().pop_front()?;
        Some(self.members.borrow_mut().remove(key))
    }

    /// Takes all handles, in spawn order.
    fn take_members(&self) -> Vec<JoinHandle<T>> {
        let members = std::mem::take(&mut *self.members.borrow_mut());
        self.over.borrow_mut().clear();
        let mut members: Vec<_> = members.into_iter().map(|(_, entry)| entry).collect();
        sort_by_number(&mut members, |entry| entry.order);
        members.into_iter().filter_map(|entry| entry.handle).collect()
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.shared.waiter.clear();
        let handles = self.shared.take_members();
        // All are aborted before an output's drop may panic.
        for handle in &handles {
            handle.abort();
        }
    }
}

impl<T: 'static> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Spawns the futures into a new set.
///
/// With [`collect`](Iterator::collect), the standard library is who spawns: the tasks' places, and the panic if no loop
/// runs on this thread, name a file of it. [`extend`](Extend::extend) names its caller.
impl<T: 'static, F: Future<Output = T> + 'static> FromIterator<F> for JoinSet<T> {
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

/// Spawns the futures into the set.
impl<T: 'static, F: Future<Output = T> + 'static> Extend<F> for JoinSet<T> {
    #[track_caller]
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}

/// Terminated while it is empty.
impl<T: 'static> FusedStream for JoinSet<T> {
    fn is_terminated(&self) -> bool {
        self.is_empty()
    }
}

impl<T: 'static> Stream for JoinSet<T> {
    type Item = Result<T, JoinError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_join_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet")
            .field("len", &self.shared.members.borrow().len())
            .field("over", &self.shared.over.borrow().len())
            .field("limit", &self.shared.gate.as_ref().map(Gate::limit))
            .finish_non_exhaustive()
    }
}
