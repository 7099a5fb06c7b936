//! From names to addresses.
//!
//! ```text
//!   lookup_host, connect, bind, ..
//!        │ Target::Addrs: literals and `localhost` stop here
//!        ▼ Target::Host
//!   resolver of the call, or of the loop's `Builder`, or the system's (`system`, on threads of its own)
//! ```
//!
//! Whoever looks up, the loop's `lookup_limit` bounds how long it may take.

mod system;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::ToSocketAddrs;
use super::addr::{Target, invalid};
use crate::event_loop::context;
use crate::time::timeout;

/// Looks names up. Set with [`Builder::resolver`](crate::Builder::resolver) for a loop, or with
/// [`Connector::resolver`](super::Connector::resolver) for some connections.
///
/// It is asked for names only: literal addresses and `localhost` never reach it. It need not give up by itself, as
/// [`Builder::lookup_limit`](crate::Builder::lookup_limit) bounds it.
///
/// Resolvers are `Send` and `Sync`, and their futures `Send`, so that the future of
/// [`TcpStream::connect`](super::TcpStream::connect) is `Send` too, as some libraries ask. A closure that gives a
/// future is a resolver.
///
/// # Examples
///
/// ```
/// use std::future::ready;
/// use std::net::{Ipv4Addr, SocketAddr};
/// use monoloop::net::lookup_host;
///
/// # fn main() -> std::io::Result<()> {
/// let event_loop = monoloop::EventLoop::builder()
///     .resolver(|_host: &str, port| ready(Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))])))
///     .build()?;
/// let addrs = event_loop.run(lookup_host("db.test:5432"))?;
/// assert_eq!(addrs, ["127.0.0.1:5432".parse().unwrap()]);
/// # Ok(())
/// # }
/// ```
pub trait Resolve: Send + Sync {
    /// Gives the addresses of `host`, with `port`, the best first.
    ///
    /// # Errors
    ///
    /// Why there are none. What it says is shown behind the name; an empty list counts as
    /// [`NotFound`](io::ErrorKind::NotFound).
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// A lookup under way; see [`Resolve`].
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

impl<R, F> Resolve for R
where
    R: Fn(&str, u16) -> F + Send + Sync,
    F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
{
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(self(host, port))
    }
}

/// How a loop looks names up: what `Builder` decides.
#[derive(Clone)]
pub(crate) struct Lookups {
    /// `None`: the system's.
    pub(crate) resolver: Option<Arc<dyn Resolve>>,
    pub(crate) limit: Duration,
}

impl Default for Lookups {
    /// Half a minute: what the resolver of glibc takes at most by default, with three servers that are all silent.
    fn default() -> Self {
        Self { resolver: None, limit: Duration::from_secs(30) }
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Gives the addresses that `addr` names, at least one.
///
/// Literal addresses and `localhost` are converted at once. Other names are looked up by the loop's resolver: that of
/// [`Builder::resolver`](crate::Builder::resolver), or else the system's (`getaddrinfo`) on threads of its own, of
/// which the process has at most eight at a time; they end when there is nothing to look up for a while.
///
/// # Cancel safety
///
/// Nothing is lost. A lookup that waits for a thread is forgotten; one that has begun ends by itself.
///
/// # Errors
///
/// If `addr` is malformed or is not known, if no answer comes within
/// [`Builder::lookup_limit`](crate::Builder::lookup_limit) (of kind [`TimedOut`](io::ErrorKind::TimedOut)), or if no
/// loop runs on this thread.
///
/// # Examples
///
/// ```
/// use monoloop::net::lookup_host;
///
/// # fn main() -> std::io::Result<()> {
/// let addrs = monoloop::run(lookup_host("localhost:80"))?;
/// assert!(addrs.contains(&"127.0.0.1:80".parse().unwrap()));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "getaddrinfo")]
#[track_caller]
pub fn lookup_host(addr: impl ToSocketAddrs) -> impl Future<Output = io::Result<Vec<SocketAddr>>> {
    let location = Location::caller();
    async move {
        context::io_with("lookup_host", location, |_| Ok(()))?;
        resolve(addr.target()).await
    }
}

/// The addresses that `target` names, at least one, by the loop's resolver.
pub(super) async fn resolve(target: io::Result<Target>) -> io::Result<Vec<SocketAddr>> {
    resolve_by(None, target).await
}

/// The addresses that `target` names, at least one, by `resolver` or else the loop's.
pub(super) async fn resolve_by(
    resolver: Option<&dyn Resolve>,
    target: io::Result<Target>,
) -> io::Result<Vec<SocketAddr>> {
    match target? {
        Target::Addrs(addrs) if addrs.is_empty() => Err(invalid("no address was given")),
        Target::Addrs(addrs) => Ok(addrs),
        Target::Host(host, port) => look_up(resolver, &host, port).await.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot look up {host:?}: {error}"))
        }),
    }
}

async fn look_up(
    resolver: Option<&dyn Resolve>,
    host: &str,
    port: u16,
) -> io::Result<Vec<SocketAddr>> {
    let Some(ours) = context::try_with(|core| core.lookups.clone()) else {
        return Err(io::Error::other("no event loop runs on this thread"));
    };
    let lookup = match resolver.or(ours.resolver.as_deref()) {
        Some(resolver) => resolver.resolve(host, port),
        None => Box::pin(system::look_up(host, port)),
    };
    let Ok(addrs) = timeout(ours.limit, lookup).await else {
        let text = format!("no answer within {:?}", ours.limit);
        return Err(io::Error::new(io::ErrorKind::TimedOut, text));
    };
    match addrs {
        Ok(addrs) if addrs.is_empty() => {
            Err(io::Error::new(io::ErrorKind::NotFound, "it has no address"))
        }
        addrs => addrs,
    }
}
