//! The example that runs commands, as a program: what it prints, its exit code, and ctrl-c.

#![cfg(all(unix, not(miri)))] // starts processes

mod example_common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use example_common::example;

use rustix::process::{Pid, Signal, kill_process};

#[test]
fn the_smoke_test_passes() {
    let output = Command::new(example("run_commands")).arg("--smoke").output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert_eq!(printed, "smoke: 100007 lines of 3 commands\n");
}

#[test]
fn its_exit_code_says_whether_all_succeeded() {
    for (commands, code) in [(&[][..], 2), (&["true", "true"], 0), (&["true", "exit 7"], 1)] {
        let output = Command::new(example("run_commands")).args(commands).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{commands:?}");
    }
}

#[test]
fn ctrl_c_asks_the_commands_to_end() {
    let command = "trap 'echo asked; exit 5' TERM; echo ready; while :; do sleep 0.01; done";
    let mut child: Child = Command::new(example("run_commands"))
        .args([command, command])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    for _ in 0..2 {
        assert!(lines.next().unwrap().ends_with("ready"));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest: Vec<_> =
        lines.map(|line| line.split(" after ").next().unwrap().to_owned()).collect();
    rest.sort();
    assert_eq!(rest, ["[1] asked", "[1] exit status: 5", "[2] asked", "[2] exit status: 5"]);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
