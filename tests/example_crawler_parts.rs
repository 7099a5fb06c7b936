//! The parts of the crawler example, each by itself: addresses, links, HTTP, the frontier, arguments.

#![cfg(not(miri))] // there is nothing unsafe in it, and much to repeat
#![allow(dead_code, reason = "the modules are those of a program, which uses all of them")]

#[path = "../examples/crawler/args.rs"]
mod args;
#[path = "../examples/crawler/crawl.rs"]
mod crawl;
#[path = "../examples/crawler/error.rs"]
mod error;
#[path = "../examples/crawler/frontier.rs"]
mod frontier;
#[path = "../examples/crawler/html.rs"]
mod html;
#[path = "../examples/crawler/http.rs"]
mod http;
#[path = "../examples/crawler/report.rs"]
mod report;
#[path = "../examples/crawler/url.rs"]
mod url;

use std::time::{Duration, Instant};

/// Numbers that look random and are the same in every run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    /// A text put together from `pieces`.
    fn text(&mut self, pieces: &[&str]) -> String {
        (0..self.below(12)).map(|_| pieces[self.below(pieces.len())]).collect()
    }
}

mod urls {
    use super::Random;
    use crate::url::{Url, UrlError};

    fn parse(text: &str) -> String {
        Url::parse(text).map_or_else(|error| format!("{error:?}"), |url| url.to_string())
    }

