//! The system calls that move bytes.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};

use mio::event::Source;

/// Something that bytes come out of.
pub(crate) trait RawRead: Source {
    /// Whether a read that fills only a part of its buffer took all there was. Not so where one read stops at a
    /// message's end: a unix socket's does after descriptors were passed, a pipe's in packet mode.
    const SHORT_IS_LAST: bool;

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;
    fn receive_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize>;
}

/// Something that bytes go into. On sockets no signal (`SIGPIPE`) comes of a peer that is gone, only an error.
pub(crate) trait RawWrite: Source {
    fn transmit(&self, data: &[u8]) -> io::Result<usize>;
    fn transmit_vectored(&self, data: &[IoSlice<'_>]) -> io::Result<usize>;
}

macro_rules! raw_read {
    ($type:ty, short_is_last: $short:expr) => {
        impl RawRead for $type {
            const SHORT_IS_LAST: bool = $short;

            #[inline]
            fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
                (&*self).read(buffer)
            }

            fn receive_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&*self).read_vectored(buffers)
            }
        }
    };
}

raw_read!(mio::net::TcpStream, short_is_last: true);
#[cfg(unix)]
raw_read!(mio::net::UnixStream, short_is_last: false);
#[cfg(unix)]
raw_read!(mio::unix::pipe::Receiver, short_is_last: false);

impl RawWrite for mio::net::TcpStream {
    #[inline]
    fn transmit(&self, data: &[u8]) -> io::Result<usize> {
        // std's sends without a signal.
        (&*self).write(data)
    }

    fn transmit_vectored(&self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_io(|| quiet::send_vectored(self, data))
    }
}

#[cfg(unix)]
impl RawWrite for mio::net::UnixStream {
    #[inline]
    fn transmit(&self, data: &[u8]) -> io::Result<usize> {
        self.try_io(|| quiet::send(self, data))
    }

    fn transmit_vectored(&self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_io(|| quiet::send_vectored(self, data))
    }
}

#[cfg(unix)]
impl RawWrite for mio::unix::pipe::Sender {
    fn transmit(&self, data: &[u8]) -> io::Result<usize> {
        (&*self).write(data)
    }

    fn transmit_vectored(&self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(data)
    }
}

/// Sending that raises no `SIGPIPE`, in whatever way the program treats that signal.
#[cfg(all(any(target_os = "linux", target_os = "android", target_os = "freebsd"), not(miri)))]
mod quiet {
    use std::io::{self, IoSlice};
    use std::os::fd::AsFd;

    use rustix::net::{SendAncillaryBuffer, SendFlags};

    #[inline]
    pub(super) fn send(socket: &impl AsFd, data: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(socket, data, SendFlags::NOSIGNAL)?)
    }

    pub(super) fn send_vectored(socket: &impl AsFd, data: &[IoSlice<'_>]) -> io::Result<usize> {
        /// `UIO_MAXIOV`: more are refused, where `writev` of std takes the first so many.
        const MOST: usize = 1024;
        let data = &data[..data.len().min(MOST)];
        let mut nothing = SendAncillaryBuffer::default();
        Ok(rustix::net::sendmsg(socket, data, &mut nothing, SendFlags::NOSIGNAL)?)
    }
}

/// Apple's sockets have an option for it, which std and mio set; others we have not looked at. Miri has no `sendmsg`.
#[cfg(not(all(
    any(target_os = "linux", target_os = "android", target_os = "freebsd"),
    not(miri)
)))]
mod quiet {
    use std::io::{self, IoSlice, Write};

    #[cfg(unix)]
    pub(super) fn send<S>(socket: &S, data: &[u8]) -> io::Result<usize>
    where
        for<'a> &'a S: Write,
    {
        (&*socket).write(data)
    }

    pub(super) fn send_vectored<S>(socket: &S, data: &[IoSlice<'_>]) -> io::Result<usize>
    where
        for<'a> &'a S: Write,
    {
        (&*socket).write_vectored(data)
    }
}
