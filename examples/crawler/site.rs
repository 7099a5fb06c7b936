//! The web site that the crawler visits when it is given none: some hundred pages, and every kind of
//! trouble a crawler meets.
//!
//! It runs on the same loop as the crawl, as one more task for each connection.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use monoloop::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use monoloop::net::{TcpListener, TcpStream};
use monoloop::time;

use crate::http::{LineEnd, read_line};
use crate::report::{BAD_LINK, Report};

/// The longest line of a request.
const MAX_LINE: usize = 8 * 1024;

/// The most lines of a request.
const MAX_LINES: usize = 64;

/// How long to wait when no more connections can be accepted, for want of descriptors perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Every so many pages, one is slow, has a dead link, and so on.
const SLOW_EVERY: usize = 4;
const DEAD_LINK_EVERY: usize = 25;
const OLD_LINK_EVERY: usize = 50;
const FAILURE_EVERY: usize = 60;

/// A page that links to something curious, and the link. Each occurs once, on a site of any size.
const CURIOSITIES: [(usize, &str); 7] = [
    (5, "/moved"),
    (9, "http://127.0.0.1:port/"),
    (11, "/silent"),
    (13, "/cut-short"),
    (17, "/garbage"),
    (19, "/loop/a"),
    (23, "/search?q=event+loop&amp;page=2"),
];

/// The smallest number of pages with which all curiosities can be reached.
const MIN_PAGES: usize = 23;

/// What `/garbage` answers: the beginning of a TLS record, perhaps.
const GARBAGE: &[u8] = b"\x16\x03\x01 Yes, who is there?\r\n";

const FILLER: &str =
    "<p>One thread, one loop, and no lock in sight: a task runs until it waits.</p>\n";

/// A site of so many pages, of which the slowest takes so long.
#[derive(Debug)]
pub(crate) struct Site {
    pages: usize,
    slowest: Duration,
}

