//! `select!`.

mod common;

use std::cell::Cell;
use std::future::{pending, ready};
use std::pin::pin;
use std::time::Duration;

use common::{Doorbell, Log, alone, panic_of, virtual_loop};
use monoloop::time::sleep;
use monoloop::{run, select, spawn, yield_now};

#[test]
fn the_first_that_is_ready_wins_and_the_others_are_dropped_before_its_handler() {
    let log = Log::default();
    virtual_loop().run(async {
        let guard = log.on_drop("loser");
        let chosen = select! {
            () = sleep(Duration::from_millis(5)) => "late",
            () = async { yield_now().await } => {
                assert_eq!(log.take(), ["loser"]);
                "early"
            }
            () = async move { let _guard = guard; pending().await } => "never",
        };
        assert_eq!(chosen, "early");
    });
}

#[test]
fn branches_are_chosen_fairly() {
    run(async {
        let mut counts = [0; 3];
        for _ in 0..3000 {
            let index = select! {
                () = ready(()) => 0,
                () = ready(()) => 1,
                () = ready(()) => 2,
            };
            counts[index] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    });
}

#[test]
fn a_biased_select_keeps_the_order_written() {
    run(async {
        for _ in 0..100 {
            select! {
                biased;
                () = pending() => unreachable!(),
                () = ready(()) => {}
                () = ready(()) => panic!("the second was ready"),
            }
        }
    });
}

#[test]
fn a_branch_whose_pattern_does_not_match_is_out() {
    run(async {
        let got = select! {
            Some(n) = ready(None::<u8>) => n,
            Ok(n) | Err(n) = async { yield_now().await; Ok::<u8, u8>(2) } => n,
        };
        assert_eq!(got, 2);
        let got = select! {
            Some(1) = ready(Some(2)) => "one",
            else => "else",
        };
        assert_eq!(got, "else");
    });
}

#[test]
fn patterns_bind_in_every_way() {
    run(async {
        select! {
            mut text = ready(String::from("a")) => {
                text.push('b');
                assert_eq!(text, "ab");
            }
        }
        select! { &n = ready(&7) => assert_eq!(n, 7) }
        select! { (ref a, b @ 1..) = ready((String::from("x"), 3)) => assert_eq!((a.as_str(), b), ("x", 3)) }
        select! { _ = ready(()) => {} }
    });
}

#[test]
fn a_condition_keeps_a_branch_out_and_its_future_from_being_made() {
    run(async {
        let queue = std::hint::black_box(None::<u8>);
        let got = select! {
            n = ready(queue.unwrap()), if queue.is_some() => n,
            n = ready(1), if true => n,
        };
        assert_eq!(got, 1);
    });
}

#[test]
fn else_runs_when_all_branches_are_out() {
    run(async {
        let got = select! {
            n = ready(1), if false => n,
            Some(n) = ready(None) => n,
            else => 3,
        };
        assert_eq!(got, 3);
    });
}

#[test]
fn without_else_it_panics_when_all_branches_are_out() {
    let message = panic_of(|| {
        run(async {
            select! { () = ready(()), if false => {} }
        })
    });
    assert!(message.contains("no branch of `select!` is enabled"), "{message}");
}

#[test]
fn handlers_return_break_continue_and_await() {
    /// Skips ones, ends at an even number, fails at 13.
    async fn scan(numbers: &[u8]) -> Result<Option<u8>, &'static str> {
        let mut numbers = numbers.iter();
        let mut sum = 0;
        loop {
            select! {
                next = ready(numbers.next()) => {
                    let Some(&n) = next else { return Ok(None) };
                    let n = Some(n).filter(|&n| n != 13).ok_or("thirteen")?;
                    yield_now().await;
                    if n == 1 {
                        continue;
                    }
                    sum += n;
                    if n % 2 == 0 {
                        break;
                    }
                }
            }
        }
        Ok(Some(sum))
    }
    run(async {
        assert_eq!(scan(&[1, 1, 3]).await, Ok(None));
        assert_eq!(scan(&[1, 3, 13, 2]).await, Err("thirteen"));
        assert_eq!(scan(&[1, 3, 2, 13]).await, Ok(Some(5)));
    });
}

#[test]
fn loops_keep_futures_by_reference() {
    let _alone = alone();
    virtual_loop().run(async {
        let bell = Doorbell::default();
        let mut end = pin!(sleep(Duration::from_millis(35)));
        let mut wait = Box::pin(bell.wait());
        let (mut ticks, mut rang) = (0, false);
        loop {
            select! {
                () = sleep(Duration::from_millis(10)) => {
                    ticks += 1;
                    bell.open();
                }
                () = &mut wait, if !rang => rang = true,
                () = &mut end => break,
            }
        }
        assert!(rang && ticks >= 3, "{ticks}");
    });
}

#[test]
fn futures_borrow_and_handlers_use_what_they_borrowed() {
    async fn push(list: &mut Vec<u8>) {
        list.push(1);
    }
    run(async {
        let mut list = Vec::new();
        select! {
            () = push(&mut list) => list.push(2),
            () = pending() => {}
        }
        assert_eq!(list, [1, 2]);
    });
}

#[test]
fn join_handles_are_branches() {
    run(async {
        let task = spawn(async { 5 });
        select! {
            result = task => assert_eq!(result.unwrap(), 5),
            () = pending() => {}
        }
    });
}

#[test]
fn it_runs_anywhere() {
    let count = Cell::new(0);
    futures_lite::future::block_on(async {
        for _ in 0..10 {
            select! {
                () = yield_now() => count.set(count.get() + 1),
                () = pending() => {}
            }
        }
    });
    assert_eq!(count.get(), 10);
}

#[test]
fn sixteen_branches_are_taken() {
    run(async {
        let n = select! {
            n = pending() => n, n = pending() => n, n = pending() => n, n = pending() => n,
            n = pending() => n, n = pending() => n, n = pending() => n, n = pending() => n,
            n = pending() => n, n = pending() => n, n = pending() => n, n = pending() => n,
            n = pending() => n, n = pending() => n, n = pending() => n, n = ready(16) => n,
        };
        assert_eq!(n, 16);
    });
}

#[test]
fn a_future_may_come_by_a_question_mark_whatever_its_branchs_condition() {
    async fn chosen(is_on: bool, made: Result<u8, &'static str>) -> Result<u8, &'static str> {
        select! {
            n = ready(made?), if is_on => Ok(n),
            else => Ok(0),
        }
    }
    run(async {
        assert_eq!(chosen(true, Ok(1)).await, Ok(1));
        assert_eq!(chosen(true, Err("not made")).await, Err("not made"));
        assert_eq!(chosen(false, Err("not asked for")).await, Ok(0));
    });
}
