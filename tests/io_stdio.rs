//! The standard streams: this test starts itself with pipes in their place, and is the child too.
#![cfg(target_os = "linux")]

mod census;
mod common;

use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use census::alone;
use futures_lite::future::poll_once;
use monoloop::io::*;
use monoloop::{EventLoop, spawn, time, yield_now};

const VARIABLE: &str = "MONOLOOP_STDIO_TEST";

/// What the child does stands between these: the test harness writes to its output too.
const BEGIN: &str = "<begin>";
const END: &str = "<end>";

/// In the child, runs `body` and exits as `main` does. In the test, gives the child.
fn child(name: &str, body: impl FnOnce()) -> Child {
    child_with(name, body, [Stdio::piped(), Stdio::piped(), Stdio::piped()])
}

/// The same, with other streams.
fn child_with(name: &str, body: impl FnOnce(), [stdin, stdout, stderr]: [Stdio; 3]) -> Child {
    if std::env::var(VARIABLE).is_ok_and(|wanted| wanted == name) {
        // Nobody ends this process if it hangs and the test was killed.
        thread::spawn(|| {
            thread::sleep(Duration::from_secs(120));
            std::process::exit(99);
        });
        println!("{BEGIN}");
        body();
        println!("{END}");
        std::process::exit(0);
    }
    Command::new(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, name)
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .expect("a test can be run")
}

/// Both ends of a new pipe: that for reading, and that for writing.
fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

#[test]
fn what_somebody_else_made_non_blocking_is_waited_for() {
    let _alone = alone();
    const MUCH: usize = 1 << 20;
    let name = "what_somebody_else_made_non_blocking_is_waited_for";
    let ((stdin, theirs), (ours, stdout)) = (pipe(), pipe());
    let (mut theirs, mut ours) = (File::from(theirs), File::from(ours));
    for end in [&stdin, &stdout] {
        rustix::io::ioctl_fionbio(end, true).unwrap();
    }
    let body = || {
        monoloop::run(async {
            let (mut input, mut output) = (monoloop::io::stdin(), monoloop::io::stdout());
            output.write_all(b"ready").await.unwrap();
            assert_eq!(input.next_line().await.unwrap().unwrap(), "go");
            output.write_all(&vec![b'x'; MUCH]).await.unwrap();
            output.flush().await.unwrap();
            assert_eq!(input.next_line().await.unwrap().unwrap(), "end");
        });
    };
    let mut child = child_with(name, body, [stdin.into(), stdout.into(), Stdio::null()]);
    let (mut all, mut byte) = (Vec::new(), [0]);
    while !all.ends_with(b"ready") {
        assert_eq!(ours.read(&mut byte).unwrap(), 1);
        all.push(byte[0]);
    }
    theirs.write_all(b"go\n").unwrap();
    let mut much = vec![0; MUCH];
    ours.read_exact(&mut much).unwrap();
    assert!(much.iter().all(|&byte| byte == b'x'));
    theirs.write_all(b"end\n").unwrap();
    assert!(child.wait().unwrap().success());
}

/// Both sides of a new terminal: a person's and the program's.
fn terminal() -> (File, OwnedFd) {
    let (mut person, mut program) = (0, 0);
    let null = std::ptr::null_mut();
    // SAFETY: the pointers are to live variables, or null where that is allowed.
    let opened =
        unsafe { libc::openpty(&mut person, &mut program, null, null.cast(), null.cast()) };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both were just opened, for us.
    let (person, program) =
        unsafe { (OwnedFd::from_raw_fd(person), OwnedFd::from_raw_fd(program)) };
    for side in [&person, &program] {
        rustix::io::fcntl_setfd(side, rustix::io::FdFlags::CLOEXEC).unwrap();
    }
    (person.into(), program)
}

#[test]
fn a_person_at_a_terminal_is_known_and_answered() {
    let _alone = alone();
    let (mut person, program) = terminal();
    let side = || Stdio::from(program.try_clone().unwrap());
    let body = || {
        monoloop::run(async {
            let (mut input, mut output) = (stdin(), stdout());
            assert!(input.is_terminal() && output.is_terminal() && stderr().is_terminal());
            output.write_all(b"name? ").await.unwrap();
            // A line that is not at its end comes out too.
            output.flush().await.unwrap();
            let name = input.next_line().await.unwrap().unwrap();
            output.write_all(format!("hello {name}").as_bytes()).await.unwrap();
            // Ctrl-d is the end of the input, and not for ever.
            assert_eq!(input.next_line().await.unwrap(), None);
            assert_eq!(input.next_line().await.unwrap().unwrap(), "more");
            for fd in [0, 1, 2] {
                // SAFETY: the standard streams are open.
                let fd = unsafe { BorrowedFd::borrow_raw(fd) };
                assert!(
                    !rustix::fs::fcntl_getfl(fd).unwrap().contains(rustix::fs::OFlags::NONBLOCK)
                );
            }
        });
    };
    let name = "a_person_at_a_terminal_is_known_and_answered";
    let mut child = child_with(name, body, [side(), side(), side()]);
    drop(program);
    let mut await_text = |text: &str, answer: &[u8]| {
        let (mut all, mut byte) = (Vec::new(), [0]);
        while !all.ends_with(text.as_bytes()) {
            assert_eq!(person.read(&mut byte).unwrap_or(0), 1, "{}", String::from_utf8_lossy(&all));
            all.push(byte[0]);
        }
        person.write_all(answer).unwrap();
    };
    await_text("name? ", b"you\n");
    await_text("hello you", b"\x04");
    await_text("", b"more\n");
    await_text(END, b"");
    assert!(child.wait().unwrap().success());
}

