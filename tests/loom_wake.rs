//! Wake slots, home hand-over and parking in every order that loom finds:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 cargo test --release --test loom_wake
//! ```
//!
//! The module under test is compiled into this file; the crate itself is empty under `--cfg loom`.
//!
//! What makes the models strict: tasks look at *relaxed* flags, and a parked loop sleeps on a *relaxed*
//! one, so whatever becomes visible does so through the module's own ordering. A loop that sleeps though
//! nobody is left to wake it panics with [`LOST`]. Each access of a plain field goes through loom's
//! `UnsafeCell`, which reports two that are not ordered.

#![cfg(loom)]

#[path = "../src/executor/wake/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the crate uses more of it than the models"
)]
mod wake;

use std::cell::Cell;
use std::ptr;
// What counts and publishes for the models themselves is std's: loom must neither see nor order it.
use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Count;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use loom::thread;
use wake::{Home, Kin, LoopId, Pool, Popped, Release, Resident, Slot, Tenant, Unpark, Woken};

/// What a loop says that sleeps for ever; `scripts/planted-bugs` looks for it.
const LOST: &str = "a wake-up was lost: the loop sleeps, and nobody is left to wake it";

/// So often a sleeper gives way to the others. Each of them runs until it is through or must wait itself,
/// so this is far more than it takes.
const PATIENCE: usize = 100;

/// Checks a model: two preemptions, unless the environment says otherwise.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.check(model);
}

/// Something that a model must have come across in one of its runs, lest it prove nothing.
struct Sight {
    what: &'static str,
    times: Count,
}

impl Sight {
    const fn new(what: &'static str) -> Self {
        Self { what, times: Count::new(0) }
    }

    fn seen_if(&self, seen: bool) {
        self.times.fetch_add(usize::from(seen), Relaxed);
    }

    fn assert_seen(&self) {
        assert!(self.times.load(Relaxed) > 0, "no run in which {}", self.what);
    }
}

/// What a loop sleeps on, as weak as may be: it orders nothing.
struct Parker {
    is_unparked: AtomicBool,
    unparks: Count,
}

impl Unpark for Parker {
    fn unpark(&self) {
        self.unparks.fetch_add(1, Relaxed);
        // Read-modify-writes on both sides, because loom orders them by time; it would let a plain store
        // come before the sleeper's last look, and the sleeper never see it.
        self.is_unparked.swap(true, Relaxed);
    }
}

/// A pool of its own for each run.
fn pool() -> &'static Pool {
    Box::leak(Box::new(Pool::new()))
}

/// A tenant that can be told from others. Nobody looks behind the pointer.
fn tenant(number: usize) -> Tenant {
    ptr::NonNull::new(ptr::without_provenance_mut(number)).expect("numbers start at 1")
}

/// An event loop that has nothing but tasks.
struct Loop {
    resident: Resident,
    parker: Arc<Parker>,
    parks: Cell<usize>,
}

impl Loop {
    fn new(pool: &'static Pool) -> Self {
        let parker =
            Arc::new(Parker { is_unparked: AtomicBool::new(false), unparks: Count::new(0) });
        let resident = Resident::new(pool, Arc::clone(&parker) as Arc<dyn Unpark>);
        Self { resident, parker, parks: Cell::new(0) }
    }

    /// Takes the inbox and polls what is ready; `poll` says whether that was all. Gives what it said.
    fn turn(&self, poll: &mut impl FnMut(Tenant) -> bool) -> bool {
        self.resident.restore_stash();
        self.resident.receive();
        (0..self.resident.ready_len()).any(|_| match self.resident.pop() {
            Some(Popped::Ready(_, tenant)) => poll(tenant),
            Some(Popped::Nothing) | None => false,
        })
    }

    /// Turns, and sleeps where nothing is ready, until `poll` gives true.
    fn run(&self, mut poll: impl FnMut(Tenant) -> bool) {
        while !self.turn(&mut poll) {
            if self.resident.ready_len() == 0 && self.resident.park() {
                self.parks.set(self.parks.get() + 1);
                self.sleep();
            }
        }
    }

