//! Runs: one after the other, beside each other, for ever and until stopped.

#![allow(clippy::async_yields_async)] // handles and sleeps go out of runs, to be used elsewhere

mod common;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use common::{Doorbell, Log, Stay, settle, virtual_loop};
use monoloop::{EventLoop, Handle, spawn, task, time, yield_now};

// ----- one run

#[test]
fn a_run_gives_what_the_future_returned() {
    assert_eq!(monoloop::run(async { "out" }), "out");
    assert_eq!(EventLoop::new().unwrap().run(async { 3 }), 3);
}

#[test]
fn the_main_future_may_borrow_and_so_may_its_output() {
    let words = [String::from("a"), String::from("bc")];
    let mut total = 0;
    let event_loop = EventLoop::new().unwrap();
    let longest: &String = event_loop.run(async {
        yield_now().await;
        total = words.iter().map(String::len).sum();
        words.iter().max_by_key(|word| word.len()).unwrap()
    });
    assert_eq!((longest.as_str(), total), ("bc", 3));
}

#[test]
fn the_main_future_is_dropped_before_the_run_returns() {
    let alive = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    let stay = Stay::new(&alive);
    event_loop.run(poll_fn(move |_| {
        let _held = &stay;
        Poll::Ready(())
    }));
    assert_eq!(alive.get(), 0);
}

#[test]
fn a_run_may_end_on_a_wake_from_another_thread() {
    let value = monoloop::run(async {
        let (sender, receiver) = std::sync::mpsc::channel();
        let waker = common::own_waker().await;
        thread::spawn(move || {
            sender.send(11).unwrap();
            waker.wake();
        });
        poll_fn(|_| receiver.try_recv().map_or(Poll::Pending, Poll::Ready)).await
    });
    assert_eq!(value, 11);
}

// ----- several runs

#[test]
fn tasks_live_on_between_runs() {
    let event_loop = EventLoop::new().unwrap();
    let bell = Doorbell::default();
    let waiting = bell.wait();
    let handle = event_loop.run(async {
        let handle = spawn(async move {
            waiting.await;
            task::current().unwrap().id()
        });
        yield_now().await;
        handle
    });
    assert_eq!(bell.polls(), 1);
    bell.open();
    let id = handle.id();
    assert_eq!(bell.polls(), 1, "nothing runs between runs");
    assert_eq!(event_loop.run(handle).unwrap(), id);
}

#[test]
fn a_sleep_goes_on_between_runs() {
    let event_loop = virtual_loop();
    let sleeper = event_loop.run(async {
        let sleeper = spawn(time::sleep(Duration::from_secs(10)));
        time::sleep(Duration::from_secs(4)).await;
        sleeper
    });
    let begin = event_loop.now();
    event_loop.run(sleeper).unwrap();
    assert_eq!(event_loop.now() - begin, Duration::from_secs(6));
}

#[test]
fn a_run_ends_with_its_future_though_others_are_ready() {
    let event_loop = EventLoop::new().unwrap();
    let polls = Rc::new(Cell::new(0));
    for _ in 0..1000 {
        let polls = Rc::clone(&polls);
        drop(event_loop.spawn(async move {
            loop {
                polls.set(polls.get() + 1);
                yield_now().await;
            }
        }));
    }
    for _ in 0..5 {
        event_loop.run(yield_now());
    }
    assert!(polls.get() > 0);
}

#[test]
fn what_was_spawned_before_the_run_is_polled_before_its_future() {
    let log = Log::default();
    let event_loop = EventLoop::new().unwrap();
    let record = log.clone();
    drop(event_loop.spawn(async move { record.push("before") }));
    event_loop.run(async { log.push("main") });
    assert_eq!(log.take(), ["before", "main"]);
}

// ----- several loops

#[test]
fn a_thread_may_have_one_loop_after_the_other() {
    for n in 0..100 {
        assert_eq!(monoloop::run(async { spawn(async move { n }).await.unwrap() }), n);
    }
}

#[test]
fn loops_of_one_thread_run_in_turns() {
    let log = Log::default();
    let loops: Vec<EventLoop> = (0..3).map(|_| EventLoop::new().unwrap()).collect();
    let handles: Vec<_> = loops
        .iter()
        .enumerate()
        .map(|(n, event_loop)| {
            let log = log.clone();
            event_loop.spawn(async move {
                for round in 0..3 {
                    log.push(format!("{n}:{round}"));
                    yield_now().await;
                }
            })
        })
        .collect();
    // Each run polls its own loop's tasks alone, though all loops of a thread share a queue.
    loops[2].run(yield_now());
    assert!(log.take().iter().all(|entry| entry.starts_with("2:")));
    loops[0].run(async {});
    assert!(log.take().iter().all(|entry| entry.starts_with("0:")));
    for (event_loop, handle) in loops.iter().zip(handles).rev() {
        event_loop.run(handle).unwrap();
    }
    let entries = log.take();
    assert!(entries.iter().position(|e| e == "1:0") < entries.iter().position(|e| e == "1:2"));
    assert!(entries.iter().any(|entry| entry == "0:2"));
}

