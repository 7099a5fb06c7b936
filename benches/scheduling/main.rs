//! What scheduling costs: spawning, yielding, waking, timers, sockets and memory, beside the runtimes
//! that people use for the same.
//!
//! ```text
//! cargo bench --bench scheduling -- [--quick] [--verbose] [WORD]...
//! ```
//!
//! prints one table; `cargo bench -p monoloop-peers` prints it with monoio and compio as well. What is
//! measured stands in [`scenarios`], how in [`harness`], and what it does not prove in [`machine`].

mod cli;
mod harness;
mod machine;
mod platform;
mod runtimes;
mod scenarios;
mod table;

use std::process::ExitCode;

use harness::Column;
use runtimes::monoloop::Monoloop;
use runtimes::smol::Smol;
use runtimes::tokio::{InLocalRuntime, InLocalSet, Tokio};

/// The bars are set against more runtimes than this table has.
const REMARK: &str = "The bars count monoio and compio too: `cargo bench -p monoloop-peers`.";

fn main() -> ExitCode {
    let columns = [
        Column::ours::<Monoloop>(),
        Column::peer::<Tokio<InLocalSet>>(),
        Column::peer::<Tokio<InLocalRuntime>>(),
        Column::peer::<Smol>(),
        Column::epoll(),
    ];
    harness::main(&columns, REMARK)
}
