//! The example `producer_consumer` does what its head says.

#![cfg(not(miri))] // it starts processes

use std::path::PathBuf;
use std::process::Command;

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

/// Cargo builds examples before it runs tests, next to them.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its path");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST");
    let path = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is missing: run `cargo build --examples` first", path.display());
    path
}
