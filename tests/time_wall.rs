//! The real clock: never early, not much too late, and idle while it waits. The only tests that look at the wall
//! clock; they run one by one, and their limits are wide.

#![cfg(not(miri))] // its clock does not run with the wall's

mod net_common;

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use monoloop::io::*;
use monoloop::time::{self, interval, sleep, sleep_until, timeout};
use monoloop::{EventLoop, call_soon, spawn};
use net_common::*;

const MILLI: Duration = Duration::from_millis(1);

/// How late a sleep may be at its best of many, on a machine that has other things to do.
const LATE: Duration = Duration::from_millis(10);

/// Numbers below `below`, always the same ones.
fn numbers(below: u64) -> impl Iterator<Item = u64> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    })
}

#[test]
fn timers_never_fire_early() {
    let _alone = alone();
    run(async {
        // Few at a time and many at a time, for the loop waits otherwise then.
        for (tasks, longest) in
            [(1, 2_000_000), (3, 12_000_000), (40, 30_000_000), (10_000, 60_000_000)]
        {
            let tasks: Vec<_> = numbers(longest)
                .take(tasks)
                .enumerate()
                .map(|(n, nanos)| {
                    spawn(async move {
                        let delay = Duration::from_nanos(nanos);
                        for _ in 0..3 {
                            let deadline = Instant::now() + delay;
                            match n % 2 {
                                0 => sleep(delay).await,
                                _ => sleep_until(deadline).await,
                            }
                            let now = Instant::now();
                            assert!(now >= deadline, "{:?} early", deadline - now);
                            assert!(time::now() >= deadline);
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
    });
}

#[test]
fn short_sleeps_are_not_much_too_late() {
    let _alone = alone();
    run(async {
        for delay in [MILLI / 10, MILLI, 3 * MILLI, 9 * MILLI] {
            let mut best = Duration::MAX;
            for _ in 0..20 {
                let begin = Instant::now();
                sleep(delay).await;
                best = best.min(begin.elapsed() - delay);
            }
            assert!(best < LATE, "{delay:?} ends {best:?} late at best");
        }
    });
}

/// Turns of the loop until a sleep is over, when there is nothing else.
fn turns_for(event_loop: &EventLoop, delay: Duration) -> usize {
    let done = Rc::new(Cell::new(false));
    let flag = Rc::clone(&done);
    let task = event_loop.spawn(async move {
        sleep(delay).await;
        flag.set(true);
        // Something to do, so that the turn that ends the sleep does not wait.
        drop(call_soon(|| {}));
    });
    let mut turns = 0;
    while !done.get() {
        event_loop.turn(None).unwrap();
        turns += 1;
    }
    drop(task);
    while event_loop.turn(Some(Duration::ZERO)).unwrap() {}
    turns
}

#[test]
fn waiting_for_a_timer_takes_few_turns() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let nano = Duration::from_nanos(1);
    for delay in [MILLI + nano, nano, MILLI - nano, 8 * MILLI, 8 * MILLI + nano, 25 * MILLI + nano]
    {
        // The best of some: another process may make a wait end at the wrong moment.
        let best = (0..5).map(|_| turns_for(&event_loop, delay)).min();
        // Begin the wait, perhaps wait for the last bit, and fire.
        assert!(best <= Some(4), "{best:?} turns for {delay:?}");
    }
}

#[test]
fn a_wait_for_nothing_lasts_as_long_as_the_host_says() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    while event_loop.turn(Some(Duration::ZERO)).unwrap() {}
    let begin = Instant::now();
    let mut turns = 0;
    while begin.elapsed() < 20 * MILLI {
        event_loop.turn(Some(20 * MILLI)).unwrap();
        turns += 1;
    }
    assert!(turns <= 5, "{turns} turns in 20 ms");
}

#[test]
fn intervals_do_not_drift() {
    let _alone = alone();
    run(async {
        let mut interval = interval(2 * MILLI);
        let begin = interval.tick().await;
        for n in 1..=20 {
            let planned = interval.tick().await;
            assert_eq!(planned, begin + n * 2 * MILLI);
            assert!(Instant::now() >= planned);
        }
    });
}

#[test]
fn a_silent_peer_is_given_up_after_the_limit() {
    let _alone = alone();
    run(async {
        let (mut stream, _peer) = pair().await;
        let begin = Instant::now();
        timeout(20 * MILLI, stream.read(&mut [0])).await.unwrap_err();
        assert!(begin.elapsed() >= 20 * MILLI);
    });
}

/// One timer's wake-up serves those that are due, beside tasks that are always ready.
#[test]
fn timers_fire_beside_busy_tasks() {
    let _alone = alone();
    run(async {
        let busy = spawn(async {
            loop {
                monoloop::yield_now().await;
            }
        });
        let mut best = Duration::MAX;
        for _ in 0..10 {
            let begin = Instant::now();
            sleep(MILLI).await;
            best = best.min(begin.elapsed() - MILLI);
        }
        assert!(best < LATE, "{best:?} late at best");
        busy.abort();
    });
}

#[test]
fn an_endless_sleep_keeps_a_wait_from_nothing() {
    let _alone = alone();
    run(async {
        let mut endless = pin!(sleep(Duration::MAX));
        let mut far = pin!(sleep(Duration::from_secs(u64::MAX / 10)));
        let mut century = pin!(sleep(Duration::from_secs(100 * 365 * 86_400)));
        assert!(poll_once(endless.as_mut()).await.is_none());
        assert!(poll_once(far.as_mut()).await.is_none());
        assert!(poll_once(century.as_mut()).await.is_none());
        sleep(MILLI).await;
        assert!(poll_once(century.as_mut()).await.is_none());
    });
    // Alone in the wheel, they let the loop wait for something else.
    let event_loop = EventLoop::new().unwrap();
    drop(event_loop.spawn(async { sleep(Duration::from_secs(100 * 365 * 86_400)).await }));
    let handle = event_loop.handle();
    let waker = std::thread::spawn(move || handle.stop().unwrap());
    event_loop.run_forever();
    waker.join().unwrap();
}
