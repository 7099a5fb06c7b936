//! [`Wheel`]: slots, levels and the entries linked into them.

use std::mem;
use std::num::NonZeroU32;

/// Deadlines that differ only in this many low bits share a slot of the lowest level: 65.5 us.
const TICK_BITS: u32 = 16;
/// Bits of a tick that one level looks at.
const DIGIT_BITS: u32 = 6;
/// Slots on each level; a level's slots in use fit one `u64`.
const SLOTS_PER_LEVEL: usize = 1 << DIGIT_BITS;
/// Levels, enough for every deadline.
const LEVELS: usize = 8;

const _: () = assert!(
    TICK_BITS + LEVELS as u32 * DIGIT_BITS == u64::BITS,
    "the levels must cover every deadline"
);

/// The end of a list, where an index into [`Wheel::places`] is expected.
const NIL: u32 = u32::MAX;
/// [`Entry::slot`] of an entry that is in no list because it never fires.
const UNLINKED: u32 = u32::MAX;
/// The deadline that never comes.
const NEVER: u64 = u64::MAX;
/// Entries whose memory is kept when the last of them leaves.
const KEPT_CAPACITY: usize = 1024;

/// A hierarchical timing wheel; the [module](super) explains it.
pub(crate) struct Wheel<T> {
    /// The newest timer, until another one is inserted or its deadline is reached: most are removed
    /// before that, and so never see a slot.
    fresh: Option<Fresh<T>>,
    /// The deadline of `fresh`; [`NEVER`] if there is none.
    fresh_deadline: u64,
    /// The index that `fresh` has in its key and will have in `places`, or else the next fresh timer.
    ///
    /// Vacant, and not in the list of `vacant`; the length of `places` if it has yet to grow.
    reserved: u32,
    /// The first of the other vacant places, or [`NIL`].
    vacant: u32,
    /// How many places are taken.
    taken: u32,
    /// All other entries: those linked into slots and those that never fire.
    places: Vec<Place<T>>,
    /// The slots of level 0, then those of level 1, and so on.
    slots: Box<[Slot; LEVELS * SLOTS_PER_LEVEL]>,
    /// Per level, the slots that are not empty.
    ///
    /// On level 0 these are at or after the position's digit, on every other level after it.
    occupied: [u64; LEVELS],
    /// The levels with a slot in use: bit `n` is set exactly if `occupied[n] != 0`.
    levels: u8,
    /// The tick relative to which entries choose their level and slot.
    ///
    /// Never after the tick of `now`, and often behind it: it moves when a slot is opened, not
    /// because time passes.
    position: u64,
    /// The latest time that `expire` was told.
    now: u64,
    /// `min` of the first slot in use, or [`NEVER`]: no entry in a slot has an earlier deadline.
    next: u64,
    /// The generation of the newest key.
    generation: NonZeroU32,
    /// What is about to expire; empty between calls, kept for its memory.
    batch: Vec<Due>,
}

/// Identifies an entry of a [`Wheel`] for as long as it is in there.
///
/// A key whose entry has expired or was removed is *stale* and finds nothing. Generations come from
/// one wrapping counter, so a stale key could find a stranger only if it was kept while a multiple of
/// 2^32 - 1 insertions went by, the last of them into the same place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    index: u32,
    // Not zero, so that an `Option<Key>` takes 8 bytes too.
    generation: NonZeroU32,
}

impl Key {
    /// The key as a number, for those who pass it on without looking.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation.get()) << 32 | u64::from(self.index)
    }

    /// The key that [`to_bits`](Self::to_bits) gave; `None` for a number that is no key's.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        let generation = NonZeroU32::new((bits >> 32) as u32)?;
        Some(Self { index: bits as u32, generation })
    }
}

