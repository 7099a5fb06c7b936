//! Ctrl-c, where we do not listen to it: it keeps its default. What each platform provides is named here.

use std::io;
use std::process;

/// A source of ctrl-c.
pub(super) struct CtrlC;

/// Begins to listen.
pub(super) fn listen() -> io::Result<CtrlC> {
    Ok(CtrlC)
}

/// Interrupts the loop whenever ctrl-c comes.
pub(super) async fn serve(_: CtrlC) {}

/// Ends the process as ctrl-c does by default.
pub(super) fn exit() -> ! {
    /// What Windows gives: `STATUS_CONTROL_C_EXIT`.
    const EXIT: i32 = 0xC000_013A_u32 as i32;
    process::exit(EXIT)
}
