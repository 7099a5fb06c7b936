//! Panics stay in their task, and reach exactly one: the joiner, or the error hook.

mod common;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::{
    Counter, Doorbell, Log, Stay, grumpy, isolated, message, on_drop, panic_of, poll_once,
    quiet_panic, reporting_loop, settle,
};
use monoloop::{ErrorReport, EventLoop, JoinHandle, spawn, task, yield_now};

// ----- who is told

#[test]
fn the_joiner_gets_the_payload_and_can_resume_the_panic() {
    let (event_loop, reports) = reporting_loop();
    let text = panic_of(|| {
        event_loop.run(async {
            let error = spawn(async { quiet_panic("no luck") }).await.unwrap_err();
            assert!(error.is_panic() && !error.is_cancelled());
            assert!(error.to_string().contains("panicked: no luck"), "{error}");
            std::panic::resume_unwind(error.into_panic())
        })
    });
    assert_eq!(text, "no luck");
    assert_eq!(reports.len(), 0, "whoever joined was told");
}

#[test]
fn any_value_can_be_a_payload() {
    monoloop::run(async {
        let handle = spawn(async { std::panic::panic_any(17_u8) });
        let error = handle.await.unwrap_err();
        assert!(error.to_string().ends_with("panicked: a panic without a text"), "{error}");
        assert_eq!(*error.into_panic().downcast::<u8>().unwrap(), 17);
    });
}

#[test]
fn a_cancelled_join_has_no_payload_to_give() {
    monoloop::run(async {
        let handle = spawn(pending::<()>());
        handle.abort();
        let error = handle.await.unwrap_err().try_into_panic().unwrap_err();
        assert!(panic_of(|| error.into_panic()).contains("was cancelled"));
    });
}

#[test]
fn a_panic_of_a_detached_task_is_reported_when_it_happens() {
    let (event_loop, reports) = reporting_loop();
    drop(event_loop.spawn(async { quiet_panic("alone") }));
    settle(&event_loop);
    let lines = reports.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("alone") && lines[0].contains(file!()), "{lines:?}");
    drop(event_loop);
    assert_eq!(reports.len(), 0, "once");
}

#[test]
fn a_panic_nobody_read_is_reported_when_the_handle_is_dropped() {
    let (event_loop, reports) = reporting_loop();
    let handle = event_loop.spawn(async { quiet_panic("unread") });
    settle(&event_loop);
    assert!(handle.is_finished());
    assert_eq!(reports.len(), 0, "somebody may still join");
    drop(handle);
    assert_eq!(reports.take().len(), 1);
}

#[test]
fn a_panic_nobody_read_is_reported_though_the_loop_is_gone() {
    let (event_loop, reports) = reporting_loop();
    let handle = event_loop.spawn(async { quiet_panic("late") });
    settle(&event_loop);
    drop(event_loop);
    assert_eq!(reports.len(), 0);
    drop(handle);
    let lines = reports.take();
    assert!(lines.len() == 1 && lines[0].contains("late"), "{lines:?}");
}

#[test]
fn a_panic_that_was_taken_is_not_reported() {
    let (event_loop, reports) = reporting_loop();
    let mut handle = event_loop.spawn(async { quiet_panic("taken") });
    settle(&event_loop);
    assert!(handle.try_join().unwrap().is_err());
    drop(handle);
    drop(event_loop);
    assert_eq!(reports.len(), 0);
}

#[test]
fn a_report_names_the_task_and_where_it_was_spawned() {
    let seen = Rc::new(Cell::new(0));
    let count = Rc::clone(&seen);
    let line = line!() + 17;
    let event_loop = EventLoop::builder()
        .slow_poll(None)
        .on_error(move |report| {
            let ErrorReport::TaskPanic { task, payload, .. } = report else { panic!("{report}") };
            assert_eq!(task.name(), Some("worker"));
            assert_eq!((task.location().file(), task.location().line()), (file!(), line));
            assert_eq!(payload.downcast_ref::<String>().unwrap(), "tired");
            assert_eq!(report.message(), "tired");
            assert!(
                report.to_string().contains("\"worker\"") && !report.to_string().contains('\n')
            );
            count.set(count.get() + 1);
        })
        .build()
        .unwrap();
    event_loop.run(async {
        drop(task::Builder::new().name("worker").spawn(async { quiet_panic("tired") }));
        yield_now().await;
    });
    assert_eq!(seen.get(), 1);
}

#[test]
fn without_a_hook_a_panic_is_one_line_on_stderr() {
    let output = isolated("without_a_hook_a_panic_is_one_line_on_stderr", || {
        monoloop::run(async {
            drop(spawn(async { quiet_panic("plainly") }));
            yield_now().await;
        });
    });
    let Some(output) = output else { return };
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("plainly")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(lines[0].starts_with("monoloop: task #"), "{text}");
}

