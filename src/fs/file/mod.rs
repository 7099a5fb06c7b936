//! Open files.

mod shared;
mod streams;
mod writer;

use std::fmt;
use std::fs::{Metadata, Permissions};
use std::future::poll_fn;
use std::io::{self, SeekFrom};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use self::shared::Shared;
use super::OpenOptions;
use super::operation::{Operation, poll_join};
use crate::blocking::Join;

/// An open file.
///
/// Reading, writing and seeking are methods of [`AsyncReadExt`](crate::io::AsyncReadExt),
/// [`AsyncBufReadExt`](crate::io::AsyncBufReadExt), [`AsyncWriteExt`](crate::io::AsyncWriteExt) and
/// [`AsyncSeekExt`](crate::io::AsyncSeekExt): `use monoloop::io::*`. The system calls are made on
/// [threads beside the loop](crate::spawn_blocking), never on the loop's own.
///
/// # Buffers
///
/// *Reading* is ahead: each visit to a thread fetches at least 8 KiB, and up to 128 KiB while the file is read from end to end.
/// So many small reads cost one visit, and no `BufReader` is needed. What was read ahead is not seen to change if somebody
/// else changes it; a seek, or a write, gives it up.
///
/// *Writing* is behind: a write takes the bytes (up to 128 KiB of them, then it waits) and returns; a thread writes them as
/// soon as it can, with all that came in the meantime in one system call. They get to the operating system by themselves,
/// without a flush. [`flush`](crate::io::AsyncWriteExt::flush) waits until they have; [`sync_all`](Self::sync_all), until they
/// are on the disk.
///
/// An *error* of a write comes at the next write, flush or sync, once; the bytes that were on their way are lost with it.
/// If there is no next, it goes to the loop's error hook as an
/// [`ErrorReport::WriteLost`](crate::ErrorReport::WriteLost). So who wants to know flushes.
///
/// All operations of one handle take effect in the order in which they were begun: what is read, asked for or sought after
/// a write finds the bytes written. This does not hold for what has no position, pipes and terminals: they are read and
/// written independently. A read of those that waits keeps its thread: for standard input there is [`io::stdin`](crate::io::stdin).
///
/// # Dropping
///
/// Bytes that were taken are written, even at the end of the loop, within its
/// [shutdown limit](crate::Builder::shutdown_limit). The descriptor is closed after that.
///
/// # Cancel safety
///
/// A dropped `read`, `write`, `flush` or `seek` loses nothing: what a read fetched is there for the next. A dropped seek
/// may have moved the position. A dropped `read_exact` or `write_all` has moved an unknown number of bytes.
///
/// # Examples
///
/// ```
/// use monoloop::fs::{self, File};
/// use monoloop::io::*;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let dir = fs::temp_dir().await?;
///     let path = dir.path().join("greeting");
///     let mut file = File::create(&path).await?;
///     for word in ["hello", ", ", "world"] {
///         // No thread is waited for.
///         file.write_all(word.as_bytes()).await?;
///     }
///     file.sync_all().await?;
///
///     let mut file = File::open(&path).await?;
///     file.seek(SeekFrom::Start(7)).await?;
///     let mut word = String::new();
///     file.read_to_string(&mut word).await?;
///     assert_eq!(word, "world");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "aiofiles")]
pub struct File {
    owner: Owner,
    ahead: Ahead,
    running: Running,
    /// Where it was opened.
    location: &'static Location<'static>,
}

/// The user's hold on the file. Dropped, there is nobody to be told of errors.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.report(self.0.outbox.orphan());
    }
}

/// What was read and not yet asked for: `bytes[start..end]`.
#[derive(Default)]
struct Ahead {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// How much the next read fetches. Zero: the smallest window.
    window: usize,
}

impl Ahead {
    fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }
}

/// A job whose outcome this handle waits for. The future that began it may be gone.
enum Running {
    Nothing,
    Read(Join<(Vec<u8>, io::Result<usize>)>),
    Seek(Join<io::Result<u64>>, SeekFrom),
}

impl File {
    /// Opens a file for reading.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Operation<Self> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file for writing; it is made if it does not exist, and made empty if it does.
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> Operation<Self> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    /// Makes a file for reading and writing, which must not exist.
    #[track_caller]
    pub fn create_new(path: impl AsRef<Path>) -> Operation<Self> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    /// Returns options, to open a file otherwise.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes a file of std's, which is at its position.
    #[track_caller]
    pub fn from_std(file: std::fs::File) -> Self {
        Self::adopt(file, PathBuf::new())
    }

    /// Takes a file that was opened at `path`.
    #[track_caller]
    pub(super) fn adopt(file: std::fs::File, path: PathBuf) -> Self {
        Self {
            owner: Owner(Arc::new(Shared::new(file, path))),
            ahead: Ahead::default(),
            running: Running::Nothing,
            location: Location::caller(),
        }
    }

