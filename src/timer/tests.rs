use std::collections::BTreeMap;

use super::{Key, Wheel};
use crate::random::Random;

/// The time that one slot spans, per level.
fn span(level: u32) -> u64 {
    1 << (16 + 6 * level)
}

fn expire<T>(wheel: &mut Wheel<T>, now: u64) -> Vec<T> {
    let mut due = Vec::new();
    wheel.expire(now, &mut due);
    wheel.assert_consistent();
    due
}

/// Inserts timers with these deadlines; each carries its deadline, sequences count up.
fn wheel_of(deadlines: impl IntoIterator<Item = u64>) -> Wheel<u64> {
    let mut wheel = Wheel::new();
    for (sequence, deadline) in deadlines.into_iter().enumerate() {
        wheel.insert(deadline, sequence as u64, deadline);
    }
    wheel.assert_consistent();
    wheel
}

#[test]
fn empty_wheel_has_no_deadline() {
    let mut wheel = Wheel::<()>::new();
    assert!(wheel.is_empty());
    assert_eq!(wheel.len(), 0);
    assert_eq!(wheel.next_deadline(), None);
    assert_eq!(wheel.exact_next_deadline(), None);
    for now in [0, 1, span(3), u64::MAX] {
        assert_eq!(expire(&mut wheel, now), []);
    }
}

#[test]
fn key_is_eight_bytes_with_room_for_none() {
    assert_eq!(size_of::<Key>(), 8);
    assert_eq!(size_of::<Option<Key>>(), 8);
}

#[test]
fn entry_is_32_bytes_and_the_payload() {
    assert_eq!(Wheel::<[u64; 2]>::PLACE_SIZE, 32 + 16);
}

#[test]
fn timer_expires_at_its_deadline_and_not_a_nanosecond_before() {
    let deadlines = (0..8).flat_map(|level| {
        let edge = 5 * span(level);
        [edge - 1, edge, edge + 1, edge + span(level) / 3]
    });
    for deadline in deadlines.chain([1, 2, u64::MAX - 1]) {
        let mut wheel = wheel_of([deadline]);
        assert_eq!(wheel.next_deadline(), Some(deadline));
        assert_eq!(wheel.exact_next_deadline(), Some(deadline));
        assert_eq!(expire(&mut wheel, deadline - 1), []);
        assert_eq!(wheel.next_deadline(), Some(deadline));
        assert_eq!(expire(&mut wheel, deadline), [deadline]);
        assert_eq!(wheel.next_deadline(), None);
        assert!(wheel.is_empty());
    }
}

#[test]
fn timers_expire_in_deadline_order_across_levels() {
    let mut deadlines: Vec<u64> = (0..8)
        .flat_map(|level| [span(level) * 9, span(level) * 9 + 1, span(level) * 8 - 1])
        .collect();
    let mut wheel = wheel_of(deadlines.iter().rev().copied());
    deadlines.sort_unstable();
    assert_eq!(expire(&mut wheel, u64::MAX), deadlines);
}

#[test]
fn timers_in_one_slot_expire_in_deadline_order() {
    for level in 0..8 {
        let start = 3 * span(level);
        let mut wheel = wheel_of([start + 9, start + 1, start + 500, start, start + 1]);
        assert_eq!(expire(&mut wheel, start - 1), []);
        assert_eq!(expire(&mut wheel, start + 1), [start, start + 1, start + 1]);
        assert_eq!(wheel.next_deadline(), Some(start + 9));
        assert_eq!(expire(&mut wheel, start + 500), [start + 9, start + 500]);
    }
}

#[test]
fn equal_deadlines_expire_in_sequence_order() {
    for deadline in [0, 7, span(1) + 7, span(6) + 7] {
        let mut wheel = Wheel::new();
        for sequence in [4, 0, u64::MAX, 2, 3, 1] {
            wheel.insert(deadline, sequence, sequence);
        }
        assert_eq!(expire(&mut wheel, deadline), [0, 1, 2, 3, 4, u64::MAX]);
    }
}

