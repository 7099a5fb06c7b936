//! Signals as callbacks, as asyncio has them.

use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use super::SignalKind;
use super::listener::listen;
use crate::event_loop::{context, report_panic};
use crate::executor::task::TaskRef;
use crate::yield_now;

/// Calls `callback` on the loop for each signal of a kind, until [`SignalHandle::remove`] is called or the loop
/// ends. Signals coalesce, as the [module](super) says. There may be other callbacks and listeners of the same kind.
///
/// It is called as those of [`call_soon`](crate::call_soon) are, not inside of the signal's handler, so it may do anything. If it
/// panics, that goes to the loop's error hook, and it is called for the next signal. The end of the loop does not wait for it, and
/// has it in its report, unless it was removed.
///
/// # Errors
///
/// Those of [`signal`](super::signal()).
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use monoloop::signal::{SignalKind, on_signal};
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let count = Rc::new(Cell::new(0));
///     let counter = count.clone();
///     let handle = on_signal(SignalKind::USER_2, move || counter.set(counter.get() + 1))?;
///     # rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::USR2)?;
///     # while count.get() == 0 { monoloop::yield_now().await; }
///     assert_eq!(count.get(), 1);
///     handle.remove();
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "add_signal_handler")]
#[track_caller]
pub fn on_signal(
    kind: SignalKind,
    mut callback: impl FnMut() + 'static,
) -> io::Result<SignalHandle> {
    let location = Location::caller();
    let mut signal = listen("on_signal", location, kind)?;
    let task = context::with("on_signal", |core| {
        core.spawn_callback(
            async move {
                loop {
                    signal.recv().await;
                    if let Err(payload) = catch_unwind(AssertUnwindSafe(&mut callback)) {
                        report_panic(payload);
                    }
                    // One that removed itself ends here, though there was another signal.
                    yield_now().await;
                }
            },
            location,
        )
    });
    Ok(SignalHandle { task })
}

/// Removes a callback of a signal; made by [`on_signal`]. Dropping it leaves the callback.
#[derive(Clone, Debug)]
pub struct SignalHandle {
    task: TaskRef,
}

impl SignalHandle {
    /// Removes the callback: it is not called any more. If nobody else listens, the signal does again what it did
    /// before. Returns whether it was still there.
    #[doc(alias = "remove_signal_handler")]
    pub fn remove(&self) -> bool {
        self.task.abort()
    }
}
