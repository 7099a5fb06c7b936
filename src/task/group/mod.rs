//! Groups of tasks that end together.
//!
//! [`group`] runs a body that spawns children, and returns when the body and all children are through. What becomes of
//! it is decided by whoever comes first:
//!
//! ```text
//!            body returns Ok              last child and clean-up through
//!   Open ─────────────────────► Closing ──────────────────────────────────┐
//!    │                             │                                      ▼
//!    │ an error, a panic,          │ an error, a panic, or `finish`      Over
//!    │ or `finish`                 ▼                                      ▲
//!    └────────────────────────► Ending ───────────────────────────────────┘
//!        (body dropped, children aborted)   last child and clean-up through
//! ```
//!
//! `Open` and `Closing` take new children, `Ending` and `Over` refuse them.
//!
//! Each child is a task of the loop whose future is a [`Member`]. It tells the group of an error or panic from inside
//! its last poll, and leaves when its future is dropped, so whatever ends a child, the group hears of it. The list of
//! members is never borrowed while a child is aborted, dropped or woken.

mod error;
mod member;
mod start;

pub use error::{GroupError, Refused};
pub use member::{GroupHandle, MemberError};
pub use start::{Ready, StartError};

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use slab::Slab;

use super::AbortHandle;
use super::household::{self, Household};
use super::wake::Waiter;
use crate::event_loop;
use crate::event_loop::context;
use crate::executor;
use crate::executor::task::discard;
use crate::in_order::sort_by_number;
use member::Member;

type Payload = Box<dyn Any + Send>;

/// Runs a body that spawns children into a [`TaskGroup`], and waits for all of them.
///
/// The first error, of the body or of a child, ends the group: the other children are aborted at once, in spawn order,
/// and the body is dropped. A panic does the same, and is resumed when all are gone. A child that was merely cancelled does not
/// end the group. When the group returns, no child is alive, and what they [`defer`](super::defer())red is through.
///
/// The body may borrow from its surroundings; the children are tasks of the loop and may not (see
/// [`scope`](super::scope()) for that).
///
/// # Cancel safety
///
/// Dropping the group drops the body and aborts the children, in spawn order, before the drop returns; outputs and errors
/// are lost. Clean-ups that they deferred pass to the group around this one, or to the loop. One child cannot be dropped
/// at once: the one that is just being polled, if it is the one that drops the group. It goes when it next waits; an
/// error of it is lost, a panic goes to the error hook. And of groups within children of groups, and so on for more than
/// 32 levels, the deepest are dropped when the outermost drop is through, as [`JoinHandle::abort`](super::JoinHandle::abort)
/// says.
///
/// # Errors
///
/// [`GroupError`] with all errors, the first one first.
///
/// # Panics
///
/// With the first panic of the body or a child. Further ones go to the error hook; errors are lost then.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::{task, time};
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let sum = task::group(async |group| {
///     let one = group.spawn(async { Ok(1) });
///     let two = group.spawn(async { Ok(2) });
///     Ok::<_, String>(one.await.unwrap() + two.await.unwrap())
/// });
/// assert_eq!(sum.await.unwrap(), 3);
///
/// let failed = task::group(async |group: task::TaskGroup<(), &str>| {
///     group.spawn(async {
///         time::sleep(Duration::from_secs(1)).await;
///         Err::<(), _>("out of luck")
///     });
///     std::future::pending().await
/// });
/// assert_eq!(*failed.await.unwrap_err().first(), "out of luck");
/// # });
/// ```
#[doc(alias = "TaskGroup")]
#[doc(alias = "nursery")]
#[doc(alias = "open_nursery")]
pub async fn group<T, E, B, F>(body: B) -> Result<T, GroupError<E>>
where
    T: 'static,
    E: 'static,
    B: FnOnce(TaskGroup<T, E>) -> F,
    F: Future<Output = Result<T, E>>,
{
    let inner = Rc::new(Inner::new());
    let _guard = AbortAll(Rc::clone(&inner));
    run_body(&inner, body).await;
    poll_fn(|cx| inner.poll_through(cx)).await;
    inner.end_over()
}

/// Runs the body to its end, or until the group is ending.
async fn run_body<T, E, B, F>(inner: &Rc<Inner<T, E>>, body: B)
where
    T: 'static,
    E: 'static,
    B: FnOnce(TaskGroup<T, E>) -> F,
    F: Future<Output = Result<T, E>>,
{
    let mut household = Some(Rc::clone(&inner.household));
    let handle = TaskGroup { inner: Rc::clone(inner) };
    let made = {
        let _at = household::enter(&mut household);
        catch_unwind(AssertUnwindSafe(|| body(handle)))
    };
    let body = match made {
        Ok(body) => Some(body),
        Err(payload) => return inner.panicked(payload),
    };
    let mut body = pin!(body);
    poll_fn(|cx| {
        inner.waiter.register(cx);
        if inner.phase.get() >= Phase::Ending {
            return Poll::Ready(());
        }
        let _at = household::enter(&mut household);
        let body = body.as_mut().as_pin_mut().expect("dropped only below");
        match catch_unwind(AssertUnwindSafe(|| body.poll(cx))) {
            Ok(Poll::Pending) if inner.phase.get() < Phase::Ending => return Poll::Pending,
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(Ok(value))) => inner.body_returned(value),
            Ok(Poll::Ready(Err(error))) => inner.failed(error),
            Err(payload) => inner.panicked(payload),
        }
        Poll::Ready(())
    })
    .await;
    let _at = household::enter(&mut household);
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| body.set(None))) {
        inner.panicked(payload);
    }
}