    fn sleep(&self) {
        let is_unparked = || self.parker.is_unparked.swap(false, Relaxed);
        let mut sleeps = (0..PATIENCE).map(|_| thread::yield_now());
        while !is_unparked() {
            sleeps.next().expect(LOST);
        }
    }

    fn unparks(&self) -> usize {
        self.parker.unparks.load(Relaxed)
    }

    /// All wakers are through: each sleep was ended by exactly one of them.
    fn assert_unparked_once_a_sleep(&self) {
        assert_eq!(self.unparks(), self.parks.get(), "unparks and sleeps");
    }
}

/// Flags that wakers set before they wake, and tasks look at when they are polled.
struct Flags(Vec<AtomicUsize>);

impl Flags {
    fn new(count: usize) -> Arc<Self> {
        Arc::new(Self((0..count).map(|_| AtomicUsize::new(0)).collect()))
    }

    fn set(&self, index: usize, value: usize) {
        self.0[index].store(value, Relaxed);
    }

    fn is(&self, index: usize, value: usize) -> bool {
        self.0[index].load(Relaxed) == value
    }

    fn are_all(&self, value: usize) -> bool {
        (0..self.0.len()).all(|index| self.is(index, value))
    }
}

/// A thread that sets `flag` and wakes `slot`.
fn waker(flags: &Arc<Flags>, flag: usize, slot: &'static Slot) -> thread::JoinHandle<()> {
    let flags = Arc::clone(flags);
    thread::spawn(move || {
        flags.set(flag, 1);
        slot.wake();
    })
}

// ----- local wake against remote wake

#[test]
fn a_local_and_a_remote_wake_queue_a_slot_once() {
    static ONE_POLL: Sight = Sight::new("one poll served both wakes");
    static TWO_POLLS: Sight = Sight::new("each wake had its poll");
    check(|| {
        let event_loop = Loop::new(pool());
        let slot = event_loop.resident.lease(tenant(1));
        let flags = Flags::new(1);
        let remote = waker(&flags, 0, slot);

        slot.wake();
        slot.wake();
        event_loop.resident.receive();
        assert_eq!(event_loop.resident.ready_len(), 1);
        let mut polls = 0;
        event_loop.run(|who| {
            assert_eq!(who, tenant(1));
            polls += 1;
            flags.are_all(1)
        });
        remote.join().unwrap();
        ONE_POLL.seen_if(polls == 1);
        TWO_POLLS.seen_if(polls == 2);
        assert!(polls <= 2, "{polls} polls for two wakes");
        event_loop.assert_unparked_once_a_sleep();
        slot.vacate();
    });
    ONE_POLL.assert_seen();
    TWO_POLLS.assert_seen();
}

#[test]
fn a_task_that_wakes_itself_keeps_no_remote_wake_out() {
    check(|| {
        let event_loop = Loop::new(pool());
        let busy = event_loop.resident.lease(tenant(1));
        let idle = event_loop.resident.lease(tenant(2));
        let flags = Flags::new(1);
        let remote = waker(&flags, 0, idle);

        busy.wake();
        let mut is_served = false;
        event_loop.run(|who| {
            if who == tenant(2) {
                assert!(flags.are_all(1), "polled before it was woken");
                is_served = true;
            } else if !is_served {
                busy.wake();
                // Loom need not be fair to the other thread unless it is asked to.
                thread::yield_now();
            }
            is_served
        });
        remote.join().unwrap();
        busy.vacate();
        idle.vacate();
    });
}

// ----- remote wake against remote wake

