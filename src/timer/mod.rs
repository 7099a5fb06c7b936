//! The timer wheel: a set of deadlines that is cheap to change and cheap to ask.
//!
//! This module knows nothing of tasks, wakers or clocks. A deadline is a number of nanoseconds since
//! an epoch that the caller chose, a payload is whatever the caller wants back when it is due, and
//! time passes when the caller says so, by calling [`Wheel::expire`].
//!
//! # The idea
//!
//! Most timers are timeouts: set, and removed again before they fire. So setting and removing must
//! cost next to nothing, and the work of putting deadlines in order is left until it can no longer be
//! avoided. A hierarchical wheel sorts a deadline only by how far away it is: far ones by a coarse
//! digit, near ones by finer digits.
//!
//! A deadline is cut into one group of 16 bits, below the resolution of the wheel, and eight digits of
//! 6 bits. The 48 bits of the digits are its *tick*. The wheel remembers one tick, its *position*. A
//! deadline lives on the **level of the highest digit in which its tick differs from the position**, in
//! the **slot that this digit names**:
//!
//! ```text
//!            level 7   level 6   level 5   level 4   level 3   level 2   level 1   level 0
//!           +---------+---------+---------+---------+---------+---------+---------+---------+- - - - - -+
//! deadline  |  digit  |  digit  |  digit  |  digit  |  digit  |  digit  |  digit  |  digit  |  16 bits  |
//!           +---------+---------+---------+---------+---------+---------+---------+---------+- - - - - -+
//! one slot     9 a       52 d      19.5 h    18 min     17 s      268 ms    4.2 ms    65.5 us
//!
//!
//!  position: ... 02 . 61 . 05
//!
//!  level 2   - - [02]                                [30]               61 slots still ahead, one in use
//!                 |  \__________________
//!  level 1       [ - - - - - - - - [61]  [62] [63]]                     inside slot 02 of level 2
//!                                    |  \______________
//!  level 0                          [ - - - [05] [06] ... [63]]         inside slot 61 of level 1
//!                                            ^ now
//! ```
//!
//! Three things follow, and everything else rests on them:
//!
//! * Whatever is on a level shares all higher digits with the position and is ahead of it in its own.
//!   So **all of a lower level comes before all of a higher one**, slots within a level come in the
//!   order of their numbers, and nothing ever wraps around. The earliest slot is found with two
//!   trailing-zero counts: one over the levels in use, one over that level's slots in use.
//! * The slot that contains the position itself exists on level 0 only. It also takes whatever was
//!   overdue when it was inserted, and it is the one slot that may hold both due and future deadlines.
//! * Eight digits and 16 bits make 64: the top level covers everything a `u64` can say (584 years), so
//!   there is no overflow list and no deadline is too far. `u64::MAX` alone stands for "never" and is
//!   kept outside the levels.
//!
//! # The newest timer
//!
//! Many a timeout is over in the same turn: what it guards is ready at once. So the newest timer is
//! not put into a slot. It waits beside the wheel, is *fresh*, until
//!
//! * it is removed, which then is no more than forgetting it; or
//! * another timer is inserted, or its own deadline is reached: only now is it *settled*, which is to
//!   find it a place in memory and link it into its slot, as seen from the position by then.
//!
//! Asking for the next deadline compares with that of the fresh timer and settles nothing, so a lone
//! timeout stays fresh over as many turns as it lasts. A key names the place that its timer is going to
//! have; that one is reserved in advance, and therefore inserting a timer touches no other memory than
//! the wheel's own. Timers that stay pay for it: they are moved once, from beside the wheel.
//!
//! # Time passing
//!
//! Each slot keeps a lower bound of its deadlines, so the wheel knows the next deadline to the
//! nanosecond, however coarse the slot. [`Wheel::expire`] with nothing due is two comparisons.
//! Otherwise it takes slots from the front for as long as their bound has been reached:
//!
//! ```text
//!         slot ends before now                   slot contains now
//!    1    everything in it is due           2    what is due leaves; the rest is inserted again,
//!         whatever its level                     relative to now, which puts it on lower levels
//! ```
//!
//! Case 2 (a *cascade*) happens at most once in a call. A jump over hours costs as much as there are
//! slots in use and deadlines passed, not ticks passed. A deadline is moved at most once per
//! level, and usually never: a slot is opened when its first deadline is due and not, as in the
//! classic scheme, whenever the position enters it. The entries of a slot are sorted when they are taken
//! out, so the order of expiry is exact even though that of the slots is not.
//!
//! # Limits
//!
//! A slot is opened as a whole: when a million deadlines lie in the same coarse slot, the call that
//! reaches the first of them moves them all. And the slot at the position is scanned
//! again each time a deadline in it is reached, so thousands of different deadlines within the same
//! 65 microseconds, expired one by one, are its worst case.
//!
//! # Sources
//!
//! * G. Varghese, T. Lauck, *Hashed and Hierarchical Timing Wheels*, SOSP 1987 (scheme 7).
//! * Linux, `kernel/time/timer.c`: the cascading wheel up to 4.7, and a bitmap of slots in use since.
//! * tokio, `tokio/src/runtime/time/wheel/`: choosing the level by exclusive-or with the position.
//!
//! Ours differs in the bounds per slot (exact wake-ups from coarse slots, and opening them late), in
//! taking passed slots of any level without a cascade, in the sorted expiry, in the fresh timer, and in
//! linking entries by index into one `Vec`, which needs neither pinning nor unsafe code.

mod wheel;

#[cfg(test)]
mod tests;

pub(crate) use wheel::{Key, Wheel};
