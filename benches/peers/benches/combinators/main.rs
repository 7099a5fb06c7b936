//! What it costs to wait for many futures, beside the crates that people use for the same.
//!
//! ```text
//! cargo bench -p monoloop-peers --bench combinators -- [--quick] [--verbose] [WORD]...
//! ```
//!
//! prints one table. What is measured stands in [`scenarios`], with what in [`libraries`], how in [`harness`]. All
//! but tokio's run on monoloop's loop, so that only the combinators differ; tokio's run on its own, in a `LocalSet`.

#[path = "../../../harness/mod.rs"]
mod harness;
mod libraries;
mod scenarios;

use std::process::ExitCode;

use harness::Suite;

/// What a reader must not conclude.
const CAVEATS: &str = "\
- that a program gets faster by these ratios: the futures do nothing but yield;
- what the crates cost elsewhere: all but tokio's run on monoloop's loop, whose wakers cost the others next to
  nothing as well;
- that equals are compared in all: a JoinSet and a TaskGroup spawn tasks, the others poll futures in place; futures'
  join_all of up to 30 futures, and join! everywhere but here, poll all of them on every wake; tokio has neither
  scopes nor groups, and its column shows a JoinSet in their rows.";

fn main() -> ExitCode {
    Suite {
        call: "cargo bench -p monoloop-peers --bench combinators",
        scenarios: scenarios::SCENARIOS,
        columns: libraries::columns(),
        caveats: CAVEATS,
        remark: "An operation is one child, or one round of a loop.",
    }
    .main()
}