#[test]
fn equal_deadlines_keep_their_order_when_inserted_from_different_positions() {
    let deadline = 10 * span(2) + 5;
    let mut wheel = Wheel::new();
    wheel.insert(deadline, 2, 2);
    for (sequence, now) in [(1, 9 * span(2)), (3, deadline - span(1)), (0, deadline - 1)] {
        // A timer that fires moves the position, so the next insertion finds another level.
        wheel.insert(now, 9, 9);
        assert_eq!(expire(&mut wheel, now), [9]);
        wheel.insert(deadline, sequence, sequence);
    }
    assert_eq!(expire(&mut wheel, deadline), [0, 1, 2, 3]);
}

#[test]
fn expire_appends_to_what_is_there() {
    let mut wheel = wheel_of([2, 1]);
    let mut due = vec![77];
    wheel.expire(5, &mut due);
    assert_eq!(due, [77, 1, 2]);
}

#[test]
fn past_deadline_is_due_at_once_and_first() {
    let now = 3 * span(4) + 2 * span(1) + 17;
    let mut wheel = wheel_of([now, now + 1, now + span(3)]);
    assert_eq!(expire(&mut wheel, now), [now]);
    for deadline in [now - 1, now - span(4), 0, now] {
        wheel.insert(deadline, 0, deadline);
        assert_eq!(wheel.next_deadline(), Some(deadline.min(now)));
        wheel.assert_consistent();
        assert_eq!(expire(&mut wheel, now), [deadline]);
    }
    wheel.insert(1, 0, 1);
    wheel.insert(0, 0, 0);
    assert_eq!(expire(&mut wheel, now + 1), [0, 1, now + 1]);
}

#[test]
fn time_does_not_go_back() {
    let mut wheel = wheel_of([50, 150]);
    assert_eq!(expire(&mut wheel, 100), [50]);
    wheel.insert(80, 2, 80);
    assert_eq!(expire(&mut wheel, 20), [80]);
    assert_eq!(expire(&mut wheel, 149), []);
    wheel.insert(149, 3, 149);
    assert_eq!(expire(&mut wheel, 0), [149], "a call with nothing due counts too");
}

#[test]
fn the_last_deadline_never_fires_but_counts() {
    let mut wheel = Wheel::new();
    let never = wheel.insert(u64::MAX, 0, "never");
    let removed = wheel.insert(u64::MAX, 1, "removed");
    assert_eq!(wheel.next_deadline(), None);
    assert_eq!(wheel.exact_next_deadline(), None);
    wheel.insert(u64::MAX - 1, 2, "last");
    assert_eq!(wheel.remove(removed), Some("removed"));
    assert_eq!(wheel.len(), 2);
    assert_eq!(expire(&mut wheel, u64::MAX - 2), [] as [&str; 0]);
    assert_eq!(expire(&mut wheel, u64::MAX), ["last"]);
    assert_eq!(expire(&mut wheel, u64::MAX), [] as [&str; 0]);
    assert_eq!(wheel.len(), 1);
    assert_eq!(wheel.get_mut(never), Some(&mut "never"));
    assert_eq!(wheel.remove(never), Some("never"));
    assert!(wheel.is_empty());
}

#[test]
fn wheel_works_at_the_end_of_time() {
    let end = u64::MAX - 1;
    let mut wheel = wheel_of([end, 5]);
    assert_eq!(expire(&mut wheel, end - span(0)), [5]);
    for deadline in [end - 1, end, 0, end - span(0), end - span(7)] {
        wheel.insert(deadline, deadline, deadline);
        wheel.assert_consistent();
    }
    assert_eq!(expire(&mut wheel, 0), [0, end - span(7), end - span(0)]);
    assert_eq!(wheel.exact_next_deadline(), Some(end - 1));
    assert_eq!(expire(&mut wheel, u64::MAX), [end - 1, end, end]);
    wheel.insert(end, 0, end);
    assert_eq!(wheel.next_deadline(), Some(end));
    assert_eq!(expire(&mut wheel, 0), [end]);
}

