//! The future of a task in a set.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Shared;
use crate::sync::Semaphore;
use crate::sync::futures::AcquireOwned;

pin_project! {
    /// Tells the set when the future is gone.
    pub(super) struct Tracked<F, T> {
        // `None` once it was dropped.
        #[pin]
        future: Option<F>,
        membership: Membership<T>,
    }

    impl<F, T> PinnedDrop for Tracked<F, T> {
        fn drop(this: Pin<&mut Self>) {
            // First the future, and then the membership, though the future's drop panics.
            this.project().future.set(None);
        }
    }
}

struct Membership<T> {
    set: Rc<Shared<T>>,
    key: usize,
    /// Until it is its turn, if there is a limit. The permit itself would only take more room.
    turn: Option<AcquireOwned>,
}

impl<F, T> Tracked<F, T> {
    pub(super) fn new(future: F, set: Rc<Shared<T>>, key: usize) -> Self {
        let turn = set.permits.as_ref().map(Semaphore::acquire_owned);
        let membership = Membership { set, key, turn };
        Self { future: Some(future), membership }
    }
}

impl<F: Future<Output = T>, T> Future for Tracked<F, T> {
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.project();
        if let Some(turn) = &mut this.membership.turn {
            ready!(Pin::new(turn).poll(cx)).expect("nobody closes it").forget();
            this.membership.turn = None;
        }
        this.future.as_pin_mut().expect("it is there until the drop").poll(cx)
    }
}

impl<T> Drop for Membership<T> {
    fn drop(&mut self) {
        if let (Some(permits), None) = (&self.set.permits, self.turn.take()) {
            permits.add_permits(1);
        }
        self.set.is_over(self.key);
    }
}