/// A list of entries whose ticks share a slot, oldest insertion first.
#[derive(Clone, Copy)]
struct Slot {
    /// No entry in the list has an earlier deadline; [`NEVER`] if the list is empty.
    ///
    /// Exact until an entry is removed: finding the next best would mean a walk through the list.
    min: u64,
    /// First and last entry; both are [`NIL`] or neither.
    head: u32,
    tail: u32,
}

/// A timer that is in no slot yet.
struct Fresh<T> {
    sequence: u64,
    generation: NonZeroU32,
    value: T,
}

/// Where an entry is kept.
enum Place<T> {
    Taken(Entry<T>),
    /// The next of the list of vacant places, or [`NIL`].
    Vacant(u32),
}

/// One timer.
///
/// Kept small, as a wheel of many timers spends its time on cache misses: 32 bytes and the payload.
struct Entry<T> {
    deadline: u64,
    sequence: u64,
    /// The neighbours in the slot's list, or [`NIL`].
    prev: u32,
    next: u32,
    /// Tells this entry from others that had the same index. [`Place`] hides its "vacant" in the zero
    /// that this cannot be.
    generation: NonZeroU32,
    /// Index into [`Wheel::slots`], or [`UNLINKED`]. Fewer bits would do, and leave a hole.
    slot: u32,
    value: T,
}

/// An entry on its way out, in the order in which it leaves.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    deadline: u64,
    sequence: u64,
    index: u32,
}

impl<T> Wheel<T> {
    /// Makes an empty wheel whose time is 0.
    pub(crate) fn new() -> Self {
        Self {
            fresh: None,
            fresh_deadline: NEVER,
            reserved: 0,
            vacant: NIL,
            taken: 0,
            places: Vec::new(),
            slots: Box::new([Slot::EMPTY; LEVELS * SLOTS_PER_LEVEL]),
            occupied: [0; LEVELS],
            levels: 0,
            position: 0,
            now: 0,
            next: NEVER,
            generation: NonZeroU32::MIN,
            batch: Vec::new(),
        }
    }

    /// Returns the number of timers, including those that never fire.
    #[cfg_attr(not(test), allow(dead_code))]
    pub(crate) fn len(&self) -> usize {
        self.taken as usize + usize::from(self.fresh.is_some())
    }

    /// Returns whether there are no timers at all, not even one that never fires.
    #[cfg_attr(not(test), allow(dead_code))]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a timer.
    ///
    /// `deadline` is in nanoseconds since the epoch. One that has passed already is due at the next
    /// [`expire`](Self::expire), whatever time that is told; `u64::MAX` is never due. Of equal
    /// deadlines, the one with the lower `sequence` expires first.
    ///
    /// # Panics
    ///
    /// If there are 2^32 - 1 timers already.
    #[inline]
    pub(crate) fn insert(&mut self, deadline: u64, sequence: u64, value: T) -> Key {
        if self.fresh.is_some() {
            self.settle();
        }
        self.generation = self.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        self.fresh_deadline = deadline;
        self.fresh = Some(Fresh { sequence, generation: self.generation, value });
        Key { index: self.reserved, generation: self.generation }
    }

