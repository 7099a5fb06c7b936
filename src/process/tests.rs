//! Without pidfds, as on other systems: by SIGCHLD. With `--cfg monoloop_no_pidfd` the integration tests run so too.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::exit::Watch;
use super::{Child, Command, Stdio, pidfd, shell};
use crate::future::gather;
use crate::time::sleep;
use crate::{run, spawn, yield_now};

/// Runs the future where each child of this thread is watched by SIGCHLD.
fn run_without_pidfds<R>(future: impl Future<Output = R>) -> R {
    pidfd::REFUSED.set(true);
    let result = run(future);
    pidfd::REFUSED.set(false);
    result
}

fn is_in_the_system(id: u32) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}

fn cat() -> Child {
    let child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    assert!(child.process.get().watches_by(|watch| matches!(watch, Watch::Signal(_))));
    child
}

#[test]
fn without_pidfds_several_tasks_wait() {
    run_without_pidfds(async {
        let mut child = cat();
        let stdin = child.stdin.take();
        let child = Rc::new(child);
        let wait = |child: &Rc<Child>| {
            let child = Rc::clone(child);
            spawn(async move { child.wait().await.unwrap().code() })
        };
        let waits = [wait(&child), wait(&child)];
        yield_now().await;
        assert_eq!(child.try_wait().unwrap(), None);
        drop(stdin);
        for wait in waits {
            assert_eq!(wait.await.unwrap(), Some(0));
        }
        assert_eq!(child.id(), None);
    });
}

#[test]
fn without_pidfds_each_wait_gets_its_own_child() {
    run_without_pidfds(async {
        let statuses = (0..50).map(|n| shell(format!("exit {n}")).status()).collect::<Vec<_>>();
        let codes = gather(statuses).await;
        let codes: Vec<_> = codes.into_iter().map(|status| status.unwrap().code()).collect();
        assert_eq!(codes, (0..50).map(Some).collect::<Vec<_>>());
    });
}

#[test]
fn without_pidfds_an_exit_between_spawn_and_wait_is_seen() {
    run_without_pidfds(async {
        for _ in 0..50 {
            let mut child = cat();
            drop(child.stdin.take());
            yield_now().await;
            assert!(child.wait().await.unwrap().success());
        }
    });
}

#[test]
fn without_pidfds_dropped_children_are_reaped() {
    run_without_pidfds(async {
        let children: Vec<_> = (0..20).map(|_| cat()).collect();
        let ids: Vec<_> = children.iter().filter_map(Child::id).collect();
        assert_eq!(ids.len(), 20);
        drop(children);
        while ids.iter().any(|id| is_in_the_system(*id)) {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn without_pidfds_children_are_gone_with_the_loop() {
    let ids = run_without_pidfds(async {
        let task = cat();
        let ids = [task.id().unwrap(), cat().id().unwrap()];
        spawn(async move { task.wait().await }).detach();
        yield_now().await;
        ids
    });
    assert!(!ids.into_iter().any(is_in_the_system));
}

#[test]
fn without_pidfds_signals_go_to_the_living_only() {
    run_without_pidfds(async {
        let child = cat();
        child.terminate().unwrap();
        assert!(!child.wait().await.unwrap().success());
        child.kill().unwrap();
        assert!(child.send_signal(crate::signal::SignalKind::HANGUP).is_err());
    });
}
