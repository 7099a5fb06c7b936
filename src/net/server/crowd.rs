//! Who is being served, and how the others ended.

use std::cell::{Cell, RefCell};
use std::ops::Sub;
use std::rc::Rc;
use std::thread;

use slab::Slab;

use crate::AbortHandle;
use crate::sync::Notify;

/// How many connections of a [`Server`](super::Server) ended, and how.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Endings {
    /// Their handlers returned, and gave no error.
    pub finished: u64,
    /// Their handlers gave an error.
    pub failed: u64,
    /// Their handlers panicked.
    pub panicked: u64,
    /// Their handlers were dropped before they were through.
    pub aborted: u64,
}

impl Endings {
    /// Returns how many there were.
    pub fn total(&self) -> u64 {
        self.finished + self.failed + self.panicked + self.aborted
    }
}

impl Sub for Endings {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            finished: self.finished - earlier.finished,
            failed: self.failed - earlier.failed,
            panicked: self.panicked - earlier.panicked,
            aborted: self.aborted - earlier.aborted,
        }
    }
}

/// The connections that are being served.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// `None` only while its task is being made.
    alive: RefCell<Slab<Option<AbortHandle>>>,
    endings: Cell<Endings>,
    /// Told when the last one goes, and when the server stops listening.
    news: Notify,
}

impl Crowd {
    pub(super) fn len(&self) -> usize {
        self.alive.borrow().len()
    }

    pub(super) fn endings(&self) -> Endings {
        self.endings.get()
    }

    /// Takes in a connection; its task, which owns the member, follows with [`Crowd::set_task`].
    pub(super) fn admit(self: &Rc<Self>) -> Member {
        let key = self.alive.borrow_mut().insert(None);
        Member { crowd: Rc::clone(self), key, ending: Ending::Cut }
    }

    /// `task` serves the member of that key. It may be over: a loop that ends refuses tasks.
    pub(super) fn set_task(&self, key: usize, task: AbortHandle) {
        if let Some(place) = self.alive.borrow_mut().get_mut(key) {
            *place = Some(task);
        }
    }

    /// Waits until `is_so`, which is asked again when the last one goes and when the server stops listening.
    pub(super) async fn until(&self, is_so: impl Fn() -> bool) {
        while !is_so() {
            self.news.notified().await;
        }
    }

    /// Wakes who waits.
    pub(super) fn tell(&self) {
        self.news.notify_waiters();
    }

    /// Aborts all, in the order of their places.
    pub(super) fn abort_all(&self) {
        // A copy: a handler's drop may do anything.
        let tasks: Vec<_> =
            self.alive.borrow().iter().filter_map(|(_, task)| task.clone()).collect();
        for task in tasks {
            task.abort();
        }
    }

    fn leave(&self, key: usize, ending: &Ending) {
        let task = self.alive.borrow_mut().remove(key);
        drop(task);
        let mut endings = self.endings.get();
        match ending {
            Ending::Finished => endings.finished += 1,
            Ending::Failed => endings.failed += 1,
            Ending::Cut if thread::panicking() => endings.panicked += 1,
            Ending::Cut => endings.aborted += 1,
        }
        self.endings.set(endings);
        if self.len() == 0 {
            self.alive.borrow_mut().shrink_to_fit();
            self.tell();
        }
    }
}

/// A connection's place in the crowd. Its task owns it, and so it goes with the task, however that ends.
#[derive(Debug)]
pub(super) struct Member {
    crowd: Rc<Crowd>,
    key: usize,
    ending: Ending,
}

/// How serving a connection ended.
#[derive(Debug)]
enum Ending {
    Finished,
    Failed,
    /// Before the handler returned: by a panic, or an abort.
    Cut,
}

impl Member {
    pub(super) fn key(&self) -> usize {
        self.key
    }

    /// The handler returned.
    pub(super) fn end(mut self, has_failed: bool) {
        self.ending = if has_failed { Ending::Failed } else { Ending::Finished };
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.crowd.leave(self.key, &self.ending);
    }
}
