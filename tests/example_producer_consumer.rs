//! The example `producer_consumer` does what its head says.

#![cfg(not(miri))] // it starts processes

mod example_common;

use std::process::Command;

use example_common::example;

#[test]
fn it_does_all_orders_and_ends() {
    let output = Command::new(example("producer_consumer"))
        .arg("--smoke")
        .output()
        .expect("it can be started");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("a text");
    assert!(text.ends_with("20 orders: 18 done, 2 spoilt, at most 4 in the queue\n"), "{text}");
    assert_eq!(text.matches(" goes home").count(), 3);
    assert_eq!(text.matches(" did order ").count(), 18);
}
