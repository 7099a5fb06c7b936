//! What all connections share: bytes in two directions over a descriptor.
//!
//! ```text
//!   AsyncRead, AsyncWrite ── by macro ──► &TcpStream, &UnixStream, pipe ends       (`methods`)
//!     ▲ generic                                  │ poll_read, poll_write
//!   halves (`halves`)                            ▼
//!                                 Registered<impl RawRead + RawWrite>              (here)
//! ```
//!
//! The system calls differ a little from one kind to the other; [`RawRead`] and [`RawWrite`] are those differences,
//! and everything above is written once.

mod halves;
mod methods;
mod raw;
mod send_file;

use std::io::{self, IoSlice, IoSliceMut};
use std::task::{Context, Poll};

use crate::io::{Direction, Registered};
pub(super) use halves::halves;
pub use halves::{Connection, OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub(super) use methods::{async_read, async_write, read_methods, send_file_method, write_methods};
pub(super) use raw::{RawRead, RawWrite};
pub use send_file::SendFile;
pub(super) use send_file::Target;

impl<S: RawRead> Registered<S> {
    #[inline]
    pub(super) fn poll_read(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        // A read of nothing proves nothing, and with zero wanted none is short.
        let wanted = if S::SHORT_IS_LAST { buffer.len() } else { 0 };
        self.poll_bytes(Direction::Read, cx, wanted, |io| io.receive(buffer))
    }

    pub(super) fn poll_read_vectored(
        &self,
        cx: &Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = match S::SHORT_IS_LAST {
            true => most_of(buffers.iter().map(|buffer| buffer.len())),
            false => 0,
        };
        self.poll_bytes(Direction::Read, cx, wanted, |io| io.receive_vectored(buffers))
    }
}

impl<S: RawWrite> Registered<S> {
    #[inline]
    pub(super) fn poll_write(&self, cx: &Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_bytes(Direction::Write, cx, data.len(), |io| io.transmit(data))
    }

    pub(super) fn poll_write_vectored(
        &self,
        cx: &Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = most_of(data.iter().map(|data| data.len()));
        self.poll_bytes(Direction::Write, cx, wanted, |io| io.transmit_vectored(data))
    }
}

/// How many bytes one vectored operation moves at most: the system takes only so many buffers at once.
fn most_of(lengths: impl Iterator<Item = usize>) -> usize {
    /// `IOV_MAX` of Linux and the BSDs is 1024; POSIX lets a system have as few as this.
    const BUFFERS: usize = 16;
    lengths.take(BUFFERS).fold(0, usize::saturating_add)
}
