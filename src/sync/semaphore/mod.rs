//! So many at a time.

mod acquire;
mod permit;

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::rc::Rc;
use std::thread;

use crate::wait_list::WaitList;

pub use acquire::{Acquire, AcquireOwned};
pub use permit::{OwnedPermit, Permit};

/// A number of permits. A task that has one goes on; without one it waits.
///
/// Fair: who waits longest is served first, with the permits themselves. A request for many waits at the
/// front until there are enough, and nobody behind it gets ahead, however few they ask for: so it is not put
/// off for ever.
///
/// # Examples
///
/// At most two at a time:
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use monoloop::sync::Semaphore;
///
/// monoloop::run(async {
///     let semaphore = Rc::new(Semaphore::new(2));
///     let busy = Rc::new(Cell::new(0));
///     let tasks = [1, 2, 3, 4].map(|_| {
///         let (semaphore, busy) = (Rc::clone(&semaphore), Rc::clone(&busy));
///         monoloop::spawn(async move {
///             let _permit = semaphore.acquire().await.expect("nobody closes it");
///             busy.set(busy.get() + 1);
///             assert!(busy.get() <= 2);
///             monoloop::yield_now().await;
///             busy.set(busy.get() - 1);
///         })
///     });
///     for task in tasks {
///         task.await.unwrap();
///     }
///     assert_eq!(semaphore.available_permits(), 2);
/// });
/// ```
#[doc(alias = "BoundedSemaphore")]
pub struct Semaphore {
    /// Those that are nobody's. Permits of served waiters are not among them.
    permits: Cell<usize>,
    is_closed: Cell<bool>,
    waiters: WaitList<usize, Result<(), AcquireError>>,
}

impl Semaphore {
    /// The most permits that a semaphore may be given.
    ///
    /// More may come back, if some were [added](Self::add_permits) while they were out. Four times as many are
    /// a panic where they come back, and this many are left.
    pub const MAX_PERMITS: usize = usize::MAX >> 3;

