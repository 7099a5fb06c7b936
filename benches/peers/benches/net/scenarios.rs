//! What is measured: every scenario once, generic over the runtime.
//!
//! The measured code runs on a spawned task, once unmeasured and a tenth as long, and then under the clock. An echo's
//! operation is a round trip: four transfers, two at each end.

use std::time::{Duration, Instant};

use crate::echo::{self, MESSAGE, echo_over};
use crate::harness::{Bar, Column, Role, Scenario, Size, platform};
use crate::runtimes::{Connection, Listener};
use crate::sockets::{Datagrams, Sockets, udp_pair, unix_pair};

/// Bytes in a write of bulk data.
const BULK: usize = 64 * 1024;

/// Which code to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    TcpEcho { connections: u64 },
    UnixEcho,
    UdpEcho,
    Bulk,
    IdleBytes,
}

/// The rows, in the order they are printed.
pub const SCENARIOS: &[Scenario<Kind>] = &[
    echo(Kind::TcpEcho { connections: 1 }, "TCP echo of 64 B, 1 connection", 1),
    echo(Kind::TcpEcho { connections: 100 }, "TCP echo of 64 B, 100 connections", 1000),
    echo(Kind::TcpEcho { connections: 1000 }, "TCP echo of 64 B, 1000 connections", 1000),
    echo(Kind::UnixEcho, "unix stream echo of 64 B", 1),
    echo(Kind::UdpEcho, "UDP ping-pong of 64 B", 1),
    Scenario {
        kind: Kind::Bulk,
        title: "bulk TCP, 64 KiB there",
        size: Size::Calibrated { multiple_of: 10 },
        bar: Some(Bar::BestPeer(1.0)),
    },
    Scenario {
        kind: Kind::IdleBytes,
        title: "resident bytes per idle connection",
        size: Size::Alone { full: 5000, quick: 200, rounds: 3 },
        bar: Some(Bar::Peer("tokio LocalSet", 0.5)),
    },
];

const fn echo(kind: Kind, title: &'static str, multiple_of: u64) -> Scenario<Kind> {
    let bar = Some(Bar::Floor { times: 1.05, plus: 0.0 });
    Scenario { kind, title, size: Size::Calibrated { multiple_of }, bar }
}

/// A runtime's column.
pub fn column<R: Sockets>(role: Role) -> Column<Kind> {
    Column { name: R::NAME, packages: R::PACKAGES, note: R::note, role, measure: measure::<R> }
}

fn measure<R: Sockets>(kind: Kind, operations: u64) -> Option<f64> {
    if kind == Kind::IdleBytes {
        return R::block_on(async move { R::output(R::spawn(idle_bytes::<R>(operations)).await) });
    }
    let elapsed = R::block_on(async move {
        let measured = R::spawn(async move {
            run::<R>(kind, warm_up(kind, operations)).await;
            run::<R>(kind, operations).await
        });
        R::output(measured.await)
    });
    Some(elapsed.as_nanos() as f64)
}

/// How many operations to run before the measured ones; a whole multiple of what a scenario divides by.
pub fn warm_up(kind: Kind, operations: u64) -> u64 {
    match kind {
        Kind::TcpEcho { connections } => (operations / 10 / connections).max(1) * connections,
        _ => operations.div_ceil(10),
    }
}

async fn run<R: Sockets>(kind: Kind, operations: u64) -> Duration {
    match kind {
        Kind::TcpEcho { connections } => {
            echo::echo::<R>(operations / connections, connections).await
        }
        Kind::UnixEcho => {
            let (near, far) = unix_pair();
            echo_over::<R, _>(vec![(R::unix(near), R::unix(far))], operations).await
        }
        Kind::UdpEcho => datagram_echo::<R>(operations).await,
        Kind::Bulk => bulk::<R>(operations).await,
        Kind::IdleBytes => unreachable!("measured otherwise"),
    }
}

async fn datagram_echo<R: Sockets>(rounds: u64) -> Duration {
    let (near, far) = udp_pair();
    let (mut near, mut far) = (R::udp(near), R::udp(far));
    let server = R::spawn(async move {
        let mut buffer = vec![0; MESSAGE];
        for _ in 0..rounds {
            buffer = far.receive(buffer).await;
            buffer = far.send(buffer).await;
        }
        far
    });
    let start = Instant::now();
    let client = R::spawn(async move {
        let mut buffer = vec![7; MESSAGE];
        for _ in 0..rounds {
            buffer = near.send(buffer).await;
            buffer = near.receive(buffer).await;
        }
        near
    });
    let _near = R::output(client.await);
    let elapsed = start.elapsed();
    let _far = R::output(server.await);
    elapsed
}

/// One writes, the other reads. An operation is a write of 64 KiB.
async fn bulk<R: Sockets>(writes: u64) -> Duration {
    let listener = R::listen().await;
    let mut near = R::connect(listener.address()).await;
    let mut far = listener.accept().await;
    let start = Instant::now();
    let reader = R::spawn(async move {
        let mut buffer = vec![0; BULK];
        for _ in 0..writes {
            buffer = far.read_exact(buffer).await;
        }
        far
    });
    let writer = R::spawn(async move {
        let mut buffer = vec![7; BULK];
        for _ in 0..writes {
            buffer = near.write_all(buffer).await;
        }
        near
    });
    let _near = R::output(writer.await);
    let _far = R::output(reader.await);
    start.elapsed()
}

/// What so many connections take while each has a task that waits to read. The other ends are std's, and cost this
/// process no memory.
async fn idle_bytes<R: Sockets>(count: u64) -> Option<f64> {
    let listener = R::listen().await;
    let address = listener.address();
    let mut peers = Vec::with_capacity(count as usize);
    let before = platform::resident_bytes()?;
    for _ in 0..count {
        let peer = std::net::TcpStream::connect(address).expect("connects");
        let mut end = listener.accept().await;
        peers.push(peer);
        R::spawn_detached(async move {
            drop(end.read_exact(vec![0; 1]).await);
        });
    }
    // All have begun to read.
    for _ in 0..3 {
        R::yield_now().await;
    }
    let after = platform::resident_bytes()?;
    // The process ends without tearing anything down, and the readers must not see the end of their peers before.
    std::mem::forget(peers);
    Some(after.saturating_sub(before) as f64)
}
