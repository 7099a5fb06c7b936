//! Turns for a host that has a loop of its own.

mod common;

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::{Doorbell, Log, settle, virtual_loop};
use monoloop::{EventLoop, spawn, time, yield_now};

#[test]
fn a_turn_runs_what_is_ready_and_says_whether_more_is() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.spawn(async {
        yield_now().await;
        1
    });
    assert!(event_loop.turn(Some(Duration::ZERO)).unwrap(), "it yielded, so it is ready");
    assert!(!handle.is_finished());
    assert!(!event_loop.turn(Some(Duration::ZERO)).unwrap());
    assert!(handle.is_finished());
    assert!(!event_loop.turn(Some(Duration::ZERO)).unwrap());
}

#[test]
fn a_turn_does_not_run_what_becomes_ready_in_it() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let record = log.clone();
    drop(event_loop.spawn(async move {
        record.push("first");
        drop(spawn(async move { record.push("second") }));
    }));
    assert!(event_loop.turn(Some(Duration::ZERO)).unwrap());
    assert_eq!(log.take(), ["first"]);
    assert!(!event_loop.turn(Some(Duration::ZERO)).unwrap());
    assert_eq!(log.take(), ["second"]);
}

#[test]
fn the_loop_is_current_only_inside_of_turns() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    let seen = Rc::new(Cell::new(false));
    let flag = Rc::clone(&seen);
    let _call = event_loop.call_soon(move || flag.set(monoloop::Handle::try_current().is_some()));
    settle(&event_loop);
    assert!(seen.get());
    assert!(monoloop::Handle::try_current().is_none());
}

#[test]
fn the_next_deadline_is_that_of_the_earliest_timer() {
    let _alone = crate::common::alone();
    let event_loop = virtual_loop();
    assert_eq!(event_loop.next_deadline(), None);
    let begin = event_loop.now();
    let late = event_loop.spawn(time_sleep(10));
    let early = event_loop.spawn(time_sleep(3));
    let _never = event_loop.spawn(pending::<()>());
    settle(&event_loop);
    assert_eq!(event_loop.next_deadline(), Some(begin + Duration::from_secs(3)));
    early.abort();
    settle(&event_loop);
    assert_eq!(event_loop.next_deadline(), Some(begin + Duration::from_secs(10)));
    late.abort();
    settle(&event_loop);
    assert_eq!(event_loop.next_deadline(), None);
}

/// Only a loop that runs can make a sleep.
async fn time_sleep(seconds: u64) {
    time::sleep(Duration::from_secs(seconds)).await;
}

#[test]
fn a_deadline_too_far_for_the_clock_is_none_or_in_the_far_future() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    drop(event_loop.spawn(async { time::sleep(Duration::MAX).await }));
    settle(&event_loop);
    if let Some(deadline) = event_loop.next_deadline() {
        assert!(deadline > Instant::now() + Duration::from_secs(86_400 * 365));
    }
}

#[test]
fn a_turn_waits_no_longer_than_its_limit() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    drop(event_loop.spawn(pending::<()>()));
    let begin = Instant::now();
    let limit = Duration::from_millis(5);
    assert!(!event_loop.turn(Some(limit)).unwrap());
    assert!(begin.elapsed() >= limit);
    // No deadline would end it otherwise.
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_turn_waits_no_longer_than_for_the_next_deadline() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.spawn(async { time::sleep(Duration::from_millis(3)).await });
    let begin = Instant::now();
    // The wait may end early, a turn that finds the task done never would: so no limit, but not again.
    while !event_loop.turn(None).unwrap() {}
    assert!(begin.elapsed() >= Duration::from_millis(3));
    settle(&event_loop);
    assert!(handle.is_finished());
}

#[test]
fn a_turn_without_a_wait_does_not_let_virtual_time_pass() {
    let _alone = crate::common::alone();
    let event_loop = virtual_loop();
    let begin = event_loop.now();
    let handle = event_loop.spawn(time_sleep(1));
    settle(&event_loop);
    assert_eq!(event_loop.now(), begin);
    assert!(!handle.is_finished());
    // With a limit it goes as far as that, and no further than the next deadline.
    event_loop.turn(Some(Duration::from_millis(400))).unwrap();
    assert_eq!(event_loop.now() - begin, Duration::from_millis(400));
    event_loop.turn(Some(Duration::from_secs(3600))).unwrap();
    assert_eq!(event_loop.now() - begin, Duration::from_secs(1));
    settle(&event_loop);
    assert!(handle.is_finished());
}

