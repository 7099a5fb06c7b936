//! The columns of the table, and what it does not prove.

use crate::harness::{Column, Role};
use crate::runtimes::Runtime;
use crate::scenarios::{self, Kind};

/// What a reader must not conclude.
pub const CAVEATS: &str = "\
- that a program gets faster by these ratios: these tasks do nothing, and most of their data fits the caches;
- anything about a network: both ends of a connection are here, on the loopback interface;
- that equals are compared in all: what a task records about itself differs (id, name, place, parent), and
  so does how late a timer may fire (by up to a millisecond where few wake-ups serve many timers).";

/// The runtime of this repository.
pub fn ours<R: Runtime>() -> Column<Kind> {
    column::<R>(Role::Ours)
}

/// A runtime to compare with.
pub fn peer<R: Runtime>() -> Column<Kind> {
    column::<R>(Role::Peer)
}

/// The hand-written epoll loop.
pub fn epoll() -> Column<Kind> {
    Column::new("epoll loop", &[], Role::Floor, scenarios::measure_epoll)
}

fn column<R: Runtime>(role: Role) -> Column<Kind> {
    Column {
        name: R::NAME,
        packages: R::PACKAGES,
        note: R::note,
        role,
        measure: scenarios::measure::<R>,
    }
}
