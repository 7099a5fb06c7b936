//! Wake slots: wakers that cost nothing.
//!
//! # The idea
//!
//! [`std::task::Waker`] is `Send + Sync`, so a general runtime counts references atomically on every
//! clone, wake and drop. Here a waker is a bare pointer to a [`Slot`], a record of 32 bytes that is
//! *never freed*: clone and drop do nothing, and a pointer to a slot is valid for ever.
//!
//! Slots live in a [`Home`]: chunks of slots, a ready queue and one inbox, leaked once and used by
//! exactly one thread at a time. The first live loop of a thread adopts a home from a process-wide
//! pool, the drop of the last one gives it back, whole ([`Resident`]).
//!
//! ```text
//!             Waker = &'static Slot
//!                │ wake
//!                ▼
//!      slot.home == this thread's home? ──no──► remote flag already set? ──yes──► done
//!                │ yes                                    │ no: set it
//!                ▼                                        ▼
//!      queued or vacant? ──yes──► done             push onto the home's inbox;
//!                │ no: mark queued                 it was PARKED? ──yes──► unpark the loop
//!                ▼
//!         ready queue (FIFO)  ◄──── once a turn ──── take the inbox
//!     (a child's slot: its family's queue, then on with the parent's slot: see `family`)
//! ```
//!
//! # Why this is sound
//!
//! *Memory.* Homes and slots are leaked, so no pointer to one can dangle. `slot.home` is written when
//! the chunk is made and never changes, so any thread may read it.
//!
//! *Plain fields* (`tenant`, `mark`, `owner`, `child`, all of [`Local`](home::Local)) are touched only by the
//! thread that *holds* the home, that is, whose thread-local points at it. A home changes hands only
//! through the pool's lock, after the old holder cleared its thread-local; the lock orders the old
//! holder's last access before the new holder's first. A thread whose thread-local differs takes the
//! remote path, which touches atomics alone. Slots never move between homes: a stale waker can
//! therefore never match a reused owner and race with the new tenant. This is why homes move whole. The slots
//! of a future's children, which may be anywhere when the last loop goes, are vacated before the hand-over.
//!
//! *Stale wakes.* A slot is reused. A waker that outlived its task may wake the next tenant: a spurious
//! poll, which the contract of futures allows. It cannot lose a wake, touch freed memory or reach the
//! wrong thread. Two wakers with equal pointers wake whoever lives there, so `will_wake` stays right.
//!
//! *No lost wake.* A remote waker writes its data, then sets `slot.remote` with a read-modify-write. If
//! the flag was clear it pushes the slot. If it was set, the push of another waker is on its way or in
//! the list. The loop takes the list, reads `slot.next`, clears the flag with an acquiring
//! read-modify-write and only then queues the tenant: a waker that found the flag set is ordered before
//! that clearing, hence before the poll; one that comes later finds it clear and pushes again.
//!
//! *Parking.* The inbox is one atomic word: `EMPTY`, `PARKED` or the newest slot. The loop parks by
//! exchanging `EMPTY` for `PARKED`, which fails when there is work; whoever replaces `PARKED` by a slot
//! unparks it. Flag and list cannot disagree, because they are one word.
//!
//! *After publication* a waker touches only what is immortal: the home and its list of unparkers.
//!
//! All atomics, locks and cells come through [`sync`], so that loom can check the whole module
//! (`tests/loom_wake.rs` includes it by path).

mod family;
mod home;
mod inbox;
mod ready;
mod slot;
mod sync;
mod waker;

pub(crate) use family::{Kin, Woken};
pub(crate) use home::{Home, LoopId, Pool, Popped, Release, Resident, Unpark};
pub(crate) use slot::{Slot, Tenant};
pub(crate) use waker::WakeRef;
