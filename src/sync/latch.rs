//! A count down.

use std::cell::Cell;
use std::fmt;

use super::Event;

/// Opens, for good, when it was counted down to zero.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use monoloop::sync::Latch;
///
/// monoloop::run(async {
///     let ready = Rc::new(Latch::new(2));
///     for _ in 0..2 {
///         let ready = Rc::clone(&ready);
///         monoloop::spawn(async move { ready.count_down() }).detach();
///     }
///     ready.wait().await;
///     assert_eq!(ready.count(), 0);
/// });
/// ```
#[doc(alias = "CountDownLatch")]
pub struct Latch {
    count: Cell<usize>,
    is_open: Event,
}

impl Latch {
    /// Makes a latch that opens after so many counts; zero makes an open one.
    pub fn new(count: usize) -> Self {
        let is_open = Event::new();
        if count == 0 {
            is_open.set();
        }
        Self { count: Cell::new(count), is_open }
    }

    /// Counts one down. The last count releases all who wait, in the order in which they came; more do
    /// nothing.
    pub fn count_down(&self) {
        self.count_down_by(1);
    }

    /// Counts `n` down, or what is left.
    pub fn count_down_by(&self, n: usize) {
        self.count.set(self.count.get().saturating_sub(n));
        if self.count.get() == 0 {
            self.is_open.set();
        }
    }

    /// Returns how many counts are left.
    pub fn count(&self) -> usize {
        self.count.get()
    }

    /// Returns whether the latch is open.
    pub fn is_open(&self) -> bool {
        self.is_open.is_set()
    }

    /// Waits until the latch is open.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn wait(&self) {
        self.is_open.wait().await;
    }

    /// Counts one down and waits until the latch is open.
    ///
    /// # Cancel safety
    ///
    /// The count stays counted.
    pub async fn arrive_and_wait(&self) {
        self.count_down();
        self.wait().await;
    }
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch").field("count", &self.count.get()).finish()
    }
}
