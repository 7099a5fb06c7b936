//! The part of a task cell that knows its future.

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::future::Future;
use std::mem::{self, ManuallyDrop, offset_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull, addr_of_mut};
use std::rc::Rc;
use std::task::{Context, Poll};

use super::header::{Header, Panic, Polled, Seed, State, VTable};
use super::storage::{self, Block};
use super::{Payload, discard};

/// What a cell carries beside its future: `()`, or a [`Named`]. So tasks without a name pay nothing.
pub(in crate::executor) trait Label {
    fn name(&self) -> Option<Rc<str>>;
}

impl Label for () {
    fn name(&self) -> Option<Rc<str>> {
        None
    }
}

/// A task's name.
pub(in crate::executor) struct Named(pub(in crate::executor) Rc<str>);

impl Label for Named {
    fn name(&self) -> Option<Rc<str>> {
        Some(Rc::clone(&self.0))
    }
}

/// A task. `repr(C)`: the header comes first, so a pointer to it is one to the cell.
#[repr(C)]
struct TaskCell<F: Future, L> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
    label: L,
}

/// What the cell holds, by the header's state. Reached by casts: the fields lie one over the other.
#[allow(dead_code)]
#[repr(C)]
union Stage<F: Future> {
    /// `Idle`, `Running`, and `Ending` while it is dropped.
    future: ManuallyDrop<F>,
    /// `Done`.
    output: ManuallyDrop<F::Output>,
    /// `Panicked`.
    panic: ManuallyDrop<Box<Panic>>,
}

/// Makes a cell on the heap.
///
/// The future may borrow: whoever calls this with one that is not `'static` sees to it that the task is
/// over before the borrow is.
#[inline]
pub(super) fn allocate<F: Future, L: Label>(future: F, label: L, seed: Seed) -> NonNull<Header> {
    let header = reserve(vtable::<F, L>(), || seed);
    // SAFETY: a new cell of this type.
    unsafe { fill(header, future, label) };
    header
}

/// Makes a cell without its future and its label. Asks for the seed when there is memory, so that it need not be
/// kept over a call of the allocator.
#[inline]
pub(super) fn reserve(vtable: &'static VTable, seed: impl FnOnce() -> Seed) -> NonNull<Header> {
    let header = storage::allocate(vtable.block).cast::<Header>();
    // SAFETY: memory for a cell, which begins with its header, not in use.
    unsafe { header.write(Header::new(vtable, seed())) };
    header
}

/// Moves the future and the label into a new cell.
///
/// # Safety
///
/// `header` came from [`reserve`] with the vtable of `F` and `L`, and the cell was not filled yet.
#[inline]
pub(super) unsafe fn fill<F: Future, L: Label>(header: NonNull<Header>, future: F, label: L) {
    let cell = header.cast::<TaskCell<F, L>>().as_ptr();
    // SAFETY: the caller's. Field by field, so that a large future is copied once and never lies on this stack.
    unsafe {
        addr_of_mut!((*cell).stage).cast::<F>().write(future);
        addr_of_mut!((*cell).label).write(label);
        header.as_ref().state.set(State::Idle);
    }
}

pub(super) fn vtable<F: Future, L: Label>() -> &'static VTable {
    const {
        &VTable {
            block: const { Block::of(Layout::new::<TaskCell<F, L>>()) },
            stage_offset: offset_of!(TaskCell<F, L>, stage),
            poll: poll::<F, L>,
            drop_future: drop_future::<F, L>,
            is_output_trivial: !mem::needs_drop::<F::Output>(),
            drop_output: drop_output::<F, L>,
            put_panic: put_panic::<F, L>,
            take_panic: take_panic::<F, L>,
            name: name::<F, L>,
            free: free::<F, L>,
        }
    }
}

/// The stage of the cell behind `header`.
///
/// # Safety
///
/// `header` belongs to a live `TaskCell<F, L>`.
unsafe fn stage<F: Future, L>(header: NonNull<Header>) -> *mut Stage<F> {
    // SAFETY: the caller's; the pointer comes from `allocate` and covers the whole cell.
    unsafe { UnsafeCell::raw_get(&raw const (*header.cast::<TaskCell<F, L>>().as_ptr()).stage) }
}