/// `count` threads wake one slot; the task waits for all of them.
fn check_remote_wakes_of_one_slot(count: usize) {
    check(move || {
        let event_loop = Loop::new(pool());
        let slot = event_loop.resident.lease(tenant(1));
        let flags = Flags::new(count);
        let remotes: Vec<_> = (0..count).map(|flag| waker(&flags, flag, slot)).collect();

        event_loop.run(|_| flags.are_all(1));
        remotes.into_iter().for_each(|remote| remote.join().unwrap());
        event_loop.assert_unparked_once_a_sleep();
        slot.vacate();
    });
}

#[test]
fn two_threads_wake_one_slot() {
    check_remote_wakes_of_one_slot(2);
}

#[test]
fn three_threads_wake_one_slot() {
    check_remote_wakes_of_one_slot(3);
}

/// Thread `i` wakes slot `i % 2`; each of the two tasks waits for its wakes.
fn check_remote_wakes_of_two_slots(count: usize) {
    check(move || {
        let event_loop = Loop::new(pool());
        let slots = [1, 2].map(|number| event_loop.resident.lease(tenant(number)));
        let flags = Flags::new(count);
        let remotes: Vec<_> = (0..count).map(|flag| waker(&flags, flag, slots[flag % 2])).collect();

        let mut are_done = [false; 2];
        event_loop.run(|who| {
            let which = usize::from(who == tenant(2));
            are_done[which] = (which..count).step_by(2).all(|flag| flags.is(flag, 1));
            are_done == [true; 2]
        });
        remotes.into_iter().for_each(|remote| remote.join().unwrap());
        event_loop.assert_unparked_once_a_sleep();
        slots.into_iter().for_each(Slot::vacate);
    });
}

#[test]
fn two_threads_wake_two_slots() {
    check_remote_wakes_of_two_slots(2);
}

#[test]
fn three_threads_wake_two_slots() {
    check_remote_wakes_of_two_slots(3);
}

/// A slot is pushed again while the loop walks the list it was taken in.
#[test]
fn slots_woken_again_and_again_are_not_lost_from_the_list() {
    check(|| {
        let event_loop = Loop::new(pool());
        let [a, b] = [1, 2].map(|number| event_loop.resident.lease(tenant(number)));
        let flags = Flags::new(3);
        let twice = Arc::clone(&flags);
        let remotes = [
            thread::spawn(move || {
                twice.set(0, 1);
                a.wake();
                twice.set(1, 1);
                b.wake();
                twice.set(0, 2);
                a.wake();
            }),
            waker(&flags, 2, b),
        ];

        let (mut a_is_done, mut b_is_done) = (false, false);
        event_loop.run(|who| {
            if who == tenant(1) {
                a_is_done = flags.is(0, 2);
            } else {
                b_is_done = flags.is(1, 1) && flags.is(2, 1);
            }
            a_is_done && b_is_done
        });
        remotes.into_iter().for_each(|remote| remote.join().unwrap());
        event_loop.assert_unparked_once_a_sleep();
        a.vacate();
        b.vacate();
    });
}

// ----- remote wake against parking

#[test]
fn what_was_written_before_a_remote_wake_is_there_at_the_poll() {
    static SLEPT: Sight = Sight::new("the loop slept");
    static NEVER_SLEPT: Sight = Sight::new("the wake came first");
    check(|| {
        let event_loop = Loop::new(pool());
        let slot = event_loop.resident.lease(tenant(1));
        let written = Arc::new(UnsafeCell::new(0));
        let remote = {
            let written = Arc::clone(&written);
            thread::spawn(move || {
                // SAFETY: the other thread reads after the wake; loom checks that.
                written.with_mut(|value| unsafe { *value = 42 });
                slot.wake();
            })
        };

        event_loop.run(|_| {
            // SAFETY: the other thread wrote before the wake, and does not write again; loom checks it.
            written.with(|value| assert_eq!(unsafe { *value }, 42));
            true
        });
        remote.join().unwrap();
        SLEPT.seen_if(event_loop.parks.get() == 1);
        NEVER_SLEPT.seen_if(event_loop.parks.get() == 0);
        event_loop.assert_unparked_once_a_sleep();
        slot.vacate();
    });
    SLEPT.assert_seen();
    NEVER_SLEPT.assert_seen();
}

