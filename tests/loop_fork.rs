//! What a child made by `fork` has of its parent's loop, and what it does not do to it.

#![cfg(all(target_os = "linux", not(miri)))] // forks, and counts

mod common;
mod net_common;

use std::cell::RefCell;
use std::io::Write;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::task::Waker;
use std::time::Duration;

use common::{isolated, panic_of, poll_once};
use monoloop::fs::temp_dir;
use monoloop::io::*;
use monoloop::net::{UnixListener, UnixStream};
use monoloop::process::Command;
use monoloop::{EventLoop, Handle, run, spawn_blocking, time};
use net_common::census::{eventually, no_leftovers};
use net_common::pair;

/// What the child ends with if all is well.
const WELL: i32 = 42;

/// Runs the closure in a child made by `fork`, and waits for its end.
fn in_child(f: impl FnOnce()) {
    // SAFETY: the threads beside this one sleep, and hold no lock of ours.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
        // SAFETY: ends the child without the parent's clean-up.
        unsafe { libc::_exit(if ran.is_ok() { WELL } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: the pointer is to a live variable.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status), "{status}");
    assert_eq!(libc::WEXITSTATUS(status), WELL);
}

/// A loop whose threads end as soon as they have nothing to do.
fn with_fleeting_threads() -> EventLoop {
    EventLoop::builder().blocking_keep_alive(Duration::ZERO).build().unwrap()
}

/// Waits for the end of threads that may hold a lock, which would be locked for ever in the child.
fn until_threads_are_gone() {
    // The harness has two, and the isolated test a watchdog.
    eventually("only ours are left", || std::fs::read_dir("/proc/self/task").unwrap().count() == 3);
}

/// Drops its copy of what is in the cell.
fn drop_in_child<T>(cell: &RefCell<Option<T>>) {
    in_child(|| drop(cell.take()));
}

#[test]
fn what_the_child_drops_stays_the_parents() {
    isolated("what_the_child_drops_stays_the_parents", || {
        let _leftovers = no_leftovers();
        let event_loop = with_fleeting_threads();
        let ((stream, mut peer), listener, dir, child) = event_loop.run(async {
            let (ours, theirs) = StdUnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let mut stream = UnixStream::from_std(ours).unwrap();
            // Known to be not ready: only the poller can tell what comes now.
            assert!(poll_once(&mut stream.read(&mut [0]), Waker::noop()).is_pending());
            let dir = temp_dir().await.unwrap();
            let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
            let child = Command::new("sleep").arg("1000").spawn().unwrap();
            ((stream, theirs), listener, dir, child)
        });
        let (path, handle) = (dir.path().to_owned(), event_loop.handle());
        let task = event_loop.spawn(std::future::pending::<()>());
        until_threads_are_gone();
        let all = RefCell::new(Some((event_loop, stream, listener, dir, child, task)));
        drop_in_child(&all);
        in_child(|| {
            // In another order, and by way of the report.
            let (event_loop, stream, listener, dir, child, task) = all.take().unwrap();
            drop((stream, listener, dir, child, task));
            assert!(event_loop.shutdown().dropped.is_empty());
        });

        let (event_loop, mut stream, listener, dir, child, _task) = all.take().unwrap();
        assert_eq!(child.try_wait().unwrap(), None, "it was not killed");
        assert!(path.join("socket").exists());
        event_loop.run(async {
            peer.write_all(b"x").unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 1);
            let (_peer, accepted) =
                (StdUnixStream::connect(path.join("socket")).unwrap(), listener.accept().await);
            accepted.unwrap();
            let awaited = spawn_blocking(move || handle.spawn_with(|| async { 7 }).unwrap().join());
            assert_eq!(awaited.await.unwrap().unwrap(), 7, "it is woken");
            child.kill().unwrap();
            child.wait().await.unwrap();
            drop(listener);
            dir.close().await.unwrap();
        });
    });
}

#[test]
fn the_child_is_told_that_the_loop_is_the_parents() {
    isolated("the_child_is_told_that_the_loop_is_the_parents", || {
        let _leftovers = no_leftovers();
        let event_loop = EventLoop::new().unwrap();
        let mut stream = event_loop.run(async {
            let (ours, _theirs) = StdUnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            UnixStream::from_std(ours).unwrap()
        });
        in_child(|| {
            let text = panic_of(|| event_loop.run(async {}));
            assert!(
                text.contains("`EventLoop::run`") && text.contains("is the parent's"),
                "{text}"
            );
            let text = panic_of(|| event_loop.turn(Some(Duration::ZERO)));
            assert!(text.contains("`EventLoop::turn`"), "{text}");
            // What is of the old loop says so on a new one.
            let error = run(async { stream.read(&mut [0]).await.unwrap_err() });
            assert!(error.to_string().contains("belongs to event loop"), "{error}");
        });
        assert_eq!(event_loop.run(async { 1 }), 1);
    });
}

/// Uses all that a loop shares with its process.
fn use_all() {
    run(async {
        let (mut ours, mut theirs) = pair().await;
        theirs.write_all(b"x").await.unwrap();
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 1);
        assert_eq!(spawn_blocking(|| 3).await.unwrap(), 3);
        assert!(Command::new("true").status().await.unwrap().success());
        time::sleep(Duration::from_millis(1)).await;
        let remote = Handle::current();
        let joined = spawn_blocking(move || remote.spawn_with(|| async { 4 }).unwrap().join());
        assert_eq!(joined.await.unwrap().unwrap(), 4);
    });
}

#[test]
fn the_child_makes_a_loop_of_its_own() {
    isolated("the_child_makes_a_loop_of_its_own", || {
        let _leftovers = no_leftovers();
        let event_loop = with_fleeting_threads();
        assert_eq!(event_loop.run(async { spawn_blocking(|| 1).await.unwrap() }), 1);
        until_threads_are_gone();
        in_child(use_all);
        event_loop.run(async { assert_eq!(spawn_blocking(|| 2).await.unwrap(), 2) });
    });
}

#[test]
fn a_child_forked_inside_of_a_run_makes_one_on_a_new_thread() {
    isolated("a_child_forked_inside_of_a_run_makes_one_on_a_new_thread", || {
        let _leftovers = no_leftovers();
        run(async {
            let (mut ours, mut theirs) = pair().await;
            let (one, mut other) = UnixStream::pair().unwrap();
            assert!(poll_once(&mut other.read(&mut [0]), Waker::noop()).is_pending());
            let shared = RefCell::new(Some((one, other)));
            in_child(|| {
                let text = panic_of(|| run(async {}));
                assert!(text.contains("forked inside of an event loop"), "{text}");
                drop(shared.take());
                std::thread::spawn(use_all).join().unwrap();
            });
            let (mut one, mut other) = shared.take().unwrap();
            one.write_all(b"x").await.unwrap();
            assert_eq!(other.read(&mut [0]).await.unwrap(), 1);
            theirs.write_all(b"x").await.unwrap();
            assert_eq!(ours.read(&mut [0]).await.unwrap(), 1);
        });
    });
}
