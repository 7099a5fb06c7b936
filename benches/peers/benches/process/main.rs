//! What it costs to run a child, beside tokio and async-process.
//!
//! ```text
//! cargo bench -p monoloop-peers --bench process -- [--quick] [--verbose] [WORD]...
//! ```
//!
//! prints one table. What is measured stands in [`scenarios`], with what in [`libraries`], how in [`harness`]. Each
//! library runs on its own loop of one thread; std, the floor, blocks.

#[cfg(unix)]
#[path = "../../../harness/mod.rs"]
mod harness;
#[cfg(unix)]
mod libraries;
#[cfg(unix)]
mod scenarios;

/// What a reader must not conclude.
#[cfg(unix)]
const CAVEATS: &str = "\
- that a program gets faster by these ratios: nearly all of the time is the system's, which makes a process, loads
  a program and tears both down; what a library adds is in the differences from std's column;
- what a child costs a large program: the system's share grows with the parent's memory where it forks.";

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    harness::Suite {
        call: "cargo bench -p monoloop-peers --bench process",
        scenarios: scenarios::SCENARIOS,
        columns: libraries::columns(),
        caveats: CAVEATS,
        remark: "An operation is one child, from its spawn to its status. The program is `true`.",
    }
    .main()
}

#[cfg(not(unix))]
fn main() {}
