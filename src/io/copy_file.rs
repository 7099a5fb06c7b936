//! Sending what is in a file.
//!
//! Readiness says nothing of files: a read from disk holds up the thread that does it. So this is for what is likely
//! in the system's cache, and done in blocks of 64 KiB with the other tasks in between. Where that will not do,
//! read on the blocking pool and write what comes.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::AsyncWrite;

use super::poll_proceed;

/// How much is read at once.
const BLOCK: usize = 64 * 1024;

/// Copies the bytes of `file` in `range`, or those up to its end, into `writer`, flushes it, and gives how many there
/// were. The file's position plays no part and does not change, on Unix.
///
/// To a socket, [`TcpStream::send_file`](crate::net::TcpStream::send_file) does it without copying where the system
/// can.
///
/// **Reading the file holds up the loop** while the disk is at it, as reading files does everywhere: what is not
/// in the system's cache is better read on the blocking pool. Between two blocks of 64 KiB other tasks have
/// their turn.
///
/// # Cancel safety
///
/// Nothing is lost: [`CopyFile::copied`] tells how many bytes were written, and so where to go on. Polled by
/// reference, it goes on by itself.
///
/// # Errors
///
/// [`CopyFileError`], which says how many bytes were written before.
///
/// # Examples
///
/// ```
/// use monoloop::io::copy_file;
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("monoloop-copy-file-{}", std::process::id()));
/// std::fs::write(&path, "0123456789")?;
/// let file = std::fs::File::open(&path)?;
/// monoloop::run(async {
///     let mut copied = Vec::new();
///     assert_eq!(copy_file(&file, 2..5, &mut copied).await?, 3);
///     assert_eq!(copied, b"234");
///     // The end of the file is the end.
///     assert_eq!(copy_file(&file, 8.., &mut copied).await?, 2);
/// #   std::fs::remove_file(&path)?;
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "sendfile")]
pub fn copy_file<'a, W: AsyncWrite + Unpin + ?Sized>(
    file: &'a File,
    range: impl RangeBounds<u64>,
    writer: &'a mut W,
) -> CopyFile<'a, W> {
    CopyFile { copier: FileCopier::new(file, range), writer }
}

/// The future of [`copy_file`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct CopyFile<'a, W: ?Sized> {
    copier: FileCopier<'a>,
    writer: &'a mut W,
}

impl<W: ?Sized> CopyFile<'_, W> {
    /// Returns how many bytes were written so far.
    pub fn copied(&self) -> u64 {
        self.copier.copied
    }
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for CopyFile<'_, W> {
    type Output = Result<u64, CopyFileError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = ready!(this.copier.poll_copy(Pin::new(this.writer), cx));
        Poll::Ready(this.copier.outcome(polled))
    }
}

/// What of a file is to be copied, and what was read of it and not yet written.
pub(crate) struct FileCopier<'a> {
    pub(crate) file: &'a File,
    /// What was written ends here.
    pub(crate) at: u64,
    pub(crate) end: u64,
    copied: u64,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    has_ended: bool,
}

impl<'a> FileCopier<'a> {
    pub(crate) fn new(file: &'a File, range: impl RangeBounds<u64>) -> Self {
        let at = match range.start_bound() {
            Bound::Included(&first) => first,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => u64::MAX,
        };
        let (buffer, has_ended) = (Vec::new(), false);
        Self { file, at, end, copied: 0, buffer, start: 0, filled: 0, has_ended }
    }

    /// How many bytes of the range are left, if the file is long enough.
    pub(crate) fn left(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    pub(crate) fn copied(&self) -> u64 {
        self.copied
    }

    pub(crate) fn advance(&mut self, count: usize) {
        self.at += count as u64;
        self.copied += count as u64;
    }

    pub(crate) fn outcome(&self, result: io::Result<()>) -> Result<u64, CopyFileError> {
        match result {
            Ok(()) => Ok(self.copied),
            Err(error) => Err(CopyFileError { copied: self.copied, error }),
        }
    }

    pub(crate) fn poll_copy<W: AsyncWrite + ?Sized>(
        &mut self,
        mut writer: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            while self.start < self.filled {
                let data = &self.buffer[self.start..self.filled];
                match ready!(writer.as_mut().poll_write(cx, data))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => {
                        self.start += count;
                        self.advance(count);
                    }
                }
            }
            if self.has_ended || self.left() == 0 {
                return writer.poll_flush(cx);
            }
            ready!(poll_proceed(cx));
            self.read_block()?;
        }
    }

    fn read_block(&mut self) -> io::Result<()> {
        let wanted = self.left().min(BLOCK as u64) as usize;
        self.buffer.resize(wanted.max(self.buffer.len()), 0);
        (self.start, self.filled) = (0, 0);
        self.filled = loop {
            match read_at(self.file, &mut self.buffer[..wanted], self.at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.has_ended = self.filled == 0;
        Ok(())
    }
}

impl fmt::Debug for FileCopier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileCopier")
            .field("file", self.file)
            .field("at", &self.at)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

/// A file could not be copied to its end. Converts into an [`io::Error`].
#[derive(Debug)]
pub struct CopyFileError {
    copied: u64,
    error: io::Error,
}

impl CopyFileError {
    /// Returns how many bytes were written before.
    pub fn copied(&self) -> u64 {
        self.copied
    }

    /// Returns the error of the file, or of the writer.
    pub fn io_error(&self) -> &io::Error {
        &self.error
    }
}

impl fmt::Display for CopyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} bytes: {}", self.copied, self.error)
    }
}

impl Error for CopyFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl From<CopyFileError> for io::Error {
    fn from(error: CopyFileError) -> Self {
        error.error
    }
}
