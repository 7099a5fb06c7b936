//! Socket files: those left behind by others, and our own.
//!
//! A process that is killed leaves its socket file behind, and the next `bind` fails with "address in use". Such a file
//! is *stale* if it is a socket and nobody listens there: a connection to it is refused. Only then is it removed. A file
//! of another kind, a socket with a living listener, one of another type (datagrams) or one that we may not connect to
//! all stay, and `bind` fails.
//!
//! Two processes that find the same stale file at the same moment may both replace it, and then one of them listens
//! at an address that leads nowhere. Who starts several at once wants a lock file.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::executor::Origin;

/// Binds with `bind`, and once more if a stale socket file was in the way. `connect` tries whether anybody is there.
pub(super) fn bind_over_stale<T, C>(
    addr: &SocketAddr,
    bind: impl Fn(&SocketAddr) -> io::Result<T>,
    connect: impl Fn(&SocketAddr) -> io::Result<C>,
) -> io::Result<T> {
    match (bind(addr), addr.as_pathname()) {
        (Err(error), Some(path)) if error.kind() == io::ErrorKind::AddrInUse => {
            match remove_stale(path, || connect(addr)) {
                true => bind(addr),
                false => Err(error),
            }
        }
        (bound, _) => bound,
    }
}

/// Removes the file if it is stale. True: it is gone.
fn remove_stale<C>(path: &Path, connect: impl Fn() -> io::Result<C>) -> bool {
    let Some(found) = SocketFile::at(path) else { return false };
    let is_refused = connect().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    is_refused && found.remove()
}

/// A socket file, told apart from another that took its path.
#[derive(Debug)]
pub(super) struct SocketFile {
    origin: Origin,
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// The file at `path`, if it is a socket.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        // Absolute: the working folder may be another one when the file is removed.
        let path = std::path::absolute(path).ok()?;
        let is_socket = metadata.file_type().is_socket();
        is_socket.then(|| Self {
            origin: Origin::here(),
            path,
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// Removes the file if it is still the same. True: it is gone.
    pub(super) fn remove(&self) -> bool {
        let same = |now: &Self| (now.device, now.inode) == (self.device, self.inode);
        Self::at(&self.path).is_some_and(|now| same(&now)) && fs::remove_file(&self.path).is_ok()
    }
}

/// Its drop removes the file, but for that in a process that was forked. A field of its own, so that the listener can be taken apart.
#[derive(Debug)]
pub(super) struct Unlink(pub(super) Option<SocketFile>);

impl Drop for Unlink {
    fn drop(&mut self) {
        if let Some(file) = self.0.as_ref().filter(|file| file.origin.is_here()) {
            file.remove();
        }
    }
}
