//! Waiting on a thread without an executor.

use std::future::Future;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::event_loop::context;

/// Panics if a loop runs on this thread, whether there is something to wait for or not.
#[track_caller]
pub(crate) fn refuse_on_loop(what: &str, instead: &str) {
    if context::try_with(|_| ()).is_some() {
        let location = Location::caller();
        panic!(
            "`{what}` called at {location} on a thread whose event loop runs: all its tasks would stand \
             still; `.await` {instead} instead"
        );
    }
}

/// Parks the thread until the future is ready.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let parker = Arc::new(Parker { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&parker));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        // Others may unpark this thread for their own reasons.
        while !parker.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

struct Parker {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
