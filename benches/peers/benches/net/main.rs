//! What sockets cost: echoes over TCP, unix streams and UDP, bulk data, and the memory of idle connections, beside the
//! runtimes that people use for the same, one of them on io_uring, and a hand-written epoll loop.
//!
//! ```text
//! cargo bench -p monoloop-peers --bench net -- [--quick] [--verbose] [WORD]...
//! ```
//!
//! prints one table. What is measured stands in [`scenarios`], with which sockets in [`sockets`], how in [`harness`].

#[cfg(target_os = "linux")]
#[path = "../peers/compio.rs"]
mod compio;
#[cfg(target_os = "linux")]
#[path = "../../../scheduling/scenarios/echo.rs"]
mod echo;
#[path = "../../../scheduling/epoll.rs"]
mod epoll;
#[cfg(target_os = "linux")]
mod floor;
#[path = "../../../harness/mod.rs"]
mod harness;
#[cfg(target_os = "linux")]
#[path = "../peers/monoio.rs"]
mod monoio;
#[allow(dead_code)] // what the other table needs
#[path = "../../../scheduling/runtimes/mod.rs"]
mod runtimes;
#[cfg(target_os = "linux")]
mod scenarios;
#[cfg(target_os = "linux")]
mod sockets;

/// What a reader must not conclude.
#[cfg(target_os = "linux")]
const CAVEATS: &str = "\
- that a program gets faster by these ratios: nine tenths of the time are the kernel's;
- anything about a network: both ends of a connection are on one loop, and the loopback interface;
- that equals are compared in all: compio uses io_uring, where one system call hands over the operations of all busy
  connections, while the others make one for each operation; monoio runs on its epoll driver here, smol has a thread
  for its I/O;
- what an idle connection costs the machine: only the memory of this process counts. In the kernel, besides the socket,
  a read that waits in io_uring takes about 860 bytes, and one that epoll watches about 210 (slabinfo, Linux 6.18).";

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use harness::Role;
    use runtimes::{
        monoloop::Monoloop,
        smol::Smol,
        tokio::{InLocalRuntime, InLocalSet, Tokio},
    };
    use scenarios::column;

    let columns = vec![
        column::<Monoloop>(Role::Ours),
        column::<Tokio<InLocalSet>>(Role::Peer),
        column::<Tokio<InLocalRuntime>>(Role::Peer),
        column::<Smol>(Role::Peer),
        column::<monoio::Monoio>(Role::Peer),
        column::<compio::Compio>(Role::Peer),
        floor::column(),
    ];
    harness::Suite {
        call: "cargo bench -p monoloop-peers --bench net",
        scenarios: scenarios::SCENARIOS,
        columns,
        caveats: CAVEATS,
        remark: "The bars count all columns but the epoll loop, which has its own.",
    }
    .main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the peers of this benchmark, and its epoll loop, are there on Linux only");
}
