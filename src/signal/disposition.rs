//! What a signal does: tell us, and what it would do without us.
//!
//! A signal's handler runs in the midst of anything, on any thread, so it may do next to nothing: no lock, no allocation,
//! no waker (a local wake would race with the very queue that it interrupts). `signal-hook` has handlers that keep to
//! that, in safe code, and shares them with other users of its registry. We ask it for four *actions* of a signal,
//! which its handler runs in the order of their registration:
//!
//! | action | registered | does |
//! | --- | --- | --- |
//! | fall back | for good, by the first listener | the default effect, while `is_fatal` |
//! | note | for good, by the first listener | sets `is_pending` |
//! | arm | while ctrl-c interrupts loops | sets `is_fatal`: the next one is the last |
//! | bell | while anybody listens | writes a byte into the pipe that loops read (the self-pipe trick) |
//!
//! *The bell is the last*: who reads the byte looks at the flags afterwards, so no delivery is overlooked, and whoever sees
//! what the first ctrl-c did can rely on the second one, on whatever thread it is handled. A full pipe has bytes in it, and
//! whoever reads those will look too.
//!
//! # Back to what was
//!
//! To take a handler away is not for safe code, and is not sound while other libraries may have put theirs on top. So ours
//! stays, and when nobody listens it does what was done before: the default effect if that was what it found,
//! nothing if the signal was ignored. A handler that was there before is called by ours, always.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::low_level::{self, pipe};
use signal_hook::{SigId, flag};

use super::SignalKind;

/// What one signal does. Kept for the life of the process, as its handler is.
pub(super) struct Disposition {
    signal: i32,
    /// It came, and nobody was told yet.
    is_pending: Arc<AtomicBool>,
    /// The next one has its default effect.
    is_fatal: Arc<AtomicBool>,
    /// What it did before us was its default.
    was_default: bool,
    bell: Option<SigId>,
    arm: Option<SigId>,
}

impl Disposition {
    /// Installs the handler, which does not tell anybody yet.
    pub(super) fn take_over(signal: i32) -> io::Result<Self> {
        let was_default = !found::is_ignored_or_caught(signal)?;
        let is_pending = Arc::new(AtomicBool::new(false));
        let is_fatal = Arc::new(AtomicBool::new(was_default));
        // It knows the default of every signal that has a name, which those for real-time have not.
        let falls_back = match low_level::signal_name(signal) {
            Some(_) => Some(flag::register_conditional_default(signal, Arc::clone(&is_fatal))?),
            None => None,
        };
        if let Err(error) = flag::register(signal, Arc::clone(&is_pending)) {
            falls_back.map(low_level::unregister);
            return Err(error);
        }
        Ok(Self { signal, is_pending, is_fatal, was_default, bell: None, arm: None })
    }

    /// The signal tells whoever reads the other end of `pipe`, instead of what it did before.
    pub(super) fn listen(&mut self, pipe: &UnixStream) -> io::Result<()> {
        self.hang_bell(pipe)?;
        self.is_pending.store(false, Ordering::SeqCst);
        self.is_fatal.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Registers the bell, behind all that is registered.
    fn hang_bell(&mut self, pipe: &UnixStream) -> io::Result<()> {
        let bell = pipe::register(self.signal, pipe.try_clone()?)?;
        self.bell.replace(bell).map(low_level::unregister);
        Ok(())
    }

    /// The signal does again what it did before.
    pub(super) fn release(&mut self) {
        self.is_fatal.store(self.was_default, Ordering::SeqCst);
        self.bell.take().map(low_level::unregister);
    }

    /// Whether it tells somebody.
    pub(super) fn is_listened_to(&self) -> bool {
        self.bell.is_some()
    }

    /// Takes note that it came.
    pub(super) fn take_pending(&self) -> bool {
        self.is_pending.load(Ordering::SeqCst) && self.is_pending.swap(false, Ordering::SeqCst)
    }

    /// Of two more signals the second has its default effect, whatever the program does meanwhile.
    pub(super) fn arm(&mut self, pipe: &UnixStream) -> io::Result<()> {
        self.is_fatal.store(false, Ordering::SeqCst);
        if self.arm.is_none() {
            let arm = flag::register(self.signal, Arc::clone(&self.is_fatal))?;
            if let Err(error) = self.hang_bell(pipe) {
                low_level::unregister(arm);
                return Err(error);
            }
            self.arm = Some(arm);
        }
        Ok(())
    }

    /// Ends what [`arm`](Self::arm) began.
    pub(super) fn disarm(&mut self) {
        self.arm.take().map(low_level::unregister);
        self.is_fatal.store(!self.is_listened_to() && self.was_default, Ordering::SeqCst);
    }
}

/// Gives a signal its default effect here and now, which for most is the end of the process.
pub(crate) fn do_default(kind: SignalKind) {
    let _unknown_signal = low_level::emulate_default_handler(kind.as_raw());
}

/// What the process did with a signal before us.
mod found {
    /// Whether it was ignored, or somebody else's handler is there. Where that cannot be known, it was not.
    ///
    /// # Errors
    ///
    /// If there is no descriptor left to ask with: to take what is ignored for the default would be fatal.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn is_ignored_or_caught(signal: i32) -> std::io::Result<bool> {
        use std::io::ErrorKind::{NotFound, PermissionDenied};

        let status = match std::fs::read_to_string("/proc/self/status") {
            Err(error) if matches!(error.kind(), NotFound | PermissionDenied) => return Ok(false),
            status => status?,
        };
        let bit = 1_u64.checked_shl(signal as u32 - 1).unwrap_or(0);
        Ok(status.lines().any(|line| {
            let mask = line.strip_prefix("SigIgn:").or_else(|| line.strip_prefix("SigCgt:"));
            mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
                .is_some_and(|mask| mask & bit != 0)
        }))
    }

    /// Only unsafe code could ask. Rust's runtime ignores SIGPIPE.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn is_ignored_or_caught(signal: i32) -> std::io::Result<bool> {
        Ok(signal == signal_hook::consts::SIGPIPE)
    }
}
