//! `as_completed`, `wait`, `race`, `first_ok`, `staggered_race`.

mod common;

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{Counter, Doorbell, Log, alone, panic_of, poll_once, virtual_loop};
use monoloop::future::{Until, as_completed, first_ok, race, staggered_race, wait};
use monoloop::time::{now, sleep, timeout};
use monoloop::{run, spawn, yield_now};

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

async fn after<T>(time: u64, output: T) -> T {
    sleep(ms(time)).await;
    output
}

#[test]
fn outputs_come_as_they_complete_with_their_index() {
    virtual_loop().run(async {
        let mut set = as_completed([after(30, 'a'), after(10, 'b'), after(20, 'c')]);
        assert_eq!(set.next().await, Some((1, 'b')));
        assert_eq!(set.pending().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(set.next().await, Some((2, 'c')));
        assert_eq!(set.next().await, Some((0, 'a')));
        assert_eq!((set.next().await, set.next().await), (None, None));
        assert!(set.is_empty());
    });
}

#[test]
fn a_set_is_a_stream() {
    let collected = run(async {
        use futures_lite::StreamExt;
        as_completed((0..5).map(ready)).collect::<Vec<_>>().await
    });
    assert_eq!(collected, [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
}

/// A wake between two calls of `next` is not lost, though it was meant for a poll that is over.
#[test]
fn what_completes_between_two_calls_is_not_lost() {
    let bells: [Doorbell; 3] = Default::default();
    let mut set = as_completed(bells.each_ref().map(Doorbell::wait));
    let (counter, waker) = Counter::new();
    assert!(poll_once(&mut set.next(), &waker).is_pending());
    bells[1].open();
    assert_eq!(counter.get(), 1);
    assert_eq!(poll_once(&mut set.next(), &waker), Poll::Ready(Some((1, ()))));
    bells[0].open();
    bells[2].open();
    assert_eq!(poll_once(&mut set.next(), &waker), Poll::Ready(Some((0, ()))));
    assert_eq!(poll_once(&mut set.next(), &waker), Poll::Ready(Some((2, ()))));
    assert_eq!(poll_once(&mut set.next(), &waker), Poll::Ready(None));
}

/// A consumer that never waits for anything else lets others run all the same.
#[test]
fn taking_many_that_are_ready_gives_way() {
    run(async {
        let mut set = as_completed((0..1000).map(ready));
        let mut taken = 0;
        while let Poll::Ready(Some(_)) = poll_once(&mut set.next(), Waker::noop()) {
            taken += 1;
        }
        assert_eq!(taken, 128);
    });
}

#[test]
fn a_wake_polls_only_its_future() {
    let _alone = alone();
    let bells: Vec<Doorbell> = (0..1000).map(|_| Doorbell::default()).collect();
    run(async {
        let mut set = as_completed(bells.iter().map(Doorbell::wait));
        let done = wait(&mut set, Until::First).timeout(Duration::ZERO).await;
        assert!(done.is_empty());
        while bells[999].polls() == 0 {
            wait(&mut set, Until::First).timeout(Duration::ZERO).await;
        }
        for index in (0..1000).rev() {
            bells[index].open();
            assert_eq!(set.next().await, Some((index, ())));
        }
    });
    assert!(bells.iter().all(|bell| bell.polls() == 2));
}

#[test]
fn wait_gives_all_that_is_done_and_keeps_the_rest() {
    virtual_loop().run(async {
        let mut set =
            as_completed([after(10, 'a'), after(10, 'b'), after(20, 'c'), after(30, 'd')]);
        assert_eq!(wait(&mut set, Until::First).await, [(0, 'a'), (1, 'b')]);
        assert_eq!(set.pending().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(wait(&mut set, Until::All).await, [(2, 'c'), (3, 'd')]);
        // asyncio raises.
        assert_eq!(wait(&mut set, Until::All).await, []);
        assert_eq!(wait(&mut set, Until::First).await, []);
    });
}

#[test]
fn wait_until_the_first_error() {
    virtual_loop().run(async {
        let mut set = as_completed([
            after(10, Ok(1)),
            after(20, Err("no")),
            after(30, Ok(3)),
            after(40, Ok(4)),
        ]);
        assert_eq!(wait(&mut set, Until::FirstError).await, [(0, Ok(1)), (1, Err("no"))]);
        assert_eq!(wait(&mut set, Until::FirstError).await, [(2, Ok(3)), (3, Ok(4))]);
    });
}

/// In asyncio a cancelled task is no exception to `wait`, and so it goes on.
#[test]
fn an_aborted_task_is_an_error() {
    virtual_loop().run(async {
        let tasks = [spawn(pending::<()>()), spawn(pending())];
        tasks[1].abort();
        let mut set = as_completed(tasks);
        let done = wait(&mut set, Until::FirstError).await;
        assert_eq!(done.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
    });
}

#[test]
fn a_deadline_ends_the_wait_and_drops_nothing() {
    virtual_loop().run(async {
        let mut set = as_completed([after(10, 'a'), after(20, 'b')]);
        let begin = now();
        assert_eq!(wait(&mut set, Until::All).timeout(ms(15)).await, [(0, 'a')]);
        assert_eq!(now() - begin, ms(15));
        assert_eq!(wait(&mut set, Until::All).deadline(begin + ms(16)).await, []);
        // Ready beats deadline.
        assert_eq!(wait(&mut set, Until::All).deadline(begin + ms(20)).await, [(1, 'b')]);
        assert_eq!(now() - begin, ms(20));
    });
}

/// asyncio's `wait_for` race: ready and cancelled in one tick, and the value is gone.
#[test]
fn a_wait_that_is_dropped_loses_nothing() {
    virtual_loop().run(async {
        let mut set = as_completed([after(10, 'a'), after(30, 'b')]);
        assert!(timeout(ms(20), wait(&mut set, Until::All)).await.is_err());
        assert_eq!(set.next().await, Some((0, 'a')));
        assert!(timeout(ms(5), set.next()).await.is_err());
        assert_eq!(set.next().await, Some((1, 'b')));
    });
}

#[test]
fn dropping_the_set_drops_what_is_pending() {
    let log = Log::default();
    let guards = [log.on_drop("a"), log.on_drop("b")];
    let mut set = as_completed(guards.map(|guard| async move {
        let _guard = guard;
        pending::<()>().await
    }));
    assert!(poll_once(&mut set.next(), Waker::noop()).is_pending());
    drop(set);
    assert_eq!(log.take(), ["a", "b"]);
}

#[test]
fn the_first_wins_a_race_and_the_losers_are_dropped() {
    let log = Log::default();
    virtual_loop().run(async {
        let runner = |time: u64| {
            let guard = log.on_drop(&time.to_string());
            async move {
                let _guard = guard;
                after(time, time).await
            }
        };
        assert_eq!(race([30, 10, 20].map(runner)).await, 10);
        assert_eq!(log.take(), ["10", "30", "20"]);
        assert_eq!(race([ready(1), ready(2)]).await, 1);
    });
}

#[test]
fn a_race_of_nobody_is_refused() {
    let message = panic_of(|| drop(race(Vec::<std::future::Ready<()>>::new())));
    assert_eq!(message, "a race of no futures has no end");
}

#[test]
fn the_first_value_or_all_errors() {
    virtual_loop().run(async {
        let some = [after(30, Ok(1)), after(10, Err("a")), after(20, Ok(2))];
        assert_eq!(first_ok(some).await, Ok(2));
        let none = [after(30, Err::<u8, _>("a")), after(10, Err("b"))];
        assert_eq!(first_ok(none).await, Err(vec!["a", "b"]));
        assert_eq!(first_ok(Vec::<std::future::Ready<Result<u8, ()>>>::new()).await, Err(vec![]));
    });
}

#[test]
fn attempts_start_after_the_delay_or_a_failure() {
    virtual_loop().run(async {
        let begin = now();
        let log = Log::default();
        let attempts = [(1000, Err("a")), (50, Err("b")), (1000, Ok('c')), (0, Ok('d'))];
        let attempts = attempts.into_iter().enumerate().map(|(index, (time, result))| {
            log.push(format!("{index} at {}", (now() - begin).as_millis()));
            after(time, result)
        });
        let winner = staggered_race(attempts, ms(250)).await;
        assert_eq!(winner, Ok(('d', 3)));
        assert_eq!(log.take(), ["0 at 0", "1 at 250", "2 at 300", "3 at 550"]);
    });
}

#[test]
fn attempts_that_are_not_needed_are_not_made() {
    virtual_loop().run(async {
        let attempts = (0..).map(|n| {
            assert!(n < 1, "one was enough");
            ready(Ok::<_, ()>(n))
        });
        assert_eq!(staggered_race(attempts, ms(1)).await, Ok((0, 0)));
    });
}

#[test]
fn a_race_whose_attempts_all_fail_gives_all_errors_in_order() {
    virtual_loop().run(async {
        let attempts = [after(500, Err::<u8, _>("a")), after(10, Err("b")), after(10, Err("c"))];
        assert_eq!(staggered_race(attempts, ms(100)).await, Err(vec!["a", "b", "c"]));
        let nothing = Vec::<std::future::Ready<Result<u8, ()>>>::new();
        assert_eq!(staggered_race(nothing, ms(1)).await, Err(vec![]));
    });
}

#[test]
fn they_run_on_other_executors() {
    futures_lite::future::block_on(async {
        let child = |n: usize| async move {
            for _ in 0..n {
                yield_now().await;
            }
            n
        };
        let mut set = as_completed([3, 1, 2].map(child));
        assert_eq!(wait(&mut set, Until::First).await, [(1, 1)]);
        assert_eq!(wait(&mut set, Until::All).await, [(2, 2), (0, 3)]);
        assert_eq!(race([3, 1, 2].map(child)).await, 1);
    });
}

/// A parent that moves to where its slots do not serve gets other wakers.
#[test]
fn a_set_moves_between_executors() {
    let _alone = alone();
    let bell = Doorbell::default();
    let mut set = as_completed([bell.wait()]);
    run(async { assert!(timeout(Duration::ZERO, set.next()).await.is_err()) });
    let (counter, waker) = Counter::new();
    assert!(Pin::new(&mut set.next()).poll(&mut Context::from_waker(&waker)).is_pending());
    bell.open();
    assert_eq!(counter.get(), 1);
    assert_eq!(run(set.next()), Some((0, ())));
}

#[test]
fn outputs_that_came_and_were_not_given_out_count() {
    virtual_loop().run(async {
        let second = Duration::from_secs(1);
        let mut set = as_completed([1, 2].map(|n| sleep(second * n)));
        assert!(timeout(second * 3 / 2, wait(&mut set, Until::All)).await.is_err());
        assert_eq!((set.len(), set.pending().count()), (2, 1));
        sleep(second).await;
        let mut poll = Box::pin(wait(&mut set, Until::All));
        // The second one is ready too; both are given out by what is asked next.
        let cx = &mut Context::from_waker(Waker::noop());
        assert_eq!(poll.as_mut().poll(cx).map(|done| done.len()), Poll::Ready(2));
        drop(poll);
        assert!(set.is_empty() && set.next().await.is_none());
    });
}

#[test]
fn what_is_waited_for_is_shown() {
    type Outcome = Result<(), ()>;
    let all: [Until<Outcome>; 3] = [Until::First, Until::FirstError, Until::All];
    let shown = all.map(|until| format!("{until:?}"));
    assert_eq!(shown, ["Until::First", "Until::FirstError", "Until::All"]);
}
