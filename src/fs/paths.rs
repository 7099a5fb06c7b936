//! The functions of `std::fs`, on threads.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};

use super::operation::Operation;

#[track_caller]
fn on_path<T: Send + 'static>(
    what: &'static str,
    path: impl AsRef<Path>,
    run: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Operation<T> {
    let path = path.as_ref().to_owned();
    Operation::new(what, Location::caller(), move || run(&path))
}

#[track_caller]
fn on_two<T: Send + 'static>(
    what: &'static str,
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    run: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
) -> Operation<T> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    Operation::new(what, Location::caller(), move || run(&from, &to))
}

/// Reads a whole file. It must fit into memory: there is no limit.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let dir = monoloop::fs::temp_dir().await?;
///     let path = dir.path().join("bytes");
///     monoloop::fs::write(&path, [1, 2, 3]).await?;
///     assert_eq!(monoloop::fs::read(&path).await?, [1, 2, 3]);
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> Operation<Vec<u8>> {
    on_path("fs::read", path, |path| fs::read(path))
}

/// Reads a whole file as text, which is an error if it is not UTF-8.
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> Operation<String> {
    on_path("fs::read_to_string", path, |path| fs::read_to_string(path))
}

/// Makes a file of these bytes, in the place of what it had.
///
/// # Cancel safety
///
/// If it is dropped before it has begun, nothing has happened. Later, it goes on to its end.
#[track_caller]
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Operation<()> {
    let bytes = bytes.as_ref().to_owned();
    on_path("fs::write", path, move |path| fs::write(path, bytes))
}

/// Copies a file with its permissions; gives its length. On Linux the kernel copies, if it can.
#[track_caller]
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Operation<u64> {
    on_two("fs::copy", from, to, |from, to| fs::copy(from, to))
}

/// Gives a file or directory another name, in the place of one that had it.
#[track_caller]
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Operation<()> {
    on_two("fs::rename", from, to, |from, to| fs::rename(from, to))
}

/// Gives a file a second name.
#[track_caller]
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Operation<()> {
    on_two("fs::hard_link", original, link, |original, link| fs::hard_link(original, link))
}

/// Makes a symbolic link to `original`, which need not exist.
#[cfg(unix)]
#[track_caller]
pub fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Operation<()> {
    on_two("fs::symlink", original, link, |original, link| {
        std::os::unix::fs::symlink(original, link)
    })
}

/// Gives where a symbolic link leads.
#[track_caller]
pub fn read_link(path: impl AsRef<Path>) -> Operation<PathBuf> {
    on_path("fs::read_link", path, |path| fs::read_link(path))
}

/// Gives the absolute path without symbolic links. It must exist.
#[doc(alias = "realpath")]
#[track_caller]
pub fn canonicalize(path: impl AsRef<Path>) -> Operation<PathBuf> {
    on_path("fs::canonicalize", path, |path| fs::canonicalize(path))
}

/// Returns whether something is there. That it cannot be told is an error.
#[doc(alias = "try_exists")]
#[track_caller]
pub fn exists(path: impl AsRef<Path>) -> Operation<bool> {
    on_path("fs::exists", path, |path| path.try_exists())
}

/// Gives length, times and permissions of what is there, of what a link leads to.
#[doc(alias = "stat")]
#[track_caller]
pub fn metadata(path: impl AsRef<Path>) -> Operation<Metadata> {
    on_path("fs::metadata", path, |path| fs::metadata(path))
}

/// Does as [`metadata`], of a link itself.
#[doc(alias = "lstat")]
#[track_caller]
pub fn symlink_metadata(path: impl AsRef<Path>) -> Operation<Metadata> {
    on_path("fs::symlink_metadata", path, |path| fs::symlink_metadata(path))
}

/// Changes permissions.
#[doc(alias = "chmod")]
#[track_caller]
pub fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> Operation<()> {
    on_path("fs::set_permissions", path, move |path| fs::set_permissions(path, permissions))
}

/// Makes a directory in one that exists.
#[doc(alias = "mkdir")]
#[track_caller]
pub fn create_dir(path: impl AsRef<Path>) -> Operation<()> {
    on_path("fs::create_dir", path, |path| fs::create_dir(path))
}

/// Makes a directory, and those above it that are missing. That it exists is no error.
#[doc(alias = "makedirs")]
#[track_caller]
pub fn create_dir_all(path: impl AsRef<Path>) -> Operation<()> {
    on_path("fs::create_dir_all", path, |path| fs::create_dir_all(path))
}

/// Removes a file, or a link.
#[doc(alias = "unlink")]
#[track_caller]
pub fn remove_file(path: impl AsRef<Path>) -> Operation<()> {
    on_path("fs::remove_file", path, |path| fs::remove_file(path))
}

/// Removes an empty directory.
#[doc(alias = "rmdir")]
#[track_caller]
pub fn remove_dir(path: impl AsRef<Path>) -> Operation<()> {
    on_path("fs::remove_dir", path, |path| fs::remove_dir(path))
}

/// Removes a directory with all that is in it. Links are removed, not followed.
///
/// # Cancel safety
///
/// If it is dropped before it has begun, nothing has happened. Later, it goes on to its end.
#[doc(alias = "rmtree")]
#[track_caller]
pub fn remove_dir_all(path: impl AsRef<Path>) -> Operation<()> {
    on_path("fs::remove_dir_all", path, |path| fs::remove_dir_all(path))
}
