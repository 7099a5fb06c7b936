//! Paths as addresses.

use std::io;
use std::os::unix::net::SocketAddr;
use std::path::Path;

/// The address that a path names: abstract if it begins with a zero byte.
pub(super) fn of_path(path: &Path) -> io::Result<SocketAddr> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use std::os::unix::ffi::OsStrExt;

        if let Some(name) = path.as_os_str().as_bytes().strip_prefix(b"\0") {
            return abstract_name(name);
        }
    }
    SocketAddr::from_pathname(path)
}

#[cfg(target_os = "linux")]
fn abstract_name(name: &[u8]) -> io::Result<SocketAddr> {
    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

#[cfg(target_os = "android")]
fn abstract_name(name: &[u8]) -> io::Result<SocketAddr> {
    <SocketAddr as std::os::android::net::SocketAddrExt>::from_abstract_name(name)
}

/// Says what was tried with which address.
pub(super) fn failed(what: &str, addr: &SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what} {addr:?}: {error}"))
}
