//! `Handle::spawn_with`: other threads wait for a task of the loop, with a limit, and abort it.

mod common;

use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Context;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use common::{alone, grumpy, on_drop, panic_of, quiet_panic, reporting_loop, settle};
use monoloop::{EventLoop, Handle, RemoteJoinError, spawn_blocking, yield_now};

const MOMENT: Duration = Duration::from_millis(20);

/// Runs `body` on another thread, beside a loop that runs until it is through.
fn beside<T: Send + 'static>(
    event_loop: &EventLoop,
    body: impl FnOnce(Handle) -> T + Send + 'static,
) -> T {
    let handle = event_loop.handle();
    let thread = thread::spawn(move || {
        let stop = handle.clone();
        let _stop = on_drop(move || stop.stop().unwrap());
        body(handle)
    });
    event_loop.run_forever();
    thread.join().unwrap()
}

#[test]
fn a_thread_waits_for_the_output() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let (sum, ran_on): (u32, ThreadId) = beside(&event_loop, |handle| {
        let join = handle.spawn_with(|| async {
            let one = Rc::new(1);
            yield_now().await;
            (*one + 1, thread::current().id())
        });
        join.unwrap().join().unwrap()
    });
    assert_eq!((sum, ran_on), (2, thread::current().id()));
}

#[test]
fn waiting_has_a_limit_and_the_handle_can_be_used_again() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let output = beside(&event_loop, |handle| {
        let (send, mut receive) = monoloop::sync::remote::oneshot::channel::<u32>();
        let mut join =
            handle.spawn_with(move || async move { (&mut receive).await.unwrap() }).unwrap();
        let begin = Instant::now();
        assert!(join.join_timeout(MOMENT).is_none());
        assert!(begin.elapsed() >= MOMENT && !join.is_finished() && join.try_join().is_none());
        send.send(5).unwrap();
        join.join_timeout(Duration::MAX).unwrap().unwrap()
    });
    assert_eq!(output, 5);
}

#[test]
fn an_aborted_task_drops_its_future_and_then_says_so() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    beside(&event_loop, |handle| {
        let (begin, begun) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let join = handle.spawn_with(move || async move {
            let _guard = on_drop(move || tell.send(thread::current().id()).unwrap());
            begin.send(thread::current().id()).unwrap();
            pending::<()>().await;
        });
        let join = join.unwrap();
        let home = begun.recv().unwrap();
        assert!(join.abort());
        assert!(join.join().unwrap_err().is_cancelled());
        // It had been dropped when the outcome came.
        assert_eq!(told.try_recv(), Ok(home));
    });
}

#[test]
fn a_task_aborted_before_it_began_never_does() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let mut join = event_loop
        .handle()
        .spawn_with(|| -> std::future::Ready<()> { unreachable!("it was aborted") })
        .unwrap();
    assert!(join.abort());
    settle(&event_loop);
    assert!(join.try_join().unwrap().unwrap_err().is_cancelled());
    assert!(!join.abort());
}

#[test]
fn a_panic_reaches_the_one_who_waits_and_nobody_else() {
    let _alone = alone();
    let (event_loop, log) = reporting_loop();
    let error = beside(&event_loop, |handle| {
        handle.spawn_with(|| async { quiet_panic("no luck") }).unwrap().join()
    });
    let error = error.unwrap_err();
    assert!(error.is_panic() && error.to_string().contains("no luck"), "{error}");
    assert!(error.to_string().contains("loop_remote_join.rs"), "{error}");
    let error = beside(&event_loop, |handle| {
        handle.spawn_with(|| -> std::future::Ready<()> { quiet_panic("maker") }).unwrap().join()
    });
    assert_eq!(common::message(error.unwrap_err().try_into_panic().unwrap()), "maker");
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn a_panic_whose_handle_is_dropped_later_is_reported_once() {
    let _alone = alone();
    let (event_loop, log) = reporting_loop();
    let join = event_loop.handle().spawn_with(|| async { quiet_panic("unread") }).unwrap();
    settle(&event_loop);
    drop(join);
    settle(&event_loop);
    let reports = log.take();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("unread"), "{reports:?}");
}

