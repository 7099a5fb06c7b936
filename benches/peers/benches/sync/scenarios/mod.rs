//! What is measured: every scenario once, given the operations of a library.
//!
//! Each runs on a task of a fresh loop, first unmeasured with a tenth of the operations.

mod channels;
mod locks;
mod memory;

use std::time::Duration;

use crate::harness::{Bar, Scenario, Size};

pub use channels::{answer, fan_out, in_batches, pass, put_and_get, release};
pub use locks::{acquire, pass_around};
pub use memory::{idle_bytes, waiting_bytes};

/// Which code to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    FreeMutex,
    FreePermit,
    ContendedMutex,
    Bounded,
    Unbounded,
    Oneshot,
    OneshotAlone,
    Broadcast,
    Watch,
    Event,
    Priority,
    IdleMutexBytes,
    WaitingLockBytes,
}

/// Capacity of the bounded channels, and how many items the unbounded ones hold at most.
pub const CAPACITY: usize = 64;

/// How many receive what is broadcast or watched.
pub const RECEIVERS: u64 = 100;

/// How many tasks wait for the event.
pub const WAITERS: u64 = 1000;

/// How many items are in the priority queue.
pub const ITEMS: u64 = 10_000;

/// How many tasks pass the mutex around.
pub const HOLDERS: u64 = 100;

const fn calibrated(
    kind: Kind,
    title: &'static str,
    multiple_of: u64,
    bar: Option<Bar>,
) -> Scenario<Kind> {
    Scenario { kind, title, size: Size::Calibrated { multiple_of }, bar }
}

const fn bytes(kind: Kind, title: &'static str) -> Scenario<Kind> {
    let size = Size::Alone { full: 400_000, quick: 10_000, rounds: 3 };
    Scenario { kind, title, size, bar: Some(Bar::BestPeer(1.0)) }
}

/// The rows, in the order they are printed.
pub const SCENARIOS: &[Scenario<Kind>] = &[
    calibrated(Kind::FreeMutex, "free mutex: lock, unlock", 1, Some(Bar::BestPeer(0.25))),
    calibrated(Kind::FreePermit, "free permit: acquire, release", 1, Some(Bar::BestPeer(0.25))),
    calibrated(
        Kind::ContendedMutex,
        "mutex held across yields, 100 tasks",
        HOLDERS,
        Some(Bar::BestPeer(0.5)),
    ),
    calibrated(Kind::Bounded, "bounded channel of 64, item", 64, Some(Bar::BestPeer(0.4))),
    calibrated(Kind::Unbounded, "unbounded channel, item", 64, Some(Bar::BestPeer(0.4))),
    calibrated(Kind::Oneshot, "oneshot, round trip of 2 tasks", 1, Some(Bar::BestPeer(0.4))),
    calibrated(Kind::OneshotAlone, "oneshot: make, send, receive, drop", 1, None),
    calibrated(Kind::Broadcast, "broadcast to 100 receivers", 1, Some(Bar::BestPeer(0.5))),
    calibrated(Kind::Watch, "watch with 100 waiters", 1, Some(Bar::BestPeer(0.5))),
    calibrated(Kind::Event, "event that releases 1000", 1, Some(Bar::BestPeer(0.5))),
    calibrated(
        Kind::Priority,
        "priority queue of 10 000: put, get",
        ITEMS,
        Some(Bar::Floor { times: 1.0, plus: 20.0 }),
    ),
    bytes(Kind::IdleMutexBytes, "bytes of an idle Mutex<()>"),
    bytes(Kind::WaitingLockBytes, "bytes of a waiting lock future"),
];

/// Runs `scenario` on a task, once as a warm-up, and gives the nanoseconds.
pub fn run(operations: u64, scenario: impl AsyncFn(u64) -> Duration + 'static) -> Option<f64> {
    let elapsed = monoloop::run(async move {
        let task = monoloop::spawn(async move {
            scenario(operations.div_ceil(10)).await;
            scenario(operations).await
        });
        task.await.expect("the task ends by itself")
    });
    Some(elapsed.as_nanos() as f64)
}
