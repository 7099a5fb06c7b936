//! A value that a future makes when somebody needs it.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::OnceCell;

/// A value, and the future that makes it when it is first asked for.
///
/// Whoever asks first polls the future. If that one is dropped, the next goes on where it stopped: nothing is
/// begun anew. (In an [`OnceCell`] each has an initialiser of its own.)
///
/// The second parameter is the future's type; as it stands, a boxed one, which can be named.
///
/// # Examples
///
/// ```
/// use monoloop::sync::LazyCell;
///
/// monoloop::run(async {
///     let answer = LazyCell::new(async { 6 * 7 });
///     assert_eq!(answer.get(), None);
///     assert_eq!(answer.force().await, &42);
///     assert_eq!(answer.get(), Some(&42));
/// });
/// ```
pub struct LazyCell<T, F = Pin<Box<dyn Future<Output = T>>>> {
    value: OnceCell<T>,
    /// Empty: it made the value, it is being polled, or it panicked.
    future: RefCell<Option<Pin<Box<F>>>>,
}

impl<T, F: Future<Output = T>> LazyCell<T, F> {
    /// Makes a cell whose value `future` makes, once somebody asks.
    pub fn new(future: F) -> Self {
        Self { value: OnceCell::new(), future: RefCell::new(Some(Box::pin(future))) }
    }

    /// Returns the value, after waiting until it is made.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the next goes on with the future, or is doing it.
    ///
    /// # Panics
    ///
    /// If the future panics, or did before.
    pub async fn force(&self) -> &T {
        self.value.get_or_init(async || poll_fn(|cx| self.poll_future(cx)).await).await
    }

    fn poll_future(&self, cx: &mut Context<'_>) -> Poll<T> {
        // Taken out meanwhile: polling is foreign code, and a future that panicked is not polled again.
        let mut future = self.future.take().expect("the future of a `LazyCell` panicked");
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            *self.future.borrow_mut() = Some(future);
        }
        polled
    }
}

impl<T, F> LazyCell<T, F> {
    /// Returns the value, if it is made.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Gives the value back, if it is made.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyCell<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyCell").field("value", &self.value.get()).finish_non_exhaustive()
    }
}
