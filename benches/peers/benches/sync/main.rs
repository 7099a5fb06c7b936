//! What locks, channels and queues of one thread cost, beside the crates that people use for the same.
//!
//! ```text
//! cargo bench -p monoloop-peers --bench sync -- [--quick] [--verbose] [WORD]...
//! ```
//!
//! prints one table. What is measured stands in [`scenarios`], with what in [`libraries`], how in
//! [`harness`]. All of it runs on monoloop's loop, so that only the primitives differ.

#[path = "../../../harness/mod.rs"]
mod harness;
mod libraries;
mod scenarios;

use std::process::ExitCode;

use harness::Suite;

/// What a reader must not conclude.
const CAVEATS: &str = "\
- that a program gets faster by these ratios: values are numbers, and what is sent is not worked on;
- what these crates cost on other runtimes: ALL RUN ON MONOLOOP'S LOOP, whose wakers cost the others next
  to nothing as well;
- that equals are compared in all: tokio::sync and the async-* crates work between threads, local-channel and
  unsync have less (one producer, no reserve), and fairness differs.";

fn main() -> ExitCode {
    Suite {
        call: "cargo bench -p monoloop-peers --bench sync",
        scenarios: scenarios::SCENARIOS,
        columns: libraries::columns(),
        caveats: CAVEATS,
        remark: "The bars count all columns but bare std, the floor, which has a bar of its own in one row.",
    }
    .main()
}
