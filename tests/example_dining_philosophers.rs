//! The dining philosophers as a program: all eat as often as they want, and it ends.

#![cfg(not(miri))] // it starts processes

use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs the example that cargo built, beside the directory of this test.
fn dine(args: &[&str]) -> Output {
    let test = std::env::current_exe().expect("a test knows its path");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST");
    let path: PathBuf = profile
        .join("examples/dining_philosophers")
        .with_extension(std::env::consts::EXE_EXTENSION);
    Command::new(path).args(args).output().expect("run `cargo build --examples` first")
}

#[test]
fn everybody_eats_as_often_as_everybody_else() {
    for (args, meals) in [(&["7"][..], 7), (&[], 100), (&["0"], 0), (&["--smoke"], 100)] {
        let output = dine(args);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let eaten = text.lines().filter(|line| line.contains(&format!(" ate {meals} times")));
        assert_eq!(eaten.count(), 5, "{text}");
        assert!(text.ends_with(&format!("the forks were used {} times\n", meals * 10)), "{text}");
    }
}

#[test]
fn a_wrong_number_is_named() {
    let output = dine(&["many"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("how many meals?"));
}