    /// Removes a timer and returns its payload, or `None` if the key is stale.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        if !self.is_fresh(key) {
            return self.remove_settled(key);
        }
        self.fresh_deadline = NEVER;
        let fresh = self.fresh.take()?;
        self.release_memory_if_empty();
        Some(fresh.value)
    }

    /// Returns the payload of a timer, or `None` if the key is stale.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        if self.is_fresh(key) {
            return self.fresh.as_mut().map(|fresh| &mut fresh.value);
        }
        match self.places.get_mut(key.index as usize)? {
            Place::Taken(entry) if entry.generation == key.generation => Some(&mut entry.value),
            _ => None,
        }
    }

    /// Removes every timer whose deadline is not after `now` and appends the payloads to `due`, in the
    /// order of deadline, then sequence.
    ///
    /// Time does not go back: a `now` before that of an earlier call counts as the earlier one. What
    /// `due` held before is left alone.
    ///
    /// # Panics
    ///
    /// If there are 2^32 - 1 timers and the newest is due.
    #[inline]
    pub(crate) fn expire(&mut self, now: u64, due: &mut Vec<T>) {
        self.now = self.now.max(now);
        if self.next.min(self.fresh_deadline) <= self.now {
            self.expire_reached(due);
        }
    }

    /// Returns a time before which nothing is due, so that [`expire`](Self::expire) need not be called
    /// until then; `None` if no timer can ever fire.
    ///
    /// This is the earliest deadline itself, unless timers were removed from the slot which that is
    /// in: then it may be the deadline of one of those. Costs two reads, and settles nothing.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        let next = self.next.min(self.fresh_deadline);
        (next != NEVER).then_some(next)
    }

    /// Returns the earliest deadline; `None` if no timer can ever fire.
    ///
    /// Looks through the first slot until it has found a timer with the deadline that
    /// [`next_deadline`](Self::next_deadline) tells, and to the end if there is none.
    pub(crate) fn exact_next_deadline(&self) -> Option<u64> {
        let mut earliest = self.fresh_deadline;
        let mut cursor = self.first_slot().map_or(NIL, |slot| self.slots[slot].head);
        while cursor != NIL && earliest > self.next {
            let entry = self.entry(cursor);
            earliest = earliest.min(entry.deadline);
            cursor = entry.next;
        }
        (earliest != NEVER).then_some(earliest)
    }

    /// Returns whether the key is that of the fresh timer.
    #[inline]
    fn is_fresh(&self, key: Key) -> bool {
        let generation = self.fresh.as_ref().map(|fresh| fresh.generation);
        generation == Some(key.generation) && self.reserved == key.index
    }

    /// Gives the fresh timer, if there is one, its place and its slot.
    ///
    /// It may have waited for long, and the position may have moved meanwhile: it goes where it would
    /// go if it were inserted now.
    #[inline(never)]
    fn settle(&mut self) {
        let index = self.reserved;
        let is_new = index as usize == self.places.len();
        // The next fresh timer must have a place too, and `NIL` is none.
        assert!(!is_new || self.vacant != NIL || index + 1 < NIL, "too many timers: {index}");
        let Some(fresh) = self.fresh.take() else {
            return;
        };
        let deadline = mem::replace(&mut self.fresh_deadline, NEVER);
        if self.levels == 0 {
            // Nothing depends on the position. Bringing it up to date saves the newcomer a cascade.
            self.position = tick_of(self.now);
        }
        let (slot, prev) = self.append(index, deadline);
        let place = Place::Taken(Entry {
            deadline,
            sequence: fresh.sequence,
            prev,
            next: NIL,
            generation: fresh.generation,
            slot,
            value: fresh.value,
        });
        if is_new {
            self.places.push(place);
        } else {
            self.places[index as usize] = place;
        }
        self.taken += 1;
        self.reserve();
    }

    /// Chooses the place of the next fresh timer, after the previous one has taken its own.
    #[inline]
    fn reserve(&mut self) {
        match self.places.get(self.vacant as usize) {
            Some(&Place::Vacant(next)) => self.reserved = mem::replace(&mut self.vacant, next),
            _ => {
                debug_assert!(self.vacant == NIL, "{} is not vacant", self.vacant);
                self.reserved = self.places.len() as u32;
            }
        }
    }

    /// The part of `remove` for timers that are not fresh.
    #[inline(never)]
    fn remove_settled(&mut self, key: Key) -> Option<T> {
        match self.places.get(key.index as usize)? {
            Place::Taken(entry) if entry.generation == key.generation => {}
            _ => return None,
        }
        let entry = self.vacate(key.index);
        if entry.slot != UNLINKED {
            self.unlink(entry.slot as usize, entry.prev, entry.next);
        }
        self.release_memory_if_empty();
        Some(entry.value)
    }

    /// Takes an entry out of its place, but not out of its slot.
    #[inline]
    fn vacate(&mut self, index: u32) -> Entry<T> {
        let place = &mut self.places[index as usize];
        let Place::Taken(entry) = mem::replace(place, Place::Vacant(self.vacant)) else {
            unreachable!("place {index} is vacant");
        };
        self.vacant = index;
        self.taken -= 1;
        entry
    }

    #[inline]
    fn entry(&self, index: u32) -> &Entry<T> {
        match &self.places[index as usize] {
            Place::Taken(entry) => entry,
            Place::Vacant(_) => unreachable!("place {index} is vacant"),
        }
    }

    #[inline]
    fn entry_mut(&mut self, index: u32) -> &mut Entry<T> {
        match &mut self.places[index as usize] {
            Place::Taken(entry) => entry,
            Place::Vacant(_) => unreachable!("place {index} is vacant"),
        }
    }

    /// The part of `expire` that runs once the first slot's bound or the fresh deadline has been
    /// reached.
    #[inline(never)]
    fn expire_reached(&mut self, due: &mut Vec<T>) {
        if self.fresh_deadline <= self.now {
            self.settle();
        }
        let mut batch = mem::take(&mut self.batch);
        debug_assert!(batch.is_empty(), "{} due twice", batch.len());
        while let Some(first) = self.first_slot() {
            if self.slots[first].min > self.now {
                break;
            }
            let start = batch.len();
            self.open(first, &mut batch);
            // Slots come in order, so sorting each makes the whole sorted. Timers of equal duration
            // arrive in order; the sort recognises that, and reversed input, in one pass.
            batch[start..].sort_unstable();
        }
        self.catch_up();
        self.next = self.first_min();

        due.reserve(batch.len());
        for Due { index, .. } in batch.drain(..) {
            due.push(self.vacate(index).value);
        }
        if batch.capacity() <= KEPT_CAPACITY {
            self.batch = batch;
        }
        self.release_memory_if_empty();
    }

    /// Empties the first slot in use: what is due goes to `batch`, the rest is linked again, relative
    /// to a position that is now as far on as the slot reaches or time has come.
    fn open(&mut self, first: usize, batch: &mut Vec<Due>) {
        let target = self.last_tick(first).min(tick_of(self.now));
        debug_assert!(
            self.position <= target,
            "position {:#x} would go back to {target:#x}",
            self.position
        );
        let mut cursor = self.slots[first].head;
        self.clear(first);
        // Safe to move: this was the first slot in use, and the position stays within it.
        self.position = target;

        while cursor != NIL {
            let index = cursor;
            let entry = self.entry(index);
            let (deadline, sequence) = (entry.deadline, entry.sequence);
            cursor = entry.next;
            if deadline <= self.now {
                batch.push(Due { deadline, sequence, index });
            } else {
                let (slot, prev) = self.append(index, deadline);
                let entry = self.entry_mut(index);
                entry.slot = slot;
                entry.prev = prev;
                entry.next = NIL;
            }
        }
    }

    /// Moves the position to the present, unless that lies in a slot in use, which would have to be
    /// opened then: that is better done when one of its timers is due. Expects that nothing is due.
    fn catch_up(&mut self) {
        let tick = tick_of(self.now);
        let (level, slot) = place(self.position, tick);
        debug_assert!(
            self.occupied[..level].iter().all(|&slots| slots == 0),
            "timers below level {level} are overdue: {:x?}",
            self.occupied
        );
        if level == 0 || self.slots[slot].is_empty() {
            self.position = tick;
        }
    }

    /// Makes `index` the last entry of the slot where `deadline` belongs. Returns that slot and the
    /// entry before it, for the caller to write into the entry, whose place may still be vacant.
    #[inline]
    fn append(&mut self, index: u32, deadline: u64) -> (u32, u32) {
        if deadline == NEVER {
            return (UNLINKED, NIL);
        }
        // What is overdue goes to the slot at the position, the first that is looked at.
        let tick = tick_of(deadline).max(self.position);
        let (level, number) = place(self.position, tick);
        let slot = &mut self.slots[number];
        let prev = mem::replace(&mut slot.tail, index);
        slot.min = slot.min.min(deadline);
        if prev == NIL {
            slot.head = index;
            self.occupied[level] |= 1 << (number % SLOTS_PER_LEVEL);
            self.levels |= 1 << level;
        } else {
            self.entry_mut(prev).next = index;
        }
        self.next = self.next.min(deadline);
        (number as u32, prev)
    }

    /// Takes the entry between `prev` and `next` out of the list of `slot`.
    #[inline]
    fn unlink(&mut self, slot: usize, prev: u32, next: u32) {
        if prev == NIL && next == NIL {
            let was_first = self.slots[slot].min == self.next;
            self.clear(slot);
            if was_first {
                self.next = self.first_min();
            }
            return;
        }
        match prev {
            NIL => self.slots[slot].head = next,
            _ => self.entry_mut(prev).next = next,
        }
        match next {
            NIL => self.slots[slot].tail = prev,
            _ => self.entry_mut(next).prev = prev,
        }
    }

    /// Marks `slot` as empty.
    #[inline]
    fn clear(&mut self, slot: usize) {
        let level = slot / SLOTS_PER_LEVEL;
        self.slots[slot] = Slot::EMPTY;
        self.occupied[level] &= !(1 << (slot % SLOTS_PER_LEVEL));
        if self.occupied[level] == 0 {
            self.levels &= !(1 << level);
        }
    }

    /// Returns the slot in use that comes before all others.
    #[inline]
    fn first_slot(&self) -> Option<usize> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize;
        let digit = self.occupied[level].trailing_zeros() as usize;
        Some(level * SLOTS_PER_LEVEL + digit)
    }

    /// Returns what [`Wheel::next`] has to be.
    #[inline]
    fn first_min(&self) -> u64 {
        self.first_slot().map_or(NEVER, |slot| self.slots[slot].min)
    }

    /// Returns the last tick that belongs to `slot`.
    fn last_tick(&self, slot: usize) -> u64 {
        let level = (slot / SLOTS_PER_LEVEL) as u32;
        let digit = (slot % SLOTS_PER_LEVEL) as u64;
        let above = self.position >> ((level + 1) * DIGIT_BITS) << DIGIT_BITS;
        (((above | digit) + 1) << (level * DIGIT_BITS)) - 1
    }

    /// Gives memory back after the last timer has gone, if there were many.
    #[inline]
    fn release_memory_if_empty(&mut self) {
        // Not while the key of a fresh timer names a place to come.
        if self.taken == 0 && self.places.capacity() > KEPT_CAPACITY && self.fresh.is_none() {
            self.release_memory();
        }
    }

    #[cold]
    #[inline(never)]
    fn release_memory(&mut self) {
        // The generation lives outside, so keys from before stay stale.
        self.places = Vec::new();
        self.reserved = 0;
        self.vacant = NIL;
    }
}