#[test]
fn removed_timer_leaves_the_wheel() {
    let mut wheel = Wheel::new();
    for removed in 0..3 {
        // First, middle and last of a list.
        let keys = [0, 1, 2].map(|n| wheel.insert(span(2) + n, n, n));
        assert_eq!(wheel.remove(keys[removed]), Some(removed as u64));
        assert_eq!(wheel.len(), 2);
        wheel.assert_consistent();
        let left = expire(&mut wheel, span(2) + 2);
        assert_eq!(left, Vec::from_iter((0..3).filter(|&n| n != removed as u64)));
        wheel = Wheel::new();
    }
}

#[test]
fn timer_removed_at_once_never_enters_a_slot() {
    let mut wheel = wheel_of([span(2) + 20, span(2) + 30]);
    for deadline in [0, 7, span(2) + 10, span(2) + 25, span(7), u64::MAX] {
        let survivor = wheel.insert(span(3), 2, span(3));
        let key = wheel.insert(deadline, 3, deadline);
        assert!(wheel.has_fresh());
        let earliest = deadline.min(span(2) + 20);
        assert_eq!(wheel.next_deadline(), Some(earliest));
        assert_eq!(wheel.exact_next_deadline(), Some(earliest));
        assert_eq!(wheel.get_mut(key), Some(&mut deadline.clone()));
        assert!(wheel.has_fresh(), "looking at it settles it");
        assert_eq!(wheel.len(), 4);
        assert_eq!(wheel.remove(key), Some(deadline));
        assert!(!wheel.has_fresh());
        wheel.assert_consistent();
        assert_eq!(wheel.get_mut(key), None);
        assert_eq!(wheel.remove(key), None);
        // Not even the lower bound remembers it.
        assert_eq!(wheel.next_deadline(), Some(span(2) + 20));
        assert_eq!(wheel.remove(survivor), Some(span(3)));
    }
    assert_eq!(
        expire(&mut wheel, u64::MAX),
        [span(2) + 20, span(2) + 30],
        "what was removed came back"
    );
}

#[test]
fn newest_timer_expires_in_order_with_the_others() {
    for (newest, expected) in [(5, [5, 10, 20]), (15, [10, 15, 20]), (20, [10, 20, 20])] {
        let mut wheel = wheel_of([10, 20, newest]);
        assert!(wheel.has_fresh());
        assert_eq!(expire(&mut wheel, 20), expected);
        assert!(wheel.is_empty());
    }
}

#[test]
fn newest_timer_waits_while_others_expire() {
    let mut wheel = wheel_of([10, span(1), 5 * span(3), span(5)]);
    for now in [10, span(1) + 9, 5 * span(3)] {
        assert_eq!(expire(&mut wheel, now).len(), 1);
        assert!(wheel.has_fresh());
        assert_eq!(wheel.exact_next_deadline().is_some(), !wheel.is_empty());
    }
    // The position is far from where it was when this one was inserted.
    assert_eq!(wheel.next_deadline(), Some(span(5)));
    assert_eq!(expire(&mut wheel, span(5) - 1), []);
    assert_eq!(expire(&mut wheel, span(5)), [span(5)]);
}

#[test]
fn newest_timer_keeps_its_place_while_others_leave_theirs() {
    let mut wheel = Wheel::new();
    let old = [0, 1, 2].map(|n| wheel.insert(50 + n, n, n));
    let newest = wheel.insert(60, 3, 3);
    for (n, &key) in old.iter().enumerate() {
        assert_eq!(wheel.remove(key), Some(n as u64));
        wheel.assert_consistent();
    }
    let newer = [4, 5, 6, 7].map(|n| wheel.insert(60 + n, n, n));
    wheel.assert_consistent();
    assert_eq!(wheel.get_mut(newest), Some(&mut 3));
    assert!(old.iter().all(|&key| wheel.remove(key).is_none()));
    assert_eq!(wheel.remove(newest), Some(3));
    assert_eq!(wheel.remove(newer[3]), Some(7));
    assert_eq!(expire(&mut wheel, 100), [4, 5, 6]);
}

