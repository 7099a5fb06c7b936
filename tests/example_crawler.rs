//! The crawler example as a program, against servers good and bad: what it prints, how it exits, and
//! that it ends.

#![cfg(not(miri))] // it starts processes

mod example_common;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use example_common::example;

/// How long a run may take. Each is over in two seconds at most, if the machine is not busy.
const LIMIT: Duration = Duration::from_secs(60);

/// How long a server waits for a client that does nothing.
const SERVER_PATIENCE: Duration = Duration::from_secs(30);

/// What a run of the crawler left.
#[derive(Debug)]
struct Outcome {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Outcome {
    /// The number in the row of the table that begins with `name`.
    fn row(&self, name: &str) -> usize {
        let row = self.stdout.lines().find_map(|line| line.trim_start().strip_prefix(name));
        let row = row.unwrap_or_else(|| panic!("there is no row {name:?} in {self:#?}"));
        row.trim().parse().unwrap_or_else(|_| panic!("{row:?} is no number in {self:#?}"))
    }

    /// Asserts that the one page that was asked for failed, with this line.
    fn assert_failed(&self, line: &str, kind: &str) {
        assert_eq!(self.status, 1, "{self:#?}");
        let expected = [line, "crawler: nothing could be fetched"];
        let printed = self.stderr.lines().filter(|line| !line.contains(" pending, "));
        assert_eq!(printed.collect::<Vec<_>>(), expected, "{self:#?}");
        assert_eq!((self.row("pages"), self.row("errors"), self.row(kind)), (0, 1, 1), "{self:#?}");
    }
}

/// Runs the example with these arguments to its end, which must come within [`LIMIT`].
fn crawler(args: &[&str]) -> Outcome {
    let mut child = Command::new(example("crawler"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the example can be started");
    let stdout = read_all(child.stdout.take().expect("stdout is piped"));
    let stderr = read_all(child.stderr.take().expect("stderr is piped"));

    let deadline = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().expect("the child is ours");
            child.wait().expect("the child is ours");
            let stderr = stderr.join().expect("the reader does not panic");
            panic!("crawler {args:?} is not over after {LIMIT:?}: {stderr}");
        }
        thread::sleep(Duration::from_millis(5));
    };
    Outcome {
        status: status.code().unwrap_or_else(|| panic!("crawler {args:?} was killed: {status}")),
        stdout: stdout.join().expect("the reader does not panic"),
        stderr: without_slow_polls(&stderr.join().expect("the reader does not panic")),
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).expect("the example prints UTF-8");
        text
    })
}

/// A debug build on a busy machine has slow polls, and says so: that is not what these tests are about.
fn without_slow_polls(stderr: &str) -> String {
    let is_other =
        |line: &&str| !(line.starts_with("monoloop: ") && line.contains("kept the loop for"));
    stderr.split_inclusive('\n').filter(is_other).collect()
}

/// A server in a thread, stopped and joined when it is dropped.
struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Calls `handle` for each connection, in a thread of its own. An error there means that the client
    /// is gone, which is its right.
    fn start<H>(handle: H) -> Server
    where
        H: Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            thread::scope(|scope| {
                for stream in listener.incoming().flatten() {
                    if stopped.load(Ordering::Acquire) {
                        return;
                    }
                    stream.set_read_timeout(Some(SERVER_PATIENCE)).expect("it is not zero");
                    stream.set_write_timeout(Some(SERVER_PATIENCE)).expect("it is not zero");
                    scope.spawn(|| handle(stream));
                }
            });
        });
        Server { address, stop, thread: Some(thread) }
    }

    /// A server that answers each request with these bytes, and closes the connection.
    fn answering(answer: impl Into<Vec<u8>>) -> Server {
        let answer = answer.into();
        Server::start(move |stream| {
            read_request(&stream)?;
            (&stream).write_all(&answer)
        })
    }

    /// A server that answers with `start`, and then with `piece` without end.
    fn answering_without_end(start: &'static str, piece: &'static str) -> Server {
        let pieces = piece.repeat(64 * 1024 / piece.len());
        Server::start(move |mut stream| {
            read_request(&stream)?;
            stream.write_all(start.as_bytes())?;
            loop {
                stream.write_all(pieces.as_bytes())?;
            }
        })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Accepting is what the thread waits in.
        drop(TcpStream::connect(self.address));
        let ended = self.thread.take().expect("dropped once").join();
        if !thread::panicking() {
            ended.expect("the server does not panic");
        }
    }
}

