//! Futures of futures: waiting for all, for the first, for each in turn.
//!
//! | asyncio | here | when |
//! | --- | --- | --- |
//! | `gather(*aws, return_exceptions=True)` | [`gather`] | every outcome, in the order of the arguments |
//! | `gather(*aws)` | [`try_gather`] | all values, or the first error; the others are dropped, not left running |
//! | `gather` with a semaphore | [`gather(..).limit(n)`](Gather::limit) | so many at a time, from a lazy iterator |
//! | | [`join!`](crate::join), [`try_join!`](crate::try_join) | the same for a few futures of different types |
//! | | [`select!`](crate::select) | the first of a few, with a handler for each |
//! | `wait(return_when=..)` | [`wait`] | some of a set now, the rest later |
//! | `as_completed` | [`as_completed`] | each output as it comes, with its index |
//! | | [`race`], [`first_ok`] | the first output; the first value |
//! | `staggered.staggered_race` | [`staggered_race`] | another attempt after each delay or failure |
//! | awaiting one task in several places | [`shared`] | one future, many waiters |
//! | `Future` | [`promise`] | a value that is set once, by whoever has it, for many waiters |
//!
//! None of them makes tasks: the futures are polled inside of the task that awaits, may borrow, and are dropped with
//! the combinator. A panic of one goes to who awaits, and so takes its siblings with it; what shall outlive that, or
//! run on by itself, is [spawned](crate::spawn), and its handle awaited here.
//!
//! They run on any executor, inside of other combinators, and polled by hand. On our loops each future has a wake slot of
//! its own, elsewhere an `Arc`; either way a wake polls only the future it was meant for. After 128 such polls a
//! combinator gives way to other tasks, whatever is ready.

mod array;
mod completed;
mod gather;
pub mod kind;
mod limit;
mod macros;
mod promise;
mod race;
#[doc(hidden)]
pub mod select;
mod set;
mod shared;
mod staggered;
pub mod tuple;
mod wait;

pub use array::{GatherArray, TryGatherArray};
pub use completed::{AsCompleted, Next, as_completed};
pub use gather::{Gather, IntoGather, IntoTryGather, TryGather, gather, try_gather};
pub use limit::{GatherLimited, TryGatherLimited};
pub use promise::{BrokenPromise, Promise, Promised, promise};
pub use race::{FirstOk, Race, first_ok, race};
pub use shared::{Shared, shared};
pub use staggered::{StaggeredRace, staggered_race};
pub use std::pin::pin;
pub use wait::{Until, Wait, wait};