#[test]
fn a_loop_keeps_the_order_of_its_ready_tasks_while_others_run() {
    let log = Log::default();
    let (first, second) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    for n in 0..200 {
        for (event_loop, name) in [(&first, "a"), (&second, "b")] {
            let log = log.clone();
            drop(event_loop.spawn(async move { log.push(format!("{name}{n}")) }));
        }
        if n % 7 == 0 {
            // Comes across the other's tasks, and leaves them.
            let mut entries = log.take();
            second.run(async {});
            entries.extend(log.take());
            assert!(entries.iter().all(|entry| entry.starts_with('b')));
        }
    }
    log.take();
    settle(&first);
    assert_eq!(log.take(), (0..200).map(|n| format!("a{n}")).collect::<Vec<_>>());
}

#[test]
fn tasks_of_two_loops_of_one_thread_wake_each_other() {
    let (first, second) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    let (ping, pong) = (Doorbell::default(), Doorbell::default());
    let (waiting, answer) = (ping.wait(), pong.clone());
    let server = first.spawn(async move {
        waiting.await;
        answer.open();
    });
    first.run(yield_now());
    let waiting = pong.wait();
    let client = second.spawn(async move {
        ping.open();
        waiting.await;
    });
    second.run(yield_now());
    assert!(!client.is_finished());
    first.run(server).unwrap();
    second.run(client).unwrap();
}

#[test]
fn a_handle_to_a_task_of_another_loop_can_be_awaited() {
    let (first, second) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    let bell = Doorbell::default();
    let handle = first.spawn(bell.wait());
    let joiner = second.spawn(async move { handle.await.unwrap() });
    second.run(yield_now());
    first.run(yield_now());
    bell.open();
    first.run(yield_now());
    second.run(joiner).unwrap();
}

#[test]
fn a_loop_may_end_while_another_of_the_thread_goes_on() {
    let (first, second) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    let alive = Rc::new(Cell::new(0));
    let bell = Doorbell::default();
    for event_loop in [&first, &second] {
        for _ in 0..100 {
            let (stay, waiting) = (Stay::new(&alive), bell.wait());
            drop(event_loop.spawn(async move {
                let _held = stay;
                waiting.await;
            }));
        }
    }
    second.run(async {});
    drop(first);
    assert_eq!(alive.get(), 100);
    let third = EventLoop::new().unwrap();
    third.run(yield_now());
    bell.open();
    second.run(yield_now());
    // All were woken by whoever polled, or are dropped with the loop.
    drop(second);
    assert_eq!(alive.get(), 0);
    assert_eq!(third.run(async { spawn(async { 1 }).await.unwrap() }), 1);
}

