//! The pages that are still to be fetched, shared by the workers.
//!
//! Everything here is plain `RefCell` and `Rc`: the workers run on one loop, and only one of them
//! runs at a time. A borrow lasts for a few lines without an `.await`, so two never meet.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::error::FetchError;
use crate::url::Url;

/// The most redirects followed from one page to the next.
pub(crate) const MAX_REDIRECTS: usize = 10;

/// The queue of pages to fetch. Each address is handed out once.
#[derive(Debug)]
pub(crate) struct Frontier {
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    /// Found, and not yet handed out; oldest first.
    queue: VecDeque<Visit>,
    /// Every address ever added.
    known: HashSet<Rc<Url>>,
    /// Redirects seen, from one known address to another.
    redirects: HashMap<Rc<Url>, Rc<Url>>,
    /// How many addresses may be known.
    limit: usize,
    /// Whether the limit has turned an address away.
    is_full: bool,
    /// Visits handed out and not yet dropped.
    busy: usize,
    /// Workers that found the queue empty while others were busy: those may still find links.
    waiting: Vec<Waker>,
}

/// A page to fetch, and how we came to it.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) url: Rc<Url>,
    /// The page that links or redirects here. A start page has none.
    pub(crate) from: Option<Rc<Url>>,
    /// How many redirects in a row led here.
    redirects: usize,
}

/// A [`Visit`] in progress. While one is alive, the frontier may still grow.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) visit: Visit,
    frontier: Rc<Frontier>,
}

impl Frontier {
    /// Creates an empty frontier that hands out at most `limit` addresses in its life.
    pub(crate) fn new(limit: usize) -> Rc<Frontier> {
        let state = State {
            queue: VecDeque::new(),
            known: HashSet::new(),
            redirects: HashMap::new(),
            limit,
            is_full: false,
            busy: 0,
            waiting: Vec::new(),
        };
        Rc::new(Frontier { state: RefCell::new(state) })
    }

    /// Adds a page, if it is new.
    pub(crate) fn add_start(&self, url: Url) {
        self.add(Visit { url: Rc::new(url), from: None, redirects: 0 });
    }

    /// Adds a page that `from` links to, if it is new.
    pub(crate) fn add_link(&self, from: &Visit, url: Url) {
        self.add(Visit { url: Rc::new(url), from: Some(Rc::clone(&from.url)), redirects: 0 });
    }

    /// Adds the page that `from` redirects to, if it is new.
    ///
    /// # Errors
    ///
    /// If the redirects lead in a circle, or are too many. Of a circle, one page gets the error.
    pub(crate) fn add_redirect(&self, from: &Visit, url: Url) -> Result<(), FetchError> {
        if from.redirects == MAX_REDIRECTS {
            return Err(FetchError::TooManyRedirects { limit: MAX_REDIRECTS });
        }
        let url = Rc::new(url);
        self.state.borrow_mut().note_redirect(&from.url, &url)?;
        self.add(Visit { url, from: Some(Rc::clone(&from.url)), redirects: from.redirects + 1 });
        Ok(())
    }

    /// Waits for a page to fetch. Returns `None` when all are done.
    ///
    /// # Cancel safety
    ///
    /// A call dropped half-way has taken nothing.
    pub(crate) async fn next(self: &Rc<Self>) -> Option<Job> {
        let visit = poll_fn(|cx| {
            let mut state = self.state.borrow_mut();
            if let Some(visit) = state.queue.pop_front() {
                state.busy += 1;
                return Poll::Ready(Some(visit));
            }
            if state.busy == 0 {
                return Poll::Ready(None);
            }
            state.waiting.push(cx.waker().clone());
            Poll::Pending
        });
        Some(Job { visit: visit.await?, frontier: Rc::clone(self) })
    }

    /// How many pages are found and not yet done.
    pub(crate) fn pending(&self) -> usize {
        let state = self.state.borrow();
        state.queue.len() + state.busy
    }

    /// Whether a page was left out because of the limit.
    pub(crate) fn is_full(&self) -> bool {
        self.state.borrow().is_full
    }

    fn add(&self, visit: Visit) {
        if self.state.borrow_mut().add(visit) {
            self.wake_workers();
        }
    }

    /// Wakes all who wait; each looks again. Wakers are foreign code, so no borrow is held while they
    /// run.
    fn wake_workers(&self) {
        let waiting = mem::take(&mut self.state.borrow_mut().waiting);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn add(&mut self, visit: Visit) -> bool {
        if self.known.contains(&visit.url) {
            return false;
        }
        if self.known.len() == self.limit {
            self.is_full = true;
            return false;
        }
        self.known.insert(Rc::clone(&visit.url));
        self.queue.push_back(visit);
        true
    }

    fn note_redirect(&mut self, from: &Rc<Url>, to: &Rc<Url>) -> Result<(), FetchError> {
        let mut end = to;
        for _ in 0..MAX_REDIRECTS {
            if end == from {
                return Err(FetchError::RedirectLoop);
            }
            match self.redirects.get(end) {
                Some(next) => end = next,
                None => {
                    self.redirects.insert(Rc::clone(from), Rc::clone(to));
                    return Ok(());
                }
            }
        }
        Err(FetchError::TooManyRedirects { limit: MAX_REDIRECTS })
    }
}

impl Drop for Job {
    /// Counts the page as done, even if its worker was aborted or panicked over it.
    fn drop(&mut self) {
        let is_last = {
            let mut state = self.frontier.state.borrow_mut();
            state.busy -= 1;
            state.busy == 0 && state.queue.is_empty()
        };
        if is_last {
            self.frontier.wake_workers();
        }
    }
}
