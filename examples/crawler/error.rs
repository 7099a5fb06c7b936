//! What can go wrong with one page, in one line.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::url::UrlError;

/// How much of a peer's bytes an error message repeats.
const MAX_QUOTE: usize = 40;

/// Why a page could not be fetched.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// The host name has no address.
    Resolve(String),
    /// No connection could be made.
    Connect(io::Error),
    /// The connection ended before the first byte of an answer. Says why, if it was not in good order.
    NoAnswer(Option<io::Error>),
    /// The connection broke in the middle of an answer.
    Lost(io::Error),
    /// The peer closed the connection in the middle of an answer.
    CutShort(&'static str),
    /// The answer does not begin as an HTTP answer does, but like this.
    NotHttp(String),
    HeadTooLong {
        limit: usize,
    },
    BadHeader(String),
    BodyTooLong {
        limit: usize,
    },
    BadChunk(String),
    /// The answer was not complete when the time was up.
    Timeout(Duration),
    /// A complete answer, but not a page.
    Status(u16),
    BadRedirect(String, UrlError),
    RedirectLoop,
    TooManyRedirects {
        limit: usize,
    },
}

impl FetchError {
    /// The kind of error, by which the table at the end counts.
    pub(crate) fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            FetchError::Resolve(_) => "unknown host",
            FetchError::Connect(error) if error.kind() == ErrorKind::ConnectionRefused => "refused",
            FetchError::Connect(_) => "unreachable",
            FetchError::NoAnswer(_) => "no answer",
            FetchError::Lost(_) => "connection lost",
            FetchError::CutShort(_) => "cut short",
            FetchError::NotHttp(_) => "not http",
            FetchError::HeadTooLong { .. } => "header too long",
            FetchError::BadHeader(_) => "bad header",
            FetchError::BodyTooLong { .. } => "body too long",
            FetchError::BadChunk(_) => "bad chunk",
            FetchError::Timeout(_) => "timeout",
            FetchError::Status(status) => return Cow::Owned(format!("status {status}")),
            FetchError::BadRedirect(..) => "bad redirect",
            FetchError::RedirectLoop => "redirect loop",
            FetchError::TooManyRedirects { .. } => "too many redirects",
        })
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Resolve(error) => f.write_str(error),
            FetchError::Connect(error) => write!(f, "cannot connect: {error}"),
            FetchError::NoAnswer(None) => {
                f.write_str("the server closed the connection without an answer")
            }
            FetchError::NoAnswer(Some(error)) => {
                write!(f, "the connection broke before an answer: {error}")
            }
            FetchError::Lost(error) => {
                write!(f, "the connection broke in the middle of the answer: {error}")
            }
            FetchError::CutShort(part) => {
                write!(f, "the server closed the connection in the middle of {part}")
            }
            FetchError::NotHttp(start) => {
                write!(f, "the answer is not HTTP/1: it starts with {start}")
            }
            FetchError::HeadTooLong { limit } => {
                write!(f, "the header is longer than {limit} bytes")
            }
            FetchError::BadHeader(what) => write!(f, "bad header: {what}"),
            FetchError::BodyTooLong { limit } => write!(f, "the body is longer than {limit} bytes"),
            FetchError::BadChunk(what) => write!(f, "bad chunk: {what}"),
            FetchError::Timeout(limit) => write!(f, "no complete answer within {limit:?}"),
            FetchError::Status(status) => write!(f, "status {status}"),
            FetchError::BadRedirect(target, error) => write!(f, "redirect to {target}: {error}"),
            FetchError::RedirectLoop => f.write_str("the redirects lead back to this page"),
            FetchError::TooManyRedirects { limit } => {
                write!(f, "more than {limit} redirects in a row")
            }
        }
    }
}

impl Error for FetchError {}

/// Quotes bytes from the network for a message: shortened, and with everything escaped that a
/// terminal would obey.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let (shown, dots) = match bytes.get(..MAX_QUOTE) {
        Some(start) if bytes.len() > MAX_QUOTE => (start, "..."),
        _ => (bytes, ""),
    };
    format!("{:?}{dots}", String::from_utf8_lossy(shown))
}
