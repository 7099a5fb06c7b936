//! An HTTP/1.1 client: GET, one request after the other on a connection, bounded memory.
//!
//! The peer is not trusted. Whatever it sends, reading ends with a [`Response`] or a [`FetchError`],
//! and holds at most [`MAX_HEAD`] bytes of header and the caller's limit of body. How long it may take
//! is the caller's business: every function here may be dropped half-way, with its connection.

use std::io;
use std::net::SocketAddr;

use monoloop::io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader};
use monoloop::net::TcpStream;

use crate::error::{FetchError, quote};
use crate::url::Url;

/// The most that the status line and the header fields may take, interim answers and trailers
/// included.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// The longest status line. What has no line break by then is not HTTP.
const MAX_STATUS_LINE: usize = 1024;

/// The longest line that announces a chunk: a size, and extensions that nobody uses.
const MAX_CHUNK_LINE: usize = 256;

/// A connection to one server, for one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    site: Url,
    /// Whether the last answer was read to its end, and the server waits for another request.
    reusable: bool,
}

impl Connection {
    /// Connects to the server of `url`, trying its addresses in turn.
    pub(crate) async fn open(
        url: &Url,
        addresses: &[SocketAddr],
    ) -> Result<Connection, FetchError> {
        let stream = TcpStream::connect(addresses).await.map_err(FetchError::Connect)?;
        // A request is one write: nothing is gained by holding it back.
        stream.set_nodelay(true).map_err(FetchError::Connect)?;
        Ok(Connection { stream: BufReader::new(stream), site: url.clone(), reusable: true })
    }

    /// Whether another request may be sent, and `url` is a page of this server.
    pub(crate) fn is_ready_for(&self, url: &Url) -> bool {
        self.reusable && self.site.same_site(url)
    }