/// Ends the input of the child, and gives what it wrote. It must succeed.
#[track_caller]
fn output_of(mut child: Child) -> String {
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    // Some of it may have been read before.
    let begin = out.find(BEGIN).map_or(0, |begin| begin + BEGIN.len() + 1);
    out[begin..].split(END).next().unwrap().to_owned()
}

/// Waits for the child while its pipes stay open.
#[track_caller]
fn wait(child: &mut Child) {
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not exit");
        thread::sleep(Duration::from_millis(1));
    }
}

fn send(child: &mut Child, text: &str) {
    child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
}

/// Reads what the child writes until `text` came.
fn await_text(child: &mut Child, text: &str) {
    let (mut all, mut byte) = (Vec::new(), [0]);
    while !all.ends_with(text.as_bytes()) {
        let out = child.stdout.as_mut().unwrap();
        assert_eq!(out.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&all));
        all.push(byte[0]);
    }
}

#[test]
fn lines_are_read_and_answered_as_they_come() {
    let _alone = alone();
    let mut child = child("lines_are_read_and_answered_as_they_come", || {
        monoloop::run(async {
            let (mut input, mut output) = (stdin(), stdout());
            assert!(!input.is_terminal() && !output.is_terminal() && !stderr().is_terminal());
            while let Some(line) = input.next_line().await.unwrap() {
                // No flush: it is written by itself.
                output.write_all(format!("[{line}]").as_bytes()).await.unwrap();
            }
        });
    });
    await_text(&mut child, BEGIN);
    for line in ["one", "", "three"] {
        send(&mut child, &format!("{line}\r\n"));
        await_text(&mut child, &format!("[{line}]"));
    }
    send(&mut child, "half a line");
    drop(child.stdin.take());
    await_text(&mut child, "[half a line]");
    wait(&mut child);
}

// tokio #1923: a runtime waits at its end for a read of stdin.
#[test]
fn a_read_that_waits_does_not_hold_up_the_exit() {
    let _alone = alone();
    let mut child = child("a_read_that_waits_does_not_hold_up_the_exit", || {
        let event_loop = EventLoop::new().unwrap();
        let reader = event_loop.spawn(async { stdin().read(&mut [0]).await });
        event_loop.run(async { time::sleep(Duration::from_millis(10)).await });
        let report = event_loop.shutdown();
        assert!(report.stuck.is_empty() && report.took < Duration::from_secs(5), "{report}");
        drop(reader);
    });
    // Its input stays open, and nobody types.
    wait(&mut child);
    output_of(child);
}

#[test]
fn a_dropped_read_loses_nothing() {
    let _alone = alone();
    let mut child = child("a_dropped_read_loses_nothing", || {
        monoloop::run(async {
            let mut input = stdin();
            let soon = Duration::from_millis(5);
            time::timeout(soon, input.read(&mut [0; 3])).await.unwrap_err();
            time::timeout(soon, input.next_line()).await.unwrap_err();
            println!("asked");
            // Another handle finds what the first has fetched.
            assert_eq!(stdin().next_line().await.unwrap().as_deref(), Some("all of it"));
            let mut rest = String::new();
            input.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "and more");
        });
    });
    await_text(&mut child, "asked");
    send(&mut child, "all of it\nand more");
    output_of(child);
}

#[test]
fn the_end_is_told_to_all_who_wait() {
    let _alone = alone();
    let child = child("the_end_is_told_to_all_who_wait", || {
        monoloop::run(async {
            let waiting: Vec<_> =
                (0..3).map(|_| spawn(async { stdin().read(&mut [0; 8]).await })).collect();
            for task in waiting {
                assert_eq!(task.await.unwrap().unwrap(), 0);
            }
            assert_eq!(stdin().next_line().await.unwrap(), None);
        });
    });
    output_of(child);
}

