//! Files and directories that go away by themselves.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::mem;
use std::panic::Location;
use std::path::{Path, PathBuf};

use super::File;
use super::operation::Operation;
use crate::event_loop::context;
use crate::executor::Origin;

/// Makes an empty directory with a new name in the system's directory for temporary files ([`std::env::temp_dir`]), which
/// only its owner may enter. It is removed with all that is in it when the [`TempDir`] is dropped.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let dir = monoloop::fs::temp_dir().await?;
///     let path = dir.path().to_owned();
///     monoloop::fs::write(path.join("scratch"), "x").await?;
///     dir.close().await?;
///     assert!(!monoloop::fs::exists(&path).await?);
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "mkdtemp")]
#[doc(alias = "TemporaryDirectory")]
#[track_caller]
pub fn temp_dir() -> Operation<TempDir> {
    let location = Location::caller();
    Operation::new("fs::temp_dir", location, move || {
        let path = with_new_name(new_dir)?.1;
        Ok(TempDir { path, origin: Origin::here(), location })
    })
}

/// Opens a new file without a name, for reading and writing. It is gone when it is closed.
#[doc(alias = "mkstemp")]
#[doc(alias = "TemporaryFile")]
#[track_caller]
pub fn temp_file() -> Operation<File> {
    Operation::new("fs::temp_file", Location::caller(), || {
        let (file, path) = with_new_name(new_file)?;
        #[cfg(unix)]
        std::fs::remove_file(&path)?;
        Ok(File::adopt(file, path))
    })
}

fn new_dir(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn new_file(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, FILE_FLAG_DELETE_ON_CLOSE);
    options.open(path)
}

#[cfg(windows)]
const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;

/// Tries names until one is new.
fn with_new_name<T>(make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(T, PathBuf)> {
    const ATTEMPTS: usize = 100;
    let dir = std::env::temp_dir();
    for _ in 0..ATTEMPTS {
        // Keyed anew each time, by numbers that nobody outside can guess.
        let name = RandomState::new().build_hasher().finish();
        let path = dir.join(format!("monoloop-{name:016x}"));
        match make(&path) {
            Ok(made) => return Ok((made, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
            Err(error) => return Err(error),
        }
    }
    let text = format!("{ATTEMPTS} names in {} are taken", dir.display());
    Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
}

/// A directory that is removed with all that is in it; made by [`temp_dir`].
///
/// Its drop has a thread do so, which the end of the loop waits for; on a thread without a loop, it does so itself. That it
/// cannot be removed is told only by [`close`](Self::close). Its drop in a process that was forked does nothing.
#[derive(Debug)]
#[must_use = "it is removed when it is dropped"]
pub struct TempDir {
    /// Empty: it is not to be removed.
    path: PathBuf,
    origin: Origin,
    location: &'static Location<'static>,
}

impl TempDir {
    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets it stay, and gives where it is.
    pub fn keep(mut self) -> PathBuf {
        mem::take(&mut self.path)
    }

    /// Removes it, and waits for that.
    ///
    /// # Cancel safety
    ///
    /// It is removed all the same.
    #[track_caller]
    pub fn close(self) -> Operation<()> {
        let remove = move || std::fs::remove_dir_all(self.keep());
        Operation::new("TempDir::close", Location::caller(), remove)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let path = mem::take(&mut self.path);
        if path.as_os_str().is_empty() || !self.origin.is_here() {
            return;
        }
        let removal = Removal(path);
        // Where there is no loop, or it takes no more jobs, the closure is dropped, and does its work then.
        let _no_loop = context::io_with("TempDir::drop", self.location, |core| {
            core.submit(move || drop(removal), true, self.location).map(|join| join.detach())
        });
    }
}

/// Removes the directory when it is dropped.
struct Removal(PathBuf);

impl Drop for Removal {
    fn drop(&mut self) {
        let _nobody_asks = std::fs::remove_dir_all(&self.0);
    }
}
