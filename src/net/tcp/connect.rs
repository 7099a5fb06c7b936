//! Connecting to a host of several addresses: "happy eyeballs", RFC 8305.
//!
//! The addresses are tried in the order of the resolver, which is that of RFC 6724, but alternating between IPv6 and
//! IPv4. The next attempt starts when the last has failed, or has not succeeded for a quarter of a second; the first to
//! succeed wins and the others are dropped, which closes their sockets. So a dead route costs a quarter of a second,
//! not the minutes until the system gives up.
//!
//! Left out of the RFC: asking for the two families separately and beginning with the first answer, as `getaddrinfo`
//! gives both in one, and the history of earlier round-trip times.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::{TcpSocket, TcpStream};
use crate::event_loop::context;
use crate::future::staggered_race;
use crate::io::{Direction, Registered};
use crate::net::lookup::resolve_by;
use crate::net::{Resolve, ToSocketAddrs};

/// The pause recommended by RFC 8305, section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects otherwise than [`TcpStream::connect`] does. Cloneable, and used for any number of connections.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use monoloop::net::{Connector, TcpListener};
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let connector = Connector::new()
///         .local_addr("127.0.0.1:0".parse().unwrap())
///         .attempt_delay(Duration::from_millis(100));
///     let stream = connector.connect(listener.local_addr()?).await?;
///     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone)]
#[must_use = "call `connect`"]
pub struct Connector {
    resolver: Option<Arc<dyn Resolve>>,
    attempt_delay: Option<Duration>,
    local_addr: Option<SocketAddr>,
}

impl Connector {
    /// Makes a connector that does what [`TcpStream::connect`] does.
    pub fn new() -> Self {
        Self { resolver: None, attempt_delay: Some(ATTEMPT_DELAY), local_addr: None }
    }

    /// Sets who looks names up. By default the loop's resolver does.
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// Sets after how long the next address is tried although the last attempt may still succeed; `None`: only when it
    /// has failed. Default: 250 ms.
    #[doc(alias = "happy_eyeballs_delay")]
    pub fn attempt_delay(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.attempt_delay = delay.into();
        self
    }

    /// Sets the address of this end. Addresses of the other family are not tried, unless there are no others.
    pub fn local_addr(mut self, addr: SocketAddr) -> Self {
        self.local_addr = Some(addr);
        self
    }

    /// Connects, as [`TcpStream::connect`] does.
    ///
    /// # Cancel safety
    ///
    /// The connections that were being made are closed.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::connect`].
    #[track_caller]
    pub fn connect(&self, addr: impl ToSocketAddrs) -> impl Future<Output = io::Result<TcpStream>> {
        self.connect_from("Connector::connect", Location::caller(), addr)
    }

    pub(super) async fn connect_from(
        &self,
        what: &str,
        location: &Location<'_>,
        addr: impl ToSocketAddrs,
    ) -> io::Result<TcpStream> {
        context::io_with(what, location, |_| Ok(()))?;
        let addrs = self.candidates(resolve_by(self.resolver.as_deref(), addr.target()).await?);
        let attempt = |addr| self.attempt(what, location, addr);
        let result = match addrs[..] {
            // The most common case needs no race.
            [addr] => attempt(addr).await.map_err(|error| vec![error]),
            _ => {
                let delay = self.attempt_delay.unwrap_or(Duration::MAX);
                // By value: the compiler cannot prove that a future made of a borrowed item is `Send`.
                let attempts = addrs.clone().into_iter().map(attempt);
                staggered_race(attempts, delay).await.map(|(stream, _)| stream)
            }
        };
        result.map_err(|errors| {
            ConnectError { attempts: addrs.into_iter().zip(errors).collect() }.into()
        })
    }

    /// Which of `addrs` to try, in which order.
    fn candidates(&self, addrs: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let is_usable = |addr: &SocketAddr| {
            self.local_addr.is_none_or(|local| local.is_ipv4() == addr.is_ipv4())
        };
        match addrs.iter().any(is_usable) {
            true => alternate(addrs.into_iter().filter(is_usable)),
            false => addrs,
        }
    }

    async fn attempt(
        &self,
        what: &str,
        location: &Location<'_>,
        addr: SocketAddr,
    ) -> io::Result<TcpStream> {
        let socket = match self.local_addr {
            None => mio::net::TcpStream::connect(addr)?,
            Some(local) => {
                let socket = TcpSocket::for_addr(&addr)?;
                socket.bind(local)?;
                socket.begin(addr)?
            }
        };
        let stream = connecting(what, location, socket).await?;
        // The peer may have gone in between, which some systems say here; reading and writing will tell.
        let _gone = stream.set_nodelay(true);
        Ok(stream)
    }
}