#[test]
fn a_hook_that_panics_does_not_stop_the_loop() {
    let output = isolated("a_hook_that_panics_does_not_stop_the_loop", || {
        let calls = Rc::new(Cell::new(0));
        let count = Rc::clone(&calls);
        let event_loop = EventLoop::builder()
            .slow_poll(None)
            .on_error(move |_| {
                count.set(count.get() + 1);
                quiet_panic("from the hook")
            })
            .build()
            .unwrap();
        event_loop.run(async {
            for _ in 0..3 {
                drop(spawn(async { quiet_panic("from the task") }));
            }
            yield_now().await;
            assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
        });
        let unread = event_loop.spawn(async { quiet_panic("from the task") });
        settle(&event_loop);
        drop(unread);
        assert_eq!(calls.get(), 4);
    });
    let Some(output) = output else { return };
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text.matches("from the task").count(), 4, "{text}");
    assert_eq!(text.matches("from the hook").count(), 4, "{text}");
}

#[test]
fn a_hook_may_spawn_and_abort() {
    let spawned = Log::default();
    let (victim, log) = (Rc::new(RefCell::new(None::<JoinHandle<()>>)), spawned.clone());
    let target = Rc::clone(&victim);
    let event_loop = EventLoop::builder()
        .slow_poll(None)
        .on_error(move |_| {
            if let Some(victim) = target.take() {
                assert!(victim.abort());
            }
            let log = log.clone();
            drop(spawn(async move { log.push("by the hook") }));
        })
        .build()
        .unwrap();
    event_loop.run(async {
        *victim.borrow_mut() = Some(spawn(pending()));
        drop(spawn(async { quiet_panic("go") }));
        yield_now().await;
        yield_now().await;
        assert_eq!(task::all().len(), 1);
    });
    assert_eq!(spawned.take(), ["by the hook"]);
}

// ----- the others go on

#[test]
fn a_panic_in_any_poll_leaves_the_others_alone() {
    let alive = Rc::new(Cell::new(0));
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        for fatal in 1..20 {
            let stay = Stay::new(&alive);
            let mut polls = 0;
            let unlucky = spawn(poll_fn(move |cx| {
                let _held = &stay;
                polls += 1;
                if polls == fatal {
                    quiet_panic("unlucky");
                }
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            }));
            let others: Vec<_> = (0..10)
                .map(|n| {
                    let stay = Stay::new(&alive);
                    spawn(async move {
                        let _held = stay;
                        for _ in 0..n * 3 {
                            yield_now().await;
                        }
                        n
                    })
                })
                .collect();
            assert_eq!(message(unlucky.await.unwrap_err().into_panic()), "unlucky");
            for (n, other) in others.into_iter().enumerate() {
                assert_eq!(other.await.unwrap(), n);
            }
            assert_eq!(alive.get(), 0);
            assert_eq!(task::all().len(), 1);
        }
    });
    assert_eq!(reports.len(), 0);
}

#[test]
fn a_panic_wakes_the_joiner() {
    let event_loop = EventLoop::new().unwrap();
    let mut handle = event_loop.spawn(async { quiet_panic("now") });
    let (counter, waker) = Counter::new();
    assert!(poll_once(&mut handle, &waker).is_pending());
    settle(&event_loop);
    assert_eq!(counter.get(), 1);
    assert!(matches!(poll_once(&mut handle, &waker), Poll::Ready(Err(error)) if error.is_panic()));
}

#[test]
fn a_panic_of_the_main_future_goes_to_the_caller_and_the_loop_goes_on() {
    let event_loop = EventLoop::new().unwrap();
    let alive = Rc::new(Cell::new(0));
    let (bell, stay) = (Doorbell::default(), Stay::new(&alive));
    let other = event_loop.spawn(bell.wait());
    let text = panic_of(|| {
        event_loop.run(async {
            let _held = stay;
            yield_now().await;
            quiet_panic("main")
        })
    });
    assert_eq!(text, "main");
    assert_eq!(alive.get(), 0);
    bell.open();
    event_loop.run(other).unwrap();
}

#[test]
fn a_panic_of_the_main_future_shuts_its_own_loop_down() {
    let log = Log::default();
    let text = panic_of(|| {
        monoloop::run(async {
            let captured = log.on_drop("task");
            drop(spawn(async move {
                let _held = captured;
                pending::<()>().await
            }));
            yield_now().await;
            quiet_panic("main")
        })
    });
    assert_eq!(text, "main");
    assert_eq!(log.take(), ["task"]);
    assert_eq!(monoloop::run(async { 1 }), 1);
}

// ----- panics in drops

