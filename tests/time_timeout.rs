//! `timeout`: what is ready wins, and what is cancelled leaves nothing behind.

#[path = "net_common/memory.rs"]
mod memory;
mod net_common;

use std::cell::Cell;
use std::future::{Future, pending, poll_fn, ready};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use monoloop::time::{self, advance, sleep, timeout, timeout_at};
use monoloop::{spawn, yield_now};
use net_common::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_future_that_is_done_in_time_gives_its_value() {
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let value = timeout(2 * SECOND, async {
            sleep(SECOND).await;
            "done"
        });
        assert_eq!(value.await, Ok("done"));
        assert_eq!(timeout_at(time::now() + SECOND, ready(1)).await, Ok(1));
        assert_eq!(timeout_at(time::now() - SECOND, ready(2)).await, Ok(2));
    });
    assert_eq!(event_loop.next_deadline(), None);
}

#[test]
fn a_future_that_is_not_done_in_time_is_given_up_exactly_then() {
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let begin = time::now();
        let elapsed = timeout(SECOND, pending::<()>()).await.unwrap_err();
        assert_eq!(time::now(), begin + SECOND);
        assert_eq!(elapsed.deadline(), begin + SECOND);
        assert_eq!(elapsed.to_string(), "the deadline has elapsed");
        let elapsed = timeout_at(begin + 3 * SECOND, pending::<()>()).await.unwrap_err();
        assert_eq!(elapsed.deadline(), begin + 3 * SECOND);
        assert_eq!(time::now(), begin + 3 * SECOND);
    });
    assert_eq!(event_loop.next_deadline(), None);
}

#[test]
fn ready_beats_the_deadline() {
    let _alone = alone();
    run_virtually(async {
        // At the same instant, made before or after.
        assert_eq!(timeout(SECOND, sleep(SECOND)).await, Ok(()));
        let sleep_before = sleep(SECOND);
        assert_eq!(timeout(SECOND, sleep_before).await, Ok(()));
        let deadline = time::now() + SECOND;
        let inner = async {
            time::sleep_until(deadline).await;
            7
        };
        assert_eq!(timeout_at(deadline, inner).await, Ok(7));
        // The deadline is long past when the task is polled again, but the value is there.
        let flag = Rc::new(Cell::new(false));
        let seen = Rc::clone(&flag);
        let waiting = spawn(timeout(
            SECOND,
            poll_fn(move |_| match seen.get() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }),
        ));
        yield_now().await;
        flag.set(true);
        advance(5 * SECOND).await;
        assert_eq!(waiting.await.unwrap(), Ok(()));
    });
}

/// Counts the polls of a future that is never done.
async fn polls_within(limit: Duration) -> usize {
    let polls = Rc::new(Cell::new(0));
    timeout(limit, counted(Rc::clone(&polls), pending::<()>())).await.unwrap_err();
    polls.get()
}

#[test]
fn a_limit_of_zero_polls_once() {
    let _alone = alone();
    run_virtually(async {
        assert_eq!(polls_within(Duration::ZERO).await, 1);
        let polls = Rc::new(Cell::new(0));
        let future = counted(Rc::clone(&polls), pending::<()>());
        timeout_at(time::now() - SECOND, future).await.unwrap_err();
        assert_eq!(polls.get(), 1);
        assert_eq!(timeout(Duration::ZERO, ready(1)).await, Ok(1));
        // It is over within its first poll.
        assert!(poll_once(timeout(Duration::ZERO, pending::<()>())).await.unwrap().is_err());
    });
}

#[test]
fn a_limit_of_zero_polls_once_by_the_real_clock_too() {
    let _alone = alone();
    run(async {
        for _ in 0..100 {
            assert_eq!(polls_within(Duration::ZERO).await, 1);
            yield_now().await;
        }
    });
}

#[test]
fn the_future_is_polled_only_when_it_or_the_deadline_wakes() {
    let _alone = alone();
    run_virtually(async { assert_eq!(polls_within(SECOND).await, 2) });
}

#[test]
fn endless_limits_do_not_panic_and_do_not_end() {
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        for limit in [Duration::MAX, Duration::from_secs(u64::MAX / 10)] {
            assert_eq!(timeout(limit, ready(())).await, Ok(()));
            let mut endless = pin!(timeout(limit, pending::<()>()));
            assert!(poll_once(endless.as_mut()).await.is_none());
            advance(Duration::from_secs(1 << 33)).await;
            assert!(poll_once(endless.as_mut()).await.is_none());
        }
    });
    assert_eq!(event_loop.next_deadline(), None);
}

#[test]
fn the_future_is_dropped_with_the_timeout() {
    struct Guard(Rc<Cell<bool>>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let dropped = Rc::new(Cell::new(false));
        let guard = Guard(Rc::clone(&dropped));
        let result = timeout(SECOND, async move {
            let _guard = guard;
            pending::<()>().await;
        });
        assert!(result.await.is_err());
        assert!(dropped.get());
        // Dropped before its time, it leaves no deadline.
        let mut waiting = Box::pin(timeout(SECOND, pending::<()>()));
        assert!(poll_once(waiting.as_mut()).await.is_none());
        assert!(event_loop.next_deadline().is_some());
        drop(waiting);
        assert_eq!(event_loop.next_deadline(), None);
    });
}

