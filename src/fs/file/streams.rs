//! Reading ahead, writing behind, and seeking.

use std::io::{self, SeekFrom};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};

use super::writer::Writer;
use super::{Ahead, File, Running, poll_join};
use crate::blocking::Join;
use crate::event_loop::{Handle, context};

/// What is read at least, and what reading from end to end grows to.
const WINDOW: (usize, usize) = (8 * 1024, 128 * 1024);

/// What is read at most, for a buffer that is larger.
const LARGEST: usize = 1024 * 1024;

impl File {
    fn submit<T: Send + 'static>(
        &self,
        what: &str,
        stays: bool,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Join<T>> {
        context::io_with(what, self.location, |core| core.submit(run, stays, self.location))
    }

    fn start_read(&mut self, wanted: usize) -> io::Result<()> {
        let len = self.ahead.window.max(WINDOW.0).max(wanted.min(LARGEST));
        let shared = Arc::clone(self.shared());
        let mut bytes = mem::take(&mut self.ahead.bytes);
        (self.ahead.start, self.ahead.end) = (0, 0);
        bytes.resize(len, 0);
        let join = self.submit("File::read", false, move || {
            let read = shared.read(&mut bytes);
            (bytes, read)
        })?;
        self.running = Running::Read(join);
        Ok(())
    }

    /// Waits until something was read ahead, or the end.
    fn poll_ahead(&mut self, cx: &Context<'_>, wanted: usize) -> Poll<io::Result<()>> {
        while self.ahead.unread().is_empty() {
            match &self.running {
                Running::Nothing => self.start_read(wanted)?,
                Running::Seek(..) => ready!(self.poll_idle(cx))?,
                Running::Read(join) => {
                    let outcome = ready!(poll_join(join, cx));
                    self.running = Running::Nothing;
                    let (bytes, read) = outcome?;
                    self.ahead.arrive(bytes, read.as_ref().map_or(0, |&len| len));
                    if read? == 0 {
                        break;
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn start_writer(&self) {
        let writer = Writer::new(self.shared());
        // If that fails, the writer is dropped, and the next to ask for the bytes is told.
        if let Ok(join) = self.submit("File::write", true, move || writer.run()) {
            join.detach();
        }
    }
}

impl Ahead {
    /// Takes what was read, and reads more next time if there was as much as was asked for.
    fn arrive(&mut self, bytes: Vec<u8>, len: usize) {
        let is_full = len == bytes.len();
        self.fill(bytes, len);
        let window = if is_full { self.window.max(WINDOW.0) * 2 } else { self.window };
        self.window = window.min(WINDOW.1);
    }
}

impl AsyncRead for File {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_ahead(cx, buffer.len()))?;
        let unread = self.ahead.unread();
        let len = unread.len().min(buffer.len());
        buffer[..len].copy_from_slice(&unread[..len]);
        self.ahead.consume(len);
        Poll::Ready(Ok(len))
    }
}

impl AsyncBufRead for File {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_ahead(cx, 0))?;
        Poll::Ready(Ok(this.ahead.unread()))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.ahead.consume(amount);
    }
}

impl AsyncWrite for File {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.shared().is_seekable {
            ready!(self.poll_idle(cx))?;
            self.give_up_ahead();
        }
        if self.shared().reporter.get().is_none() {
            let handle = context::io_with("File::write", self.location, |_| Ok(Handle::current()))?;
            self.shared().reporter.get_or_init(|| handle);
        }
        let pushed = ready!(self.shared().outbox.poll_push(cx, data))?;
        if pushed.needs_writer {
            self.start_writer();
        }
        Poll::Ready(Ok(pushed.len))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared().outbox.poll_empty(cx)
    }

    /// Flushes. The descriptor is closed when the file is dropped.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for File {
    fn poll_seek(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        position: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        loop {
            match &self.running {
                // One that was dropped and is asked for again is the same.
                Running::Seek(join, to) if *to == position => {
                    let outcome = ready!(poll_join(join, cx));
                    self.running = Running::Nothing;
                    return Poll::Ready(outcome?);
                }
                Running::Nothing => {
                    self.give_up_ahead();
                    let shared = Arc::clone(self.shared());
                    let seek =
                        move || shared.settled(|mut file| io::Seek::seek(&mut file, position));
                    let join = self.submit("File::seek", false, seek)?;
                    self.running = Running::Seek(join, position);
                }
                Running::Read(_) | Running::Seek(..) => ready!(self.poll_idle(cx))?,
            }
        }
    }
}
