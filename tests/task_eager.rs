//! Eager spawns, shields, and handles that abort.

mod common;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use common::{Log, alone, message, panic_of, quiet_panic, reporting_loop, virtual_loop};
use monoloop::task::{self, Eager, shield, spawn_detached, spawn_eager};
use monoloop::{EventLoop, spawn, time, yield_now};

const SECOND: Duration = Duration::from_secs(1);

// ----- eager

#[test]
fn what_is_ready_at_once_is_given_at_once() {
    virtual_loop().run(async {
        let eager = spawn_eager(async { 1 });
        assert!(eager.is_ready() && eager.handle().is_none());
        assert_eq!(task::all().len(), 1);
        assert_eq!(eager.ready().unwrap(), 1);
        assert_eq!(spawn_eager(async { 2 }).await.unwrap(), 2);
    });
}

#[test]
fn what_waits_goes_on_as_a_task() {
    let _alone = alone();
    virtual_loop().run(async {
        let polls = Rc::new(Cell::new(0));
        let count = polls.clone();
        let eager = spawn_eager(async move {
            count.set(count.get() + 1);
            yield_now().await;
            count.set(count.get() + 1);
            "done"
        });
        assert_eq!((polls.get(), eager.is_ready()), (1, false));
        assert!(!eager.handle().unwrap().is_finished());
        assert_eq!(eager.await.unwrap(), "done");
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn a_task_that_waits_for_nothing_is_polled_once() {
    let _alone = alone();
    virtual_loop().run(async {
        let bell = common::Doorbell::default();
        let eager = spawn_eager(bell.wait());
        for _ in 0..3 {
            yield_now().await;
        }
        assert_eq!(bell.polls(), 1);
        bell.open();
        eager.await.unwrap();
        assert_eq!(bell.polls(), 2);
    });
}

#[test]
fn the_first_poll_is_the_new_tasks_own() {
    virtual_loop().run(async {
        let me = task::current().unwrap().id();
        let (id, parent) = spawn_eager(async {
            let this = task::current().unwrap();
            (this.id(), this.parent())
        })
        .ready()
        .unwrap();
        assert!(id != me && parent == Some(me));
        assert_eq!(task::current().unwrap().id(), me);
        // Inside of one another.
        let depth = spawn_eager(async {
            let outer = task::current().unwrap().id();
            let inner = spawn_eager(async { task::current().unwrap().parent() }).ready().unwrap();
            (inner, Some(outer), task::current().unwrap().id() == outer)
        });
        let (inner, outer, same) = depth.ready().unwrap();
        assert!(inner == outer && same);
    });
}

#[test]
fn a_panic_at_once_is_the_tasks() {
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let eager: Eager<()> = spawn_eager(async { quiet_panic("early") });
        let Eager::Spawned(handle) = eager else { panic!("it gave an output") };
        assert!(handle.is_finished());
        assert_eq!(message(handle.await.unwrap_err().into_panic()), "early");
        spawn_eager(async { quiet_panic("nobody joins") }).detach();
    });
    assert_eq!(reports.take().len(), 1);
}

#[test]
fn an_eager_task_may_abort_its_spawner() {
    virtual_loop().run(async {
        let log = Log::default();
        let (slot, noted) = (Rc::new(RefCell::new(None::<task::AbortHandle>)), log.clone());
        let inner = slot.clone();
        let spawner = spawn(async move {
            let _held = noted.on_drop("spawner gone");
            let done = spawn_eager(async move { inner.take().unwrap().abort() });
            noted.push(format!("aborted: {}", done.ready().unwrap()));
            pending::<()>().await
        });
        slot.replace(Some(spawner.abort_handle()));
        assert!(spawner.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["aborted: true", "spawner gone"]);
    });
}

#[test]
fn eager_tasks_are_refused_late_in_the_end() {
    let log = Log::default();
    let event_loop = EventLoop::builder().shutdown_limit(Duration::ZERO).build().unwrap();
    let noted = log.clone();
    let _task = event_loop.spawn(async move {
        let _guard = common::on_drop(move || {
            let eager = spawn_eager(async { unreachable!("it is refused") });
            let handle: monoloop::JoinHandle<()> = eager.ready().unwrap_err();
            noted.push(format!("over: {}", handle.is_finished()));
        });
        pending::<()>().await
    });
    event_loop.run(yield_now());
    assert_eq!(event_loop.shutdown().refused, 1);
    assert_eq!(log.take(), ["over: true"]);
}

#[test]
fn an_eager_spawn_needs_a_loop() {
    let text = panic_of(|| drop(spawn_eager(async {})));
    assert!(text.contains("`task::spawn_eager` called at tests/task_eager.rs"), "{text}");
}

// ----- shields

#[test]
fn a_shielded_future_runs_on_when_its_waiter_goes() {
    virtual_loop().run(async {
        let log = Log::default();
        let noted = log.clone();
        let work = shield(async move {
            time::sleep(SECOND * 2).await;
            noted.push("saved");
            Ok::<_, String>(1)
        });
        assert!(time::timeout(SECOND, work).await.is_err());
        time::sleep(SECOND * 2).await;
        assert_eq!(log.take(), ["saved"]);
        assert_eq!(shield(async { Ok::<_, String>(1) }).await, Ok(1));
        assert_eq!(shield(async { Err::<(), _>(String::from("no")) }).await, Err("no".into()));
    });
}

#[test]
fn the_error_of_a_shield_is_reported_once_if_nobody_gets_it() {
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        // The waiter goes first.
        drop(shield(async { Err::<(), _>("unheard") }));
        yield_now().await;
        // The error comes first, and is not read.
        let unread = shield(async { Err::<(), _>("unread") });
        yield_now().await;
        assert!(unread.is_finished());
        drop(unread);
        // It is read.
        shield(async { Err::<(), _>("read") }).await.unwrap_err();
        drop(shield(async { Ok::<_, &str>(()) }));
        yield_now().await;
    });
    let reports = reports.take();
    let ends = ["failed: unheard", "failed: unread"];
    assert!(
        reports.len() == 2 && reports.iter().zip(ends).all(|(r, end)| r.ends_with(end)),
        "{reports:?}"
    );
    assert!(reports[0].contains("tests/task_eager.rs"), "{reports:?}");
}