    /// Fetches a page, whose body may have `max_body` bytes.
    ///
    /// # Cancel safety
    ///
    /// A call dropped half-way leaves the connection unusable, and [`is_ready_for`] says so.
    ///
    /// [`is_ready_for`]: Connection::is_ready_for
    pub(crate) async fn get(&mut self, url: &Url, max_body: usize) -> Result<Response, FetchError> {
        self.reusable = false;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: monoloop-crawler\r\nAccept: text/html, */*\r\n\
             Accept-Encoding: identity\r\n\r\n",
            url.target(),
            url.authority()
        );
        let sent = self.stream.get_mut().write_all(request.as_bytes()).await;
        sent.map_err(|error| FetchError::NoAnswer(Some(error)))?;
        let start = self.stream.fill_buf().await;
        if start.map_err(|error| FetchError::NoAnswer(Some(error)))?.is_empty() {
            return Err(FetchError::NoAnswer(None));
        }

        let response = read_response(&mut self.stream, max_body).await?;
        // Bytes that nobody asked for would be taken for the next answer.
        self.reusable = response.keep_alive && self.stream.buffer().is_empty();
        Ok(response)
    }
}

/// An answer, complete.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Where a redirect leads, as the server wrote it.
    pub(crate) location: Option<String>,
    /// Whether the body is a page, and may have links.
    pub(crate) is_html: bool,
    pub(crate) body: Vec<u8>,
    /// Whether the server is ready for another request on this connection.
    keep_alive: bool,
}

/// Reads one answer, and nothing beyond it.
pub(crate) async fn read_response<R>(
    reader: &mut R,
    max_body: usize,
) -> Result<Response, FetchError>
where
    R: AsyncBufRead + Unpin,
{
    let mut head_budget = MAX_HEAD;
    let head = loop {
        let head = read_head(reader, &mut head_budget).await?;
        // `100 Continue` and its like announce the real answer.
        if head.status >= 200 {
            break head;
        }
    };
    let framing = head.framing();
    let mut body = Body { bytes: Vec::new(), limit: max_body };
    match framing {
        Framing::Empty => {}
        Framing::Length(len) => body.read_exactly(reader, len).await?,
        Framing::Chunked => body.read_chunks(reader, &mut head_budget).await?,
        Framing::UntilClose => body.read_to_end(reader).await?,
    }
    Ok(Response {
        status: head.status,
        is_html: head.is_html(),
        keep_alive: head.keep_alive && framing != Framing::UntilClose,
        location: head.location,
        body: body.bytes,
    })
}

/// Reads a line into `line`, without its end (`\r\n`, or `\n` alone), and says what ended it.
///
/// Takes no more than `limit` bytes from the reader.
pub(crate) async fn read_line<R>(
    reader: &mut R,
    limit: usize,
    line: &mut Vec<u8>,
) -> io::Result<LineEnd>
where
    R: AsyncBufRead + Unpin,
{
    let mut left = limit;
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(LineEnd::Eof);
        }
        let available = &available[..available.len().min(left)];
        let newline = available.iter().position(|&byte| byte == b'\n');
        let taken = newline.map_or(available.len(), |at| at + 1);
        line.extend_from_slice(&available[..taken]);
        reader.consume(taken);
        left -= taken;

        if newline.is_some() {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(LineEnd::Newline);
        }
        if left == 0 {
            return Ok(LineEnd::Limit);
        }
    }
}

/// What ended a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    Newline,
    /// The line goes on, but the limit is reached.
    Limit,
    /// The stream ended within the line.
    Eof,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Empty,
    Length(u64),
    Chunked,
    UntilClose,
}

/// What the header of an answer says.
#[derive(Debug, Default)]
struct Head {
    status: u16,
    keep_alive: bool,
    chunked: bool,
    content_length: Option<u64>,
    content_type: Option<String>,
    /// The body is compressed, although we did not ask for it.
    encoded: bool,
    location: Option<String>,
}

async fn read_head<R>(reader: &mut R, budget: &mut usize) -> Result<Head, FetchError>
where
    R: AsyncBufRead + Unpin,
{
    let mut line = Vec::new();
    let limit = MAX_STATUS_LINE.min(*budget);
    let end = read_line(reader, limit, &mut line).await.map_err(FetchError::Lost)?;
    if end == LineEnd::Limit && limit == *budget {
        return Err(FetchError::HeadTooLong { limit: MAX_HEAD });
    }
    let mut head = parse_status_line(&line)?;
    *budget -= line.len();
    while read_field_line(reader, budget, &mut line).await? {
        head.parse_field(&line)?;
    }
    Ok(head)
}

/// Reads a line of the header, and returns whether it is one: an empty line ends the header.
async fn read_field_line<R>(
    reader: &mut R,
    budget: &mut usize,
    line: &mut Vec<u8>,
) -> Result<bool, FetchError>
where
    R: AsyncBufRead + Unpin,
{
    line.clear();
    match read_line(reader, *budget, line).await.map_err(FetchError::Lost)? {
        LineEnd::Newline => {
            *budget = budget.saturating_sub(line.len() + "\r\n".len());
            Ok(!line.is_empty())
        }
        LineEnd::Limit => Err(FetchError::HeadTooLong { limit: MAX_HEAD }),
        LineEnd::Eof => Err(FetchError::CutShort("the header")),
    }
}

/// Reads `HTTP/1.1 200 OK`.
fn parse_status_line(line: &[u8]) -> Result<Head, FetchError> {
    let parse = || {
        let rest = line.strip_prefix(b"HTTP/1.")?;
        let [minor @ b'0'..=b'9', b' ', rest @ ..] = rest else {
            return None;
        };
        let (digits, reason) = rest.split_at_checked(3)?;
        let status = u16::try_from(parse_number(digits)?).ok()?;
        let is_valid = status >= 100 && (reason.is_empty() || reason.starts_with(b" "));
        // HTTP/1.0 closes the connection after an answer, unless it says otherwise.
        is_valid.then(|| Head { status, keep_alive: *minor >= b'1', ..Head::default() })
    };
    parse().ok_or_else(|| FetchError::NotHttp(quote(line)))
}

impl Head {
    /// Takes in one `name: value`.
    fn parse_field(&mut self, line: &[u8]) -> Result<(), FetchError> {
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(0);
        let (name, value) = line.split_at(colon);
        if name.is_empty() || name.iter().any(|byte| !byte.is_ascii_graphic()) {
            return Err(FetchError::BadHeader(format!("the line {} is not a field", quote(line))));
        }
        let value = value[1..].trim_ascii();
        match name.to_ascii_lowercase().as_slice() {
            b"content-length" => self.parse_content_length(value)?,
            b"transfer-encoding" if value.eq_ignore_ascii_case(b"chunked") => self.chunked = true,
            b"transfer-encoding" => {
                return Err(FetchError::BadHeader(format!(
                    "unknown transfer encoding {}",
                    quote(value)
                )));
            }
            b"connection" => self.parse_connection(value),
            b"content-encoding" => self.encoded = !value.eq_ignore_ascii_case(b"identity"),
            b"content-type" => self.content_type = Some(text(value).to_ascii_lowercase()),
            b"location" => self.location = Some(text(value)),
            _ => {}
        }
        Ok(())
    }

    fn parse_content_length(&mut self, value: &[u8]) -> Result<(), FetchError> {
        let len = parse_number(value).ok_or_else(|| {
            FetchError::BadHeader(format!("{} is not a content length", quote(value)))
        })?;
        if self.content_length.is_some_and(|earlier| earlier != len) {
            return Err(FetchError::BadHeader("two different content lengths".to_owned()));
        }
        self.content_length = Some(len);
        Ok(())
    }

    fn parse_connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.keep_alive = false;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            }
        }
    }

    /// Says how the body ends, by the rules of RFC 9112, section 6.3.
    fn framing(&self) -> Framing {
        match self.content_length {
            _ if matches!(self.status, 204 | 304) => Framing::Empty,
            _ if self.chunked => Framing::Chunked,
            Some(len) => Framing::Length(len),
            None => Framing::UntilClose,
        }
    }

    fn is_html(&self) -> bool {
        let content_type = self.content_type.as_deref().unwrap_or("text/html");
        !self.encoded
            && (content_type.starts_with("text/html")
                || content_type.starts_with("application/xhtml+xml"))
    }
}

/// A body that is being read.
struct Body {
    bytes: Vec<u8>,
    limit: usize,
}

impl Body {
    /// Reads `len` more bytes. Memory is taken as they arrive, not as they are promised.
    async fn read_exactly<R>(&mut self, reader: &mut R, len: u64) -> Result<(), FetchError>
    where
        R: AsyncBufRead + Unpin,
    {
        let mut left = self.check_room(len)?;
        while left > 0 {
            match self.read_some(reader, left).await? {
                0 => return Err(FetchError::CutShort("the body")),
                taken => left -= taken,
            }
        }
        Ok(())
    }

    async fn read_to_end<R>(&mut self, reader: &mut R) -> Result<(), FetchError>
    where
        R: AsyncBufRead + Unpin,
    {
        while self.read_some(reader, usize::MAX).await? > 0 {
            self.check_room(0)?;
        }
        Ok(())
    }

    /// Reads chunks up to the one of no size, and the trailer behind it.
    async fn read_chunks<R>(
        &mut self,
        reader: &mut R,
        head_budget: &mut usize,
    ) -> Result<(), FetchError>
    where
        R: AsyncBufRead + Unpin,
    {
        let mut line = Vec::new();
        loop {
            read_chunk_start(reader, &mut line).await?;
            match parse_chunk_size(&line)? {
                0 => break,
                size => self.read_exactly(reader, size).await?,
            }
            read_chunk_end(reader).await?;
        }
        while read_field_line(reader, head_budget, &mut line).await? {}
        Ok(())
    }

    /// Takes what the reader has, but no more than `max` bytes. Zero is the end of the stream.
    async fn read_some<R>(&mut self, reader: &mut R, max: usize) -> Result<usize, FetchError>
    where
        R: AsyncBufRead + Unpin,
    {
        let available = reader.fill_buf().await.map_err(FetchError::Lost)?;
        let taken = available.len().min(max);
        self.bytes.extend_from_slice(&available[..taken]);
        reader.consume(taken);
        Ok(taken)
    }

    /// Returns `len` if that many bytes more are within the limit.
    fn check_room(&self, len: u64) -> Result<usize, FetchError> {
        let too_long = FetchError::BodyTooLong { limit: self.limit };
        let Some(room) = self.limit.checked_sub(self.bytes.len()) else {
            return Err(too_long);
        };
        usize::try_from(len).ok().filter(|&len| len <= room).ok_or(too_long)
    }
}

/// Reads the line that announces a chunk.
async fn read_chunk_start<R>(reader: &mut R, line: &mut Vec<u8>) -> Result<(), FetchError>
where
    R: AsyncBufRead + Unpin,
{
    line.clear();
    match read_line(reader, MAX_CHUNK_LINE, line).await.map_err(FetchError::Lost)? {
        LineEnd::Newline => Ok(()),
        LineEnd::Limit => Err(FetchError::BadChunk(format!("its size is {}", quote(line)))),
        LineEnd::Eof => Err(FetchError::CutShort("the body")),
    }
}

/// Reads the line break behind a chunk.
async fn read_chunk_end<R>(reader: &mut R) -> Result<(), FetchError>
where
    R: AsyncBufRead + Unpin,
{
    let mut line = Vec::new();
    match read_line(reader, "\r\n".len(), &mut line).await.map_err(FetchError::Lost)? {
        LineEnd::Newline if line.is_empty() => Ok(()),
        LineEnd::Newline | LineEnd::Limit => {
            Err(FetchError::BadChunk("it is longer than it says".to_owned()))
        }
        LineEnd::Eof => Err(FetchError::CutShort("the body")),
    }
}

/// Reads `1a2b`, or `1a2b;extension=value`. A size that is too large becomes the largest.
fn parse_chunk_size(line: &[u8]) -> Result<u64, FetchError> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(FetchError::BadChunk(format!("{} is not a size", quote(line))));
    }
    Ok(u64::from_str_radix(&text(digits), 16).unwrap_or(u64::MAX))
}

/// Reads a decimal number without a sign. One that is too large becomes the largest.
fn parse_number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| text(digits).parse().unwrap_or(u64::MAX))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