    /// Makes a semaphore with so many permits. Allocates nothing before somebody waits.
    ///
    /// # Panics
    ///
    /// If there are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub const fn new(permits: usize) -> Self {
        assert!(permits <= Self::MAX_PERMITS, "a semaphore has at most `MAX_PERMITS` permits");
        Self { permits: Cell::new(permits), is_closed: Cell::new(false), waiters: WaitList::new() }
    }

    /// Waits for a permit. Dropping the permit gives it back.
    ///
    /// # Cancel safety
    ///
    /// The place in the queue is lost, nothing else. A permit that was handed over already goes to the next.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] if the semaphore is closed.
    #[inline]
    pub fn acquire(&self) -> Acquire<'_> {
        self.acquire_many(1)
    }

    /// Waits for so many permits at once. More than there ever are is a wait for ever, and so it is for all
    /// behind.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire). Those behind it are served if now there are enough for them.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] if the semaphore is closed.
    #[inline]
    pub fn acquire_many(&self, permits: usize) -> Acquire<'_> {
        Acquire::new(self, permits)
    }

    /// Waits as [`acquire`](Self::acquire) does, for a permit that can be kept or sent anywhere.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`AcquireError`] if the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use monoloop::sync::Semaphore;
    ///
    /// # monoloop::run(async {
    /// let semaphore = Rc::new(Semaphore::new(1));
    /// let permit = semaphore.acquire_owned().await.unwrap();
    /// let task = monoloop::spawn(async move { drop(permit) });
    /// semaphore.acquire().await.unwrap();
    /// assert!(task.is_finished());
    /// # });
    /// ```
    pub fn acquire_owned(self: &Rc<Self>) -> AcquireOwned {
        self.acquire_many_owned(1)
    }

    /// Waits as [`acquire_many`](Self::acquire_many) does, for permits that can be kept or sent anywhere.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`AcquireError`] if the semaphore is closed.
    pub fn acquire_many_owned(self: &Rc<Self>, permits: usize) -> AcquireOwned {
        AcquireOwned::new(Rc::clone(self), permits)
    }

    /// Takes a permit, if there is one and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] if there is none, others wait, or the semaphore is closed.
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes so many permits, if there are enough and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    #[inline]
    pub fn try_acquire_many(&self, permits: usize) -> Result<Permit<'_>, TryAcquireError> {
        self.try_take(permits)?;
        Ok(Permit::new(self, permits))
    }

    /// Takes a permit as [`try_acquire`](Self::try_acquire) does, to be kept or sent anywhere.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_owned(self: &Rc<Self>) -> Result<OwnedPermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// Takes permits as [`try_acquire_many`](Self::try_acquire_many) does, to be kept or sent anywhere.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_many_owned(
        self: &Rc<Self>,
        permits: usize,
    ) -> Result<OwnedPermit, TryAcquireError> {
        self.try_take(permits)?;
        Ok(OwnedPermit::new(Rc::clone(self), permits))
    }

    /// Adds permits: first come those who wait.
    ///
    /// # Panics
    ///
    /// If there were more than [`MAX_PERMITS`](Self::MAX_PERMITS) then; nothing is added.
    #[doc(alias = "release")]
    #[track_caller]
    pub fn add_permits(&self, permits: usize) {
        let sum = self.permits.get().checked_add(permits);
        let sum = sum.filter(|&sum| sum <= Self::MAX_PERMITS);
        self.permits.set(sum.expect("a semaphore has at most `MAX_PERMITS` permits"));
        self.serve();
    }

    /// Takes away up to so many of the permits that are available, for good. Returns how many.
    pub fn forget_permits(&self, permits: usize) -> usize {
        let forgotten = permits.min(self.permits.get());
        self.permits.set(self.permits.get() - forgotten);
        forgotten
    }

    /// Returns how many permits are available. Those that wait for more count as available.
    pub fn available_permits(&self) -> usize {
        self.permits.get()
    }

    /// Ends the handing out: those who wait get an error, in order, and so does who asks from now on. Permits
    /// that were handed out stay valid.
    pub fn close(&self) {
        self.is_closed.set(true);
        self.waiters.serve_all(|_| Err(AcquireError(())));
    }

    /// Returns whether the semaphore was closed.
    pub fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    #[inline]
    fn try_take(&self, permits: usize) -> Result<(), TryAcquireError> {
        if self.is_closed.get() {
            return Err(TryAcquireError::Closed);
        }
        match self.permits.get().checked_sub(permits) {
            Some(left) if self.waiters.is_empty() => self.permits.set(left),
            _ => return Err(TryAcquireError::NoPermits),
        }
        Ok(())
    }

    /// Takes permits back.
    #[inline]
    fn release(&self, permits: usize) {
        let sum = self.permits.get().wrapping_add(permits);
        self.permits.set(sum);
        if Self::is_far_too_many(sum) || !self.waiters.is_empty() {
            self.release_slowly();
        }
    }

    /// Four times as many as there may be, and long before the count would wrap. It is the sign, which costs one
    /// instruction to look at.
    #[inline]
    fn is_far_too_many(permits: usize) -> bool {
        permits > isize::MAX as usize
    }

    /// Apart, and one call, so that to release where nobody waits is a few instructions.
    #[inline(never)]
    fn release_slowly(&self) {
        self.serve_waiting();
        // More came back than there may be, since some were added while those were out.
        if Self::is_far_too_many(self.permits.get()) {
            self.permits.set(Self::MAX_PERMITS);
            // In a drop: a second panic would end the process.
            assert!(thread::panicking(), "a semaphore has at most `MAX_PERMITS` permits");
        }
    }

    /// Serves those who wait, in order, as far as the permits go.
    #[inline]
    fn serve(&self) {
        if !self.waiters.is_empty() {
            self.serve_waiting();
        }
    }

    #[inline(never)]
    fn serve_waiting(&self) {
        self.waiters.serve_while(|&mut permits| {
            self.permits.set(self.permits.get().checked_sub(permits)?);
            Some(Ok(()))
        });
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("permits", &self.permits.get())
            .field("is_closed", &self.is_closed.get())
            .field("waiting", &self.waiters.len())
            .finish()
    }
}

/// The semaphore is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AcquireError(());

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl Error for AcquireError {}

/// Why there was no permit to be had at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TryAcquireError {
    /// There are too few, or others wait for them.
    NoPermits,
    /// The semaphore is closed.
    Closed,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPermits => "no permit is available",
            Self::Closed => "the semaphore is closed",
        })
    }
}

impl Error for TryAcquireError {}