/// The sleep ends by itself, as for a timer; the wake that comes about then is served all the same, and
/// the next sleep has its unpark.
#[test]
fn a_sleep_that_ends_by_itself_loses_no_wake() {
    static LATE: Sight = Sight::new("the waker unparked a loop that was awake again");
    check(|| {
        let event_loop = Loop::new(pool());
        let slot = event_loop.resident.lease(tenant(1));
        let flags = Flags::new(1);
        let remote = waker(&flags, 0, slot);

        let mut is_done = false;
        if event_loop.resident.park() {
            // Nobody waits for the unpark.
            thread::yield_now();
            let mut poll = |_| flags.are_all(1);
            is_done = event_loop.turn(&mut poll);
        }
        if !is_done {
            event_loop.run(|_| flags.are_all(1));
        }
        remote.join().unwrap();
        LATE.seen_if(event_loop.unparks() > event_loop.parks.get());
        assert!(event_loop.unparks() <= 1, "one wake unparks once");
        slot.vacate();
    });
    LATE.assert_seen();
}

#[test]
fn two_loops_of_one_thread_are_both_unparked() {
    check(|| {
        let pool = pool();
        let (first, second) = (Loop::new(pool), Loop::new(pool));
        assert!(ptr::eq(first.resident.home(), second.resident.home()));
        let slots = [first.resident.lease(tenant(1)), second.resident.lease(tenant(2))];
        let flags = Flags::new(2);
        let remotes = [waker(&flags, 0, slots[0]), waker(&flags, 1, slots[1])];

        // Each finds the other's slot in their common queue, and sets it aside.
        first.run(|who| {
            assert_eq!(who, tenant(1));
            flags.is(0, 1)
        });
        second.run(|who| {
            assert_eq!(who, tenant(2));
            flags.is(1, 1)
        });
        remotes.into_iter().for_each(|remote| remote.join().unwrap());
        slots.into_iter().for_each(Slot::vacate);
    });
}

// ----- home hand-over against a late wake

