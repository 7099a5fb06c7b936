//! Talking to children: pipes, `communicate`, `output`, and what a command says.

#![cfg(not(miri))] // starts processes
#![cfg(target_os = "linux")] // looks into procfs

mod census;
mod common;

use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::process;
use std::time::Duration;

use census::{children, eventually, no_leftovers};
use futures_lite::future::poll_once;
use futures_lite::{AsyncWrite, StreamExt};
use monoloop::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use monoloop::process::{Child, Command, OutputOverrun, Stdio, shell};
use monoloop::time::sleep;
use monoloop::{run, spawn};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, getgid, getpgid, getuid, kill_process};

/// More than a pipe holds.
const MUCH: usize = 1 << 20;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap().trim_end()
}

fn kill(id: &str) {
    kill_process(Pid::from_raw(id.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

async fn until_gone() {
    while !children().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
}

/// In packet mode a read ends with its packet, though there may be more.
#[test]
fn packets_are_read_one_after_the_other() {
    let _leftovers = no_leftovers();
    run(async {
        let mut child = Command::new("cat").piped().spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut first = [0; 8];
        let mut reading = pin!(stdout.read(&mut first));
        assert!(poll_once(&mut reading).await.is_none());
        // The child's end of the pipe once more, in packet mode.
        let path = format!("/proc/{}/fd/1", child.id().unwrap());
        let mut packets = fs::OpenOptions::new().write(true).open(path).unwrap();
        fcntl_setfl(&packets, OFlags::DIRECT).unwrap();
        for packet in [b"a", b"b"] {
            packets.write_all(packet).unwrap();
        }
        assert_eq!(reading.await.unwrap(), 1);
        let mut second = [0; 8];
        // Whoever waits for the next event now waits for ever.
        let second = poll_once(pin!(stdout.read(&mut second))).await;
        assert_eq!(second.expect("it is there").unwrap(), 1);
    });
}

// ----- communicate

#[test]
fn input_and_output_larger_than_the_pipes_go_through() {
    let _leftovers = no_leftovers();
    let input: Vec<u8> = (0..4 * MUCH).map(|n| (n * 31 / 7) as u8).collect();
    let output = run(async {
        let cat = Command::new("cat").piped().spawn().unwrap();
        cat.communicate(input.clone()).await.unwrap()
    });
    assert!(output.stdout == input);
    assert_eq!(output.stderr, b"");
}

/// In whatever order the child does it: nobody waits for the other.
#[test]
fn a_child_that_writes_much_to_both_before_it_reads_is_no_deadlock() {
    let _leftovers = no_leftovers();
    let output = run(async {
        shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; wc -c; exit 3")
            .piped()
            .spawn()
            .unwrap()
            .communicate(vec![b'x'; MUCH])
            .await
            .unwrap()
    });
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stderr.len(), 1_000_000);
    assert_eq!(text(&output.stdout[1_000_000..]), MUCH.to_string());
}

#[test]
fn a_child_that_exits_before_it_reads_is_no_error() {
    let _leftovers = no_leftovers();
    run(async {
        for _ in 0..20 {
            let child = shell("exit 2").piped().spawn().unwrap();
            let output = child.communicate(vec![0; MUCH]).await.unwrap();
            assert_eq!(output.status.code(), Some(2));
        }
    });
}

#[test]
fn a_child_that_closes_its_outputs_still_gets_its_input() {
    let _leftovers = no_leftovers();
    run(async {
        let child = shell("exec >&- 2>&-; test $(wc -c) = 1048576").piped().spawn().unwrap();
        assert!(child.communicate(vec![0; MUCH]).await.unwrap().status.success());
    });
}

/// The rule for outputs.
#[test]
fn the_output_ends_with_the_last_who_has_the_pipe() {
    let _leftovers = no_leftovers();
    run(async {
        let mut child = shell("exec 3<&0; cat <&3 & echo early").piped().spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let output = spawn(async move { child.wait_with_output().await });
        sleep(Duration::from_millis(20)).await;
        // It cannot be over while the grandchild reads.
        assert!(!output.is_finished());
        stdin.write_all(b"late\n").await.unwrap();
        drop(stdin);
        assert_eq!(output.await.unwrap().unwrap().stdout, b"early\nlate\n");
    });
}

/// The rule for the input: a grandchild that has stdin, and reads nothing, is not waited for.
#[test]
fn input_is_not_kept_for_those_whom_the_child_left_behind() {
    let _leftovers = no_leftovers();
    run(async {
        let child =
            shell("exec 3<&0; sleep 1000 <&3 >/dev/null 2>&1 & echo $!").piped().spawn().unwrap();
        let output = child.communicate(vec![0; MUCH]).await.unwrap();
        assert!(output.status.success());
        kill(text(&output.stdout));
    });
}

#[test]
fn over_the_limit_the_child_is_dropped_and_the_output_given() {
    let _leftovers = no_leftovers();
    run(async {
        for script in ["yes", "yes >&2"] {
            let child = shell(script).piped().spawn().unwrap();
            let error = child.communicate("").limit(100_000).await.unwrap_err();
            assert_eq!(error.to_string(), "the child wrote more than 100000 bytes");
            let overrun = error.downcast::<OutputOverrun>().unwrap();
            let kept = overrun.stdout.len() + overrun.stderr.len();
            // Bounded by the limit and one read.
            assert!((100_001..400_000).contains(&kept), "{kept}");
            until_gone().await;
        }
        // Just at the limit is all right, and it is for both together.
        let both = || shell("echo out; echo err >&2").piped().spawn().unwrap();
        assert_eq!(both().communicate("").limit(8).await.unwrap().stdout, b"out\n");
        assert!(both().communicate("").limit(7).await.is_err());
    });
}

#[test]
fn a_dropped_communicate_kills_the_child() {
    let _leftovers = no_leftovers();
    run(async {
        let child = shell("echo some; exec sleep 1000").piped().spawn().unwrap();
        let mut talk = Box::pin(child.communicate("").into_future());
        for _ in 0..3 {
            assert!(poll_once(talk.as_mut()).await.is_none());
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(children().len(), 1);
        drop(talk);
        until_gone().await;
    });
}

// ----- output and status

#[test]
fn output_captures_what_was_not_said_otherwise() {
    let _leftovers = no_leftovers();
    run(async {
        // No input: it ends.
        let mut command = shell("cat; echo out; echo err >&2");
        for _ in 0..2 {
            let output = command.output().await.unwrap();
            assert_eq!((text(&output.stdout), text(&output.stderr)), ("out", "err"));
        }
        command.stderr(Stdio::null());
        let output = command.output().await.unwrap();
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("out", ""));
        // And the next child inherits again.
        let child = command.spawn().unwrap();
        assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
        drop(child);
    });
}

#[test]
fn status_closes_the_pipes_that_nobody_serves() {
    let _leftovers = no_leftovers();
    run(async {
        let status = Command::new("cat").stdin(Stdio::piped()).status().await.unwrap();
        assert!(status.success());
    });
}

#[test]
fn a_hundred_outputs_leave_no_descriptor() {
    let _leftovers = no_leftovers();
    run(async {
        // What a loop keeps for all of its children it may make for the first.
        shell("true").output().await.unwrap();
        let before = census::Census::take();
        for _ in 0..100 {
            assert_eq!(shell("echo x").output().await.unwrap().stdout, b"x\n");
        }
        assert_eq!(census::Census::take(), before);
    });
}

// ----- streams

#[test]
fn lines_come_as_they_are_written() {
    let _leftovers = no_leftovers();
    run(async {
        let mut child = shell("while read n; do echo $((n * n)); done").piped().spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for n in [3, 5, 8] {
            stdin.write_all(format!("{n}\n").as_bytes()).await.unwrap();
            assert_eq!(lines.next().await.unwrap().unwrap(), (n * n).to_string());
        }
        drop(stdin);
        assert!(lines.next().await.is_none());
        assert!(child.wait().await.unwrap().success());
    });
}

/// Data that was written before the end is read before the end is.
#[test]
fn what_an_exited_child_wrote_is_still_read() {
    let _leftovers = no_leftovers();
    run(async {
        for n in [1, 100, 60_000] {
            let mut child =
                shell(format!("head -c {n} /dev/zero")).stdout(Stdio::piped()).spawn().unwrap();
            child.wait().await.unwrap();
            let mut all = Vec::new();
            child.stdout.take().unwrap().read_to_end(&mut all).await.unwrap();
            assert_eq!(all.len(), n);
        }
    });
}

/// Rust ignores SIGPIPE, and children have its default.
#[test]
fn writing_to_a_child_that_is_gone_is_a_broken_pipe() {
    let _leftovers = no_leftovers();
    run(async {
        let mut child = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        child.wait().await.unwrap();
        let stdin = child.stdin.as_mut().unwrap();
        let error = stdin.write(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        stdin.close().await.unwrap();
        let error = stdin.write(b"x").await.unwrap_err();
        assert_eq!(error.to_string(), "the child's stdin was closed by us");
        // `yes` would go on otherwise.
        let status = shell("yes | head -n 1 >/dev/null").status().await.unwrap();
        assert!(status.success());
    });
}

/// The error is told to one who only waits to write.
#[test]
fn a_writer_that_waits_hears_of_the_child_s_end() {
    let _leftovers = no_leftovers();
    run(async {
        let mut child = Command::new("sleep").arg("1000").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let write = spawn(async move { stdin.write_all(&vec![0; MUCH]).await });
        sleep(Duration::from_millis(5)).await;
        assert!(!write.is_finished());
        child.kill().unwrap();
        assert_eq!(write.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        child.wait().await.unwrap();
    });
}

#[test]
fn a_child_that_never_reads_holds_the_writer_back() {
    let _leftovers = no_leftovers();
    run(async {
        let mut child = Command::new("sleep").arg("1000").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut written = 0;
        while let Some(wrote) = poll_once(stdin.write(&[0; 1 << 16])).await {
            written += wrote.unwrap();
        }
        assert!((1..=MUCH).contains(&written), "{written}");
        drop(child);
    });
}

/// Of what was not read the rest is still there, byte by byte.
#[test]
fn reads_of_one_byte_come_to_the_end() {
    let _leftovers = no_leftovers();
    run(async {
        let mut child = shell("printf %s 0123456789").stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (mut byte, mut all) = ([0], Vec::new());
        while stdout.read(&mut byte).await.unwrap() == 1 {
            all.push(byte[0]);
        }
        assert_eq!(all, b"0123456789");
        child.wait().await.unwrap();
    });
}

#[test]
fn vectored_reads_and_writes() {
    let _leftovers = no_leftovers();
    run(async {
        let mut child = Command::new("cat").piped().spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let parts = [io::IoSlice::new(b"he"), io::IoSlice::new(b"llo")];
        let wrote = std::future::poll_fn(|cx| Pin::new(&mut stdin).poll_write_vectored(cx, &parts));
        assert_eq!(wrote.await.unwrap(), 5);
        let (mut first, mut second) = ([0; 3], [0; 8]);
        let mut parts = [io::IoSliceMut::new(&mut first), io::IoSliceMut::new(&mut second)];
        let stdout = child.stdout.as_mut().unwrap();
        assert_eq!(stdout.read_vectored(&mut parts).await.unwrap(), 5);
        assert_eq!((&first, &second[..2]), (b"hel", &b"lo"[..]));
        drop(stdin);
        child.wait().await.unwrap();
    });
}

/// Where the child's descriptors lead, of those that are open.
fn descriptors(child: &Child, numbers: Range<u32>) -> Vec<PathBuf> {
    let id = child.id().unwrap();
    numbers.filter_map(|n| fs::read_link(format!("/proc/{id}/fd/{n}")).ok()).collect()
}

/// A child that has another's stdin would keep its end away.
#[test]
fn no_child_inherits_the_pipes_of_another() {
    let _leftovers = no_leftovers();
    run(async {
        let mut first = Command::new("cat").piped().spawn().unwrap();
        let second = Command::new("sleep").arg("1000").piped().spawn().unwrap();
        let theirs = descriptors(&second, 0..1000);
        for pipe in descriptors(&first, 0..3) {
            assert!(!theirs.contains(&pipe), "{pipe:?}");
        }
        drop(first.stdin.take());
        assert!(first.wait().await.unwrap().success());
        drop(second);
    });
}

// ----- modes of descriptors

fn is_nonblocking(fd: impl AsFd) -> bool {
    fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

#[test]
fn only_our_ends_are_non_blocking() {
    let _leftovers = no_leftovers();
    run(async {
        let script = "for n in 0 1 2; do grep flags /proc/self/fdinfo/$n; done";
        let child = shell(script).piped().spawn().unwrap();
        let ours = (child.stdout.as_ref().unwrap(), child.stderr.as_ref().unwrap());
        assert!(is_nonblocking(ours.0) && is_nonblocking(ours.1));
        let output = child.wait_with_output().await.unwrap();
        let flags = text(&output.stdout).lines().map(|line| {
            let flags = line.strip_prefix("flags:").unwrap().trim();
            OFlags::from_bits_retain(u32::from_str_radix(flags, 8).unwrap())
        });
        let flags: Vec<_> = flags.collect();
        assert_eq!(flags.len(), 3);
        assert!(flags.iter().all(|flags| !flags.contains(OFlags::NONBLOCK)), "{flags:?}");
    });
}

#[test]
fn what_children_inherit_is_left_as_it_is() {
    let _leftovers = no_leftovers();
    let (reader, writer) = UnixStream::pair().unwrap();
    run(async {
        let status = shell("echo x")
            .stdout(OwnedFd::from(writer.try_clone().unwrap()))
            .status()
            .await
            .unwrap();
        assert!(status.success());
        shell("true").status().await.unwrap();
    });
    assert!(!is_nonblocking(&reader) && !is_nonblocking(&writer));
    assert!(!is_nonblocking(io::stdin()) && !is_nonblocking(io::stdout()));
}

#[test]
fn a_pipe_of_one_child_becomes_another_s() {
    let _leftovers = no_leftovers();
    run(async {
        let mut count = Command::new("seq").arg("20000").stdout(Stdio::piped()).spawn().unwrap();
        let stdout: OwnedFd = count.stdout.take().unwrap().into_owned_fd().unwrap();
        assert!(!is_nonblocking(&stdout));
        let mut tail = Command::new("tail");
        let tail = tail.args(["-n", "1"]).stdin(stdout).stdout(Stdio::piped()).spawn().unwrap();
        assert_eq!(text(&tail.wait_with_output().await.unwrap().stdout), "20000");
        assert!(count.wait().await.unwrap().success());
        // The other way: what one reads, another is given to write.
        let mut cat = Command::new("cat").piped().spawn().unwrap();
        let stdin = Stdio::try_from(cat.stdin.take().unwrap()).unwrap();
        assert!(shell("echo hello").stdout(stdin).status().await.unwrap().success());
        assert_eq!(text(&cat.wait_with_output().await.unwrap().stdout), "hello");
    });
}

#[test]
fn pipes_belong_to_their_loop() {
    let _leftovers = no_leftovers();
    let mut child: Child = run(async { Command::new("cat").piped().spawn().unwrap() });
    let error = run(child.stdin.as_mut().unwrap().write(b"x")).unwrap_err().to_string();
    assert!(error.contains("belongs to event loop"), "{error}");
    let error = run(async { child.stdout.take().unwrap().into_owned_fd() }).unwrap_err();
    assert!(error.to_string().contains("belongs to event loop"), "{error}");
    drop(child);
    eventually("it is reaped", || children().is_empty());
}

// ----- what a command says

#[test]
fn a_command_says_what_std_s_says() {
    let _leftovers = no_leftovers();
    run(async {
        // Who may be anybody is somebody else; others can only be themselves.
        let (uid, gid) = match getuid().is_root() {
            true => (12_345, 23_456),
            false => (getuid().as_raw(), getgid().as_raw()),
        };
        let mut command = shell("echo $0 $1 $A-$B-$C; pwd; id -u; id -g; umask");
        command
            .args(["zero", "one"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs([("A", "a"), ("B", "b"), ("C", "c")])
            .env_remove("B")
            .current_dir("/")
            .uid(uid)
            .gid(gid);
        // SAFETY: it is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::umask(0o123);
                Ok(())
            })
        };
        let output = command.output().await.unwrap();
        let expected = format!("zero one a--c\n/\n{uid}\n{gid}\n0123");
        assert_eq!(text(&output.stdout), expected);
        assert!(format!("{command:?}").contains("\"zero\" \"one\""), "{command:?}");
        assert_eq!(command.as_std().get_program(), "/bin/sh");
    });
}

#[test]
fn groups_and_names_of_children() {
    let _leftovers = no_leftovers();
    run(async {
        let child = Command::new("sleep").arg("1000").process_group(0).arg0("nap").spawn().unwrap();
        let id = child.id().unwrap();
        let pid = Pid::from_raw(id as i32);
        assert_eq!(getpgid(pid).unwrap(), pid.unwrap());
        // The parent goes on a moment before the program does.
        let name = || fs::read(format!("/proc/{id}/cmdline")).unwrap();
        eventually("it has its name", || name() == b"nap\x001000\0");
        drop(child);
    });
}

#[test]
fn what_fails_before_the_program_is_the_spawn_s_error() {
    let _leftovers = no_leftovers();
    run(async {
        let mut command = Command::new("true");
        // SAFETY: it does nothing.
        unsafe { command.pre_exec(|| Err(io::Error::from_raw_os_error(libc::EXDEV))) };
        let error = command.piped().spawn().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EXDEV));
        assert_eq!(children(), []);
    });
}

#[test]
fn a_command_of_std_keeps_its_streams() {
    let _leftovers = no_leftovers();
    run(async {
        let mut command = process::Command::new("cat");
        command.stdin(process::Stdio::piped()).stdout(process::Stdio::piped());
        let child = Command::from(command).spawn().unwrap();
        assert_eq!(child.communicate("hello").await.unwrap().stdout, b"hello");
    });
}
