//! How a file is opened.

use std::panic::Location;
use std::path::Path;

use super::File;
use super::operation::Operation;

/// How a file is opened. As [`std::fs::OpenOptions`], method by method.
///
/// # Examples
///
/// ```
/// use monoloop::fs::{self, OpenOptions};
/// use monoloop::io::*;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let dir = fs::temp_dir().await?;
///     let path = dir.path().join("log");
///     for line in ["one\n", "two\n"] {
///         let mut log = OpenOptions::new().append(true).create(true).open(&path).await?;
///         log.write_all(line.as_bytes()).await?;
///         log.flush().await?;
///     }
///     assert_eq!(fs::read_to_string(&path).await?, "one\ntwo\n");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    options: std::fs::OpenOptions,
}

impl OpenOptions {
    /// Sets nothing: [`open`](Self::open) fails unless reading, writing or appending is asked for.
    #[allow(clippy::new_without_default)] // nor has std's
    pub fn new() -> Self {
        Self { options: std::fs::OpenOptions::new() }
    }

    /// Sets whether the file is read.
    pub fn read(&mut self, on: bool) -> &mut Self {
        self.options.read(on);
        self
    }

    /// Sets whether the file is written.
    pub fn write(&mut self, on: bool) -> &mut Self {
        self.options.write(on);
        self
    }

    /// Sets whether all writes go to the end of the file, whoever else writes there.
    pub fn append(&mut self, on: bool) -> &mut Self {
        self.options.append(on);
        self
    }

    /// Sets whether a file that exists is made empty.
    pub fn truncate(&mut self, on: bool) -> &mut Self {
        self.options.truncate(on);
        self
    }

    /// Sets whether a file that does not exist is made.
    pub fn create(&mut self, on: bool) -> &mut Self {
        self.options.create(on);
        self
    }

    /// Sets whether the file must not exist, and is made.
    pub fn create_new(&mut self, on: bool) -> &mut Self {
        self.options.create_new(on);
        self
    }

    /// Sets the permissions of a file that is made, less the process's mask. Default: `0o666`.
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::mode(&mut self.options, mode);
        self
    }

    /// Sets further flags of `open(2)`.
    #[cfg(unix)]
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut self.options, flags);
        self
    }

    /// Opens a file.
    #[track_caller]
    pub fn open(&self, path: impl AsRef<Path>) -> Operation<File> {
        let (options, path) = (self.options.clone(), path.as_ref().to_owned());
        Operation::new("OpenOptions::open", Location::caller(), move || {
            Ok(File::adopt(options.open(&path)?, path))
        })
    }
}

/// Options that were set on std's own, for what is not offered here.
impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> Self {
        Self { options }
    }
}
