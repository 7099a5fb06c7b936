//! Readiness that was found.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::AsFd;

use super::AsyncFd;
use crate::io::Direction;

/// A direction of an [`AsyncFd`] is thought to be ready; see [`AsyncFd::readable`].
///
/// If an operation says that it would block, that has to be remembered, or the next wait is over at once:
/// [`try_io`](Self::try_io) does so, and [`clear_ready`](Self::clear_ready). Dropping the guard changes nothing.
#[must_use = "readiness stays until `try_io` or `clear_ready` clears it"]
pub struct ReadyGuard<'a, T: AsFd> {
    fd: &'a AsyncFd<T>,
    direction: Direction,
    /// The events that had come when the guard was made: one that came since is not cleared.
    events: u32,
}

impl<'a, T: AsFd> ReadyGuard<'a, T> {
    pub(super) fn new(fd: &'a AsyncFd<T>, direction: Direction) -> io::Result<Self> {
        Ok(Self { fd, direction, events: fd.io.events(direction)? })
    }

    /// Runs `operation`, until no signal interrupts it. If it would block, the direction is no longer ready.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`] if the operation would block: wait again. What else the operation fails with is
    /// inside, `Ok(Err(..))`.
    pub fn try_io<R>(
        &mut self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Result<io::Result<R>, WouldBlock> {
        loop {
            match operation(self.fd.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.clear_ready();
                    return Err(WouldBlock(()));
                }
                result => return Ok(result),
            }
        }
    }

    /// An operation that was done elsewhere would block: the direction is no longer ready, unless an event
    /// has come since this guard was made.
    pub fn clear_ready(&mut self) {
        // Elsewhere than on its loop it waits for nothing anyway.
        let _elsewhere = self.fd.io.clear_ready_since(self.direction, self.events);
    }

    /// Returns the descriptor's owner.
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        self.fd
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for ReadyGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyGuard")
            .field("fd", self.fd)
            .field("direction", &self.direction)
            .finish_non_exhaustive()
    }
}

/// The operation would block: wait again. See [`ReadyGuard::try_io`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WouldBlock(());

impl fmt::Display for WouldBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation would block")
    }
}

impl Error for WouldBlock {}

impl From<WouldBlock> for io::Error {
    fn from(error: WouldBlock) -> Self {
        Self::new(io::ErrorKind::WouldBlock, error)
    }
}
