//! `sleep` and `sleep_until`: order, exactness, dropping, resetting, and sleeps that are used where they do not
//! belong. By the virtual clock, except where the real one is the subject.

#![allow(clippy::async_yields_async)] // sleeps are made on one loop and used elsewhere

mod net_common;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use monoloop::time::{self, Sleep, advance, sleep, sleep_until};
use monoloop::{EventLoop, spawn, yield_now};
use net_common::*;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn is_pending(sleep: &mut Sleep, waker: &Waker) -> bool {
    Pin::new(sleep).poll(&mut Context::from_waker(waker)).is_pending()
}

/// The text of the panic of `f`.
fn panic_of(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().expect("a text").to_string(),
    }
}

#[test]
fn sleep_and_its_relatives_are_send() {
    fn check<T: Send + Sync + Unpin>() {}
    check::<Sleep>();
    check::<time::Interval>();
    check::<time::Timeout<std::future::Ready<()>>>();
    check::<time::Elapsed>();
}

#[test]
fn a_sleep_takes_exactly_as_long_as_asked() {
    let _alone = alone();
    run_virtually(async {
        let nano = Duration::from_nanos(1);
        for wanted in [nano, Duration::from_micros(65), SECOND, 1000 * HOUR, 24 * 365 * 500 * HOUR]
        {
            let begin = time::now();
            sleep(wanted).await;
            assert_eq!(time::now() - begin, wanted);
        }
    });
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    let _alone = alone();
    run_virtually(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        // Every distance from nanoseconds to days, in no order.
        let mut delays: Vec<u64> = (0..500).map(|n: u64| (n * 7919 % 500 + 1).pow(5)).collect();
        let begin = time::now();
        let tasks: Vec<_> = delays
            .iter()
            .map(|&delay| {
                let order = Rc::clone(&order);
                spawn(async move {
                    let delay = Duration::from_nanos(delay);
                    sleep(delay).await;
                    assert_eq!(time::now(), begin + delay);
                    order.borrow_mut().push(delay.as_nanos() as u64);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        delays.sort_unstable();
        assert_eq!(*order.borrow(), delays);
    });
}

/// However they were made, polled and reset.
#[test]
fn equal_deadlines_end_in_the_order_of_creation() {
    let _alone = alone();
    run_virtually(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let deadline = time::now() + SECOND;
        let mut sleeps: Vec<_> = (0..100)
            .map(|n| match n % 3 {
                0 => sleep(SECOND),
                1 => sleep_until(deadline),
                _ => sleep(HOUR),
            })
            .collect();
        for sleep in sleeps.iter_mut().skip(2).step_by(3) {
            Pin::new(sleep).reset(deadline);
        }
        // First polled in the reverse order.
        let tasks: Vec<_> = sleeps
            .into_iter()
            .enumerate()
            .rev()
            .map(|(n, sleep)| {
                let order = Rc::clone(&order);
                spawn(async move {
                    sleep.await;
                    order.borrow_mut().push(n);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let created = (0..100).filter(|n| n % 3 != 2);
        let reset = (0..100).filter(|n| n % 3 == 2);
        assert_eq!(*order.borrow(), created.chain(reset).collect::<Vec<_>>());
    });
}

/// How often the task polled, and how often another, ready all along, ran meanwhile.
async fn cost(sleep: impl FnOnce() -> Sleep) -> (usize, usize) {
    let (others, polls) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let count = Rc::clone(&others);
    let other = spawn(async move {
        loop {
            count.set(count.get() + 1);
            yield_now().await;
        }
    });
    yield_now().await;
    let before = others.get();
    counted(Rc::clone(&polls), sleep()).await;
    other.abort();
    (polls.get(), others.get() - before)
}

#[test]
fn a_sleep_of_zero_or_in_the_past_gives_way_exactly_once() {
    let _alone = alone();
    run_virtually(async {
        sleep(SECOND).await;
        assert_eq!(cost(|| sleep(Duration::ZERO)).await, (2, 1));
        assert_eq!(cost(|| sleep_until(time::now())).await, (2, 1));
        assert_eq!(cost(|| sleep_until(time::now() - SECOND)).await, (2, 1));
    });
}

#[test]
fn a_sleep_of_zero_gives_way_exactly_once_by_the_real_clock_too() {
    let _alone = alone();
    run(async {
        for _ in 0..100 {
            assert_eq!(cost(|| sleep(Duration::ZERO)).await, (2, 1));
        }
    });
}

#[test]
fn endless_and_far_sleeps_never_end_and_do_not_panic() {
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let far =
            [Duration::MAX, Duration::from_secs(u64::MAX / 10), Duration::from_secs(u64::MAX)];
        let mut sleeps: Vec<_> = far.map(sleep).into();
        sleeps.push(sleep_until(sleeps[0].deadline()));
        for sleep in &mut sleeps {
            assert!(is_pending(sleep, Waker::noop()));
            assert!(sleep.deadline() > time::now() + 24 * 365 * 500 * HOUR);
        }
        advance(24 * 365 * 100 * HOUR).await;
        for sleep in &mut sleeps {
            assert!(is_pending(sleep, Waker::noop()));
            assert!(!sleep.is_elapsed());
            Pin::new(&mut *sleep).reset(time::now() + SECOND);
        }
        for sleep in sleeps {
            sleep.await;
        }
    });
    assert_eq!(event_loop.next_deadline(), None);
}

/// What never fires keeps the loop from nothing: it is not a deadline.
#[test]
fn a_sleep_for_ever_is_no_deadline_of_the_loop() {
    let _alone = alone();
    let event_loop = virtual_loop();
    let _sleeper = event_loop.spawn(async { sleep(Duration::MAX).await });
    event_loop.run(yield_now());
    assert_eq!(event_loop.next_deadline(), None);
}

#[test]
fn the_loops_next_deadline_is_that_of_the_earliest_sleep() {
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let deadline = time::now() + SECOND;
        let mut sleeps = [sleep(HOUR), sleep(SECOND), sleep(2 * SECOND)];
        assert_eq!(event_loop.next_deadline(), None, "not polled yet");
        for sleep in &mut sleeps {
            assert!(is_pending(sleep, Waker::noop()));
        }
        assert_eq!(event_loop.next_deadline(), Some(deadline));
        let [hour, second, two] = sleeps;
        drop(second);
        assert_eq!(event_loop.next_deadline(), Some(deadline + SECOND));
        drop(two);
        assert_eq!(event_loop.next_deadline(), Some(hour.deadline()));
        drop(hour);
        assert_eq!(event_loop.next_deadline(), None);
    });
}

#[test]
fn dropped_sleep_leaves_the_wheel() {
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let (wakes, waker) = Wakes::new();
        let mut kept = sleep(SECOND);
        assert!(is_pending(&mut kept, &waker));
        assert_eq!(Arc::strong_count(&wakes), 3);
        drop(kept);
        assert_eq!(Arc::strong_count(&wakes), 2, "its waker is let go");
        assert_eq!(event_loop.next_deadline(), None);
        let task = spawn(async { sleep(SECOND).await });
        yield_now().await;
        assert!(event_loop.next_deadline().is_some());
        task.abort();
        assert_eq!(event_loop.next_deadline(), None);
        advance(HOUR).await;
        assert_eq!(wakes.count(), 0);
    });
}

