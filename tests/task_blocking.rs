//! Blocking work beside the loop: `spawn_blocking`, `unblock`, and the end of the pool.

mod census;
mod common;

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use census::{alone, eventually};
use common::{grumpy, on_drop, panic_of, quiet_panic, reporting_loop};
use monoloop::task::{self, TaskState, unblock};
use monoloop::{BlockingJoin, EventLoop, spawn_blocking, time, yield_now};

const MOMENT: Duration = Duration::from_millis(20);

/// A loop with so many threads for blocking work.
fn loop_of(threads: usize) -> EventLoop {
    EventLoop::builder().blocking_threads(threads).build().expect("a loop")
}

/// A job that runs until the sender is used or dropped; gives when it has begun.
fn occupy() -> (BlockingJoin<()>, Sender<()>, Receiver<()>) {
    let (go, wait) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let job = spawn_blocking(move || {
        begin.send(()).expect("somebody waits");
        let _dropped = wait.recv();
    });
    (job, go, begun)
}

/// One that was joined may still be on its way out of the kernel's list.
#[track_caller]
fn assert_no_threads() {
    eventually("the threads have ended", || census::threads().is_empty());
}

#[test]
fn the_loop_goes_on_while_a_job_blocks() {
    let _alone = alone();
    monoloop::run(async {
        let (send, receive) = mpsc::channel();
        let job = spawn_blocking(move || receive.recv().expect("the loop sends"));
        monoloop::spawn(async move { send.send(7).expect("the job waits") }).await.unwrap();
        assert_eq!(job.await.unwrap(), 7);
    });
}

#[test]
fn a_panic_reaches_the_one_who_awaits() {
    let _alone = alone();
    monoloop::run(async {
        let line = line!() + 1;
        let error = spawn_blocking(|| quiet_panic("no luck")).await.unwrap_err();
        assert!(error.is_panic());
        let text = error.to_string();
        assert!(text.contains("no luck") && text.contains(&format!("task_blocking.rs:{line}")));
    });
}

#[test]
fn a_queued_job_whose_handle_is_dropped_never_runs() {
    let _alone = alone();
    let event_loop = loop_of(1);
    event_loop.run(async {
        let (first, go, begun) = occupy();
        begun.recv().unwrap();
        let dropped = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&dropped);
        let captured = on_drop(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let queued = spawn_blocking(move || {
            drop(captured);
            unreachable!("its handle is gone");
        });
        drop(queued);
        assert_eq!(dropped.load(Ordering::SeqCst), 1, "at once");
        drop(go);
        first.await.unwrap();
        // First in, first out: it would have been before this one.
        spawn_blocking(|| ()).await.unwrap();
    });
    assert!(event_loop.shutdown().is_clean());
    assert_no_threads();
}

#[test]
fn an_aborted_job_never_runs_and_a_running_one_is_not_aborted() {
    let _alone = alone();
    loop_of(1).run(async {
        let (first, go, begun) = occupy();
        begun.recv().unwrap();
        let queued = spawn_blocking(|| unreachable!("it was aborted"));
        assert!(queued.abort() && !queued.abort());
        assert!(queued.is_finished());
        assert!(queued.await.unwrap_err().is_cancelled());
        assert!(!first.abort() && !first.is_finished());
        drop(go);
        first.await.expect("the outcome stands");
    });
}

#[test]
fn aborting_wakes_who_awaits() {
    let _alone = alone();
    loop_of(1).run(async {
        let (first, go, begun) = occupy();
        begun.recv().unwrap();
        let queued = Rc::new(std::cell::RefCell::new(spawn_blocking(|| ())));
        let waiter = monoloop::spawn({
            let queued = Rc::clone(&queued);
            poll_fn(move |cx| Pin::new(&mut *queued.borrow_mut()).poll(cx))
        });
        yield_now().await;
        assert!(queued.borrow().abort());
        assert!(waiter.await.unwrap().unwrap_err().is_cancelled());
        drop(go);
        first.await.unwrap();
    });
}

#[test]
fn a_detached_job_runs_though_it_had_not_begun() {
    let _alone = alone();
    loop_of(1).run(async {
        let (first, go, begun) = occupy();
        begun.recv().unwrap();
        let (send, receive) = mpsc::channel();
        spawn_blocking(move || send.send(1).unwrap()).detach();
        drop(go);
        first.await.unwrap();
        spawn_blocking(|| ()).await.unwrap();
        assert_eq!(receive.try_recv(), Ok(1));
    });
}