/// Reads a request, and returns its target.
fn read_request(stream: &TcpStream) -> io::Result<String> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    for line in lines {
        if line?.is_empty() {
            return Ok(request.split(' ').nth(1).unwrap_or_default().to_owned());
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn page(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Crawls one page of a bad server, and expects this line about it.
fn assert_fails(server: &Server, message: &str, kind: &str) {
    let url = server.url("/");
    crawler(&["--timeout", "20", &url]).assert_failed(&format!("{url}: {message}"), kind);
}

#[test]
fn the_smoke_run_checks_itself() {
    let outcome = crawler(&["--smoke"]);
    assert_eq!(outcome.status, 0, "{outcome:#?}");
    assert_eq!((outcome.row("pages"), outcome.row("timeout")), (63, 1), "{outcome:#?}");
}

#[test]
fn the_smoke_run_notices_a_wrong_result() {
    let outcome = crawler(&["--smoke", "--max-pages", "20"]);
    assert_eq!(outcome.status, 1, "{outcome:#?}");
    assert!(outcome.stderr.contains("crawler: the result is wrong"), "{outcome:#?}");
}

#[test]
fn one_worker_finds_what_many_find() {
    let outcome = crawler(&["--smoke", "--concurrency", "1"]);
    assert_eq!(outcome.status, 0, "{outcome:#?}");
}

#[test]
fn a_good_site_is_crawled_within_its_host() {
    let elsewhere = Server::start(|_| panic!("nobody was to come here"));
    let elsewhere_url = elsewhere.url("/");
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let server = Server::start(move |mut stream| {
        // Keeps the connection open, as long as the client does.
        loop {
            let target = read_request(&stream)?;
            counted.fetch_add(1, Ordering::Relaxed);
            let answer = match target.as_str() {
                "/" => page(&format!(
                    "<a href=a/b#x>1</a><a href='{elsewhere_url}'>2</a><a href=/c>3</a>"
                )),
                "/a/b" => {
                    page("<a href='../'>up</a><a href='../c#y'>c</a><a href='//[oops/'>?</a>")
                }
                "/c" => "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nsorry".to_owned(),
                other => panic!("nobody links to {other}"),
            };
            stream.write_all(answer.as_bytes())?;
        }
    });

    let outcome = crawler(&[&server.url("/"), "--concurrency", "1"]);
    assert_eq!(outcome.status, 0, "{outcome:#?}");
    assert_eq!((outcome.row("pages"), outcome.row("links elsewhere")), (2, 1), "{outcome:#?}");
    assert_eq!((outcome.row("status 404"), outcome.row("bad link")), (1, 1), "{outcome:#?}");
    assert_eq!((outcome.row("answers"), outcome.row("connections")), (3, 1), "{outcome:#?}");
    assert_eq!(requests.load(Ordering::Relaxed), 3);
    let not_found = format!("{}: status 404 (from {})", server.url("/c"), server.url("/"));
    let bad_link = format!(
        r#"{}: bad link "//[oops/": the host is not a name or an address"#,
        server.url("/a/b")
    );
    assert_eq!(outcome.stderr.lines().collect::<Vec<_>>(), [bad_link, not_found]);
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let server = Server::start(|mut stream| {
        // Promises to keep the connection open, and does not.
        let target = read_request(&stream)?;
        let body = if target == "/" { "<a href=1><a href=2><a href=3>" } else { "" };
        stream.write_all(page(body).as_bytes())
    });
    let outcome = crawler(&[&server.url("/"), "--concurrency", "1"]);
    assert_eq!(
        (outcome.status, outcome.row("pages"), outcome.row("errors")),
        (0, 4, 0),
        "{outcome:#?}"
    );
}

#[test]
fn no_more_pages_than_allowed_are_visited() {
    let next = AtomicUsize::new(0);
    let server = Server::start(move |mut stream| {
        // A site without end.
        read_request(&stream)?;
        let number = next.fetch_add(1, Ordering::Relaxed);
        stream.write_all(page(&format!("<a href=/{number}a><a href=/{number}b>")).as_bytes())
    });
    let outcome = crawler(&[&server.url("/"), "--max-pages", "25"]);
    assert_eq!((outcome.status, outcome.row("pages")), (0, 25), "{outcome:#?}");
    assert!(outcome.stdout.contains("stopped at --max-pages"), "{outcome:#?}");
}

#[test]
fn several_sites_are_crawled_and_one_good_page_is_success() {
    let good = Server::answering(page("hello"));
    let other = Server::answering(page(&format!("<a href='{}x'>", good.url("/"))));
    let bad = Server::answering("nonsense\r\n");
    let outcome = crawler(&[&good.url("/"), &bad.url("/"), &other.url("/")]);
    assert_eq!((outcome.status, outcome.row("pages")), (0, 2), "{outcome:#?}");
    assert_eq!((outcome.row("errors"), outcome.row("links elsewhere")), (1, 1), "{outcome:#?}");
}

#[test]
fn garbage_is_reported_without_obeying_it() {
    let server = Server::answering("\u{1b}]0;owned\u{7}\u{1b}[2J\r\n\r\n");
    let message = r#"the answer is not HTTP/1: it starts with "\u{1b}]0;owned\u{7}\u{1b}[2J""#;
    assert_fails(&server, message, "not http");

    let bytes: Vec<u8> = (0..=255).cycle().filter(|&byte| byte != b'\n').take(100_000).collect();
    let server = Server::answering(bytes);
    let url = server.url("/");
    let outcome = crawler(&[&url]);
    assert_eq!((outcome.status, outcome.row("not http")), (1, 1), "{outcome:#?}");
    assert!(!outcome.stderr.contains(|c: char| c.is_control() && c != '\n'), "{outcome:#?}");
}

#[test]
fn control_bytes_in_a_location_are_not_printed() {
    let server = Server::answering("HTTP/1.1 302 Found\r\nLocation: http://\u{1b}[2J/\r\n\r\n");
    let message = r#"redirect to "http://\u{1b}[2J/": the host is not a name or an address"#;
    assert_fails(&server, message, "bad redirect");
}

#[test]
fn an_endless_header_is_cut_off() {
    let server = Server::answering_without_end("HTTP/1.1 200 OK\r\nX: ", "x");
    assert_fails(&server, "the header is longer than 65536 bytes", "header too long");
    let server = Server::answering_without_end("HTTP/1.1 200 OK\r\n", "X: y\r\n");
    assert_fails(&server, "the header is longer than 65536 bytes", "header too long");
    let server = Server::answering_without_end("", "HTTP/1.1 100 Continue\r\n\r\n");
    assert_fails(&server, "the header is longer than 65536 bytes", "header too long");
}

#[test]
fn an_endless_body_is_cut_off() {
    let message = "the body is longer than 4194304 bytes";
    let server = Server::answering_without_end("HTTP/1.1 200 OK\r\n\r\n", "x");
    assert_fails(&server, message, "body too long");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server = Server::answering_without_end(chunked, "4\r\nbody\r\n");
    assert_fails(&server, message, "body too long");
    let server =
        Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n");
    assert_fails(&server, message, "body too long");
}

#[test]
fn a_body_of_just_the_limit_is_accepted() {
    let server = Server::answering(page("12345"));
    let run = |limit| crawler(&[&server.url("/"), "--max-body", limit]);
    assert_eq!(run("5").status, 0);
    assert_eq!(run("4").status, 1);
}

#[test]
fn bad_chunks_are_reported() {
    for (chunk, message) in [
        ("nonsense\r\n", r#"bad chunk: "nonsense" is not a size"#),
        ("-5\r\n", r#"bad chunk: "-5" is not a size"#),
        ("3\r\nlonger\r\n", "bad chunk: it is longer than it says"),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        assert_fails(&Server::answering(answer), message, "bad chunk");
    }
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n";
    assert_fails(
        &Server::answering(answer),
        "the body is longer than 4194304 bytes",
        "body too long",
    );
}

#[test]
fn an_early_end_is_reported() {
    let server = Server::answering("");
    assert_fails(&server, "the server closed the connection without an answer", "no answer");
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Le");
    assert_fails(
        &server,
        "the server closed the connection in the middle of the header",
        "cut short",
    );
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    assert_fails(
        &server,
        "the server closed the connection in the middle of the body",
        "cut short",
    );
}

#[test]
fn a_reset_is_reported() {
    // Closing a socket that holds unread bytes resets the connection.
    let unread = |stream: &TcpStream| stream.peek(&mut [0]).map(drop);
    let server = Server::start(move |stream| unread(&stream));
    let outcome = crawler(&[&server.url("/")]);
    assert_eq!((outcome.status, outcome.row("no answer")), (1, 1), "{outcome:#?}");

    let server = Server::start(move |mut stream| {
        unread(&stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    });
    let outcome = crawler(&[&server.url("/")]);
    // Which of the two the client sees first is a race that the client cannot decide.
    let kinds = ["connection lost", "no answer"];
    assert!(kinds.iter().any(|kind| outcome.stdout.contains(kind)), "{outcome:#?}");
    assert_eq!((outcome.status, outcome.row("errors")), (1, 1), "{outcome:#?}");
}

#[test]
fn silence_is_timed_out() {
    let silent = Server::start(|mut stream| stream.read_to_end(&mut Vec::new()).map(drop));
    let url = silent.url("/");
    let outcome = crawler(&[&url, "--timeout", "0.3"]);
    outcome.assert_failed(&format!("{url}: no complete answer within 300ms"), "timeout");

    let trickling = Server::start(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            stream.write_all(b"x")?;
            thread::sleep(Duration::from_millis(20));
        }
    });
    let url = trickling.url("/");
    let outcome = crawler(&[&url, "--timeout", "0.3"]);
    outcome.assert_failed(&format!("{url}: no complete answer within 300ms"), "timeout");
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let server = Server::start(|mut stream| {
        let target = read_request(&stream)?;
        let number: usize = target.trim_start_matches('/').parse().unwrap_or(0);
        let location =
            if target == "/circle" { "/circle".to_owned() } else { format!("/{}", number + 1) };
        let redirect =
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(redirect.as_bytes())?;
        stream.shutdown(Shutdown::Both)
    });
    let url = server.url("/circle");
    crawler(&[&url])
        .assert_failed(&format!("{url}: the redirects lead back to this page"), "redirect loop");
    let [last, before] = [server.url("/10"), server.url("/9")];
    let message = format!("{last}: more than 10 redirects in a row (from {before})");
    crawler(&[&server.url("/0")]).assert_failed(&message, "too many redirects");
}

#[test]
fn a_refused_connection_is_reported() {
    // Nobody can listen on a port that is the client's end of a connection.
    let server = Server::start(|mut stream| stream.read(&mut [0]).map(drop));
    let client = TcpStream::connect(server.address).expect("the server listens");
    let url = format!("http://{}/", client.local_addr().expect("it is connected"));
    let outcome = crawler(&[&url]);
    assert_eq!((outcome.status, outcome.row("refused")), (1, 1), "{outcome:#?}");
    assert!(outcome.stderr.starts_with(&format!("{url}: cannot connect: ")), "{outcome:#?}");
}

#[test]
fn an_unknown_or_unreachable_host_is_reported() {
    // No name part may be longer than 63 characters, so no network is needed to know.
    let unknown = format!("http://{}/", "x".repeat(64));
    let outcome = crawler(&[&unknown]);
    assert_eq!((outcome.status, outcome.row("unknown host")), (1, 1), "{outcome:#?}");
    assert!(
        outcome.stderr.starts_with(&format!("{unknown}: cannot look up \"xxx")),
        "{outcome:#?}"
    );

    // The broadcast address: systems refuse to connect to it, each with an error of its own.
    let unreachable = "http://255.255.255.255/";
    let outcome = crawler(&[unreachable, "--timeout", "1"]);
    assert_eq!((outcome.status, outcome.row("errors")), (1, 1), "{outcome:#?}");
    assert!(outcome.stderr.starts_with(unreachable), "{outcome:#?}");
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for (args, message) in [
        (
            vec!["https://h/"],
            r#"crawler: "https://h/": https is not supported: this crawler speaks plain http only"#,
        ),
        (vec!["h:80"], r#"crawler: "h:80": the scheme "h" is not supported, only http://"#),
        (
            vec!["http://h:99999/"],
            r#"crawler: "http://h:99999/": the port is not a number from 1 to 65535"#,
        ),
        (vec!["--nope"], r#"crawler: there is no option "--nope""#),
        (vec!["--timeout"], "crawler: --timeout wants a value"),
    ] {
        let outcome = crawler(&args);
        assert_eq!(outcome.status, 2, "{outcome:#?}");
        assert_eq!(outcome.stderr.lines().next(), Some(message), "{outcome:#?}");
        assert_eq!(outcome.stdout, "");
    }
}

#[test]
fn help_is_printed_on_request() {
    let outcome = crawler(&["--help"]);
    assert_eq!(outcome.status, 0);
    assert!(outcome.stdout.contains("Usage: crawler"), "{outcome:#?}");
}
