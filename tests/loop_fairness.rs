//! Nothing starves: timers, threads and tasks get their turn however busy the ready queue is.
//!
//! A test that fails here hangs. The clock is real where the subject is how a busy loop looks at it.

mod common;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use common::{Doorbell, Log, settle, woken_by_a_thread};
use monoloop::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use monoloop::{Builder, EventLoop, Handle, spawn, time, yield_now};

/// Two tasks that wake each other for ever.
fn keep_busy() {
    let bells = [Rc::new(Cell::new(None)), Rc::new(Cell::new(None))];
    for n in 0..2 {
        let (mine, other) = (Rc::clone(&bells[n]), Rc::clone(&bells[1 - n]));
        drop(spawn(poll_fn(move |cx| {
            mine.set(Some(cx.waker().clone()));
            match other.take() {
                Some(other) => std::task::Waker::wake(other),
                None => cx.waker().wake_by_ref(),
            }
            Poll::<()>::Pending
        })));
    }
}

/// A task that wakes itself for ever.
fn spin() {
    drop(spawn(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    })));
}

/// The loops to try: usual, impatient and lazy.
fn loops() -> [Builder; 3] {
    [
        EventLoop::builder(),
        EventLoop::builder().poll_budget(0).io_interval(0),
        EventLoop::builder().poll_budget(usize::MAX).io_interval(u32::MAX),
    ]
}

#[test]
fn tasks_that_wake_each_other_for_ever_do_not_stop_timers() {
    for builder in loops() {
        builder.build().unwrap().run(async {
            keep_busy();
            spin();
            let begin = Instant::now();
            for _ in 0..5 {
                time::sleep(Duration::from_millis(1)).await;
            }
            time::timeout(Duration::from_millis(1), std::future::pending::<()>())
                .await
                .unwrap_err();
            assert!(begin.elapsed() >= Duration::from_millis(6));
        });
    }
}

#[test]
fn a_timer_of_a_busy_loop_fires_soon_after_its_deadline() {
    // The limit is wide, for slow machines and sanitizers; the best of many is what counts.
    monoloop::run(async {
        keep_busy();
        spin();
        let mut best = Duration::MAX;
        for _ in 0..20 {
            let deadline = Instant::now() + Duration::from_millis(1);
            time::sleep_until(deadline).await;
            best = best.min(deadline.elapsed());
        }
        assert!(best < Duration::from_millis(10), "{best:?}");
    });
}

#[test]
fn tasks_that_wake_each_other_for_ever_do_not_stop_wakes_from_threads() {
    for builder in loops() {
        builder.build().unwrap().run(async {
            keep_busy();
            spin();
            woken_by_a_thread(20).await;
        });
    }
}

#[test]
fn tasks_that_wake_each_other_for_ever_do_not_stop_calls_from_threads() {
    for builder in loops() {
        builder.build().unwrap().run(async {
            keep_busy();
            spin();
            let (handle, bell) = (Handle::current(), Doorbell::default());
            let (sender, receiver) = mpsc::channel();
            let helper = thread::spawn(move || {
                for _ in 0..10 {
                    let sender = sender.clone();
                    handle.call_soon_threadsafe(move || sender.send(()).unwrap()).unwrap();
                }
            });
            let mut left = 10;
            poll_fn(move |cx| {
                left -= receiver.try_iter().count();
                cx.waker().wake_by_ref();
                if left == 0 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            helper.join().unwrap();
            drop(bell);
        });
    }
}

#[test]
fn tasks_that_spawn_for_ever_do_not_stop_timers() {
    fn breed() -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async { drop(spawn(breed())) })
    }
    monoloop::run(async {
        drop(spawn(breed()));
        time::sleep(Duration::from_millis(2)).await;
    });
}

#[test]
fn callbacks_that_call_again_for_ever_do_not_stop_timers() {
    fn again() {
        let _call = monoloop::call_soon(again);
    }
    monoloop::run(async {
        again();
        time::sleep(Duration::from_millis(2)).await;
    });
}

#[test]
fn timers_that_are_always_due_do_not_stop_tasks() {
    monoloop::run(async {
        for _ in 0..10 {
            drop(spawn(async {
                loop {
                    time::sleep(Duration::ZERO).await;
                }
            }));
            drop(spawn(async {
                let mut interval = time::interval(Duration::from_nanos(1));
                loop {
                    interval.tick().await;
                }
            }));
        }
        for _ in 0..200 {
            yield_now().await;
        }
    });
}

