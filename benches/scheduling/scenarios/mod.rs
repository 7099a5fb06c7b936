//! What is measured: every scenario once, generic over the runtime.
//!
//! The measured code runs on a spawned task, not in the future given to `block_on`, which every
//! runtime treats in a way of its own. It runs once unmeasured, a tenth as long, on the same runtime,
//! so that queues and slabs have grown before the clock starts. Every task is spawned with a handle,
//! and every handle is awaited, except where tasks are parked for ever.

mod echo;
mod parked;
mod tasks;
mod threads;
mod timers;

use std::time::Duration;

use crate::harness::{Bar, Scenario, Size};
use crate::runtimes::Runtime;

/// Which code to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    SpawnJoin,
    Alive,
    Yield { tasks: u64 },
    YieldByWaking { tasks: u64 },
    PingPong,
    RemoteWake { pause: Duration },
    Sleep { others: u64 },
    Expiry,
    Echo { connections: u64 },
    ParkedBytes,
}

/// The rows, in the order they are printed.
pub const SCENARIOS: &[Scenario<Kind>] = &[
    Scenario {
        kind: Kind::SpawnJoin,
        title: "spawn + join, batches of 100",
        size: Size::Calibrated { multiple_of: 100 },
        bar: Some(Bar::BestPeer(0.6)),
    },
    Scenario {
        kind: Kind::Alive,
        title: "100 000 alive: spawn, 4 yields, join",
        size: Size::Fixed { full: 100_000, quick: 1_000, rounds: 15 },
        bar: Some(Bar::BestPeer(0.8)),
    },
    Scenario {
        kind: Kind::Yield { tasks: 1 },
        title: "yield, 1 task",
        size: Size::Calibrated { multiple_of: 1 },
        bar: Some(Bar::BestPeer(0.4)),
    },
    Scenario {
        kind: Kind::Yield { tasks: 1000 },
        title: "yield, 1000 tasks",
        size: Size::Calibrated { multiple_of: 1000 },
        bar: Some(Bar::BestPeer(0.4)),
    },
    Scenario {
        kind: Kind::YieldByWaking { tasks: 1 },
        title: "wake own waker, 1 task",
        size: Size::Calibrated { multiple_of: 1 },
        bar: None,
    },
    Scenario {
        kind: Kind::YieldByWaking { tasks: 1000 },
        title: "wake own waker, 1000 tasks",
        size: Size::Calibrated { multiple_of: 1000 },
        bar: None,
    },
    Scenario {
        kind: Kind::PingPong,
        title: "ping-pong of 2 tasks, round trip",
        size: Size::Calibrated { multiple_of: 1 },
        bar: Some(Bar::BestPeer(0.4)),
    },
    Scenario {
        kind: Kind::RemoteWake { pause: Duration::from_micros(20) },
        title: "wake from a thread after 20 us, and back",
        size: Size::Calibrated { multiple_of: 1 },
        bar: Some(Bar::BestPeer(1.0)),
    },
    Scenario {
        kind: Kind::RemoteWake { pause: Duration::from_micros(200) },
        title: "wake from a thread after 200 us, and back",
        size: Size::Fixed { full: 500, quick: 50, rounds: 15 },
        bar: Some(Bar::BestPeer(1.0)),
    },
    Scenario {
        kind: Kind::Sleep { others: 0 },
        title: "sleep: create, poll, drop; 0 others",
        size: Size::Calibrated { multiple_of: 100 },
        bar: Some(Bar::BestPeer(0.5)),
    },
    Scenario {
        kind: Kind::Sleep { others: 50_000 },
        title: "sleep: create, poll, drop; 50 000 others",
        size: Size::Calibrated { multiple_of: 100 },
        bar: Some(Bar::BestPeer(0.5)),
    },
    Scenario {
        kind: Kind::Expiry,
        title: "20 000 sleepers expire in 200 ms, CPU",
        size: Size::Fixed { full: 20_000, quick: 500, rounds: 9 },
        bar: Some(Bar::BestPeer(0.5)),
    },
    Scenario {
        kind: Kind::Echo { connections: 1 },
        title: "TCP echo of 64 B, 1 connection",
        size: Size::Calibrated { multiple_of: 1 },
        bar: None,
    },
    Scenario {
        kind: Kind::Echo { connections: 100 },
        title: "TCP echo of 64 B, 100 connections",
        size: Size::Calibrated { multiple_of: 1000 },
        bar: Some(Bar::Floor { times: 1.05, plus: 0.0 }),
    },
    Scenario {
        kind: Kind::ParkedBytes,
        title: "resident bytes per parked task",
        size: Size::Alone { full: 500_000, quick: 5_000, rounds: 3 },
        bar: Some(Bar::Bytes(128.0)),
    },
];

