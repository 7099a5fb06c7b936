//! Asking work to stop, and being asked.
//!
//! Dropping a future cancels it, and nobody can refuse. A token is the other tool: it *asks*, and whoever listens
//! winds down in its own time. Tokens form a tree: cancelling one cancels all below it.
//!
//! ```text
//!     root ◄──strong── server ◄──strong── connection        a child keeps its parents alive
//!       └────weak────────┘└─────weak─────────┘              a parent knows its living children
//! ```
//!
//! A node leaves its parent's list when its last handle goes, so a million short-lived children leave nothing
//! behind. Both directions are walked by loops, not by recursion: a chain of any depth is cancelled and dropped on
//! a flat stack. Wakers run when the whole subtree is marked and no borrow is held.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use slab::Slab;

use super::wake::wake_all;
use crate::in_order::sort_by_number;
use crate::wait_list::{Foreign, ReleaseList, Ticket};

/// A request to stop, in a tree of such requests. Clones are the same token.
///
/// Tokens belong to one thread and need no loop. The loop has one itself, which is cancelled at the end of a run:
/// [`CancelToken::root`].
///
/// # Examples
///
/// ```
/// use monoloop::task::CancelToken;
///
/// monoloop::run(async {
///     let server = CancelToken::new();
///     let connection = server.child();
///     let worker = monoloop::spawn({
///         let token = connection.clone();
///         async move { token.run_until_cancelled(std::future::pending::<()>()).await }
///     });
///     server.cancel_with("closing time");
///     assert_eq!(worker.await.unwrap(), None);
///     assert_eq!(connection.reason().as_deref(), Some("closing time"));
/// });
/// ```
#[doc(alias = "CancellationToken")]
#[derive(Clone)]
pub struct CancelToken {
    node: Rc<Node>,
}

struct Node {
    is_cancelled: Cell<bool>,
    reason: OnceCell<Rc<str>>,
    /// `None`: a root, or cancelled.
    parent: Cell<Option<Link>>,
    /// Empty once cancelled.
    children: RefCell<Slab<Weak<Node>>>,
    /// Nobody joins once it is cancelled.
    waiters: ReleaseList,
    /// How many children were ever made.
    births: Cell<u64>,
    /// Orders the parent's children by when they were made; slab keys are reused.
    born: u64,
}

/// A node's place under its parent.
struct Link {
    parent: Rc<Node>,
    key: usize,
}

impl CancelToken {
    /// Makes a token without a parent.
    pub fn new() -> Self {
        Self { node: Rc::new(Node::new(0)) }
    }

    /// Makes a token that is cancelled with this one, and may be cancelled by itself. The child of a cancelled
    /// token is cancelled from the start.
    #[doc(alias = "child_token")]
    #[must_use = "a child that is dropped changes nothing"]
    pub fn child(&self) -> Self {
        let parent = &self.node;
        let node = Rc::new(Node::new(parent.next_birth()));
        if parent.is_cancelled.get() {
            // Nobody waits for it yet.
            node.mark(parent.reason.get(), &mut Foreign::default());
        } else {
            let key = parent.children.borrow_mut().insert(Rc::downgrade(&node));
            node.parent.set(Some(Link { parent: Rc::clone(parent), key }));
        }
        Self { node }
    }

    /// Cancels this token and all below it, and wakes who waits for that: of each token in the order they came, a
    /// token before those below it. Gives false if it was cancelled before.
    pub fn cancel(&self) -> bool {
        self.cancel_for(None)
    }

    /// Cancels as [`cancel`](Self::cancel) does, and says why. The reason of the first cancellation stands.
    pub fn cancel_with(&self, reason: impl Into<Rc<str>>) -> bool {
        self.cancel_for(Some(reason.into()))
    }

    fn cancel_for(&self, reason: Option<Rc<str>>) -> bool {
        if self.is_cancelled() {
            return false;
        }
        let mut foreign = Foreign::default();
        let mut marked = VecDeque::from([Rc::clone(&self.node)]);
        while let Some(node) = marked.pop_front() {
            node.mark(reason.as_ref(), &mut foreign);
            marked.extend(node.take_children());
        }
        wake_all(&mut foreign.into_wakers());
        true
    }