#[test]
fn a_future_that_panics_when_it_is_dropped_at_its_end_has_panicked() {
    let alive = Rc::new(Cell::new(0));
    monoloop::run(async {
        let (guard, stay) = (on_drop(|| quiet_panic("at the end")), Stay::new(&alive));
        let mut output = Some(Stay::new(&alive));
        // The future's own parts go after it returned `Ready`, with the output in hand.
        let handle = spawn(poll_fn(move |_| {
            let _held = (&guard, &stay);
            Poll::Ready(output.take())
        }));
        assert_eq!(message(handle.await.err().unwrap().into_panic()), "at the end");
        assert_eq!(alive.get(), 0, "all of it was dropped, the output too");
    });
}

#[test]
fn a_panic_in_poll_wins_over_one_in_the_drop_that_follows() {
    let alive = Rc::new(Cell::new(0));
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let (guard, stay) = (on_drop(|| quiet_panic("second")), Stay::new(&alive));
        let handle = spawn(poll_fn(move |_| -> Poll<()> {
            let _held = (&guard, &stay);
            quiet_panic("first")
        }));
        assert_eq!(message(handle.await.unwrap_err().into_panic()), "first");
        assert_eq!(alive.get(), 0);
    });
    assert_eq!(reports.len(), 0);
}

#[test]
fn an_output_that_panics_when_the_loop_drops_it_is_reported() {
    let (event_loop, reports) = reporting_loop();
    drop(event_loop.spawn(async { on_drop(|| quiet_panic("output")) }));
    settle(&event_loop);
    let lines = reports.take();
    assert!(lines.len() == 1 && lines[0].contains("output"), "{lines:?}");
    assert_eq!(event_loop.run(async { 1 }), 1);
}

#[test]
fn an_output_that_panics_when_its_handle_is_dropped_panics_there() {
    let (event_loop, reports) = reporting_loop();
    let handle = event_loop.spawn(async { on_drop(|| quiet_panic("yours")) });
    settle(&event_loop);
    assert_eq!(panic_of(|| drop(handle)), "yours");
    drop(event_loop);
    assert_eq!(reports.len(), 0);
}

#[test]
fn a_payload_that_panics_when_it_is_dropped_is_survived() {
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let event_loop = EventLoop::builder()
        .slow_poll(None)
        .on_error(move |_| count.set(count.get() + 1))
        .build()
        .unwrap();
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            // Nobody can drop the payload of this one in turn: it is forgotten.
            std::panic::resume_unwind(Box::new(()));
        }
    }
    drop(event_loop.spawn(async { std::panic::resume_unwind(Box::new(Bomb)) }));
    event_loop.run(async {
        yield_now().await;
        // In the drop after a panic, the second payload.
        let guard = on_drop(|| std::panic::resume_unwind(Box::new(Bomb)));
        let handle = spawn(poll_fn(move |_| -> Poll<()> {
            let _held = &guard;
            quiet_panic("first")
        }));
        assert_eq!(message(handle.await.unwrap_err().into_panic()), "first");
    });
    assert_eq!(calls.get(), 1);
}

#[test]
fn a_handle_that_is_dropped_in_a_panic_reports_its_own_task() {
    let (event_loop, reports) = reporting_loop();
    let handle = event_loop.spawn(async { quiet_panic("inner") });
    settle(&event_loop);
    let text = panic_of(move || {
        let _held = handle;
        quiet_panic("outer")
    });
    assert_eq!(text, "outer");
    let lines = reports.take();
    assert!(lines.len() == 1 && lines[0].contains("inner"), "{lines:?}");
}

// ----- wakers of others

#[test]
fn a_foreign_waker_that_panics_is_reported_and_the_other_wakes_are_kept() {
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let grumpy = grumpy();
        // A joiner.
        let mut handle = spawn(async { 5 });
        assert!(poll_once(&mut handle, &grumpy).is_pending());
        let other = spawn(async { 6 });
        assert_eq!(other.await.unwrap(), 6);
        assert_eq!(handle.await.unwrap(), 5);
    });
    let lines = reports.take();
    assert!(lines.len() == 1 && lines[0].contains("not now"), "{lines:?}");
}

#[test]
fn a_foreign_waker_that_panics_does_not_keep_other_timers_from_firing() {
    let log = Log::default();
    let reports = log.clone();
    let event_loop = EventLoop::builder()
        .slow_poll(None)
        .virtual_time(true)
        .on_error(move |report| reports.push(report.to_string()))
        .build()
        .unwrap();
    event_loop.run(async {
        let deadline = monoloop::time::now() + Duration::from_secs(1);
        let sleeps: Vec<_> = (0..9)
            .map(|n| {
                let mut sleep = monoloop::time::sleep_until(deadline);
                if n % 2 == 0 {
                    let grumpy = grumpy();
                    // The first poll of a future deadline puts it into the wheel.
                    assert!(poll_once(&mut sleep, &grumpy).is_pending());
                    (None, Some(sleep))
                } else {
                    (Some(spawn(sleep)), None)
                }
            })
            .collect();
        let (tasks, foreign): (Vec<_>, Vec<_>) = sleeps.into_iter().unzip();
        for task in tasks.into_iter().flatten() {
            task.await.unwrap();
        }
        drop(foreign);
        assert_eq!(monoloop::time::now(), deadline);
    });
    assert_eq!(log.take().len(), 5);
}

