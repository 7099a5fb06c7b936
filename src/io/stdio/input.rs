//! Standard input.
//!
//! ```text
//!   a handle finds nothing ──> begun += 1 ──> the thread reads ──> ended = begun, bytes or the end ──> all handles look
//! ```
//!
//! The thread reads only when somebody asks: what this process does not ask for is left to others that share the input.

use std::future::Future;
use std::io::{self, IsTerminal, Read};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_io::AsyncRead;

use super::{KEEP_ALIVE, Standard, left_locked, patiently};
use crate::event_loop::report_panic;
use crate::executor::OfProcess;

/// How much is read at once.
const READ: usize = 64 * 1024;

/// How long a line may be.
const LINE: usize = 1024 * 1024;

static INPUT: OfProcess<Input> = OfProcess::new();

/// What this process has read of it.
fn input() -> Arc<Input> {
    INPUT.get_or_make(|copied| Input {
        state: Mutex::default(),
        demand: Condvar::new(),
        is_reading: AtomicBool::new(false),
        is_left_locked: copied.is_some_and(|copied| copied.is_reading.load(Ordering::SeqCst)),
    })
}

struct Input {
    state: Mutex<State>,
    /// A read was asked for.
    demand: Condvar,
    /// A read is to begin, or under way: std's handle is in use.
    is_reading: AtomicBool,
    /// It was when this process was forked.
    is_left_locked: bool,
}

#[derive(Default)]
struct State {
    bytes: Bytes,
    /// How many reads were asked for, and how many of them are over: one less, or as many.
    begun: u64,
    ended: u64,
    /// What the last read gave if it gave no bytes.
    last: Last,
    has_thread: bool,
    waiters: Vec<Waker>,
}

#[derive(Clone, Copy, Default)]
enum Last {
    #[default]
    Bytes,
    End,
    Error(io::ErrorKind, Option<i32>),
}

/// What was read and nobody has taken: `all[start..]`.
#[derive(Default)]
struct Bytes {
    all: Vec<u8>,
    start: usize,
}

impl Bytes {
    fn get(&self) -> &[u8] {
        &self.all[self.start..]
    }

    fn consume(&mut self, n: usize) {
        self.start += n;
        if self.start == self.all.len() {
            self.all.clear();
            self.all.shrink_to(READ);
            self.start = 0;
        }
    }
}

impl Input {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a read, if none is under way. Gives its number.
    fn ask(self: &Arc<Self>, state: &mut State) -> io::Result<u64> {
        if self.is_left_locked {
            return Err(left_locked("stdin"));
        }
        if state.begun == state.ended {
            if !state.has_thread {
                let own = Arc::clone(self);
                let thread = thread::Builder::new().name("monoloop-stdin".into());
                thread.spawn(move || own.serve())?;
                state.has_thread = true;
            }
            state.begun += 1;
            self.is_reading.store(true, Ordering::SeqCst);
            self.demand.notify_one();
        }
        Ok(state.begun)
    }

    /// The thread: reads when it is asked to.
    fn serve(&self) {
        let mut buffer = vec![0; READ];
        let mut state = self.lock();
        loop {
            if state.begun > state.ended {
                drop(state);
                let read = patiently(Standard::Input, || io::stdin().lock().read(&mut buffer));
                self.is_reading.store(false, Ordering::SeqCst);
                self.take_in(&buffer, read);
                state = self.lock();
                continue;
            }
            let waited = self.demand.wait_timeout(state, KEEP_ALIVE);
            let timeout;
            (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() && state.begun == state.ended {
                state.has_thread = false;
                return;
            }
        }
    }

    fn take_in(&self, buffer: &[u8], read: io::Result<usize>) {
        let mut state = self.lock();
        state.last = match read {
            Ok(0) => Last::End,
            Err(error) => Last::Error(error.kind(), error.raw_os_error()),
            Ok(len) => {
                state.bytes.all.extend_from_slice(&buffer[..len]);
                Last::Bytes
            }
        };
        state.ended = state.begun;
        let waiters = mem::take(&mut state.waiters);
        drop(state);
        for waiter in waiters {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waiter.wake())) {
                report_panic(payload);
            }
        }
    }
}