    #[test]
    fn an_address_is_normalized() {
        for (text, normalized) in [
            ("http://example.com", "http://example.com/"),
            ("  HTTP://Example.COM:80/a/../b\n", "http://example.com/b"),
            ("http://127.0.0.1:8080?q", "http://127.0.0.1:8080/?q"),
            ("http://[::1]:8080/x#fragment", "http://[::1]:8080/x"),
            ("http://[::1]", "http://[::1]/"),
            ("http://h:/", "http://h/"),
            ("http://h/a b/ü?<\">", "http://h/a%20b/%C3%BC?%3C%22%3E"),
            ("http://h/%7e%zz", "http://h/%7e%zz"),
            ("http://h/a//b/./c/..", "http://h/a//b/"),
            ("http://h/a\r\nX: y", "http://h/aX:%20y"),
            ("http://h/\u{1b}[2J\u{7f}", "http://h/%1B[2J%7F"),
        ] {
            assert_eq!(parse(text), normalized, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, error) in [
            ("", UrlError::NotAbsolute),
            ("example.com/", UrlError::NotAbsolute),
            ("/path", UrlError::NotAbsolute),
            ("//host/", UrlError::NotAbsolute),
            ("https://h/", UrlError::Scheme("https".to_owned())),
            ("localhost:8080", UrlError::Scheme("localhost".to_owned())),
            ("http:", UrlError::NoHost),
            ("http:/h", UrlError::NoHost),
            ("http:///path", UrlError::NoHost),
            ("http://:80/", UrlError::NoHost),
            ("http://me:secret@h/", UrlError::Credentials),
            ("http://h:0/", UrlError::Port),
            ("http://h:65536/", UrlError::Port),
            ("http://h:+1/", UrlError::Port),
            ("http://h:1:2/", UrlError::Port),
            ("http://::1/", UrlError::Port),
            ("http://[::1/", UrlError::Port),
            ("http://[::1]x/", UrlError::Host),
            ("http://[nonsense]/", UrlError::Host),
            ("http://a b/", UrlError::Host),
            ("http://h\u{1b}[2J/", UrlError::Host),
            ("http://ü/", UrlError::Host),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(Url::parse(&format!("http://{}/", "h".repeat(300))), Err(UrlError::Host));
        assert_eq!(Url::parse(&format!("http://h/{}", "x".repeat(3000))), Err(UrlError::TooLong));
    }

    #[test]
    fn links_resolve_as_in_rfc_3986() {
        let base = Url::parse("http://a/b/c/d;p?q").unwrap();
        for (link, target) in [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("?y", "/b/c/d;p?y"),
            ("g?y", "/b/c/g?y"),
            ("#s", "/b/c/d;p?q"),
            ("g#s", "/b/c/g"),
            ("g?y#s", "/b/c/g?y"),
            (";x", "/b/c/;x"),
            ("g;x", "/b/c/g;x"),
            ("", "/b/c/d;p?q"),
            (".", "/b/c/"),
            ("./", "/b/c/"),
            ("..", "/b/"),
            ("../", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../", "/"),
            ("../../g", "/g"),
            ("../../../g", "/g"),
            ("/./g", "/g"),
            ("/../g", "/g"),
            ("g.", "/b/c/g."),
            (".g", "/b/c/.g"),
            ("..g", "/b/c/..g"),
            ("./../g", "/b/g"),
            ("./g/.", "/b/c/g/"),
            ("g/./h", "/b/c/g/h"),
            ("g/../h", "/b/c/h"),
            ("g;x=1/../y", "/b/c/y"),
            ("g?y/../x", "/b/c/g?y/../x"),
        ] {
            assert_eq!(
                base.join(link).unwrap().to_string(),
                format!("http://a{target}"),
                "{link:?}"
            );
        }
        assert_eq!(base.join("//g:81/x").unwrap().to_string(), "http://g:81/x");
        assert_eq!(base.join("http://g/../x").unwrap().to_string(), "http://g/x");
        assert_eq!(base.join("mailto:me@a"), Err(UrlError::Scheme("mailto".to_owned())));
        assert_eq!(base.join("http://:0/"), Err(UrlError::NoHost));
    }

    #[test]
    fn a_site_is_a_host_and_a_port() {
        let url = |text| Url::parse(text).unwrap();
        assert!(url("http://h/a").same_site(&url("http://H:80/b")));
        assert!(!url("http://h/").same_site(&url("http://h:81/")));
        assert!(!url("http://h/").same_site(&url("http://www.h/")));
        assert_eq!(url("http://[::1]:81/").host(), "::1");
        assert_eq!(url("http://[::1]:81/").authority(), "[::1]:81");
        assert_eq!(url("http://h:80/").authority(), "h");
    }

    #[test]
    fn whatever_resolves_is_printable_and_stays_itself() {
        let pieces = [
            "http:", "//", "/", "..", ".", "h", ":", "8", "?", "#", "[", "]", "::1", "@", " ",
            "\n", "ü", "%", "\u{1b}", "\u{202e}", "x", "&",
        ];
        let mut random = Random(1);
        let base = Url::parse("http://a/b/c?d").unwrap();
        for _ in 0..20_000 {
            let text = random.text(&pieces);
            for url in [Url::parse(&text), base.join(&text)].into_iter().flatten() {
                let shown = url.to_string();
                assert!(shown.bytes().all(|b| b.is_ascii_graphic()), "{text:?}: {shown:?}");
                assert_eq!(Url::parse(&shown), Ok(url), "{text:?}");
            }
        }
    }
}

mod pages {
    use super::{Duration, Instant, Random};
    use crate::html::{Link, links};

    fn targets(page: &str) -> Vec<String> {
        let text = |link| match link {
            Link::To(text) => text.into_owned(),
            Link::Base(text) => format!("base {text}"),
        };
        links(page).map(text).collect()
    }

    #[test]
    fn links_are_found_however_they_are_written() {
        for (page, expected) in [
            ("<a href=\"x\">", vec!["x"]),
            ("<A HREF='x y'>", vec!["x y"]),
            ("<a href=x>", vec!["x"]),
            ("<a\n class = b  href\t=\n\"x\" id=c>", vec!["x"]),
            ("<a title='a > b' href=x>", vec!["x"]),
            ("<a href=x href=y>", vec!["x"]),
            ("<a href>", vec![""]),
            ("<a/href=x/>", vec!["x/"]),
            ("<a name=x><a href=y>", vec!["y"]),
            ("<area href=1><iframe src=2><frame src=3>", vec!["1", "2", "3"]),
            ("<base href='/b/'><a href=x>", vec!["base /b/", "x"]),
            ("<a href='?a=1&amp;b=2&#38;c&#x26;d&lt;'>", vec!["?a=1&b=2&c&d<"]),
            ("<a href='?a&b&nosuch;&#xffffffff;&'>", vec!["?a&b&nosuch;&#xffffffff;&"]),
        ] {
            assert_eq!(targets(page), expected, "{page:?}");
        }
    }

    #[test]
    fn what_looks_like_a_link_is_none() {
        for page in [
            "",
            "no tags at all",
            "<!-- <a href=x> --",
            "<!-- <a href=x> -->",
            "<script>'<a href=x>'</script>",
            "<STYLE><a href=x></Style>",
            "<title><a href=x></title>",
            "<textarea><a href=x>",
            "<p title='<a href=x>'>",
            "<abbr href=x>",
            "<link href=x><img src=x>",
            "</a href=x>",
            "< a href=x>",
            "<a data-href=x>",
            "<a",
        ] {
            assert_eq!(targets(page), [""; 0], "{page:?}");
        }
    }

    #[test]
    fn links_after_a_script_are_found() {
        let page = "<script>if (a</b/.c) '</scrip>'</SCRIPT ><a href=x><!--<script>--><a href=y>";
        assert_eq!(targets(page), ["x", "y"]);
    }

    #[test]
    fn no_page_is_too_odd() {
        let pieces = [
            "<", ">", "a", " ", "href", "=", "\"", "'", "x", "&", "&amp;", "#", ";", "/", "!--",
            "-->", "script", "ü", "\0",
        ];
        let mut random = Random(2);
        for _ in 0..50_000 {
            links(&random.text(&pieces)).for_each(drop);
        }
    }

    #[test]
    fn a_page_is_read_once_whatever_it_holds() {
        for piece in
            ["<", "<a ", "<a x=\"", "<!--", "<script>", "</script", "&", "<a href='&", "<a href=x>"]
        {
            let page = piece.repeat(1024 * 1024 / piece.len());
            let start = Instant::now();
            links(&page).for_each(drop);
            // Many times what it takes; reading everything again for each piece would take hours.
            assert!(start.elapsed() < Duration::from_secs(60), "{piece:?}");
        }
    }
}

mod answers {
    use monoloop::io::{AsyncReadExt, BufReader};

    use super::Random;
    use crate::error::FetchError;
    use crate::http::{MAX_HEAD, Response, read_response};

    const MAX_BODY: usize = 100;

    /// Reads an answer that arrives in pieces of `piece` bytes. Also returns what was left unread.
    fn read(answer: &[u8], piece: usize) -> (Result<Response, FetchError>, Vec<u8>) {
        monoloop::run(async {
            let mut reader = BufReader::with_capacity(piece, answer);
            let response = read_response(&mut reader, MAX_BODY).await;
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).await.unwrap();
            (response, rest)
        })
    }

    fn read_whole(answer: &str) -> Result<Response, FetchError> {
        read(answer.as_bytes(), 8192).0
    }

    /// What the error says, or the body if there is none.
    fn verdict(answer: &[u8]) -> String {
        match read(answer, 8192).0 {
            Ok(response) => format!("a page: {}", String::from_utf8_lossy(&response.body)),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_framing_ends_where_it_should() {
        for (answer, body, rest) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more", "hello", ", and more"),
            ("HTTP/1.0 200 OK\nContent-Length: 5\n\nhello", "hello", ""),
            ("HTTP/1.1 200 \r\n\r\nhello to the end", "hello to the end", ""),
            ("HTTP/1.1 204\r\nContent-Length: 5\r\n\r\nnext", "", "next"),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nnext", "", "next"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length:5\r\ncontent-length:  5 \r\n\r\nhello",
                "hello",
                "",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
                 5;x=y\r\nhello\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nnext",
                "hello0123456789",
                "next",
            ),
            // The chunks win over the length.
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "",
                "",
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                "ok",
                "",
            ),
        ] {
            for piece in [1, 2, 3, 7, 8192] {
                let (response, unread) = read(answer.as_bytes(), piece);
                assert_eq!(response.unwrap().body, body.as_bytes(), "{answer:?} by {piece}");
                assert_eq!(unread, rest.as_bytes(), "{answer:?} by {piece}");
            }
        }
    }

    #[test]
    fn the_header_is_understood() {
        let response = read_whole(
            "HTTP/1.1 302 Found\r\nLOCATION: /x\r\nContent-Type: Text/HTML; charset=utf-8\r\n\
             X-Odd: \u{ff}:\0\r\nContent-Length: 0\r\n\r\n",
        );
        let response = response.unwrap();
        assert_eq!(response.status, 302);
        assert_eq!(response.location.as_deref(), Some("/x"));
        assert!(response.is_html);

        for (fields, is_html) in [
            ("", true),
            ("Content-Type: application/xhtml+xml\r\n", true),
            ("Content-Type: image/png\r\n", false),
            ("Content-Encoding: gzip\r\n", false),
            ("Content-Encoding: identity\r\n", true),
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
            assert_eq!(read_whole(&answer).unwrap().is_html, is_html, "{fields:?}");
        }
    }

    #[test]
    fn a_bad_answer_is_told_in_one_line() {
        let length = "HTTP/1.1 200 OK\r\nContent-Length: ";
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (answer, message) in [
            ("".to_owned(), r#"the answer is not HTTP/1: it starts with """#),
            ("SSH-2.0-x\r\n".to_owned(), r#"the answer is not HTTP/1: it starts with "SSH-2.0-x""#),
            (
                "\u{1b}[2J\u{202e}\r\n".to_owned(),
                r#"the answer is not HTTP/1: it starts with "\u{1b}[2J\u{202e}""#,
            ),
            (
                "x".repeat(5000),
                "the answer is not HTTP/1: it starts with \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"...",
            ),
            (
                "HTTP/2 200\r\n\r\n".to_owned(),
                r#"the answer is not HTTP/1: it starts with "HTTP/2 200""#,
            ),
            (
                "HTTP/1.1 99\r\n\r\n".to_owned(),
                r#"the answer is not HTTP/1: it starts with "HTTP/1.1 99""#,
            ),
            (
                "HTTP/1.1 0200\r\n".to_owned(),
                r#"the answer is not HTTP/1: it starts with "HTTP/1.1 0200""#,
            ),
            (
                "HTTP/1.1 +20\r\n".to_owned(),
                r#"the answer is not HTTP/1: it starts with "HTTP/1.1 +20""#,
            ),
            (
                "HTTP/1.1 200 OK\r\n".to_owned(),
                "the server closed the connection in the middle of the header",
            ),
            (
                "HTTP/1.1 200 OK\r\nX: y\r\n".to_owned(),
                "the server closed the connection in the middle of the header",
            ),
            (
                "HTTP/1.1 200 OK\r\nX y\r\n\r\n".to_owned(),
                r#"bad header: the line "X y" is not a field"#,
            ),
            (
                "HTTP/1.1 200 OK\r\n: y\r\n\r\n".to_owned(),
                r#"bad header: the line ": y" is not a field"#,
            ),
            (
                "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n".to_owned(),
                r#"bad header: the line " z" is not a field"#,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".to_owned(),
                r#"bad header: unknown transfer encoding "gzip, chunked""#,
            ),
            (
                format!("{length}5\r\nContent-Length: 6\r\n\r\n"),
                "bad header: two different content lengths",
            ),
            (format!("{length}-5\r\n\r\n"), r#"bad header: "-5" is not a content length"#),
            (format!("{length}+5\r\n\r\n"), r#"bad header: "+5" is not a content length"#),
            (format!("{length}\r\n\r\n"), r#"bad header: "" is not a content length"#),
            (format!("{length}101\r\n\r\n"), "the body is longer than 100 bytes"),
            (
                format!("{length}99999999999999999999999\r\n\r\n"),
                "the body is longer than 100 bytes",
            ),
            (
                format!("{length}5\r\n\r\nhell"),
                "the server closed the connection in the middle of the body",
            ),
            (
                format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(101)),
                "the body is longer than 100 bytes",
            ),
            (format!("{chunked}xyz\r\n"), r#"bad chunk: "xyz" is not a size"#),
            (format!("{chunked}-1\r\n"), r#"bad chunk: "-1" is not a size"#),
            (format!("{chunked}\r\n"), r#"bad chunk: "" is not a size"#),
            (format!("{chunked}5\r\nhello!\r\n"), "bad chunk: it is longer than it says"),
            (format!("{chunked}5\r\nhello world\r\n"), "bad chunk: it is longer than it says"),
            (format!("{chunked}ffffffffffffffffffffff\r\n"), "the body is longer than 100 bytes"),
            (
                format!("{chunked}60\r\n{}\r\n5\r\n", "x".repeat(96)),
                "the body is longer than 100 bytes",
            ),
            (
                format!("{chunked}5\r\nhello\r\n"),
                "the server closed the connection in the middle of the body",
            ),
            (
                format!("{chunked}0\r\n"),
                "the server closed the connection in the middle of the header",
            ),
        ] {
            assert_eq!(verdict(answer.as_bytes()), message, "{answer:?}");
        }
        let long_size = format!("{chunked}{}", "0".repeat(500));
        assert!(verdict(long_size.as_bytes()).starts_with("bad chunk: its size is \"000"));
    }

    #[test]
    fn a_header_has_a_limit_in_all_its_parts() {
        let too_long = format!("the header is longer than {MAX_HEAD} bytes");
        let many_fields = "X: y\r\n".repeat(MAX_HEAD);
        let long_field = "x".repeat(2 * MAX_HEAD);
        let answers = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
        for answer in [
            format!("HTTP/1.1 200 OK\r\n{many_fields}"),
            format!("HTTP/1.1 200 OK\r\nX: {long_field}"),
            format!("{chunked}{many_fields}"),
            answers,
        ] {
            assert_eq!(verdict(answer.as_bytes()), too_long, "{:?}", &answer[..80]);
        }
    }

    #[test]
    fn damaged_answers_end_in_an_error_or_a_bounded_body() {
        let sound: [&[u8]; 2] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nhello world!",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x\r\nyou\r\n0\r\n\r\n",
        ];
        let mut random = Random(3);
        for round in 0..20_000 {
            let mut answer = sound[round % 2].to_vec();
            for _ in 0..1 + random.below(4) {
                let at = random.below(answer.len());
                match random.below(4) {
                    0 => answer[at] = random.below(256) as u8,
                    1 if answer.len() > 1 => drop(answer.remove(at)),
                    2 => answer.insert(at, b"0123456789\r\n:; -"[random.below(16)]),
                    _ => answer.truncate(at + 1),
                }
            }
            match read(&answer, 1 + random.below(40)).0 {
                Ok(response) => assert!(response.body.len() <= MAX_BODY),
                Err(error) => assert!(!error.to_string().chars().any(char::is_control), "{error}"),
            }
        }
    }
}

mod queue {
    use std::future::Future;
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::{Context, Poll, Waker};

    use crate::error::FetchError;
    use crate::frontier::{Frontier, Job, MAX_REDIRECTS};
    use crate::url::Url;

    fn url(path: &str) -> Url {
        Url::parse(&format!("http://h{path}")).unwrap()
    }

    fn poll_next(frontier: &Rc<Frontier>) -> Poll<Option<Job>> {
        pin!(frontier.next()).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn next(frontier: &Rc<Frontier>) -> Job {
        match poll_next(frontier) {
            Poll::Ready(Some(job)) => job,
            other => panic!("no job, but {other:?}"),
        }
    }

    #[test]
    fn each_page_is_handed_out_once_in_order() {
        let frontier = Frontier::new(10);
        frontier.add_start(url("/"));
        let first = next(&frontier);
        for path in ["/b", "/a", "/b", "/"] {
            frontier.add_link(&first.visit, url(path));
        }
        assert_eq!(next(&frontier).visit.url.target(), "/b");
        assert_eq!(next(&frontier).visit.url.target(), "/a");
        assert!(poll_next(&frontier).is_pending(), "the first page may still have links");
        drop(first);
        assert!(matches!(poll_next(&frontier), Poll::Ready(None)));
    }

    #[test]
    fn a_waiting_worker_is_woken_by_a_link_and_by_the_end() {
        monoloop::run(async {
            let frontier = Frontier::new(10);
            frontier.add_start(url("/"));
            let first = next(&frontier);
            let spawn_worker = || {
                let frontier = Rc::clone(&frontier);
                monoloop::spawn(async move {
                    let mut pages = 0;
                    while let Some(_job) = frontier.next().await {
                        pages += 1;
                        monoloop::yield_now().await;
                    }
                    pages
                })
            };
            let workers = [spawn_worker(), spawn_worker(), spawn_worker()];
            monoloop::yield_now().await;
            for path in ["/a", "/b", "/c"] {
                frontier.add_link(&first.visit, url(path));
            }
            monoloop::yield_now().await;
            drop(first);
            for worker in workers {
                assert_eq!(worker.await.unwrap(), 1);
            }
        });
    }

    #[test]
    fn no_more_than_the_limit_is_remembered() {
        let frontier = Frontier::new(2);
        for path in ["/a", "/b", "/b"] {
            frontier.add_start(url(path));
        }
        assert!(!frontier.is_full());
        frontier.add_start(url("/c"));
        assert!(frontier.is_full());
        assert_eq!(frontier.pending(), 2);
    }

    #[test]
    fn a_circle_of_redirects_is_an_error_once() {
        let frontier = Frontier::new(100);
        for path in ["/a", "/b", "/c", "/self"] {
            frontier.add_start(url(path));
        }
        let jobs: Vec<_> = (0..4).map(|_| next(&frontier)).collect();
        let redirect = |from: usize, to| frontier.add_redirect(&jobs[from].visit, url(to));
        assert!(redirect(1, "/c").is_ok());
        assert!(redirect(0, "/b").is_ok());
        assert!(matches!(redirect(2, "/a"), Err(FetchError::RedirectLoop)));
        assert!(matches!(redirect(3, "/self"), Err(FetchError::RedirectLoop)));
    }

    #[test]
    fn redirects_that_lead_on_and_on_are_an_error() {
        let frontier = Frontier::new(100);
        frontier.add_start(url("/0"));
        for hop in 1..=MAX_REDIRECTS {
            let job = next(&frontier);
            assert!(frontier.add_redirect(&job.visit, url(&format!("/{hop}"))).is_ok());
        }
        let job = next(&frontier);
        let error = frontier.add_redirect(&job.visit, url("/more"));
        assert!(matches!(error, Err(FetchError::TooManyRedirects { .. })));
    }
}

mod command_line {
    use std::ffi::OsString;

    use super::Duration;
    use crate::args::{Command, parse};

    fn parse_line(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_and_addresses_mix() {
        let line =
            "--concurrency 5 http://a/ --timeout=0.25 http://b:81/x --max-pages 7 --max-body=8";
        let Ok(Command::Crawl(start, settings)) = parse_line(line) else {
            panic!("it is a sound command line");
        };
        assert_eq!(
            start.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["http://a/", "http://b:81/x"]
        );
        assert_eq!(settings.concurrency, 5);
        assert_eq!(settings.timeout, Duration::from_millis(250));
        assert_eq!((settings.max_pages, settings.max_body), (7, 8));
    }

    #[test]
    fn an_address_may_hold_an_equals_sign() {
        assert!(matches!(parse_line("http://a/?x=y"), Ok(Command::Crawl(..))));
    }

    #[test]
    fn without_an_address_the_own_site_is_crawled() {
        assert!(matches!(parse_line(""), Ok(Command::CrawlOwnSite(_))));
        assert!(matches!(parse_line("--smoke"), Ok(Command::Smoke(_))));
        assert!(matches!(parse_line("--concurrency 2 -h"), Ok(Command::Help)));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, message) in [
            ("--concurrency", "--concurrency wants a value"),
            ("--concurrency 0", "--concurrency wants a number from 1 to 10000, not \"0\""),
            ("--concurrency 99999", "--concurrency wants a number from 1 to 10000, not \"99999\""),
            ("--max-pages -1", "--max-pages wants a number from 1, not \"-1\""),
            ("--max-body=4M", "--max-body wants a number from 1, not \"4M\""),
            ("--timeout 0", "--timeout wants a number of seconds above 0, not \"0\""),
            ("--timeout nan", "--timeout wants a number of seconds above 0, not \"nan\""),
            ("--timeout 1e99", "--timeout wants a number of seconds above 0, not \"1e99\""),
            ("--nope", "there is no option \"--nope\""),
            ("--smoke http://a/", "--smoke crawls its own site, and takes no address"),
            ("a.html", "\"a.html\": not an address: it should look like http://host:port/"),
            (
                "https://a/",
                "\"https://a/\": https is not supported: this crawler speaks plain http only",
            ),
        ] {
            assert_eq!(parse_line(line).unwrap_err(), message, "{line:?}");
        }
    }
}
