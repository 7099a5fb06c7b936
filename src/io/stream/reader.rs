//! A reader of whole items.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead};
use memchr::memchr;

use crate::io::read_buffer::ReadBuffer;
use crate::io::search::Search;
use crate::io::{IncompleteRead, LimitOverrun, ReadError};

/// How long a line, or what a delimiter ends, may be if nothing else is said.
const DEFAULT_LIMIT: usize = 64 * 1024;

/// Reads whole items off a stream: lines, blocks of a known length, what a delimiter ends.
///
/// What has come of an item stays in the reader's buffer until the item is whole. So every method here can be
/// dropped half way and called again: **no byte is lost**. What is in the buffer is given out before the
/// stream is asked for more, so an error of the stream never overtakes data.
///
/// It also implements [`AsyncRead`] and [`AsyncBufRead`], so the methods of
/// [`AsyncReadExt`](crate::io::AsyncReadExt) and [`AsyncBufReadExt`](crate::io::AsyncBufReadExt) are there too;
/// where the names are the same, those of the reader itself are taken.
///
/// # Examples
///
/// ```
/// use monoloop::io::*;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let (mut client, server) = duplex(64);
///     client.write_all(b"HELLO you\r\n\0\0\0\x02hi").await?;
///     drop(client);
///
///     let mut reader = StreamReader::new(server);
///     assert_eq!(reader.read_until(b" ").await?, b"HELLO ");
///     assert_eq!(reader.next_line().await?.as_deref(), Some("you"));
///     let length = reader.read_exactly(4).await?;
///     assert_eq!(length, [0, 0, 0, 2]);
///     // The stream ends before the third byte; what came is not lost.
///     match reader.read_exactly(3).await {
///         Err(ReadError::Incomplete(error)) => assert_eq!(error.partial, b"hi"),
///         other => panic!("{other:?}"),
///     }
///     assert!(reader.at_eof());
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct StreamReader<R> {
    inner: R,
    buffer: ReadBuffer,
    /// The stream gave zero bytes.
    ended: bool,
    limit: usize,
}

impl<R> StreamReader<R> {
    /// Reads off `inner`, with a limit of 64 KiB for lines and what a delimiter ends.
    pub fn new(inner: R) -> Self {
        Self::with_limit(DEFAULT_LIMIT, inner)
    }

    /// Reads off `inner`. A line, or what a delimiter ends, may be `limit` bytes long, its end included.
    ///
    /// # Panics
    ///
    /// If the limit is zero.
    #[track_caller]
    pub fn with_limit(limit: usize, inner: R) -> Self {
        Self::from_parts(limit, inner, ReadBuffer::new())
    }

    /// Reads what is in `buffer` before it reads off `inner`.
    #[track_caller]
    fn from_parts(limit: usize, inner: R, buffer: ReadBuffer) -> Self {
        assert!(limit > 0, "no item is as short as the limit");
        Self { inner, buffer, ended: false, limit }
    }

    /// Returns how long an item with a delimiter may be.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Sets how long an item with a delimiter may be: after a [`LimitOverrun`] the same item can be read
    /// with a larger one.
    ///
    /// # Panics
    ///
    /// If the limit is zero.
    #[track_caller]
    pub fn set_limit(&mut self, limit: usize) {
        assert!(limit > 0, "no item is as short as the limit");
        self.limit = limit;
    }

    /// Returns what was read off the stream and not yet given out.
    pub fn buffer(&self) -> &[u8] {
        &self.buffer
    }

    /// Removes the first `count` bytes of [`buffer`](Self::buffer).
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[track_caller]
    pub fn consume(&mut self, count: usize) {
        self.buffer.consume(count);
    }

    /// Returns whether the stream has ended and all of it was given out. False does not mean that more
    /// comes: only a read tells.
    pub fn at_eof(&self) -> bool {
        self.ended && self.buffer.is_empty()
    }

    /// Returns the stream.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// Returns the stream. What is read off it directly is missing here.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Gives back the stream, and what was read off it and not yet given out.
    #[doc(alias = "start_tls")]
    pub fn into_parts(self) -> (R, ReadBuffer) {
        (self.inner, self.buffer)
    }
}

impl<R: AsyncRead + Unpin> StreamReader<R> {
    /// Reads up to `most` bytes: what is there, or else what comes first. Empty at the end.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// That of the stream.
    #[doc(alias = "read")]
    pub async fn read_some(&mut self, most: usize) -> io::Result<Vec<u8>> {
        if self.buffer.is_empty() && most > 0 {
            self.fill().await?;
        }
        Ok(self.buffer.take(most.min(self.buffer.len())))
    }

    /// Reads exactly `count` bytes. The limit has no say here: memory grows with what comes.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what came stays in the buffer.
    ///
    /// # Errors
    ///
    /// [`ReadError::Incomplete`], with what came, if the stream ends before; the buffer is empty then.
    /// [`ReadError::Io`] if the stream fails; what came stays in the buffer.
    #[doc(alias = "readexactly")]
    pub async fn read_exactly(&mut self, count: usize) -> Result<Vec<u8>, ReadError> {
        while self.buffer.len() < count {
            if self.fill().await? == 0 {
                return Err(self.incomplete(Some(count)));
            }
        }
        Ok(self.buffer.take(count))
    }