/// Runs a loop whose one task waits for a wake from another thread, beside whatever late wakes there are.
/// Gives the home it was in.
fn run_for_one_remote_wake(pool: &'static Pool) -> &'static Home {
    let event_loop = Loop::new(pool);
    let slot = event_loop.resident.lease(tenant(9));
    let flags = Flags::new(1);
    let remote = waker(&flags, 0, slot);
    event_loop.run(|who| {
        assert_eq!(who, tenant(9), "a tenant of an earlier loop");
        flags.are_all(1)
    });
    remote.join().unwrap();
    slot.vacate();
    event_loop.resident.home()
}

#[test]
fn a_late_wake_from_the_old_thread_meets_the_home_on_its_new_thread() {
    static HANDED_OVER: Sight = Sight::new("the second loop had the first one's home");
    static NOT_YET: Sight = Sight::new("the second loop was too early for the first one's home");
    check(|| {
        let pool = pool();
        let first = Loop::new(pool);
        let home = first.resident.home();
        let stale = first.resident.lease(tenant(1));
        let second = thread::spawn(move || run_for_one_remote_wake(pool));

        stale.wake();
        stale.vacate();
        drop(first);
        stale.wake();
        let next = second.join().unwrap();
        HANDED_OVER.seen_if(ptr::eq(home, next));
        NOT_YET.seen_if(!ptr::eq(home, next));
    });
    HANDED_OVER.assert_seen();
    NOT_YET.assert_seen();
}

#[test]
fn a_late_wake_from_a_third_thread_meets_the_home_on_its_new_thread() {
    static HANDED_OVER: Sight = Sight::new("the second loop had the first one's home");
    check(|| {
        let pool = pool();
        let first = Loop::new(pool);
        let home = first.resident.home();
        let stale = first.resident.lease(tenant(1));
        let late = thread::spawn(move || stale.wake());
        let second = thread::spawn(move || run_for_one_remote_wake(pool));

        stale.vacate();
        drop(first);
        let next = second.join().unwrap();
        HANDED_OVER.seen_if(ptr::eq(home, next));
        late.join().unwrap();
    });
    HANDED_OVER.assert_seen();
}

/// Both threads have had the home, and both wake its slot when neither has it any more.
#[test]
fn a_home_goes_there_and_back() {
    static THERE_AND_BACK: Sight = Sight::new("both loops and the third had the same slot");
    check(|| {
        let pool = pool();
        let first = Loop::new(pool);
        let stale = first.resident.lease(tenant(1));
        let second = thread::spawn(move || {
            let second = Loop::new(pool);
            let slot = second.resident.lease(tenant(2));
            slot.wake();
            second.run(|who| who == tenant(2));
            slot.vacate();
            drop(second);
            slot.wake();
            slot
        });
        stale.vacate();
        drop(first);
        let third = Loop::new(pool);
        let slot = third.resident.lease(tenant(3));
        slot.wake();
        third.run(|who| who == tenant(3));
        slot.vacate();
        let last = second.join().unwrap();
        THERE_AND_BACK.seen_if(ptr::eq(stale, slot) && ptr::eq(stale, last));
    });
    THERE_AND_BACK.assert_seen();
}

// ----- loop drop against a late wake

#[test]
fn a_wake_that_meets_the_drop_of_the_loop_does_no_harm() {
    static UNPARKED: Sight = Sight::new("the wake found the loop parked");
    static SPURIOUS: Sight = Sight::new("the next tenant of the slot was woken for the last");
    check(|| {
        let pool = pool();
        let first = Loop::new(pool);
        let stale = first.resident.lease(tenant(1));
        let late = thread::spawn(move || stale.wake());

        first.resident.park();
        let parker = Arc::clone(&first.parker);
        stale.vacate();
        drop(first);
        assert_eq!(Arc::strong_count(&parker), 1, "the unparker is let go");

        // The next loop here begins unparked, misses nothing, and sees no tenant but its own.
        let next = Loop::new(pool);
        let slot = next.resident.lease(tenant(2));
        assert!(ptr::eq(slot, stale), "warm slots are reused first");
        let flags = Flags::new(1);
        let remote = waker(&flags, 0, slot);
        next.run(|who| {
            assert_eq!(who, tenant(2));
            SPURIOUS.seen_if(!flags.are_all(1));
            flags.are_all(1)
        });
        remote.join().unwrap();
        late.join().unwrap();
        UNPARKED.seen_if(parker.unparks.load(Relaxed) == 1);
        slot.vacate();
    });
    UNPARKED.assert_seen();
    SPURIOUS.assert_seen();
}

#[test]
fn a_late_wake_after_the_thread_and_its_loop_is_harmless() {
    check(|| {
        let pool = pool();
        // One slot is vacated in the ready queue, the other outside it.
        let stale = thread::spawn(move || {
            let event_loop = Loop::new(pool);
            let slots = [1, 2].map(|number| event_loop.resident.lease(tenant(number)));
            slots[0].wake();
            slots.into_iter().for_each(Slot::vacate);
            slots
        });
        let stale = stale.join().unwrap();
        let late = thread::spawn(move || stale.iter().for_each(|slot| slot.wake()));
        stale.iter().for_each(|slot| slot.wake());
        late.join().unwrap();
        // The slots lie in the inbox of a home without a thread; the next holder sees them vacant, once.
        let next = Loop::new(pool);
        assert!(!next.turn(&mut |who| panic!("{who:?} in a loop without tenants")));
        let slots = [3, 4, 5].map(|number| next.resident.lease(tenant(number)));
        for stale in stale {
            assert!(slots.iter().any(|slot| ptr::eq(*slot, stale)), "a slot was lost");
        }
        slots.iter().for_each(|slot| slot.wake());
        let mut polled = Vec::new();
        next.run(|who| {
            polled.push(who);
            polled.len() == 3
        });
        assert_eq!(polled, [3, 4, 5].map(tenant));
        slots.into_iter().for_each(Slot::vacate);
    });
}

#[test]
fn a_loop_that_went_while_it_was_parked_leaves_no_parking_behind() {
    check(|| {
        let pool = pool();
        let first = Loop::new(pool);
        let stale = first.resident.lease(tenant(1));
        assert!(first.resident.park());
        stale.vacate();
        drop(first);

        let next = Loop::new(pool);
        thread::spawn(move || stale.wake()).join().unwrap();
        assert_eq!(next.unparks(), 0, "the next loop did not park");
        assert!(!next.resident.park(), "something came in");
    });
}

// ----- families

#[test]
fn remote_wakes_of_children_each_reach_their_child() {
    static TOGETHER: Sight = Sight::new("one turn of the parent served both children");
    static APART: Sight = Sight::new("each child had a turn of the parent");
    check(|| {
        let event_loop = Loop::new(pool());
        let parent = event_loop.resident.lease(tenant(1));
        let kin = Kin::found(parent).expect("the parent is local");
        let flags = Flags::new(2);
        let remotes = [0, 1].map(|child| {
            let slot = kin.enroll(child, 2).expect("it is valid");
            waker(&flags, child as usize, slot)
        });

        let (mut polled, mut turns) = (Vec::new(), 0);
        event_loop.run(|_| {
            turns += 1;
            kin.set_parent(parent).expect("it is valid");
            while let Some(Woken::Child(child, _)) = kin.pop() {
                assert!(flags.is(child as usize, 1), "what came before the wake is there");
                kin.dismiss(child, true);
                polled.push(child);
            }
            polled.len() == 2
        });
        remotes.into_iter().for_each(|remote| remote.join().unwrap());
        polled.sort_unstable();
        assert_eq!(polled, [0, 1]);
        TOGETHER.seen_if(turns == 1);
        APART.seen_if(turns == 2);
        event_loop.assert_unparked_once_a_sleep();
        kin.dissolve(2);
        parent.vacate();
    });
    TOGETHER.assert_seen();
    APART.assert_seen();
}

#[test]
fn a_late_wake_of_a_child_meets_the_next_family_in_its_slot() {
    static SPURIOUS: Sight = Sight::new("the next child in the slot was woken for the last");
    static TOO_EARLY: Sight = Sight::new("the wake came to nobody");
    check(|| {
        let event_loop = Loop::new(pool());
        let parent = event_loop.resident.lease(tenant(1));
        let last = Kin::found(parent).expect("the parent is local");
        let stale = last.enroll(0, 1).expect("it is valid");
        let late = thread::spawn(move || stale.wake());

        event_loop.resident.receive();
        last.dissolve(1);
        assert!(last.pop().is_none(), "it is void");
        let next = Kin::found(parent).expect("the parent is local");
        let slot = next.enroll(0, 1).expect("it is valid");
        assert!(ptr::eq(slot, stale), "a family keeps its first slots");
        let flags = Flags::new(1);
        let remote = waker(&flags, 0, slot);
        let mut polls = 0;
        event_loop.run(|_| {
            next.set_parent(parent).expect("it is valid");
            while let Some(Woken::Child(0, _)) = next.pop() {
                polls += 1;
                if flags.are_all(1) {
                    return true;
                }
            }
            false
        });
        remote.join().unwrap();
        late.join().unwrap();
        SPURIOUS.seen_if(polls == 2);
        TOO_EARLY.seen_if(polls == 1);
        next.dissolve(1);
        parent.vacate();
    });
    SPURIOUS.assert_seen();
    TOO_EARLY.assert_seen();
}

/// The parent's future is on another thread when the loop goes, and is dropped there.
#[test]
fn a_family_that_is_dissolved_from_elsewhere_meets_the_end_of_its_home() {
    static IN_TIME: Sight = Sight::new("the loop was told of it");
    static TOO_LATE: Sight = Sight::new("the loop was gone");
    check(|| {
        let pool = pool();
        let first = Loop::new(pool);
        let parent = first.resident.lease(tenant(1));
        let kin = Kin::found(parent).expect("the parent is local");
        let child = kin.enroll(0, 1).expect("it is valid");
        let late = thread::spawn(move || {
            assert!(kin.pop().is_none(), "this thread has no part in it");
            child.wake();
            kin.dissolve(1);
        });

        first.resident.receive();
        parent.vacate();
        let released = first.resident.take_released();
        IN_TIME.seen_if(released == [Release::Family(kin)]);
        TOO_LATE.seen_if(released.is_empty());
        drop(first);
        assert!(kin.pop().is_none(), "it is void");

        // The next loop in the same home founds one, which the late drop does not touch.
        let next = Loop::new(pool);
        let parent = next.resident.lease(tenant(2));
        let heir = Kin::found(parent).expect("the parent is local");
        let flags = Flags::new(1);
        let remote = waker(&flags, 0, heir.enroll(0, 1).expect("it is valid"));
        next.run(|_| {
            for release in next.resident.take_released() {
                let Release::Family(kin) = release else { panic!("{release:?}") };
                kin.dissolve(u32::MAX);
            }
            heir.set_parent(parent).expect("it is valid");
            while let Some(Woken::Child(0, _)) = heir.pop() {}
            flags.are_all(1)
        });
        remote.join().unwrap();
        late.join().unwrap();
        heir.dissolve(1);
        parent.vacate();
    });
    IN_TIME.assert_seen();
    TOO_LATE.assert_seen();
}

// ----- what handles release from other threads

/// A loop whose control task takes what was released.
fn with_control() -> (Loop, &'static Slot, LoopId) {
    let event_loop = Loop::new(pool());
    let control = event_loop.resident.lease(tenant(1));
    event_loop.resident.set_control(control);
    let id = event_loop.resident.id();
    (event_loop, control, id)
}

#[test]
fn what_two_threads_release_arrives_once_each() {
    check(|| {
        let (event_loop, control, id) = with_control();
        let home = event_loop.resident.home();
        let timer = thread::spawn(move || home.release(id, Release::Source(7)));
        let source = thread::spawn(move || home.release(id, Release::Source(8)));

        let mut released = Vec::new();
        event_loop.run(|_| {
            released.extend(event_loop.resident.take_released());
            released.len() == 2
        });
        timer.join().unwrap();
        source.join().unwrap();
        assert!(released.contains(&Release::Source(7)) && released.contains(&Release::Source(8)));
        assert!(event_loop.resident.take_released().is_empty());
        event_loop.assert_unparked_once_a_sleep();
        control.vacate();
    });
}

#[test]
fn a_release_that_meets_the_drop_of_the_loop_does_no_harm() {
    static IN_TIME: Sight = Sight::new("the release came in time");
    static TOO_LATE: Sight = Sight::new("the release came too late");
    check(|| {
        let pool = pool();
        let first = Loop::new(pool);
        let control = first.resident.lease(tenant(1));
        first.resident.set_control(control);
        let (home, id) = (first.resident.home(), first.resident.id());
        let late = thread::spawn(move || home.release(id, Release::Source(7)));

        first.resident.park();
        control.vacate();
        let released = first.resident.take_released();
        drop(first);
        IN_TIME.seen_if(released == [Release::Source(7)]);
        TOO_LATE.seen_if(released.is_empty());

        // The next loop in the same home has another id, and nothing of its was released.
        let next = Loop::new(pool);
        let control = next.resident.lease(tenant(2));
        next.resident.set_control(control);
        late.join().unwrap();
        next.turn(&mut |who| {
            assert_eq!(who, tenant(2));
            false
        });
        assert!(next.resident.take_released().is_empty());
        control.vacate();
    });
    IN_TIME.assert_seen();
    TOO_LATE.assert_seen();
}
