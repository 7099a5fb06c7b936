//! Waiting until nobody is at work.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::Event;

/// Counts those who are at work, and lets others wait until nobody is.
///
/// Clones share the count. Each [`WorkToken`] counts until it is dropped, also by a panic or an abort.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use monoloop::sync::WaitGroup;
///
/// monoloop::run(async {
///     let group = WaitGroup::new();
///     let done = Rc::new(Cell::new(0));
///     for _ in 0..3 {
///         let (token, done) = (group.token(), Rc::clone(&done));
///         monoloop::spawn(async move {
///             monoloop::yield_now().await;
///             done.set(done.get() + 1);
///             drop(token);
///         })
///         .detach();
///     }
///     group.wait().await;
///     assert_eq!(done.get(), 3);
/// });
/// ```
#[derive(Clone, Default)]
pub struct WaitGroup {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    tokens: Cell<usize>,
    /// Set when the last token goes: releases all who wait, whatever comes after.
    is_over: Event,
}

impl WaitGroup {
    /// Makes a group without a token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a token, which counts until it is dropped.
    pub fn token(&self) -> WorkToken {
        let tokens = &self.shared.tokens;
        tokens.set(tokens.get() + 1);
        WorkToken { shared: Rc::clone(&self.shared) }
    }

    /// Returns how many tokens there are.
    pub fn tokens(&self) -> usize {
        self.shared.tokens.get()
    }

    /// Waits until there is no token; not at all if there is none. Who waits when the last goes is released,
    /// even if there are new ones before it runs.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn wait(&self) {
        if self.tokens() > 0 {
            self.shared.is_over.clear();
            self.shared.is_over.wait().await;
        }
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup").field("tokens", &self.tokens()).finish()
    }
}

/// Counts as one who is at work, until it is dropped.
#[must_use = "work counts only while its token lives"]
pub struct WorkToken {
    shared: Rc<Shared>,
}

impl Clone for WorkToken {
    /// One more that counts.
    fn clone(&self) -> Self {
        WaitGroup { shared: Rc::clone(&self.shared) }.token()
    }
}

impl Drop for WorkToken {
    fn drop(&mut self) {
        let left = self.shared.tokens.get() - 1;
        self.shared.tokens.set(left);
        if left == 0 {
            self.shared.is_over.set();
        }
    }
}

impl fmt::Debug for WorkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkToken").field("tokens", &self.shared.tokens.get()).finish()
    }
}
