//! More cores: a loop on each of several threads.
//!
//! The loops share nothing. What they need of each other goes over [`sync::remote`](crate::sync::remote), or by
//! [`Handle::spawn_with`](crate::Handle::spawn_with). Connections are spread by the kernel, if each loop has a listener of
//! its own with [`reuse_port`](crate::net::ServerBuilder::reuse_port), or by a loop that accepts and hands sockets over:
//! `into_std` there and `from_std` here.
//!
//! ```text
//!   workers(n, main)          thread 0: loop ─ main(Worker 0) ─► result ┐
//!     │ stop: interrupts      thread 1: loop ─ main(Worker 1) ─► result ├─► join
//!     ▼ each loop             ..   panicked: anew, if it may be         ┘
//! ```

mod thread;

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use self::thread::{Plan, Seat};
use super::{Builder, Handle};
use crate::executor::panic_message;
use crate::executor::task::Payload;
use crate::sync::remote::{oneshot, refuse_on_loop};
use crate::task::CancelToken;

/// Runs `main` on `count` threads, each with a loop of its own. Zero: as many as this machine can run at a time.
///
/// Each gets a [`Worker`], which says which one it is and when to end. [`Workers::builder`] does otherwise.
///
/// One that panics is over, unless it may be [started anew](WorkersBuilder::restarts), and the others go on.
/// [`Workers::panics`] tells at once, and [`Workers::join`] what it was, when all are over.
///
/// # Errors
///
/// If a thread or a loop cannot be made; then none is left.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let workers = monoloop::workers(2, async |worker| {
///     worker.token().cancelled().await;
///     worker.index()
/// })?;
/// workers.stop();
/// let indices: Vec<_> = workers.blocking_join().into_iter().map(Result::unwrap).collect();
/// assert_eq!(indices, [0, 1]);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn workers<M, T>(count: usize, main: M) -> io::Result<Workers<T>>
where
    M: AsyncFn(Worker) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    Workers::builder().count(count).start(main)
}

/// One of several [`workers`], for its main future.
#[derive(Clone, Debug)]
pub struct Worker {
    index: usize,
    count: usize,
    token: CancelToken,
}

impl Worker {
    /// Returns which one it is, from zero.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns how many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the token of its loop ([`CancelToken::root`]), which is cancelled when the workers are to stop.
    pub fn token(&self) -> &CancelToken {
        &self.token
    }
}

/// How a worker's loop is set up.
type Configure = dyn Fn(usize) -> Builder + Send + Sync;

/// Sets up [`workers`]; made by [`Workers::builder`].
#[must_use = "call `start`"]
pub struct WorkersBuilder {
    count: usize,
    restarts: usize,
    configure: Arc<Configure>,
}

impl WorkersBuilder {
    /// Sets how many there are. Zero, the default: as many as this machine can run at a time.
    pub fn count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    /// Sets how often each worker that panicked is started anew, at once and on a new loop. Default: never.
    pub fn restarts(mut self, times: usize) -> Self {
        self.restarts = times;
        self
    }

    /// Sets how the loop of each worker is set up; it is given the worker's index. Default: `EventLoop::builder()`.
    pub fn event_loop(
        mut self,
        configure: impl Fn(usize) -> Builder + Send + Sync + 'static,
    ) -> Self {
        self.configure = Arc::new(configure);
        self
    }

    /// Starts them, and waits until each has its loop.
    ///
    /// # Errors
    ///
    /// As [`workers`].
    #[track_caller]
    pub fn start<M, T>(self, main: M) -> io::Result<Workers<T>>
    where
        M: AsyncFn(Worker) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        let count = match self.count {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let plan = Plan {
            main,
            count,
            restarts: self.restarts,
            configure: self.configure,
            location: Location::caller(),
        };
        let plan = Arc::new(plan);
        let mut workers = Workers { members: Vec::with_capacity(count) };
        // What was started before an error is stopped by the drop, and waited for.
        let mut started = Vec::with_capacity(count);
        let outcome = (0..count).try_for_each(|index| {
            let (member, starting) = thread::start(index, &plan)?;
            workers.members.push(member);
            started.push(starting);
            Ok(())
        });
        let begun = started.into_iter().map(|starting| {
            let gone = || io::Error::other("a worker panicked while its loop was made");
            starting.blocking_recv_anywhere().unwrap_or_else(|_| Err(gone()))
        });
        match outcome.and(begun.collect()) {
            Ok(()) => Ok(workers),
            Err(error) => {
                workers.stop();
                drop(workers.block());
                Err(error)
            }
        }
    }
}

impl fmt::Debug for WorkersBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkersBuilder")
            .field("count", &self.count)
            .field("restarts", &self.restarts)
            .finish_non_exhaustive()
    }
}

/// Loops on threads of their own; made by [`workers`].
///
/// Dropping it asks them to stop, and does not wait: the threads end by themselves, within the grace period and the
/// shutdown limit of their loops.
#[must_use = "the workers are stopped when this is dropped"]
pub struct Workers<T> {
    members: Vec<Member<T>>,
}

