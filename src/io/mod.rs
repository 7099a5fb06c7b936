//! Byte streams: the traits, what one does with them, and buffering.
//!
//! The native traits are those of [`futures-io`](futures_io), so that what other crates offer for them
//! works. The extension methods (`read_exact`, `write_all`, `take`, `chain`, `lines` ...), [`BufReader`] and
//! [`BufWriter`] are those of the `futures-lite` crate. What it lacks is here:
//!
//! * [`StreamReader`] reads whole items, and loses nothing when a read is dropped half way: lines with a limit,
//!   what any of several delimiters ends, blocks of a known length, errors that carry what came;
//! * [`StreamWriter`] queues what is written, sends it in the background, and tells when one should wait;
//! * [`codec`] cuts frames out of a stream and puts them into one;
//! * `AsyncFd` waits for any descriptor, where there are such (Unix);
//! * [`copy_bidirectional`], [`copy_file`], [`split`], [`BufStream`], and [`duplex`], a connection in memory.
//!
//! **`read_line` and `read_to_string` of `futures-lite` want an empty `String`.** Those of std and tokio append; these
//! *replace* what is in it, and panic in a debug build. In a loop, `clear()` it before each call, or use
//! [`StreamReader::next_line`].
//!
//! ```
//! use monoloop::io::*;
//! use monoloop::net::{TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! monoloop::run(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let mut client = TcpStream::connect(listener.local_addr()?).await?;
//!     let (mut server, _) = listener.accept().await?;
//!
//!     client.write_all(b"hello\n").await?;
//!     let mut line = String::new();
//!     BufReader::new(&mut server).read_line(&mut line).await?;
//!     assert_eq!(line, "hello\n");
//!     Ok(())
//! })
//! # }
//! ```

#[cfg(unix)]
mod async_fd;
mod buf_stream;
pub mod codec;
mod copy;
mod copy_file;
mod duplex;
mod error;
pub(crate) mod outbox;
pub(crate) mod outgoing;
mod read_buffer;
mod registered;
mod search;
mod split;
pub(crate) mod stdio;
mod stream;

#[doc(no_inline)]
pub use std::io::SeekFrom;
use std::task::{Context, Poll};

#[doc(no_inline)]
pub use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
#[doc(no_inline)]
pub use futures_lite::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufWriter, Chain,
    Cursor, Lines, Take, empty, repeat, sink,
};

#[cfg(unix)]
pub use async_fd::{AsyncFd, AsyncFdError, ReadyGuard, WouldBlock};
pub use buf_stream::BufStream;
pub use copy::{CopyBidirectional, copy, copy_bidirectional};
pub(crate) use copy_file::FileCopier;
pub use copy_file::{CopyFile, CopyFileError, copy_file};
pub use duplex::{DuplexStream, duplex};
pub use error::{IncompleteRead, LimitOverrun, ReadError};
pub use outgoing::{QueueError, QueueFull};
pub use read_buffer::ReadBuffer;
pub use split::{ReadHalf, ReuniteError, WriteHalf, split};
pub(crate) use stream::Addrs;
pub use stream::{StreamReader, StreamWriter};

pub(crate) use crate::reactor::Direction;
pub(crate) use registered::Registered;
pub use stdio::{NextLine, Stderr, Stdin, Stdout, stderr, stdin, stdout};

use crate::event_loop::context;

/// Gives way if the task has done enough for one poll. Without a loop there is no limit.
#[inline]
pub(crate) fn poll_proceed(cx: &Context<'_>) -> Poll<()> {
    match context::try_with(|core| core.may_do_io(cx.waker())) {
        Some(false) => Poll::Pending,
        _ => Poll::Ready(()),
    }
}
