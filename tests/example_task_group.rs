//! The example `task_group` does what its head says.

#![cfg(not(miri))] // it starts processes

use std::path::PathBuf;
use std::process::Command;

#[test]
fn it_prints_what_its_head_says() {
    let output =
        Command::new(example("task_group")).arg("--smoke").output().expect("it can be started");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("a text");
    let source = include_str!("../examples/task_group.rs");
    let head = source.lines().map_while(|line| line.strip_prefix("//!"));
    let shown =
        head.skip_while(|line| *line != " prints").skip(3).take_while(|line| *line != " ```");
    let shown: Vec<&str> = shown.map(|line| &line[1..]).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), shown);
}

/// Cargo builds examples before it runs tests, next to them.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its path");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST");
    let path = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is missing: run `cargo build --examples` first", path.display());
    path
}