#[test]
fn a_line_that_is_no_text_or_too_long_is_an_error() {
    let _alone = alone();
    let mut child = child("a_line_that_is_no_text_or_too_long_is_an_error", || {
        monoloop::run(async {
            let mut input = stdin();
            assert_eq!(
                input.next_line().await.unwrap_err().kind(),
                std::io::ErrorKind::InvalidData
            );
            assert_eq!(input.next_line().await.unwrap().as_deref(), Some("text"));
            assert!(input.next_line().await.unwrap_err().to_string().contains("longer"));
            // It is still there.
            let mut rest = Vec::new();
            input.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest.len(), 2 << 20);
        });
    });
    child.stdin.as_mut().unwrap().write_all(b"\xFF\ntext\n").unwrap();
    send(&mut child, &"x".repeat(2 << 20));
    output_of(child);
}

#[test]
fn what_is_written_comes_out_without_a_flush_at_the_end_of_the_loop() {
    let _alone = alone();
    let child = child("what_is_written_comes_out_without_a_flush_at_the_end_of_the_loop", || {
        print!("a");
        monoloop::run(async { stdout().write_all(b"b").await.unwrap() });
        print!("c");
    });
    assert_eq!(output_of(child), "abc");
}

#[test]
fn a_reader_that_does_not_read_holds_up_the_exit_no_longer_than_the_limit() {
    let _alone = alone();
    let name = "a_reader_that_does_not_read_holds_up_the_exit_no_longer_than_the_limit";
    let mut child = child(name, || {
        let event_loop =
            EventLoop::builder().shutdown_limit(Duration::from_millis(50)).build().unwrap();
        event_loop.run(async {
            let mut output = stdout();
            // Memory is bounded: it is a pipe of 64 KiB, and the stream takes no more than it says.
            let mut taken = 0;
            let flood = async {
                loop {
                    taken += output.write(&[b'x'; 4096]).await.unwrap();
                }
            };
            let _: Result<(), _> = time::timeout(Duration::from_millis(100), flood).await;
            assert!(taken <= (64 + 3 * 64) * 1024, "{taken}");
        });
        drop(event_loop);
        // `println!` would wait too.
        std::process::exit(0);
    });
    wait(&mut child);
    assert!(child.wait().unwrap().success());
}

