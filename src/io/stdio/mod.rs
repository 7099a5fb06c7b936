//! The standard streams of the process.
//!
//! Descriptors that were inherited are shared: with the shell, and with whoever else started or was started. To make one
//! non-blocking would make it so for all of them, and to trust its readiness would block the loop when another of them is
//! quicker. So each stream has a thread, started when it is first needed and ended after ten seconds without work, that
//! reads or writes through std's own [`Stdin`](std::io::Stdin), [`Stdout`](std::io::Stdout) and
//! [`Stderr`](std::io::Stderr): what `print!` and `read_line` do fits in. The threads belong to no loop, and nobody waits for
//! one that reads.

mod input;
mod output;

pub use input::{NextLine, Stdin, stdin};
pub use output::{Stderr, Stdout, stderr, stdout};

use std::time::Duration;

/// After how much time without work a thread ends.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