/// The group, to its body and children: spawns further children, and ends it. Clones are the same group.
///
/// `T` is what the group gives, `E` the error that ends it. Children may give outputs of any type.
pub struct TaskGroup<T, E> {
    inner: Rc<Inner<T, E>>,
}

/// See the drawing in the module's docs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Phase {
    Open,
    Closing,
    Ending,
    Over,
}

struct Inner<T, E> {
    phase: Cell<Phase>,
    members: RefCell<Slab<Entry>>,
    /// Orders members by their spawn; keys are reused.
    spawned: Cell<u64>,
    verdict: RefCell<Verdict<T, E>>,
    household: Rc<Household>,
    /// Who awaits the group.
    waiter: Waiter,
}

/// A child that is not gone.
struct Entry {
    order: u64,
    /// `None` while it is being spawned.
    abort: Option<AbortHandle>,
}

/// What the group will give: the first of panic, errors and value that is there.
struct Verdict<T, E> {
    panic: Option<Payload>,
    errors: Vec<E>,
    value: Option<T>,
}

impl<T: 'static, E: 'static> TaskGroup<T, E> {
    /// Spawns a child. Its error goes to the group, and ends it; its output goes to the handle.
    ///
    /// Dropping the handle changes nothing. A group that is ending drops the future at once: the handle says so, as for
    /// a child that was aborted before it ran. See [`try_spawn`](Self::try_spawn) to get it back.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    #[doc(alias = "create_task")]
    #[doc(alias = "start_soon")]
    #[track_caller]
    pub fn spawn<F, U>(&self, future: F) -> GroupHandle<U>
    where
        F: Future<Output = Result<U, E>> + 'static,
        U: 'static,
    {
        let spawned = self.spawn_at("TaskGroup::spawn", None, future, Location::caller());
        spawned.unwrap_or_else(|_| GroupHandle::refused())
    }

    /// Spawns a child that has a name, as [`spawn`](Self::spawn) does.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn spawn_named<F, U>(&self, name: impl Into<Rc<str>>, future: F) -> GroupHandle<U>
    where
        F: Future<Output = Result<U, E>> + 'static,
        U: 'static,
    {
        let name = Some(name.into());
        let spawned = self.spawn_at("TaskGroup::spawn_named", name, future, Location::caller());
        spawned.unwrap_or_else(|_| GroupHandle::refused())
    }

    /// Spawns a child, as [`spawn`](Self::spawn) does.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the future, if the group is ending or over.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn try_spawn<F, U>(&self, future: F) -> Result<GroupHandle<U>, Refused<F>>
    where
        F: Future<Output = Result<U, E>> + 'static,
        U: 'static,
    {
        self.spawn_at("TaskGroup::try_spawn", None, future, Location::caller())
    }