#[test]
fn newest_timer_may_be_one_that_never_fires() {
    let mut wheel = Wheel::new();
    let never = wheel.insert(u64::MAX, 0, "never");
    assert_eq!(wheel.next_deadline(), None);
    assert_eq!(wheel.exact_next_deadline(), None);
    assert_eq!(expire(&mut wheel, u64::MAX), [] as [&str; 0]);
    assert_eq!(wheel.len(), 1);
    assert_eq!(wheel.remove(never), Some("never"));
    assert!(wheel.is_empty());
    wheel.assert_consistent();
}

#[test]
fn removing_the_last_of_a_slot_uncovers_the_next_deadline() {
    let mut wheel = Wheel::new();
    let deadlines = [3, span(0) + 3, span(1) + 3, span(2) + 3, span(7) + 3];
    let keys = deadlines.map(|deadline| wheel.insert(deadline, 0, deadline));
    for (n, key) in keys.into_iter().enumerate() {
        assert_eq!(wheel.next_deadline(), Some(deadlines[n]));
        wheel.remove(key);
        wheel.assert_consistent();
    }
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn removing_the_earliest_of_a_slot_leaves_a_lower_bound() {
    for start in [5, span(0), span(3), 2 * span(7)] {
        let mut wheel = Wheel::new();
        let earliest = wheel.insert(start + 10, 0, 10);
        wheel.insert(start + 30, 1, 30);
        wheel.insert(start + 20, 2, 20);
        wheel.remove(earliest);
        assert!(wheel.next_deadline() <= Some(start + 20));
        assert_eq!(wheel.exact_next_deadline(), Some(start + 20));
        // The bound is made exact when it is reached.
        assert_eq!(expire(&mut wheel, start + 10), []);
        assert_eq!(wheel.next_deadline(), Some(start + 20));
        assert_eq!(expire(&mut wheel, start + 30), [20, 30]);
    }
}

#[test]
fn stale_key_finds_nothing() {
    let mut wheel = Wheel::new();
    let expired = wheel.insert(1, 0, "expired");
    assert_eq!(expire(&mut wheel, 1), ["expired"]);
    let removed = wheel.insert(5, 1, "removed");
    assert_eq!(wheel.remove(removed), Some("removed"));
    let alive = wheel.insert(9, 2, "alive");
    for stale in [expired, removed] {
        assert_ne!(stale, alive);
        assert_eq!(wheel.get_mut(stale), None);
        assert_eq!(wheel.remove(stale), None);
    }
    *wheel.get_mut(alive).unwrap() = "changed";
    assert_eq!(wheel.remove(alive), Some("changed"));
    assert_eq!(wheel.remove(alive), None);
}

#[test]
fn key_of_the_same_generation_in_another_place_finds_nothing() {
    // As a stale key looks once the generations have wrapped.
    let mut wheel = Wheel::new();
    for n in 0..3 {
        let key = wheel.insert(5, n, n);
        let elsewhere = Key::from_bits(key.to_bits() ^ 1).unwrap();
        assert_eq!(wheel.get_mut(elsewhere), None);
        assert_eq!(wheel.remove(elsewhere), None);
        assert_eq!(wheel.get_mut(key), Some(&mut n.clone()));
    }
}

#[test]
fn generations_wrap_without_mixing_up_keys() {
    let mut wheel = Wheel::new();
    wheel.exhaust_generations();
    let mut stale: Vec<Key> = Vec::new();
    for n in 0..6 {
        let key = wheel.insert(n, 0, n);
        assert!(!stale.contains(&key));
        assert!(stale.iter().all(|&key| wheel.remove(key).is_none()));
        assert_eq!(wheel.remove(key), Some(n));
        stale.push(key);
    }
}

#[test]
fn a_long_jump_passes_every_level_in_one_call() {
    let hour = 3_600_000_000_000;
    let deadlines: Vec<u64> = (1..200).map(|n| n * n * 777_777_777).collect();
    let mut wheel = wheel_of(deadlines.iter().copied());
    let passed = deadlines.partition_point(|&deadline| deadline <= 5 * hour);
    assert_eq!(expire(&mut wheel, 5 * hour), deadlines[..passed]);
    assert_eq!(wheel.next_deadline(), deadlines.get(passed).copied());
    assert_eq!(expire(&mut wheel, u64::MAX - 1), deadlines[passed..]);
}

#[test]
fn position_lagging_behind_the_time_delays_nothing() {
    // Nothing is due for long, so the far timer's slot is not opened although time is inside it.
    let far = 5 * span(4) + 40 * span(3);
    let mut wheel = wheel_of([far]);
    let now = 5 * span(4) + 3 * span(3);
    assert_eq!(expire(&mut wheel, now), []);
    for deadline in [now + 1, now + span(0), now - 1, now + span(2), far - 1, far + 1] {
        wheel.insert(deadline, 1, deadline);
        wheel.assert_consistent();
    }
    assert_eq!(expire(&mut wheel, now), [now - 1]);
    assert_eq!(wheel.next_deadline(), Some(now + 1));
    assert_eq!(expire(&mut wheel, now + span(0)), [now + 1, now + span(0)]);
    assert_eq!(expire(&mut wheel, far - 1), [now + span(2), far - 1]);
    assert_eq!(expire(&mut wheel, far + 1), [far, far + 1]);
}

#[test]
fn a_million_timers_expire_in_order_and_give_their_memory_back() {
    let count = if cfg!(miri) { 5_000 } else { 1_000_000 };
    let mut random = Random::new(0x5eed);
    let mut wheel = Wheel::new();
    for sequence in 0..count {
        let deadline = random.below(60 * 1_000_000_000);
        wheel.insert(deadline, sequence, (deadline, sequence));
    }
    assert_eq!(wheel.len() as u64, count);
    let mut due = Vec::new();
    while let Some(deadline) = wheel.next_deadline() {
        let before = due.len();
        let now = deadline + random.below(span(2));
        wheel.expire(now, &mut due);
        assert!(before < due.len(), "nothing was due at {deadline}");
        assert!(due[before..].iter().all(|&(deadline, _)| deadline <= now));
    }
    assert!(due.is_sorted());
    assert_eq!(due.len() as u64, count);
    assert!(wheel.is_empty());
    assert!(wheel.capacity() <= 1024, "{} kept", wheel.capacity());
}

#[test]
fn a_million_cancelled_timers_leave_nothing_behind() {
    let count = if cfg!(miri) { 5_000 } else { 1_000_000 };
    let mut wheel = Wheel::new();
    let insert = |n: u64| wheel.insert(30_000_000_000 + n * 1000, n, n);
    let mut keys: Vec<Key> = (0..count).map(insert).collect();
    Random::new(3).shuffle(&mut keys);
    for &key in &keys {
        assert!(wheel.remove(key).is_some());
    }
    assert_eq!(wheel.len(), 0);
    assert_eq!(wheel.next_deadline(), None);
    assert!(wheel.capacity() <= 1024, "{} kept", wheel.capacity());
    wheel.assert_consistent();
    // Memory was given back, yet the old keys are still recognised.
    wheel.insert(1, 0, 1);
    assert!(keys.iter().all(|&key| wheel.remove(key).is_none()));
}

#[test]
fn memory_is_given_back_when_the_newest_timer_goes_last() {
    let many = |wheel: &mut Wheel<u64>| [(); 3000].map(|()| wheel.insert(1 << 40, 0, 0));
    for is_expired in [false, true] {
        let mut wheel = Wheel::new();
        let old = many(&mut wheel);
        let newest = wheel.insert(1 << 41, 1, 1);
        assert!(old.iter().all(|&key| wheel.remove(key).is_some()));
        assert_eq!(wheel.len(), 1);
        wheel.assert_consistent();
        assert_eq!(wheel.get_mut(newest), Some(&mut 1));
        if is_expired {
            assert_eq!(expire(&mut wheel, 1 << 41), [1]);
        } else {
            assert_eq!(wheel.remove(newest), Some(1));
        }
        assert!(wheel.capacity() <= 1024, "{} kept", wheel.capacity());
        wheel.assert_consistent();
        let keys = many(&mut wheel);
        assert!(old.iter().all(|&key| wheel.remove(key).is_none()));
        assert!(keys.iter().all(|&key| wheel.remove(key).is_some()));
    }
}

#[test]
fn few_timers_keep_their_memory() {
    let mut wheel = wheel_of(0..100);
    let capacity = wheel.capacity();
    assert_eq!(expire(&mut wheel, 100).len(), 100);
    assert_eq!(wheel.capacity(), capacity);
}

/// Random operations on the wheel and on an ordered map must tell the same story.
///
/// `MONOLOOP_SEED` chooses another run; a failure prints the seed of its own.
#[test]
fn wheel_agrees_with_an_ordered_map() {
    let seed = match std::env::var("MONOLOOP_SEED") {
        Ok(seed) => seed.parse().expect("MONOLOOP_SEED must be a number"),
        Err(_) => 0x6d6f_6e6f_6c6f_6f70,
    };
    let _report = ReportOnPanic(seed);
    let mut random = Random::new(seed);
    let mut left: u32 = if cfg!(miri) { 3_000 } else { 1_500_000 };
    while left > 0 {
        // Many short lives, so that huge jumps do not leave all but a few at the end of time.
        let operations = left.min(1 + random.below(10_000) as u32);
        Comparison::new(&mut random).run(operations, &mut random);
        left -= operations;
    }
}

struct ReportOnPanic(u64);

impl Drop for ReportOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat: MONOLOOP_SEED={}", self.0);
        }
    }
}