/// How one request is answered.
enum Answer {
    Page {
        body: String,
        framing: Framing,
        delay: Duration,
    },
    Redirect(&'static str, String),
    Failure(&'static str),
    /// The server closes the connection in the middle of the body.
    CutShort,
    /// Something that is not HTTP.
    Garbage,
    /// The server reads the request, and never answers.
    Silence,
}

/// How the client learns where the body ends: each way occurs.
enum Framing {
    Length,
    Chunked,
    UntilClose,
}

impl Site {
    pub(crate) fn new(pages: usize, slowest: Duration) -> Site {
        assert!(pages >= MIN_PAGES, "a site of {pages} pages has no room for all curiosities");
        Site { pages, slowest }
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(self: Rc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _peer)) => {
                    let site = Rc::clone(&self);
                    drop(monoloop::spawn(async move {
                        // The client may go away whenever it likes: that is no error here.
                        let _ = site.converse(stream).await;
                    }));
                }
                Err(_) => time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    /// Says in which way a report of a crawl of this site is wrong.
    pub(crate) fn check(&self, report: &Report) -> Result<(), String> {
        let errors = [
            ("status 404", self.pages / DEAD_LINK_EVERY),
            ("status 500", self.pages / FAILURE_EVERY),
            ("timeout", 1),
            ("cut short", 1),
            ("not http", 1),
            ("redirect loop", 1),
            (BAD_LINK, 1),
        ];
        let errors = BTreeMap::from(errors.map(|(kind, count)| (kind.to_owned(), count)));
        // Beside the numbered pages: the index, the target of `/moved`, and the search.
        let pages = self.pages + 3;
        // Beside the old pages: `/moved`, and the first half of the loop.
        let redirects = self.pages / OLD_LINK_EVERY + 2;

        let expected = (pages, redirects, &errors);
        let found = (report.pages(), report.redirects(), report.errors());
        if found == expected {
            return Ok(());
        }
        Err(format!(
            "expected pages, redirects, errors: {expected:?}\n   found pages, redirects, errors: {found:?}"
        ))
    }

    /// Answers the requests of one connection, until one side closes it.
    async fn converse(&self, stream: TcpStream) -> io::Result<()> {
        let authority = stream.local_addr()?.to_string();
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        while let Some(target) = read_request(&mut stream).await? {
            let answer = self.answer(&authority, &target);
            if let Answer::Page { delay, .. } = answer {
                time::sleep(delay).await;
            }
            let stream = stream.get_mut();
            match answer {
                Answer::Page { body, framing, .. } => {
                    stream.write_all(render_page(&body, &framing).as_bytes()).await?;
                    if matches!(framing, Framing::UntilClose) {
                        return Ok(());
                    }
                }
                Answer::Redirect(status, location) => {
                    let location = format!("Location: {location}\r\n");
                    stream.write_all(render(status, &location, "").as_bytes()).await?;
                }
                Answer::Failure(status) => {
                    stream.write_all(render(status, "", status).as_bytes()).await?;
                }
                Answer::CutShort => {
                    let whole = render("200 OK", "", &FILLER.repeat(10));
                    return stream.write_all(&whole.as_bytes()[..whole.len() / 2]).await;
                }
                Answer::Garbage => return stream.write_all(GARBAGE).await,
                Answer::Silence => wait_for_hang_up(stream).await?,
            }
        }
        Ok(())
    }

    fn answer(&self, authority: &str, target: &str) -> Answer {
        if let Some(number) = target.strip_prefix("/page/") {
            return match number.parse() {
                Ok(number) if (1..=self.pages).contains(&number) => self.page(authority, number),
                _ => Answer::Failure("404 Not Found"),
            };
        }
        if let Some(number) = target.strip_prefix("/old/") {
            return Answer::Redirect("301 Moved Permanently", format!("../page/{number}"));
        }
        if target.starts_with("/failure/") {
            return Answer::Failure("500 Internal Server Error");
        }
        match target {
            "/" => simple_page(INDEX),
            "/arrived" => simple_page("<p>This page has moved here.</p>"),
            "/search?q=event+loop&page=2" => simple_page("<p>Nothing more was found.</p>"),
            "/moved" => Answer::Redirect("302 Found", format!("http://{authority}/arrived#here")),
            "/loop/a" => Answer::Redirect("302 Found", "b".to_owned()),
            "/loop/b" => Answer::Redirect("302 Found", "a".to_owned()),
            "/cut-short" => Answer::CutShort,
            "/garbage" => Answer::Garbage,
            "/silent" => Answer::Silence,
            _ => Answer::Failure("404 Not Found"),
        }
    }

    /// Writes page `number`. The pages form a tree: page n links to 2n and 2n + 1, and back.
    fn page(&self, authority: &str, number: usize) -> Answer {
        let mut body = format!("<title>Page {number}</title>\n<h1>Page {number}</h1>\n");
        let related = [number / 2, 2 * number, 2 * number + 1, number * 7 % self.pages];
        for page in related.into_iter().filter(|page| (1..=self.pages).contains(page)) {
            let _ = writeln!(
                body,
                "<a class=related href={}>Page {page}</a>",
                spell_link(authority, page)
            );
        }
        for (every, folder) in
            [(DEAD_LINK_EVERY, "missing"), (OLD_LINK_EVERY, "old"), (FAILURE_EVERY, "failure")]
        {
            if number % every == 0 {
                let _ = writeln!(body, "<a href='../{folder}/{number}'>More</a>");
            }
        }
        for (_, link) in CURIOSITIES.iter().filter(|&&(page, _)| page == number) {
            let _ = writeln!(body, "<a href=\"{link}\">A curiosity</a>");
        }
        body.push_str(&FILLER.repeat(1 + number * 13 % 97));

        let is_slow = number % SLOW_EVERY == 0;
        let eighths = if is_slow { 1 + number / SLOW_EVERY % 8 } else { 0 };
        let framing = match number % 10 {
            1 | 4 | 7 => Framing::Chunked,
            9 => Framing::UntilClose,
            _ => Framing::Length,
        };
        Answer::Page { body, framing, delay: self.slowest * eighths as u32 / 8 }
    }
}

/// The front page, with links that are not to be followed.
const INDEX: &str = r#"<!doctype html>
<title>A small site</title>
<!-- <a href="/commented-out">not a link</a> -->
<script>document.write('<a href="/scripted">not a link either</a>')</script>
<h1>A small site</h1>
<a href="/page/1">Start reading</a> <a href="./#top">or stay here</a>
<a href="mailto:someone@example.com">Write to us</a>, <a href="http://example.com/">or go elsewhere</a>
"#;

fn simple_page(body: &str) -> Answer {
    Answer::Page { body: body.to_owned(), framing: Framing::Length, delay: Duration::ZERO }
}

/// Links to a page in one of the many ways to do so.
fn spell_link(authority: &str, page: usize) -> String {
    match page % 7 {
        0 => format!("{page}"),
        1 => format!("'./{page}#top'"),
        2 => format!("\"../page/{page}\""),
        3 => format!("/somewhere/.././page/{page}#{page}"),
        4 => format!("\"//{authority}/page/{page}\""),
        5 => format!("'http://{authority}/page/{page}'"),
        _ => format!("/page/{page}"),
    }
}

/// Writes an answer, whose header ends with these fields.
fn render(status: &str, fields: &str, body: &str) -> String {
    let len = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\n{fields}\r\n{body}")
}

fn render_page(body: &str, framing: &Framing) -> String {
    let content_type = "Content-Type: text/html; charset=utf-8\r\n";
    let head = format!("HTTP/1.1 200 OK\r\n{content_type}");
    match framing {
        Framing::Length => render("200 OK", content_type, body),
        Framing::UntilClose => format!("{head}Connection: close\r\n\r\n{body}"),
        Framing::Chunked => {
            let (first, second) = body.split_at(body.len() / 3);
            let (first_len, second_len) = (first.len(), second.len());
            format!(
                "{head}Transfer-Encoding: chunked\r\n\r\n\
                 {first_len:x}\r\n{first}\r\n{second_len:X};last=yes\r\n{second}\r\n0\r\n\r\n"
            )
        }
    }
}

/// Reads a request, and returns its target. `None` when the client has no more.
async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut target = None;
    for _ in 0..MAX_LINES {
        let mut line = Vec::new();
        if read_line(stream, MAX_LINE, &mut line).await? != LineEnd::Newline {
            return Ok(None);
        }
        if line.is_empty() {
            return Ok(target);
        }
        if target.is_none() {
            target = String::from_utf8_lossy(&line).split(' ').nth(1).map(str::to_owned);
        }
    }
    Ok(None)
}

/// Waits for the client to give up.
async fn wait_for_hang_up(stream: &mut TcpStream) -> io::Result<()> {
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}
