//! From what people write to socket addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Converts to one or more socket addresses.
///
/// An address, or text of the form `host:port`, or a pair of host and port. Literal addresses and
/// `localhost` are converted at once. Other names are looked up as by [`lookup_host`](super::lookup_host), so that the
/// loop is not held up.
pub trait ToSocketAddrs: sealed::Sealed {}

pub(super) mod sealed {
    use super::Target;

    pub trait Sealed {
        /// What this names, or why it names nothing.
        #[doc(hidden)]
        fn target(&self) -> std::io::Result<Target>;
    }
}

/// What an argument names.
#[derive(Clone, PartialEq, Eq, Debug)]
#[doc(hidden)]
pub enum Target {
    /// Addresses, to be used in this order.
    Addrs(Vec<SocketAddr>),
    /// A name that must be looked up.
    Host(String, u16),
}

macro_rules! literal {
    ($($type:ty: $addr:ident => $convert:expr;)*) => {$(
        impl ToSocketAddrs for $type {}
        impl sealed::Sealed for $type {
            fn target(&self) -> io::Result<Target> {
                let $addr = *self;
                Ok(Target::Addrs(vec![$convert]))
            }
        }
    )*};
}

literal! {
    SocketAddr: addr => addr;
    SocketAddrV4: addr => addr.into();
    SocketAddrV6: addr => addr.into();
    (IpAddr, u16): addr => addr.into();
    (Ipv4Addr, u16): addr => addr.into();
    (Ipv6Addr, u16): addr => addr.into();
}

impl ToSocketAddrs for [SocketAddr] {}
impl sealed::Sealed for [SocketAddr] {
    fn target(&self) -> io::Result<Target> {
        Ok(Target::Addrs(self.to_vec()))
    }
}

impl ToSocketAddrs for (&str, u16) {}
impl sealed::Sealed for (&str, u16) {
    fn target(&self) -> io::Result<Target> {
        let (host, port) = *self;
        // As in a URL, an IPv6 literal may stand in brackets.
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Target::Addrs(vec![(ip, port).into()]));
        }
        let is_scoped = bare.contains(':') && bare.contains('%');
        if is_scoped {
            // With the number of an interface it is a literal; std takes it only beside a port.
            if let Ok(addr) = format!("[{bare}]:{port}").parse::<SocketAddrV6>() {
                return Ok(Target::Addrs(vec![addr.into()]));
            }
        }
        if host.eq_ignore_ascii_case("localhost") {
            let v4 = (Ipv4Addr::LOCALHOST, port).into();
            return Ok(Target::Addrs(vec![v4, (Ipv6Addr::LOCALHOST, port).into()]));
        }
        // What is left of brackets: an IPv6 address with the name of an interface, which the resolver knows.
        let is_name = !host.is_empty() && !host.contains(['\0', '[', ']']);
        match is_scoped || is_name {
            true => Ok(Target::Host(bare.to_owned(), port)),
            false => Err(invalid(&format!("{host:?} is not the name of a host"))),
        }
    }
}

impl ToSocketAddrs for str {}
impl sealed::Sealed for str {
    fn target(&self) -> io::Result<Target> {
        if let Ok(addr) = self.parse::<SocketAddr>() {
            return Ok(Target::Addrs(vec![addr]));
        }
        let Some((host, port)) = self.rsplit_once(':') else {
            return Err(invalid(&format!("{self:?} is not of the form host:port")));
        };
        let port =
            port.parse().map_err(|_| invalid(&format!("{port:?} in {self:?} is not a port")))?;
        (host, port).target()
    }
}

impl ToSocketAddrs for String {}
impl sealed::Sealed for String {
    fn target(&self) -> io::Result<Target> {
        self.as_str().target()
    }
}

impl ToSocketAddrs for (String, u16) {}
impl sealed::Sealed for (String, u16) {
    fn target(&self) -> io::Result<Target> {
        (self.0.as_str(), self.1).target()
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}
impl<T: ToSocketAddrs + ?Sized> sealed::Sealed for &T {
    fn target(&self) -> io::Result<Target> {
        (**self).target()
    }
}

pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// Binds the first of `addrs` that works; gives the last error, naming its address.
pub(super) fn first_bound<T>(
    addrs: Vec<SocketAddr>,
    bind: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for addr in addrs {
        match bind(addr) {
            Ok(bound) => return Ok(bound),
            Err(error) => {
                let text = format!("cannot bind {addr}: {error}");
                last = Some(io::Error::new(error.kind(), text));
            }
        }
    }
    Err(last.expect("`resolve` gives at least one address"))
}
