//! The dining philosophers as a program: all eat as often as they want, and it ends.

#![cfg(not(miri))] // it starts processes

mod example_common;

use std::process::{Command, Output};

use example_common::example;

/// Runs the example.
fn dine(args: &[&str]) -> Output {
    Command::new(example("dining_philosophers")).args(args).output().expect("it can be started")
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