/// The wheel and the map that it is compared with; payloads are numbers of insertions.
struct Comparison {
    wheel: Wheel<u64>,
    model: BTreeMap<(u64, u64), (u64, Key)>,
    now: u64,
    /// Keys in order of insertion, alive or not, and the place in the model of each.
    keys: Vec<(Key, (u64, u64))>,
    /// Out of 16 operations: how many insert, how many remove; the others let time pass.
    inserts: u64,
    removes: u64,
    /// No jump and hardly a duration has more bits.
    bits: u64,
}

impl Comparison {
    fn new(random: &mut Random) -> Self {
        let mut comparison = Self {
            wheel: Wheel::new(),
            model: BTreeMap::new(),
            now: 0,
            keys: Vec::new(),
            inserts: 5 + random.below(6),
            removes: random.below(5),
            bits: 10 + random.below(45),
        };
        let start = random.magnitude(64);
        comparison.expire(start);
        comparison
    }

    fn run(mut self, operations: u32, random: &mut Random) {
        for n in 0..operations {
            let choice = random.below(16);
            if choice < self.inserts {
                let deadline = self.random_deadline(random);
                // Mostly rising, sometimes any, never one that was there.
                let sequence = match random.below(8) {
                    0 => random.next() & !0xf_ffff | u64::from(n),
                    _ => u64::from(n),
                };
                self.insert(deadline, sequence);
            } else if choice < self.inserts + self.removes {
                self.remove(random);
            } else {
                let now = self.random_time(random);
                self.expire(now);
            }
            self.compare(random);
        }
        self.expire(u64::MAX - 1);
        self.wheel.assert_consistent();
        assert!(self.model.keys().all(|&(deadline, _)| deadline == u64::MAX));
    }

