//! Ctrl-c on Unix, for loops whose runs it interrupts.
//!
//! The first ctrl-c interrupts the run of every such loop: each has a task of its own that [listens](crate::signal). The
//! second shall end the process though the loops are stuck, so the signal's handler itself does that: the first *arms*
//! it. The end of an interrupted run disarms it, so that the next run can be interrupted again, and so does the end of
//! the last such loop, with which ctrl-c is again what it was before.

use std::io;
use std::process;
use std::sync::{Mutex, PoisonError};

use super::context;
use super::core::Core;
use crate::signal::disposition::{self, Then};
use crate::signal::{Signal, SignalKind, listen_in};

/// How many loops it interrupts.
static LOOPS: Mutex<usize> = Mutex::new(0);

/// A loop that it interrupts.
struct Interest {
    signal: Signal,
}

/// Lets ctrl-c interrupt the loop, to the loop's end.
pub(super) fn serve_in(core: &Core) -> io::Result<()> {
    let interest = Interest { signal: listen_in(core, SignalKind::INTERRUPT)? };
    with_loops(|loops| *loops += 1);
    core.executor.spawn_internal(serve(interest));
    Ok(())
}

async fn serve(mut interest: Interest) {
    loop {
        interest.signal.recv().await;
        context::try_with(|core| core.ending.interrupt());
    }
}

/// The next ctrl-c interrupts, and only the one after it ends the process.
pub(super) fn arm() {
    with_loops(|_| ());
}

fn with_loops(change: impl FnOnce(&mut usize)) {
    let mut loops = LOOPS.lock().unwrap_or_else(PoisonError::into_inner);
    change(&mut loops);
    let then = if *loops > 0 { Then::Arm } else { Then::Nothing };
    disposition::set_then(SignalKind::INTERRUPT.as_raw(), then);
}

impl Drop for Interest {
    fn drop(&mut self) {
        with_loops(|loops| *loops -= 1);
    }
}

/// Ends the process as ctrl-c does by default.
pub(super) fn exit() -> ! {
    let interrupt = SignalKind::INTERRUPT.as_raw();
    disposition::do_default(interrupt);
    // It is blocked, or its default is not what it should be. By custom:
    process::exit(128 + interrupt)
}
