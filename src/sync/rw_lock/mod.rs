//! Many readers or one writer.

mod guard;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::TryLockError;
use crate::wait_list::{Key, Removed, WaitList};

pub use guard::{MappedRwLockReadGuard, MappedRwLockWriteGuard, RwLockReadGuard, RwLockWriteGuard};

/// A value that many tasks may read, or one may write, across their awaits.
///
/// Fair: requests are served in the order in which they came, neighbouring readers together. A reader that
/// comes while a writer waits comes after that writer, so neither side starves. (So a task that reads must
/// not read again while it does: with a writer between, both wait for ever.)
///
/// # Examples
///
/// ```
/// use monoloop::sync::RwLock;
///
/// monoloop::run(async {
///     let config = RwLock::new(String::from("a"));
///     {
///         let first = config.read().await;
///         let second = config.read().await;
///         assert_eq!(*first, *second);
///         assert!(config.try_write().is_err());
///     }
///     config.write().await.push('b');
///     assert_eq!(config.into_inner(), "ab");
/// });
/// ```
pub struct RwLock<T: ?Sized> {
    turns: Turns,
    /// Borrowed as `turns` says, but for those who did not run yet.
    value: RefCell<T>,
}

/// Whose turn it is.
struct Turns {
    /// Who has the lock, those included who were handed it and did not run yet: the number of readers, or
    /// [`WRITER`].
    holders: Cell<usize>,
    waiters: WaitList<Access>,
}

/// In `holders`: one writer.
const WRITER: usize = usize::MAX;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    Read,
    Write,
}

impl<T> RwLock<T> {
    /// Makes an unlocked lock. Allocates nothing before somebody waits.
    pub const fn new(value: T) -> Self {
        let turns = Turns { holders: Cell::new(0), waiters: WaitList::new() };
        Self { turns, value: RefCell::new(value) }
    }

    /// Gives the value back.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until no writer has the lock and all who came before were served, and locks it for reading.
    ///
    /// # Cancel safety
    ///
    /// The place in the queue is lost, nothing else. A lock that was handed over already goes to the next.
    #[inline]
    pub fn read(&self) -> Read<'_, T> {
        Read { waiter: Waiter::new(self) }
    }

    /// Waits until nobody has the lock and all who came before were served, and locks it for writing.
    ///
    /// # Cancel safety
    ///
    /// As [`read`](Self::read). Readers that waited behind it are served, if readers have the lock.
    #[inline]
    pub fn write(&self) -> Write<'_, T> {
        Write { waiter: Waiter::new(self) }
    }

    /// Locks for reading, if no writer has the lock and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] otherwise.
    #[inline]
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        self.turns.try_take(Access::Read)?;
        Ok(self.reader())
    }

    /// Locks for writing, if nobody has the lock and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] otherwise.
    #[inline]
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        self.turns.try_take(Access::Write)?;
        Ok(self.writer())
    }

    /// Gives the value: who has the lock for itself need not lock it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// A guard for one who is among the holders.
    #[inline]
    fn reader(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard::new(self, self.value.borrow())
    }

    /// As [`reader`](Self::reader).
    #[inline]
    fn writer(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard::new(self, self.value.borrow_mut())
    }
}

impl Turns {
    #[inline]
    fn try_take(&self, access: Access) -> Result<(), TryLockError> {
        match self.admit(access) {
            Some(holders) if self.waiters.is_empty() => self.holders.set(holders),
            _ => return Err(TryLockError(())),
        }
        Ok(())
    }

    /// What `holders` becomes if one more gets the lock now; `None` if it must wait.
    #[inline]
    fn admit(&self, access: Access) -> Option<usize> {
        match (access, self.holders.get()) {
            (Access::Write, 0) => Some(WRITER),
            (Access::Read, readers) if readers < WRITER - 1 => Some(readers + 1),
            _ => None,
        }
    }

    /// One holder fewer.
    #[inline]
    fn release(&self) {
        let holders = self.holders.get();
        self.holders.set(if holders == WRITER { 0 } else { holders - 1 });
        self.serve();
    }

    /// Serves those who wait, in order, as far as they may go together.
    #[inline]
    fn serve(&self) {
        if !self.waiters.is_empty() {
            self.serve_waiting();
        }
    }

    #[inline(never)]
    fn serve_waiting(&self) {
        self.waiters.serve_while(|&mut access| {
            self.holders.set(self.admit(access)?);
            Some(())
        });
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One more reader meanwhile, ahead of who waits: it is through before anybody runs.
        let guard = self.turns.admit(Access::Read).map(|holders| {
            self.turns.holders.set(holders);
            self.reader()
        });
        let value: &dyn fmt::Debug = match &guard {
            Some(guard) => guard,
            None => &format_args!("<locked>"),
        };
        f.debug_struct("RwLock")
            .field("value", value)
            .field("waiting", &self.turns.waiters.len())
            .finish()
    }
}

/// A future's place, for either access.
struct Waiter<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    key: Option<Key>,
}

impl<'a, T: ?Sized> Waiter<'a, T> {
    #[inline]
    fn new(lock: &'a RwLock<T>) -> Self {
        Self { lock, key: None }
    }

    /// Waits to be among the holders.
    #[inline]
    fn poll(&mut self, cx: &Context<'_>, access: Access) -> Poll<()> {
        let turns = &self.lock.turns;
        turns.waiters.wait(&mut self.key, cx, access, || turns.try_take(access).ok(), |()| ())
    }
}

impl<T: ?Sized> Drop for Waiter<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.key.is_some() {
            self.cancel();
        }
    }
}

impl<T: ?Sized> Waiter<'_, T> {
    #[cold]
    fn cancel(&mut self) {
        let turns = &self.lock.turns;
        match turns.waiters.remove(&mut self.key) {
            Removed::Served(()) => turns.release(),
            // A writer may have kept readers waiting.
            Removed::Waiting(_, _waker) => turns.serve(),
        }
    }
}

/// The future of [`RwLock::read`]. Once it gave the lock it may be polled again, and locks anew.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Read<'a, T: ?Sized> {
    waiter: Waiter<'a, T>,
}

impl<'a, T: ?Sized> Future for Read<'a, T> {
    type Output = RwLockReadGuard<'a, T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.waiter.poll(cx, Access::Read).map(|()| self.waiter.lock.reader())
    }
}

impl<T: ?Sized> fmt::Debug for Read<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("is_waiting", &self.waiter.key.is_some()).finish()
    }
}

/// The future of [`RwLock::write`]. Once it gave the lock it may be polled again, and locks anew.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Write<'a, T: ?Sized> {
    waiter: Waiter<'a, T>,
}

impl<'a, T: ?Sized> Future for Write<'a, T> {
    type Output = RwLockWriteGuard<'a, T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.waiter.poll(cx, Access::Write).map(|()| self.waiter.lock.writer())
    }
}

impl<T: ?Sized> fmt::Debug for Write<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").field("is_waiting", &self.waiter.key.is_some()).finish()
    }
}
