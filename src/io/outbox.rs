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
    /// How many bytes were pushed, ever, and how many of them are written, or lost.
    pushed: u64,
    through: u64,
    /// Those who wait for room.
    waiters: Vec<Waker>,
    /// Those of them who were woken when the batch that is under way was taken, and did not push since: what room there
    /// is they share, lest one who always has more takes it all, again and again.
    invited: Vec<Waker>,
    /// Those who wait until something is written.
    watchers: Vec<Waker>,
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
            pushed: 0,
            through: 0,
            waiters: Vec::new(),
            invited: Vec::new(),
            watchers: Vec::new(),
            is_orphan: false,
        };
        Self { limit, state: Mutex::new(state), turn: Mutex::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes as many bytes as there is room for, or waits for room.
    pub(crate) fn poll_push(&self, cx: &Context<'_>, data: &[u8]) -> Poll<io::Result<Pushed>> {
        // Dropped after the lock.
        let mut invitation = None;
        self.poll_state(
            cx,
            |state| &mut state.waiters,
            |state| {
                if let Some(failure) = state.failure.take() {
                    return Poll::Ready(Err(failure.error));
                }
                let mut room = self.limit - state.bytes.len();
                let place = state.invited.iter().position(|one| one.will_wake(cx.waker()));
                if state.is_writing && !state.invited.is_empty() {
                    room = place.map_or(0, |_| room.div_ceil(state.invited.len()));
                }
                let len = data.len().min(room);
                if len == 0 && !data.is_empty() {
                    return Poll::Pending;
                }
                invitation = place.map(|place| state.invited.swap_remove(place));
                state.bytes.extend_from_slice(&data[..len]);
                state.pushed += len as u64;
                let needs_writer = len > 0 && !mem::replace(&mut state.has_writer, true);
                Poll::Ready(Ok(Pushed { len, needs_writer }))
            },
        )
    }

    /// How many bytes were pushed so far.
    pub(crate) fn pushed(&self) -> u64 {
        self.lock().pushed
    }

    /// Waits until the first so many bytes are written.
    pub(crate) fn poll_written(&self, cx: &Context<'_>, pushed: u64) -> Poll<io::Result<()>> {
        self.poll_state(
            cx,
            |state| &mut state.watchers,
            |state| match state.failure.take() {
                Some(failure) => Poll::Ready(Err(failure.error)),
                // More than all were pushed before a fork, into another.
                None if state.through >= pushed.min(state.pushed) => Poll::Ready(Ok(())),
                None => Poll::Pending,
            },
        )
    }

    /// Waits until all is written.
    pub(crate) fn poll_empty(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.poll_state(
            cx,
            |state| &mut state.watchers,
            |state| match state.failure.take() {
                Some(failure) => Poll::Ready(Err(failure.error)),
                None if state.is_empty() => Poll::Ready(Ok(())),
                None => Poll::Pending,
            },
        )
    }

    /// Waits until all is written, or lost.
    pub(crate) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        self.poll_state(
            cx,
            |state| &mut state.watchers,
            |state| match state.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            },
        )
    }

    fn poll_state<T>(
        &self,
        cx: &Context<'_>,
        line: fn(&mut State) -> &mut Vec<Waker>,
        mut look: impl FnMut(&mut State) -> Poll<T>,
    ) -> Poll<T> {
        let mut state = self.lock();
        let first = look(&mut state);
        if first.is_ready() || line(&mut state).iter().any(|one| one.will_wake(cx.waker())) {
            return first;
        }
        drop(state);
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let second = look(&mut state);
        if second.is_pending() {
            line(&mut state).push(waker);
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
            state.through = state.pushed - state.bytes.len() as u64;
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
        let (waiters, watchers) = (mem::take(&mut state.waiters), mem::take(&mut state.watchers));
        let mut invited = mem::take(&mut state.invited);
        drop(state);
        // All that follows is foreign code.
        let mut guard = |f: &mut dyn FnMut()| {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
                panic.get_or_insert(payload);
            }
        };
        guard(&mut || invited.clear());
        if waiters.len() > 1 && batch.is_some() {
            guard(&mut || invited.extend(waiters.iter().cloned()));
            // Whoever has the turn is the only one to invite, so there are none.
            self.lock().invited = invited;
        }
        for waker in waiters.into_iter().chain(watchers) {
            let mut waker = Some(waker);
            guard(&mut || waker.take().into_iter().for_each(Waker::wake));
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    /// One who pushes and waits, told from others by its waker.
    struct Somebody;

    impl Wake for Somebody {
        fn wake(self: Arc<Self>) {}
    }

    fn somebody() -> Waker {
        Waker::from(Arc::new(Somebody))
    }

    fn push(outbox: &Outbox, who: &Waker, len: usize) -> Option<usize> {
        match outbox.poll_push(&Context::from_waker(who), &vec![0; len]) {
            Poll::Ready(pushed) => Some(pushed.expect("nothing failed").len),
            Poll::Pending => None,
        }
    }

    /// Drains the box; calls `meanwhile` with the number of each batch while it is written.
    fn drain(outbox: &Outbox, mut meanwhile: impl FnMut(usize)) {
        let mut batches = 0;
        let write = |_: &[u8]| {
            batches += 1;
            meanwhile(batches);
            Ok(())
        };
        assert!(outbox.drain(&outbox.turn(), write).is_none());
    }

    #[test]
    fn those_who_wait_share_the_room() {
        let outbox = Outbox::new(10);
        let [greedy, modest, late, last] = std::array::from_fn(|_| somebody());
        assert_eq!(push(&outbox, &greedy, 10), Some(10));
        let mut batches = 0;
        drain(&outbox, |batch| {
            batches = batch;
            match batch {
                1 => {
                    assert_eq!(push(&outbox, &greedy, 99), Some(10));
                    assert_eq!(push(&outbox, &greedy, 99), None);
                    assert_eq!(push(&outbox, &modest, 3), None);
                }
                2 => {
                    assert_eq!(push(&outbox, &greedy, 99), Some(5));
                    assert_eq!(push(&outbox, &greedy, 99), None);
                    assert_eq!(push(&outbox, &late, 1), None);
                    assert_eq!(push(&outbox, &modest, 3), Some(3));
                    // Nobody is waited for any more.
                    assert_eq!(push(&outbox, &late, 1), Some(1));
                    assert_eq!(push(&outbox, &greedy, 99), Some(1));
                    assert_eq!(push(&outbox, &greedy, 99), None);
                    assert_eq!(push(&outbox, &modest, 99), None);
                }
                // Those who were woken and do not come hold up nobody for longer than a batch.
                3 => assert_eq!(push(&outbox, &last, 9), None),
                4 => unreachable!("nothing was pushed"),
                _ => {}
            }
        });
        assert_eq!(batches, 3);
        assert_eq!(push(&outbox, &last, 99), Some(10));
    }

    #[test]
    fn what_is_pushed_later_is_not_waited_for() {
        let outbox = Outbox::new(10);
        let (one, other) = (somebody(), somebody());
        let cx = &mut Context::from_waker(&one);
        assert_eq!(push(&outbox, &one, 4), Some(4));
        let pushed = outbox.pushed();
        assert!(outbox.poll_written(cx, pushed).is_pending());
        drain(&outbox, |batch| match batch {
            1 => {
                assert!(outbox.poll_written(cx, pushed).is_pending());
                assert_eq!(push(&outbox, &other, 4), Some(4));
            }
            _ => {
                assert!(outbox.poll_written(cx, pushed).is_ready());
                assert!(outbox.poll_empty(cx).is_pending());
            }
        });
        assert!(outbox.poll_empty(cx).is_ready());
    }
}
