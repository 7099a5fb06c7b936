//! The rows of the table, and the futures that are combined.

use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::harness::{Bar, Scenario, Size};

/// Which code to run. An operation is a child, or a round of a loop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// So many futures that yield once, all awaited.
    Gather(u64),
    /// So many futures that yield once, taken as they come.
    AsCompleted(u64),
    /// Two futures that yield once, joined by a macro.
    Join,
    /// Two branches, each ready in every other round.
    Select,
    /// So many children that yield once and may borrow, or are tasks.
    Scope(u64),
    /// So many tasks that yield once, joined as they end.
    JoinSet(u64),
    /// So many tasks that yield once and stand or fall together.
    Group(u64),
    /// A timeout around a future that is ready.
    Timeout,
}

const fn row(kind: Kind, title: &'static str, of: u64, bar: Option<f64>) -> Scenario<Kind> {
    let bar = match bar {
        Some(times) => Some(Bar::BestPeer(times)),
        None => None,
    };
    Scenario { kind, title, size: Size::Calibrated { multiple_of: of }, bar }
}

/// The rows, in the order they are printed. The first and the third shall be within 2 x of each other in our column: the
/// cost of a child of few and of many.
pub const SCENARIOS: &[Scenario<Kind>] = &[
    row(Kind::Gather(10), "gather of 10 that yield once", 10, None),
    row(Kind::Gather(1000), "gather of 1000 that yield once", 1000, Some(0.5)),
    row(Kind::Gather(100_000), "gather of 100 000 that yield once", 100_000, None),
    row(Kind::AsCompleted(1000), "as_completed over 1000", 1000, Some(0.5)),
    row(Kind::Join, "join! of 2 that yield once", 1, None),
    row(Kind::Select, "select! of 2, ready sometimes", 1, Some(1.0)),
    row(Kind::Scope(1000), "scope of 1000 that yield once", 1000, Some(0.5)),
    row(Kind::JoinSet(1000), "JoinSet of 1000 that yield once", 1000, None),
    row(Kind::Group(1000), "TaskGroup of 1000 that yield once", 1000, None),
    row(Kind::Timeout, "timeout, ready at once", 1, Some(0.5)),
];

/// Gives way once: wakes itself and is ready the next time. The same for all libraries.
pub fn yield_once() -> YieldOnce {
    YieldOnce(false)
}

pub struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A child: yields once and gives its number.
pub async fn child(number: u64) -> u64 {
    yield_once().await;
    black_box(number)
}

/// The same, as a child that may fail.
pub async fn fallible(number: u64) -> Result<u64, Infallible> {
    Ok(child(number).await)
}

/// Is ready at every second poll, and says how often that was.
#[derive(Default)]
pub struct Sometimes {
    polls: u64,
}

impl Sometimes {
    /// Begins with a poll that is ready, or not.
    pub fn new(is_ready: bool) -> Self {
        Self { polls: u64::from(is_ready) }
    }

    pub fn ready(&mut self) -> Ready<'_> {
        Ready(self)
    }
}

pub struct Ready<'a>(&'a mut Sometimes);

impl Future for Ready<'_> {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        self.0.polls += 1;
        if self.0.polls % 2 == 0 {
            return Poll::Ready(self.0.polls);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
