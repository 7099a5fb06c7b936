//! Signals of Unix.
//!
//! [`signal`] gives a listener: a [`Stream`](futures_core::Stream) whose [`recv`](Signal::recv) waits for the next
//! signal of a kind. There may be any number of listeners, on any loops of the process; each is told of every
//! signal. [`ctrl_c`] and [`terminate`] wait for one signal; [`on_signal`] calls a function for each.
//!
//! Windows has no signals, and this module is not there.
//!
//! # Signals coalesce
//!
//! A listener that did not look between two signals of a kind sees one: what it is told is "since you looked last it
//! came, once or oftener". The system itself promises no more. A signal never gets lost altogether.
//!
//! # Dispositions
//!
//! While anybody listens to a kind, its default (which for most is the end of the process) does not happen. When the
//! last listener is dropped, the signal does what it did before: its default, or nothing if it was ignored (which only
//! Linux tells; elsewhere the default is supposed, but for SIGPIPE). Handlers that somebody else had installed are
//! called all along. The system goes on to show a handler, ours, so a child that is started later does
//! not inherit "ignored"; and of real-time signals, which have no name, nobody knows the default: they are ignored.
//!
//! # Forks
//!
//! A child that was forked (and did not `exec`, as [`process::Command`](crate::process::Command) does) inherits the
//! handler, but its signals are not told to the parent. It can listen itself by a new loop.
//!
//! # Examples
//!
//! ```
//! use monoloop::signal::{SignalKind, signal};
//!
//! # fn main() -> std::io::Result<()> {
//! monoloop::run(async {
//!     let mut hangups = signal(SignalKind::HANGUP)?;
//!     # rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP)?;
//!     // In another terminal: kill -HUP <pid>
//!     hangups.recv().await;
//!     println!("reading the configuration anew");
//!     Ok(())
//! })
//! # }
//! ```

mod disposition;
mod hub;
mod kind;
mod listener;
mod on_signal;

pub(crate) use disposition::do_default;
pub(crate) use hub::{arm, disarm};
pub(crate) use listener::listen_in;

pub use kind::SignalKind;
pub use listener::{Next, Recv, Signal, ctrl_c, signal, terminate};
pub use on_signal::{SignalHandle, on_signal};
