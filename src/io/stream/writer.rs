//! A writer that never waits, and says when one should.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use futures_io::AsyncWrite;

use crate::event_loop::context;
use crate::io::outgoing::{Outgoing, Pusher, QueueError, Wish};
use crate::task;

/// Writes into a stream without waiting, in the manner of asyncio: [`write`](Self::write) queues, a task of its own
/// sends, and [`drain`](Self::drain) waits while too much is queued.
///
/// More than [`AsyncWriteExt::write_all`](crate::io::AsyncWriteExt::write_all) it lets several parts of a program
/// write into one stream, without waiting for one another and without cutting one another's messages: each `write`
/// is one piece. All methods take `&self`, so an `Rc<StreamWriter>` can be handed around. What a peer that never
/// reads can pile up is bounded: see [`set_capacity`](Self::set_capacity).
///
/// Dropping it [closes](Self::close) it: what is queued is still sent, while the loop runs. At the end of the
/// loop what is queued is lost: await [`wait_closed`](Self::wait_closed) before.
///
/// # Examples
///
/// ```
/// use monoloop::io::*;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let (ours, peer) = duplex(1024);
///     let writer = StreamWriter::new(ours);
///     for n in 0..3 {
///         writer.write(format!("line {n}\n").as_bytes())?;
///         writer.drain().await?;
///     }
///     drop(writer);
///
///     let mut reader = StreamReader::new(peer);
///     assert_eq!(reader.read_line().await?, b"line 0\n");
///     Ok(())
/// })
/// # }
/// ```
#[must_use = "dropping a writer closes it"]
pub struct StreamWriter {
    outgoing: Rc<Outgoing>,
    addrs: Option<Addrs>,
}

/// The addresses of a TCP connection, as they were when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addrs {
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
}

impl StreamWriter {
    /// Writes into `stream`, by a task that this spawns.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn new<W: AsyncWrite + Unpin + 'static>(stream: W) -> Self {
        context::with("StreamWriter::new", |_| ());
        let (writer, pusher) = Self::with_pusher(stream, None);
        task::spawn(pusher).detach();
        writer
    }

    /// A writer, and who sends what it writes.
    pub(crate) fn with_pusher<W>(stream: W, addrs: Option<Addrs>) -> (Self, Pusher<W>) {
        let outgoing = Outgoing::new();
        (Self { outgoing: Rc::clone(&outgoing), addrs }, Pusher::new(stream, outgoing))
    }

    pub(crate) fn outgoing(&self) -> &Rc<Outgoing> {
        &self.outgoing
    }

    /// Queues `data` to be sent: all of it, or nothing. It goes out in the loop's next turn.
    ///
    /// # Errors
    ///
    /// [`QueueError`], which converts into an [`io::Error`]: if the writer was closed or the stream failed, or if
    /// more than the [capacity](Self::set_capacity) waits to be sent. (asyncio drops the data silently then.)
    pub fn write(&self, data: &[u8]) -> Result<(), QueueError> {
        self.outgoing.write(data)
    }

    /// Queues the pieces one after the other, as [`write`](Self::write) does with each.
    ///
    /// # Errors
    ///
    /// That of the first piece that is not taken.
    #[doc(alias = "writelines")]
    pub fn write_pieces<T: AsRef<[u8]>>(
        &self,
        pieces: impl IntoIterator<Item = T>,
    ) -> Result<(), QueueError> {
        pieces.into_iter().try_for_each(|piece| self.write(piece.as_ref()))
    }

    /// Waits while too much is queued: once more than the high-water mark is, until no more than the low one
    /// is left. Otherwise it gives way to other tasks now and then, so a loop of writes starves nobody.
    ///
    /// Any number of tasks may wait.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what is queued is sent all the same.
    ///
    /// # Errors
    ///
    /// Why the stream failed.
    pub async fn drain(&self) -> io::Result<()> {
        self.outgoing.drained().await
    }

    /// Waits until all that was written before is in the hands of the stream, and flushed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what is queued is sent all the same.
    ///
    /// # Errors
    ///
    /// Why the stream failed.
    pub async fn flush(&self) -> io::Result<()> {
        self.outgoing.flushed().await
    }

    /// Nothing more will be written: when all was sent, the write side is closed, and the peer reads the end. It can
    /// go on sending.
    ///
    /// This waits until that is done; called and not awaited it does nothing.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the end is sent all the same.
    ///
    /// # Errors
    ///
    /// Why the stream failed.
    pub async fn write_eof(&self) -> io::Result<()> {
        self.outgoing.wish(Wish::End);
        self.outgoing.ended().await
    }

    /// Closes it: what is queued is sent in the background, and then the stream's write side is closed and the
    /// stream dropped. The reader of the same connection is not concerned; the descriptor is closed when that is
    /// dropped, too.
    pub fn close(&self) {
        self.outgoing.wish(Wish::Close);
    }

    /// Drops what is queued and gives the stream up.
    #[doc(alias = "transport.abort")]
    pub fn abort(&self) {
        self.outgoing.wish(Wish::Abort);
    }

    /// Returns whether it was closed, or the stream failed.
    pub fn is_closing(&self) -> bool {
        self.outgoing.is_closing()
    }

    /// Waits until all was sent and the stream is dropped, after [`close`](Self::close) or
    /// [`abort`](Self::abort), or until it fails.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// Why the stream failed, or [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if something that was
    /// queued was dropped.
    pub async fn wait_closed(&self) -> io::Result<()> {
        self.outgoing.closed().await
    }

    /// Returns how many bytes are queued.
    #[doc(alias = "get_write_buffer_size")]
    pub fn unsent(&self) -> usize {
        self.outgoing.unsent()
    }

    /// Returns the water marks, the high one first: see [`drain`](Self::drain). They are 64 KiB and 16 KiB
    /// if nothing was said.
    #[doc(alias = "get_write_buffer_limits")]
    pub fn water_marks(&self) -> (usize, usize) {
        self.outgoing.marks()
    }

    /// Sets the water marks. With a high mark of zero, [`drain`](Self::drain) waits whenever something is queued.
    ///
    /// # Panics
    ///
    /// If the low one is above the high one.
    #[doc(alias = "set_write_buffer_limits")]
    #[track_caller]
    pub fn set_water_marks(&self, high: usize, low: usize) {
        self.outgoing.set_marks(high, low);
    }

    /// Sets how much may be queued before a [`write`](Self::write) is refused: 16 MiB if nothing is said. The last
    /// write that is taken may exceed it.
    pub fn set_capacity(&self, capacity: usize) {
        self.outgoing.set_capacity(capacity);
    }

    /// Returns the peer's address, of a TCP connection of [`open_connection`](crate::net::open_connection) or
    /// [`start_server`](crate::net::start_server). It is known after the connection's end, too.
    ///
    /// All else that the socket can tell, the reader can: `reader.get_ref().as_ref()` is the socket.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.addrs.map(|addrs| addrs.peer)
    }

    /// Returns the address at this end, as [`peer_addr`](Self::peer_addr).
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addrs.map(|addrs| addrs.local)
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter")
            .field("unsent", &self.unsent())
            .field("is_closing", &self.is_closing())
            .field("addrs", &self.addrs)
            .finish()
    }
}
