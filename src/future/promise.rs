//! A value that is set once and awaited by many.

use std::cell::OnceCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crate::wait_list::{ReleaseList, Ticket};

/// Makes a value that is set once and awaited by many: the end that sets it, and one that awaits it, which can be
/// cloned.
///
/// # Examples
///
/// ```
/// use monoloop::future::{BrokenPromise, gather, promise};
///
/// # monoloop::run(async {
/// let (config, ready) = promise();
/// let waiters = [ready.clone(), ready.clone()];
/// monoloop::spawn(async move { config.set("verbose") }).detach();
/// assert_eq!(gather(waiters).await, [Ok("verbose"), Ok("verbose")]);
/// assert_eq!(ready.get(), Some(&"verbose"));
///
/// let (config, ready) = promise::<u8>();
/// drop(config);
/// assert_eq!(ready.await, Err(BrokenPromise));
/// # });
/// ```
#[doc(alias = "Future")]
#[doc(alias = "create_future")]
pub fn promise<T>() -> (Promise<T>, Promised<T>) {
    let inner = Rc::new(Inner { outcome: OnceCell::new(), waiters: ReleaseList::new() });
    (Promise { inner: Rc::clone(&inner) }, Promised { inner, ticket: None })
}

struct Inner<T> {
    /// `None`: the promise was dropped unset.
    outcome: OnceCell<Option<T>>,
    waiters: ReleaseList,
}

impl<T> Inner<T> {
    fn settle(&self, outcome: Option<T>) {
        let is_first = self.outcome.set(outcome).is_ok();
        debug_assert!(is_first, "settled by the one promise, once");
        self.waiters.release();
    }
}

/// Sets the value of a [`promise`]. Dropping it unset tells the waiters that there will be none.
#[must_use = "dropping a promise breaks it: call `set`"]
pub struct Promise<T> {
    inner: Rc<Inner<T>>,
}

impl<T> Promise<T> {
    /// Sets the value and wakes all who wait, in the order in which they came.
    #[doc(alias = "set_result")]
    pub fn set(self, value: T) {
        self.inner.settle(Some(value));
    }

    /// Whether anybody could still receive the value.
    pub fn is_awaited(&self) -> bool {
        Rc::strong_count(&self.inner) > 1
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if self.inner.outcome.get().is_none() {
            self.inner.settle(None);
        }
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").field("waiting", &self.inner.waiters.len()).finish()
    }
}

/// Awaits the value of a [`promise`]: a future, which can be cloned, of a clone of it.
///
/// # Errors
///
/// [`BrokenPromise`] if the promise was dropped unset.
///
/// # Cancel safety
///
/// Nothing is lost.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Promised<T> {
    inner: Rc<Inner<T>>,
    ticket: Option<Ticket>,
}

/// Nothing is pinned: the value lies elsewhere.
impl<T> Unpin for Promised<T> {}

impl<T> Promised<T> {
    /// The value, if it is set.
    #[doc(alias = "result")]
    pub fn get(&self) -> Option<&T> {
        self.inner.outcome.get()?.as_ref()
    }

    /// Whether there is nothing to wait for: the value is set, or never will be.
    #[doc(alias = "done")]
    pub fn is_settled(&self) -> bool {
        self.inner.outcome.get().is_some()
    }
}

impl<T: Clone> Future for Promised<T> {
    type Output = Result<T, BrokenPromise>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { inner, ticket } = &mut *self;
        ready!(inner.waiters.wait(ticket, cx, || inner.outcome.get().is_some()));
        let value = inner.outcome.get().and_then(Option::as_ref);
        Poll::Ready(value.cloned().ok_or(BrokenPromise))
    }
}

impl<T> Clone for Promised<T> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner), ticket: None }
    }
}

impl<T> Drop for Promised<T> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            drop(self.inner.waiters.remove(&mut self.ticket));
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Promised<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_tuple("Promised");
        match self.inner.outcome.get() {
            None => out.field(&format_args!("pending")),
            Some(None) => out.field(&BrokenPromise),
            Some(Some(value)) => out.field(value),
        };
        out.finish()
    }
}

/// The promise was dropped before it was set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BrokenPromise;

impl fmt::Display for BrokenPromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the promise was dropped before it was set")
    }
}

impl Error for BrokenPromise {}

impl From<BrokenPromise> for std::io::Error {
    fn from(error: BrokenPromise) -> Self {
        Self::new(std::io::ErrorKind::BrokenPipe, error)
    }
}
