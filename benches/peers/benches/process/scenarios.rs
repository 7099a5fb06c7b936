//! The rows of the table.

use crate::harness::{Bar, Scenario, Size};

/// Which code to run. An operation is a child.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Spawned and waited for, one after the other.
    Status,
    /// Spawned so many at once, and then waited for.
    AtOnce(u64),
    /// Its output read to the end, one after the other.
    Output,
}

const fn row(kind: Kind, title: &'static str, of: u64) -> Scenario<Kind> {
    Scenario {
        kind,
        title,
        size: Size::Calibrated { multiple_of: of },
        bar: Some(Bar::BestPeer(1.0)),
    }
}

/// The rows, in the order they are printed.
pub const SCENARIOS: &[Scenario<Kind>] = &[
    row(Kind::Status, "spawn a child and wait", 1),
    row(Kind::AtOnce(20), "spawn 20 children, then wait", 20),
    row(Kind::Output, "output of a child", 1),
];
