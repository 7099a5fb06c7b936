//! The examples `gather` and `task_group` print what their heads say.

#![cfg(not(miri))] // it starts processes

mod example_common;

use std::process::Command;

use example_common::example;

/// What it prints, and what the second block of its head says.
fn printed_and_promised(name: &str, source: &str) -> (Vec<String>, Vec<String>) {
    let output = Command::new(example(name)).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).expect("it prints UTF-8");
    let head = source.split("//! ```").nth(3).expect("its second block").lines().skip(1);
    let promised = head.filter_map(|line| line.strip_prefix("//! ")).map(String::from).collect();
    (printed.lines().map(String::from).collect(), promised)
}

#[test]
fn breakfast_is_ready_in_order_of_time() {
    let (mut printed, mut promised) =
        printed_and_promised("gather", include_str!("../examples/gather.rs"));
    // How long it took depends on the machine.
    assert!(printed.pop().unwrap().starts_with("breakfast of tea, toast, eggs after 0."));
    promised.pop();
    assert_eq!(printed, promised);
}

#[test]
fn a_pipeline_ends_with_its_error_after_the_clean_up() {
    let (printed, promised) =
        printed_and_promised("task_group", include_str!("../examples/task_group.rs"));
    assert_eq!(printed, promised);
}
