//! The table of `cargo bench --bench scheduling` with two more columns: monoio and compio, the fastest
//! at scheduling among the runtimes that keep a task on its thread.
//!
//! ```text
//! cargo bench -p monoloop-peers -- [--quick] [--verbose] [WORD]...
//! ```
//!
//! All code but these two columns is that of the root package.

#[path = "../../../scheduling/cli.rs"]
mod cli;
#[cfg(target_os = "linux")]
mod compio;
#[path = "../../../scheduling/harness.rs"]
mod harness;
#[path = "../../../scheduling/machine.rs"]
mod machine;
#[cfg(target_os = "linux")]
mod monoio;
#[path = "../../../scheduling/platform/mod.rs"]
mod platform;
#[path = "../../../scheduling/runtimes/mod.rs"]
mod runtimes;
#[path = "../../../scheduling/scenarios/mod.rs"]
mod scenarios;
#[path = "../../../scheduling/table.rs"]
mod table;

use std::process::ExitCode;

use harness::Column;
use runtimes::monoloop::Monoloop;
use runtimes::smol::Smol;
use runtimes::tokio::{InLocalRuntime, InLocalSet, Tokio};

fn main() -> ExitCode {
    let columns = [
        Column::ours::<Monoloop>(),
        Column::peer::<Tokio<InLocalSet>>(),
        Column::peer::<Tokio<InLocalRuntime>>(),
        Column::peer::<Smol>(),
        #[cfg(target_os = "linux")]
        Column::peer::<monoio::Monoio>(),
        #[cfg(target_os = "linux")]
        Column::peer::<compio::Compio>(),
        Column::epoll(),
    ];
    harness::main(&columns, "The bars count all columns but the epoll loop, which has its own.")
}
