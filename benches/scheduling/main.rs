//! What scheduling costs: spawning, yielding, waking, timers, sockets and memory, beside the runtimes
//! that people use for the same.
//!
//! ```text
//! cargo bench --bench scheduling -- [--quick] [--verbose] [WORD]...
//! ```
//!
//! prints one table; `cargo bench -p monoloop-peers` prints it with monoio and compio as well. What is
//! measured stands in [`scenarios`], how in [`harness`], and what it does not prove in [`columns`].

mod columns;
#[cfg(target_os = "linux")]
mod epoll;
#[path = "../harness/mod.rs"]
mod harness;
mod runtimes;
mod scenarios;

use std::process::ExitCode;

use columns::{ours, peer};
use harness::Suite;
use runtimes::monoloop::Monoloop;
use runtimes::smol::Smol;
use runtimes::tokio::{InLocalRuntime, InLocalSet, Tokio};

/// The bars are set against more runtimes than this table has.
const REMARK: &str = "The bars count monoio and compio too: `cargo bench -p monoloop-peers`.";

fn main() -> ExitCode {
    let columns = vec![
        ours::<Monoloop>(),
        peer::<Tokio<InLocalSet>>(),
        peer::<Tokio<InLocalRuntime>>(),
        peer::<Smol>(),
        columns::epoll(),
    ];
    Suite {
        call: "cargo bench --bench scheduling",
        scenarios: scenarios::SCENARIOS,
        columns,
        caveats: columns::CAVEATS,
        remark: REMARK,
    }
    .main()
}
