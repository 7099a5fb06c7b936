//! The libraries: each file has what one of them offers for the scenarios, by its own names.

mod async_crates;
mod async_unsync;
mod bare;
mod local_channel;
mod local_sync;
mod ours;
mod tokio;
mod unsync;

use crate::harness::{Column, Role};
use crate::scenarios::Kind;

/// The columns, in the order they are printed.
pub fn columns() -> Vec<Column<Kind>> {
    const ASYNC_CRATES: &[&str] =
        &["async-lock", "async-channel", "async-broadcast", "event-listener"];
    vec![
        Column { role: Role::Ours, ..peer("monoloop", &["monoloop"], ours::measure) },
        peer("tokio::sync", &["tokio"], tokio::measure),
        peer("async-* crates", ASYNC_CRATES, async_crates::measure),
        peer("local channel", &["local-channel"], local_channel::measure),
        peer("local sync", &["local-sync"], local_sync::measure),
        peer("async unsync", &["async-unsync"], async_unsync::measure),
        peer("unsync", &["unsync"], unsync::measure),
        Column { role: Role::Floor, ..peer("bare std", &[], bare::measure) },
    ]
}

fn peer(
    name: &'static str,
    packages: &'static [&'static str],
    measure: fn(Kind, u64) -> Option<f64>,
) -> Column<Kind> {
    Column::new(name, packages, Role::Peer, measure)
}