#[test]
fn a_sleep_that_fired_is_over_and_stays_so_until_it_is_reset() {
    let _alone = alone();
    run_virtually(async {
        let mut sleep = sleep(SECOND);
        assert!(!sleep.is_elapsed());
        (&mut sleep).await;
        assert!(sleep.is_elapsed());
        let now = time::now();
        (&mut sleep).await;
        assert_eq!(time::now(), now);
        Pin::new(&mut sleep).reset(now + SECOND);
        assert!(!sleep.is_elapsed());
        assert_eq!(sleep.deadline(), now + SECOND);
        (&mut sleep).await;
        assert_eq!(time::now(), now + SECOND);
    });
}

#[test]
fn a_reset_moves_a_waiting_sleep_both_ways() {
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let begin = time::now();
        let (wakes, waker) = Wakes::new();
        let mut sleep = sleep(10 * SECOND);
        assert!(is_pending(&mut sleep, &waker));
        Pin::new(&mut sleep).reset(begin + 20 * SECOND);
        assert_eq!(event_loop.next_deadline(), Some(begin + 20 * SECOND));
        advance(15 * SECOND).await;
        assert_eq!(wakes.count(), 0);
        Pin::new(&mut sleep).reset(begin + 16 * SECOND);
        // It is not polled again: whoever waited is woken at the new deadline.
        advance(SECOND).await;
        assert_eq!(wakes.count(), 1);
        assert!(!is_pending(&mut sleep, &waker));
        // Into the past.
        Pin::new(&mut sleep).reset(begin);
        assert!(is_pending(&mut sleep, &waker), "everything ready goes first");
        assert!(!is_pending(&mut sleep, &waker));
        assert_eq!(event_loop.next_deadline(), None);
    });
}

