//! Ctrl-c, where we do not listen to it: it keeps its default. What each platform provides is named here.

use std::io;
use std::process;

use super::core::Core;

/// Lets ctrl-c interrupt the loop, to the loop's end.
pub(super) fn serve_in(_: &Core) -> io::Result<()> {
    Ok(())
}

/// The next ctrl-c interrupts, and only the one after it ends the process.
pub(super) fn arm_anew() {}

/// Ends the process as ctrl-c does by default.
pub(super) fn exit() -> ! {
    /// What Windows gives: `STATUS_CONTROL_C_EXIT`.
    const EXIT: i32 = 0xC000_013A_u32 as i32;
    process::exit(EXIT)
}