    /// `what` is the method that was called at `location`.
    #[track_caller]
    fn spawn_at<F, U>(
        &self,
        what: &'static str,
        name: Option<Rc<str>>,
        future: F,
        location: &'static Location<'static>,
    ) -> Result<GroupHandle<U>, Refused<F>>
    where
        F: Future<Output = Result<U, E>> + 'static,
        U: 'static,
    {
        if !self.is_open() {
            return Err(Refused { future });
        }
        let seed = context::with_at(what, location, |core| core.executor.seed(location));
        let key = self.inner.enter();
        let member = Member::new(future, Rc::clone(&self.inner), key);
        let (task, join) = match name {
            Some(name) => executor::new_named_task(member, name, seed),
            None => executor::new_task(member, seed),
        };
        self.inner.note(key, AbortHandle::new(task.clone()));
        // Refused at the end of the loop, the member has left when this returns.
        context::with_at(what, location, |core| core.executor.admit(task));
        Ok(GroupHandle::new(join))
    }

    /// Ends the group early, without an error: the body is dropped, the children are aborted, and the group gives
    /// `value`. Does nothing, and gives the value back, if the group is ending already or its body has returned one: in
    /// the latter case the children are aborted all the same.
    ///
    /// An error that comes up meanwhile takes precedence.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use monoloop::task;
    ///
    /// # monoloop::run(async {
    /// let found = task::group(async |group: task::TaskGroup<u32, Infallible>| {
    ///     for n in [3, 4, 5] {
    ///         let everyone = group.clone();
    ///         group.spawn(async move {
    ///             if n % 2 == 0 {
    ///                 let _late = everyone.finish(n);
    ///             }
    ///             std::future::pending::<Result<(), _>>().await
    ///         });
    ///     }
    ///     std::future::pending().await
    /// });
    /// assert_eq!(found.await.unwrap(), 4);
    /// # });
    /// ```
    #[must_use = "the value, if the group has one or is ending already"]
    pub fn finish(&self, value: T) -> Option<T> {
        if !self.is_open() {
            return Some(value);
        }
        let rejected = {
            let stands = &mut self.inner.verdict.borrow_mut().value;
            if stands.is_some() { Some(value) } else { stands.replace(value) }
        };
        self.inner.end();
        rejected
    }

    /// Ends the group early, as [`finish`](Self::finish) does with the default value.
    #[doc(alias = "cancel_scope")]
    pub fn cancel(&self)
    where
        T: Default,
    {
        if self.is_open() {
            drop(self.finish(T::default()));
        }
    }

    /// Ends the group with an error, as a child does that fails; one that comes up while the group ends, in a
    /// [`defer`](super::defer())red clean-up say, is kept beside those before it. Gives the error back if the group is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::task;
    ///
    /// # monoloop::run(async {
    /// let failed = task::group(async |group: task::TaskGroup<(), &str>| {
    ///     let all = group.clone();
    ///     let _farewell = task::defer(async move {
    ///         let _late = all.fail("and the farewell did not get through");
    ///     });
    ///     Err("the connection broke")
    /// });
    /// let errors = failed.await.unwrap_err().into_errors();
    /// assert_eq!(errors, ["the connection broke", "and the farewell did not get through"]);
    /// # });
    /// ```
    #[must_use = "the error, if the group is over and nobody receives it"]
    pub fn fail(&self, error: E) -> Option<E> {
        if self.inner.phase.get() == Phase::Over {
            return Some(error);
        }
        self.inner.failed(error);
        None
    }

    /// Returns whether the group takes new children: neither ending nor over.
    pub fn is_open(&self) -> bool {
        self.inner.phase.get() < Phase::Ending
    }

    /// Returns how many children are not gone.
    pub fn len(&self) -> usize {
        self.inner.members.borrow().len()
    }

    /// Returns whether no child is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T, E> Clone for TaskGroup<T, E> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

impl<T, E> fmt::Debug for TaskGroup<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("phase", &self.inner.phase.get())
            .field("children", &self.inner.members.borrow().len())
            .finish_non_exhaustive()
    }
}

impl<T, E> Inner<T, E> {
    fn new() -> Self {
        Self {
            phase: Cell::new(Phase::Open),
            members: RefCell::default(),
            spawned: Cell::new(0),
            verdict: RefCell::new(Verdict { panic: None, errors: Vec::new(), value: None }),
            household: Household::open(),
            waiter: Waiter::default(),
        }
    }

