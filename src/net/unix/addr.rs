//! Paths as addresses.

#[cfg(any(target_os = "linux", target_os = "android"))]
use std::ffi::OsString;
use std::io;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::net::addr::invalid;

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

/// The same for socket2, which takes a zero byte within a path for the path's end.
pub(super) fn for_socket2(path: &Path) -> io::Result<socket2::SockAddr> {
    of_path(path)?;
    socket2::SockAddr::unix(path)
}

/// The path that names an address, as [`of_path`] has it.
///
/// # Errors
///
/// If the address has no name.
pub(super) fn to_path(addr: &SocketAddr) -> io::Result<PathBuf> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;

    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = addr.as_abstract_name() {
        use std::os::unix::ffi::OsStringExt;

        return Ok(OsString::from_vec([b"\0", name].concat()).into());
    }
    addr.as_pathname().map(Path::to_owned).ok_or_else(|| invalid("the address has no name"))
}

/// Says what was tried with which address.
pub(super) fn failed(what: &str, addr: &SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what} {addr:?}: {error}"))
}