/// # Safety
///
/// A live `TaskCell<F, L>` in `Running`, with its future.
unsafe fn poll<F: Future, L>(header: NonNull<Header>, cx: &mut Context<'_>) -> Polled {
    // SAFETY: the state says that the stage is the future and ours until we return. It is pinned: it was
    // written into the heap and is dropped there.
    let future = unsafe { Pin::new_unchecked(&mut *stage::<F, L>(header).cast::<F>()) };
    let polled = catch_unwind(AssertUnwindSafe(|| future.poll(cx)));
    let panic = match polled {
        Ok(Poll::Pending) => return Polled::Pending,
        // SAFETY: `Running`; the future is not used again.
        Ok(Poll::Ready(output)) => match unsafe { end::<F, L>(header) } {
            Ok(()) => {
                // SAFETY: the stage is empty and ours.
                unsafe { stage::<F, L>(header).cast::<F::Output>().write(output) };
                return Polled::Ready;
            }
            // The task panicked, if only at its end. Should the output's drop panic too: one is enough.
            Err(panic) => {
                discard(output);
                panic
            }
        },
        Err(panic) => {
            // SAFETY: `Running`; the future is not used again.
            if let Err(second) = unsafe { end::<F, L>(header) } {
                discard(second);
            }
            panic
        }
    };
    Polled::Panicked(Box::new(panic))
}

/// Marks the task as ending and drops its future.
///
/// # Safety
///
/// As for [`drop_future`].
unsafe fn end<F: Future, L>(header: NonNull<Header>) -> Result<(), Payload> {
    // SAFETY: the caller's.
    unsafe {
        header.as_ref().state.set(State::Ending);
        drop_future::<F, L>(header)
    }
}

/// # Safety
///
/// A live `TaskCell<F, L>` with its future, which nobody uses any more.
unsafe fn drop_future<F: Future, L>(header: NonNull<Header>) -> Result<(), Payload> {
    if !mem::needs_drop::<F>() {
        return Ok(());
    }
    // SAFETY: the caller's.
    let future = unsafe { stage::<F, L>(header).cast::<F>() };
    // SAFETY: the caller's; dropped in place, as pinning asks.
    catch_unwind(AssertUnwindSafe(|| unsafe { ptr::drop_in_place(future) }))
}

/// # Safety
///
/// A live `TaskCell<F, L>` with an output, marked `Taken`.
unsafe fn drop_output<F: Future, L>(header: NonNull<Header>) {
    // SAFETY: the caller's.
    unsafe { ptr::drop_in_place(stage::<F, L>(header).cast::<F::Output>()) }
}

/// # Safety
///
/// A live `TaskCell<F, L>` with an empty stage.
unsafe fn put_panic<F: Future, L>(header: NonNull<Header>, panic: Box<Panic>) {
    // SAFETY: the caller's.
    unsafe { (*stage::<F, L>(header)).panic = ManuallyDrop::new(panic) }
}

/// # Safety
///
/// A live `TaskCell<F, L>` with a panic, marked `Taken`.
unsafe fn take_panic<F: Future, L>(header: NonNull<Header>) -> Box<Panic> {
    // SAFETY: the caller's.
    unsafe { ManuallyDrop::take(&mut (*stage::<F, L>(header)).panic) }
}

/// # Safety
///
/// A live `TaskCell<F, L>`.
unsafe fn name<F: Future, L: Label>(header: NonNull<Header>) -> Option<Rc<str>> {
    // SAFETY: the caller's; the label is written once and never changed.
    unsafe { (*header.cast::<TaskCell<F, L>>().as_ptr()).label.name() }
}

/// # Safety
///
/// A `TaskCell<F, L>` with an empty stage and no reference left.
unsafe fn free<F: Future, L>(header: NonNull<Header>) {
    // SAFETY: the caller's; `allocate` made it, on this thread. A union drops nothing by itself.
    unsafe {
        ptr::drop_in_place(header.cast::<TaskCell<F, L>>().as_ptr());
        storage::free(header.cast(), const { Block::of(Layout::new::<TaskCell<F, L>>()) });
    }
}
