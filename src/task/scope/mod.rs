//! Children that may borrow.
//!
//! A [`scope`](scope()) polls its children inside its own future. They are no tasks: they live in the scope, are routed by
//! slots of their own (a wake polls only the child it was meant for), and go with it.
//!
//! # Why this is sound
//!
//! There is no `unsafe` here, and nothing outside of the scope's future ever polls a child.
//!
//! * A child must outlive `'env`, a lifetime that the caller of `scope` chose. The scope's future names `'env`, so the
//!   compiler sees to it that it is used no longer than what the children borrow. What the body owns does not outlive
//!   `'env`, so children cannot borrow that.
//! * Whoever can reach a child by type has `'env` in his type: the scope's future, and [`Scope`] handles, through the list
//!   of children that were spawned and not taken in yet. A [`ScopeHandle`] names `'env` too: it shares the child's
//!   memory, and takes the output out of it.
//! * Wakers reach an index in a queue (`executor::children`), not a child. So a stale one finds nothing.
//! * *Forgetting.* Nothing relies on a destructor. A scope's future that is forgotten is never polled again, so its
//!   children are not either; they leak, with references that nobody follows. Forgotten handles leak what they share.
//!   This is where scopes of threads, or of tasks that a loop owns, go wrong: there somebody else goes on running the
//!   child.

mod child;
mod crew;

pub use child::ScopeHandle;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;

use self::child::Child;
use self::crew::Crew;
use super::household;
use super::wake::Waiter;

/// Runs a body that spawns children which may borrow from outside the scope, and waits for all of them.
///
/// The children run concurrently with the body, inside of this future: they see its task-local values and deadlines,
/// and [`task::current`](super::current) is the task that awaits the scope. They are first polled in the order they were
/// spawned, after the poll that spawned them and what that woke, and later in the order they were woken. In a poll at most 128 of
/// them are polled; then the scope gives way to other tasks.
///
/// If the body or a child panics, the body is dropped and then the other children, in spawn order; then the scope goes on
/// with the panic. It returns, or panics, after what they [`defer`](super::defer())red is through. Runs on any executor.
///
/// # Cancel safety
///
/// Dropping the scope drops the body and the children, in spawn order, before the drop returns. Clean-ups that they
/// deferred pass to the group or scope around this one, or to the loop.
///
/// # Panics
///
/// With the first panic of the body or a child. Further ones go to the error hook.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, time::Duration};
/// use monoloop::{task::scope, time::sleep};
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let words = vec!["borrowed", "not", "cloned"];
/// let letters = Cell::new(0);
/// let longest = scope(async |s| {
///     for word in &words {
///         s.spawn(async {
///             sleep(Duration::from_millis(1)).await;
///             letters.set(letters.get() + word.len());
///         });
///     }
///     let longest = s.spawn(async { words.iter().map(|word| word.len()).max() });
///     longest.await
/// })
/// .await;
/// assert_eq!((longest, letters.get()), (Some(8), 17));
/// # });
/// ```
#[doc(alias = "moro")]
pub async fn scope<'env, B, F>(body: B) -> F::Output
where
    B: FnOnce(Scope<'env>) -> F,
    F: Future,
{
    let shared = Rc::new(Shared::new());
    // Dropped after the body.
    let mut crew = Crew::new(Rc::clone(&shared));
    let made = {
        let _at = household::enter(crew.household());
        catch_unwind(AssertUnwindSafe(|| body(Scope { shared })))
    };
    let (made, panic) = made.map_or_else(|panic| (None, Some(panic)), |made| (Some(made), None));
    let mut body = pin!(made);
    if let Some(panic) = panic {
        crew.begin_failed(panic, body.as_mut());
    }
    let mut output = None;
    poll_fn(|cx| crew.poll(cx, body.as_mut(), &mut output)).await;
    crew.resume_panic();
    output.expect("a scope ends by its body's output, or a panic")
}

/// The scope, to its body and children: spawns children into it. Clones are the same scope.
pub struct Scope<'env> {
    shared: Rc<Shared<'env>>,
}

/// What the scope's future and its handles share.
struct Shared<'env> {
    /// Spawned and not yet taken in.
    newcomers: RefCell<Vec<Child<'env>>>,
    /// Children that are not over, the newcomers included.
    alive: Cell<usize>,
    /// No child is taken any more.
    is_closed: Cell<bool>,
    /// Who awaits the scope. `None` while it is polled.
    waiter: Waiter,
}

impl<'env> Scope<'env> {
    /// Spawns a child. It is first polled after the poll that spawned it.
    ///
    /// Dropping the handle changes nothing. After the scope's end the future is dropped at once.
    ///
    /// # Examples
    ///
    /// Children may spawn children, by a handle of their own:
    ///
    /// ```
    /// # monoloop::run(async {
    /// let name = String::from("nested");
    /// let length = monoloop::task::scope(async |s| {
    ///     let inner = s.clone();
    ///     let name = &name;
    ///     s.spawn(async move { inner.spawn(async { name.len() }).await }).await
    /// });
    /// assert_eq!(length.await, 6);
    /// # });
    /// ```
    #[doc(alias = "start_soon")]
    pub fn spawn<F: Future + 'env>(&self, future: F) -> ScopeHandle<'env, F::Output>
    where
        F::Output: 'env,
    {
        if self.shared.is_closed.get() {
            drop(future);
            return ScopeHandle::refused();
        }
        let (child, handle) = Child::new(future);
        self.shared.newcomers.borrow_mut().push(child);
        self.shared.alive.set(self.shared.alive.get() + 1);
        self.shared.waiter.wake();
        handle
    }

    /// Returns how many children are not over.
    pub fn len(&self) -> usize {
        self.shared.alive.get()
    }

    /// Returns whether no child is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Clone for Scope<'_> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("children", &self.len())
            .field("is_closed", &self.shared.is_closed.get())
            .finish()
    }
}

impl<'env> Shared<'env> {
    fn new() -> Self {
        Self {
            newcomers: RefCell::default(),
            alive: Cell::new(0),
            is_closed: Cell::new(false),
            waiter: Waiter::default(),
        }
    }

    fn take_newcomers(&self) -> Vec<Child<'env>> {
        self.newcomers.take()
    }

    fn count_out(&self) {
        self.alive.set(self.alive.get() - 1);
    }
}
