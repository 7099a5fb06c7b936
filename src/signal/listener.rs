//! The listener, and waiting for one signal.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::SignalKind;
use super::hub::{self, Seat};
use crate::event_loop::{Core, context};

/// Listens to a kind of signal, from now until the listener is dropped.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) for signals that cannot be listened to: SIGKILL and SIGSTOP, those
/// that a faulting instruction raises, and numbers that are no signal's. Other errors if no event loop runs on this
/// thread, or no descriptor is left.
///
/// # Examples
///
/// ```
/// use monoloop::signal::{SignalKind, signal};
///
/// monoloop::run(async {
///     assert!(signal(SignalKind::USER_1).is_ok());
///     let error = signal(SignalKind::KILL).unwrap_err();
///     assert_eq!(error.to_string(), "SIGKILL cannot be listened to: no process can catch it");
/// });
/// ```
#[doc(alias = "add_signal_handler")]
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    listen("signal", Location::caller(), kind)
}

pub(super) fn listen(what: &str, location: &Location<'_>, kind: SignalKind) -> io::Result<Signal> {
    context::io_with(what, location, |core| listen_in(core, kind))
}

/// Listens as part of a loop that need not run yet.
pub(crate) fn listen_in(core: &Core, kind: SignalKind) -> io::Result<Signal> {
    Seat::take(kind, core).map(|seat| Signal { seat })
}

/// Waits for ctrl-c (SIGINT), which meanwhile does not end the process. Listens from the call on, not only from the
/// first poll.
///
/// For all of a program there is [`Builder::on_ctrl_c`](crate::Builder::on_ctrl_c).
///
/// # Cancel safety
///
/// What is lost is a signal that came before the drop and was not seen. In a loop around a `select!`, make one [`signal`]
/// before the loop instead: between two calls of this function, ctrl-c ends the process.
///
/// # Errors
///
/// Those of [`signal`], from the future.
///
/// # Examples
///
/// ```
/// use monoloop::signal::ctrl_c;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let ended = ctrl_c();
///     # rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT)?;
///     ended.await
/// })
/// # }
/// ```
#[doc(alias = "KeyboardInterrupt")]
#[track_caller]
pub fn ctrl_c() -> Next {
    Next { signal: Some(listen("ctrl_c", Location::caller(), SignalKind::INTERRUPT)) }
}

/// Waits for a polite request to end (SIGTERM), which meanwhile does not end the process. Listens from the call on, not
/// only from the first poll.
///
/// # Cancel safety
///
/// As of [`ctrl_c`].
///
/// # Errors
///
/// Those of [`signal`], from the future.
///
/// # Examples
///
/// ```
/// use monoloop::signal::{ctrl_c, terminate};
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let asked_to_end = monoloop::future::race([ctrl_c(), terminate()]);
///     # rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)?;
///     asked_to_end.await
/// })
/// # }
/// ```
#[track_caller]
pub fn terminate() -> Next {
    Next { signal: Some(listen("terminate", Location::caller(), SignalKind::TERMINATE)) }
}

/// Hears of each signal of a kind; made by [`signal`]. Also a [`Stream`] without an end.
///
/// It may move to another loop, also on another thread: who polls it last is told.
#[must_use = "who does not listen need not replace the signal's default"]
pub struct Signal {
    seat: Seat,
}

impl Signal {
    /// Returns what it listens to.
    pub fn kind(&self) -> SignalKind {
        self.seat.kind()
    }

    /// Waits until the signal came, once or oftener, since this listener was made or told last.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Panics
    ///
    /// If no event loop runs on this thread, or the listener came to a loop that has no descriptor left for it.
    pub fn recv(&mut self) -> Recv<'_> {
        Recv { signal: self }
    }

    /// Polls for the next signal, as [`recv`](Self::recv) does. The last one who polled is woken.
    ///
    /// # Panics
    ///
    /// As [`recv`](Self::recv).
    #[track_caller]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let served = context::with("Signal::recv", hub::serve_in);
        served.expect("a loop that listens to signals has a descriptor for them");
        self.seat.poll(cx)
    }
}

impl Stream for Signal {
    type Item = ();

    #[track_caller]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_recv(cx).map(Some)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

/// Waits for the next signal; made by [`Signal::recv`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Recv<'a> {
    signal: &'a mut Signal,
}

impl Future for Recv<'_> {
    type Output = ();

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.signal.poll_recv(cx)
    }
}

/// Waits for one signal; made by [`ctrl_c`] and [`terminate`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Next {
    /// `None`: it was ready.
    signal: Option<io::Result<Signal>>,
}

impl Future for Next {
    type Output = io::Result<()>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(Ok(signal)) = &mut self.signal {
            if signal.poll_recv(cx).is_pending() {
                return Poll::Pending;
            }
        }
        // Nobody listens any more, though this is kept.
        Poll::Ready(self.signal.take().expect("polled after it was ready").map(drop))
    }
}
