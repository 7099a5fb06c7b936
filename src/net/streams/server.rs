//! A server in the manner of asyncio's.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
#[cfg(unix)]
use std::path::Path;
use std::rc::Rc;

use futures_io::AsyncWrite;
use futures_lite::future::zip;
use slab::Slab;

use super::{Pair, pair};
use crate::event_loop::context;
use crate::io::outgoing::Wish;
use crate::io::{StreamReader, StreamWriter};
use crate::net::{Connection, OwnedReadHalf, TcpListener, ToSocketAddrs};
#[cfg(unix)]
use crate::net::{UnixListener, UnixStream};
use crate::sync::Notify;
use crate::task::{self, AbortHandle, report_own};

/// What errors must convert into to be reported.
type Reported = Box<dyn Error>;

/// Listens at `addr`, and runs `handler` with a reader and a writer for each connection, as a task of its own.
///
/// If the handler gives an error, the loop's error hook is told, what was written is sent, and the connection
/// closed; if it panics, the connection is dropped. Either concerns that connection only. When the handler is
/// through and the writer dropped, what is queued is still sent.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Errors
///
/// As [`TcpListener::bind`].
///
/// # Examples
///
/// ```
/// use monoloop::net::{open_connection, start_server};
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let server = start_server("127.0.0.1:0", async |mut reader, writer| {
///         while let Some(line) = reader.next_line().await? {
///             writer.write(format!("{line}, you say\n").as_bytes())?;
///             writer.drain().await?;
///         }
///         std::io::Result::Ok(())
///     })
///     .await?;
///
///     let (mut reader, writer) = open_connection(server.local_addr()).await?;
///     writer.write(b"hello\n")?;
///     assert_eq!(reader.next_line().await?.as_deref(), Some("hello, you say"));
///     writer.close();
///     server.close();
///     server.wait_closed().await;
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "create_server")]
#[track_caller]
pub fn start_server<H, E>(
    addr: impl ToSocketAddrs,
    handler: H,
) -> impl Future<Output = io::Result<StreamServer>>
where
    H: AsyncFn(StreamReader<OwnedReadHalf>, StreamWriter) -> Result<(), E> + 'static,
    E: Into<Reported> + 'static,
{
    let location = Location::caller();
    async move {
        context::io_with("start_server", location, |_| Ok(()))?;
        start_server_on(TcpListener::bind(addr).await?, handler)
    }
}

/// Serves the connections of a listener that is there already, as [`start_server`] does.
///
/// # Errors
///
/// If the listener's address cannot be told.
#[doc(alias = "create_server")]
#[track_caller]
pub fn start_server_on<H, E>(listener: TcpListener, handler: H) -> io::Result<StreamServer>
where
    H: AsyncFn(StreamReader<OwnedReadHalf>, StreamWriter) -> Result<(), E> + 'static,
    E: Into<Reported> + 'static,
{
    let addr = listener.local_addr()?;
    let accept = async move || {
        let (stream, peer) = listener.accept().await?;
        pair(stream, peer)
    };
    Ok(StreamServer::start(Some(addr), accept, handler))
}

/// Serves a Unix socket at `path`, as [`start_server`] does an address.
///
/// # Errors
///
/// As [`UnixListener::bind`].
#[cfg(unix)]
#[doc(alias = "create_unix_server")]
#[track_caller]
pub fn start_unix_server<H, E>(path: impl AsRef<Path>, handler: H) -> io::Result<StreamServer>
where
    H: AsyncFn(StreamReader<OwnedReadHalf<UnixStream>>, StreamWriter) -> Result<(), E> + 'static,
    E: Into<Reported> + 'static,
{
    let listener = UnixListener::bind(path)?;
    let accept = async move || Ok(super::unix_pair(listener.accept().await?.0));
    Ok(StreamServer::start(None, accept, handler))
}

/// A server that [`start_server`] started: it accepts by itself.
///
/// Dropping it closes it and aborts its connections; [`detach`](Self::detach) lets it run on.
#[doc(alias = "asyncio.Server")]
#[must_use = "dropping a server ends it: await `serve_forever`, or `detach` it"]
pub struct StreamServer {
    shared: Rc<Shared>,
    addr: Option<SocketAddr>,
    accepting: AbortHandle,
    is_detached: bool,
}

/// What the server and its tasks share.
#[derive(Default)]
struct Shared {
    connections: RefCell<Slab<Option<AbortHandle>>>,
    is_closed: Cell<bool>,
    /// It was closed, or a connection is gone.
    changed: Notify,
}