/// Returns the standard input of the process.
///
/// All handles share one buffer, so that what one of them fetched and did not take is there for the others. Works on any
/// executor.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let mut input = monoloop::io::stdin();
///     while let Some(line) = input.next_line().await? {
///         println!("you said {line}");
///     }
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "connect_read_pipe")]
#[must_use]
pub fn stdin() -> Stdin {
    Stdin { awaited: None }
}

/// The standard input of the process; made by [`stdin`].
///
/// A thread reads from it, when somebody asks, and nobody waits for that thread: a program whose user does not type ends
/// all the same. The descriptor is left as it is, blocking or not.
///
/// A [virtual clock](crate::Builder::virtual_time) does not wait for input.
///
/// # Cancel safety
///
/// A dropped `read` or [`next_line`](Self::next_line) loses nothing: what was fetched is there for the next.
#[derive(Debug)]
pub struct Stdin {
    /// The number of the read that it waits for.
    awaited: Option<u64>,
}

impl Stdin {
    /// Returns whether a person may be at the other end.
    #[doc(alias = "isatty")]
    pub fn is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }

    /// Waits for a line, and gives it without its end (`\n` or `\r\n`). `None`: the input is at its end.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a line is taken whole or not at all.
    ///
    /// # Errors
    ///
    /// What the operating system says; if the line is not UTF-8, which takes it; and if it is longer than a megabyte, which
    /// does not: read it with [`read`](crate::io::AsyncReadExt::read).
    #[doc(alias = "readline")]
    pub fn next_line(&mut self) -> NextLine<'_> {
        NextLine { stdin: self }
    }

    /// Asks `look`, with the bytes that are there and whether the input is at its end, until it gives something.
    fn poll_look<T>(
        &mut self,
        cx: &Context<'_>,
        mut look: impl FnMut(&mut Bytes, bool) -> Option<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let (input, mut waker) = (input(), None);
        loop {
            let mut state = input.lock();
            // One with a higher number was asked for before a fork.
            self.awaited = self.awaited.filter(|&awaited| awaited <= state.begun);
            let is_over = self.awaited.is_some_and(|awaited| awaited <= state.ended);
            let is_end = is_over && matches!(state.last, Last::End);
            if let Some(found) = look(&mut state.bytes, is_end) {
                self.awaited = None;
                return Poll::Ready(found);
            }
            if is_over {
                self.awaited = None;
                if let Last::Error(kind, code) = state.last {
                    let error = code.map_or_else(|| kind.into(), io::Error::from_raw_os_error);
                    return Poll::Ready(Err(error));
                }
            }
            if self.awaited.is_none() {
                self.awaited = Some(input.ask(&mut state)?);
            }
            if state.waiters.iter().any(|waiter| waiter.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            match waker.take() {
                Some(waker) => {
                    state.waiters.push(waker);
                    return Poll::Pending;
                }
                // Not under the lock: it is foreign code.
                None => {
                    drop(state);
                    waker = Some(cx.waker().clone());
                }
            }
        }
    }
}

impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_look(cx, |bytes, is_end| {
            let len = bytes.get().len().min(buffer.len());
            buffer[..len].copy_from_slice(&bytes.get()[..len]);
            bytes.consume(len);
            (len > 0 || is_end).then_some(Ok(len))
        })
    }
}

/// The future of [`Stdin::next_line`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct NextLine<'a> {
    stdin: &'a mut Stdin,
}

impl Future for NextLine<'_> {
    type Output = io::Result<Option<String>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.stdin.poll_look(cx, |bytes, is_end| {
            let all = bytes.get();
            let (len, text) = match all.iter().position(|&byte| byte == b'\n') {
                Some(end) => (end + 1, all[..end].strip_suffix(b"\r").unwrap_or(&all[..end])),
                None if all.len() > LINE => return Some(Err(too_long())),
                None if is_end && all.is_empty() => return Some(Ok(None)),
                None if is_end => (all.len(), all),
                None => return None,
            };
            let text = String::from_utf8(text.to_owned());
            bytes.consume(len);
            Some(text.map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)))
        })
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the line is longer than {LINE} bytes"))
}
