//! What byte streams cost above the sockets: lines, and a proxy, beside the runtimes that people use for the same.
//!
//! ```text
//! cargo bench -p monoloop-peers --bench streams -- [--quick] [--verbose] [WORD]...
//! ```
//!
//! prints one table. What is measured stands in [`scenarios`], with what in [`libraries`], how in [`harness`].

#[path = "../../../harness/mod.rs"]
mod harness;
mod libraries;
mod scenarios;

use std::process::ExitCode;

use harness::Suite;

/// What a reader must not conclude.
const CAVEATS: &str = "\
- that lines come that fast from a file or a socket: they lie in memory;
- that a proxy gets faster by these ratios: client, proxy and server share one thread here, and the kernel's copies
  are most of it;
- that equals are compared in all: monoloop's lines have a limit and survive a dropped read, the others' are without
  limit; futures and futures-lite run on monoloop's loop; async-io has no copy both ways, so it is two of futures-lite's
  copies there.";

fn main() -> ExitCode {
    Suite {
        call: "cargo bench -p monoloop-peers --bench streams",
        scenarios: scenarios::SCENARIOS,
        columns: libraries::columns(),
        caveats: CAVEATS,
        remark: "An operation is one line, or one write of 64 KiB.",
    }
    .main()
}