/// It has fired, its task is woken and not polled yet: the new deadline counts.
#[test]
fn a_reset_after_firing_and_before_the_poll_counts() {
    let _alone = alone();
    run_virtually(async {
        let begin = time::now();
        let mut sleep = sleep(SECOND);
        let (wakes, waker) = Wakes::new();
        assert!(is_pending(&mut sleep, &waker));
        advance(SECOND).await;
        assert_eq!(wakes.count(), 1);
        Pin::new(&mut sleep).reset(begin + 3 * SECOND);
        sleep.await;
        assert_eq!(time::now(), begin + 3 * SECOND);
    });
}

#[test]
fn the_waker_of_the_last_poll_is_the_one_that_is_woken() {
    let _alone = alone();
    run_virtually(async {
        let ((old_wakes, old), (new_wakes, new)) = (Wakes::new(), Wakes::new());
        let mut sleep = sleep(SECOND);
        assert!(is_pending(&mut sleep, &old));
        assert!(is_pending(&mut sleep, &new));
        drop(old);
        assert_eq!(Arc::strong_count(&old_wakes), 1);
        advance(SECOND).await;
        assert_eq!((old_wakes.count(), new_wakes.count()), (0, 1));
    });
}

/// A waker that is woken drops another sleep that is due at the same time.
#[test]
fn wakers_that_drop_other_due_sleeps_do_no_harm() {
    struct Dropper(std::sync::Mutex<Vec<Sleep>>);
    impl std::task::Wake for Dropper {
        fn wake(self: Arc<Self>) {
            let taken = lock(&self.0).pop();
            drop(taken);
        }
    }
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let dropper = Arc::new(Dropper(std::sync::Mutex::default()));
        let waker = Waker::from(Arc::clone(&dropper));
        for n in 0..20 {
            let mut sleep = sleep(SECOND * (1 + n % 2));
            assert!(is_pending(&mut sleep, &waker));
            lock(&dropper.0).push(sleep);
        }
        advance(HOUR).await;
        assert_eq!(event_loop.next_deadline(), None);
        lock(&dropper.0).clear();
    });
}

#[test]
fn a_million_sleeps_live_and_end_in_order() {
    const SLEEPS: u64 = if cfg!(miri) { 100 } else { 1_000_000 };

    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let (wakes, waker) = Wakes::new();
        let begin = time::now();
        let day = 24 * HOUR;
        let delay = |n: u64| Duration::from_nanos(n * 7_919 % SLEEPS * 86_400_000 + 1);
        let mut sleeps: Vec<_> = (0..SLEEPS).map(|n| sleep(delay(n))).collect();
        for sleep in &mut sleeps {
            assert!(is_pending(sleep, &waker));
        }
        let first = event_loop.next_deadline();
        assert_eq!(first, Some(begin + Duration::from_nanos(1)));
        // One more beside a million, set and removed.
        for _ in 0..1000 {
            let mut extra = sleep(HOUR);
            assert!(is_pending(&mut extra, Waker::noop()));
        }
        // Half of them go before their time.
        for n in (0..sleeps.len()).rev().step_by(2) {
            drop(sleeps.swap_remove(n));
        }
        let left = sleeps.len();
        let early = sleeps.iter().filter(|sleep| sleep.deadline() <= begin + day / 2).count();
        advance(day / 2).await;
        assert_eq!(wakes.count(), early);
        advance(day).await;
        assert_eq!(wakes.count(), left);
        assert!(sleeps.iter_mut().all(|sleep| !is_pending(sleep, &waker)));
    });
    assert_eq!(event_loop.next_deadline(), None);
}

// Where they do not belong.

