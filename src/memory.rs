//! What is kept of the memory of a burst.

use std::collections::VecDeque;

/// What has become empty keeps room for so many, so that what is filled again and again does not allocate each
/// time; above that, a burst gives its memory back. To grow anew is paid by those who come, a constant for
/// each.
pub(crate) const KEPT: usize = 1024;

/// Gives back the memory of a burst, if it is over.
pub(crate) fn shrink<T>(values: &mut VecDeque<T>) {
    if values.is_empty() && values.capacity() > KEPT {
        values.shrink_to(KEPT);
    }
}
