//! The table of `cargo bench --bench scheduling` with two more columns: monoio and compio, the fastest
//! at scheduling among the runtimes that keep a task on its thread.
//!
//! ```text
//! cargo bench -p monoloop-peers -- [--quick] [--verbose] [WORD]...
//! ```
//!
//! All code but these two columns is that of the root package.

#[path = "../../../scheduling/columns.rs"]
mod columns;
#[cfg(target_os = "linux")]
mod compio;
#[cfg(target_os = "linux")]
#[path = "../../../scheduling/epoll.rs"]
mod epoll;
#[path = "../../../harness/mod.rs"]
mod harness;
#[cfg(target_os = "linux")]
mod monoio;
#[path = "../../../scheduling/runtimes/mod.rs"]
mod runtimes;
#[path = "../../../scheduling/scenarios/mod.rs"]
mod scenarios;

use std::process::ExitCode;

use columns::{ours, peer};
use harness::Suite;
use runtimes::monoloop::Monoloop;
use runtimes::smol::Smol;
use runtimes::tokio::{InLocalRuntime, InLocalSet, Tokio};

fn main() -> ExitCode {
    let columns = vec![
        ours::<Monoloop>(),
        peer::<Tokio<InLocalSet>>(),
        peer::<Tokio<InLocalRuntime>>(),
        peer::<Smol>(),
        #[cfg(target_os = "linux")]
        peer::<monoio::Monoio>(),
        #[cfg(target_os = "linux")]
        peer::<compio::Compio>(),
        columns::epoll(),
    ];
    Suite {
        call: "cargo bench -p monoloop-peers",
        scenarios: scenarios::SCENARIOS,
        columns,
        caveats: columns::CAVEATS,
        remark: "The bars count all columns but the epoll loop, which has its own.",
    }
    .main()
}