// asyncio's `future.result()` on the loop's own thread waits for itself, silently.
#[test]
fn waiting_on_the_loops_own_thread_panics() {
    let _alone = alone();
    monoloop::run(async {
        let mut join = Handle::current().spawn_with(|| async {}).unwrap();
        let line = line!() + 1;
        let text = panic_of(|| join.join_timeout(MOMENT));
        assert!(text.contains("own event loop") && text.contains(&format!(".rs:{line}")), "{text}");
        let text = panic_of(|| join.join());
        assert!(text.contains("`RemoteJoin::join`"), "{text}");
    });
}

#[test]
fn it_is_awaited_on_its_own_loop_and_on_another() {
    let _alone = alone();
    monoloop::run(async {
        let here = Handle::current();
        assert_eq!(here.spawn_with(|| async { 1 }).unwrap().await.unwrap(), 1);
        let there = thread::spawn(move || {
            monoloop::run(async move { here.spawn_with(|| async { 2 }).unwrap().await.unwrap() })
        });
        while !there.is_finished() {
            yield_now().await;
        }
        assert_eq!(there.join().unwrap(), 2);
    });
}

// A job of the pool that waits for the loop, which waits for the pool: the end of the loop resolves it.
#[test]
fn the_end_of_the_loop_frees_a_job_that_waits_for_it() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let (begin, begun) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    event_loop.run(async {
        let handle = Handle::current();
        spawn_blocking(move || {
            let join = handle.spawn_with(move || async move {
                begin.send(()).unwrap();
                pending::<()>().await;
            });
            tell.send(join.unwrap().join()).unwrap();
        })
        .detach();
        while begun.try_recv().is_err() {
            yield_now().await;
        }
    });
    let report = event_loop.shutdown();
    assert!(report.stuck.is_empty(), "{report}");
    assert!(told.recv().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn a_closure_that_did_not_get_to_the_loop_says_so() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let mut join = event_loop
        .handle()
        .spawn_with(|| -> std::future::Ready<()> { unreachable!("the loop is gone") })
        .unwrap();
    drop(event_loop);
    let error = join.try_join().unwrap().unwrap_err();
    assert!(
        matches!(error, RemoteJoinError::LoopClosed(_) | RemoteJoinError::Task(_)),
        "{error:?}"
    );
    assert!(error.is_cancelled() && join.try_join().is_none());
}

#[test]
fn a_waker_that_panics_is_reported_and_the_outcome_is_there() {
    let _alone = alone();
    let (event_loop, log) = reporting_loop();
    let mut join = event_loop.handle().spawn_with(|| async { 3 }).unwrap();
    let grumpy = grumpy();
    assert!(Pin::new(&mut join).poll(&mut Context::from_waker(&grumpy)).is_pending());
    settle(&event_loop);
    assert_eq!(join.try_join().unwrap().unwrap(), 3);
    assert!(log.take()[0].contains("waker panicked: not now"));
}

#[test]
fn outputs_are_dropped_where_it_says() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let here = thread::current().id();
    let (tell, told) = mpsc::channel();
    let late = tell.clone();
    beside(&event_loop, move |handle| {
        let (go, wait) = monoloop::sync::remote::oneshot::channel::<()>();
        let output = move || async move {
            wait.await.unwrap();
            on_drop(move || tell.send(thread::current().id()).unwrap())
        };
        handle.spawn_with(output).unwrap().detach();
        go.send(()).unwrap();
        assert_eq!(told.recv(), Ok(here));
        let output =
            move || async move { on_drop(move || late.send(thread::current().id()).unwrap()) };
        let there = handle.spawn_with(output).unwrap();
        while !there.is_finished() {
            thread::yield_now();
        }
        drop(there);
        assert_eq!(told.recv(), Ok(thread::current().id()));
    });
}
