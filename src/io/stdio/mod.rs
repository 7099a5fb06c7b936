//! The standard streams of the process.
//!
//! Descriptors that were inherited are shared: with the shell, and with whoever else started or was started. To make one
//! non-blocking would make it so for all of them, and to trust its readiness would block the loop when another of them is
//! quicker. So each stream has a thread, started when it is first needed and ended after ten seconds without work, that
//! reads or writes through std's own [`Stdin`](std::io::Stdin), [`Stdout`](std::io::Stdout) and
//! [`Stderr`](std::io::Stderr): what `print!` and `read_line` do fits in. The threads belong to no loop, and nobody waits for
//! one that reads. Where somebody else did make one non-blocking, the thread waits for its readiness.
//!
//! A fork leaves the threads, and what they have in hand, to the parent: the child begins with nothing. If one of them was
//! using std's handle in that moment, the child's copy is locked for ever, and using it is an error.

mod input;
mod output;

pub use input::{NextLine, Stdin, stdin};
pub use output::{Stderr, Stdout, stderr, stdout};

use std::io;
use std::time::Duration;

/// After how much time without work a thread ends.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
enum Standard {
    Input,
    Output,
    Error,
}

/// The error of a child that was forked while the parent used one of std's handles.
fn left_locked(what: &str) -> io::Error {
    io::Error::other(format!("the process was forked while another thread used the {what}"))
}

/// Repeats an operation of a stream until it was neither interrupted nor would have blocked.
fn patiently<T>(stream: Standard, mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for(stream, error)?,
            result => return result,
        }
    }
}

/// Waits until the stream is ready, or a signal came; blocks the thread.
#[cfg(unix)]
fn wait_for(stream: Standard, _would_block: io::Error) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;

    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    let fd = match stream {
        Standard::Input => PollFd::new(&input, PollFlags::IN),
        Standard::Output => PollFd::new(&output, PollFlags::OUT),
        Standard::Error => PollFd::new(&error, PollFlags::OUT),
    };
    match poll(&mut [fd], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Nobody can make it non-blocking here.
#[cfg(not(unix))]
fn wait_for(_: Standard, would_block: io::Error) -> io::Result<()> {
    Err(would_block)
}
