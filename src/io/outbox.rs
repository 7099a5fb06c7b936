//! Bytes on their way to something that blocks: a file, a terminal.
//!
//! Who writes pushes bytes and goes on; a *writer*, on another thread, takes all there are and writes them in one go, until
//! there are none. So the size of the writes adjusts itself: what is pushed while one is under way makes the next.
//!
//! ```text
//!   push ──> bytes ──(drain: whoever has the turn)──> batch ──> the thing
//!              └── at most `limit`: then push waits ──┘ woken when a batch is taken, and when all is written
//! ```
//!
//! The first push into an empty box asks its caller to start a writer. A writer that finds no bytes takes itself off in the
//! same critical section, so that the next push asks again, and no bytes are left lying. Anybody may drain, not only the
//! writer: a read that must come after the writes does so first.
//!
//! **Errors** come at the next push, or when it is asked whether the box is empty: once, and then the box takes bytes again.
//! What was in the box is lost with them: written behind a gap it would be worse than lost. After [`orphan`](Outbox::orphan)
//! nobody will ask, and whoever drains gets the failure.
//!
//! No lock is held while a waker is cloned, woken or dropped, nor while bytes are written but the turn.

use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::executor::task::Payload;

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbox {
    limit: usize,
    state: Mutex<State>,
    turn: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// At most `limit`.
    bytes: Vec<u8>,
    /// An empty `Vec`, kept for its memory.
    spare: Vec<u8>,
    /// A batch is under way.
    is_writing: bool,
    /// Somebody was asked to start a writer, and bytes were there ever since.
    has_writer: bool,
    failure: Option<Failure>,
    /// Those who wait for room, or for the end.
    waiters: Vec<Waker>,
    is_orphan: bool,
}

/// Bytes that were taken and not written.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: io::Error,
    pub(crate) bytes: usize,
}

/// What a push did.
#[must_use = "a writer may have to be started"]
pub(crate) struct Pushed {
    pub(crate) len: usize,
    /// The caller is to start a writer.
    pub(crate) needs_writer: bool,
}

/// The right to write: one at a time.
pub(crate) type Turn<'a> = MutexGuard<'a, ()>;

impl Outbox {
    pub(crate) const fn new(limit: usize) -> Self {
        let state = State {
            bytes: Vec::new(),
            spare: Vec::new(),
            is_writing: false,
            has_writer: false,
            failure: None,
            waiters: Vec::new(),
            is_orphan: false,
        };
        Self { limit, state: Mutex::new(state), turn: Mutex::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes as many bytes as there is room for, or waits for room.
    pub(crate) fn poll_push(&self, cx: &Context<'_>, data: &[u8]) -> Poll<io::Result<Pushed>> {
        self.poll_state(cx, |state| {
            if let Some(failure) = state.failure.take() {
                return Poll::Ready(Err(failure.error));
            }
            let len = data.len().min(self.limit - state.bytes.len());
            if len == 0 && !data.is_empty() {
                return Poll::Pending;
            }
            state.bytes.extend_from_slice(&data[..len]);
            let needs_writer = len > 0 && !mem::replace(&mut state.has_writer, true);
            Poll::Ready(Ok(Pushed { len, needs_writer }))
        })
    }

    /// Waits until all is written.
    pub(crate) fn poll_empty(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.poll_state(cx, |state| match state.failure.take() {
            Some(failure) => Poll::Ready(Err(failure.error)),
            None if state.is_empty() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        })
    }

    /// Waits until all is written, or lost.
    pub(crate) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        self.poll_state(cx, |state| if state.is_empty() { Poll::Ready(()) } else { Poll::Pending })
    }

    fn poll_state<T>(
        &self,
        cx: &Context<'_>,
        mut look: impl FnMut(&mut State) -> Poll<T>,
    ) -> Poll<T> {
        let mut state = self.lock();
        let first = look(&mut state);
        if first.is_ready() || state.is_awaited_by(cx.waker()) {
            return first;
        }
        drop(state);
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let second = look(&mut state);
        if second.is_pending() {
            state.waiters.push(waker);
        }
        second
    }

    /// Returns whether all is written, or lost.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Waits for the right to write.
    pub(crate) fn turn(&self) -> Turn<'_> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all there is. `write` gives how many bytes it wrote before an error. Gives the failure if nobody else will ask
    /// for it.
    pub(crate) fn drain(
        &self,
        _turn: &Turn<'_>,
        mut write: impl FnMut(&[u8]) -> Result<(), (usize, io::Error)>,
    ) -> Option<Failure> {
        let (mut panic, mut unheard) = (None, None);
        while let Some(batch) = self.take_batch(&mut panic) {
            let result = write(&batch);
            let mut state = self.lock();
            if let Err((written, error)) = result {
                unheard = state.fail(error, batch.len() - written);
            }
            state.is_writing = false;
            state.spare = batch;
            state.spare.clear();
        }
        if let Some(payload) = panic {
            // A foreign waker's. All bytes are written, and the others are woken.
            resume_unwind(payload);
        }
        unheard
    }

    fn take_batch(&self, panic: &mut Option<Payload>) -> Option<Vec<u8>> {
        let mut state = self.lock();
        let batch = if state.bytes.is_empty() {
            state.has_writer = false;
            None
        } else {
            state.is_writing = true;
            let spare = mem::take(&mut state.spare);
            Some(mem::replace(&mut state.bytes, spare))
        };
        let waiters = mem::take(&mut state.waiters);
        drop(state);
        for waiter in waiters {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waiter.wake())) {
                panic.get_or_insert(payload);
            }
        }
        batch
    }

    /// There will be no writer: what is in the box is lost. Gives the failure if nobody else will ask for it.
    pub(crate) fn abandon(&self, error: io::Error) -> Option<Failure> {
        let turn = self.turn();
        let mut error = Some(error);
        self.drain(&turn, |_| Err((0, error.take().unwrap_or_else(|| io::ErrorKind::Other.into()))))
    }

    /// Takes the failure, if there is one.
    pub(crate) fn take_failure(&self) -> Option<Failure> {
        self.lock().failure.take()
    }

    /// Nobody will push or ask any more. Gives the failure that nobody has asked for.
    pub(crate) fn orphan(&self) -> Option<Failure> {
        let mut state = self.lock();
        state.is_orphan = true;
        state.failure.take()
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.is_writing
    }

    fn is_awaited_by(&self, waker: &Waker) -> bool {
        self.waiters.iter().any(|waiter| waiter.will_wake(waker))
    }

    fn fail(&mut self, error: io::Error, unwritten: usize) -> Option<Failure> {
        let failure = Failure { error, bytes: unwritten + self.bytes.len() };
        self.bytes.clear();
        if self.is_orphan {
            return Some(failure);
        }
        self.failure = Some(failure);
        None
    }
}
