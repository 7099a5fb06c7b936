//! Trying one thing after the other, without waiting for each to fail.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::iter::Fuse;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::gather::FutureOf;
use crate::event_loop::{Core, context};
use crate::executor::children::Children;
use crate::in_order::sort_by_number;
use crate::time::Sleep;

/// Runs attempts until one succeeds, starting the next when the last one has failed or `delay` has passed. The first
/// value wins, given with its attempt's index; the other attempts are dropped.
///
/// This is how one connects to a host of several addresses (RFC 8305, "happy eyeballs"). The iterator is asked for an
/// attempt when it is to start, so attempts that are not needed are not made.
///
/// # Errors
///
/// All errors, in the order of the attempts, when none is left that could succeed.
///
/// # Cancel safety
///
/// As safe as the attempts: dropping this drops them all.
///
/// # Panics
///
/// When it is polled and no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::future::staggered_race;
/// use monoloop::time::sleep;
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let attempts = [1000, 10].into_iter().map(|ms| async move {
///     sleep(Duration::from_millis(ms)).await;
///     Ok::<_, ()>(ms)
/// });
/// assert_eq!(staggered_race(attempts, Duration::from_millis(250)).await, Ok((10, 1)));
/// # });
/// ```
#[doc(alias = "happy_eyeballs")]
#[track_caller]
pub fn staggered_race<I, T, E>(attempts: I, delay: Duration) -> StaggeredRace<I::IntoIter, E>
where
    I: IntoIterator<Item: IntoFuture<Output = Result<T, E>>>,
{
    StaggeredRace {
        attempts: attempts.into_iter().fuse(),
        delay,
        timer: None,
        running: Vec::new(),
        children: Children::new(0),
        alive: 0,
        errors: Vec::new(),
        is_over: false,
        location: Location::caller(),
    }
}

/// The future of [`staggered_race`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct StaggeredRace<I: Iterator<Item: IntoFuture>, E> {
    attempts: Fuse<I>,
    delay: Duration,
    /// When the next attempt starts; the first does at once.
    timer: Option<Sleep>,
    /// By index. Attempts are few and long, so each has an allocation.
    running: Vec<Option<Pin<Box<FutureOf<I>>>>>,
    children: Children,
    alive: usize,
    errors: Vec<(usize, E)>,
    is_over: bool,
    /// Where it was made.
    location: &'static Location<'static>,
}

/// The attempts are pinned on the heap, and nothing else is.
impl<I: Iterator<Item: IntoFuture>, E> Unpin for StaggeredRace<I, E> {}

impl<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> StaggeredRace<I, E> {
    /// Starts the next attempt, if there is one, and the delay after it.
    fn start_next(&mut self) {
        self.timer = None;
        let Some(attempt) = self.attempts.next() else { return };
        self.running.push(Some(Box::pin(attempt.into_future())));
        self.children.insert();
        self.alive += 1;
        let timer = |core: &Core| Sleep::after(core, self.delay);
        self.timer = Some(context::with_at("future::staggered_race", self.location, timer));
    }

    /// Polls the attempts that are ready. Starts another for each that fails.
    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Option<(T, usize)> {
        self.children.begin(cx);
        while let Some((index, waker)) = self.children.next(cx) {
            let Some(attempt) = &mut self.running[index] else { continue };
            let Poll::Ready(result) = attempt.as_mut().poll(&mut Context::from_waker(&waker))
            else {
                continue;
            };
            self.alive -= 1;
            self.children.retire(index);
            self.running[index] = None;
            match result {
                Ok(value) => return Some((value, index)),
                Err(error) => self.errors.push((index, error)),
            }
            self.start_next();
        }
        None
    }

    fn end(&mut self) -> Vec<E> {
        self.is_over = true;
        self.timer = None;
        self.running = Vec::new();
        self.children = Children::new(0);
        let mut errors = std::mem::take(&mut self.errors);
        sort_by_number(&mut errors, |&(index, _)| index as u64);
        errors.into_iter().map(|(_, error)| error).collect()
    }
}

impl<I: Iterator<Item: IntoFuture<Output = Result<T, E>>>, T, E> Future for StaggeredRace<I, E> {
    type Output = Result<(T, usize), Vec<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        assert!(!this.is_over, "`StaggeredRace` was polled after it was over");
        if this.running.is_empty() {
            this.start_next();
        }
        loop {
            if let Some(winner) = this.poll_attempts(cx) {
                this.end();
                return Poll::Ready(Ok(winner));
            }
            if this.alive == 0 {
                return Poll::Ready(Err(this.end()));
            }
            if !this.timer.as_mut().is_some_and(|timer| Pin::new(timer).poll(cx).is_ready()) {
                return Poll::Pending;
            }
            this.start_next();
        }
    }
}

impl<I: Iterator<Item: IntoFuture>, E> fmt::Debug for StaggeredRace<I, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaggeredRace")
            .field("started", &self.running.len())
            .field("alive", &self.alive)
            .field("failed", &self.errors.len())
            .finish()
    }
}
