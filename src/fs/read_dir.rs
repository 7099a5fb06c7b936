//! What is in a directory.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::fs::{FileType, Metadata};
use std::future::poll_fn;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::operation::Operation;

/// How many entries one visit to a thread fetches.
const BATCH: usize = 64;

/// Opens a directory, to see what is in it.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let dir = monoloop::fs::temp_dir().await?;
///     monoloop::fs::write(dir.path().join("one"), "1").await?;
///     let mut entries = monoloop::fs::read_dir(dir.path()).await?;
///     let entry = entries.next_entry().await?.expect("there is one");
///     assert!(entry.file_type()?.is_file());
///     assert_eq!(entry.metadata().await?.len(), 1);
///     assert!(entries.next_entry().await?.is_none());
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "listdir")]
#[doc(alias = "scandir")]
#[track_caller]
pub fn read_dir(path: impl AsRef<Path>) -> Operation<ReadDir> {
    let (path, location) = (path.as_ref().to_owned(), Location::caller());
    Operation::new("fs::read_dir", location, move || {
        // With the first entries: a small directory is one visit.
        let batch = Batch::fetch(std::fs::read_dir(path)?);
        let mut dir = ReadDir { ready: VecDeque::new(), rest: Rest::End, location };
        dir.take(batch);
        Ok(dir)
    })
}

/// The entries of a directory, in no order, without `.` and `..`; made by [`read_dir`]. They are fetched 64 at a time.
///
/// Also a [`Stream`].
#[must_use = "a directory is read as its entries are asked for"]
pub struct ReadDir {
    ready: VecDeque<io::Result<DirEntry>>,
    rest: Rest,
    location: &'static Location<'static>,
}

enum Rest {
    Idle(std::fs::ReadDir),
    Fetching(Operation<Batch>),
    End,
}

/// What one visit gives.
struct Batch {
    entries: VecDeque<io::Result<DirEntry>>,
    rest: Option<std::fs::ReadDir>,
}

impl Batch {
    fn fetch(mut dir: std::fs::ReadDir) -> Self {
        let mut entries = VecDeque::new();
        for entry in dir.by_ref().take(BATCH) {
            entries.push_back(entry.map(DirEntry::new));
        }
        let rest = (entries.len() == BATCH).then_some(dir);
        Self { entries, rest }
    }
}

impl ReadDir {
    /// Waits for the next entry. `None`: there are no more.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// What the operating system says; further entries may follow.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await.transpose()
    }

    fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<DirEntry>>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Poll::Ready(Some(entry));
            }
            match std::mem::replace(&mut self.rest, Rest::End) {
                Rest::End => return Poll::Ready(None),
                Rest::Idle(dir) => {
                    let fetch = move || Ok(Batch::fetch(dir));
                    let fetch = Operation::new("ReadDir::next_entry", self.location, fetch);
                    self.rest = Rest::Fetching(fetch);
                }
                Rest::Fetching(mut fetch) => match Pin::new(&mut fetch).poll(cx) {
                    Poll::Ready(batch) => self.take(batch?),
                    Poll::Pending => {
                        self.rest = Rest::Fetching(fetch);
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    fn take(&mut self, batch: Batch) {
        self.ready = batch.entries;
        self.rest = batch.rest.map_or(Rest::End, Rest::Idle);
    }
}

impl Stream for ReadDir {
    type Item = io::Result<DirEntry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let entry = ready!(self.poll_next_entry(cx));
        Poll::Ready(entry)
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDir").field("fetched", &self.ready.len()).finish_non_exhaustive()
    }
}

/// Something in a directory; from a [`ReadDir`].
#[derive(Clone)]
pub struct DirEntry {
    entry: Arc<std::fs::DirEntry>,
    /// Asked on the thread: some file systems do not say it with the name.
    file_type: Result<FileType, (io::ErrorKind, Option<i32>)>,
}

impl DirEntry {
    fn new(entry: std::fs::DirEntry) -> Self {
        let file_type = entry.file_type().map_err(|error| (error.kind(), error.raw_os_error()));
        Self { entry: Arc::new(entry), file_type }
    }

    /// Returns the path of the directory, as it was given, with the name.
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// Returns the name.
    pub fn file_name(&self) -> OsString {
        self.entry.file_name()
    }

    /// Returns whether it is a file, a directory or a link, without waiting.
    ///
    /// # Errors
    ///
    /// What the operating system said, when the entry was fetched.
    pub fn file_type(&self) -> io::Result<FileType> {
        self.file_type
            .map_err(|(kind, code)| code.map_or(kind.into(), io::Error::from_raw_os_error))
    }

    /// Gives length, times and permissions; of a link, its own.
    #[track_caller]
    pub fn metadata(&self) -> Operation<Metadata> {
        let entry = Arc::clone(&self.entry);
        Operation::new("DirEntry::metadata", Location::caller(), move || entry.metadata())
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}