    /// Reads up to `delimiter`, and gives that too.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what came stays in the buffer.
    ///
    /// # Errors
    ///
    /// As [`read_until_any`](Self::read_until_any).
    ///
    /// # Panics
    ///
    /// If the delimiter is empty.
    #[doc(alias = "readuntil")]
    pub async fn read_until(&mut self, delimiter: &[u8]) -> Result<Vec<u8>, ReadError> {
        self.read_until_any(&[delimiter]).await
    }

    /// Reads the shortest item that ends in one of the delimiters, and gives it with its delimiter. In how
    /// many pieces the data comes makes no difference.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what came stays in the buffer.
    ///
    /// # Errors
    ///
    /// * [`ReadError::LimitOverrun`] if the item is longer than the [`limit`](Self::limit). All data stays in
    ///   the buffer: [`set_limit`](Self::set_limit) or [`consume`](Self::consume) go on from there, and to
    ///   call this again at once fails again.
    /// * [`ReadError::Incomplete`], with what came, if the stream ends before; the buffer is empty then.
    /// * [`ReadError::Io`] if the stream fails; what came stays in the buffer.
    ///
    /// # Panics
    ///
    /// If there is no delimiter, or an empty one.
    #[doc(alias = "readuntil")]
    pub async fn read_until_any(&mut self, delimiters: &[&[u8]]) -> Result<Vec<u8>, ReadError> {
        match self.item_end(delimiters).await? {
            Some(end) => Ok(self.buffer.take(end)),
            None => Err(self.incomplete(None)),
        }
    }

    /// Reads a line and gives it with its `\n`. At the end of the stream: what there is, which may be
    /// nothing.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what came stays in the buffer.
    ///
    /// # Errors
    ///
    /// [`ReadError::LimitOverrun`] and [`ReadError::Io`], as [`read_until_any`](Self::read_until_any).
    #[doc(alias = "readline")]
    pub async fn read_line(&mut self) -> Result<Vec<u8>, ReadError> {
        let end = match self.line_end(0) {
            Some(end) => end,
            None => self.more_of_line().await?,
        };
        Ok(self.buffer.take(end))
    }

    /// Reads a line of text and gives it without its `\n` or `\r\n`; `None` at the end of the stream.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what came stays in the buffer.
    ///
    /// # Errors
    ///
    /// [`ReadError::LimitOverrun`] and [`ReadError::Io`], as [`read_until_any`](Self::read_until_any); and
    /// [`ReadError::Io`] of kind [`InvalidData`](io::ErrorKind::InvalidData) for a line that is not UTF-8, which
    /// is then over: the next call reads the next line. The bytes are in the error, a
    /// [`FromUtf8Error`](std::string::FromUtf8Error).
    #[doc(alias = "__anext__")]
    pub async fn next_line(&mut self) -> Result<Option<String>, ReadError> {
        let end = match self.line_end(0) {
            Some(end) => end,
            None => self.more_of_line().await?,
        };
        if end == 0 {
            return Ok(None);
        }
        let line = without_end(&self.buffer[..end]).to_vec();
        self.buffer.consume(end);
        match String::from_utf8(line) {
            Ok(line) => Ok(Some(line)),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error).into()),
        }
    }

    /// Where the first line ends, if that is within the limit and comes after so many bytes.
    #[inline]
    fn line_end(&self, searched: usize) -> Option<usize> {
        let within = &self.buffer[..self.buffer.len().min(self.limit)];
        memchr(b'\n', &within[searched..]).map(|index| searched + index + 1)
    }

    /// Reads until there is a whole line, or the end, and tells where that is.
    async fn more_of_line(&mut self) -> Result<usize, ReadError> {
        loop {
            let searched = self.buffer.len();
            if searched > self.limit {
                return Err(ReadError::LimitOverrun(LimitOverrun::of(self.limit, 1)));
            }
            if self.fill().await? == 0 {
                return Ok(searched);
            }
            if let Some(end) = self.line_end(searched) {
                return Ok(end);
            }
        }
    }

    /// Where the first item ends. `None`: the stream ended before.
    async fn item_end(&mut self, delimiters: &[&[u8]]) -> Result<Option<usize>, ReadError> {
        let mut search = Search::new(delimiters);
        loop {
            let within = &self.buffer[..self.buffer.len().min(self.limit)];
            if let Some(end) = search.end_in(within) {
                return Ok(Some(end));
            }
            if within.len() == self.limit {
                return Err(ReadError::LimitOverrun(LimitOverrun::of(
                    self.limit,
                    search.longest(),
                )));
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    fn incomplete(&mut self, expected: Option<usize>) -> ReadError {
        ReadError::Incomplete(IncompleteRead { partial: self.buffer.take_all(), expected })
    }

    /// Reads once, behind what is there; zero is the end.
    async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        let count = ready!(self.buffer.poll_fill(Pin::new(&mut self.inner), cx))?;
        self.ended = count == 0;
        Poll::Ready(Ok(count))
    }
}

/// A line without its `\n` or `\r\n`.
#[inline]
fn without_end(line: &[u8]) -> &[u8] {
    match line {
        [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
        line => line,
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for StreamReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() && !target.is_empty() {
            ready!(self.poll_fill(cx))?;
        }
        Poll::Ready(Ok(self.buffer.read(target)))
    }
}

impl<R: AsyncRead + Unpin> AsyncBufRead for StreamReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.buffer.is_empty() {
            ready!(this.poll_fill(cx))?;
        }
        Poll::Ready(Ok(&this.buffer))
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        // The trait lets a caller name more than there is.
        let count = count.min(self.buffer.len());
        self.buffer.consume(count);
    }
}