#[test]
fn jobs_begin_in_the_order_they_came() {
    let _alone = alone();
    loop_of(1).run(async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let jobs: Vec<_> = (0..50)
            .map(|n| {
                let order = Arc::clone(&order);
                spawn_blocking(move || order.lock().unwrap().push(n))
            })
            .collect();
        // Taken out from the middle.
        for (n, job) in jobs.into_iter().enumerate() {
            match n {
                40 => drop(job),
                _ => job.await.unwrap(),
            }
        }
        assert_eq!(order.lock().unwrap()[..40], Vec::from_iter(0..40));
    });
}

#[test]
fn there_are_no_more_threads_than_were_allowed() {
    let _alone = alone();
    loop_of(3).run(async {
        let together = Arc::new(Barrier::new(3));
        let running = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<_> = (0..12)
            .map(|_| {
                let (together, running) = (Arc::clone(&together), Arc::clone(&running));
                spawn_blocking(move || {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    // Passed by three jobs at a time: so there are three.
                    together.wait();
                    running.fetch_sub(1, Ordering::SeqCst);
                    now
                })
            })
            .collect();
        for job in jobs {
            assert!(job.await.unwrap() <= 3);
        }
    });
}

#[test]
fn one_job_after_the_other_takes_one_thread() {
    let _alone = alone();
    loop_of(8).run(async {
        let first = spawn_blocking(|| thread::current().id()).await.unwrap();
        for _ in 0..200 {
            assert_eq!(spawn_blocking(|| thread::current().id()).await.unwrap(), first);
        }
    });
}

#[test]
fn threads_are_named_and_numbered() {
    let _alone = alone();
    let event_loop = EventLoop::builder().blocking_thread_name("digger").build().unwrap();
    let name = event_loop.run(async {
        spawn_blocking(|| thread::current().name().map(String::from)).await.unwrap()
    });
    assert_eq!(name.as_deref(), Some("digger-1"));
    let text = panic_of(|| EventLoop::builder().blocking_thread_name("a\0b"));
    assert!(text.contains("zero"), "{text}");
}

#[test]
fn idle_threads_end_and_new_ones_start() {
    let _alone = alone();
    let event_loop = EventLoop::builder().blocking_keep_alive(Duration::ZERO).build().unwrap();
    event_loop.run(async {
        for _ in 0..20 {
            let (a, b) = (spawn_blocking(|| 1), spawn_blocking(|| 2));
            assert_eq!(a.await.unwrap() + b.await.unwrap(), 3);
            assert_no_threads();
        }
    });
    assert!(event_loop.shutdown().is_clean());
}

#[test]
fn the_output_of_a_running_job_that_nobody_takes_is_dropped_on_its_thread() {
    let _alone = alone();
    monoloop::run(async {
        let (go, wait) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let job = spawn_blocking(move || {
            begin.send(()).unwrap();
            let _dropped = wait.recv();
            on_drop(move || tell.send(thread::current().name().map(String::from)).unwrap())
        });
        begun.recv().unwrap();
        drop(job);
        drop(go);
        assert_eq!(told.recv().unwrap().as_deref(), Some("monoloop-1"));
    });
}

#[test]
fn an_output_that_is_there_is_dropped_with_the_handle() {
    let _alone = alone();
    monoloop::run(async {
        let (tell, told) = mpsc::channel();
        let job =
            spawn_blocking(move || on_drop(move || tell.send(thread::current().id()).unwrap()));
        eventually("the job has ended", || job.is_finished());
        assert!(told.try_recv().is_err());
        drop(job);
        assert_eq!(told.try_recv(), Ok(thread::current().id()));
    });
}

#[test]
fn a_panic_that_nobody_joins_is_reported_once() {
    let _alone = alone();
    let (event_loop, log) = reporting_loop();
    event_loop.run(async {
        spawn_blocking(|| quiet_panic("detached")).detach();
        while log.len() == 0 {
            yield_now().await;
        }
        let unread = spawn_blocking(|| quiet_panic("unread"));
        eventually("the job has ended", || unread.is_finished());
        drop(unread);
        while log.len() == 1 {
            yield_now().await;
        }
        let read = spawn_blocking(|| quiet_panic("read"));
        assert!(read.await.unwrap_err().is_panic());
    });
    event_loop.shutdown();
    let reports = log.take();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(reports[0].contains("task_blocking.rs") && reports[0].contains("panicked: detached"));
    assert!(reports[1].contains("panicked: unread"));
}