impl Slot {
    const EMPTY: Self = Self { min: NEVER, head: NIL, tail: NIL };

    fn is_empty(&self) -> bool {
        self.head == NIL
    }
}

/// Returns the tick that contains a time in nanoseconds.
#[inline]
fn tick_of(nanos: u64) -> u64 {
    nanos >> TICK_BITS
}

/// Returns where `tick` belongs as seen from `position`: its level, and the slot's index among all.
#[inline]
fn place(position: u64, tick: u64) -> (usize, usize) {
    debug_assert!(position <= tick, "{tick:#x} is before {position:#x}");
    // The lowest bit makes equal ticks differ, which puts them on level 0 as well.
    let highest_difference = ((position ^ tick) | 1).ilog2();
    let level = highest_difference / DIGIT_BITS;
    let digit = (tick >> (level * DIGIT_BITS)) as usize % SLOTS_PER_LEVEL;
    (level as usize, level as usize * SLOTS_PER_LEVEL + digit)
}

#[cfg(test)]
impl<T> Wheel<T> {
    /// What one entry takes in memory.
    pub(super) const PLACE_SIZE: usize = size_of::<Place<T>>();

    /// Checks every invariant written on the fields; walks everything.
    pub(super) fn assert_consistent(&self) {
        assert!(self.position <= tick_of(self.now));
        let mut linked = 0;
        let mut previous_slots_max = None;
        for (number, slot) in self.slots.iter().enumerate() {
            let level = number / SLOTS_PER_LEVEL;
            let in_use = self.occupied[level] >> (number % SLOTS_PER_LEVEL) & 1 == 1;
            assert_eq!(in_use, !slot.is_empty(), "slot {number}");
            assert_eq!(slot.head == NIL, slot.tail == NIL, "slot {number}");
            if slot.is_empty() {
                assert_eq!(slot.min, NEVER, "slot {number}");
                continue;
            }
            let mut max = 0;
            let mut prev = NIL;
            let mut cursor = slot.head;
            while cursor != NIL {
                let entry = self.entry(cursor);
                assert_eq!(entry.prev, prev, "slot {number}");
                assert_eq!(entry.slot as usize, number);
                let tick = tick_of(entry.deadline).max(self.position);
                assert_eq!(place(self.position, tick), (level, number));
                assert!(entry.deadline <= self.last_tick(number) << TICK_BITS | 0xffff);
                assert!(slot.min <= entry.deadline, "slot {number}");
                assert!(previous_slots_max < Some(entry.deadline), "slot {number}");
                max = max.max(entry.deadline);
                linked += 1;
                prev = cursor;
                cursor = entry.next;
            }
            assert_eq!(slot.tail, prev, "slot {number}");
            previous_slots_max = Some(max);
        }
        for (level, &slots) in self.occupied.iter().enumerate() {
            assert_eq!(self.levels >> level & 1 == 1, slots != 0, "level {level}");
        }
        assert_eq!(self.next, self.first_min());
        let taken = self.places.iter().filter_map(|place| match place {
            Place::Taken(entry) => Some(entry),
            Place::Vacant(_) => None,
        });
        assert_eq!(taken.clone().count(), self.taken as usize);
        let unlinked = taken.filter(|entry| entry.slot == UNLINKED);
        assert!(unlinked.clone().all(|entry| entry.deadline == NEVER));
        assert_eq!(linked + unlinked.count(), self.taken as usize);
        assert!(self.fresh.is_some() || self.fresh_deadline == NEVER);
        self.assert_vacancies_consistent();
        assert!(self.batch.is_empty());
    }

