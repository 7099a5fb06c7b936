//! Connections as pairs of a reader of whole items and a writer that never waits, in the manner of asyncio.
//!
//! ```text
//!   open_connection ──► StreamReader over the reading half
//!                       StreamWriter ─► queue ─► a task ─► the writing half
//!   start_server ──► a Server; the task of each connection runs
//!                       the handler, with such a pair, and beside it who sends what the writer queues
//! ```

mod server;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
#[cfg(unix)]
use std::path::Path;

#[cfg(unix)]
use super::UnixStream;
use super::{OwnedReadHalf, OwnedWriteHalf, TcpStream, ToSocketAddrs};
use crate::event_loop::context;
use crate::io::outgoing::Pusher;
use crate::io::{Addrs, StreamReader, StreamWriter};
use crate::task;
pub use server::start_server;
#[cfg(unix)]
pub use server::start_unix_server;

/// Connects to `addr` and gives a reader of whole items and a writer that never waits.
///
/// For a plain stream of bytes, [`TcpStream::connect`] is enough, and a little cheaper: the writer is a
/// queue, and a task that sends.
///
/// # Cancel safety
///
/// Dropped, there is no connection.
///
/// # Errors
///
/// As [`TcpStream::connect`].
///
/// # Examples
///
/// ```
/// use monoloop::net::{open_connection, start_server};
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let server = start_server("127.0.0.1:0", async |mut reader, writer| {
///         let line = reader.read_line().await?;
///         writer.write(&line.to_ascii_uppercase())?;
///         std::io::Result::Ok(())
///     })
///     .await?;
///
///     let (mut reader, writer) = open_connection(server.local_addrs()[0]).await?;
///     writer.write(b"hello\n")?;
///     assert_eq!(reader.next_line().await?.as_deref(), Some("HELLO"));
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "create_connection")]
#[track_caller]
pub fn open_connection(
    addr: impl ToSocketAddrs,
) -> impl Future<Output = io::Result<(StreamReader<OwnedReadHalf>, StreamWriter)>> {
    let location = Location::caller();
    async move {
        context::io_with("open_connection", location, |_| Ok(()))?;
        let stream = TcpStream::connect(addr).await?;
        let peer = stream.peer_addr()?;
        let (reader, writer, pusher) = pair(stream, peer)?;
        task::Builder::new().spawn_at(pusher, location).detach();
        Ok((reader, writer))
    }
}

/// Connects to the Unix socket at `path`, as [`open_connection`] does to an address.
///
/// # Cancel safety
///
/// Dropped, there is no connection.
///
/// # Errors
///
/// As [`UnixStream::connect`].
#[cfg(unix)]
#[track_caller]
pub fn open_unix_connection(
    path: impl AsRef<Path>,
) -> impl Future<Output = io::Result<(StreamReader<OwnedReadHalf<UnixStream>>, StreamWriter)>> {
    let location = Location::caller();
    let connecting = UnixStream::connect(path);
    async move {
        let (reader, writer, pusher) = unix_pair(connecting.await?);
        task::Builder::new().spawn_at(pusher, location).detach();
        Ok((reader, writer))
    }
}

/// A reader, a writer, and who sends what that writes.
type Pair<S> = (StreamReader<OwnedReadHalf<S>>, StreamWriter, Pusher<OwnedWriteHalf<S>>);

fn pair(stream: TcpStream, peer: SocketAddr) -> io::Result<Pair<TcpStream>> {
    let addrs = Addrs { local: stream.local_addr()?, peer };
    let (reader, writer) = stream.into_split();
    let (writer, pusher) = StreamWriter::with_pusher(writer, Some(addrs));
    Ok((StreamReader::new(reader), writer, pusher))
}

#[cfg(unix)]
fn unix_pair(stream: UnixStream) -> Pair<UnixStream> {
    let (reader, writer) = stream.into_split();
    let (writer, pusher) = StreamWriter::with_pusher(writer, None);
    (StreamReader::new(reader), writer, pusher)
}
