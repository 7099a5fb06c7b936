//! All or nobody.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::wait_list::{Key, WaitList};

/// Lets a number of tasks wait for one another: when the last of them comes, all go on, and the barrier
/// begins anew.
///
/// Those who are released have their results in hand, so who comes next, before they ran, belongs to the next
/// round.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use monoloop::sync::Barrier;
///
/// monoloop::run(async {
///     let barrier = Rc::new(Barrier::new(3));
///     let tasks = [(); 3].map(|()| {
///         let barrier = Rc::clone(&barrier);
///         monoloop::spawn(async move { barrier.wait().await.unwrap().index() })
///     });
///     for (n, task) in tasks.into_iter().enumerate() {
///         assert_eq!(task.await.unwrap(), n);
///     }
/// });
/// ```
pub struct Barrier {
    parties: usize,
    is_broken: Cell<bool>,
    waiters: WaitList<(), Result<usize, BrokenBarrierError>>,
}

impl Barrier {
    /// Makes a barrier for so many tasks.
    ///
    /// # Panics
    ///
    /// If `parties` is zero: nobody could ever pass.
    #[track_caller]
    pub const fn new(parties: usize) -> Self {
        assert!(parties > 0, "a barrier is for one task at least");
        Self { parties, is_broken: Cell::new(false), waiters: WaitList::new() }
    }

    /// Waits until as many wait as the barrier is for. The last to come does not wait.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it no longer counts as having come. If all had come already, the others go on all the
    /// same.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrierError`] if the barrier is broken, or is reset or broken while this waits.
    pub fn wait(&self) -> BarrierWait<'_> {
        BarrierWait { barrier: self, key: None }
    }

    /// Sends away those who wait, with an error, and mends the barrier if it is broken.
    pub fn reset(&self) {
        self.is_broken.set(false);
        self.send_away();
    }

    /// Breaks the barrier: those who wait, and all who come, get an error, until [`reset`](Self::reset). For
    /// when one of the parties cannot come.
    pub fn abort(&self) {
        self.is_broken.set(true);
        self.send_away();
    }

    /// Returns whether the barrier is broken.
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        self.is_broken.get()
    }

    /// Returns for how many tasks the barrier is.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// Returns how many wait.
    #[doc(alias = "n_waiting")]
    pub fn waiting(&self) -> usize {
        self.waiters.len()
    }

    fn send_away(&self) {
        self.waiters.serve_all(|()| Err(BrokenBarrierError(())));
    }

    /// Comes to the barrier. `None`: others are missing.
    fn arrive(&self) -> Option<Result<usize, BrokenBarrierError>> {
        if self.is_broken.get() {
            return Some(Err(BrokenBarrierError(())));
        }
        let last = self.parties - 1;
        if self.waiters.len() < last {
            return None;
        }
        let mut indices = 0..last;
        self.waiters.serve_all(|()| Ok(indices.next().expect("no more wait than are awaited")));
        Some(Ok(last))
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .field("waiting", &self.waiting())
            .field("is_broken", &self.is_broken.get())
            .finish()
    }
}

/// The future of [`Barrier::wait`]. Once it is over it may be polled again, and comes to the barrier anew.
#[must_use = "futures do nothing unless they are awaited"]
pub struct BarrierWait<'a> {
    barrier: &'a Barrier,
    key: Option<Key>,
}

impl Future for BarrierWait<'_> {
    type Output = Result<BarrierWaitResult, BrokenBarrierError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let barrier = self.barrier;
        let polled =
            barrier.waiters.wait(&mut self.key, cx, (), || barrier.arrive(), |result| result);
        polled.map_ok(|index| BarrierWaitResult { index, is_leader: index == barrier.parties - 1 })
    }
}

impl Drop for BarrierWait<'_> {
    fn drop(&mut self) {
        if self.key.is_some() {
            drop(self.barrier.waiters.remove(&mut self.key));
        }
    }
}

impl fmt::Debug for BarrierWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWait").field("is_waiting", &self.key.is_some()).finish()
    }
}

/// Which of the tasks one was that passed a [`Barrier`] together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BarrierWaitResult {
    index: usize,
    is_leader: bool,
}

impl BarrierWaitResult {
    /// Returns the place in the order in which they came: from zero, each once.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns whether this is the one that came last: exactly one of them.
    pub fn is_leader(&self) -> bool {
        self.is_leader
    }
}

/// The barrier is broken, or was reset while this waited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BrokenBarrierError(());

impl fmt::Display for BrokenBarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier is broken")
    }
}

impl Error for BrokenBarrierError {}
