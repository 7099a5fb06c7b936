//! Memory of task cells, kept for the next task.
//!
//! Programs spawn tasks in bursts of the same few sizes, and a burst is more than the allocator keeps at
//! hand. So while a loop lives on a thread, freed cells of up to [`LARGEST`] bytes are kept in lists by size,
//! at most [`KEPT`] of each, and given back when the thread's last loop goes.
//!
//! The lists are intrusive: a free block's first word points at the next. They are thread-local and touched
//! by plain loads and stores; blocks never pass between threads, since cells do not.
//!
//! Under Miri, and with `--cfg monoloop_no_recycling` (for the sanitizers), all this is off, so that the
//! checkers see each cell's end.

use std::alloc::{self, Layout, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Larger cells are not kept.
const LARGEST: usize = 512;
/// Sizes are rounded up to this: what allocators hand out anyway.
const STEP: usize = 8;
/// So many blocks of each size are kept.
const KEPT: u16 = 512;

/// Whether blocks are kept at all.
const IS_ON: bool = !cfg!(any(miri, monoloop_no_recycling));

/// A block that is not in use.
struct Free {
    next: *mut Free,
}

/// The blocks of one size.
struct List {
    head: Cell<*mut Free>,
    length: Cell<u16>,
}

struct Lists {
    by_size: [List; LARGEST / STEP + 1],
    /// Loops that live on this thread. Without any, nothing is kept.
    loops: Cell<u32>,
}

thread_local! {
    /// No destructor: the last loop empties it.
    static LISTS: Lists = const {
        Lists {
            by_size: [const { List { head: Cell::new(ptr::null_mut()), length: Cell::new(0) } };
                LARGEST / STEP + 1],
            loops: Cell::new(0),
        }
    };
}

/// A loop begins to live on this thread.
pub(in crate::executor) fn open() {
    LISTS.with(|lists| lists.loops.set(lists.loops.get() + 1));
}

/// A loop of this thread is gone.
pub(in crate::executor) fn close() {
    LISTS.with(|lists| {
        lists.loops.set(lists.loops.get() - 1);
        if lists.loops.get() == 0 {
            lists
                .by_size
                .iter()
                .zip(0..)
                .for_each(|(list, index)| list.empty(Block::of_list(index)));
        }
    });
}

/// The memory for a cell: what the allocator is asked for, and which list keeps it.
#[derive(Clone, Copy)]
pub(super) struct Block {
    layout: Layout,
    /// No index of a list: it is not kept.
    list: usize,
}

impl Block {
    /// The block for a cell of this layout, which is not empty.
    pub(super) const fn of(layout: Layout) -> Self {
        if IS_ON && layout.size() <= LARGEST && layout.align() <= STEP {
            Self::of_list(layout.size().div_ceil(STEP))
        } else {
            Self { layout, list: usize::MAX }
        }
    }

    const fn of_list(list: usize) -> Self {
        match Layout::from_size_align(list * STEP, STEP) {
            Ok(layout) => Self { layout, list },
            Err(_) => unreachable!(),
        }
    }
}

/// Memory for a cell.
#[inline]
pub(super) fn allocate(block: Block) -> NonNull<u8> {
    LISTS
        .with(|lists| lists.by_size.get(block.list).and_then(List::pop))
        .unwrap_or_else(|| from_allocator(block.layout))
}

/// Takes memory back.
///
/// # Safety
///
/// `memory` came from [`allocate`] with the same block, on this thread, and is no longer in use.
#[inline]
pub(super) unsafe fn free(memory: NonNull<u8>, block: Block) {
    let is_kept = LISTS.with(|lists| match lists.by_size.get(block.list) {
        // SAFETY: the caller's: the block is ours, as large as the list's, and not in use.
        Some(list) if lists.loops.get() > 0 => unsafe { list.push(memory) },
        _ => false,
    });
    if !is_kept {
        // SAFETY: the caller's: it came from the allocator, with the block's layout.
        unsafe { alloc::dealloc(memory.as_ptr(), block.layout) }
    }
}

#[cold]
fn from_allocator(layout: Layout) -> NonNull<u8> {
    assert!(layout.size() > 0, "a task cell is not empty");
    // SAFETY: the layout is not empty.
    NonNull::new(unsafe { alloc::alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

impl List {
    #[inline]
    fn pop(&self) -> Option<NonNull<u8>> {
        let head = NonNull::new(self.head.get())?;
        // SAFETY: a block in the list is not in use, and `push` wrote its link.
        self.head.set(unsafe { head.as_ref() }.next);
        self.length.set(self.length.get() - 1);
        Some(head.cast())
    }

    /// False: the list is full.
    ///
    /// # Safety
    ///
    /// `memory` is a block of this list's size and [`STEP`]'s alignment, and not in use.
    #[inline]
    unsafe fn push(&self, memory: NonNull<u8>) -> bool {
        if self.length.get() == KEPT {
            return false;
        }
        let free = memory.cast::<Free>();
        // SAFETY: the caller's: large enough (a cell has a header) and aligned for a pointer.
        unsafe { free.write(Free { next: self.head.get() }) };
        self.head.set(free.as_ptr());
        self.length.set(self.length.get() + 1);
        true
    }

    fn empty(&self, block: Block) {
        while let Some(memory) = self.pop() {
            // SAFETY: it came from the allocator with this layout, and nobody uses it.
            unsafe { alloc::dealloc(memory.as_ptr(), block.layout) };
        }
    }
}
