//! `interval`: regular ticks, and what becomes of those that come too late.

mod net_common;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_core::Stream;
use futures_lite::future::poll_once;
use monoloop::time::{self, Interval, MissedTickBehavior, advance, interval, interval_at, sleep};
use net_common::*;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// The planned time and the real one of the next `count` ticks, in milliseconds since `begin`.
async fn ticks(interval: &mut Interval, begin: Instant, count: usize) -> Vec<(u128, u128)> {
    let mut all = Vec::new();
    for _ in 0..count {
        let planned = interval.tick().await;
        all.push(((planned - begin).as_millis(), (time::now() - begin).as_millis()));
    }
    all
}

#[test]
fn the_first_tick_is_at_once_and_the_others_are_regular() {
    let _alone = alone();
    run_virtually(async {
        let begin = time::now();
        let mut interval = interval(10 * MILLI);
        assert_eq!(interval.period(), 10 * MILLI);
        let expected = [(0, 0), (10, 10), (20, 20), (30, 30)];
        assert_eq!(ticks(&mut interval, begin, 4).await, expected);
        // Work between ticks does not shift them.
        sleep(7 * MILLI).await;
        assert_eq!(ticks(&mut interval, begin, 2).await, [(40, 40), (50, 50)]);
    });
}

#[test]
fn an_interval_may_begin_later_or_in_the_past() {
    let _alone = alone();
    run_virtually(async {
        sleep(SECOND).await;
        let begin = time::now();
        let mut later = interval_at(begin + 5 * MILLI, 10 * MILLI);
        assert_eq!(ticks(&mut later, begin, 3).await, [(5, 5), (15, 15), (25, 25)]);
        let begin = begin + 25 * MILLI - 30 * MILLI;
        let mut past = interval_at(begin, 20 * MILLI);
        assert_eq!(ticks(&mut past, begin, 4).await, [(0, 30), (20, 30), (40, 40), (60, 60)]);
    });
}

/// Five periods late, and a half.
async fn late(behavior: MissedTickBehavior) -> Vec<(u128, u128)> {
    let begin = time::now();
    let mut interval = interval(10 * MILLI);
    interval.set_missed_tick_behavior(behavior);
    assert_eq!(interval.missed_tick_behavior(), behavior);
    interval.tick().await;
    sleep(55 * MILLI).await;
    ticks(&mut interval, begin, 8).await
}

#[test]
fn missed_ticks_come_in_a_burst_by_default() {
    let _alone = alone();
    run_virtually(async {
        assert_eq!(MissedTickBehavior::default(), MissedTickBehavior::Burst);
        assert_eq!(interval(SECOND).missed_tick_behavior(), MissedTickBehavior::Burst);
        let expected =
            [(10, 55), (20, 55), (30, 55), (40, 55), (50, 55), (60, 60), (70, 70), (80, 80)];
        assert_eq!(late(MissedTickBehavior::Burst).await, expected);
    });
}

#[test]
fn missed_ticks_delay_the_others_if_asked() {
    let _alone = alone();
    run_virtually(async {
        let expected =
            [(10, 55), (65, 65), (75, 75), (85, 85), (95, 95), (105, 105), (115, 115), (125, 125)];
        assert_eq!(late(MissedTickBehavior::Delay).await, expected);
    });
}

#[test]
fn missed_ticks_are_skipped_if_asked() {
    let _alone = alone();
    run_virtually(async {
        let expected =
            [(10, 55), (60, 60), (70, 70), (80, 80), (90, 90), (100, 100), (110, 110), (120, 120)];
        assert_eq!(late(MissedTickBehavior::Skip).await, expected);
    });
}

/// Late by less than a period is no tick missed, whatever the behaviour.
#[test]
fn a_tick_that_is_a_little_late_shifts_nothing() {
    let _alone = alone();
    for behavior in [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip]
    {
        run_virtually(async {
            let begin = time::now();
            let mut interval = interval(10 * MILLI);
            interval.set_missed_tick_behavior(behavior);
            interval.tick().await;
            sleep(14 * MILLI).await;
            let expected = [(10, 14), (20, 20), (30, 30)];
            assert_eq!(ticks(&mut interval, begin, 3).await, expected, "{behavior:?}");
        });
    }
}

