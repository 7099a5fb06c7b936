//! Moving a virtual clock by hand.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use crate::event_loop::clock::saturating_nanos;
use crate::event_loop::{Core, context};
use crate::reactor::Wait;
use crate::task::yield_now;

/// So many rounds of ready tasks are run at each deadline on the way.
const MAX_ROUNDS: usize = 64;

/// Moves the loop's virtual clock on by `duration`, deadline by deadline.
///
/// At each deadline on the way its timers fire and the tasks that became ready run, as do those that they
/// wake, for up to 64 rounds; then the clock moves on. Tasks that never wait do not hold it up.
///
/// # Cancel safety
///
/// The clock stays where it was when the future was dropped.
///
/// # Panics
///
/// If no loop with a virtual clock runs on this thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::time::{advance, sleep};
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let sleeper = monoloop::spawn(sleep(Duration::from_secs(10)));
/// monoloop::yield_now().await;
/// advance(Duration::from_secs(9)).await;
/// assert!(!sleeper.is_finished());
/// advance(Duration::from_secs(1)).await;
/// assert!(sleeper.is_finished());
/// # });
/// ```
#[track_caller]
pub fn advance(duration: Duration) -> impl Future<Output = ()> {
    Advance { location: Location::caller() }.by(duration)
}

/// A call of [`advance`].
#[derive(Clone, Copy)]
struct Advance {
    location: &'static Location<'static>,
}

impl Advance {
    async fn by(self, duration: Duration) {
        let target = self.with_core(|core| {
            assert!(
                core.clock.is_virtual(),
                "`time::advance` called at {} on an event loop with the real clock: build it with \
                 `virtual_time(true)`",
                self.location
            );
            core.clock.read().saturating_add(saturating_nanos(duration))
        });
        self.settle().await;
        while let Some(deadline) = self.next_deadline().filter(|deadline| *deadline <= target) {
            self.move_to(deadline);
            self.settle().await;
        }
        self.move_to(target);
        self.settle().await;
    }

    fn with_core<R>(self, f: impl FnOnce(&Core) -> R) -> R {
        context::with_at("time::advance", self.location, f)
    }

    fn next_deadline(self) -> Option<u64> {
        self.with_core(Core::next_deadline)
    }

    fn move_to(self, time: u64) {
        self.with_core(|core| {
            core.clock.advance_to(time);
            core.executor.set_now(core.clock.read());
        });
    }

    /// Lets everything run that is ready, and what that wakes.
    async fn settle(self) {
        for _ in 0..MAX_ROUNDS {
            yield_now().await;
            if !self.with_core(is_anybody_ready) {
                return;
            }
        }
    }
}

/// Whether others are ready. If nobody is, those who gave way are woken first.
fn is_anybody_ready(core: &Core) -> bool {
    if core.executor.ready_len() == 0 {
        core.executor.wake_put_off();
        if core.has_given_way() {
            // Should it fail, the turn's look tells.
            let _later = core.poll_io(Wait::NotAtAll);
        }
    }
    core.executor.ready_len() > 0
}