#[test]
fn drops_that_panic_are_reported_and_the_thread_goes_on() {
    let _alone = alone();
    let (event_loop, log) = reporting_loop();
    event_loop.run(async {
        let (go, wait) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let job = spawn_blocking(move || {
            begin.send(()).expect("somebody waits");
            let _dropped = wait.recv();
            on_drop(|| quiet_panic("output"))
        });
        begun.recv().expect("it begins");
        drop((job, go));
        let captured = on_drop(|| quiet_panic("captured"));
        spawn_blocking(move || drop(captured)).detach();
        spawn_blocking(|| ()).await.unwrap();
    });
    event_loop.shutdown();
    let log = log.take();
    for what in ["output", "captured"] {
        assert!(log.iter().any(|report| report.contains(what)), "{log:?}");
    }
}

#[test]
fn a_waker_that_panics_harms_neither_thread_nor_loop() {
    let _alone = alone();
    let (event_loop, log) = reporting_loop();
    event_loop.run(async {
        let (mut job, go, begun) = occupy();
        begun.recv().unwrap();
        let grumpy = grumpy();
        assert!(Pin::new(&mut job).poll(&mut Context::from_waker(&grumpy)).is_pending());
        drop(go);
        while log.len() == 0 {
            yield_now().await;
        }
        job.await.unwrap();
        spawn_blocking(|| ()).await.unwrap();
    });
    assert!(log.take()[0].contains("waker panicked: not now"));
}

#[test]
fn the_drop_of_a_closure_may_hand_over_another() {
    let _alone = alone();
    let (send, receive) = mpsc::channel();
    loop_of(1).run(async {
        let (first, go, begun) = occupy();
        begun.recv().unwrap();
        let captured = on_drop(move || spawn_blocking(move || send.send(()).unwrap()).detach());
        drop(spawn_blocking(move || drop(captured)));
        drop(go);
        first.await.unwrap();
        spawn_blocking(|| ()).await.unwrap();
    });
    assert_eq!(receive.try_recv(), Ok(()));
}

