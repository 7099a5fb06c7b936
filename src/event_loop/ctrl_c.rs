//! Ctrl-c on Unix.
//!
//! A signal handler may do next to nothing, and wake slots are no part of it: a handler runs on the loop's own thread
//! in the midst of whatever that does, where a local wake would race with itself. So the handler writes a byte into a
//! socket of each loop that listens (the self-pipe trick), and a task of the loop reads it. A byte that comes between the
//! loop's last look and its wait makes the wait return: nothing is lost.
//!
//! The second ctrl-c shall end the process though the loop is stuck, so the handler itself does that: it falls back to the
//! default disposition while [`IS_FATAL`] is set, which the first ctrl-c does. Handlers of the registry stay installed for
//! the life of the process; when no loop listens any more, the flag is set too, so ctrl-c works as if we had never been.

use std::future::poll_fn;
use std::io;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::panic::Location;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use signal_hook::consts::SIGINT;
use signal_hook::low_level::{self, pipe};
use signal_hook::{SigId, flag};

use super::context;
use crate::io::Registered;
use crate::reactor::Direction;

/// The next ctrl-c ends the process: this one is the second, or nobody listens.
static IS_FATAL: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// How many loops listen; `None` before the first did.
static LISTENERS: Mutex<Option<usize>> = Mutex::new(None);

/// A loop's source of ctrl-c. Its drop ends the listening.
pub(super) struct CtrlC {
    receiver: UnixStream,
    _listener: Listener,
}

struct Listener {
    id: SigId,
}

/// Begins to listen.
pub(super) fn listen() -> io::Result<CtrlC> {
    let (receiver, sender) = UnixStream::pair()?;
    receiver.set_nonblocking(true)?;
    let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
    if listeners.is_none() {
        // In this order: the first signal finds the flag clear, and sets it.
        flag::register_conditional_default(SIGINT, Arc::clone(&IS_FATAL))?;
        flag::register(SIGINT, Arc::clone(&IS_FATAL))?;
        *listeners = Some(0);
    }
    let id = pipe::register(SIGINT, sender)?;
    let count = listeners.get_or_insert(0);
    if *count == 0 {
        IS_FATAL.store(false, Ordering::SeqCst);
    }
    *count += 1;
    Ok(CtrlC { receiver, _listener: Listener { id } })
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
        let count = listeners.get_or_insert(1);
        *count -= 1;
        if *count == 0 {
            IS_FATAL.store(true, Ordering::SeqCst);
        }
        low_level::unregister(self.id);
    }
}

/// Interrupts the loop whenever ctrl-c comes.
pub(super) async fn serve(ctrl_c: CtrlC) {
    let CtrlC { receiver, _listener } = ctrl_c;
    let receiver = mio::net::UnixStream::from_std(receiver);
    let receiver = Registered::new("on_ctrl_c", Location::caller(), receiver)
        .expect("a loop's poller takes a socket more");
    loop {
        let read = poll_fn(|cx| {
            receiver.poll_io(Direction::Read, cx, |mut socket| socket.read(&mut [0; 16]))
        });
        match read.await {
            Ok(1..) => context::try_with(|core| core.ending.interrupt()),
            // Neither happens to a socket whose other end the handler keeps.
            Ok(0) | Err(_) => return,
        };
    }
}

/// Ends the process as ctrl-c does by default.
pub(super) fn exit() -> ! {
    /// By custom, 128 and the signal's number.
    const EXIT: i32 = 128 + SIGINT;
    let _did_not_end = low_level::emulate_default_handler(SIGINT);
    process::exit(EXIT)
}