#[test]
fn a_slow_task_does_not_stop_timers_for_longer_than_its_poll() {
    // Each poll takes a while, so that the loop cannot go by the number of polls.
    monoloop::run(async {
        for _ in 0..50 {
            drop(spawn(poll_fn(|cx| {
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_micros(300) {
                    std::hint::spin_loop();
                }
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            })));
        }
        let polls = Rc::new(Cell::new(0));
        let count = Rc::clone(&polls);
        drop(spawn(async move {
            loop {
                count.set(count.get() + 1);
                yield_now().await;
            }
        }));
        time::sleep(Duration::from_millis(1)).await;
        // The timer was due after four of the slow polls; one round is fifty.
        assert!(polls.get() <= 3, "{} rounds", polls.get());
    });
}

/// Nor in `run_forever`: a round of all that is ready is no reason not to look at the timers.
#[test]
fn a_crowd_of_slow_tasks_does_not_stop_timers_for_a_whole_round() {
    const CROWD: usize = 300;

    fn crowd(event_loop: &EventLoop) -> Rc<Cell<usize>> {
        let polls = Rc::new(Cell::new(0));
        for _ in 0..CROWD {
            let polls = Rc::clone(&polls);
            drop(event_loop.spawn(poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_micros(300) {
                    std::hint::spin_loop();
                }
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            })));
        }
        polls
    }

    // What a timer wakes comes after all that is ready then. It is due after four polls of the crowd, and the
    // loop looks at the clock after 64 at the latest.
    let soon = Duration::from_millis(1);
    let event_loop = EventLoop::builder().slow_poll(None).build().unwrap();
    let seen = Rc::new(Cell::new(0));
    let (count, handle) = (Rc::clone(&seen), event_loop.handle());
    let sleeper = event_loop.spawn(time_passes(soon));
    let polls = crowd(&event_loop);
    drop(event_loop.spawn(async move {
        sleeper.await.unwrap();
        count.set(polls.get());
        handle.stop().unwrap();
    }));
    event_loop.run_forever();
    // A round until the sleeper runs, and one until who joins it does.
    assert!(seen.get() <= 2 * CROWD + 150, "{} polls", seen.get());
}

/// Only a loop that runs can make a sleep.
async fn time_passes(duration: Duration) {
    time::sleep(duration).await;
}

#[test]
fn ready_tasks_are_polled_equally_often() {
    monoloop::run(async {
        let counts: Rc<Vec<Cell<u32>>> = Rc::new((0..1000).map(|_| Cell::new(0)).collect());
        for n in 0..1000 {
            let counts = Rc::clone(&counts);
            drop(spawn(async move {
                loop {
                    counts[n].set(counts[n].get() + 1);
                    yield_now().await;
                }
            }));
        }
        for round in 0..50 {
            yield_now().await;
            assert!(counts.iter().all(|count| count.get() == round + 1));
        }
    });
}

#[test]
fn a_task_that_is_woken_often_runs_no_more_often_than_others() {
    let log = Log::default();
    let event_loop = EventLoop::new().unwrap();
    let record = log.clone();
    let mut left = 3;
    drop(event_loop.spawn(poll_fn(move |cx| {
        record.push("loud");
        left -= 1;
        if left == 0 {
            return Poll::Ready(());
        }
        for _ in 0..100 {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })));
    let record = log.clone();
    drop(event_loop.spawn(async move {
        for _ in 0..3 {
            record.push("calm");
            yield_now().await;
        }
    }));
    settle(&event_loop);
    assert_eq!(log.take(), ["loud", "calm", "loud", "calm", "loud", "calm"]);
}

/// Several in one task share what it may do in one poll.
#[test]
fn branches_of_one_task_take_turns_to_receive() {
    async fn drain(mut receiver: UnboundedReceiver<usize>, count: Rc<Cell<usize>>) {
        while receiver.recv().await.is_some() {
            count.set(count.get() + 1);
        }
    }

    const MANY: usize = 1_000_000;

    let counts: [Rc<Cell<usize>>; 2] = Default::default();
    monoloop::run(async {
        let [one, other] = counts.each_ref().map(|count| {
            let (sender, receiver) = unbounded_channel();
            (0..MANY).for_each(|n| sender.send(n).unwrap());
            drain(receiver, Rc::clone(count))
        });
        let all = spawn(async { monoloop::join!(one, other) });
        for _ in 0..20 {
            yield_now().await;
        }
        assert!(!all.is_finished());
        all.abort();
    });
    let [one, other] = counts.each_ref().map(|count| count.get());
    // Each round is for one of them.
    assert!(one.min(other) > 0 && one.abs_diff(other) <= 5000, "{one} {other}");
}
