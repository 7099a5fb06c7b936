//! Pinned slices.

use std::pin::Pin;

/// The element `index` of a pinned slice.
///
/// # Panics
///
/// If there is none.
#[inline(always)]
pub(crate) fn element<T>(slice: Pin<&mut [T]>, index: usize) -> Pin<&mut T> {
    // SAFETY: an element of a slice lies in it, and moves only with it; a slice drops its elements in place. What is
    // given out is the only access to the element, for as long as `slice` was borrowed.
    unsafe { slice.map_unchecked_mut(|slice| &mut slice[index]) }
}
