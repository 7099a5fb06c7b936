//! What a writer that never waits has yet to send.
//!
//! ```text
//!                    Outgoing, shared                    Pusher, a task's or a connection's
//!   write ───────►  queue ── whole queue at a time ────►  sending ──► stream
//!   end, close, abort ► wish ─────────────────────────►  when all is sent: close the write side
//!   drained, flushed, closed ◄── changed ─────────────   sent, failed, over
//! ```
//!
//! Whoever writes only puts bytes into the queue and wakes the pusher; the pusher owns the stream, and is the
//! only one who waits for it. So a write costs no system call, many small writes become one, and foreign code (the
//! stream) never runs while the state is borrowed. What is in the queue and in the pusher's hands counts as
//! *unsent*, and the water marks look at that.
//!
//! The wish only grows: open, end, close, abort. The end of the pusher, whatever its reason, is the end of
//! all waiting: its drop says so.

mod error;
mod marks;
mod pusher;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Waker;

pub(crate) use error::Failure;
pub use error::{QueueError, QueueFull};
pub(crate) use marks::Marks;
pub(crate) use pusher::Pusher;

use super::poll_proceed;
use crate::sync::Notify;

/// See [the module](self).
#[derive(Debug)]
pub(crate) struct Outgoing {
    state: RefCell<State>,
    /// The pusher sent something, or ended.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// What was written and not yet taken by the pusher.
    queue: Vec<u8>,
    /// Bytes in the queue and in the pusher's hands.
    unsent: usize,
    marks: Marks,
    /// `unsent` went above the high-water mark, and not yet down to the low one.
    is_paused: bool,
    /// How often that ended: whoever waited for it is through, whatever others wrote since.
    resumes: u64,
    wish: Wish,
    /// How many bytes were written, ever.
    written: u64,
    /// How many of them were sent and flushed.
    flushed: u64,
    /// Somebody waits until so many are flushed: not only when nothing is left to send.
    flush_at: u64,
    /// The write side was closed.
    is_ended: bool,
    /// The pusher is gone: all was sent, or why not.
    over: Option<Result<(), Failure>>,
    pusher: Option<Waker>,
}

/// What is wanted of the pusher, beside sending what there is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Wish {
    /// More may come.
    Open,
    /// Nothing more comes: the write side is to be closed.
    End,
    /// Then the pusher is to go, too.
    Close,
    /// Nothing more is to be sent.
    Abort,
}

