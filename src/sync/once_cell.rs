//! A value that is made once, by whoever needs it first.

use std::cell::{self, Cell};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::gives_back;
use crate::wait_list::{Key, Removed, WaitList, wake};

/// A cell that is written once; its value may take some awaiting to make.
///
/// Of those who want to initialise it, the first begins, and the others wait for its value. If the first is
/// dropped, panics or fails, the next begins with its own initialiser.
///
/// # Examples
///
/// ```
/// use monoloop::sync::OnceCell;
///
/// monoloop::run(async {
///     let cell = OnceCell::new();
///     assert_eq!(cell.get_or_init(async || 1).await, &1);
///     assert_eq!(cell.get_or_init(async || 2).await, &1);
///     assert_eq!(cell.into_inner(), Some(1));
/// });
/// ```
pub struct OnceCell<T> {
    value: cell::OnceCell<T>,
    /// Somebody initialises, or was told to.
    is_busy: Cell<bool>,
    waiters: WaitList<(), Turn>,
}

/// What a waiter is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// It is its turn to initialise.
    Yours,
    /// There is a value.
    Over,
}

impl<T> OnceCell<T> {
    /// Makes an empty cell. Allocates nothing before somebody waits.
    pub const fn new() -> Self {
        Self { value: cell::OnceCell::new(), is_busy: Cell::new(false), waiters: WaitList::new() }
    }

    /// Returns the value, if there is one.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Returns the value, if there is one.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Puts the value in.
    ///
    /// # Errors
    ///
    /// [`SetError`], with the value, if there is one already or somebody initialises.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        if self.is_busy.get() {
            return Err(SetError(value));
        }
        self.value.set(value).map_err(SetError)
    }

    /// Takes the value out. Then the cell is empty again.
    pub fn take(&mut self) -> Option<T> {
        self.value.take()
    }

    /// Gives the value back, if there is one.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Returns the value. If there is none, makes it with `init`, or waits for who makes it.
    ///
    /// # Cancel safety
    ///
    /// What `init` did so far is lost, if it ran; the next who waits begins with its own. Who only waited
    /// loses nothing.
    pub async fn get_or_init(&self, init: impl AsyncFnOnce() -> T) -> &T {
        let result = self.get_or_try_init(async || Ok::<T, Infallible>(init().await)).await;
        match result {
            Ok(value) => value,
        }
    }

    /// Returns the value. If there is none, makes it with `init`, or waits for who makes it.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_init`](Self::get_or_init).
    ///
    /// # Errors
    ///
    /// That of `init`, if it ran: then the next who waits begins with its own.
    ///
    /// # Examples
    ///
    /// ```
    /// # use monoloop::sync::OnceCell;
    /// # monoloop::run(async {
    /// let cell = OnceCell::new();
    /// assert_eq!(cell.get_or_try_init(async || "x".parse::<u8>()).await.ok(), None);
    /// assert_eq!(cell.get_or_try_init(async || "7".parse::<u8>()).await, Ok(&7));
    /// # });
    /// ```
    pub async fn get_or_try_init<E>(
        &self,
        init: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<&T, E> {
        loop {
            if let Some(value) = self.value.get() {
                return Ok(value);
            }
            if let Some(baton) = (Queue { cell: self, key: None }).await {
                return Ok(baton.finish(init().await?));
            }
        }
    }

    /// Takes the turn to initialise, if it is nobody's. `Some(None)`: there is a value.
    fn begin(&self) -> Option<Option<Baton<'_, T>>> {
        if self.value.get().is_some() {
            return Some(None);
        }
        if self.is_busy.replace(true) {
            return None;
        }
        Some(Some(Baton(self)))
    }

    /// Passes the turn on, or says that it is nobody's.
    fn give_up(&self) {
        match self.waiters.serve(|()| Some(Turn::Yours)) {
            Some(waker) => wake(waker),
            None => self.is_busy.set(false),
        }
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        Self { value: value.into(), ..Self::new() }
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.value).finish()
    }
}

/// The turn to initialise. Dropped without a value, it goes to the next.
struct Baton<'a, T>(&'a OnceCell<T>);

impl<'a, T> Baton<'a, T> {
    fn finish(self, value: T) -> &'a T {
        let cell = self.0;
        mem::forget(self);
        cell.is_busy.set(false);
        let value = cell.value.get_or_init(|| value);
        cell.waiters.serve_all(|()| Turn::Over);
        value
    }
}

impl<T> Drop for Baton<'_, T> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// Waits for the turn to initialise, or until there is a value: `None`.
struct Queue<'a, T> {
    cell: &'a OnceCell<T>,
    key: Option<Key>,
}

impl<'a, T> Future for Queue<'a, T> {
    type Output = Option<Baton<'a, T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let cell = self.cell;
        let accept = |turn| (turn == Turn::Yours).then_some(Baton(cell));
        cell.waiters.wait(&mut self.key, cx, (), || cell.begin(), accept)
    }
}

impl<T> Drop for Queue<'_, T> {
    fn drop(&mut self) {
        if self.key.is_some() {
            if let Removed::Served(Turn::Yours) = self.cell.waiters.remove(&mut self.key) {
                self.cell.give_up();
            }
        }
    }
}

gives_back! {
    /// There was a value already, or somebody makes one. Gives back the one that was to be set.
    SetError, "the cell has a value, or somebody makes one"
}
