//! Families: the slots of one future's children.
//!
//! A future with sub-futures (a *parent*) gives each of them a slot of its own. A wake of such a slot does not
//! go to the ready queue: it puts the child's index into the queue of its [`Family`], and then wakes the slot
//! that the parent was last polled with. So many wakes cost one turn of the parent, and that polls exactly the
//! children that were woken, first woken first. The parent may itself be a child.
//!
//! ```text
//!    wake of a child's slot                  the parent's poll
//!    ──────────────────────                  ─────────────────
//!    mark: Child ─► Queued                   pop an index; mark: Queued ─► Child
//!    index ─► the family's queue             poll that child with its slot's waker
//!    wake the parent's slot                  it is over: mark ─► Deaf, or Leaving if it is queued
//! ```
//!
//! # Why this is sound
//!
//! *Memory.* Families are leaked, like homes and slots, and reused: a slot's pointer to its family cannot
//! dangle. What a future keeps of its family is a [`Kin`], a reference with a generation.
//!
//! *Plain fields* ([`Members`], and those of the slots) are touched only by the thread that holds the home. A
//! `Kin` may go anywhere with its future: each of its operations first compares the home with the thread's, and
//! then the generation. Elsewhere it touches nothing but the home's directory, to say that the family is no
//! longer needed.
//!
//! *The end of a home's tenure.* Before the home goes back to the pool, all its families are dissolved: their
//! slots are made deaf or vacated, and the generations move on, so that a future that outlives the loop, on whatever thread,
//! finds its `Kin` void, and the next holder finds no child.
//!
//! *No lost wake.* A wake goes through the mark like a task's: a remote one is put through by
//! [`Home::schedule`] after the inbox was taken, with the ordering argued there. A void `Kin` means that wakes
//! may have gone astray: whoever finds it so polls all children again.

use std::fmt;
use std::ptr::{self, NonNull};

use super::home::{Home, current_home};
use super::ready::ReadyQueue;
use super::slot::{Mark, NO_OWNER, Slot};
use super::sync::Plain;

/// A family that is not in use keeps so many slots, leased: most parents have few children.
const KEPT_SLOTS: usize = if cfg!(loom) { 1 } else { 16 };
/// So many slots are leased at once, if there are so many children: that is cheaper than one by one, and short enough.
const LEASED_AT_ONCE: u32 = if cfg!(loom) { 1 } else { 64 };
/// A family that is not in use keeps room for so many.
const KEPT_ROOM: usize = 1024;

/// The record of one parent: immortal, reused.
pub(crate) struct Family {
    home: &'static Home,
    members: Plain<Members>,
}

// SAFETY: `members` is touched only by the thread that holds `home` (see the module's docs).
unsafe impl Sync for Family {}
// SAFETY: as above.
unsafe impl Send for Family {}

/// The holder's part of a family.
struct Members {
    /// How many parents this record has served.
    generation: u64,
    /// Who is woken when a child is. A slot of the same home.
    parent: Option<&'static Slot>,
    /// The children's slots, by index.
    slots: Vec<&'static Slot>,
    /// Children that were woken, by index: those whose slots are `Queued`, `Leaving` or `Retiring`, each once. It has room
    /// for as many as there are slots.
    ready: ReadyQueue<u32>,
}

impl Family {
    /// Makes a family. The calling thread holds `home`.
    #[cold]
    fn leak(home: &'static Home) -> &'static Self {
        let members =
            Members { generation: 0, parent: None, slots: Vec::new(), ready: ReadyQueue::new() };
        Box::leak(Box::new(Self { home, members: Plain::new(members) }))
    }

    /// Puts a child into the queue, and gives the parent to wake.
    ///
    /// # Safety
    ///
    /// The calling thread holds the home. `slot` is a child's of this family, and was marked `Queued` just now.
    #[inline(always)]
    pub(super) unsafe fn enqueue(&self, slot: &'static Slot) -> &'static Slot {
        // SAFETY: the caller's; a child is in the queue at most once, and `enroll` made room for all.
        unsafe {
            let child = slot.child.get();
            self.members.with(|members| {
                members.ready.push_back(child);
                members.parent.expect("a family with children has a parent")
            })
        }
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family").finish_non_exhaustive()
    }
}

/// A parent's reference to its family. The operations give `None` where it is void: on a thread that does not
/// hold the home, or after the loops of that thread had all gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kin {
    family: &'static Family,
    generation: u64,
}

/// Which families, not what they are like.
impl PartialEq for Kin {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.family, other.family) && self.generation == other.generation
    }
}