#[test]
fn sleeping_without_a_loop_panics_and_says_where() {
    let _alone = alone();
    for (text, line) in [
        (panic_of(|| drop(sleep(SECOND))), line!()),
        (panic_of(|| drop(sleep_until(Instant::now()))), line!()),
        (panic_of(|| drop(time::timeout(SECOND, async {}))), line!()),
        (panic_of(|| drop(time::interval(SECOND))), line!()),
    ] {
        for word in [&*format!("{}:{line}:", file!()), "no event loop", "monoloop::run", "`time::"]
        {
            assert!(text.contains(word), "{word} is not in {text}");
        }
    }
}

fn sleep_of(event_loop: &EventLoop) -> (Sleep, Arc<Wakes>) {
    let (wakes, waker) = Wakes::new();
    let mut sleep = event_loop.run(async { sleep(SECOND) });
    event_loop.run(async { assert!(is_pending(&mut sleep, &waker)) });
    (sleep, wakes)
}

#[test]
fn polling_a_sleep_elsewhere_panics_and_says_why() {
    let _alone = alone();
    let (one, two) = (virtual_loop(), virtual_loop());
    let unpolled = one.run(async { sleep(SECOND) });
    let mut both = [sleep_of(&one).0, unpolled];
    for sleep in &mut both {
        let other = panic_of(|| two.run(async { assert!(is_pending(sleep, Waker::noop())) }));
        assert!(other.contains("`Sleep` of event loop #"), "{other}");
        assert!(other.contains("was used on event loop #"), "{other}");
        let none = panic_of(|| assert!(is_pending(sleep, Waker::noop())));
        assert!(none.contains("no event loop running on this thread"), "{none}");
        thread::scope(|scope| {
            scope.spawn(|| panic_of(|| assert!(is_pending(sleep, Waker::noop())))).join().unwrap()
        });
        let reset = panic_of(|| Pin::new(&mut *sleep).reset(Instant::now()));
        assert!(reset.contains("`Sleep::reset`"), "{reset}");
    }
    // None of that did it any harm.
    one.run(async {
        let begin = time::now();
        for sleep in both {
            sleep.await;
        }
        assert_eq!(time::now(), begin + SECOND);
    });
}

#[test]
fn a_sleep_dropped_elsewhere_leaves_the_wheel_when_its_loop_turns() {
    let _alone = alone();
    let (one, two) = (virtual_loop(), virtual_loop());
    for way in 0..3 {
        let (sleep, wakes) = sleep_of(&one);
        assert!(one.next_deadline().is_some());
        match way {
            0 => drop(sleep),
            1 => thread::spawn(|| drop(sleep)).join().unwrap(),
            _ => two.run(async { drop(sleep) }),
        }
        one.run(yield_now());
        assert_eq!(one.next_deadline(), None, "{way}");
        assert_eq!((Arc::strong_count(&wakes), wakes.count()), (1, 0));
    }
    // Its loop is gone.
    let (sleep, wakes) = sleep_of(&one);
    let (other, other_wakes) = sleep_of(&one);
    drop(one);
    drop(sleep);
    thread::spawn(|| drop(other)).join().unwrap();
    assert_eq!([Arc::strong_count(&wakes), Arc::strong_count(&other_wakes)], [1, 1]);
}

/// The key of a dropped sleep is used again before the word of the drop arrives.
#[test]
fn a_late_drop_does_not_take_a_successor_along() {
    let _alone = alone();
    let event_loop = virtual_loop();
    for _ in 0..10 {
        let (old, _) = sleep_of(&event_loop);
        event_loop.run(async {
            advance(SECOND).await;
        });
        // It fired; the one that takes its place must outlive the old one's drop.
        let (new, wakes) = sleep_of(&event_loop);
        thread::spawn(|| drop(old)).join().unwrap();
        event_loop.run(yield_now());
        assert_eq!(event_loop.next_deadline(), Some(new.deadline()));
        event_loop.run(async { advance(SECOND).await });
        assert_eq!(wakes.count(), 1);
        event_loop.run(async { drop(new) });
    }
}

#[test]
fn sleeps_survive_from_one_run_to_the_next() {
    let _alone = alone();
    let event_loop = virtual_loop();
    let (done, begin) = event_loop.run(async {
        let begin = time::now();
        let task = spawn(async {
            sleep(SECOND).await;
            time::now()
        });
        assert!(poll_once(sleep(HOUR)).await.is_none());
        (task, begin)
    });
    assert_eq!(event_loop.next_deadline(), None, "its task was not polled yet");
    let end = event_loop.run(done).unwrap();
    assert_eq!(end, begin + SECOND);
}
