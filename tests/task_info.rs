//! What can be known of tasks: `task::current`, `task::all` and their metadata.

mod common;

use std::cell::RefCell;
use std::future::pending;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::{Doorbell, on_drop, settle, virtual_loop};
use monoloop::task::{self, TaskInfo, TaskState};
use monoloop::{EventLoop, call_later, call_soon, spawn, time, yield_now};

fn find(id: task::TaskId) -> Option<TaskInfo> {
    task::all().into_iter().find(|task| task.id() == id)
}

#[test]
fn outside_of_loops_there_are_no_tasks() {
    assert!(task::current().is_none());
    assert!(task::all().is_empty());
    let event_loop = EventLoop::new().unwrap();
    drop(event_loop.spawn(pending::<()>()));
    settle(&event_loop);
    assert!(task::current().is_none());
    assert!(task::all().is_empty(), "the loop is not running");
}

#[test]
fn the_main_future_is_a_task_called_main() {
    let line = line!() + 1;
    let me = monoloop::run(async { task::current().unwrap() });
    assert_eq!(me.name(), Some("main"));
    assert_eq!(me.parent(), None);
    assert_eq!(me.state(), TaskState::Running);
    assert_eq!((me.location().file(), me.location().line()), (file!(), line));
}

#[test]
fn a_task_knows_its_name_parent_and_spawn_site() {
    monoloop::run(async {
        let main = task::current().unwrap().id();
        let line = line!() + 1;
        let handle = spawn(async { task::current().unwrap() });
        let id = handle.id();
        assert_eq!(handle.name(), None);
        assert_eq!(handle.abort_handle().id(), id);
        let info = handle.await.unwrap();
        assert_eq!((info.id(), info.parent(), info.name()), (id, Some(main), None));
        assert_eq!((info.location().file(), info.location().line()), (file!(), line));

        let line = line!() + 1;
        let handle = task::Builder::new().name("child").spawn(async { task::current().unwrap() });
        assert_eq!(handle.name().as_deref(), Some("child"));
        let info = handle.await.unwrap();
        assert_eq!((info.name(), info.location().line()), (Some("child"), line));
        assert!(info.id() > id, "ids go up in spawn order");

        let grandchild = spawn(async { spawn(async { task::current().unwrap() }).await.unwrap() });
        let child = grandchild.id();
        assert_eq!(grandchild.await.unwrap().parent(), Some(child));
    });
}

#[test]
fn the_spawn_site_is_that_of_the_caller_of_track_caller_functions() {
    #[track_caller]
    fn helper() -> monoloop::JoinHandle<&'static Location<'static>> {
        spawn(async { task::current().unwrap().location() })
    }
    monoloop::run(async {
        let line = line!() + 1;
        assert_eq!(helper().await.unwrap().line(), line);
    });
}

#[test]
fn a_task_spawned_outside_of_tasks_has_no_parent() {
    let event_loop = EventLoop::new().unwrap();
    let line = line!() + 1;
    let handle = event_loop.spawn(async { task::current().unwrap() });
    let info = event_loop.run(handle).unwrap();
    assert_eq!((info.parent(), info.location().line()), (None, line));
}

#[test]
fn all_gives_living_tasks_in_spawn_order() {
    monoloop::run(async {
        let waiting: Vec<_> = (0..300).map(|_| spawn(pending::<()>())).collect();
        yield_now().await;
        // Holes, so that places are used again out of order.
        for handle in waiting.iter().step_by(3) {
            handle.abort();
        }
        let later: Vec<_> = (0..100).map(|_| spawn(pending::<()>())).collect();
        let ids: Vec<_> = task::all().iter().map(TaskInfo::id).collect();
        assert_eq!(ids.len(), 1 + 200 + 100);
        assert!(ids.is_sorted());
        assert_eq!(ids[0], task::current().unwrap().id());
        assert_eq!(ids.last(), later.last().map(|handle| handle.id()).as_ref());
    });
}

#[test]
fn callbacks_are_not_shown_as_tasks() {
    monoloop::run(async {
        let _soon = call_soon(|| {});
        let _later = call_later(Duration::from_secs(3600), || {});
        assert_eq!(task::all().len(), 1);
        yield_now().await;
        assert_eq!(task::all().len(), 1);
    });
}

