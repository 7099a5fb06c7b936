//! `gather`, `try_gather`, their limits, `join!` and `try_join!`.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{Counter, Doorbell, Log, alone, many, panic_of, poll_once, quiet_panic, virtual_loop};
use monoloop::future::{gather, try_gather};
use monoloop::time::{sleep, timeout};
use monoloop::{join, run, spawn, try_join, yield_now};

/// Polls by hand until it is over, as long as it was woken in between.
fn drive<F: Future + Unpin>(mut future: F) -> F::Output {
    let (counter, waker) = Counter::new();
    loop {
        let before = counter.get();
        if let Poll::Ready(output) = poll_once(&mut future, &waker) {
            return output;
        }
        assert!(counter.get() > before, "it sleeps, and nobody is left to wake it");
    }
}

#[test]
fn outcomes_come_in_the_order_of_the_arguments() {
    virtual_loop().run(async {
        let after = |ms| async move {
            sleep(Duration::from_millis(ms)).await;
            ms
        };
        assert_eq!(gather([30, 10, 20].into_iter().map(after)).await, [30, 10, 20]);
        assert_eq!(gather(vec![after(2), after(1)]).await, [2, 1]);
        assert_eq!(gather([3, 1, 2].map(after)).await, [3, 1, 2]);
        assert_eq!(gather((after(2), async { "x" })).await, (2, "x"));
        assert_eq!(join!(after(2), async { "x" }, ready(1)), (2, "x", 1));
    });
}

#[test]
fn nothing_gathers_to_nothing_at_once() {
    assert_eq!(drive(gather(Vec::<std::future::Ready<u8>>::new())), []);
    assert_eq!(drive(gather([(); 0].map(|()| ready(1)))), [0; 0]);
    assert_eq!(
        drive(try_gather(std::iter::empty::<std::future::Ready<Result<u8, ()>>>())),
        Ok(vec![])
    );
    assert_eq!(drive(gather(std::iter::empty::<std::future::Ready<u8>>()).limit(3)), []);
    run(async {
        let () = join!();
        assert_eq!(try_join!(), Ok::<(), ()>(()));
    });
}

/// asyncio's `gather` goes on with the others unseen.
#[test]
fn an_error_drops_the_others_before_it_is_returned() {
    let log = Log::default();
    virtual_loop().run(async {
        let sibling = |name: &'static str| {
            let guard = log.on_drop(name);
            async move {
                let _guard = guard;
                pending::<Result<u8, &str>>().await
            }
        };
        let failing = || async {
            yield_now().await;
            Err("no")
        };
        type Child<'a> = Pin<Box<dyn Future<Output = Result<u8, &'static str>> + 'a>>;
        let children: Vec<Child<'_>> =
            vec![Box::pin(sibling("a")), Box::pin(failing()), Box::pin(sibling("b"))];
        assert_eq!(try_gather(children).await, Err("no"));
        assert_eq!(log.take(), ["a", "b"]);
        let result: Result<(u8, u8), _> = try_join!(sibling("c"), failing());
        assert_eq!((result, log.take()), (Err("no"), vec!["c".into()]));
        let children: [Child<'_>; 2] = [Box::pin(failing()), Box::pin(sibling("d"))];
        assert_eq!(try_gather(children).await, Err("no"));
        assert_eq!(log.take(), ["d"]);
        let children: Vec<Child<'_>> =
            vec![Box::pin(sibling("e")), Box::pin(failing()), Box::pin(sibling("f"))];
        assert_eq!(try_gather(children.into_iter()).limit(2).await, Err("no"));
        assert_eq!(log.take(), ["e", "f"]);
    });
}

/// asyncio loses the errors after the first.
#[test]
fn gather_gives_every_error() {
    let outcomes = drive(gather([Ok(1), Err("a"), Err("b")].map(ready)));
    assert_eq!(outcomes, [Ok(1), Err("a"), Err("b")]);
}

#[test]
fn errors_do_not_hide_values_that_came_first() {
    assert_eq!(drive(try_gather([Ok::<_, ()>(1), Ok(2)].map(ready))), Ok([1, 2]));
    assert_eq!(drive(try_gather(vec![ready(Ok::<_, ()>(1))])), Ok(vec![1]));
}