#[test]
fn many_outcomes_come_to_the_loop_at_one_time() {
    const JOBS: usize = 64;
    let _alone = alone();
    loop_of(1).run(async {
        let (go, wait) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        spawn_blocking(move || wait.recv()).detach();
        let waiting: Vec<_> = (0..JOBS)
            .map(|_| {
                let job = spawn_blocking(|| ());
                monoloop::spawn(async move { job.await.unwrap() })
            })
            .collect();
        spawn_blocking(move || tell.send(()).unwrap()).detach();
        let idle = || task::all().iter().filter(|task| task.state() == TaskState::Idle).count();
        while idle() < JOBS {
            yield_now().await;
        }
        go.send(()).unwrap();
        // The one thread has woken all the others before it tells; the loop stands still meanwhile.
        told.recv().unwrap();
        assert_eq!(idle(), JOBS);
        while idle() == JOBS {
            yield_now().await;
        }
        assert_eq!(idle(), 0);
        for task in waiting {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_virtual_clock_does_not_jump_while_a_job_is_out() {
    let _alone = alone();
    common::virtual_loop().run(async {
        let begin = time::now();
        let job = spawn_blocking(|| thread::sleep(MOMENT));
        time::timeout(Duration::from_secs(3600), job).await.expect("time stands still").unwrap();
        assert_eq!(time::now(), begin);
        time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(time::now() - begin, Duration::from_secs(3600), "and then it does");
    });
}

#[test]
fn a_virtual_clock_is_let_go_by_a_job_that_was_taken_out() {
    let _alone = alone();
    let event_loop =
        EventLoop::builder().virtual_time(true).blocking_threads(1).build().expect("a loop");
    event_loop.run(async {
        let (first, go, begun) = occupy();
        begun.recv().unwrap();
        drop(spawn_blocking(|| ()));
        drop(go);
        first.await.unwrap();
        time::sleep(Duration::from_secs(3600)).await;
    });
}

#[test]
fn unblock_begins_when_it_is_awaited() {
    let _alone = alone();
    monoloop::run(async {
        drop(unblock(|| unreachable!("nobody awaits it")));
        let caller = thread::current().id();
        assert_ne!(unblock(|| thread::current().id()).await, caller);
    });
}

#[test]
fn unblock_resumes_a_panic() {
    let _alone = alone();
    let text = panic_of(|| monoloop::run(unblock(|| quiet_panic("no luck"))));
    assert_eq!(text, "no luck");
}

#[test]
fn without_a_loop_it_panics_and_names_the_place() {
    let line = line!() + 1;
    let text = panic_of(|| spawn_blocking(|| ()));
    assert!(text.contains("spawn_blocking") && text.contains(&format!("task_blocking.rs:{line}")));
}

#[test]
fn a_handle_asked_again_panics() {
    let _alone = alone();
    let text = panic_of(|| {
        monoloop::run(async {
            let mut job = spawn_blocking(|| ());
            (&mut job).await.unwrap();
            assert!(job.try_join().is_none());
            (&mut job).await.unwrap();
        });
    });
    assert!(text.contains("after it gave its outcome"), "{text}");
}

// tokio #1923: a pool that hangs the shutdown.
#[test]
fn a_stuck_job_is_named_and_left_behind() {
    let _alone = alone();
    let log = common::Log::default();
    let reports = log.clone();
    let event_loop = EventLoop::builder()
        .shutdown_limit(MOMENT)
        .blocking_threads(1)
        .on_error(move |report| reports.push(report.to_string()))
        .build()
        .unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let place = Location::caller();
    let (stuck, queued) = event_loop.run(async {
        let stuck = spawn_blocking(move || {
            begin.send(()).unwrap();
            let _dropped = wait.recv();
            on_drop(move || tell.send(thread::current().name().map(String::from)).unwrap())
        });
        begun.recv().unwrap();
        (stuck, spawn_blocking(|| unreachable!("the loop ends first")))
    });
    let ids = (stuck.id(), queued.id());
    drop(stuck);
    let begin = Instant::now();
    let report = event_loop.shutdown();
    assert!(begin.elapsed() < Duration::from_secs(60));
    assert!(!report.is_clean());
    assert_eq!((report.stuck.len(), report.unstarted.len()), (1, 1));
    assert_eq!((report.stuck[0].id(), report.unstarted[0].id()), ids);
    assert_eq!(report.stuck[0].location().file(), place.file());
    let text = report.to_string();
    assert!(text.contains("is stuck") && text.contains("never ran"), "{text}");
    assert!(log.take().iter().any(|report| report.contains("stuck")));
    // What the handle of a job that was dropped sees, on any executor.
    let error = futures_lite::future::block_on(queued).unwrap_err();
    assert!(error.is_cancelled());
    // The job ends after its loop: its output is dropped once, on its thread.
    drop(go);
    assert_eq!(told.recv().unwrap().as_deref(), Some("monoloop-1"));
    assert!(told.recv().is_err());
    assert_no_threads();
}

// A result that comes after the loop is gone.
#[test]
fn the_outcome_of_a_stuck_job_can_be_awaited_after_its_loop() {
    let _alone = alone();
    let event_loop = EventLoop::builder().shutdown_limit(Duration::ZERO).build().unwrap();
    let (go, wait) = mpsc::channel();
    let (begin, begun) = mpsc::channel();
    let (_, mut job) = event_loop.run(async {
        let mut job = spawn_blocking(move || {
            begin.send(()).unwrap();
            wait.recv().unwrap()
        });
        begun.recv().unwrap();
        // It keeps a waker of the loop's.
        poll_fn(|cx| {
            assert!(Pin::new(&mut job).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        ((), job)
    });
    assert_eq!(event_loop.shutdown().stuck.len(), 1);
    go.send(5).unwrap();
    assert_eq!(futures_lite::future::block_on(&mut job).unwrap(), 5);
    assert_no_threads();
}

#[test]
fn the_end_of_the_loop_waits_for_running_jobs() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let ended = Arc::new(AtomicUsize::new(0));
    event_loop.run(async {
        let (begin, begun) = mpsc::channel();
        let ended = Arc::clone(&ended);
        spawn_blocking(move || {
            begin.send(()).unwrap();
            thread::sleep(MOMENT);
            ended.fetch_add(1, Ordering::SeqCst);
        })
        .detach();
        begun.recv().unwrap();
    });
    let report = event_loop.shutdown();
    assert!(report.is_clean(), "{report}");
    assert_eq!(ended.load(Ordering::SeqCst), 1);
    assert_no_threads();
}

#[test]
fn a_loop_dropped_inside_another_ends_its_threads_too() {
    let _alone = alone();
    let inner = loop_of(2);
    inner.run(async { spawn_blocking(|| ()).await.unwrap() });
    monoloop::run(async move { drop(inner) });
    assert_no_threads();
}

#[test]
fn jobs_and_threads_and_descriptors_are_gone_in_the_end() {
    // Whose end asserts it.
    let _alone = alone();
    for _ in 0..10 {
        monoloop::run(async {
            let jobs: Vec<_> = (0..20).map(|n| spawn_blocking(move || n)).collect();
            let mut sum = 0;
            for job in jobs {
                sum += job.await.unwrap();
            }
            assert_eq!(sum, 190);
        });
    }
}
