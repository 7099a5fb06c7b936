//! Files and directories.
//!
//! Operating systems have no readiness for files, so each function does its work on a [thread beside the
//! loop](crate::spawn_blocking), and gives an [`Operation`] to await. Each is one visit to a thread, whatever it does there:
//! [`read`] is one, and so is [`remove_dir_all`]. An open [`File`] is buffered both ways, so that many small reads and writes
//! do not cost a visit each.
//!
//! Names, arguments and errors are those of [`std::fs`].
//!
//! ```
//! use monoloop::fs;
//!
//! # fn main() -> std::io::Result<()> {
//! monoloop::run(async {
//!     let dir = fs::temp_dir().await?;
//!     let path = dir.path().join("numbers");
//!     fs::write(&path, "1\n2\n").await?;
//!     fs::rename(&path, dir.path().join("digits")).await?;
//!
//!     let mut entries = fs::read_dir(dir.path()).await?;
//!     while let Some(entry) = entries.next_entry().await? {
//!         assert_eq!(entry.file_name(), "digits");
//!         assert_eq!(fs::read_to_string(entry.path()).await?, "1\n2\n");
//!     }
//!     Ok(())
//! })
//! # }
//! ```

mod file;
mod open_options;
mod operation;
mod paths;
mod read_dir;
mod temp;

#[doc(no_inline)]
pub use std::fs::{FileType, Metadata, Permissions};

pub use file::File;
pub use open_options::OpenOptions;
pub use operation::Operation;
#[cfg(unix)]
pub use paths::symlink;
pub use paths::{
    canonicalize, copy, create_dir, create_dir_all, exists, hard_link, metadata, read, read_link,
    read_to_string, remove_dir, remove_dir_all, remove_file, rename, set_permissions,
    symlink_metadata, write,
};
pub use read_dir::{DirEntry, ReadDir, read_dir};
pub use temp::{TempDir, temp_dir, temp_file};
