//! The rows of the table, and the text that is read.

use std::sync::OnceLock;

use crate::harness::{Bar, Scenario, Size};

/// Which code to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lines of so many bytes, their end included, each a string of its own.
    Lines(usize),
    /// Writes of 64 KiB through a proxy.
    Proxy,
}

/// How long the text is.
const TEXT: usize = 100_000_000;

/// How long a write is.
pub const WRITE: usize = 64 * 1024;

const fn lines(length: usize, title: &'static str) -> Scenario<Kind> {
    let size = Size::Fixed { full: (TEXT / length) as u64, quick: 1000, rounds: 11 };
    Scenario { kind: Kind::Lines(length), title, size, bar: Some(Bar::BestPeer(1.0)) }
}

/// The rows, in the order they are printed.
pub const SCENARIOS: &[Scenario<Kind>] = &[
    lines(80, "lines of 80 bytes, 100 MB"),
    lines(1000, "lines of 1000 bytes, 100 MB"),
    Scenario {
        kind: Kind::Proxy,
        title: "64 KiB writes through a proxy",
        size: Size::Fixed { full: 4000, quick: 20, rounds: 21 },
        bar: Some(Bar::BestPeer(1.0)),
    },
];

/// So many lines of so many bytes.
pub fn text(length: usize, lines: u64) -> &'static [u8] {
    static TEXTS: [OnceLock<Vec<u8>>; 2] = [const { OnceLock::new() }; 2];
    let text = TEXTS[usize::from(length > 100)].get_or_init(|| {
        let line: Vec<u8> = (0..length - 1).map(|n| b'a' + (n % 26) as u8).collect();
        let line = [&*line, b"\n"].concat();
        line.repeat(TEXT / length)
    });
    &text[..length * lines as usize]
}
