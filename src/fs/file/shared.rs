//! What a file's handle and its jobs share. All of it is used on the pool's threads but [`Shared::outbox`].

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event_loop::{Handle, report_loss};
use crate::executor::Lost;
use crate::io::outbox::{Failure, Outbox, Turn};

/// How many bytes wait to be written at most; as many may be under way.
pub(super) const BEHIND: usize = 128 * 1024;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) file: File,
    /// For reports. Empty if it is not known.
    path: PathBuf,
    pub(super) outbox: Outbox,
    /// How many bytes were read ahead and given up: the file's own position is so far after the user's.
    unread: AtomicU64,
    /// It has a position. A pipe or a terminal has none, and is read and written independently.
    pub(super) is_seekable: bool,
    /// Who is told of what is lost. Set by the first write.
    pub(super) reporter: OnceLock<Handle>,
}

impl Shared {
    pub(super) fn new(mut file: File, path: PathBuf) -> Self {
        let is_seekable = file.stream_position().is_ok();
        Self {
            file,
            path,
            outbox: Outbox::new(BEHIND),
            unread: AtomicU64::new(0),
            is_seekable,
            reporter: OnceLock::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Has the next job go back by so much.
    pub(super) fn give_back(&self, unread: usize) {
        self.unread.fetch_add(unread as u64, Ordering::Relaxed);
    }

    /// Brings the file to where its user sees it, all writes done and its position right. Then it is the caller's until the
    /// turn is dropped.
    pub(super) fn settle(&self) -> Turn<'_> {
        let turn = self.outbox.turn();
        self.report(self.outbox.drain(&turn, |bytes| self.write(bytes)));
        // It fails only where there is no position to be wrong.
        let _no_position = self.go_back();
        turn
    }

    fn go_back(&self) -> io::Result<()> {
        match self.unread.swap(0, Ordering::Relaxed) {
            0 => Ok(()),
            unread => {
                let back = i64::try_from(unread).map_or(i64::MIN, |unread| -unread);
                (&self.file).seek(SeekFrom::Current(back)).map(drop)
            }
        }
    }

    /// `write_all` that says how far it came.
    fn write(&self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        self.go_back().map_err(|error| (0, error))?;
        let mut written = 0;
        while written < bytes.len() {
            match (&self.file).write(&bytes[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }

    /// Reads once, after all writes.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // Without a position it may wait for long, and writes must not wait for it.
        let _turn = self.is_seekable.then(|| self.settle());
        loop {
            match (&self.file).read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                result => return result,
            }
        }
    }

    /// Runs `f` after all writes.
    pub(super) fn settled<T>(&self, f: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let _turn = self.settle();
        f(&self.file)
    }

    /// Runs `f` after all writes, if none failed.
    pub(super) fn written<T>(&self, f: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let _turn = self.settle();
        match self.outbox.take_failure() {
            Some(failure) => Err(failure.error),
            None => f(&self.file),
        }
    }

    pub(super) fn report(&self, failure: Option<Failure>) {
        if let Some(Failure { error, bytes }) = failure {
            report_loss(self.reporter.get(), Lost { target: self.path.clone(), bytes, error });
        }
    }
}
