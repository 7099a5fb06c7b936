//! Futures side by side, each polled when it was woken: what the combinators are made of.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::executor::children::Children;
use crate::executor::pinned::element;

pin_project! {
    /// A future, and then what is kept of its output.
    #[project = EntryProj]
    #[project_replace = EntryOwned]
    pub enum Entry<F, T> {
        Pending {
            #[pin]
            future: F,
        },
        Done {
            kept: T,
        },
        Gone,
    }
}

impl<F: Future, T> Entry<F, T> {
    pub(super) fn new(future: F) -> Self {
        Self::Pending { future }
    }

    /// Polls the future, if it is there.
    #[inline]
    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project() {
            EntryProj::Pending { future } => future.poll(cx),
            EntryProj::Done { .. } | EntryProj::Gone => Poll::Pending,
        }
    }

    /// Takes what was kept.
    #[inline]
    pub(super) fn take(self: Pin<&mut Self>) -> Option<T> {
        match self.project_replace(Self::Gone) {
            EntryOwned::Done { kept } => Some(kept),
            EntryOwned::Pending { .. } | EntryOwned::Gone => None,
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        matches!(self, Self::Pending { .. })
    }
}

/// Who of some futures is over, and who shall be polled.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) children: Children,
    /// How many are not over.
    pub(super) pending: usize,
}

impl Progress {
    pub(super) fn new(count: usize) -> Self {
        Self { children: Children::new(count), pending: count }
    }

    /// Polls those futures of `entries` that are ready. Each output goes to `settle`, which says what to keep of it,
    /// if anything, or to stop; then what it stopped with is given.
    ///
    /// `None` with futures left means that the caller is woken when one of them is ready.
    #[inline]
    pub(super) fn poll<F: Future, T, R>(
        &mut self,
        mut entries: Pin<&mut [Entry<F, T>]>,
        cx: &mut Context<'_>,
        mut settle: impl FnMut(usize, F::Output) -> ControlFlow<R, Option<T>>,
    ) -> Option<R> {
        self.children.begin(cx);
        while let Some((index, waker)) = self.children.next(cx) {
            let mut entry = element(entries.as_mut(), index);
            let Poll::Ready(output) = entry.as_mut().poll(&mut Context::from_waker(&waker)) else {
                continue;
            };
            self.pending -= 1;
            self.children.retire(index);
            let settled = settle(index, output);
            // The future goes here, in place. Should its drop panic: all is in order already.
            match settled {
                ControlFlow::Continue(Some(kept)) => entry.set(Entry::Done { kept }),
                ControlFlow::Continue(None) => entry.set(Entry::Gone),
                ControlFlow::Break(result) => {
                    entry.set(Entry::Gone);
                    return Some(result);
                }
            }
        }
        None
    }
}

/// Any number of futures of one type, in one allocation.
pub(super) struct FutureSet<F, T> {
    // First: drops of futures may wake others.
    entries: Pin<Box<[Entry<F, T>]>>,
    progress: Progress,
}

impl<F: Future, T> FutureSet<F, T> {
    pub(super) fn new(futures: impl Iterator<Item = F>) -> Self {
        let entries: Box<[_]> = futures.map(Entry::new).collect();
        Self { progress: Progress::new(entries.len()), entries: Box::into_pin(entries) }
    }

    /// How many futures there were.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many are not over.
    pub(super) fn pending(&self) -> usize {
        self.progress.pending
    }

    /// Whether the future `index` is there and not over.
    pub(super) fn is_pending(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(Entry::is_pending)
    }

    /// As [`Progress::poll`].
    #[inline]
    pub(super) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        settle: impl FnMut(usize, F::Output) -> ControlFlow<R, Option<T>>,
    ) -> Option<R> {
        self.progress.poll(self.entries.as_mut(), cx, settle)
    }

    /// What was kept, in the order of the futures.
    pub(super) fn take_kept(&mut self) -> Vec<T> {
        let mut kept = Vec::with_capacity(self.entries.len());
        for index in 0..self.entries.len() {
            kept.extend(element(self.entries.as_mut(), index).take());
        }
        kept
    }

    /// Drops all futures and what was kept of others.
    pub(super) fn clear(&mut self) {
        self.progress = Progress::new(0);
        self.entries = Box::into_pin(Box::default());
    }
}

impl<F, T> fmt::Debug for FutureSet<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureSet")
            .field("futures", &self.entries.len())
            .field("pending", &self.progress.pending)
            .finish()
    }
}