/// Each child is polled once, and once more for its wake.
fn assert_two_polls_each(
    count: usize,
    execute: impl FnOnce(Pin<Box<dyn Future<Output = ()> + '_>>),
) {
    let bells: Vec<Doorbell> = (0..count).map(|_| Doorbell::default()).collect();
    let rung = Cell::new(0);
    let mut waiting = gather(bells.iter().map(Doorbell::wait));
    // Rings one bell in each of its polls, the last one first.
    let all = poll_fn(|cx| {
        if let Poll::Ready(outputs) = Pin::new(&mut waiting).poll(cx) {
            assert_eq!(outputs.len(), count);
            return Poll::Ready(());
        }
        if bells.iter().all(|bell| bell.polls() > 0) && rung.get() < count {
            rung.set(rung.get() + 1);
            bells[count - rung.get()].open();
        }
        Poll::Pending
    });
    execute(Box::pin(all));
    assert!(bells.iter().all(|bell| bell.polls() == 2), "a wake polled others");
}

#[test]
fn a_wake_polls_only_the_child_it_was_meant_for() {
    let _alone = alone();
    let count = many(2_000, 10_000);
    assert_two_polls_each(count, |all| run(all));
    assert_two_polls_each(count, |all| drive(all));
    assert_two_polls_each(count, |all| futures_lite::future::block_on(all));
    assert_two_polls_each(count, |all| {
        let executor = async_executor::LocalExecutor::new();
        futures_lite::future::block_on(executor.run(all));
    });
}

#[test]
fn tuples_and_arrays_poll_only_who_was_woken() {
    let _alone = alone();
    run(async {
        let bells: [Doorbell; 3] = Default::default();
        let mut tuple = pin!(gather((bells[0].wait(), bells[1].wait(), bells[2].wait())));
        poll_fn(|cx| {
            if bells[1].polls() == 0 {
                assert!(tuple.as_mut().poll(cx).is_pending());
                bells[1].open();
            }
            assert!(tuple.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!(bells.each_ref().map(Doorbell::polls), [1, 2, 1]);
        let mut array = pin!(gather(bells.each_ref().map(Doorbell::wait)));
        poll_fn(|cx| {
            array
                .as_mut()
                .poll(cx)
                .map(|_| ())
                .is_pending()
                .then_some(())
                .map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        assert_eq!(bells.each_ref().map(Doorbell::polls), [2, 3, 2]);
        bells[0].open();
        bells[2].open();
        array.await;
        assert_eq!(bells.each_ref().map(Doorbell::polls), [3, 3, 3]);
    });
}

#[test]
#[cfg_attr(miri, ignore = "an hour under Miri")]
fn a_hundred_thousand_children_are_no_trouble() {
    let count = many(20_000, 100_000);
    let child = |n: usize| async move {
        yield_now().await;
        n
    };
    let expected: Vec<usize> = (0..count).collect();
    assert_eq!(run(gather((0..count).map(child))), expected);
    assert_eq!(run(gather((0..count).map(child)).limit(1000)), expected);
    assert_eq!(drive(gather((0..count / 10).map(child))), expected[..count / 10]);
}

/// The loop's other tasks are not starved by children that are always ready.
#[test]
fn a_set_that_is_always_ready_gives_way() {
    run(async {
        let spin = || async {
            for _ in 0_u64.. {
                yield_now().await;
            }
        };
        let all = gather((0..1000).map(|_| spin()));
        assert!(timeout(Duration::from_millis(1), all).await.is_err());
    });
}

#[test]
fn no_more_than_the_limit_are_alive() {
    virtual_loop().run(async {
        let (alive, most) = (Cell::new(0_usize), Cell::new(0));
        let (made, over) = (Cell::new(0_usize), Cell::new(0));
        let (alive, most, made, over) = (&alive, &most, &made, &over);
        let child = |n: u64| {
            made.set(made.get() + 1);
            async move {
                alive.set(alive.get() + 1);
                most.set(most.get().max(alive.get()));
                assert!(made.get() <= over.get() + 5, "the iterator is lazy");
                sleep(Duration::from_millis(n % 7)).await;
                alive.set(alive.get() - 1);
                over.set(over.get() + 1);
                n
            }
        };
        assert_eq!(gather((0..100).map(child)).limit(5).await, (0..100).collect::<Vec<_>>());
        assert_eq!(most.get(), 5);
        assert_eq!(gather((0..3).map(child)).limit(usize::MAX).await, [0, 1, 2]);
    });
}

#[test]
#[should_panic(expected = "a limit of zero lets nothing run")]
fn a_limit_of_zero_is_refused() {
    drop(gather([ready(1)].into_iter()).limit(0));
}

#[test]
fn an_endless_iterator_ends_with_the_first_error() {
    let numbers = (0..).map(|n| ready(if n < 500 { Ok(n) } else { Err(n) }));
    assert_eq!(drive(try_gather(numbers).limit(3)), Err(500));
}

#[test]
fn dropping_it_in_the_middle_drops_all_children_and_outputs() {
    let log = Log::default();
    let value = |name: &str| ready(log.on_drop(name));
    type Child<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;
    let mut half: Vec<Child<'_, Box<dyn std::any::Any>>> = Vec::new();
    let output = value("output");
    half.push(Box::pin(async move { Box::new(output.await) as Box<dyn std::any::Any> }));
    let guard = log.on_drop("future");
    half.push(Box::pin(async move {
        let _guard = guard;
        pending().await
    }));
    let mut all = gather(half);
    assert!(poll_once(&mut all, Waker::noop()).is_pending());
    drop(all);
    assert_eq!(log.take(), ["output", "future"]);
}

#[test]
fn a_panic_goes_to_who_awaits_and_takes_the_siblings_along() {
    let log = Log::default();
    let message = run(async {
        let guard = log.on_drop("sibling");
        let sibling: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
            let _guard = guard;
            pending().await
        });
        let failing: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async {
            yield_now().await;
            quiet_panic("boom")
        });
        spawn(async move { gather(vec![sibling, failing]).await.len() })
            .await
            .expect_err("it panicked")
            .to_string()
    });
    assert!(message.contains("boom"), "{message}");
    assert_eq!(log.take(), ["sibling"]);
}

/// A combinator that caught the panic can poll on: the wakes of the others are not lost.
#[test]
fn the_siblings_of_a_panic_are_woken_if_somebody_polls_on() {
    let bell = Doorbell::default();
    let mut did_panic = false;
    let failing = poll_fn(move |cx| {
        if did_panic {
            return Poll::Ready(());
        }
        did_panic = true;
        cx.waker().wake_by_ref();
        quiet_panic("boom")
    });
    let children: Vec<Pin<Box<dyn Future<Output = ()>>>> =
        vec![Box::pin(failing), Box::pin(bell.wait())];
    let mut all = gather(children);
    let poll = |all: &mut _| poll_once::<monoloop::future::Gather<_>>(all, Waker::noop());
    assert_eq!(panic_of(AssertUnwindSafe(|| poll(&mut all))), "boom");
    assert!(poll(&mut all).is_pending());
    bell.open();
    assert!(poll(&mut all).is_ready());
}

/// Drops of children wake siblings, and spawn.
#[test]
fn drops_of_children_may_wake_and_spawn() {
    let ran = Rc::new(Cell::new(false));
    run(async {
        let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
        let sibling = {
            let waker = Rc::clone(&waker);
            let mut polls = 0;
            poll_fn(move |cx| {
                *waker.borrow_mut() = Some(cx.waker().clone());
                polls += 1;
                if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
            })
        };
        let ending = {
            let ran = Rc::clone(&ran);
            let guard = common::on_drop(move || {
                waker.take().expect("it was polled").wake();
                spawn(async move { ran.set(true) }).detach();
            });
            async move {
                yield_now().await;
                drop(guard);
            }
        };
        join!(sibling, ending);
        yield_now().await;
    });
    assert!(ran.get());
}

/// In asyncio, cancelling a gather cancels its children, and one of them may refuse.
#[test]
fn a_timeout_drops_a_gather_and_all_in_it() {
    let log = Log::default();
    virtual_loop().run(async {
        let guards = [log.on_drop("a"), log.on_drop("b")];
        let all = gather(guards.map(|guard| async move {
            let _guard = guard;
            pending::<()>().await
        }));
        assert!(timeout(Duration::from_secs(1), all).await.is_err());
        assert_eq!(log.take(), ["a", "b"]);
    });
}

/// What asyncio calls duplicates: one task awaited in two places is one handle, and the borrow checker sees to it.
#[test]
fn handles_and_references_are_futures_too() {
    run(async {
        let mut handles: HashMap<_, _> = (0..3).map(|n| (n, spawn(async move { n }))).collect();
        let mut outputs: Vec<i32> =
            gather(handles.values_mut()).await.into_iter().map(Result::unwrap).collect();
        outputs.sort_unstable();
        assert_eq!(outputs, [0, 1, 2]);
    });
}

#[test]
fn gathers_nest() {
    let row = |y: u32| {
        gather((0..10).map(move |x| async move {
            yield_now().await;
            x * y
        }))
    };
    let rows = |n| gather((0..n).map(row));
    let expected: Vec<Vec<u32>> = (0..5).map(|y| (0..10).map(|x| x * y).collect()).collect();
    assert_eq!(run(rows(5)), expected);
    assert_eq!(drive(rows(5)), expected);
    assert_eq!(futures_lite::future::block_on(rows(5)), expected);
}

#[test]
#[should_panic(expected = "polled after it was over")]
fn a_gather_that_is_over_is_not_polled_again() {
    let mut all = gather(vec![ready(1)]);
    assert!(poll_once(&mut all, Waker::noop()).is_ready());
    let _ = Pin::new(&mut all).poll(&mut Context::from_waker(Waker::noop()));
}

#[test]
fn twelve_futures_join() {
    let sum = run(async {
        let (a, b, c, d, e, f, g, h, i, j, k, l) = join!(
            ready(1),
            ready(2),
            ready(3),
            ready(4),
            ready(5),
            ready(6),
            ready(7),
            ready(8),
            ready(9),
            ready(10),
            ready(11),
            async {
                yield_now().await;
                12
            },
        );
        a + b + c + d + e + f + g + h + i + j + k + l
    });
    assert_eq!(sum, 78);
}
