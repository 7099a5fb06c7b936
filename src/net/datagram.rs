//! Methods that all datagram sockets have, each written once.

/// The inherent methods of a socket with a field `io`, a `Registered` of mio's socket, inside an `impl`.
macro_rules! datagram_methods {
    () => {
        /// Waits until there is a datagram to receive, or an error.
        ///
        /// Any number of tasks may wait. The answer may be stale: [`try_recv`](Self::try_recv) tells.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        ///
        /// # Errors
        ///
        /// If the socket's loop is not the one that runs on this thread.
        pub async fn readable(&self) -> std::io::Result<()> {
            self.io.ready(crate::io::Direction::Read).await
        }

        /// Waits until a datagram can be sent, or an error.
        ///
        /// Any number of tasks may wait. The answer may be stale: [`try_send`](Self::try_send) tells.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        ///
        /// # Errors
        ///
        /// If the socket's loop is not the one that runs on this thread.
        pub async fn writable(&self) -> std::io::Result<()> {
            self.io.ready(crate::io::Direction::Write).await
        }

        /// Sends a datagram to the peer given to [`connect`](Self::connect). Gives its length.
        ///
        /// Any number of tasks may send, and receive. If there is no room, or nothing there, whoever comes first when that
        /// changes is served first: they do not take turns.
        ///
        /// # Cancel safety
        ///
        /// If it is dropped while it waits, nothing was sent.
        ///
        /// # Errors
        ///
        /// If the socket is not connected, or what the operating system says: that nobody receives there
        /// ([`ConnectionRefused`](std::io::ErrorKind::ConnectionRefused)), say, which is about a datagram sent before.
        pub async fn send(&self, data: &[u8]) -> std::io::Result<usize> {
            self.io.io(crate::io::Direction::Write, |io| io.send(data)).await
        }

        /// Receives a datagram from the peer given to [`connect`](Self::connect). Gives its length; what does not fit
        /// into the buffer is lost.
        ///
        /// # Cancel safety
        ///
        /// No datagram is lost.
        ///
        /// # Errors
        ///
        /// As [`send`](Self::send).
        pub async fn recv(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.io.receive(|io| io.recv(buffer)).await
        }

        /// Sends a datagram as [`send`](Self::send) does, without waiting.
        ///
        /// # Errors
        ///
        /// Of kind [`WouldBlock`](std::io::ErrorKind::WouldBlock) if there is no room; else as [`send`](Self::send).
        pub fn try_send(&self, data: &[u8]) -> std::io::Result<usize> {
            self.io.try_io(crate::io::Direction::Write, |io| io.send(data))
        }

        /// Receives a datagram as [`recv`](Self::recv) does, without waiting.
        ///
        /// # Errors
        ///
        /// Of kind [`WouldBlock`](std::io::ErrorKind::WouldBlock) if there is none; else as [`recv`](Self::recv).
        pub fn try_recv(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.io.try_io(crate::io::Direction::Read, |io| io.recv(buffer))
        }

        /// Polls to [`send`](Self::send). Of several tasks that poll, only the last is woken.
        ///
        /// # Errors
        ///
        /// As [`send`](Self::send).
        pub fn poll_send(
            &self,
            cx: &mut std::task::Context<'_>,
            data: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            self.io.poll_io(crate::io::Direction::Write, cx, |io| io.send(data))
        }

        /// Polls to [`recv`](Self::recv). Of several tasks that poll, only the last is woken.
        ///
        /// # Errors
        ///
        /// As [`recv`](Self::recv).
        pub fn poll_recv(
            &self,
            cx: &mut std::task::Context<'_>,
            buffer: &mut [u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            self.io.poll_io(crate::io::Direction::Read, cx, |io| io.recv(buffer))
        }

        /// Takes the socket's pending error (`SO_ERROR`).
        ///
        /// # Errors
        ///
        /// If the operating system cannot tell.
        pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
            self.io.get().take_error()
        }
    };
}

pub(super) use datagram_methods;