impl Eq for Kin {}

impl Kin {
    /// A family for a parent whose waker is `parent`. `None`: that slot is not of this thread's home.
    pub(crate) fn found(parent: &'static Slot) -> Option<Self> {
        if !parent.is_local() {
            return None;
        }
        let home = parent.home();
        // SAFETY: this thread holds `home`, as just checked; the closures run no foreign code.
        unsafe {
            let idle = home.local.with(|local| local.idle_families.pop());
            let family = idle.unwrap_or_else(|| {
                let family = Family::leak(home);
                home.local.with(|local| local.families.push(family));
                family
            });
            let generation = family.members.with(|members| {
                members.parent = Some(parent);
                members.generation
            });
            Some(Self { family, generation })
        }
    }

    /// Runs `f`, which must not run foreign code, if this is not void.
    #[inline(always)]
    fn with<R>(self, f: impl FnOnce(&mut Members) -> R) -> Option<R> {
        if !ptr::eq(self.family.home, current_home()) {
            return None;
        }
        // SAFETY: this thread holds the home, and no caller in this file runs foreign code or comes back to
        // the same cell inside `f`.
        unsafe { self.family.members.with(|m| (m.generation == self.generation).then(|| f(m))) }
    }

    /// Names the slot to wake from now on, which must be this home's too, and gives how many children are in the
    /// queue.
    #[inline]
    pub(crate) fn set_parent(self, parent: &'static Slot) -> Option<usize> {
        if !ptr::eq(parent.home(), self.family.home) {
            return None;
        }
        self.with(|members| {
            members.parent = Some(parent);
            members.ready.len()
        })
    }

    /// How many children are in the queue.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn queued(self) -> Option<usize> {
        self.with(|members| members.ready.len())
    }

    /// Gives a child, one of `count`, its slot, or the one it has. Wakes reach it from now on.
    #[inline(always)]
    pub(crate) fn enroll(self, child: u32, count: u32) -> Option<&'static Slot> {
        self.with(|members| {
            let slot = match members.slots.get(child as usize) {
                Some(slot) => slot,
                None => members.lease(child, count, self.family),
            };
            // SAFETY: this thread holds the home. What is queued stays so: it will come out of the queue.
            unsafe {
                if slot.mark.get() == Mark::Deaf {
                    slot.mark.set(Mark::Child);
                }
            }
            slot
        })
    }

    /// Takes the child that was woken first out of the queue.
    #[inline(always)]
    pub(crate) fn pop(self) -> Option<Woken> {
        self.with(|members| {
            let Some(child) = members.ready.pop_front() else { return Woken::Nobody };
            let slot = members.slots[child as usize];
            // SAFETY: this thread holds the home.
            let mark = unsafe { slot.mark.get() };
            let is_over = matches!(mark, Mark::Leaving | Mark::Retiring);
            // SAFETY: as above.
            unsafe { slot.mark.set(if is_over { Mark::Deaf } else { Mark::Child }) };
            if is_over {
                return Woken::Left((mark == Mark::Leaving).then_some(child));
            }
            Woken::Child(child, slot)
        })
    }

    /// A child is over: wakes of its slot do nothing. True: it is still in the queue, and its index may not be
    /// given to another child before it came out; or never, if it goes `for_good`.
    #[inline]
    pub(crate) fn dismiss(self, child: u32, for_good: bool) -> Option<bool> {
        self.with(|members| {
            let slot = members.slots.get(child as usize)?;
            // SAFETY: this thread holds the home.
            let mark = unsafe { slot.mark.get() };
            let is_queued = !matches!(mark, Mark::Child | Mark::Deaf);
            let new = match is_queued {
                false => Mark::Deaf,
                true if for_good => Mark::Retiring,
                true => Mark::Leaving,
            };
            // SAFETY: as above.
            unsafe { slot.mark.set(new) };
            Some(is_queued)
        })?
    }

    /// The parent is gone, or has no use for slots: gives them back, of which the first `enrolled` were used. From any
    /// thread, void or not.
    pub(crate) fn dissolve(self, enrolled: u32) {
        if !ptr::eq(self.family.home, current_home()) {
            // Its holder does it; if there is none any more, it is done already.
            return self.family.home.release_family(self);
        }
        let is_valid = self.with(|members| members.clear(enrolled, self.family.home)).is_some();
        if is_valid {
            // SAFETY: this thread holds the home, as just checked.
            unsafe { self.family.home.local.with(|l| l.idle_families.push(self.family)) };
        }
    }

    /// Dissolves all families of `home`, which the calling thread holds.
    pub(super) fn dissolve_all(home: &Home, families: &[&'static Family]) {
        assert!(ptr::eq(home, current_home()), "families are dissolved on their home's thread");
        for family in families {
            // SAFETY: this thread holds the home, as just checked.
            let generation = unsafe { family.members.with(|members| members.generation) };
            // Those not in use are so already.
            // SAFETY: as above.
            if unsafe { family.members.with(|members| members.parent.is_some()) } {
                Self { family, generation }.dissolve(u32::MAX);
            }
        }
    }
}

