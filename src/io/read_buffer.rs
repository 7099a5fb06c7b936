//! Bytes that were read and not yet taken.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::AsyncRead;

/// How much is asked of a stream at once, at first.
const FIRST: usize = 8 * 1024;
/// What an empty buffer keeps for the next reads.
const KEPT: usize = 64 * 1024;

/// Bytes that were read from a stream and not yet taken: what a [`Decoder`](super::codec::Decoder) looks at.
///
/// It dereferences to the bytes. [`consume`](Self::consume) and [`take`](Self::take) remove them from the
/// front; what is not removed is there the next time, with more behind it.
///
/// ```
/// use monoloop::io::ReadBuffer;
///
/// let mut buffer = ReadBuffer::from(b"one two".to_vec());
/// assert_eq!(buffer.take(3), b"one");
/// buffer.consume(1);
/// assert_eq!(&*buffer, b"two");
/// ```
#[derive(Clone, Default)]
pub struct ReadBuffer {
    /// All of it is initialised; what lies outside of `start..end` is of no meaning.
    data: Vec<u8>,
    start: usize,
    end: usize,
}

impl ReadBuffer {
    /// Makes an empty buffer, which allocates when it is first filled.
    pub const fn new() -> Self {
        Self { data: Vec::new(), start: 0, end: 0 }
    }

    /// Removes the first `count` bytes.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[track_caller]
    pub fn consume(&mut self, count: usize) {
        let len = self.len();
        assert!(count <= len, "{count} bytes consumed of a buffer that holds {len}");
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.data.len() > KEPT {
                self.data = Vec::new();
            }
        }
    }

    /// Removes the first `count` bytes and gives them.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let len = self.len();
        assert!(count <= len, "{count} bytes taken of a buffer that holds {len}");
        let taken = self[..count].to_vec();
        self.consume(count);
        taken
    }

    /// Removes all bytes and gives them.
    pub fn take_all(&mut self) -> Vec<u8> {
        self.take(self.len())
    }

    /// Puts bytes behind those that are there.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.data[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Copies bytes out of the front into `target`, and removes them.
    pub(crate) fn read(&mut self, target: &mut [u8]) -> usize {
        let count = target.len().min(self.len());
        target[..count].copy_from_slice(&self[..count]);
        self.consume(count);
        count
    }

    /// Reads once from `stream`, behind what is there; zero is the end.
    ///
    /// The buffer doubles when more than half of it is in use, so its length stays within four times what
    /// was in it, and some kilobytes.
    pub(crate) fn poll_fill<R: AsyncRead + ?Sized>(
        &mut self,
        stream: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.end == self.data.len() {
            let (len, size) = (self.len(), self.data.len());
            self.make_room(if len < size / 2 { size - len } else { len.max(FIRST) });
        }
        let room = &mut self.data[self.end..];
        let count = ready!(stream.poll_read(cx, room))?;
        assert!(count <= room.len(), "a stream says that it read more than there was room for");
        self.end += count;
        Poll::Ready(Ok(count))
    }

    /// Makes room for `count` bytes behind those that are there: in front of them if that is enough.
    fn make_room(&mut self, count: usize) {
        if self.data.len() - self.end >= count {
            return;
        }
        let len = self.len();
        self.data.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, len);
        let needed = len.checked_add(count).expect("memory is smaller than the address space");
        if self.data.len() < needed {
            self.data.resize(needed, 0);
        }
    }
}

impl Deref for ReadBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }
}

impl From<Vec<u8>> for ReadBuffer {
    fn from(data: Vec<u8>) -> Self {
        let end = data.len();
        Self { data, start: 0, end }
    }
}

impl fmt::Debug for ReadBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadBuffer({} of {})", self.len(), self.data.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_move_to_the_front_before_the_buffer_grows() {
        let mut buffer = ReadBuffer::new();
        buffer.extend(&[1; 100]);
        buffer.consume(90);
        buffer.extend(&[2; 90]);
        assert_eq!(buffer.data.len(), 100);
        assert_eq!(buffer.len(), 100);
        assert_eq!(buffer[9..11], [1, 2]);
    }

    #[test]
    fn a_rest_that_stays_does_not_make_the_buffer_creep() {
        let mut buffer = ReadBuffer::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for _ in 0..100 {
            let filled = buffer.poll_fill(Pin::new(&mut futures_lite::io::repeat(0)), &mut cx);
            assert!(matches!(filled, Poll::Ready(Ok(1..))));
            buffer.consume(buffer.len() - 100);
        }
        assert_eq!(buffer.data.len(), FIRST);
    }

    #[test]
    fn what_was_large_is_given_back_when_it_is_empty() {
        let mut buffer = ReadBuffer::from(vec![0; KEPT + 1]);
        buffer.consume(KEPT + 1);
        assert_eq!(buffer.data.capacity(), 0);
    }

    #[test]
    #[should_panic(expected = "2 bytes consumed of a buffer that holds 1")]
    fn nobody_consumes_what_is_not_there() {
        ReadBuffer::from(vec![0]).consume(2);
    }
}