    /// A place for a new member.
    fn enter(&self) -> usize {
        let order = self.spawned.get() + 1;
        self.spawned.set(order);
        self.members.borrow_mut().insert(Entry { order, abort: None })
    }

    fn note(&self, key: usize, abort: AbortHandle) {
        self.members.borrow_mut()[key].abort = Some(abort);
    }

    /// A member's future is gone.
    fn leave(&self, key: usize) {
        let (entry, is_last) = {
            let mut members = self.members.borrow_mut();
            let entry = members.remove(key);
            (entry, members.is_empty())
        };
        drop(entry);
        if is_last && self.phase.get() != Phase::Open {
            self.waiter.wake();
        }
    }

    fn body_returned(&self, value: T) {
        let late = {
            let stands = &mut self.verdict.borrow_mut().value;
            if stands.is_some() { Some(value) } else { stands.replace(value) }
        };
        drop(late);
        if self.phase.get() == Phase::Open {
            self.phase.set(Phase::Closing);
        }
    }

    fn failed(&self, error: E) {
        if self.phase.get() == Phase::Over {
            // Of a child that outlived the group, which only one can that dropped it: nobody receives it.
            return drop(error);
        }
        self.verdict.borrow_mut().errors.push(error);
        self.end();
    }

    /// The first panic is kept; the others go to the error hook, and so do those after the group's end.
    fn panicked(&self, payload: Payload) {
        if self.phase.get() == Phase::Over {
            return event_loop::report_panic(payload);
        }
        let second = {
            let stands = &mut self.verdict.borrow_mut().panic;
            if stands.is_some() { Some(payload) } else { stands.replace(payload) }
        };
        if let Some(payload) = second {
            event_loop::report_panic(payload);
        }
        self.end();
    }

    /// Refuses new members, aborts those there are, and has the body dropped.
    fn end(&self) {
        if self.phase.get() >= Phase::Ending {
            return;
        }
        self.phase.set(Phase::Ending);
        self.abort_members();
        self.waiter.wake();
    }

    /// Aborts all members, in spawn order. One that is being polled further down the stack goes when it next waits.
    fn abort_members(&self) {
        let mut members: Vec<_> = self
            .members
            .borrow()
            .iter()
            .filter_map(|(_, entry)| Some((entry.order, entry.abort.clone()?)))
            .collect();
        sort_by_number(&mut members, |(order, _)| *order);
        for (_, abort) in members {
            abort.abort();
        }
    }

    /// Ready when all members and clean-ups are through.
    fn poll_through(&self, cx: &Context<'_>) -> Poll<()> {
        self.waiter.register(cx);
        let is_tidy = self.household.poll_empty(cx).is_ready();
        // Clean-ups may spawn members, and members defer clean-ups.
        if is_tidy && self.members.borrow().is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// What the group came to.
    fn end_over(&self) -> Result<T, GroupError<E>> {
        self.phase.set(Phase::Over);
        let Verdict { panic, errors, value } = self.take_verdict();
        if let Some(payload) = panic {
            drop((errors, value));
            resume_unwind(payload);
        }
        match GroupError::new(errors) {
            Some(error) => Err(error),
            None => Ok(value.expect("a group ends by a value, an error or a panic")),
        }
    }

    fn take_verdict(&self) -> Verdict<T, E> {
        let nothing = Verdict { panic: None, errors: Vec::new(), value: None };
        self.verdict.replace(nothing)
    }
}

/// Ends a group that is dropped: nothing is left to do if it is over.
struct AbortAll<T, E>(Rc<Inner<T, E>>);

impl<T, E> Drop for AbortAll<T, E> {
    fn drop(&mut self) {
        let inner = &self.0;
        if inner.phase.replace(Phase::Over) != Phase::Over {
            inner.abort_members();
            let Verdict { panic, errors, value } = inner.take_verdict();
            if let Some(payload) = panic {
                event_loop::report_panic(payload);
            }
            discard(errors);
            discard(value);
        }
        inner.waiter.clear();
        inner.household.close();
    }
}
