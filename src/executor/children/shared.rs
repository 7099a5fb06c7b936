//! Wakers for children where no loop of ours polls the parent: an `Arc` for each child, and one for all.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// A parent's end. The wakers outlive it.
#[derive(Debug)]
pub(super) struct Shared {
    common: Arc<Common>,
    /// By index. Here and not in `Common`, which they own.
    wakers: Vec<Waker>,
}

/// What the parent and the wakers share.
#[derive(Debug)]
struct Common {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Who is woken when a child is; taken by the first that is.
    parent: Option<Waker>,
    /// Children that were woken, first woken first: those marked `Queued`, `Leaving` or `Retiring`.
    ready: VecDeque<u32>,
    /// By index.
    marks: Vec<Mark>,
}

/// What a wake of a child does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    /// Puts it into the queue and wakes the parent.
    Waiting,
    /// Nothing: it is in the queue.
    Queued,
    /// Nothing: it is over, and still in the queue. Its index may be used again.
    Leaving,
    /// The same, and its index may not.
    Retiring,
    /// Nothing: it is over.
    Deaf,
}

/// What came out of the queue.
#[derive(Debug)]
pub(super) enum Popped {
    Child(u32, Waker),
    /// A child that is over, by its index if that may be used again.
    Left(Option<u32>),
}

impl Shared {
    pub(super) fn new(parent: &Waker) -> Self {
        let parent = Some(parent.clone());
        let state = State { parent, ready: VecDeque::new(), marks: Vec::new() };
        Self { common: Arc::new(Common { state: Mutex::new(state) }), wakers: Vec::new() }
    }

    /// Names whom to wake from now on, and gives how many children are in the queue.
    pub(super) fn set_parent(&self, parent: &Waker) -> usize {
        let is_kept = {
            let state = self.common.lock();
            state.parent.as_ref().is_some_and(|kept| kept.will_wake(parent))
        };
        // Cloning and dropping wakers are foreign code.
        let mut new = (!is_kept).then(|| parent.clone());
        let mut state = self.common.lock();
        if new.is_some() {
            std::mem::swap(&mut state.parent, &mut new);
        }
        let queued = state.ready.len();
        drop(state);
        queued
    }

    /// Gives a child its waker, or the one it has. Wakes reach it from now on.
    pub(super) fn enroll(&mut self, child: u32) -> Waker {
        let mut state = self.common.lock();
        while self.wakers.len() <= child as usize {
            let child = u32::try_from(self.wakers.len()).expect("indices are 32 bits long");
            let common = Arc::clone(&self.common);
            self.wakers.push(Waker::from(Arc::new(ChildWake { common, child })));
            state.marks.push(Mark::Deaf);
        }
        let mark = &mut state.marks[child as usize];
        if *mark == Mark::Deaf {
            *mark = Mark::Waiting;
        }
        self.wakers[child as usize].clone()
    }

    /// Takes the child that was woken first out of the queue.
    pub(super) fn pop(&self) -> Option<Popped> {
        let mut state = self.common.lock();
        let child = state.ready.pop_front()?;
        let mark = &mut state.marks[child as usize];
        if let Mark::Leaving | Mark::Retiring = *mark {
            let left = (*mark == Mark::Leaving).then_some(child);
            *mark = Mark::Deaf;
            return Some(Popped::Left(left));
        }
        *mark = Mark::Waiting;
        Some(Popped::Child(child, self.wakers[child as usize].clone()))
    }

    /// A child is over. True: it is still in the queue.
    pub(super) fn dismiss(&self, child: u32, for_good: bool) -> bool {
        let mut state = self.common.lock();
        let mark = &mut state.marks[child as usize];
        let is_queued = !matches!(mark, Mark::Waiting | Mark::Deaf);
        *mark = match is_queued {
            false => Mark::Deaf,
            true if for_good => Mark::Retiring,
            true => Mark::Leaving,
        };
        is_queued
    }
}

impl Common {
    /// Locks. What runs under this lock is not foreign code and leaves nothing half-changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes a child: queues it, and wakes the parent with no lock held.
    fn wake(&self, child: u32) {
        let mut state = self.lock();
        let mark = &mut state.marks[child as usize];
        if *mark != Mark::Waiting {
            return;
        }
        *mark = Mark::Queued;
        state.ready.push_back(child);
        let parent = state.parent.take();
        drop(state);
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}

/// A child's waker.
struct ChildWake {
    common: Arc<Common>,
    child: u32,
}

impl Wake for ChildWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.common.wake(self.child);
    }
}
