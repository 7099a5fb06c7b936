//! The part of a task cell that is the same for all futures.

use std::cell::Cell;
use std::panic::Location;
use std::process;
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::Context;

use super::Payload;
use super::joiner::Joiner;
use super::storage::Block;
use crate::executor::Reporter;
use crate::executor::wake::Slot;

/// Where a task stands; see the drawing in the module's docs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum State {
    /// The future waits, or its turn has not come.
    Idle,
    /// The future is being polled.
    Running,
    /// The future is being dropped, or will be when the drops under way are through.
    Ending,
    /// The output waits for its joiner.
    Done,
    /// A panic waits for its joiner.
    Panicked,
    /// The future was dropped before it was ready.
    Aborted,
    /// The outcome was taken, or dropped unread.
    Taken,
}

/// A panic that waits for its joiner, and who is told if none comes.
pub(super) struct Panic {
    pub(super) payload: Payload,
    pub(super) reporter: Rc<Reporter>,
}

/// What a poll came to.
pub(super) enum Polled {
    /// The future is still there.
    Pending,
    /// The future is gone and the output in its place.
    Ready,
    /// The future is gone and nothing in its place. Boxed, so that all this fits two registers.
    Panicked(Box<Payload>),
}

/// The functions that know the future's type.
pub(in crate::executor) struct VTable {
    /// The memory that the cell takes.
    pub(super) block: Block,
    /// Where in the cell the stage begins.
    pub(super) stage_offset: usize,
    /// Polls the future. Sets `Ending` before it drops it.
    pub(super) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Polled,
    /// Drops the future and catches its panic.
    pub(super) drop_future: unsafe fn(NonNull<Header>) -> Result<(), Payload>,
    /// Whether dropping the output does nothing.
    pub(super) is_output_trivial: bool,
    /// Drops the output.
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    /// Moves a panic into the empty stage.
    pub(super) put_panic: unsafe fn(NonNull<Header>, Box<Panic>),
    /// Moves the panic out of the stage.
    pub(super) take_panic: unsafe fn(NonNull<Header>) -> Box<Panic>,
    /// The task's name.
    pub(super) name: unsafe fn(NonNull<Header>) -> Option<Rc<str>>,
    /// Frees the cell, whose stage is empty.
    pub(super) free: unsafe fn(NonNull<Header>),
}

/// What a task is born with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed {
    pub(in crate::executor) id: u64,
    /// Zero: none.
    pub(in crate::executor) parent: u64,
    pub(in crate::executor) location: &'static Location<'static>,
    /// Nanoseconds since the loop's epoch, by the turn's clock.
    pub(in crate::executor) spawned: u64,
    pub(in crate::executor) kind: Kind,
}

impl Seed {
    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// For unit tests without a loop.
    #[cfg(test)]
    #[track_caller]
    pub(crate) fn of_test() -> Self {
        let location = Location::caller();
        Self { id: 1, parent: 0, location, spawned: 0, kind: Kind::Task }
    }
}

/// What a task is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Spawned by the user.
    Task,
    /// Runs one closure, now or later.
    Callback,
    /// A clean-up that outlived its scope: the end of the loop waits for it.
    Cleanup,
    /// The runtime's own: not shown.
    Internal,
}

impl Kind {
    /// Whether users see it as a task.
    pub(crate) fn is_shown(self) -> bool {
        matches!(self, Self::Task | Self::Cleanup)
    }
}

/// Metadata, state and links of a task: 64 bytes.
pub(in crate::executor) struct Header {
    pub(super) vtable: &'static VTable,
    /// The wake slot, until the task is over.
    pub(super) slot: Cell<Option<&'static Slot>>,
    pub(in crate::executor) id: u64,
    pub(in crate::executor) parent: u64,
    pub(in crate::executor) location: &'static Location<'static>,
    pub(in crate::executor) spawned: u64,
    /// Who awaits the join handle.
    pub(super) joiner: Joiner,
    references: Cell<u32>,
    pub(super) state: Cell<State>,
    /// `abort` was called while the task ran.
    pub(super) abort_requested: Cell<bool>,
    /// The join handle lives: the outcome is kept for it.
    pub(super) has_handle: Cell<bool>,
    pub(in crate::executor) kind: Kind,
}

const _: () = assert!(
    size_of::<Header>() <= 64 || cfg!(any(not(target_pointer_width = "64"), monoloop_any_layout))
);

impl Header {
    /// A header with two references: the loop's and the join handle's. Its state becomes `Idle` once the future is
    /// in its place.
    pub(super) fn new(vtable: &'static VTable, seed: Seed) -> Self {
        Self {
            vtable,
            slot: Cell::new(None),
            id: seed.id,
            parent: seed.parent,
            location: seed.location,
            spawned: seed.spawned,
            joiner: Joiner::new(),
            references: Cell::new(2),
            state: Cell::new(State::Ending),
            abort_requested: Cell::new(false),
            has_handle: Cell::new(true),
            kind: seed.kind,
        }
    }

    /// The task has moved into `slot`.
    #[inline]
    pub(in crate::executor) fn settle(&self, slot: &'static Slot) {
        self.slot.set(Some(slot));
    }

    pub(super) fn retain(&self) {
        // A count that wrapped would free a cell in use. Leaking four thousand million handles is no
        // program worth going on with.
        match self.references.get().checked_add(1) {
            Some(count) => self.references.set(count),
            None => process::abort(),
        }
    }

    /// Gives a reference back; true if it was the last.
    #[inline]
    pub(super) fn release(&self) -> bool {
        let count = self.references.get() - 1;
        self.references.set(count);
        count == 0
    }
}

/// Takes the output of a cell whose future's output type is `T`.
///
/// # Safety
///
/// The stage holds an output of type `T`, and the caller has marked it `Taken`.
#[inline]
pub(super) unsafe fn take_output<T>(header: NonNull<Header>) -> T {
    // SAFETY: the cell is alive by the caller's reference, `header` points at the whole of it, and the output lies
    // at the beginning of the stage.
    unsafe { header.byte_add(header.as_ref().vtable.stage_offset).cast::<T>().read() }
}

#[cfg(all(test, not(miri), unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::panic::Location;
    use std::process::{Command, Stdio};

    use super::{Kind, Seed};
    use crate::executor::new_task;

    #[test]
    fn a_count_of_references_that_would_wrap_ends_the_process() {
        const CHILD: &str = "MONOLOOP_COUNT_WRAPS";
        if std::env::var_os(CHILD).is_some() {
            let location = Location::caller();
            let seed = Seed { id: 1, parent: 0, location, spawned: 0, kind: Kind::Task };
            let (task, _join) = new_task(async {}, seed);
            task.header().references.set(u32::MAX - 1);
            task.header().retain();
            println!("as many as there can be");
            task.header().retain();
            unreachable!("the process goes on");
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["a_count_of_references_that_would_wrap", "--nocapture"])
            .env(CHILD, "1")
            .stderr(Stdio::null())
            .output()
            .unwrap();
        const SIGABRT: i32 = 6;
        assert_eq!(output.status.signal(), Some(SIGABRT), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("as many as there can be"));
    }
}