/// A worker, seen from outside.
struct Member<T> {
    seat: Arc<Seat>,
    result: oneshot::Receiver<Result<T, WorkerError>>,
    thread: JoinHandle<()>,
}

impl Workers<()> {
    /// Returns a builder, for what [`workers`] leaves open.
    pub fn builder() -> WorkersBuilder {
        WorkersBuilder {
            count: 0,
            restarts: 0,
            configure: Arc::new(|_| super::EventLoop::builder()),
        }
    }
}

impl<T> Workers<T> {
    /// Returns how many there are, or were at the start.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns false: there is at least one.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns a handle to the loop of the worker with that index. One that is started anew has a new loop.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn handle(&self, index: usize) -> Handle {
        self.members[index].seat.handle()
    }

    /// Returns how many panics there were.
    pub fn panics(&self) -> usize {
        self.members.iter().map(|member| member.seat.panics()).sum()
    }

    /// Asks all to stop: interrupts their loops ([`Handle::interrupt`]), which cancels their tokens. Main futures that
    /// do not end within the [grace period](Builder::grace) are dropped.
    pub fn stop(&self) {
        for member in &self.members {
            member.seat.stop();
        }
    }

    /// Waits until all are over, and gives what their main futures gave, by index.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the workers, which stops them.
    ///
    /// # Panics
    ///
    /// On the thread of one of them, which would wait for itself for ever.
    pub async fn join(mut self) -> Vec<Result<T, WorkerError>> {
        if self.members.iter().any(|member| member.seat.is_own_thread()) {
            panic!(
                "`Workers::join` on the thread of one of the workers, which would wait for itself for ever"
            );
        }
        let mut results = Vec::with_capacity(self.len());
        for member in &mut self.members {
            results.push((&mut member.result).await.unwrap_or(Err(WorkerError::LOST)));
        }
        self.reap();
        results
    }

    /// Waits as [`join`](Self::join) does, and blocks this thread.
    ///
    /// # Panics
    ///
    /// If the loop of this thread runs: all its tasks would stand still, and one that a worker waits for would do so for
    /// ever.
    #[track_caller]
    pub fn blocking_join(self) -> Vec<Result<T, WorkerError>> {
        refuse_on_loop("Workers::blocking_join", "`join`");
        self.block()
    }

    fn block(mut self) -> Vec<Result<T, WorkerError>> {
        let members = std::mem::take(&mut self.members);
        let join = |member: Member<T>| {
            let result = member.result.blocking_recv_anywhere().unwrap_or(Err(WorkerError::LOST));
            // It has sent its result, or is unwinding for want of one.
            let _unwound = member.thread.join();
            result
        };
        members.into_iter().map(join).collect()
    }

    /// Waits for threads that have sent their results: as long as it takes to leave a function.
    fn reap(&mut self) {
        for member in self.members.drain(..) {
            let _unwound = member.thread.join();
        }
    }
}

impl<T> Drop for Workers<T> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<T> fmt::Debug for Workers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("len", &self.len()).field("panics", &self.panics()).finish()
    }
}

/// Why a worker gave nothing.
pub struct WorkerError {
    cause: Cause,
}

enum Cause {
    /// It was dropped, as it did not stop within the grace period.
    Interrupted,
    /// Locked only so that the error is `Sync`, as errors are asked to be.
    Panicked(Mutex<Payload>),
    /// Its loop could not be made anew.
    NoLoop(Arc<io::Error>),
    /// Its thread ended without a word, which is a fault of ours.
    Lost,
}

impl WorkerError {
    const LOST: Self = Self { cause: Cause::Lost };

    fn panicked(payload: Payload) -> Self {
        Self { cause: Cause::Panicked(Mutex::new(payload)) }
    }

    /// Returns whether its main future was dropped, as it did not end within the grace period.
    pub fn is_interrupted(&self) -> bool {
        matches!(self.cause, Cause::Interrupted)
    }

    /// Returns whether it panicked, the last time it was started.
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panicked(_))
    }

    /// Gives what it panicked with.
    ///
    /// # Errors
    ///
    /// The error itself, if it did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self.cause {
            Cause::Panicked(payload) => {
                Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner))
            }
            cause => Err(Self { cause }),
        }
    }
}

impl fmt::Display for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Interrupted => f.write_str("the worker was dropped after the grace period"),
            Cause::Panicked(payload) => {
                let payload = payload.lock().unwrap_or_else(PoisonError::into_inner);
                write!(f, "the worker panicked: {}", panic_message(&**payload))
            }
            Cause::NoLoop(error) => write!(f, "the worker could not be started anew: {error}"),
            Cause::Lost => f.write_str("the worker's thread ended without a result"),
        }
    }
}

impl fmt::Debug for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkerError({self})")
    }
}

impl Error for WorkerError {}