#[test]
fn elapsed_becomes_an_io_error_of_kind_timed_out() {
    let _alone = alone();
    run_virtually(async {
        async fn read() -> io::Result<()> {
            timeout(SECOND, pending::<()>()).await?;
            Ok(())
        }
        let error = read().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "the deadline has elapsed");
        let source = error.get_ref().expect("the elapsed one");
        assert!(source.is::<time::Elapsed>());
    });
}

#[test]
fn the_future_and_the_deadline_are_within_reach() {
    let _alone = alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let deadline = time::now() + SECOND;
        let mut bounded = timeout(SECOND, ready(5));
        assert_eq!(bounded.deadline(), deadline);
        *bounded.get_mut() = ready(6);
        let _: &std::future::Ready<i32> = bounded.get_ref();
        assert_eq!(bounded.into_inner().await, 6);
        let mut waiting = timeout(SECOND, pending::<()>());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut waiting).poll(&mut cx).is_pending());
        let _future = waiting.into_inner();
        assert_eq!(event_loop.next_deadline(), None);
    });
}

#[test]
fn timeouts_nest_and_the_shorter_wins() {
    let _alone = alone();
    run_virtually(async {
        let begin = time::now();
        let inner = timeout(2 * SECOND, timeout(SECOND, pending::<()>())).await;
        assert!(inner.unwrap().is_err());
        assert_eq!(time::now(), begin + SECOND);
        timeout(SECOND, timeout(2 * SECOND, pending::<()>())).await.unwrap_err();
        assert_eq!(time::now(), begin + 2 * SECOND);
        // Equal: the inner one is polled first.
        assert!(timeout(SECOND, timeout(SECOND, pending::<()>())).await.unwrap().is_err());
    });
}

#[test]
fn the_time_begins_with_the_first_poll() {
    let _alone = alone();
    run_virtually(async {
        let bounded = timeout(SECOND, pending::<()>());
        advance(5 * SECOND).await;
        let begin = time::now();
        assert_eq!(bounded.deadline(), begin + SECOND);
        assert_eq!(bounded.await.unwrap_err().deadline(), begin + SECOND);
        assert_eq!(time::now(), begin + SECOND);
    });
}

/// By the real clock, which moves within a poll.
#[test]
fn a_deadline_that_was_asked_for_stays() {
    let _alone = alone();
    let later = |then: Instant| while Instant::now() <= then {};
    let minute = 60 * SECOND;
    monoloop::run(async {
        let inner = async {
            let outer = time::deadline().expect("the outer one");
            later(Instant::now());
            assert_eq!(time::deadline(), Some(outer));
            // Longer ones change nothing, shorter ones count from their own beginning.
            timeout(2 * minute, async { assert_eq!(time::deadline(), Some(outer)) }).await.unwrap();
            for _ in 0..2 {
                let begin = Instant::now();
                timeout(SECOND, async {
                    let inner = time::deadline().expect("the inner one");
                    assert!(begin + SECOND <= inner && inner < outer, "{inner:?} {outer:?}");
                    yield_now().await;
                    assert_eq!(time::deadline(), Some(inner));
                })
                .await
                .unwrap();
                assert_eq!(time::deadline(), Some(outer));
            }
            outer
        };
        let mut bounded = pin!(timeout(minute, inner));
        assert!(poll_once(bounded.as_mut()).await.is_none());
        assert_eq!(time::deadline(), None);
        let deadline = bounded.deadline();
        assert_eq!(bounded.await.unwrap(), deadline);
    });
}

/// The clock is read once for all whose time has not begun.
#[test]
fn timeouts_begin_together() {
    let _alone = alone();
    monoloop::run(async {
        let mut inner = pin!(timeout(SECOND, pending::<()>()));
        let mut outer = pin!(timeout(2 * SECOND, inner.as_mut()));
        assert!(poll_once(outer.as_mut()).await.is_none());
        let outer = outer.deadline();
        assert_eq!(outer, inner.deadline() + SECOND);
    });
}

/// Set, waited for and cancelled, a million times: nothing is left, and nothing piles up meanwhile.
#[test]
fn a_million_cancelled_timeouts_leave_nothing() {
    let _alone = alone();
    let (many, at_once) = if cfg!(miri) { (1000, 500) } else { (1_000_000, 200_000_u32) };
    let event_loop = virtual_loop();
    event_loop.run(async {
        let mut cx = Context::from_waker(Waker::noop());
        let mut cancel = |count: u32| {
            for n in 0..count {
                let limit = Duration::from_micros(u64::from(n % 1000 + 1).pow(3));
                let mut bounded = timeout(limit, pending::<()>());
                assert!(Pin::new(&mut bounded).poll(&mut cx).is_pending());
            }
        };
        cancel(100);
        let before = memory::in_use();
        cancel(many);
        let after = memory::in_use();
        // Half of them, if each takes some 40 bytes and there are only a thousand.
        assert!(after < before + 20_000, "{before} bytes became {after}");
        assert_eq!(event_loop.next_deadline(), None);
        // The same with many alive at once, and then gone.
        let mut alive: Vec<_> =
            (0..at_once).map(|n| timeout(SECOND * (n % 77 + 1), pending::<()>())).collect();
        for bounded in &mut alive {
            assert!(Pin::new(bounded).poll(&mut cx).is_pending());
        }
        drop(alive);
        assert_eq!(event_loop.next_deadline(), None);
        let after = memory::in_use();
        assert!(after < before + 200_000, "{before} bytes became {after}");
    });
}