/// A waker whose last drop panics.
struct Sticky;

impl Wake for Sticky {
    fn wake(self: Arc<Self>) {
        std::mem::forget(self);
    }

    fn wake_by_ref(self: &Arc<Self>) {}
}

impl Drop for Sticky {
    fn drop(&mut self) {
        quiet_panic("a waker's drop");
    }
}

#[test]
fn a_foreign_waker_that_panics_when_it_is_dropped_does_not_make_the_loop_deaf() {
    let (event_loop, _reports) = reporting_loop();
    event_loop.run(async {
        let mut sleep = monoloop::time::sleep(Duration::from_secs(3600));
        let sticky = Waker::from(Arc::new(Sticky));
        assert!(poll_once(&mut sleep, &sticky).is_pending());
        drop(sticky);
        // Dropped elsewhere: the loop takes the timer out later, and with it drops the waker.
        std::thread::spawn(move || drop(sleep)).join().unwrap();
        yield_now().await;
        let (sender, receiver) = std::sync::mpsc::channel();
        monoloop::Handle::current().call_soon_threadsafe(move || sender.send(()).unwrap()).unwrap();
        for _ in 0..3 {
            yield_now().await;
        }
        receiver.try_recv().expect("the loop still serves its handles");
    });
}

// ----- panics beside panics

/// Panics in `poll`, then again when it is dropped, and in between aborts a neighbour that panics too.
struct Chaos {
    neighbour: Option<JoinHandle<()>>,
}

impl Future for Chaos {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        quiet_panic("poll")
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        if let Some(neighbour) = self.neighbour.take() {
            neighbour.abort();
            drop(neighbour);
            quiet_panic("drop");
        }
    }
}

#[test]
fn panics_in_drops_of_tasks_that_abort_each_other_are_each_told_once() {
    let (event_loop, reports) = reporting_loop();
    let mut last = event_loop.spawn(Chaos { neighbour: None });
    for _ in 0..100 {
        last = event_loop.spawn(Chaos { neighbour: Some(last) });
    }
    // Never polled: each is aborted in the drop of the one before.
    last.abort();
    assert!(last.is_finished());
    drop(last);
    settle(&event_loop);
    assert_eq!(reports.take().iter().filter(|line| line.ends_with("drop")).count(), 100);
}

#[test]
fn a_task_can_be_dropped_while_its_thread_unwinds() {
    let alive = Rc::new(Cell::new(0));
    let stay = Stay::new(&alive);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let event_loop = EventLoop::new().unwrap();
        drop(event_loop.spawn(async move {
            let _held = (stay, on_drop(|| drop(catch_unwind(|| quiet_panic("inner")))));
            pending::<()>().await
        }));
        settle(&event_loop);
        quiet_panic("outer")
    }));
    assert!(caught.is_err());
    assert_eq!(alive.get(), 0);
}

/// The child's standard error is a pipe that nobody reads; it begins when that is so.
#[cfg(unix)]
#[test]
fn a_stderr_that_nobody_reads_does_not_end_the_run() {
    const NAME: &str = "a_stderr_that_nobody_reads_does_not_end_the_run";
    const CHILD: &str = "MONOLOOP_BROKEN_STDERR";
    if std::env::var_os(CHILD).is_some() {
        std::io::stdin().read_to_string(&mut String::new()).unwrap();
        let event_loop = EventLoop::builder().slow_poll(None).build().unwrap();
        event_loop.run(async {
            drop(spawn(async { quiet_panic("oh") }));
            yield_now().await;
        });
        // Nothing is being polled, so what is spawned has no parent.
        let orphan = event_loop.spawn(pending::<()>()).id();
        let tasks = event_loop.run(async { task::all() });
        let orphan = tasks.into_iter().find(|task| task.id() == orphan).unwrap();
        assert_eq!(orphan.parent(), None);
        println!("it ended well");
        return;
    }
    if cfg!(miri) {
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("it ended well"), "{output:?}");
}

#[test]
fn a_panic_that_belongs_to_no_task_is_not_laid_at_a_wakers_door() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            quiet_panic("from a closure that never ran");
        }
    }
    let (event_loop, reports) = reporting_loop();
    let bomb = Bomb;
    event_loop.handle().call_soon_threadsafe(move || drop(bomb)).unwrap();
    drop(event_loop);
    let expected = "outside of tasks, something panicked: from a closure that never ran";
    assert_eq!(reports.take(), [expected]);
}