    /// Checks that every vacant place is either reserved or in the list, once.
    fn assert_vacancies_consistent(&self) {
        let mut vacant = Vec::new();
        let mut cursor = self.vacant;
        while cursor != NIL {
            let Place::Vacant(next) = self.places[cursor as usize] else {
                panic!("place {cursor} is taken");
            };
            vacant.push(cursor);
            cursor = next;
        }
        assert!(!vacant.contains(&self.reserved));
        match self.places.get(self.reserved as usize) {
            Some(Place::Vacant(_)) => vacant.push(self.reserved),
            Some(Place::Taken(_)) => panic!("the reserved place {} is taken", self.reserved),
            None => assert_eq!(self.reserved as usize, self.places.len()),
        }
        assert_eq!(vacant.len() + self.taken as usize, self.places.len());
    }

    /// Returns whether the newest timer is in no slot yet.
    pub(super) fn has_fresh(&self) -> bool {
        self.fresh.is_some()
    }

    /// Returns the number of entries there is memory for, not counting the fresh one.
    pub(super) fn capacity(&self) -> usize {
        self.places.capacity()
    }

    /// Puts the generation counter where the third insertion from here makes it wrap.
    pub(super) fn exhaust_generations(&mut self) {
        self.generation = NonZeroU32::new(u32::MAX - 2).expect("not zero");
    }
}
