//! Methods and traits that every connection has, each written once.
//!
//! They expect a field `io`, a `Registered` of something that is `RawRead` or `RawWrite`.

/// The inherent methods for reading, inside an `impl`.
macro_rules! read_methods {
    () => {
        /// Waits until there is something to read, or the end, or an error.
        ///
        /// Any number of tasks may wait. The answer may be stale: [`try_read`](Self::try_read) tells.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        ///
        /// # Errors
        ///
        /// If its loop is not the one that runs on this thread.
        pub async fn readable(&self) -> std::io::Result<()> {
            self.io.ready(crate::io::Direction::Read).await
        }

        /// Reads what is there, without waiting. Zero: the end.
        ///
        /// # Errors
        ///
        /// Of kind [`WouldBlock`](std::io::ErrorKind::WouldBlock) if nothing is there.
        ///
        /// # Examples
        ///
        /// ```
        /// use monoloop::io::*;
        /// # use monoloop::net::{TcpListener, TcpStream};
        /// # use std::io::ErrorKind;
        /// # fn main() -> std::io::Result<()> {
        /// # monoloop::run(async {
        /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
        /// # let stream = TcpStream::connect(listener.local_addr()?).await?;
        /// # let (mut peer, _) = listener.accept().await?;
        /// let mut buffer = [0; 16];
        /// assert_eq!(stream.try_read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        /// # peer.write_all(b"hi").await?;
        /// let read = loop {
        ///     stream.readable().await?;
        ///     match stream.try_read(&mut buffer) {
        ///         Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
        ///         result => break result?,
        ///     }
        /// };
        /// assert_eq!(&buffer[..read], b"hi");
        /// # Ok(())
        /// # })
        /// # }
        /// ```
        pub fn try_read(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.io.try_io(crate::io::Direction::Read, |io| io.receive(buffer))
        }

        /// Like [`try_read`](Self::try_read), into several buffers in turn.
        ///
        /// # Errors
        ///
        /// As [`try_read`](Self::try_read).
        pub fn try_read_vectored(
            &self,
            buffers: &mut [std::io::IoSliceMut<'_>],
        ) -> std::io::Result<usize> {
            self.io.try_io(crate::io::Direction::Read, |io| io.receive_vectored(buffers))
        }
    };
}

/// The inherent methods for writing, inside an `impl`.
macro_rules! write_methods {
    () => {
        /// Waits until something can be written, or an error.
        ///
        /// Any number of tasks may wait. The answer may be stale: [`try_write`](Self::try_write) tells.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        ///
        /// # Errors
        ///
        /// If its loop is not the one that runs on this thread.
        pub async fn writable(&self) -> std::io::Result<()> {
            self.io.ready(crate::io::Direction::Write).await
        }

        /// Writes what fits, without waiting.
        ///
        /// # Errors
        ///
        /// Of kind [`WouldBlock`](std::io::ErrorKind::WouldBlock) if nothing fits.
        pub fn try_write(&self, data: &[u8]) -> std::io::Result<usize> {
            self.io.try_io(crate::io::Direction::Write, |io| io.transmit(data))
        }

        /// Like [`try_write`](Self::try_write), from several buffers in turn.
        ///
        /// # Errors
        ///
        /// As [`try_write`](Self::try_write).
        pub fn try_write_vectored(&self, data: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
            self.io.try_io(crate::io::Direction::Write, |io| io.transmit_vectored(data))
        }
    };
}

/// The inherent method that sends files, inside an `impl` of what the [`Target`](super::Target) of that kind is.
macro_rules! send_file_method {
    ($kind:ident) => {
        /// Sends the bytes of `file` in `range`, or those up to its end, and gives how many there were. The file's
        /// position plays no part and does not change, on Unix.
        ///
        /// On Linux the system passes them on by itself (`sendfile`), up to 512 KiB at a time; elsewhere, and for files of
        /// which the system refuses that, it does what [`copy_file`](crate::io::copy_file) does. **In either case the loop
        /// is held up while the disk is read.**
        ///
        /// `sendfile` knows no way to suppress `SIGPIPE`: if the program has set that to its default, a peer that is gone
        /// ends it. Rust programs ignore that signal unless they say otherwise.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost: [`SendFile::sent`](crate::net::SendFile::sent) tells how many bytes were sent, and so where to go
        /// on. Polled by reference, it goes on by itself.
        ///
        /// # Errors
        ///
        /// [`CopyFileError`](crate::io::CopyFileError), which says how many bytes were sent before.
        #[doc(alias = "sendfile")]
        pub fn send_file<'a>(
            &'a mut self,
            file: &'a std::fs::File,
            range: impl std::ops::RangeBounds<u64>,
        ) -> crate::net::SendFile<'a> {
            let target = crate::net::stream::Target::$kind(self);
            crate::net::SendFile::new(target, file, range)
        }
    };
}

/// `AsyncRead` of a type and of references to it.
macro_rules! async_read {
    ($type:ident) => {
        crate::net::stream::async_read!(@ &$type);
        crate::net::stream::async_read!(@ $type);
    };
    (@ $type:ty) => {
        impl futures_io::AsyncRead for $type {
            #[inline]
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.io.poll_read(cx, buffer)
            }

            fn poll_read_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.io.poll_read_vectored(cx, buffers)
            }
        }
    };
}

/// `AsyncWrite` of a type and of references to it; the type has a method `close_write`.
macro_rules! async_write {
    ($type:ident) => {
        crate::net::stream::async_write!(@ &$type);
        crate::net::stream::async_write!(@ $type);
    };
    (@ $type:ty) => {
        /// `poll_flush` does nothing, as nothing is buffered; `poll_close` closes the write side.
        impl futures_io::AsyncWrite for $type {
            #[inline]
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                data: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.io.poll_write(cx, data)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                data: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.io.poll_write_vectored(cx, data)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(self.close_write())
            }
        }
    };
}

pub(in crate::net) use {async_read, async_write, read_methods, send_file_method, write_methods};
