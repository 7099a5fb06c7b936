//! Children from their spawn to their end: waits, signals, drops, and that no zombie stays.

#![cfg(not(miri))] // starts processes
#![cfg(target_os = "linux")] // looks into procfs

mod census;
mod common;

use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use census::{children, eventually, no_leftovers, zombies};
use common::isolated;
use futures_lite::future::poll_once;
use monoloop::future::gather;
use monoloop::io::{AsyncReadExt, AsyncWriteExt};
use monoloop::process::{Child, Command, Stdio, shell};
use monoloop::signal::SignalKind;
use monoloop::time::{sleep, timeout};
use monoloop::{EventLoop, run, spawn, yield_now};
use rustix::process::{Pid, Resource, Rlimit, WaitOptions, getrlimit, setrlimit, waitpid};

/// One that does not end by itself.
fn endless() -> Command {
    let mut command = Command::new("sleep");
    command.arg("1000");
    command
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(id as i32).unwrap()
}

fn kill(id: u32) {
    rustix::process::kill_process(pid(id), rustix::process::Signal::KILL).unwrap();
}

/// Waits until the child has ended, and leaves it a zombie.
fn until_zombie(child: &Child) {
    let id = child.id().unwrap();
    eventually("it ends", || children().contains(&(id, 'Z')));
}

// ----- waiting

#[test]
fn the_status_says_how_it_ended() {
    let _leftovers = no_leftovers();
    run(async {
        assert_eq!(shell("exit 7").spawn().unwrap().wait().await.unwrap().code(), Some(7));
        let status = shell("kill -USR1 $$").status().await.unwrap();
        assert_eq!((status.code(), status.signal()), (None, Some(10)));
        assert!(Command::new("true").status().await.unwrap().success());
    });
}

#[test]
fn several_tasks_wait_for_one_child() {
    let _leftovers = no_leftovers();
    run(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let child = Rc::new(child);
        let wait = |child: &Rc<Child>| {
            let child = Rc::clone(child);
            spawn(async move { child.wait().await.unwrap().code() })
        };
        let waits = [wait(&child), wait(&child), wait(&child)];
        yield_now().await;
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(child.id().is_some());
        drop(stdin);
        for wait in waits {
            assert_eq!(wait.await.unwrap(), Some(0));
        }
        // And later too.
        assert_eq!(child.wait().await.unwrap().code(), Some(0));
        assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(0));
        assert_eq!(child.id(), None);
    });
}

/// The status goes to whoever looks first; the others must not sleep on.
#[test]
fn who_waits_is_woken_though_another_reaped() {
    let _leftovers = no_leftovers();
    run(async {
        let child = Rc::new(endless().spawn().unwrap());
        let waiter = Rc::clone(&child);
        let wait = spawn(async move { waiter.wait().await.unwrap().signal() });
        yield_now().await;
        child.kill().unwrap();
        while child.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
        assert_eq!(wait.await.unwrap(), Some(9));
    });
}

#[test]
fn a_dropped_wait_loses_nothing() {
    let _leftovers = no_leftovers();
    run(async {
        let child = endless().spawn().unwrap();
        assert!(poll_once(child.wait()).await.is_none());
        assert!(timeout(Duration::from_millis(1), child.wait()).await.is_err());
        child.kill().unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(9));
    });
}

/// What a wake means is looked up; that of a descriptor alone proves nothing.
#[test]
fn a_spurious_wake_is_only_a_poll_more() {
    let _leftovers = no_leftovers();
    run(async {
        let child = endless().spawn().unwrap();
        {
            let mut wait = pin!(child.wait());
            for _ in 0..10 {
                let mut cx = Context::from_waker(Waker::noop());
                assert!(wait.as_mut().poll(&mut cx).is_pending());
                yield_now().await;
            }
            // The last one who polled is told.
            assert!(poll_once(wait.as_mut()).await.is_none());
            child.kill().unwrap();
            assert_eq!(wait.await.unwrap().signal(), Some(9));
        }
    });
}