impl Default for Connector {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("attempt_delay", &self.attempt_delay)
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

/// Waits until `socket` is connected.
pub(super) async fn connecting(
    what: &str,
    location: &Location<'_>,
    socket: mio::net::TcpStream,
) -> io::Result<TcpStream> {
    let stream = TcpStream { io: Registered::connecting(what, location, socket)? };
    poll_fn(|cx| stream.io.poll_io(Direction::Write, cx, is_connected)).await?;
    Ok(stream)
}

/// Whether a connection has been made; `WouldBlock`: not yet. Writability alone does not tell.
fn is_connected(io: &mio::net::TcpStream) -> io::Result<()> {
    if let Some(error) = io.take_error()? {
        return Err(error);
    }
    match io.peer_addr() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}

/// The addresses with their families by turns, beginning with that of the first; the order within each is kept.
fn alternate(addrs: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addrs = addrs.peekable();
    let Some(is_v4) = addrs.peek().map(SocketAddr::is_ipv4) else { return Vec::new() };
    let (mut turn, mut other): (VecDeque<_>, VecDeque<_>) =
        addrs.partition(|addr| addr.is_ipv4() == is_v4);
    let mut order = Vec::with_capacity(turn.len() + other.len());
    while let Some(addr) = turn.pop_front() {
        order.push(addr);
        if !other.is_empty() {
            std::mem::swap(&mut turn, &mut other);
        }
    }
    order
}

/// No address could be connected to. Inside the [`io::Error`] of [`TcpStream::connect`]:
///
/// ```
/// use monoloop::net::{ConnectError, TcpStream};
///
/// # monoloop::run(async {
/// # let vacant = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
/// let error = TcpStream::connect(vacant).await.unwrap_err();
/// let error = error.get_ref().and_then(|inner| inner.downcast_ref::<ConnectError>()).unwrap();
/// for (addr, error) in error.attempts() {
///     assert_eq!((*addr, error.kind()), (vacant, std::io::ErrorKind::ConnectionRefused));
/// }
/// # });
/// ```
#[derive(Debug)]
pub struct ConnectError {
    attempts: Vec<(SocketAddr, io::Error)>,
}

impl ConnectError {
    /// Returns the addresses that were tried, in that order, with what came of it.
    pub fn attempts(&self) -> &[(SocketAddr, io::Error)] {
        &self.attempts
    }

    /// That of the attempt that came farthest: a refusal comes from the host itself.
    fn kind(&self) -> io::ErrorKind {
        let is_refusal =
            |(_, error): &&(_, io::Error)| error.kind() == io::ErrorKind::ConnectionRefused;
        let telling = self.attempts.iter().find(is_refusal).or(self.attempts.last());
        telling.map_or(io::ErrorKind::Other, |(_, error)| error.kind())
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (addr, error)) in self.attempts.iter().enumerate() {
            let begin = if index == 0 { "cannot connect " } else { "; " };
            write!(f, "{begin}to {addr}: {error}")?;
        }
        Ok(())
    }
}

impl Error for ConnectError {}

impl From<ConnectError> for io::Error {
    /// Of kind [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if any host refused, else that of the last
    /// attempt.
    fn from(error: ConnectError) -> Self {
        Self::new(error.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs(names: &str) -> Vec<SocketAddr> {
        let addr = |name: &str| match name.split_at(1) {
            ("4", port) => format!("10.0.0.1:{port}").parse().unwrap(),
            (_, port) => format!("[2001:db8::1]:{port}").parse().unwrap(),
        };
        names.split_whitespace().map(addr).collect()
    }

    #[test]
    fn families_take_turns_in_their_own_order_and_the_first_stays_first() {
        for (given, order) in [
            ("", ""),
            ("41", "41"),
            ("61 62 41 42", "61 41 62 42"),
            ("61 62 63 41", "61 41 62 63"),
            ("41 61 62 63", "41 61 62 63"),
            ("41 42 43", "41 42 43"),
            ("61 41 62 42", "61 41 62 42"),
        ] {
            assert_eq!(alternate(addrs(given).into_iter()), addrs(order), "{given}");
        }
    }

    #[test]
    fn a_local_address_decides_the_family_if_it_can() {
        let connector = Connector::new().local_addr("10.0.0.9:0".parse().unwrap());
        assert_eq!(connector.candidates(addrs("61 41 62 42")), addrs("41 42"));
        assert_eq!(connector.candidates(addrs("61 62")), addrs("61 62"));
    }
}