#[test]
fn each_of_many_threads_may_have_loops() {
    let threads: Vec<_> = (0..8)
        .map(|n| {
            thread::spawn(move || {
                for _ in 0..20 {
                    let sum = monoloop::run(async {
                        let handles: Vec<_> = (0..50)
                            .map(|k| {
                                spawn(async move {
                                    yield_now().await;
                                    Rc::new(k * n)
                                })
                            })
                            .collect();
                        let mut sum = 0;
                        for handle in handles {
                            sum += *handle.await.unwrap();
                        }
                        sum
                    });
                    assert_eq!(sum, n * 49 * 50 / 2);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

// ----- for ever

#[test]
fn a_stopped_loop_returns_and_can_run_again() {
    let event_loop = virtual_loop();
    let log = Log::default();
    for round in 0..3 {
        let (record, handle) = (log.clone(), event_loop.handle());
        let _call = event_loop.call_later(Duration::from_secs(1), move || {
            record.push(round.to_string());
            handle.stop().unwrap();
        });
        event_loop.run_forever();
    }
    assert_eq!(log.take(), ["0", "1", "2"]);
    assert_eq!(event_loop.run(async { 5 }), 5);
}

#[test]
fn what_is_ready_when_the_loop_is_stopped_still_runs_and_what_that_schedules_does_not() {
    let event_loop = EventLoop::new().unwrap();
    let (before, after) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let handle = event_loop.handle();
    let _call = event_loop.call_soon(move || handle.stop().unwrap());
    for _ in 0..1000 {
        let (before, after) = (Rc::clone(&before), Rc::clone(&after));
        let _call = event_loop.call_soon(move || {
            before.set(before.get() + 1);
            let _call = monoloop::call_soon(move || after.set(after.get() + 1));
        });
    }
    event_loop.run_forever();
    assert_eq!((before.get(), after.get()), (1000, 0));
    // They run next time.
    event_loop.run(yield_now());
    settle(&event_loop);
    assert_eq!(after.get(), 1000);
}

#[test]
fn a_loop_that_was_stopped_before_it_ran_makes_one_turn() {
    let event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    for n in 0..200 {
        let log = log.clone();
        let _call = event_loop.call_soon(move || {
            log.push(n.to_string());
            let _call = monoloop::call_soon(move || log.push("next"));
        });
    }
    let _never = event_loop.call_later(Duration::from_secs(3600), || unreachable!());
    event_loop.handle().stop().unwrap();
    event_loop.run_forever();
    assert_eq!(log.take(), (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
    // Stopping twice is stopping once.
    event_loop.handle().stop().unwrap();
    event_loop.handle().stop().unwrap();
    event_loop.run_forever();
    assert_eq!(log.take().len(), 200);
}

#[test]
fn a_stop_does_not_end_a_run() {
    let event_loop = EventLoop::new().unwrap();
    event_loop.run(async {
        Handle::current().stop().unwrap();
        for _ in 0..10 {
            yield_now().await;
        }
    });
    // It ends the next that runs for ever.
    event_loop.run_forever();
}

#[test]
fn a_thread_may_stop_the_loop() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    // As soon as the loop runs; it may be waiting by then, or not yet.
    let (sender, receiver) = std::sync::mpsc::channel();
    let helper = thread::spawn(move || {
        receiver.recv().unwrap();
        handle.stop().unwrap();
    });
    let _call = event_loop.call_soon(move || sender.send(()).unwrap());
    event_loop.run_forever();
    helper.join().unwrap();
}

// ----- a clock that jumps

#[test]
fn a_virtual_clock_jumps_from_deadline_to_deadline() {
    let event_loop = virtual_loop();
    let begin = std::time::Instant::now();
    let log = Log::default();
    event_loop.run(async {
        let start = time::now();
        let tasks: Vec<_> = [3, 1, 2]
            .map(|days| {
                let log = log.clone();
                spawn(async move {
                    time::sleep(Duration::from_secs(days * 86_400)).await;
                    log.push(format!("{days}: {}", (time::now() - start).as_secs() / 86_400));
                })
            })
            .into();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(log.take(), ["1: 1", "2: 2", "3: 3"]);
    assert!(begin.elapsed() < Duration::from_secs(3600));
}

#[test]
fn a_virtual_clock_stands_still_while_tasks_are_ready() {
    virtual_loop().run(async {
        let begin = time::now();
        let sleeper = spawn(time::sleep(Duration::from_nanos(1)));
        for _ in 0..10_000 {
            yield_now().await;
        }
        assert_eq!(time::now(), begin);
        assert!(!sleeper.is_finished());
        sleeper.await.unwrap();
        assert_eq!(time::now() - begin, Duration::from_nanos(1));
    });
}

#[test]
fn advancing_a_virtual_clock_stops_at_each_deadline_on_the_way() {
    let log = Log::default();
    virtual_loop().run(async {
        let start = time::now();
        let record = log.clone();
        drop(spawn(async move {
            let mut interval = time::interval(Duration::from_secs(2));
            loop {
                interval.tick().await;
                record.push((time::now() - start).as_secs().to_string());
            }
        }));
        time::advance(Duration::from_secs(7)).await;
        assert_eq!(time::now() - start, Duration::from_secs(7));
        time::advance(Duration::ZERO).await;
        assert_eq!(time::now() - start, Duration::from_secs(7));
    });
    assert_eq!(log.take(), ["0", "2", "4", "6"]);
}

#[test]
fn timeouts_fire_in_order_after_a_jump_over_all_of_them() {
    let log = Log::default();
    virtual_loop().run(async {
        let tasks: Vec<_> = (1..=50_u64)
            .rev()
            .map(|n| {
                let log = log.clone();
                spawn(async move {
                    time::timeout(Duration::from_secs(n), pending::<()>()).await.unwrap_err();
                    log.push(n.to_string());
                })
            })
            .collect();
        yield_now().await;
        time::advance(Duration::from_secs(86_400)).await;
        assert!(tasks.iter().all(|task| task.is_finished()));
    });
    assert_eq!(log.take(), (1..=50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn each_loop_has_its_own_virtual_clock() {
    let (first, second) = (virtual_loop(), virtual_loop());
    let before = second.now();
    first.run(time_passes());
    assert_eq!(second.now(), before);
    second.run(time_passes());
    assert_eq!(second.now() - before, Duration::from_secs(5));
}

async fn time_passes() {
    time::sleep(Duration::from_secs(5)).await;
}

// ----- loops inside futures

#[test]
fn a_future_may_keep_its_loop() {
    let event_loop = Rc::new(EventLoop::new().unwrap());
    let kept = Rc::new(RefCell::new(Vec::new()));
    let (inside, store) = (Rc::clone(&event_loop), Rc::clone(&kept));
    event_loop.run(async move {
        let handle = inside.spawn(async { 4 });
        let output = handle.await.unwrap();
        store.borrow_mut().push(output);
    });
    assert_eq!(*kept.borrow(), [4]);
    assert_eq!(Rc::strong_count(&event_loop), 1);
}
