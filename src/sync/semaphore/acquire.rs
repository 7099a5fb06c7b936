//! Waiting for permits.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{AcquireError, OwnedPermit, Permit, Semaphore, TryAcquireError};
use crate::wait_list::{Key, Removed};

/// What both futures are, beside the semaphore.
struct Request {
    permits: usize,
    key: Option<Key>,
}

impl Request {
    #[inline]
    fn new(permits: usize) -> Self {
        Self { permits, key: None }
    }

    #[inline]
    fn poll(&mut self, semaphore: &Semaphore, cx: &Context<'_>) -> Poll<Result<(), AcquireError>> {
        let permits = self.permits;
        let take = || match semaphore.try_take(permits) {
            Ok(()) => Some(Ok(())),
            Err(TryAcquireError::Closed) => Some(Err(AcquireError(()))),
            Err(TryAcquireError::NoPermits) => None,
        };
        semaphore.waiters.wait(&mut self.key, cx, permits, take, |served| served)
    }

    /// What the drop of both futures does.
    #[inline]
    fn end(&mut self, semaphore: &Semaphore) {
        if self.key.is_some() {
            self.cancel(semaphore);
        }
    }

    #[cold]
    fn cancel(&mut self, semaphore: &Semaphore) {
        match semaphore.waiters.remove(&mut self.key) {
            Removed::Served(Ok(())) => semaphore.release(self.permits),
            Removed::Served(Err(_)) => (),
            // It may have been too large a request that kept others waiting.
            Removed::Waiting(_, _waker) => semaphore.serve(),
        }
    }
}

/// The future of [`Semaphore::acquire`] and [`Semaphore::acquire_many`]. Once it gave the permits it may be
/// polled again, and acquires as many more.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Acquire<'a> {
    semaphore: &'a Semaphore,
    request: Request,
}

impl<'a> Acquire<'a> {
    #[inline]
    pub(super) fn new(semaphore: &'a Semaphore, permits: usize) -> Self {
        Self { semaphore, request: Request::new(permits) }
    }
}

impl<'a> Future for Acquire<'a> {
    type Output = Result<Permit<'a>, AcquireError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let semaphore = self.semaphore;
        let acquired = self.request.poll(semaphore, cx);
        acquired.map_ok(|()| Permit::new(semaphore, self.request.permits))
    }
}

impl Drop for Acquire<'_> {
    #[inline]
    fn drop(&mut self) {
        self.request.end(self.semaphore);
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("permits", &self.request.permits).finish_non_exhaustive()
    }
}

/// The future of [`Semaphore::acquire_owned`] and [`Semaphore::acquire_many_owned`]. Once it gave the permits
/// it may be polled again, and acquires as many more.
#[must_use = "futures do nothing unless they are awaited"]
pub struct AcquireOwned {
    semaphore: Rc<Semaphore>,
    request: Request,
}

impl AcquireOwned {
    pub(super) fn new(semaphore: Rc<Semaphore>, permits: usize) -> Self {
        Self { semaphore, request: Request::new(permits) }
    }
}

impl Future for AcquireOwned {
    type Output = Result<OwnedPermit, AcquireError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { semaphore, request } = self.get_mut();
        let acquired = request.poll(semaphore, cx);
        acquired.map_ok(|()| OwnedPermit::new(Rc::clone(semaphore), request.permits))
    }
}

impl Drop for AcquireOwned {
    fn drop(&mut self) {
        self.request.end(&self.semaphore);
    }
}

impl fmt::Debug for AcquireOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireOwned")
            .field("permits", &self.request.permits)
            .finish_non_exhaustive()
    }
}
