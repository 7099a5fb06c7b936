//! The rows of the table.

use crate::harness::{Bar, Scenario, Size};

/// Which code to run. An operation is a job, or a small read or write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// So many jobs handed over, then all awaited.
    Jobs(u64),
    /// A file read from end to end, a piece at a time.
    Read,
    /// A file written from end to end, a piece at a time, and flushed.
    Write,
}

/// The file's length, and that of a piece.
pub const FILE: usize = 1024 * 1024;
pub const PIECE: usize = 64;

/// How many pieces a file has.
pub const PIECES: u64 = (FILE / PIECE) as u64;

const fn row(kind: Kind, title: &'static str, of: u64, bar: Option<f64>) -> Scenario<Kind> {
    let bar = match bar {
        Some(times) => Some(Bar::BestPeer(times)),
        None => None,
    };
    Scenario { kind, title, size: Size::Calibrated { multiple_of: of }, bar }
}

/// The rows, in the order they are printed.
pub const SCENARIOS: &[Scenario<Kind>] = &[
    row(Kind::Jobs(1), "spawn_blocking round trip", 1, Some(1.0)),
    row(Kind::Jobs(64), "spawn_blocking, 64 at a time", 64, Some(1.0)),
    row(Kind::Read, "read a file, 64 bytes at a time", PIECES, Some(1.0)),
    row(Kind::Write, "write a file, 64 bytes at a time", PIECES, Some(1.0)),
];
