//! Children: other programs, run beside the loop.
//!
//! [`Command`] mirrors that of [`std::process`]; a [`Child`] is waited for without holding up the loop, and its pipes are
//! byte streams.
//!
//! ```
//! use monoloop::process::Command;
//!
//! # fn main() -> std::io::Result<()> {
//! monoloop::run(async {
//!     let output = Command::new("tr").args(["a-z", "A-Z"]).piped().spawn()?
//!         .communicate("hello\n")
//!         .await?;
//!     assert_eq!(output.stdout, b"HELLO\n");
//!     assert!(output.status.success());
//!     Ok(())
//! })
//! # }
//! ```
//!
//! # The life of a child
//!
//! ```text
//!            spawn                    exit                    reap: whoever looks first
//!   Command ───────► runs ────────────────────► zombie ─────────────────────────────────► status is known
//!                     │ the Child is dropped                        ▲
//!                     ├─ it is killed, unless told otherwise ───────┤ by a task of the loop's own; when the
//!                     └─ `kill_on_drop(false)`: it runs on ─────────┘ loop ends, at once or by a thread
//! ```
//!
//! A child that ended stays in the system's table, a *zombie*, until its parent asks for its status, which is called
//! reaping. Only we reap our children, one by one by their ids (never "any child"), so other libraries keep
//! theirs. And as an id is not given away before its process is reaped, no signal of ours reaches a stranger:
//! what is reaped is not signalled.
//!
//! How a loop learns of an exit: on Linux by a descriptor of the process (a *pidfd*) in its poller. Elsewhere, and
//! where the system refuses one, by SIGCHLD, upon which each wait looks after its own child.
//!
//! # What blocks
//!
//! [`Command::spawn`] does: as that of std it returns when the child runs its program, or failed to, which takes some
//! hundred microseconds. Nothing else blocks.
//!
//! # Platforms
//!
//! Unix.

mod child;
mod command;
mod communicate;
mod exit;
mod orphan;
mod pidfd;
mod pipe;
#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests;

#[doc(no_inline)]
pub use std::process::{ExitStatus, Output, Stdio};

pub use child::Child;
pub use command::{Command, shell};
pub use communicate::{Communicate, OutputOverrun};
pub use pipe::{ChildStderr, ChildStdin, ChildStdout};
