//! Servers whose handlers are given such pairs.

use std::error::Error;
use std::future::Future;
use std::io;
use std::panic::Location;
#[cfg(unix)]
use std::path::Path;
use std::rc::Rc;

use futures_io::AsyncWrite;
use futures_lite::future::zip;

use super::{Pair, pair};
use crate::event_loop::context;
use crate::io::outgoing::Wish;
use crate::io::{StreamReader, StreamWriter};
use crate::net::{Connection, HandlerOutput, OwnedReadHalf, Server, ServerHandle, ToSocketAddrs};
#[cfg(unix)]
use crate::net::{UnixListener, UnixStream};

/// Listens at `addr`, and runs `handler` with a reader and a writer for each connection, as a task of its own.
///
/// It is a [`Server`] with defaults and this kind of handler; [`Server::start_streams`] is for others. Dropping the
/// [`ServerHandle`] ends it, [`wait`](ServerHandle::wait) serves for ever.
///
/// The handler gives nothing, or a `Result<(), E>`.
///
/// A connection lasts until its handler is through, the writer is dropped or closed, and what was queued is sent. If the
/// handler gives an error, the loop's error hook is told, what was written is sent, and the connection closed; if it
/// panics, the connection is dropped. Either concerns that connection only.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Errors
///
/// As [`Server::bind`].
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
///     let (mut reader, writer) = open_connection(server.local_addrs()[0]).await?;
///     writer.write(b"hello\n")?;
///     assert_eq!(reader.next_line().await?.as_deref(), Some("hello, you say"));
///     writer.close();
///     server.stop_accepting();
///     server.wait().await;
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "create_server")]
#[track_caller]
pub fn start_server<H, R>(
    addr: impl ToSocketAddrs,
    handler: H,
) -> impl Future<Output = io::Result<ServerHandle>>
where
    H: AsyncFn(StreamReader<OwnedReadHalf>, StreamWriter) -> R + 'static,
    R: HandlerOutput + 'static,
{
    let location = Location::caller();
    async move {
        context::io_with("start_server", location, |_| Ok(()))?;
        Ok(Server::bind(addr).await?.start_streams_at(handler, location))
    }
}

/// Serves a Unix socket at `path`, as [`start_server`] does an address.
///
/// # Errors
///
/// As [`Server::bind_unix`].
#[cfg(unix)]
#[doc(alias = "create_unix_server")]
#[track_caller]
pub fn start_unix_server<H, R>(
    path: impl AsRef<Path>,
    handler: H,
) -> io::Result<ServerHandle<std::os::unix::net::SocketAddr>>
where
    H: AsyncFn(StreamReader<OwnedReadHalf<UnixStream>>, StreamWriter) -> R + 'static,
    R: HandlerOutput + 'static,
{
    Ok(Server::bind_unix(path)?.start_streams_at(handler, Location::caller()))
}

impl Server {
    /// Serves connections from now on, with a handler that is given a reader of whole items and a writer that never
    /// waits: see [`start_server`].
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn start_streams<H, R>(self, handler: H) -> ServerHandle
    where
        H: AsyncFn(StreamReader<OwnedReadHalf>, StreamWriter) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        context::with("Server::start_streams", |_| ());
        self.start_streams_at(handler, Location::caller())
    }

    fn start_streams_at<H, R>(
        self,
        handler: H,
        location: &'static Location<'static>,
    ) -> ServerHandle
    where
        H: AsyncFn(StreamReader<OwnedReadHalf>, StreamWriter) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        let serve_one = async move |stream, peer, _| match pair(stream, peer) {
            Ok(pair) => serve(pair, &handler).await,
            // It is gone already.
            Err(_) => Ok(()),
        };
        self.start_at(serve_one, location)
    }
}

#[cfg(unix)]
impl Server<UnixListener> {
    /// Serves connections from now on, with a handler that is given a reader of whole items and a writer that never
    /// waits: see [`start_unix_server`].
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn start_streams<H, R>(self, handler: H) -> ServerHandle<std::os::unix::net::SocketAddr>
    where
        H: AsyncFn(StreamReader<OwnedReadHalf<UnixStream>>, StreamWriter) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        context::with("Server::start_streams", |_| ());
        self.start_streams_at(handler, Location::caller())
    }

    fn start_streams_at<H, R>(
        self,
        handler: H,
        location: &'static Location<'static>,
    ) -> ServerHandle<std::os::unix::net::SocketAddr>
    where
        H: AsyncFn(StreamReader<OwnedReadHalf<UnixStream>>, StreamWriter) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        let serve_one = async move |stream, _, _| serve(super::unix_pair(stream), &handler).await;
        self.start_at(serve_one, location)
    }
}

/// Runs a connection's handler, and beside it who sends what the writer queues.
async fn serve<S, H, R>(pair: Pair<S>, handler: &H) -> Result<(), Box<dyn Error>>
where
    S: Connection,
    for<'s> &'s S: AsyncWrite,
    H: AsyncFn(StreamReader<OwnedReadHalf<S>>, StreamWriter) -> R,
    R: HandlerOutput,
{
    let (reader, writer, pusher) = pair;
    let outgoing = Rc::clone(writer.outgoing());
    let handling = async {
        let failure = handler(reader, writer).await.into_failure();
        if failure.is_some() {
            // Whoever else has the writer: the connection is over.
            outgoing.wish(Wish::Close);
        }
        failure.map_or(Ok(()), Err)
    };
    // Why sending failed, the writer's methods tell.
    zip(handling, pusher).await.0
}
