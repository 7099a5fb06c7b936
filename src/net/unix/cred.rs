//! Who the peer is.

/// The process at the other end, as the kernel saw it when the connection was made: the one that called `connect`,
/// `listen` or `pair`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PeerCred {
    /// The process, if the system tells. It may be gone, and its number another's.
    pub pid: Option<i32>,
    /// The user it ran as.
    pub uid: u32,
    /// The group it ran as.
    pub gid: u32,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn of(socket: impl std::os::fd::AsFd) -> std::io::Result<PeerCred> {
    // The kernel says that the process is number zero if there is none that we can see. rustix cannot express that, and
    // makes a number out of thin air its error.
    let unseen = |_| std::io::Error::new(std::io::ErrorKind::NotFound, "no process is to be seen");
    let cred = rustix::net::sockopt::socket_peercred(socket).map_err(unseen)?;
    let pid = Some(cred.pid.as_raw_nonzero().get());
    Ok(PeerCred { pid, uid: cred.uid.as_raw(), gid: cred.gid.as_raw() })
}

/// The others have calls of their own for it, to which there is no safe way in our dependencies.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn of(_: impl std::os::fd::AsFd) -> std::io::Result<PeerCred> {
    Err(std::io::Error::new(
        std::io::ErrorKind::Unsupported,
        "peer credentials are known on Linux and Android only",
    ))
}
