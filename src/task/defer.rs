//! Clean-up that must await.
//!
//! A destructor cannot await. So [`defer`] leaves a guard in a scope, and when the scope is left (by return, `?`, panic,
//! or because the future was dropped) the guard's future is *adopted*: it becomes a task of the loop, and the
//! surrounding group or scope does not return before it is through.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::household::{self, Entry, Household};
use crate::event_loop::{Adopted as Counted, context};
use crate::executor;

/// Has a clean-up run when the guard it returns is dropped.
///
/// # What is guaranteed
///
/// * However the scope is left, the clean-up is spawned before the guard's drop returns; its first poll comes after
///   all that is ready then.
/// * [`group`](super::group) and [`scope`](super::scope()) return after the clean-ups of their body and children, also
///   when they failed, and after those that clean-ups defer in turn. Which one surrounds is settled where `defer` is
///   called.
/// * If the group itself is dropped, its clean-ups pass to the group around it, and in the end to the loop.
/// * Cancelling cannot reach a clean-up: aborting the task that deferred it, its group or its siblings does not.
/// * The end of a loop ([`run`](crate::run), [`EventLoop::shutdown`](crate::EventLoop::shutdown), or its drop) runs what
///   is adopted by then, or is by the drops at the end, within the shutdown limit.
///
/// # What is not
///
/// * What takes longer than the shutdown limit is dropped half-way, reported to the error hook
///   ([`ErrorReport::ShutdownOverrun`](crate::ErrorReport)) and named in the
///   [`ShutdownReport`](crate::ShutdownReport). What is deferred by drops after that is dropped unpolled.
/// * A group waits without a limit of its own, as it does for its children: give the clean-up a
///   [`timeout`](crate::time::timeout).
/// * A guard that is forgotten (`mem::forget`), or dropped where no loop is current (on another executor, after the loop),
///   runs nothing. Nothing runs if the process exits, aborts or is killed.
/// * [`EventLoop::run`](crate::EventLoop::run) does not wait: clean-ups go on in the next run, or at the loop's end.
/// * The clean-up owns what it uses: it is `'static`, and runs after what the scope borrowed may be gone.
///
/// A panic of a clean-up goes to the error hook; of one that is [run](Deferred::run) in place, to who awaits it.
///
/// # Cancel safety
///
/// That is what it is for: dropping the future that holds the guard has the clean-up run.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use monoloop::task;
///
/// let is_closed = Rc::new(Cell::new(false));
/// monoloop::run(async {
///     let flag = is_closed.clone();
///     let worker = monoloop::spawn(async {
///         let _goodbye = task::defer(async move {
///             monoloop::yield_now().await; // a farewell over the network, say
///             flag.set(true);
///         });
///         std::future::pending::<()>().await
///     });
///     monoloop::yield_now().await;
///     worker.abort();
/// });
/// assert!(is_closed.get());
/// ```
#[doc(alias = "AsyncExitStack")]
#[doc(alias = "aclose")]
#[track_caller]
pub fn defer<F: Future<Output = ()> + 'static>(cleanup: F) -> Deferred<F> {
    Deferred {
        cleanup: Some(cleanup),
        household: household::current(),
        location: Location::caller(),
    }
}

/// A clean-up that runs when this is dropped; made by [`defer`].
#[must_use = "the clean-up runs when this is dropped: bind it to a name that begins with an underscore"]
pub struct Deferred<F: Future<Output = ()> + 'static> {
    /// `None` once it was adopted, run or disarmed.
    cleanup: Option<F>,
    household: Option<Rc<Household>>,
    location: &'static Location<'static>,
}

impl<F: Future<Output = ()> + 'static> Deferred<F> {
    /// Gives the clean-up back, not run.
    pub fn disarm(mut self) -> F {
        self.take()
    }

    /// Runs the clean-up here and now.
    ///
    /// # Cancel safety
    ///
    /// If this is dropped half-way, the rest of the clean-up is adopted, as if the guard had been dropped.
    pub async fn run(self) {
        let mut running = self.boxed();
        poll_fn(|cx| running.poll_here(cx)).await;
    }

    fn take(&mut self) -> F {
        self.cleanup.take().expect("a guard that was used up is gone")
    }
}

impl<F: Future<Output = ()> + 'static> Drop for Deferred<F> {
    fn drop(&mut self) {
        if let Some(cleanup) = self.cleanup.take() {
            adopt(cleanup, self.household.take(), self.location);
        }
    }
}