// A peer that is gone is an error and no signal.
#[test]
fn a_pipe_that_nobody_reads_is_an_error() {
    let _alone = alone();
    let mut child = child("a_pipe_that_nobody_reads_is_an_error", || {
        monoloop::run(async {
            stdin().read(&mut [0]).await.unwrap();
            let mut output = stdout();
            output.write_all(b"to nobody").await.unwrap();
            let error = output.flush().await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
            output.flush().await.expect("it was told");
        });
        std::process::exit(7);
    });
    await_text(&mut child, BEGIN);
    drop(child.stdout.take());
    send(&mut child, "x");
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

// asyncio's connect_read_pipe(sys.stdin) leaves the terminal non-blocking for everybody else.
#[test]
fn the_descriptors_stay_blocking() {
    let _alone = alone();
    let mut child = child("the_descriptors_stay_blocking", || {
        monoloop::run(async {
            stdin().read(&mut [0]).await.unwrap();
            for output in [&mut stdout() as &mut (dyn AsyncWrite + Unpin), &mut stderr()] {
                output.write_all(b"x").await.unwrap();
                output.flush().await.unwrap();
            }
            for descriptor in 0..3 {
                let path = format!("/proc/self/fdinfo/{descriptor}");
                let info = std::fs::read_to_string(path).unwrap();
                let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
                let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
                assert_eq!(flags & 0o4000, 0, "O_NONBLOCK on {descriptor}");
            }
        });
    });
    send(&mut child, "x");
    output_of(child);
}

#[test]
fn a_virtual_clock_waits_for_output_and_not_for_input() {
    let _alone = alone();
    let child = child("a_virtual_clock_waits_for_output_and_not_for_input", || {
        common::virtual_loop().run(async {
            let hour = Duration::from_secs(3600);
            let begin = time::now();
            for _ in 0..100 {
                stdout().write_all(b".").await.unwrap();
                time::timeout(hour, stdout().flush()).await.expect("time stands still").unwrap();
            }
            assert_eq!(time::now(), begin);
        });
    });
    assert_eq!(output_of(child), ".".repeat(100));
}

#[test]
fn another_executor_will_do() {
    let _alone = alone();
    let mut child = child("another_executor_will_do", || {
        futures_lite::future::block_on(async {
            let line = stdin().next_line().await.unwrap().unwrap();
            let mut output = stdout();
            output.write_all(line.as_bytes()).await.unwrap();
            output.flush().await.unwrap();
        });
    });
    send(&mut child, "no loop\n");
    assert_eq!(output_of(child), "no loop");
}

#[test]
fn there_is_one_thread_for_each_and_the_loops_have_no_part_in_them() {
    let _alone = alone();
    let name = "there_is_one_thread_for_each_and_the_loops_have_no_part_in_them";
    let mut child = child(name, || {
        for _ in 0..3 {
            monoloop::run(async {
                assert_eq!(stdin().next_line().await.unwrap().as_deref(), Some("x"));
                stdout().write_all(b"y").await.unwrap();
                stdout().flush().await.unwrap();
            });
        }
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let mut names: Vec<_> = tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .filter(|name| name.starts_with("monoloop"))
            .collect();
        names.sort();
        assert_eq!(names, ["monoloop-stdin\n", "monoloop-stdout\n"]);
    });
    send(&mut child, "x\nx\nx\n");
    assert_eq!(output_of(child), "yyy");
}

/// Runs the closure in a child made by `fork`, where it must not panic.
fn in_fork(body: impl FnOnce()) {
    // SAFETY: the other threads wait, or hold locks of std's that the closure does not ask for.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let ran = catch_unwind(AssertUnwindSafe(body));
        // SAFETY: ends the child without the parent's clean-up.
        unsafe { libc::_exit(if ran.is_ok() { 42 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: the pointer is to a live variable.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(libc::WEXITSTATUS(status), 42);
}

#[test]
fn a_forked_child_reads_and_writes_by_threads_of_its_own() {
    let _alone = alone();
    let mut child = child("a_forked_child_reads_and_writes_by_threads_of_its_own", || {
        let answer = async || {
            let line = stdin().next_line().await.unwrap().unwrap();
            let mut output = stdout();
            output.write_all(format!("[{line}]").as_bytes()).await.unwrap();
            output.flush().await.unwrap();
        };
        monoloop::run(answer());
        in_fork(|| monoloop::run(answer()));
        monoloop::run(answer());
    });
    for line in ["parent", "child", "parent again"] {
        send(&mut child, &format!("{line}\n"));
        await_text(&mut child, &format!("[{line}]"));
    }
    wait(&mut child);
}

fn has_room(fd: BorrowedFd<'_>) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], Some(&at_once)).unwrap() > 0
}

/// The lock of std's is locked for ever in the child's copy.
#[test]
fn what_a_fork_finds_in_use_is_an_error_in_the_child() {
    const MUCH: usize = 1 << 20;

    let _alone = alone();
    let mut child = child("what_a_fork_finds_in_use_is_an_error_in_the_child", || {
        monoloop::run(async {
            let (mut input, mut output) = (stdin(), stdout());
            let mut byte = [0];
            let mut reading = pin!(input.read(&mut byte));
            assert!(poll_once(&mut reading).await.is_none());
            // More than the pipe holds, so its writer waits as soon as that is full.
            let mut written = 0;
            while written <= 64 * 1024 {
                written += output.write(&[b'x'; MUCH]).await.unwrap();
            }
            while has_room(std::io::stdout().as_fd()) {
                yield_now().await;
            }
            in_fork(|| {
                let own_loop = || {
                    monoloop::run(async {
                        let error = stdin().read(&mut [0]).await.unwrap_err();
                        assert!(error.to_string().contains("forked"), "{error}");
                        let error = stdout().write(b"x").await.unwrap_err();
                        assert!(error.to_string().contains("forked"), "{error}");
                    });
                };
                thread::spawn(own_loop).join().unwrap();
            });
            // The parent goes on.
            assert_eq!(stderr().write(b"forked").await.unwrap(), 6);
            assert_eq!(reading.await.unwrap(), 1);
        });
    });
    let mut told = [0; 6];
    child.stderr.as_mut().unwrap().read_exact(&mut told).unwrap();
    assert_eq!(&told, b"forked");
    send(&mut child, "x");
    let written = output_of(child);
    assert!(written.len() > 64 * 1024 && written.bytes().all(|byte| byte == b'x'));
}

#[test]
fn a_pending_read_is_polled_again_without_harm() {
    let _alone = alone();
    let mut child = child("a_pending_read_is_polled_again_without_harm", || {
        monoloop::run(async {
            let mut input = stdin();
            let mut buffer = [0; 4];
            {
                let mut read = std::pin::pin!(input.read(&mut buffer));
                let mut polls = 0;
                poll_fn(|cx| {
                    polls += 1;
                    let _now_or_later = read.as_mut().poll(cx);
                    if polls < 10 {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Poll::Ready(())
                })
                .await;
            }
        });
    });
    // Nothing comes before the exit: a read that gave something is not polled again.
    wait(&mut child);
    output_of(child);
}