#[test]
fn the_state_says_where_a_task_stands() {
    monoloop::run(async {
        let bell = Doorbell::default();
        let handle = spawn(bell.wait());
        let id = handle.id();
        assert_eq!(find(id).unwrap().state(), TaskState::Queued);
        yield_now().await;
        assert_eq!(find(id).unwrap().state(), TaskState::Idle);
        bell.open();
        assert_eq!(find(id).unwrap().state(), TaskState::Queued);
        yield_now().await;
        assert!(find(id).is_none(), "tasks that are over are not shown");
        let me = task::current().unwrap();
        assert_eq!(find(me.id()).unwrap().state(), TaskState::Running);
    });
}

#[test]
fn a_task_whose_future_is_being_dropped_is_current_and_over() {
    let seen: Rc<RefCell<Option<TaskInfo>>> = Rc::default();
    let record = Rc::clone(&seen);
    monoloop::run(async {
        let guard = on_drop(move || *record.borrow_mut() = task::current());
        let handle = spawn(async move {
            let _held = guard;
            pending::<()>().await
        });
        yield_now().await;
        handle.abort();
        let seen = seen.take().unwrap();
        assert_eq!(seen.id(), handle.id());
        assert_eq!(seen.state(), TaskState::Over);
        assert_eq!(
            task::current().unwrap().name(),
            Some("main"),
            "and then the aborting one again"
        );
    });
}

#[test]
fn a_task_is_current_again_after_a_child_was_polled_in_it() {
    monoloop::run(async {
        let before = task::current().unwrap().id();
        spawn(async { yield_now().await }).await.unwrap();
        assert_eq!(task::current().unwrap().id(), before);
    });
}

#[test]
fn the_age_is_told_by_the_clock_of_the_loop() {
    virtual_loop().run(async {
        let handle = spawn(pending::<()>());
        time::sleep(Duration::from_secs(90)).await;
        assert_eq!(find(handle.id()).unwrap().age(), Duration::from_secs(90));
        let younger = spawn(pending::<()>());
        assert_eq!(find(younger.id()).unwrap().age(), Duration::ZERO);
    });
}

/// By the real clock: tasks of one poll are of one age, however long it takes.
#[test]
fn spawning_does_not_read_the_clock() {
    monoloop::run(async {
        let wait = || {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_micros(50) {}
        };
        let first = spawn(pending::<()>());
        wait();
        let second = spawn(pending::<()>());
        wait();
        let third = task::Builder::new().name("third").spawn(pending::<()>());
        let ages = [first, second, third].map(|task| find(task.id()).unwrap().age());
        assert!(ages[0] == ages[1] && ages[1] == ages[2], "{ages:?}");
    });
}

#[test]
fn ids_are_never_used_again() {
    monoloop::run(async {
        let mut last = spawn(async {}).id();
        for _ in 0..1000 {
            let handle = spawn(async {});
            assert!(handle.id() > last);
            last = handle.id();
            handle.await.unwrap();
        }
    });
}

#[test]
fn a_task_is_displayed_in_one_line() {
    monoloop::run(async {
        let handle = task::Builder::new().name("reader").spawn(pending::<()>());
        let text = find(handle.id()).unwrap().to_string();
        assert_eq!(
            text,
            format!("task {} \"reader\" (spawned at {}:{}:58)", handle.id(), file!(), line!() - 4)
        );
        let name: Rc<str> = Rc::from("shared");
        let handle = task::Builder::new().name(Rc::clone(&name)).spawn(async {});
        assert!(Rc::ptr_eq(&handle.name().unwrap(), &name));
        handle.await.unwrap();
    });
}

#[test]
fn a_join_error_names_its_task() {
    monoloop::run(async {
        let handle = task::Builder::new().name("late").spawn(pending::<()>());
        let id = handle.id();
        handle.abort();
        let error = handle.await.unwrap_err();
        assert_eq!((error.id(), error.name()), (id, Some("late")));
        let text = error.to_string();
        assert!(text.starts_with(&format!("task {id} \"late\" (spawned at {}", file!())), "{text}");
        assert!(text.ends_with(" was cancelled"), "{text}");
        assert_eq!(format!("{error:?}"), format!("JoinError({error})"));
    });
}

#[test]
fn a_callback_is_no_task_and_nobodys_parent() {
    let _alone = common::alone();
    let (current, parent) = monoloop::run(async {
        let seen = std::rc::Rc::new(RefCell::new(None));
        let record = seen.clone();
        call_soon(move || {
            let child = spawn(pending::<()>());
            let parent = find(child.id()).unwrap().parent();
            *record.borrow_mut() = Some((task::current(), parent));
        });
        yield_now().await;
        seen.take().unwrap()
    });
    assert!(current.is_none());
    assert_eq!(parent, None);
}