    /// Returns whether this token, or one above it, was cancelled.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled.get()
    }

    /// Returns why it was cancelled, if it was and somebody said.
    pub fn reason(&self) -> Option<Rc<str>> {
        self.node.reason.get().cloned()
    }

    /// Waits until the token is cancelled; at once if it is.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a token stays cancelled.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled { token: self.clone(), ticket: None }
    }

    /// Runs a future until the token is cancelled: `None`, and the future is dropped with the
    /// [`RunUntilCancelled`].
    ///
    /// The future is polled before the token is looked at: a value that is there wins, also if the token was
    /// cancelled before.
    ///
    /// # Cancel safety
    ///
    /// As safe as the future: dropping this drops it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use monoloop::task::CancelToken;
    /// # monoloop::run(async {
    /// let token = CancelToken::new();
    /// assert_eq!(token.run_until_cancelled(async { 1 }).await, Some(1));
    /// token.cancel();
    /// assert_eq!(token.run_until_cancelled(std::future::pending::<()>()).await, None);
    /// # });
    /// ```
    pub fn run_until_cancelled<F: Future>(&self, future: F) -> RunUntilCancelled<F> {
        RunUntilCancelled { future, cancelled: self.cancelled() }
    }

    /// Returns a guard that cancels the token when it is dropped.
    pub fn drop_guard(&self) -> DropGuard {
        DropGuard { token: Some(self.clone()) }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("is_cancelled", &self.is_cancelled())
            .field("reason", &self.node.reason.get())
            .field("children", &self.node.children.borrow().len())
            .field("waiters", &self.node.waiters.len())
            .finish()
    }
}

impl Node {
    fn new(born: u64) -> Self {
        Self {
            is_cancelled: Cell::new(false),
            reason: OnceCell::new(),
            parent: Cell::new(None),
            children: RefCell::default(),
            waiters: ReleaseList::new(),
            births: Cell::new(0),
            born,
        }
    }

    fn next_birth(&self) -> u64 {
        self.births.set(self.births.get() + 1);
        self.births.get()
    }

    /// Marks the node as cancelled, if it is not. Who waited is woken, in order, or joins those with `foreign` wakers.
    fn mark(&self, reason: Option<&Rc<str>>, foreign: &mut Foreign) {
        if self.is_cancelled.replace(true) {
            return;
        }
        if let Some(reason) = reason {
            let _first = self.reason.set(Rc::clone(reason));
        }
        self.leave();
        self.waiters.release_into(foreign);
    }

    /// Takes the children that still have handles, in the order they were made.
    fn take_children(&self) -> Vec<Rc<Node>> {
        let children = self.children.take();
        let mut children: Vec<_> =
            children.into_iter().filter_map(|(_, child)| child.upgrade()).collect();
        sort_by_number(&mut children, |child| child.born);
        children
    }

    /// Leaves the parent's list, and takes apart the parents that nobody else holds.
    fn leave(&self) {
        let mut link = self.parent.take();
        while let Some(Link { parent, key }) = link {
            // A cancelled parent has taken its list.
            drop(parent.children.borrow_mut().try_remove(key));
            link = Rc::into_inner(parent).and_then(|parent| parent.parent.take());
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Nobody waits: who does has a handle.
        self.leave();
    }
}

/// The future of [`CancelToken::cancelled`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Cancelled {
    token: CancelToken,
    /// Our place among the waiters, if we have one.
    ticket: Option<Ticket>,
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { token, ticket } = &mut *self;
        token.node.waiters.wait(ticket, cx, || token.is_cancelled())
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            drop(self.token.node.waiters.remove(&mut self.ticket));
        }
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").field("token", &self.token).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`CancelToken::run_until_cancelled`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct RunUntilCancelled<F> {
        #[pin]
        future: F,
        cancelled: Cancelled,
    }
}

impl<F: Future> Future for RunUntilCancelled<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Some(output));
        }
        Pin::new(this.cancelled).poll(cx).map(|()| None)
    }
}

impl<F> fmt::Debug for RunUntilCancelled<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunUntilCancelled")
            .field("token", &self.cancelled.token)
            .finish_non_exhaustive()
    }
}

/// Cancels a token when it is dropped; made by [`CancelToken::drop_guard`].
#[derive(Debug)]
#[must_use = "the token is cancelled when the guard is dropped"]
pub struct DropGuard {
    token: Option<CancelToken>,
}

impl DropGuard {
    /// Gives the token back, not cancelled.
    pub fn disarm(mut self) -> CancelToken {
        self.token.take().expect("taken only here, and by the drop")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            token.cancel();
        }
    }
}