    fn random_deadline(&self, random: &mut Random) -> u64 {
        match random.below(32) {
            0 => u64::MAX,
            1 => u64::MAX - 1 - random.magnitude(20),
            2 => random.magnitude(64),
            3..6 => self.now.saturating_sub(random.magnitude(self.bits)),
            6..9 => self.edge(random),
            // The deadline of another, or right beside it.
            9..13 if !self.keys.is_empty() => {
                let other = self.keys[random.index(self.keys.len())].1.0;
                other.saturating_add(random.below(3)).saturating_sub(1)
            }
            _ => self.now.saturating_add(random.magnitude(self.bits)),
        }
    }

    /// A time beside the border of two slots.
    fn edge(&self, random: &mut Random) -> u64 {
        let span = span(random.below(8) as u32);
        let border = (self.now / span).saturating_add(1 + random.below(64)).saturating_mul(span);
        border.saturating_add(random.below(3)).saturating_sub(1)
    }

    fn random_time(&self, random: &mut Random) -> u64 {
        let next = self.wheel.next_deadline().unwrap_or(self.now);
        match random.below(64) {
            0 => random.magnitude(64),
            1..8 => self.edge(random).min(self.now.saturating_add(1 << self.bits)),
            // As a loop does it: at the next deadline, just before it, soon after it.
            8..24 => next,
            24..32 => next.saturating_sub(1),
            32..40 => next.saturating_add(random.magnitude(20)),
            _ => self.now.saturating_add(random.magnitude(self.bits)),
        }
    }

