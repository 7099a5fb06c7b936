//! One output, many waiters.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use slab::Slab;

use crate::executor::wake::WakeRef;
use crate::wait_list::Wakes;

/// Lets several wait for one future: each clone gives a clone of its output.
///
/// When the future is woken, all clones that wait are, and the first that is polled polls it: so none depends on another
/// to go on. It sees the task-local values and the deadline of whichever clone polls it, now of one, now of another: for
/// its own, wrap it in [`inherit`](crate::task::inherit). The future is dropped when it is over, or with the last clone. Later clones get the output at once.
///
/// # Cancel safety
///
/// Nothing is lost while another clone lives; the last one drops the future.
///
/// # Panics
///
/// If the future panics, who polled it gets the panic, and the other clones panic when they are polled. Polling a clone
/// inside of the future itself panics too: it would wait for itself.
///
/// # Examples
///
/// ```
/// use monoloop::future::{gather, shared};
///
/// # monoloop::run(async {
/// let page = shared(async { String::from("<html>") });
/// let length = async { page.clone().await.len() };
/// let first = async { page.clone().await.chars().next() };
/// assert_eq!(gather((length, first)).await, (6, Some('<')));
/// # });
/// ```
#[doc(alias = "add_done_callback")]
pub fn shared<F: IntoFuture<Output: Clone>>(future: F) -> Shared<F::IntoFuture> {
    let inner = Inner {
        output: OnceCell::new(),
        stage: RefCell::new(Stage::Waiting(Box::pin(future.into_future()))),
        bell: Arc::new(Bell { state: Mutex::new(Ringers { is_rung: true, wakers: Slab::new() }) }),
    };
    Shared { inner: Rc::new(inner), key: None }
}

/// Nobody will ever wake who waits.
const STUCK: &str = "a shared future panicked, or waits for itself";

/// A future that can be cloned. Made by [`shared`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Shared<F: Future> {
    inner: Rc<Inner<F>>,
    /// Where its waker is in the bell.
    key: Option<usize>,
}

struct Inner<F: Future> {
    output: OnceCell<F::Output>,
    /// Borrowed for moves alone.
    stage: RefCell<Stage<F>>,
    bell: Arc<Bell>,
}

enum Stage<F> {
    Waiting(Pin<Box<F>>),
    /// It is being polled, and if that panics stays so.
    Polled,
}

/// Rung by the future's waker, on any thread.
struct Bell {
    state: Mutex<Ringers>,
}

struct Ringers {
    /// The future shall be polled.
    is_rung: bool,
    /// Of the clones that wait; taken when it rings.
    wakers: Slab<Option<WakeRef>>,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Ringers> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a waker, unless the bell has rung: then `false`, and the future is the caller's to poll.
    fn listen(&self, key: &mut Option<usize>, waker: &Waker) -> bool {
        // A clone of a foreign waker is foreign code.
        let mut new = Some(WakeRef::new(waker));
        let mut state = self.lock();
        let key = *key.get_or_insert_with(|| state.wakers.insert(None));
        mem::swap(&mut state.wakers[key], &mut new);
        let was_rung = mem::take(&mut state.is_rung);
        drop(state);
        !was_rung
    }

    fn ring(&self) {
        let mut state = self.lock();
        state.is_rung = true;
        let wakers: Vec<WakeRef> =
            state.wakers.iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        drop(state);
        let mut wakes = Wakes::new();
        for waker in wakers {
            wakes.wake(waker);
        }
        wakes.finish();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// Rings when it is dropped: whatever the poll came to, the others shall know.
struct RingOnDrop<'a>(&'a Bell);

impl Drop for RingOnDrop<'_> {
    fn drop(&mut self) {
        self.0.ring();
    }
}

impl<F: Future<Output: Clone>> Inner<F> {
    /// Whether the future is gone without an output, or is being polled further up the stack.
    fn is_stuck(&self) -> bool {
        self.output.get().is_none() && matches!(*self.stage.borrow(), Stage::Polled)
    }

    /// Polls the future. It is over: wakes the other clones.
    fn poll_future(&self) {
        let stage = mem::replace(&mut *self.stage.borrow_mut(), Stage::Polled);
        let Stage::Waiting(mut future) = stage else {
            panic!("{STUCK}");
        };
        let waker = Waker::from(Arc::clone(&self.bell));
        let others = RingOnDrop(&self.bell);
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => {
                mem::forget(others);
                *self.stage.borrow_mut() = Stage::Waiting(future);
            }
            Poll::Ready(output) => {
                let is_first = self.output.set(output).is_ok();
                debug_assert!(is_first, "a future is over once");
            }
        }
    }
}

impl<F: Future<Output: Clone>> Future for Shared<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { inner, key } = &mut *self;
        if inner.output.get().is_none() && !inner.bell.listen(key, cx.waker()) {
            inner.poll_future();
        } else if inner.is_stuck() {
            panic!("{STUCK}");
        }
        match inner.output.get() {
            Some(output) => Poll::Ready(output.clone()),
            None => Poll::Pending,
        }
    }
}

impl<F: Future> Clone for Shared<F> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner), key: None }
    }
}

impl<F: Future> Drop for Shared<F> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.inner.bell.lock().wakers.remove(key);
            // Foreign code, with no lock held.
            drop(waker);
        }
    }
}

impl<F: Future<Output: fmt::Debug>> fmt::Debug for Shared<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("output", &self.inner.output.get()).finish()
    }
}
