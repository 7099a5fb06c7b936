//! The runtimes under test, behind one trait, so that each scenario is written once.
//!
//! A runtime's file holds only what differs: how to start it, its own names for spawning, yielding,
//! sleeping and sockets. Errors panic: a benchmark has nobody to report them to.

pub mod monoloop;
pub mod smol;
pub mod tokio;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

/// A single-threaded runtime, as the scenarios need it.
///
/// Every function but [`block_on`](Self::block_on) is called on a task of the running runtime.
pub trait Runtime: 'static {
    /// The head of its column.
    const NAME: &str;
    /// The packages it is made of, as the lock file names them.
    const PACKAGES: &[&str];

    /// Waits for a task's end.
    type Handle<T: 'static>: Future + 'static;
    /// A listening TCP socket.
    type Listener: Listener<Connection = Self::Connection>;
    /// A connected TCP socket.
    type Connection: Connection;

    /// What a reader should know about its numbers, for the head of the table.
    fn note() -> Option<String> {
        None
    }

    /// Starts a fresh runtime with timers and I/O and runs `future` on this thread.
    fn block_on<F: Future>(future: F) -> F::Output;

    /// Spawns a task that need not be `Send`.
    ///
    /// The handle is the runtime's own: an `async` block around it, to make all outputs alike, costs as
    /// much as a quarter of a spawn.
    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static;

    /// Takes a task's output out of what its handle gave.
    fn output<T>(joined: <Self::Handle<T> as Future>::Output) -> T;

    /// Spawns a task that nobody waits for.
    fn spawn_detached<F: Future<Output = ()> + 'static>(future: F);

    /// Lets all other ready tasks run, in the way that this runtime provides.
    ///
    /// The default is for runtimes that provide none.
    fn yield_now() -> impl Future<Output = ()> {
        yield_by_waking()
    }

    /// Waits for `duration`.
    fn sleep(duration: Duration) -> impl Future + 'static;

    /// Listens on a free port of the loopback interface.
    async fn listen() -> Self::Listener;

    /// Connects to `address`, with `TCP_NODELAY` set.
    async fn connect(address: SocketAddr) -> Self::Connection;
}

/// A listening TCP socket of one runtime.
pub trait Listener: 'static {
    /// What it accepts.
    type Connection;

    /// The address it listens on.
    fn address(&self) -> SocketAddr;

    /// Waits for a connection and sets `TCP_NODELAY` on it.
    async fn accept(&self) -> Self::Connection;
}

/// A connected TCP socket of one runtime.
///
/// Buffers are passed by value because the completion-based runtimes insist on it; to the others it
/// is three words moved.
pub trait Connection: 'static {
    /// Fills `buffer` up to its capacity, which must equal its length.
    async fn read_exact(&mut self, buffer: Vec<u8>) -> Vec<u8>;

    /// Writes all of `buffer`.
    async fn write_all(&mut self, buffer: Vec<u8>) -> Vec<u8>;
}

/// Wakes the running task and returns `Pending`, which most runtimes take for a yield.
pub fn yield_by_waking() -> impl Future<Output = ()> {
    let mut yielded = false;
    poll_fn(move |cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}