/// Runs `operations` operations of a scenario on a fresh `R`.
///
/// The result is in nanoseconds (bytes for [`Kind::ParkedBytes`]) for all of them; nothing where the
/// platform cannot tell.
pub fn measure<R: Runtime>(kind: Kind, operations: u64) -> Option<f64> {
    if kind == Kind::ParkedBytes {
        return parked::resident_bytes::<R>(operations);
    }
    let nanoseconds = R::block_on(async move {
        let measured = R::spawn(async move {
            if let warm_up @ 1.. = warm_up(kind, operations) {
                run::<R>(kind, warm_up).await;
            }
            run::<R>(kind, operations).await
        });
        R::output(measured.await)
    })?;
    Some(nanoseconds.as_nanos() as f64)
}

/// Runs a scenario without any runtime, on a hand-written epoll loop; only the echo has one.
pub fn measure_epoll(kind: Kind, operations: u64) -> Option<f64> {
    let Kind::Echo { connections } = kind else {
        return None;
    };
    let echo = |operations| epoll_echo(operations / connections, connections);
    echo(warm_up(kind, operations))?;
    Some(echo(operations)?.as_nanos() as f64)
}

#[cfg(target_os = "linux")]
fn epoll_echo(rounds: u64, connections: u64) -> Option<Duration> {
    let echo = crate::epoll::echo(rounds, connections, echo::MESSAGE);
    Some(echo.expect("sockets and epoll work"))
}

#[cfg(not(target_os = "linux"))]
fn epoll_echo(_rounds: u64, _connections: u64) -> Option<Duration> {
    None
}

async fn run<R: Runtime>(kind: Kind, operations: u64) -> Option<Duration> {
    let elapsed = match kind {
        Kind::SpawnJoin => tasks::spawn_and_join::<R>(operations).await,
        Kind::Alive => tasks::alive::<R>(operations).await,
        Kind::Yield { tasks } => {
            tasks::assert_turns::<R>().await;
            tasks::take_turns::<R, _>(operations, tasks, R::yield_now).await
        }
        Kind::YieldByWaking { tasks } => {
            tasks::take_turns::<R, _>(operations, tasks, crate::runtimes::yield_by_waking).await
        }
        Kind::PingPong => tasks::ping_pong::<R>(operations).await,
        Kind::RemoteWake { pause } => threads::wake_from_thread::<R>(operations, pause).await,
        Kind::Sleep { others } => timers::create_and_drop::<R>(operations, others).await,
        Kind::Expiry => return timers::expire::<R>(operations).await,
        Kind::Echo { connections } => echo::echo::<R>(operations / connections, connections).await,
        Kind::ParkedBytes => unreachable!("measured otherwise"),
    };
    Some(elapsed)
}

/// How many operations to run before the measured ones; a whole multiple of what a scenario divides by.
fn warm_up(kind: Kind, operations: u64) -> u64 {
    match kind {
        // Mostly waiting, and the cost of growing is small beside the set-up.
        Kind::Expiry => 0,
        Kind::Yield { tasks } | Kind::YieldByWaking { tasks } => (operations / 10).max(tasks),
        Kind::Echo { connections } => (operations / 10).max(connections),
        _ => operations.div_ceil(10),
    }
}
