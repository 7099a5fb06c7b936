//! Task cells: one allocation that holds a future, and later what became of it.
//!
//! # States
//!
//! ```text
//!            ┌─────────── Pending ───────────┐
//!            ▼                               │
//!  spawn ─► Idle ───────── poll ─────────► Running
//!            │                               │
//!            │ abort                         │ Ready, panic, or Pending after an abort
//!            └─────────────► Ending ◄────────┘
//!                   (the future is being dropped)
//!                  │           │           │
//!                  ▼           ▼           ▼
//!                Done      Panicked     Aborted
//!                  └─────┬─────┘
//!                        ▼
//!                      Taken
//! ```
//!
//! *Queued* is no state of the cell: it is a mark on the wake slot, and only an `Idle` task that is
//! queued gets polled. In `Running` a wake queues the task again, so it is polled once more afterwards.
//!
//! # Who may touch what
//!
//! All of a cell is used by one thread: the loop's. Handles to it are not `Send`, wakers do not know it.
//! The header's fields are `Cell`s. The *stage* (future, output or panic, by state) belongs
//!
//! * in `Running` and `Ending` to the one call of `poll` or `drop_future` that is under way,
//! * in `Idle` to whoever leaves that state,
//! * in `Done` and `Panicked` to whoever changes it to `Taken`,
//!
//! and to nobody in `Aborted` and `Taken`, where it is empty. Foreign code runs only while the state says
//! that the stage is in use, so re-entering code finds nothing it may touch.
//!
//! # Who keeps it
//!
//! A count of references: the loop's one (held by the wake slot's tenancy until the task is over), the
//! join handle's, and one for each abort handle. A task that is not over always has its slot, and its
//! loop is alive: a loop ends all its tasks before it goes.

mod cell;
mod header;
mod joiner;
mod nesting;
mod place;
pub(super) mod storage;
mod task_ref;

pub(super) use cell::Named;
pub(super) use header::{Header, VTable};
pub(crate) use header::{Kind, Seed, State};
pub(super) use place::{Place, Vacancy};
pub(crate) use task_ref::{Outcome, RawJoin, TaskRef};

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Drops a user's value where there is nobody to tell of a panic that comes of it. The panic's payload is a
/// user's value too; one whose drop panics again is leaked.
pub(crate) fn discard<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        catch_unwind(AssertUnwindSafe(|| drop(payload))).unwrap_or_else(mem::forget);
    }
}
