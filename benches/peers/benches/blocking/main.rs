//! What it costs to have a thread beside the loop do something, and to read and write files that way.
//!
//! ```text
//! cargo bench -p monoloop-peers --bench blocking -- [--quick] [--verbose] [WORD]...
//! ```
//!
//! prints one table. What is measured stands in [`scenarios`], with what in [`runtimes`], how in [`harness`].

#[path = "../../../harness/mod.rs"]
mod harness;
mod runtimes;
mod scenarios;

use std::process::ExitCode;

use harness::Suite;

/// What a reader must not conclude.
const CAVEATS: &str = "\
- how long a thread takes: the jobs do nothing, and the files are in the page cache. A round trip is mostly
  the kernel's: two threads wake each other;
- that equals are compared in all: tokio visits a thread for each small read, monoloop reads up to 128 KiB
  ahead, and smol streams through a pipe of 8 MiB that a thread fills.";

fn main() -> ExitCode {
    Suite {
        call: "cargo bench -p monoloop-peers --bench blocking",
        scenarios: scenarios::SCENARIOS,
        columns: runtimes::columns(),
        caveats: CAVEATS,
        remark: "An operation is one job, or one small read or write.",
    }
    .main()
}
