//! A nudge for one, or for all.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::wait_list::{Key, Removed, WaitList, wake};

/// Tells tasks that something changed, without saying what.
///
/// [`notify_one`](Self::notify_one) releases who waits longest, and is kept for the next to come if nobody
/// waits: one such permit is kept, however often it is called. [`notify_waiters`](Self::notify_waiters)
/// releases all whose [`notified`](Self::notified) was called before, and keeps nothing. The semantics are
/// those of tokio's `Notify`.
///
/// # Examples
///
/// ```
/// use std::{cell::RefCell, collections::VecDeque, rc::Rc};
/// use monoloop::sync::Notify;
///
/// #[derive(Default)]
/// struct Mailbox {
///     letters: RefCell<VecDeque<&'static str>>,
///     arrived: Notify,
/// }
///
/// monoloop::run(async {
///     let mailbox = Rc::new(Mailbox::default());
///     let other = Rc::clone(&mailbox);
///     monoloop::spawn(async move {
///         other.letters.borrow_mut().push_back("hello");
///         other.arrived.notify_one();
///     })
///     .detach();
///     let letter = loop {
///         let letter = mailbox.letters.borrow_mut().pop_front();
///         match letter {
///             Some(letter) => break letter,
///             None => mailbox.arrived.notified().await,
///         }
///     };
///     assert_eq!(letter, "hello");
/// });
/// ```
#[derive(Default)]
pub struct Notify {
    /// A `notify_one` came when nobody waited.
    has_permit: Cell<bool>,
    /// How often `notify_waiters` was called; wraps.
    rounds: Cell<usize>,
    waiters: WaitList<(), Notification>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Notification {
    /// For one, whoever it is: not to be lost.
    One,
    /// For all who waited.
    All,
}

impl Notify {
    /// Makes one without a permit. Allocates nothing before somebody waits.
    pub const fn new() -> Self {
        Self { has_permit: Cell::new(false), rounds: Cell::new(0), waiters: WaitList::new() }
    }

    /// Releases who waits longest. If nobody waits, the next [`notified`](Self::notified) does not wait.
    pub fn notify_one(&self) {
        match self.waiters.serve(|()| Some(Notification::One)) {
            Some(waker) => wake(waker),
            None => self.has_permit.set(true),
        }
    }

    /// Releases all whose [`notified`](Self::notified) was called before, polled or not.
    pub fn notify_waiters(&self) {
        self.rounds.set(self.rounds.get().wrapping_add(1));
        self.waiters.serve_all(|()| Notification::All);
    }

    /// Waits for a notification. A [`notify_waiters`](Self::notify_waiters) counts from this call on; for
    /// [`notify_one`](Self::notify_one) it stands in the queue from its first poll, or [`Notified::enable`].
    ///
    /// # Cancel safety
    ///
    /// The place in the queue is lost, nothing else. What it was given by `notify_one` goes to the next, or
    /// is kept.
    #[inline]
    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self, key: None, is_done: false, round: self.rounds.get() }
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify")
            .field("has_permit", &self.has_permit.get())
            .field("waiting", &self.waiters.len())
            .finish()
    }
}

/// The future of [`Notify::notified`]. It stays ready.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Notified<'a> {
    notify: &'a Notify,
    key: Option<Key>,
    is_done: bool,
    /// [`Notify::rounds`] when it was made.
    round: usize,
}

impl Notified<'_> {
    /// Joins the queue without being polled, so that a [`Notify::notify_one`] from now on may be for this
    /// one. Returns whether it was notified already.
    ///
    /// # Examples
    ///
    /// ```
    /// # use monoloop::sync::Notify;
    /// # monoloop::run(async {
    /// let notify = Notify::new();
    /// let mut first = notify.notified();
    /// assert!(!first.enable());
    /// notify.notify_one(); // for `first`, and not for who comes now
    /// assert!(!notify.notified().enable());
    /// first.await;
    /// # });
    /// ```
    pub fn enable(&mut self) -> bool {
        if self.key.is_some() {
            // The waker in the list stays: it is that of who polls this.
            self.is_done = self.notify.waiters.take_grant(&mut self.key).is_some();
            return self.is_done;
        }
        self.poll_notified(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[inline]
    fn poll_notified(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_done {
            return Poll::Ready(());
        }
        let (notify, round) = (self.notify, self.round);
        let take = || take(notify, round).then_some(());
        let polled = notify.waiters.wait(&mut self.key, cx, (), take, |_| ());
        self.is_done = polled.is_ready();
        polled
    }
}

/// Whether one that was made in `round` need not wait.
#[inline]
fn take(notify: &Notify, round: usize) -> bool {
    notify.rounds.get() != round || notify.has_permit.take()
}

impl Future for Notified<'_> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_notified(cx)
    }
}

impl Drop for Notified<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.key.is_some() {
            if let Removed::Served(Notification::One) = self.notify.waiters.remove(&mut self.key) {
                self.notify.notify_one();
            }
        }
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified").field("is_done", &self.is_done).finish_non_exhaustive()
    }
}
