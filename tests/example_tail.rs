//! The tail example as a program: its last lines, what is added, and ctrl-c.

#![cfg(all(unix, not(miri)))] // it starts processes

mod example_common;

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use example_common::example;

#[test]
fn it_prints_the_last_lines_and_those_that_come_until_it_is_interrupted() {
    let path = std::env::temp_dir().join(format!("monoloop-tail-{}", std::process::id()));
    fs::write(&path, "1\n2\n3\n4").unwrap();
    let mut tail = Command::new(example("tail"))
        .args(["-n", "2"])
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example can be started");
    assert_eq!(read(&mut tail, 3), "3\n4");
    let mut log = OpenOptions::new().append(true).open(&path).unwrap();
    log.write_all(b"4\n5\n").unwrap();
    assert_eq!(read(&mut tail, 4), "4\n5\n");
    let pid = tail.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = tail.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    fs::remove_file(&path).unwrap();
}

#[test]
fn the_smoke_run_checks_itself() {
    let output = Command::new(example("tail")).arg("--smoke").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "followed a file that grew, was cut, and was replaced\n");
}

#[test]
fn a_file_that_is_missing_is_an_error() {
    let output = Command::new(example("tail")).arg("/nothing/here").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("No such file"));
}

fn read(child: &mut Child, len: usize) -> String {
    let mut text = vec![0; len];
    child.stdout.as_mut().unwrap().read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}