#[test]
fn turns_and_runs_can_be_mixed() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    let bell = Doorbell::default();
    let handle = event_loop.spawn(bell.wait());
    settle(&event_loop);
    event_loop.run(yield_now());
    bell.open();
    settle(&event_loop);
    assert!(handle.is_finished());
    assert_eq!(event_loop.run(async { 1 }), 1);
}

#[test]
fn a_host_can_run_two_loops_of_a_thread_side_by_side() {
    let _alone = crate::common::alone();
    let loops = [virtual_loop(), virtual_loop()];
    let log = Log::default();
    let handles: Vec<_> = loops
        .iter()
        .enumerate()
        .map(|(n, event_loop)| {
            let log = log.clone();
            event_loop.spawn(async move {
                for _ in 0..3 {
                    time::sleep(Duration::from_secs(n as u64 + 1)).await;
                    log.push(n.to_string());
                }
            })
        })
        .collect();
    while handles.iter().any(|handle| !handle.is_finished()) {
        for (event_loop, handle) in loops.iter().zip(&handles) {
            settle(event_loop);
            if !handle.is_finished() {
                event_loop.turn(Some(Duration::from_secs(1))).unwrap();
            }
        }
    }
    assert_eq!(log.take(), ["0", "0", "1", "0", "1", "1"]);
}

#[test]
fn a_turn_with_a_poll_budget_of_one_polls_one_task() {
    let _alone = crate::common::alone();
    for budget in [0, 1] {
        let event_loop = EventLoop::builder().poll_budget(budget).build().unwrap();
        let log = Log::default();
        settle(&event_loop);
        for n in 0..3 {
            let log = log.clone();
            drop(event_loop.spawn(async move { log.push(n.to_string()) }));
        }
        for n in 0..3 {
            assert_eq!(event_loop.turn(Some(Duration::ZERO)).unwrap(), n < 2);
            assert_eq!(log.take(), [n.to_string()]);
        }
    }
}

// ----- by descriptor

#[cfg(target_os = "linux")]
#[cfg(not(mio_unsupported_force_poll_poll))] // its poller has no descriptor
mod descriptor {
    use std::os::fd::{AsFd, AsRawFd};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;
    use std::thread;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::common::{own_waker, woken_by_a_thread};
    use super::*;

    /// Waits until the loop's descriptor is readable, for at most so long.
    fn is_readable(event_loop: &EventLoop, limit: Duration) -> bool {
        let limit = Timespec {
            tv_sec: limit.as_secs().try_into().unwrap(),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(event_loop, PollFlags::IN)];
        poll(&mut fds, Some(&limit)).unwrap() == 1
    }

    /// Drives a loop as a host would, until `is_done`. A minute without an event is a failure.
    fn host(event_loop: &EventLoop, is_done: impl Fn() -> bool) {
        loop {
            settle(event_loop);
            if is_done() {
                return;
            }
            let minute = Duration::from_secs(60);
            let until = event_loop.next_deadline().map_or(minute, |deadline| {
                deadline.saturating_duration_since(Instant::now()).min(minute)
            });
            let came = is_readable(event_loop, until);
            assert!(came || until < minute, "no event for a minute");
        }
    }

    #[test]
    fn the_descriptor_is_that_of_the_poller() {
        let _alone = crate::common::alone();
        let event_loop = EventLoop::new().unwrap();
        assert_eq!(event_loop.as_fd().as_raw_fd(), event_loop.as_raw_fd());
        settle(&event_loop);
        assert!(!is_readable(&event_loop, Duration::ZERO));
    }

    #[test]
    fn a_wake_from_a_thread_makes_the_descriptor_readable() {
        let _alone = crate::common::alone();
        let event_loop = EventLoop::new().unwrap();
        let bell = Doorbell::default();
        drop(event_loop.spawn(bell.wait()));
        settle(&event_loop);
        let waker = bell.waker();
        thread::spawn(move || waker.wake()).join().unwrap();
        assert!(is_readable(&event_loop, Duration::ZERO));
        settle(&event_loop);
        assert_eq!(bell.polls(), 2);
        assert!(!is_readable(&event_loop, Duration::ZERO));
    }