#[test]
fn a_shields_panic_is_its_waiters() {
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let task = spawn(async {
            let _: Result<(), String> = shield(async { quiet_panic("shielded") }).await;
        });
        assert_eq!(message(task.await.unwrap_err().into_panic()), "shielded");
        drop(shield(async {
            if yielded().await { quiet_panic("unheard") } else { Ok::<_, String>(()) }
        }));
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(reports.take().len(), 1);
}

async fn yielded() -> bool {
    yield_now().await;
    true
}

#[test]
fn errors_of_detached_tasks_are_reported_with_their_task() {
    let reports = Log::default();
    let hook = reports.clone();
    let event_loop = EventLoop::builder()
        .slow_poll(None)
        .on_error(move |report| {
            let monoloop::ErrorReport::TaskFailed { task, error } = report else {
                panic!("{report}")
            };
            assert!(
                error.is::<std::io::Error>() && task.location().file().ends_with("task_eager.rs")
            );
            hook.push(report.message());
        })
        .build()
        .unwrap();
    event_loop.run(async {
        let quiet = spawn_detached(async { Ok::<_, String>(()) });
        spawn_detached(async { Err(std::io::Error::other("no disk")) });
        yield_now().await;
        assert!(quiet.is_finished());
        spawn_detached(pending::<Result<(), String>>()).abort();
    });
    assert_eq!(reports.take(), ["no disk"]);
}

// ----- handles that abort

#[test]
fn abort_on_drop_aborts_unless_taken_apart() {
    virtual_loop().run(async {
        let task = spawn(pending::<()>()).abort_on_drop();
        let abort = task.abort_handle();
        assert!(!task.is_finished());
        drop(task);
        assert!(abort.is_finished());
        let task = spawn(async { 1 }).abort_on_drop().into_inner();
        assert_eq!(task.await.unwrap(), 1);
        assert_eq!(task::AbortOnDrop::from(spawn(async { 2 })).await.unwrap(), 2);
        let mut over = spawn(async { 3 }).abort_on_drop();
        yield_now().await;
        assert_eq!(over.try_join().unwrap().unwrap(), 3);
    });
}