    fn insert(&mut self, deadline: u64, sequence: u64) {
        let id = self.keys.len() as u64;
        let key = self.wheel.insert(deadline, sequence, id);
        self.keys.push((key, (deadline, sequence)));
        let before = self.model.insert((deadline, sequence), (id, key));
        assert!(before.is_none(), "the test repeats a sequence");
    }

    /// Removes one of the newer ones, often the newest, which may or may not be alive.
    fn remove(&mut self, random: &mut Random) {
        if self.keys.is_empty() {
            return;
        }
        let recent = match random.below(3) {
            0 => 1,
            _ => 1 + random.magnitude(16) as usize % self.keys.len(),
        };
        let expected = self.look(recent);
        let (key, place) = self.keys[self.keys.len() - recent];
        assert_eq!(self.wheel.remove(key), expected);
        if expected.is_some() {
            self.model.remove(&place);
        }
    }

    /// Looks at the `recent`th newest, the newest being the first.
    fn look(&mut self, recent: usize) -> Option<u64> {
        let (key, place) = self.keys[self.keys.len() - recent];
        let expected = match self.model.get(&place) {
            Some(&(id, alive)) if alive == key => Some(id),
            _ => None,
        };
        assert_eq!(self.wheel.get_mut(key).copied(), expected);
        expected
    }

    fn expire(&mut self, now: u64) {
        let mut due = Vec::new();
        self.wheel.expire(now, &mut due);
        self.now = self.now.max(now);

        let mut expected = Vec::new();
        while let Some(first) = self.model.first_entry() {
            let deadline = first.key().0;
            if deadline > self.now || deadline == u64::MAX {
                break;
            }
            expected.push(first.remove().0);
        }
        assert_eq!(due, expected, "expired at {}", self.now);
    }

    fn compare(&mut self, random: &mut Random) {
        assert_eq!(self.wheel.len(), self.model.len());
        assert_eq!(self.wheel.is_empty(), self.model.is_empty());
        let earliest = self.model.first_key_value().map(|(place, _)| place.0);
        let earliest = earliest.filter(|&deadline| deadline != u64::MAX);
        assert_eq!(self.wheel.exact_next_deadline(), earliest);
        let bound = self.wheel.next_deadline();
        assert_eq!(bound.is_some(), earliest.is_some());
        assert!(bound <= earliest, "{bound:?} is after {earliest:?}");
        if !self.keys.is_empty() {
            self.look(1);
        }
        if random.below(512) == 0 {
            self.wheel.assert_consistent();
        }
    }
}