    /// Gives the file as std's own, with all bytes written and its position where it was here.
    ///
    /// # Cancel safety
    ///
    /// The file is lost; what was written is written.
    ///
    /// # Errors
    ///
    /// That of a write that was not told before, and what the operating system says.
    pub async fn into_std(mut self) -> io::Result<std::fs::File> {
        self.try_clone_std().await
    }

    /// Makes another handle of the same open file. Both have one position, so that reading by one moves the other; what was
    /// read ahead is given back before.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// That of a write that was not told before, and what the operating system says.
    pub async fn try_clone(&mut self) -> io::Result<Self> {
        let path = self.shared().path().to_owned();
        Ok(Self { location: self.location, ..Self::adopt(self.try_clone_std().await?, path) })
    }

    async fn try_clone_std(&mut self) -> io::Result<std::fs::File> {
        self.settle_reads().await?;
        let shared = Arc::clone(self.shared());
        let run = move || shared.written(std::fs::File::try_clone);
        Operation::new("File::try_clone", self.location, run).await
    }

    /// Waits until all that was written, and what is known of the file, is on the disk.
    ///
    /// # Errors
    ///
    /// That of a write that was not told before, and what the operating system says.
    #[doc(alias = "fsync")]
    #[track_caller]
    pub fn sync_all(&self) -> Operation<()> {
        self.operation("File::sync_all", |shared| shared.written(std::fs::File::sync_all))
    }

    /// Does as [`sync_all`](Self::sync_all), without what is not needed to read the bytes back.
    ///
    /// # Errors
    ///
    /// As [`sync_all`](Self::sync_all).
    #[doc(alias = "fdatasync")]
    #[track_caller]
    pub fn sync_data(&self) -> Operation<()> {
        self.operation("File::sync_data", |shared| shared.written(std::fs::File::sync_data))
    }

    /// Makes the file so long: cuts it, or fills it up with zeros. The position stays.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before its work has begun, nothing has happened; later, it is done.
    ///
    /// # Errors
    ///
    /// That of a write that was not told before, and what the operating system says.
    #[doc(alias = "truncate")]
    pub async fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.settle_reads().await?;
        let shared = Arc::clone(self.shared());
        let run = move || shared.written(|file| file.set_len(len));
        Operation::new("File::set_len", self.location, run).await
    }

    /// Gives the file's length, times and permissions, after what was written.
    #[doc(alias = "stat")]
    #[track_caller]
    pub fn metadata(&self) -> Operation<Metadata> {
        self.operation("File::metadata", |shared| shared.settled(std::fs::File::metadata))
    }

    /// Changes the file's permissions.
    #[track_caller]
    pub fn set_permissions(&self, permissions: Permissions) -> Operation<()> {
        self.operation("File::set_permissions", move |shared| {
            shared.settled(|file| file.set_permissions(permissions))
        })
    }

    #[track_caller]
    fn operation<T: Send + 'static>(
        &self,
        what: &'static str,
        run: impl FnOnce(&Shared) -> io::Result<T> + Send + 'static,
    ) -> Operation<T> {
        let shared = Arc::clone(self.shared());
        Operation::new(what, Location::caller(), move || run(&shared))
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.owner.0
    }

    /// Has the next job find the file at the user's position, with nothing read ahead.
    async fn settle_reads(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_idle(cx)).await?;
        self.give_up_ahead();
        Ok(())
    }

    /// Waits for what a dropped future had begun.
    fn poll_idle(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match &self.running {
            Running::Nothing => return Poll::Ready(Ok(())),
            Running::Read(join) => {
                let (bytes, read) = ready!(poll_join(join, cx))?;
                // An error was for who asked, and went; the next to ask gets his own.
                self.ahead.fill(bytes, read.unwrap_or(0));
            }
            Running::Seek(join, _) => drop(ready!(poll_join(join, cx))?),
        }
        self.running = Running::Nothing;
        Poll::Ready(Ok(()))
    }

    /// The next job finds the file at the user's position. Where there is no position, what was read stays.
    fn give_up_ahead(&mut self) {
        if self.shared().is_seekable {
            self.shared().give_back(self.ahead.unread().len());
            self.ahead.start = self.ahead.end;
            self.ahead.window = 0;
        }
    }
}

impl Ahead {
    fn fill(&mut self, bytes: Vec<u8>, len: usize) {
        (self.bytes, self.start, self.end) = (bytes, 0, len);
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("file", &self.shared().file)
            .field("read_ahead", &self.ahead.unread().len())
            .field("is_written", &self.shared().outbox.is_empty())
            .finish()
    }
}

/// The descriptor itself: behind the buffers' back. Sync the file before it is written or sought by other means.
#[cfg(unix)]
impl std::os::fd::AsFd for File {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.shared().file.as_fd()
    }
}

/// The descriptor itself: see [`AsFd`](std::os::fd::AsFd).
#[cfg(unix)]
impl std::os::fd::AsRawFd for File {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.shared().file.as_raw_fd()
    }
}
