//! Projections of pinned things that `pin_project!` does not know.

use std::cell::RefCell;
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

/// A cell whose value is pinned where the cell is, so that a shared cell can hold a future. One user at a time.
#[derive(Debug)]
pub(crate) struct PinCell<T> {
    // Lent out by `with` alone, and never moved: `T` is structurally pinned.
    value: RefCell<T>,
}

impl<T> PinCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: RefCell::new(value) }
    }

    /// Runs `f` on the value.
    ///
    /// # Panics
    ///
    /// If a call further down the stack is using it.
    #[inline]
    pub(crate) fn with<R>(self: Pin<&Self>, f: impl FnOnce(Pin<&mut T>) -> R) -> R {
        let mut value = self.get_ref().value.borrow_mut();
        // SAFETY: the value lies in the pinned cell, which drops it in place and gives it out only here. `PinCell` is
        // `Unpin` only if the value is. The `RefCell` sees to it that this is the only access.
        f(unsafe { Pin::new_unchecked(&mut *value) })
    }
}