impl Outgoing {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            state: RefCell::new(State {
                queue: Vec::new(),
                unsent: 0,
                marks: Marks::default(),
                is_paused: false,
                resumes: 0,
                wish: Wish::Open,
                written: 0,
                flushed: 0,
                flush_at: 0,
                is_ended: false,
                over: None,
                pusher: None,
            }),
            changed: Notify::new(),
        })
    }

    /// Takes all of `data`, or nothing.
    pub(crate) fn write(&self, data: &[u8]) -> Result<(), QueueError> {
        let mut state = self.state.borrow_mut();
        if let Some(over) = &state.over {
            return Err(match over {
                Ok(()) => QueueError::Closed,
                Err(failure) => QueueError::Io(failure.to_error()),
            });
        }
        if state.wish != Wish::Open {
            return Err(QueueError::Closed);
        }
        let (unsent, capacity) = (state.unsent, state.marks.capacity);
        if unsent >= capacity && !data.is_empty() {
            return Err(QueueError::Full(QueueFull { unsent, capacity }));
        }
        state.queue.extend_from_slice(data);
        state.unsent += data.len();
        state.written += data.len() as u64;
        state.look_at_marks();
        let pusher = state.pusher.take();
        drop(state);
        wake(pusher);
        Ok(())
    }

    /// Wishes for at least that.
    pub(crate) fn wish(&self, wish: Wish) {
        let mut state = self.state.borrow_mut();
        if wish <= state.wish {
            return;
        }
        state.wish = wish;
        let queue = match wish {
            Wish::Abort => std::mem::take(&mut state.queue),
            _ => Vec::new(),
        };
        let pusher = state.pusher.take();
        drop(state);
        drop(queue);
        wake(pusher);
        // Who waits for room waits in vain from now on.
        self.changed.notify_waiters();
    }

    /// Sets the water marks.
    ///
    /// # Panics
    ///
    /// If the low one is above the high one.
    #[track_caller]
    pub(crate) fn set_marks(&self, high: usize, low: usize) {
        let mut state = self.state.borrow_mut();
        state.marks.set(high, low);
        state.look_at_marks();
        drop(state);
        self.changed.notify_waiters();
    }

    pub(crate) fn marks(&self) -> (usize, usize) {
        self.state.borrow().marks.both()
    }

    pub(crate) fn set_capacity(&self, capacity: usize) {
        self.state.borrow_mut().marks.capacity = capacity;
    }

    /// How many bytes were written and not yet taken by the stream.
    pub(crate) fn unsent(&self) -> usize {
        self.state.borrow().unsent
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.state.borrow().is_paused
    }

    /// Has the pusher polled.
    pub(crate) fn nudge(&self) {
        let pusher = self.state.borrow_mut().pusher.take();
        wake(pusher);
    }

    /// Whether nothing more can be written.
    pub(crate) fn is_closing(&self) -> bool {
        let state = self.state.borrow();
        state.wish >= Wish::Close || state.over.is_some()
    }

    /// Whether the pusher is gone.
    pub(crate) fn is_over(&self) -> bool {
        self.state.borrow().over.is_some()
    }

    /// Waits until there is room: until less than the low-water mark is unsent, once more than the high one
    /// was. Gives way to other tasks now and then even if there is.
    pub(crate) async fn drained(&self) -> io::Result<()> {
        poll_fn(poll_proceed_mut).await;
        let resumes = self.state.borrow().resumes;
        let is_through = |state: &State| {
            !state.is_paused || state.resumes != resumes || state.wish >= Wish::Close
        };
        self.until(|state| is_through(state).then_some(Ok(()))).await
    }

    /// Waits until all that was written before is sent and flushed.
    pub(crate) async fn flushed(&self) -> io::Result<()> {
        let written = {
            let mut state = self.state.borrow_mut();
            state.flush_at = state.written;
            state.written
        };
        self.until(|state| (state.flushed >= written).then_some(Ok(()))).await
    }

    /// Waits until the write side was closed.
    pub(crate) async fn ended(&self) -> io::Result<()> {
        self.until(|state| state.is_ended.then_some(Ok(()))).await
    }

    /// Waits until the pusher is gone.
    pub(crate) async fn closed(&self) -> io::Result<()> {
        self.until(|_| None).await
    }

    /// Waits until `look` finds something, or all is over.
    async fn until(&self, look: impl Fn(&State) -> Option<io::Result<()>>) -> io::Result<()> {
        loop {
            let changed = self.changed.notified();
            let found = {
                let state = self.state.borrow();
                match &state.over {
                    Some(Ok(())) => Some(Ok(())),
                    Some(Err(failure)) => Some(Err(failure.to_error())),
                    None => look(&state),
                }
            };
            match found {
                Some(result) => return result,
                None => changed.await,
            }
        }
    }
}

impl State {
    fn sent(&self) -> u64 {
        self.written - self.unsent as u64
    }

    /// Whether somebody waits for a flush of no more than what was sent.
    ///
    /// At the end of a batch also for those who came before the last of them.
    fn is_flush_due(&self, at_end_of_batch: bool) -> bool {
        let sent = self.sent();
        self.flushed < self.flush_at
            && (self.flush_at <= sent || at_end_of_batch && self.flushed < sent)
    }

    fn look_at_marks(&mut self) {
        let was_paused = self.is_paused;
        self.is_paused = self.marks.pauses(self.unsent, was_paused);
        self.resumes += u64::from(was_paused && !self.is_paused);
    }
}

fn poll_proceed_mut(cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
    poll_proceed(cx)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