    #[test]
    fn wakes_from_four_threads_make_it_readable_once() {
        let _alone = crate::common::alone();
        let event_loop = EventLoop::new().unwrap();
        let bells: Vec<Doorbell> = (0..4).map(|_| Doorbell::default()).collect();
        for bell in &bells {
            drop(event_loop.spawn(bell.wait()));
        }
        settle(&event_loop);
        let wakers: Vec<Waker> = bells.iter().map(Doorbell::waker).collect();
        let helpers: Vec<_> =
            wakers.into_iter().map(|waker| thread::spawn(move || waker.wake())).collect();
        for helper in helpers {
            helper.join().unwrap();
        }
        assert!(is_readable(&event_loop, Duration::ZERO));
        // One turn serves them all, and what made it readable is gone with it.
        assert!(!event_loop.turn(Some(Duration::ZERO)).unwrap());
        assert!(bells.iter().all(|bell| bell.polls() == 2));
        assert!(!is_readable(&event_loop, Duration::ZERO));
    }

    #[test]
    fn calls_of_a_handle_make_the_descriptor_readable() {
        let _alone = crate::common::alone();
        let event_loop = EventLoop::new().unwrap();
        settle(&event_loop);
        let (handle, count) = (event_loop.handle(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..3 {
            let (handle, count) = (handle.clone(), Arc::clone(&count));
            let call = move || {
                handle.call_soon_threadsafe(move || {
                    count.fetch_add(1, Ordering::SeqCst);
                })
            };
            thread::spawn(call).join().unwrap().unwrap();
            assert!(is_readable(&event_loop, Duration::ZERO));
            settle(&event_loop);
        }
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn a_socket_makes_the_descriptor_readable() {
        let _alone = crate::common::alone();
        use monoloop::io::*;
        use monoloop::net::{TcpListener, TcpStream};

        let event_loop = EventLoop::new().unwrap();
        let (mut near, mut far) = event_loop.run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            (near, listener.accept().await.unwrap().0.into_std().unwrap())
        });
        let reader = event_loop.spawn(async move {
            let mut word = [0; 4];
            near.read_exact(&mut word).await.unwrap();
            word
        });
        settle(&event_loop);
        assert!(!reader.is_finished());
        std::io::Write::write_all(&mut far, b"word").unwrap();
        host(&event_loop, || reader.is_finished());
        assert_eq!(&event_loop.run(reader).unwrap(), b"word");
    }

    #[test]
    fn a_host_drives_timers_threads_and_tasks() {
        let _alone = crate::common::alone();
        let event_loop = EventLoop::new().unwrap();
        let handle = event_loop.spawn(async {
            woken_by_a_thread(50).await;
            time::sleep(Duration::from_millis(2)).await;
            yield_now().await;
            drop(own_waker().await);
        });
        host(&event_loop, || handle.is_finished());
    }

    #[test]
    fn a_wake_during_the_run_of_another_loop_of_the_thread_makes_the_descriptor_readable() {
        let _alone = crate::common::alone();
        let (guest, other) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
        let bell = Doorbell::default();
        drop(guest.spawn(bell.wait()));
        settle(&guest);
        let waker = bell.waker();
        // Taken by the other loop, which cannot poll it.
        other.run(async {
            thread::spawn(move || waker.wake()).join().unwrap();
            yield_now().await;
            yield_now().await;
        });
        assert!(is_readable(&guest, Duration::ZERO), "the host would wait for ever");
        settle(&guest);
        assert_eq!(bell.polls(), 2);

        // Not taken by anybody: the other loop's run is over.
        let waker = bell.waker();
        other.run(async {
            thread::spawn(move || waker.wake()).join().unwrap();
        });
        assert!(is_readable(&guest, Duration::ZERO), "the host would wait for ever");
        settle(&guest);
        assert_eq!(bell.polls(), 3);
    }

    #[test]
    fn a_wake_after_the_run_of_another_loop_of_the_thread_makes_the_descriptor_readable() {
        let _alone = crate::common::alone();
        let (guest, other) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
        let bell = Doorbell::default();
        drop(guest.spawn(bell.wait()));
        settle(&guest);
        other.run(yield_now());
        let waker = bell.waker();
        thread::spawn(move || waker.wake()).join().unwrap();
        assert!(is_readable(&guest, Duration::ZERO), "the host would wait for ever");
        settle(&guest);
        assert_eq!(bell.polls(), 2);
    }
}
