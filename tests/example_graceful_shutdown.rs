//! The graceful shutdown example as a program: what clients are told when ctrl-c comes, and how the second one ends it.

#![cfg(all(target_os = "linux", not(miri)))] // it starts processes and sends signals

mod example_common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use example_common::example;

use rustix::process::{Pid, Signal, kill_process};

const LIMIT: Duration = Duration::from_secs(60);

/// A program, running. Killed when it is dropped, if it is not over by then.
struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it can be started");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { child, stdout }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("it prints UTF-8");
        line
    }

    fn address(&mut self) -> SocketAddr {
        let line = self.line();
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(';').next());
        address.and_then(|a| a.parse().ok()).unwrap_or_else(|| panic!("no address in {line:?}"))
    }

    fn press_ctrl_c(&self) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a pid")).expect("a pid");
        kill_process(pid, Signal::INT).expect("it is alive");
    }

    /// Waits for its end, and gives what it printed since.
    fn finish(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            assert!(Instant::now() < deadline, "it is not over after {LIMIT:?}");
            thread::sleep(Duration::from_millis(5));
        };
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("it prints UTF-8");
        (status, rest)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail if it is over, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server() -> Program {
    Program::start(&mut Command::new(example("graceful_shutdown")))
}

#[test]
fn ctrl_c_lets_the_clients_finish() {
    let mut server = server();
    let mut client = BufReader::new(TcpStream::connect(server.address()).unwrap());
    client.get_mut().write_all(b"hello\n").unwrap();
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    server.press_ctrl_c();
    client.read_to_string(&mut line).unwrap();
    assert_eq!(line, "hello\ngoodbye\n");
    let (status, rest) = server.finish();
    assert!(status.success(), "{status}: {rest}");
    assert!(rest.contains("stopping: interrupted\n"), "{rest}");
    assert!(rest.ends_with("said goodbye\nserved 1 connections\n"), "{rest}");
}

#[test]
fn the_smoke_test_passes() {
    let mut command = Command::new(example("graceful_shutdown"));
    let (status, output) = Program::start(command.arg("--smoke")).finish();
    assert!(status.success() && output.ends_with("served 1 connections\n"), "{status}: {output}");
}

#[test]
fn ctrl_c_without_clients_ends_it_at_once() {
    let mut server = server();
    server.address();
    server.press_ctrl_c();
    let (status, rest) = server.finish();
    assert!(status.success() && rest.ends_with("served 0 connections\n"), "{status}: {rest}");
}

/// Programs of this test binary's own, told apart by a variable.
const VARIABLE: &str = "MONOLOOP_CTRL_C_PROGRAM";

fn program(name: &str) -> Program {
    let test = "the_programs_of_this_file";
    let mut command = Command::new(std::env::current_exe().expect("a test has a path"));
    let mut program =
        Program::start(command.args(["--exact", test, "--nocapture"]).env(VARIABLE, name));
    while !program.line().ends_with("ready\n") {}
    program
}

/// Does nothing by itself: the others run it in processes of their own.
#[test]
fn the_programs_of_this_file() {
    let event_loop = || {
        let builder = monoloop::EventLoop::builder().on_ctrl_c(monoloop::OnCtrlC::Interrupt);
        builder.grace(Duration::from_millis(10)).build().unwrap()
    };
    match std::env::var(VARIABLE).as_deref() {
        Ok("stubborn") => event_loop().run(async {
            println!("ready");
            monoloop::task::CancelToken::root().cancelled().await;
            println!("asked");
            std::future::pending::<()>().await
        }),
        Ok("interruptible") => event_loop().run_or_exit(async {
            let _farewell = monoloop::task::defer(async {
                monoloop::yield_now().await;
                println!("cleaned up");
            });
            println!("ready");
            std::future::pending::<()>().await
        }),
        Ok("busy") => event_loop().run(async {
            println!("ready");
            loop {
                std::hint::spin_loop();
            }
        }),
        Ok("afterwards") => {
            event_loop().run(async {});
            println!("ready");
            loop {
                thread::park();
            }
        }
        _ => {}
    }
}

fn was_ended_by_sigint(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::INT.as_raw())
}

#[test]
fn a_future_that_does_not_end_is_dropped_and_its_clean_ups_run() {
    let program = program("interruptible");
    program.press_ctrl_c();
    let (status, rest) = program.finish();
    assert!(was_ended_by_sigint(status) && rest.contains("cleaned up\n"), "{status}: {rest}");
}

#[test]
fn the_second_ctrl_c_ends_the_process() {
    let mut program = program("stubborn");
    program.press_ctrl_c();
    while !program.line().contains("asked") {}
    program.press_ctrl_c();
    assert!(was_ended_by_sigint(program.finish().0));
}

#[test]
fn the_second_ctrl_c_ends_a_loop_that_is_stuck() {
    let mut program = program("busy");
    program.press_ctrl_c();
    // Two signals that come together count as one; this one is seen at once, or the next.
    while program.child.try_wait().unwrap().is_none() {
        program.press_ctrl_c();
        thread::sleep(Duration::from_millis(5));
    }
    assert!(was_ended_by_sigint(program.finish().0));
}

#[test]
fn after_the_last_loop_ctrl_c_is_as_ever() {
    let program = program("afterwards");
    program.press_ctrl_c();
    assert!(was_ended_by_sigint(program.finish().0));
}
