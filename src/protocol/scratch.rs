//! One buffer for all that is read on a thread, so that a connection that is idle needs none.

use std::cell::Cell;

/// How much is read at once: no less than the longest datagram.
const LENGTH: usize = 64 * 1024;

thread_local! {
    /// `None` while it is lent.
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends the buffer to `f`; a new one, if it is lent already.
pub(super) fn with_scratch<R>(f: impl FnOnce(&mut [u8]) -> R) -> R {
    let kept = BUFFER.try_with(Cell::take).ok().flatten();
    let mut buffer = kept.unwrap_or_else(|| vec![0; LENGTH].into());
    let result = f(&mut buffer);
    // Where the thread is ending, it is not kept.
    let _ending = BUFFER.try_with(|place| place.set(Some(buffer)));
    result
}