impl StreamServer {
    fn start<S, A, H, E>(addr: Option<SocketAddr>, accept: A, handler: H) -> Self
    where
        S: Connection + 'static,
        for<'s> &'s S: AsyncWrite,
        A: AsyncFn() -> io::Result<Pair<S>> + 'static,
        H: AsyncFn(StreamReader<OwnedReadHalf<S>>, StreamWriter) -> Result<(), E> + 'static,
        E: Into<Reported> + 'static,
    {
        let shared = Rc::new(Shared::default());
        let accepting = accept_all(Rc::clone(&shared), accept, Rc::new(handler));
        let accepting = task::Builder::new().name("server").spawn(accepting);
        Self { shared, addr, accepting: accepting.abort_handle(), is_detached: false }
    }

    /// Returns the address it listens at; of a port 0, the port that was chosen.
    ///
    /// # Panics
    ///
    /// If it listens at a path.
    #[doc(alias = "sockets")]
    #[track_caller]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr.expect("a server of a Unix socket has no internet address")
    }

    /// Returns whether it accepts connections.
    pub fn is_serving(&self) -> bool {
        !self.shared.is_closed.get() && !self.accepting.is_finished()
    }

    /// Returns how many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.connections.borrow().len()
    }

    /// Stops accepting and closes the listening socket. The connections that are there go on.
    pub fn close(&self) {
        self.shared.is_closed.set(true);
        self.accepting.abort();
        self.shared.changed.notify_waiters();
    }

    /// Drops all connections with their handlers, at once: what is queued is lost.
    pub fn abort_clients(&self) {
        // Dropping handlers is foreign code, which may call us.
        let tasks: Vec<_> =
            self.shared.connections.borrow().iter().filter_map(|(_, task)| task.clone()).collect();
        for task in tasks {
            task.abort();
        }
    }

    /// Waits until it is [closed](Self::close) and all connections are gone. A connection is gone when its
    /// handler is through and what was written is sent: for as long as a peer keeps a handler waiting, so put
    /// a timeout around it, and then [`abort_clients`](Self::abort_clients).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn wait_closed(&self) {
        loop {
            let changed = self.shared.changed.notified();
            if self.shared.is_closed.get() && self.connections() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Serves until somebody [closes](Self::close) it and all connections are gone.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes the server, and the connections go on.
    pub async fn serve_forever(&self) {
        struct Close<'a>(&'a StreamServer);
        impl Drop for Close<'_> {
            fn drop(&mut self) {
                self.0.close();
            }
        }
        let _close = Close(self);
        self.wait_closed().await;
    }

    /// Lets the server run on by itself, until the loop ends.
    pub fn detach(mut self) {
        self.is_detached = true;
    }
}

impl Drop for StreamServer {
    fn drop(&mut self) {
        if !self.is_detached {
            self.close();
            self.abort_clients();
        }
    }
}

impl fmt::Debug for StreamServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamServer")
            .field("addr", &self.addr)
            .field("is_serving", &self.is_serving())
            .field("connections", &self.connections())
            .finish()
    }
}

async fn accept_all<S, A, H, E>(shared: Rc<Shared>, accept: A, handler: Rc<H>)
where
    S: Connection + 'static,
    for<'s> &'s S: AsyncWrite,
    A: AsyncFn() -> io::Result<Pair<S>>,
    H: AsyncFn(StreamReader<OwnedReadHalf<S>>, StreamWriter) -> Result<(), E> + 'static,
    E: Into<Reported> + 'static,
{
    let mut last_error = None;
    loop {
        match accept().await {
            Ok(pair) => {
                last_error = None;
                let place = Place::new(Rc::clone(&shared));
                let key = place.key;
                let task = task::spawn_detached(serve(pair, Rc::clone(&handler), place));
                shared.connections.borrow_mut()[key] = Some(task);
            }
            // It was gone before we had it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // The listener pauses when descriptors run out; one report of that is enough.
                let kind = Some(error.kind());
                if std::mem::replace(&mut last_error, kind) != kind {
                    report_own(error);
                }
            }
        }
    }
}

/// Runs a connection's handler, and beside it who sends what the writer queues.
async fn serve<S, H, E>(pair: Pair<S>, handler: Rc<H>, _place: Place) -> Result<(), E>
where
    S: Connection,
    for<'s> &'s S: AsyncWrite,
    H: AsyncFn(StreamReader<OwnedReadHalf<S>>, StreamWriter) -> Result<(), E>,
{
    let (reader, writer, pusher) = pair;
    let outgoing = Rc::clone(writer.outgoing());
    let handling = async {
        let result = handler(reader, writer).await;
        if result.is_err() {
            // Whoever else has the writer: the connection is over.
            outgoing.wish(Wish::Close);
        }
        result
    };
    // Why sending failed, the writer's methods tell.
    zip(handling, pusher).await.0
}

/// A connection's place among those of its server.
struct Place {
    shared: Rc<Shared>,
    key: usize,
}

impl Place {
    fn new(shared: Rc<Shared>) -> Self {
        let key = shared.connections.borrow_mut().insert(None);
        Self { shared, key }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let task = self.shared.connections.borrow_mut().remove(self.key);
        drop(task);
        self.shared.changed.notify_waiters();
    }
}