/// A fault of asyncio's `wait` before 3.16.
#[test]
fn wait_returns_though_a_grandchild_holds_the_pipes() {
    let _leftovers = no_leftovers();
    run(async {
        let mut child = shell("sleep 1000 & echo $!; exit 3").piped().spawn().unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
        let mut line = [0; 16];
        let stdout = child.stdout.as_mut().unwrap();
        let n = stdout.read(&mut line).await.unwrap();
        // The end comes only with the grandchild's.
        assert!(poll_once(stdout.read(&mut [0])).await.is_none());
        kill(std::str::from_utf8(&line[..n]).unwrap().trim().parse().unwrap());
        assert_eq!(stdout.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn a_hundred_children_at_once() {
    let _leftovers = no_leftovers();
    run(async {
        let statuses = (0..100).map(|n| shell(format!("exit {n}")).status()).collect::<Vec<_>>();
        assert_eq!(children().len(), 100);
        let codes = gather(statuses).await;
        let codes: Vec<_> = codes.into_iter().map(|status| status.unwrap().code()).collect();
        assert_eq!(codes, (0..100).map(Some).collect::<Vec<_>>());
    });
}

// ----- signals

#[test]
fn kill_and_terminate_end_it_and_leave_alone_what_has_ended() {
    let _leftovers = no_leftovers();
    run(async {
        for number in [9, 15] {
            let child = endless().spawn().unwrap();
            let end = || if number == 9 { child.kill() } else { child.terminate() };
            end().unwrap();
            assert_eq!(child.wait().await.unwrap().signal(), Some(number));
            end().unwrap();
        }
    });
}

/// Wait after kill, and the ids of processes.
#[test]
fn no_signal_goes_to_a_child_that_has_exited() {
    let _leftovers = no_leftovers();
    run(async {
        let child = shell("exit 4").spawn().unwrap();
        until_zombie(&child);
        // Nobody looked yet: it is looked after now.
        let error = child.send_signal(SignalKind::HANGUP).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (io::ErrorKind::NotFound, "the child has exited".into())
        );
        assert_eq!(child.id(), None);
        child.kill().unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(4));
        assert!(child.send_signal(SignalKind::HANGUP).is_err());
    });
}

#[test]
fn a_signal_reaches_the_child_and_an_odd_number_nobody() {
    let _leftovers = no_leftovers();
    run(async {
        let child = endless().spawn().unwrap();
        for number in [-1, 0, 1000] {
            let error = child.send_signal(SignalKind::from_raw(number)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
        child.send_signal(SignalKind::USER_2).unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(12));
    });
}

// ----- dropping

#[test]
fn a_thousand_dropped_children_leave_no_zombie() {
    let _leftovers = no_leftovers();
    run(async {
        for _ in 0..1000 {
            drop(endless().spawn().unwrap());
            yield_now().await;
        }
        while !children().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_child_dropped_before_the_end_of_the_loop_is_gone_with_it() {
    let _leftovers = no_leftovers();
    for _ in 0..20 {
        run(async { drop(endless().spawn().unwrap()) });
        assert_eq!(children(), []);
    }
}

#[test]
fn a_task_dropped_by_the_end_of_the_loop_takes_its_child_along() {
    let _leftovers = no_leftovers();
    for _ in 0..20 {
        run(async {
            let child = endless().spawn().unwrap();
            spawn(async move { child.wait().await }).detach();
            yield_now().await;
        });
        assert_eq!(children(), []);
    }
}

#[test]
fn a_child_outlives_its_loop_and_is_killed_by_its_drop() {
    let _leftovers = no_leftovers();
    let child = run(async { endless().spawn().unwrap() });
    assert_eq!(child.try_wait().unwrap(), None);
    let error = run(child.wait()).unwrap_err().to_string();
    assert!(error.contains("belongs to event loop") && error.contains("on event loop"), "{error}");
    assert_eq!(children().len(), 1);
    drop(child);
    assert_eq!(children(), []);
}

#[test]
fn a_child_may_be_signalled_and_dropped_on_another_thread() {
    let _leftovers = no_leftovers();
    run(async {
        let child = endless().spawn().unwrap();
        let (child, error) = thread::spawn(move || {
            let error = futures_lite::future::block_on(child.wait()).unwrap_err();
            child.send_signal(SignalKind::HANGUP).unwrap();
            (child, error.to_string())
        })
        .join()
        .unwrap();
        assert!(error.contains("while no event loop runs"), "{error}");
        assert_eq!(child.wait().await.unwrap().signal(), Some(1));
        let child = endless().spawn().unwrap();
        thread::spawn(move || drop(child)).join().unwrap();
        assert_eq!(children(), []);
        // Inside of another loop's run nothing blocks: it is reaped in the background.
        let child = endless().spawn().unwrap();
        thread::spawn(move || run(async move { drop(child) })).join().unwrap();
    });
}

#[test]
fn without_kill_on_drop_it_runs_on_and_is_reaped() {
    let _leftovers = no_leftovers();
    let mut cat = Command::new("cat");
    cat.stdin(Stdio::piped()).kill_on_drop(false);
    // Reaped by the loop.
    run(async {
        let mut child = cat.spawn().unwrap();
        let stdin = child.stdin.take();
        drop(child);
        sleep(Duration::from_millis(5)).await;
        assert_eq!((children().len(), zombies()), (1, 0));
        drop(stdin);
        while !children().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
    });
    // By a thread, when there is no loop any more.
    let stdin = run(async {
        let mut child = cat.spawn().unwrap();
        child.stdin.take()
    });
    assert_eq!((children().len(), zombies()), (1, 0));
    drop(stdin);
    eventually("it is reaped", || children().is_empty());
}

#[test]
fn an_orphan_keeps_no_loop_from_ending() {
    let _leftovers = no_leftovers();
    let event_loop = EventLoop::new().unwrap();
    let id = event_loop.run(async {
        let child = endless().kill_on_drop(false).spawn().unwrap();
        child.id().unwrap()
    });
    assert_eq!(event_loop.run(async { 1 }), 1);
    drop(event_loop);
    assert_eq!((children().len(), zombies()), (1, 0));
    kill(id);
}

// ----- what may go wrong

#[test]
fn a_program_that_is_not_there_leaves_nothing() {
    let _leftovers = no_leftovers();
    run(async {
        let mut command = Command::new("/no/such/program");
        for error in [
            command.piped().spawn().map(drop).unwrap_err(),
            command.status().await.unwrap_err(),
            command.output().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        assert_eq!(children(), []);
    });
}

#[test]
fn without_a_loop_nothing_is_started() {
    let _leftovers = no_leftovers();
    let error = endless().spawn().unwrap_err().to_string();
    assert!(error.contains("`Command::spawn` called at tests/process_wait.rs"), "{error}");
    assert_eq!(children(), []);
}

/// Whatever descriptor it is that cannot be had, nothing is left.
#[test]
fn when_descriptors_run_out_no_child_is_left() {
    let _leftovers = no_leftovers();
    isolated("when_descriptors_run_out_no_child_is_left", || {
        run(async {
            // What a loop keeps for all of its children it may make for the first.
            Command::new("true").status().await.unwrap();
            let limits = getrlimit(Resource::Nofile);
            let open = census::descriptors().len() as u64;
            let mut failures = 0;
            for more in 0..24 {
                let current = Some(open + more);
                setrlimit(Resource::Nofile, Rlimit { current, ..limits }).unwrap();
                let spawned = endless().piped().spawn();
                setrlimit(Resource::Nofile, limits).unwrap();
                failures += usize::from(spawned.is_err());
                drop(spawned);
                while !children().is_empty() {
                    sleep(Duration::from_millis(1)).await;
                }
                assert_eq!(census::descriptors().len() as u64, open);
            }
            assert!((5..24).contains(&failures), "{failures}");
        });
    });
}

/// asyncio gives 255 here.
#[test]
fn a_status_that_somebody_else_took_is_an_error() {
    let _leftovers = no_leftovers();
    run(async {
        let child = endless().spawn().unwrap();
        let id = child.id().unwrap();
        assert!(poll_once(child.wait()).await.is_none());
        kill(id);
        waitpid(Some(pid(id)), WaitOptions::empty()).unwrap();
        for _ in 0..2 {
            let error = child.wait().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert!(error.to_string().starts_with("the child's status is lost"), "{error}");
        }
        assert!(child.try_wait().is_err());
        assert_eq!(child.id(), None);
        assert!(child.send_signal(SignalKind::HANGUP).is_err());
        child.kill().unwrap();
    });
}

#[test]
fn where_children_are_reaped_by_the_system_wait_is_an_error_and_no_hang() {
    let _leftovers = no_leftovers();
    isolated("where_children_are_reaped_by_the_system_wait_is_an_error_and_no_hang", || {
        // SAFETY: ignores a signal.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        run(async {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            assert!(poll_once(child.wait()).await.is_none());
            drop(child.stdin.take());
            // By SIGCHLD it would be caught, and the status there.
            if let Err(error) = child.wait().await {
                assert_eq!(error.kind(), io::ErrorKind::NotFound);
            }
        });
    });
}

#[test]
fn we_wait_for_our_own_children_only() {
    let _leftovers = no_leftovers();
    run(async {
        let mut theirs = std::process::Command::new("true").spawn().unwrap();
        for _ in 0..20 {
            assert!(Command::new("true").status().await.unwrap().success());
        }
        drop(endless().spawn().unwrap());
        while children().len() > 1 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(theirs.wait().unwrap().success());
    });
}

#[test]
fn a_wait_of_one_poll_finds_what_has_ended() {
    let _leftovers = no_leftovers();
    run(async {
        let child = shell("exit 5").spawn().unwrap();
        until_zombie(&child);
        match pin!(child.wait()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(status) => assert_eq!(status.unwrap().code(), Some(5)),
            Poll::Pending => panic!("it has exited"),
        }
    });
}

#[test]
fn a_line_to_a_child_and_one_from_it() {
    let _leftovers = no_leftovers();
    run(async {
        let mut child = Command::new("cat").piped().spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        for _ in 0..3 {
            stdin.write_all(b"hello\n").await.unwrap();
            let mut line = [0; 6];
            stdout.read_exact(&mut line).await.unwrap();
            assert_eq!(&line, b"hello\n");
        }
        stdin.close().await.unwrap();
        assert_eq!(stdout.read(&mut [0]).await.unwrap(), 0);
        assert!(child.wait().await.unwrap().success());
    });
}