/// A thousand ticks missed: no storm unless asked for, and the storm gives way to others.
#[test]
fn catching_up_is_bounded_and_gives_way() {
    let _alone = alone();
    run_virtually(async {
        for (behavior, expected) in [
            (MissedTickBehavior::Burst, 1000),
            (MissedTickBehavior::Delay, 1),
            (MissedTickBehavior::Skip, 1),
        ] {
            let mut interval = interval(MILLI);
            interval.set_missed_tick_behavior(behavior);
            interval.tick().await;
            sleep(SECOND).await;
            let now = time::now();
            let others = std::rc::Rc::new(std::cell::Cell::new(0));
            let count = std::rc::Rc::clone(&others);
            let other = monoloop::spawn(async move {
                loop {
                    count.set(count.get() + 1);
                    monoloop::yield_now().await;
                }
            });
            let mut ticks = 0;
            while time::now() == now && ticks < 2000 {
                let mut tick = std::pin::pin!(interval.tick());
                match poll_once(tick.as_mut()).await {
                    Some(_) => ticks += 1,
                    // Pending by budget, or until the next tick.
                    None if ticks >= expected => break,
                    None => {
                        tick.await;
                        ticks += 1;
                    }
                }
            }
            other.abort();
            assert_eq!(ticks, expected, "{behavior:?}");
            assert!(ticks < 1000 || others.get() >= 5, "{} others ran", others.get());
        }
    });
}

#[test]
fn a_reset_begins_the_period_anew() {
    let _alone = alone();
    run_virtually(async {
        let begin = time::now();
        let mut interval = interval(10 * MILLI);
        interval.tick().await;
        sleep(7 * MILLI).await;
        interval.reset();
        assert_eq!(ticks(&mut interval, begin, 2).await, [(17, 17), (27, 27)]);
    });
}

#[test]
fn a_dropped_tick_is_not_lost() {
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let begin = time::now();
        let mut interval = interval(10 * MILLI);
        interval.tick().await;
        for _ in 0..3 {
            assert!(poll_once(interval.tick()).await.is_none());
        }
        advance(12 * MILLI).await;
        assert_eq!(ticks(&mut interval, begin, 2).await, [(10, 12), (20, 20)]);
        assert!(poll_once(interval.tick()).await.is_none());
        assert_eq!(event_loop.next_deadline(), Some(begin + 30 * MILLI));
        drop(interval);
        assert_eq!(event_loop.next_deadline(), None);
    });
}

#[test]
fn endless_periods_tick_once_and_never_again() {
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        for period in [Duration::MAX, Duration::from_secs(u64::MAX / 10)] {
            for behavior in
                [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip]
            {
                let begin = time::now();
                let mut interval = interval(period);
                interval.set_missed_tick_behavior(behavior);
                assert_eq!(interval.tick().await, begin);
                assert!(poll_once(interval.tick()).await.is_none());
                advance(Duration::from_secs(1 << 30)).await;
                assert!(poll_once(interval.tick()).await.is_none());
                interval.reset();
                assert!(poll_once(interval.tick()).await.is_none());
            }
        }
    });
    assert_eq!(event_loop.next_deadline(), None);
}

#[test]
fn a_period_of_zero_panics_where_it_was_asked_for() {
    let _alone = alone();
    run_virtually(async {
        let payload = catch_unwind(AssertUnwindSafe(|| interval(Duration::ZERO))).unwrap_err();
        let text = payload.downcast_ref::<&str>().expect("a text");
        assert_eq!(*text, "the period of an interval must not be zero");
        // The shortest there is works.
        let mut shortest = interval(Duration::from_nanos(1));
        let begin = shortest.tick().await;
        assert_eq!(shortest.tick().await - begin, Duration::from_nanos(1));
    });
}

#[test]
fn an_interval_is_a_stream_of_its_ticks() {
    let _alone = alone();
    run_virtually(async {
        let begin = time::now();
        let mut interval = interval(SECOND);
        for n in 0..3 {
            let next = poll_fn(|cx| Pin::new(&mut interval).poll_next(cx)).await;
            assert_eq!(next, Some(begin + n * SECOND));
        }
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(interval.poll_tick(&mut cx), Poll::Pending);
    });
}