/// What came out of a family's queue.
#[derive(Debug)]
pub(crate) enum Woken {
    /// A child that was woken.
    Child(u32, &'static Slot),
    /// A child that is over, by its index if that may be used again.
    Left(Option<u32>),
    /// The queue is empty.
    Nobody,
}

impl Members {
    /// Leases slots for the indices up to `child`, and for those after it that `count` children will ask for, up to a
    /// chunk. Gives that of `child`.
    #[cold]
    fn lease(&mut self, child: u32, count: u32, family: &'static Family) -> &'static Slot {
        let chunk = (self.slots.len() as u32).max(child).saturating_add(LEASED_AT_ONCE);
        let leased = self.slots.len() as u32..count.min(chunk).max(child + 1);
        self.slots.reserve(leased.len());
        let (slots, home) = (&mut self.slots, family.home);
        // SAFETY: `Kin::with` checked that this thread holds the home. Nothing here runs foreign code, and
        // `local` is another cell than the one we are in.
        unsafe {
            home.local.with(|local| {
                for child in leased {
                    let slot = local.vacant(home);
                    debug_assert!(slot.mark.get() == Mark::Deaf && slot.tenant.get().is_none());
                    slot.owner.set(NO_OWNER);
                    slot.child.set(child);
                    slot.tenant.set(Some(NonNull::from(family).cast()));
                    slots.push(slot);
                }
            });
        }
        self.ready.make_room(self.slots.len());
        self.slots[child as usize]
    }

    /// Vacates all slots but a few, the last one first, so that the next family gets them in the same order.
    #[inline]
    fn clear(&mut self, enrolled: u32, home: &Home) {
        self.generation += 1;
        self.parent = None;
        self.ready.clear();
        // The others are deaf.
        for slot in self.slots.iter().take(enrolled as usize) {
            // SAFETY: `Kin::with` checked that this thread holds the home.
            unsafe { slot.mark.set(Mark::Deaf) };
        }
        if self.slots.len() > KEPT_SLOTS {
            self.vacate_many(home);
        }
    }

    #[cold]
    fn vacate_many(&mut self, home: &Home) {
        // SAFETY: as in `clear`; `local` is another cell than the one we are in.
        unsafe {
            home.local.with(|local| {
                for slot in self.slots.drain(KEPT_SLOTS..).rev() {
                    slot.tenant.set(None);
                    local.keep(slot);
                }
            });
        }
        if self.slots.capacity() > KEPT_ROOM {
            self.slots.shrink_to(KEPT_SLOTS);
            self.ready = ReadyQueue::new();
            self.ready.make_room(self.slots.len());
        }
    }
}
