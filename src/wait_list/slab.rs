//! Where waiters are stored: entries in a vector, those who wait linked both ways.
//!
//! Runs no foreign code: whatever is taken out of an entry is returned.

use std::mem;
use std::num::NonZeroU32;
use std::task::Waker;

use crate::executor::wake::WakeRef;
use crate::memory::KEPT;

/// Owns an entry: it goes when its key is given back. One more than the index, so that an `Option` of it is
/// small.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Key(NonZeroU32);

impl Key {
    fn new(index: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(index))
    }

    #[inline]
    fn index(&self) -> u32 {
        self.0.get() - 1
    }
}

/// No entry. Never an index: see [`Slab::grow`].
const NIL: u32 = u32::MAX;

/// `Waiting` entries are linked from `first`, who waits longest, to `last`; `Vacant` ones by `next` from
/// `vacant`. `Served` ones are in no list.
pub(super) struct Slab<R, G> {
    entries: Vec<Entry<R, G>>,
    first: u32,
    last: u32,
    vacant: u32,
}

struct Entry<R, G> {
    previous: u32,
    next: u32,
    state: State<R, G>,
}

/// See the drawing in the module above.
pub(super) enum State<R, G> {
    Vacant,
    Waiting { request: R, waker: WakeRef },
    Served(G),
}

impl<R, G> Slab<R, G> {
    #[inline]
    fn entry(&self, index: u32) -> &Entry<R, G> {
        &self.entries[index as usize]
    }

    #[inline]
    fn entry_mut(&mut self, index: u32) -> &mut Entry<R, G> {
        &mut self.entries[index as usize]
    }

    /// Adds a waiter behind all others.
    #[inline(always)]
    pub(super) fn push(&mut self, request: R, waker: WakeRef) -> Key {
        let index = if self.vacant == NIL { self.grow() } else { self.vacant };
        let last = mem::replace(&mut self.last, index);
        let entry = self.entry_mut(index);
        let next_vacant = mem::replace(&mut entry.next, NIL);
        entry.previous = last;
        // There is nothing to drop. Said so, the compiler need not hold all in registers that a call
        // preserves.
        mem::forget(mem::replace(&mut entry.state, State::Waiting { request, waker }));
        self.vacant = next_vacant;
        match last {
            NIL => self.first = index,
            last => self.entry_mut(last).next = index,
        }
        Key::new(index)
    }

    /// Makes a vacant entry.
    #[cold]
    fn grow(&mut self) -> u32 {
        let len = self.entries.len();
        if len == self.entries.capacity() {
            // One at first: most lists never hold two.
            self.entries.reserve_exact(len.max(1));
        }
        let index = u32::try_from(len).ok().filter(|&index| index < NIL - 1);
        self.entries.push(Entry { previous: NIL, next: NIL, state: State::Vacant });
        index.expect("fewer than 2³² waiters")
    }

    /// The request of who waits longest.
    #[inline]
    pub(super) fn front_mut(&mut self) -> Option<&mut R> {
        match &mut self.entries.get_mut(self.first as usize)?.state {
            State::Waiting { request, .. } => Some(request),
            _ => None,
        }
    }

    /// Hands `grant` to who waits longest.
    ///
    /// # Panics
    ///
    /// If nobody waits.
    #[inline]
    pub(super) fn serve_front(&mut self, grant: G) -> (R, WakeRef) {
        let entry = self.entry_mut(self.first);
        let State::Waiting { request, waker } =
            mem::replace(&mut entry.state, State::Served(grant))
        else {
            unreachable!("who is first waits")
        };
        self.first = entry.next;
        match self.first {
            NIL => self.last = NIL,
            first => self.entry_mut(first).previous = NIL,
        }
        (request, waker)
    }

    /// Hands what `decide` makes of their requests to all who wait, and gives their wakers to `woken`, in
    /// order. Returns how many they were. Neither may panic.
    #[inline]
    pub(super) fn serve_all(
        &mut self,
        mut decide: impl FnMut(R) -> G,
        mut woken: impl FnMut(WakeRef),
    ) -> usize {
        let mut index = mem::replace(&mut self.first, NIL);
        self.last = NIL;
        let mut served = 0;
        // The links of those who are served mean nothing any more, so they are left as they are.
        while let Some(entry) = self.entries.get_mut(index as usize) {
            let State::Waiting { request, waker } = mem::replace(&mut entry.state, State::Vacant)
            else {
                unreachable!("who is in the list waits")
            };
            entry.state = State::Served(decide(request));
            index = entry.next;
            served += 1;
            woken(waker);
        }
        served
    }

    /// Whether a waiter that is not served will be woken through `waker`.
    #[inline]
    pub(super) fn will_wake(&self, key: &Key, waker: &Waker) -> bool {
        match &self.entry(key.index()).state {
            State::Waiting { waker: own, .. } => own.will_wake(waker),
            _ => false,
        }
    }

    /// Gives back the waker that is not needed: the old one, or `new` if the waiter was served.
    pub(super) fn set_waker(&mut self, key: &Key, new: WakeRef) -> WakeRef {
        match &mut self.entry_mut(key.index()).state {
            State::Waiting { waker, .. } => mem::replace(waker, new),
            _ => new,
        }
    }

    #[inline]
    pub(super) fn is_served(&self, key: &Key) -> bool {
        matches!(self.entry(key.index()).state, State::Served(_))
    }

    /// Vacates an entry.
    #[inline]
    pub(super) fn remove(&mut self, key: Key) -> State<R, G> {
        let index = key.index();
        let vacant = self.vacant;
        let state = mem::replace(&mut self.entry_mut(index).state, State::Vacant);
        if let State::Waiting { .. } = state {
            self.unlink(index);
        }
        self.entry_mut(index).next = vacant;
        self.vacant = index;
        state
    }

    /// Whether it keeps more memory than it should once everybody is gone.
    #[inline(always)]
    pub(super) fn is_large(&self) -> bool {
        self.entries.capacity() > KEPT
    }

    /// Gives back the memory of a burst. Everybody is gone.
    pub(super) fn shrink(&mut self) {
        debug_assert!(self.entries.iter().all(|entry| matches!(entry.state, State::Vacant)));
        self.entries.clear();
        self.entries.shrink_to(KEPT);
        self.vacant = NIL;
    }

    /// Takes an entry out of the list of those who wait.
    #[inline]
    fn unlink(&mut self, index: u32) {
        let Entry { previous, next, .. } = *self.entry(index);
        match previous {
            NIL => self.first = next,
            previous => self.entry_mut(previous).next = next,
        }
        match next {
            NIL => self.last = previous,
            next => self.entry_mut(next).previous = previous,
        }
    }
}

#[cfg(test)]
impl<R, G> Slab<R, G> {
    /// How many entries there are, vacant ones included.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }
}

impl<R, G> Default for Slab<R, G> {
    fn default() -> Self {
        Self { entries: Vec::new(), first: NIL, last: NIL, vacant: NIL }
    }
}

/// Who waits for a lock takes no more than this in the slab.
const _: () = assert!(size_of::<Entry<(), ()>>() <= 32 || cfg!(not(target_pointer_width = "64")));
