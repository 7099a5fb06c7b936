//! The addresses of pages: `http://host:port/path?query`, and what a link on one page refers to.
//!
//! Links are resolved as RFC 3986, section 5, says. A [`Url`] holds no fragment (two links that differ
//! only there name one page) and only printable ASCII: everything else is percent-encoded on the way
//! in. So a `Url` may be written into a request, or to the terminal, as it is.

use std::error::Error;
use std::fmt;
use std::net::Ipv6Addr;

/// The longest address followed. It bounds what a page full of made-up links can make us remember.
const MAX_LEN: usize = 2048;

/// The longest host name that DNS can carry.
const MAX_HOST_LEN: usize = 253;

const DEFAULT_PORT: u16 = 80;

/// The address of a page.
///
/// The parts are normalized, so that equal addresses are equal values: the host in lower case, the
/// port filled in, the path without dot segments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Url {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    host: String,
    port: u16,
    /// Path and query, as they stand in the request line. Starts with a slash.
    target: String,
}

impl Url {
    /// Reads an absolute address, as typed on the command line.
    pub(crate) fn parse(text: &str) -> Result<Url, UrlError> {
        let text = clean(text);
        match split_scheme(&text) {
            None => Err(UrlError::NotAbsolute),
            Some((scheme, rest)) => Url::absolute(scheme, rest),
        }
    }

    /// Resolves `reference`, found on the page at this address.
    pub(crate) fn join(&self, reference: &str) -> Result<Url, UrlError> {
        let text = clean(reference);
        if let Some((scheme, rest)) = split_scheme(&text) {
            return Url::absolute(scheme, rest);
        }
        if text.starts_with("//") {
            return Url::absolute("http", &text);
        }

        let (base_path, base_query) = split_query(&self.target);
        let (path, query) = split_query(&text);
        if path.is_empty() {
            // This very page, perhaps with another query.
            return Url::build(&self.host, self.port, base_path, query.or(base_query));
        }
        if path.starts_with('/') {
            return Url::build(&self.host, self.port, path, query);
        }
        let directory = base_path.rfind('/').map_or("/", |at| &base_path[..=at]);
        Url::build(&self.host, self.port, &format!("{directory}{path}"), query)
    }

    /// The host as the resolver wants it: an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as the `Host` header wants them.
    pub(crate) fn authority(&self) -> String {
        match self.port {
            DEFAULT_PORT => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// Path and query, for the request line.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// Whether the same host serves both pages, on the same port.
    pub(crate) fn same_site(&self, other: &Url) -> bool {
        self.host == other.host && self.port == other.port
    }

    /// What follows `scheme:`.
    fn absolute(scheme: &str, rest: &str) -> Result<Url, UrlError> {
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(UrlError::Scheme(scheme.to_ascii_lowercase()));
        }
        let rest = rest.strip_prefix("//").ok_or(UrlError::NoHost)?;
        let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(authority_len);
        let (host, port) = parse_authority(authority)?;
        let (path, query) = split_query(target);
        Url::build(&host, port, path, query)
    }

    fn build(host: &str, port: u16, path: &str, query: Option<&str>) -> Result<Url, UrlError> {
        let mut target = remove_dot_segments(path);
        if let Some(query) = query {
            target.push('?');
            target.push_str(query);
        }
        let target = percent_encode(&target);
        if host.len() + target.len() > MAX_LEN {
            return Err(UrlError::TooLong);
        }
        Ok(Url { host: host.to_owned(), port, target })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.target)
    }
}

/// Why a text is not the address of a page that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UrlError {
    /// Well-formed perhaps, but it is not `http`: mail, scripts, `https`.
    Scheme(String),
    NotAbsolute,
    NoHost,
    Credentials,
    Host,
    Port,
    TooLong,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlError::Scheme(scheme) if scheme == "https" => {
                f.write_str("https is not supported: this crawler speaks plain http only")
            }
            UrlError::Scheme(scheme) => {
                write!(f, "the scheme {scheme:?} is not supported, only http://")
            }
            UrlError::NotAbsolute => {
                f.write_str("not an address: it should look like http://host:port/")
            }
            UrlError::NoHost => f.write_str("the host is missing"),
            UrlError::Credentials => f.write_str("a user name or password is not supported"),
            UrlError::Host => f.write_str("the host is not a name or an address"),
            UrlError::Port => f.write_str("the port is not a number from 1 to 65535"),
            UrlError::TooLong => write!(f, "longer than {MAX_LEN} bytes"),
        }
    }
}

impl Error for UrlError {}

/// Drops what never belongs to an address: the fragment, blanks around it, line breaks inside it.
fn clean(text: &str) -> String {
    let text = text.trim_matches(|c: char| c <= ' ');
    let without_fragment = text.split('#').next().unwrap_or_default();
    without_fragment.replace(['\t', '\r', '\n'], "")
}

/// Splits `scheme:rest`, if the text begins with a scheme.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then_some((scheme, rest))
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

fn parse_authority(authority: &str) -> Result<(String, u16), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::Credentials);
    }
    // The colons inside `[::1]` do not introduce a port.
    let host_end = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[host_end..].find(':') {
        Some(colon) => (&authority[..host_end + colon], &authority[host_end + colon + 1..]),
        None => (authority, ""),
    };
    let port = match port {
        "" => DEFAULT_PORT,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map_err(|_| UrlError::Port)?
        }
        _ => return Err(UrlError::Port),
    };
    match (host, port) {
        ("", _) => Err(UrlError::NoHost),
        (_, 0) => Err(UrlError::Port),
        (host, _) if !is_host(host) => Err(UrlError::Host),
        (host, port) => Ok((host.to_ascii_lowercase(), port)),
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|a| a.parse::<Ipv6Addr>().is_ok());
    }
    host.len() <= MAX_HOST_LEN
        && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}

/// Resolves `.` and `..`, which never climb above the root (RFC 3986, section 5.2.4).
fn remove_dot_segments(path: &str) -> String {
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_dots = matches!(segment, "." | "..");
        if segment == ".." {
            kept.pop();
        }
        if !is_dots {
            kept.push(segment);
        } else if segments.peek().is_none() {
            // `a/.` and `a/b/..` are the directory `a/`.
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// Encodes what may not stand in a request line. What is encoded already stays as it is.
fn percent_encode(target: &str) -> String {
    let mut encoded = String::with_capacity(target.len());
    for byte in target.bytes() {
        if byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
