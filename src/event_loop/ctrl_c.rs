//! Ctrl-c on Unix, for loops whose runs it interrupts.
//!
//! The first ctrl-c interrupts the run of every such loop: each has a task of its own that [listens](crate::signal). The
//! second shall end the process though the loops are stuck, so the signal's handler itself does that: it is *armed* while
//! there is such a loop. The run after an interrupted one arms it anew, so that it can be interrupted too; while the loop
//! ends instead, a further ctrl-c still ends the process.

use std::io;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::context;
use super::core::Core;
use crate::signal::{self, Signal, SignalKind};

/// How many loops it interrupts.
static LOOPS: Mutex<usize> = Mutex::new(0);

/// A loop that it interrupts.
struct Interest {
    signal: Signal,
}

/// Lets ctrl-c interrupt the loop, to the loop's end.
pub(super) fn serve_in(core: &Core) -> io::Result<()> {
    let signal = signal::listen_in(core, SignalKind::INTERRUPT)?;
    let mut loops = loops();
    if *loops == 0 {
        signal::arm(SignalKind::INTERRUPT)?;
    }
    *loops += 1;
    core.executor.spawn_internal(serve(Interest { signal }));
    Ok(())
}

async fn serve(mut interest: Interest) {
    loop {
        interest.signal.recv().await;
        context::try_with(|core| core.ending.interrupt());
    }
}

/// The next ctrl-c interrupts, and only the one after it ends the process.
pub(super) fn arm_anew() {
    if *loops() > 0 {
        let armed = signal::arm(SignalKind::INTERRUPT);
        debug_assert!(armed.is_ok(), "what is armed already needs nothing: {armed:?}");
    }
}

fn loops() -> MutexGuard<'static, usize> {
    LOOPS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut loops = loops();
        *loops -= 1;
        if *loops == 0 {
            signal::disarm(SignalKind::INTERRUPT);
        }
    }
}

/// Ends the process as ctrl-c does by default.
pub(super) fn exit() -> ! {
    signal::do_default(SignalKind::INTERRUPT);
    // By custom, where there is no such default:
    process::exit(128 + SignalKind::INTERRUPT.as_raw())
}
