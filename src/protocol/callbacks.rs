//! Calling what may panic.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::event_loop;

/// Calls a protocol. A panic is reported, and is an error of the connection.
pub(super) fn call<R>(f: impl FnOnce() -> R) -> io::Result<R> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        event_loop::report_panic(payload);
        io::Error::other("a callback of the protocol panicked")
    })
}
