//! Giving way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Lets everything that is ready now run once before the task goes on. Works on any executor.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
///
/// monoloop::run(async {
///     let ran = Rc::new(Cell::new(false));
///     let flag = Rc::clone(&ran);
///     monoloop::spawn(async move { flag.set(true) }).detach();
///     assert!(!ran.get());
///     monoloop::yield_now().await;
///     assert!(ran.get());
/// });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { has_yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct YieldNow {
    has_yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_yielded {
            return Poll::Ready(());
        }
        self.has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
