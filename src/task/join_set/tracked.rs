//! The future of a task in a set.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Shared;
use super::gate::Place;

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
    place: Place,
}

impl<F, T> Tracked<F, T> {
    pub(super) fn new(future: F, set: Rc<Shared<T>>, key: usize) -> Self {
        let membership = Membership { set, key, place: Place::default() };
        Self { future: Some(future), membership }
    }
}

impl<F: Future<Output = T>, T> Future for Tracked<F, T> {
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.project();
        if let Some(gate) = &this.membership.set.gate {
            ready!(gate.poll_enter(&mut this.membership.place, cx));
        }
        this.future.as_pin_mut().expect("it is there until the drop").poll(cx)
    }
}

impl<T> Drop for Membership<T> {
    fn drop(&mut self) {
        if let Some(gate) = &self.set.gate {
            gate.leave(&mut self.place);
        }
        self.set.is_over(self.key);
    }
}
