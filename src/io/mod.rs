//! Byte streams: the traits, what one does with them, and buffering.
//!
//! The native traits are those of [`futures-io`](futures_io), so that what other crates offer for them
//! works. The extension methods (`read_exact`, `write_all`, `lines` ...) and the buffered readers and writers
//! are those of the `futures-lite` crate.
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

pub(crate) mod outbox;
mod registered;
pub(crate) mod stdio;

#[doc(no_inline)]
pub use std::io::SeekFrom;

#[doc(no_inline)]
pub use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
#[doc(no_inline)]
pub use futures_lite::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufWriter, copy,
};

pub(crate) use crate::reactor::Direction;
pub(crate) use registered::Registered;
pub use stdio::{NextLine, Stderr, Stdin, Stdout, stderr, stdin, stdout};
