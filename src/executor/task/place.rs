//! Cells that wait for their future.

use std::future::Future;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::cell;
use super::header::{Header, Seed, VTable};
use super::{RawJoin, TaskRef};

/// The join handle's reference to a new cell, which is not filled.
pub(in crate::executor) struct Vacancy {
    header: NonNull<Header>,
}

impl Vacancy {
    /// Makes a cell. Gives the loop's reference to it too, for the slot that it is to live in: until the cell is
    /// filled it counts as ending, and is neither polled nor aborted.
    #[inline]
    pub(in crate::executor) fn new(
        vtable: &'static VTable,
        seed: impl FnOnce() -> Seed,
    ) -> (TaskRef, Self) {
        let header = cell::reserve(vtable, seed);
        (TaskRef::from_header(header), Self { header })
    }
}

/// A task in its slot, but for its future.
#[must_use = "it is no task before the future is in it"]
pub(crate) struct Place<F> {
    vacancy: Vacancy,
    is_refused: bool,
    _future: PhantomData<fn(F)>,
}

impl<F: Future + 'static> Place<F> {
    /// `reserve` makes the vacancy, and tells whether the task is refused.
    ///
    /// # Safety
    ///
    /// The vacancy is made from the vtable that `reserve` is given.
    #[inline]
    pub(in crate::executor) unsafe fn new(
        reserve: impl FnOnce(&'static VTable) -> (Vacancy, bool),
    ) -> Self {
        let (vacancy, is_refused) = reserve(cell::vtable::<F, ()>());
        Self { vacancy, is_refused, _future: PhantomData }
    }

    /// Moves the future in; or, if the loop takes no more, drops it.
    #[inline]
    pub(crate) fn move_in(self, future: F) -> RawJoin<F::Output> {
        // SAFETY: `new` had the cell made for this type; and we, who consume, are the only ones to fill it.
        unsafe { cell::fill(self.vacancy.header, future, ()) };
        let join = RawJoin::new(TaskRef::from_header(self.vacancy.header));
        if self.is_refused {
            join.task().refuse();
        }
        join
    }
}