impl<F: Future<Output = ()> + 'static> fmt::Debug for Deferred<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").field("location", &self.location).finish_non_exhaustive()
    }
}

/// Spawns a clean-up; drops it where no loop is current, and late in the end of one.
fn adopt<F: Future<Output = ()> + 'static>(
    cleanup: F,
    household: Option<Rc<Household>>,
    location: &'static Location<'static>,
) {
    let Some((seed, counted)) = context::try_with(|core| core.adopt(location)).flatten() else {
        return;
    };
    let future = Adopted { cleanup, entry: Entry::new(household), _counted: counted };
    let (task, _join) = executor::new_task(future, seed);
    context::try_with(|core| core.executor.admit(task));
}

pin_project! {
    /// A clean-up as a task. Its entries go after it.
    struct Adopted<F> {
        #[pin]
        cleanup: F,
        entry: Entry,
        _counted: Counted,
    }
}

impl<F: Future<Output = ()>> Future for Adopted<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let _at = this.entry.enter();
        this.cleanup.poll(cx)
    }
}

/// Runs a future and then a clean-up, whatever becomes of the future: its output, a panic, or a drop half-way.
///
/// The clean-up has run when this gives the future's output. If the future panics, or this is dropped, the clean-up
/// (or what is left of it) is adopted as a [`defer`]red one is.
///
/// # Cancel safety
///
/// Dropping this drops the future, and the clean-up still runs; an output that is there already is dropped.
///
/// # Examples
///
/// ```
/// use monoloop::task;
///
/// # monoloop::run(async {
/// let log = std::rc::Rc::new(std::cell::RefCell::new(vec![]));
/// let (work, cleanup) = (log.clone(), log.clone());
/// let output = task::finally(
///     async move { work.borrow_mut().push("work"); 1 },
///     async move { cleanup.borrow_mut().push("clean-up") },
/// )
/// .await;
/// assert_eq!((output, &**log.borrow()), (1, &["work", "clean-up"][..]));
/// # });
/// ```
#[track_caller]
pub fn finally<F, C>(future: F, cleanup: C) -> Finally<F, C>
where
    F: Future,
    C: Future<Output = ()> + 'static,
{
    Finally { future: Some(future), output: None, guard: Some(defer(cleanup)), running: None }
}

type Running<C> = Deferred<Pin<Box<C>>>;

pin_project! {
    /// The future of [`finally`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Finally<F, C>
    where
        F: Future,
        C: Future<Output = ()>,
        C: 'static,
    {
        // `None` once it is through. Dropped before the guards, as fields are in order.
        #[pin]
        future: Option<F>,
        // From then on.
        output: Option<F::Output>,
        // Until then.
        guard: Option<Deferred<C>>,
        // From then on.
        running: Option<Running<C>>,
    }
}

impl<F, C> Future for Finally<F, C>
where
    F: Future,
    C: Future<Output = ()> + 'static,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if let Some(future) = this.future.as_mut().as_pin_mut() {
            *this.output = Some(ready!(future.poll(cx)));
            this.future.set(None);
            *this.running = this.guard.take().map(Deferred::boxed);
        }
        if let Some(running) = this.running {
            ready!(running.poll_here(cx));
        }
        *this.running = None;
        Poll::Ready(this.output.take().expect("a `Finally` was polled after it was ready"))
    }
}

impl<F: Future<Output = ()> + 'static> Deferred<F> {
    /// Puts the clean-up into a box, so that it can be polled and still be moved.
    fn boxed(mut self) -> Running<F> {
        Deferred {
            cleanup: self.cleanup.take().map(Box::pin),
            household: self.household.take(),
            location: self.location,
        }
    }
}

impl<F: Future<Output = ()> + 'static> Running<F> {
    /// Polls the clean-up. It is out of the guard meanwhile: one that panics is over, and not adopted.
    fn poll_here(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut cleanup = self.cleanup.take().expect("it is run nowhere else");
        let polled = cleanup.as_mut().poll(cx);
        if polled.is_pending() {
            self.cleanup = Some(cleanup);
        }
        polled
    }
}

impl<F: Future, C: Future<Output = ()> + 'static> fmt::Debug for Finally<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finally")
            .field("is_cleaning_up", &self.output.is_some())
            .finish_non_exhaustive()
    }
}
