//! The echo server example as a program: what it sends back, what it logs, and how it is ended.

#![cfg(not(miri))] // it starts processes

mod example_common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use example_common::example;

/// How long anything may take that happens at once, if the machine is not busy.
const LIMIT: Duration = Duration::from_secs(60);

/// The example, running. Killed when it is dropped, if it is not over by then.
struct EchoServer {
    child: Child,
    /// What it prints, line by line, until it is over.
    lines: Receiver<String>,
}

impl EchoServer {
    fn start(args: &[&str], stdin: Stdio) -> EchoServer {
        let mut child = Command::new(example("echo_server"))
            .args(args)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example can be started");
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                // Nobody listens any more once the test is over.
                let _ = sender.send(line.expect("the example prints UTF-8"));
            }
        });
        EchoServer { child, lines }
    }

    /// Starts a server, and waits for the address that it prints.
    fn listening(args: &[&str], stdin: Stdio) -> (EchoServer, SocketAddr) {
        let server = EchoServer::start(args, stdin);
        let line = server.line();
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(';').next());
        let address = address.and_then(|address| address.parse().ok());
        (server, address.unwrap_or_else(|| panic!("no address in {line:?}")))
    }

    /// The next line it prints.
    fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("the server prints another line")
    }

    /// Waits for its end, and returns the lines that are left.
    fn finish(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            assert!(Instant::now() < deadline, "the server is not over after {LIMIT:?}");
            thread::sleep(Duration::from_millis(5));
        };
        (status, self.lines.iter().collect())
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        // Both fail if it is over, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(LIMIT)).expect("it is not zero");
    stream
}

/// Sends a message and reads as many bytes back.
fn exchange(stream: &mut TcpStream, message: &[u8]) -> Vec<u8> {
    stream.write_all(message).expect("the server reads");
    let mut echo = vec![0; message.len()];
    stream.read_exact(&mut echo).expect("the server answers");
    echo
}

/// Reads until the server closes the connection. (A single `read` with a timeout may be interrupted.)
fn read_rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the server closes the connection");
    rest
}

#[test]
fn it_echoes_and_ends_at_its_limit() {
    // The end of stdin, which comes at once, does not stop it.
    let (server, address) = EchoServer::listening(&["--limit", "2"], Stdio::null());
    let mut first = connect(address);
    let mut second = connect(address);
    assert_eq!(exchange(&mut second, b"two"), b"two");
    assert_eq!(exchange(&mut first, b"one\n"), b"one\n");
    assert_eq!(exchange(&mut first, b"again\0\xff"), b"again\0\xff");

    first.shutdown(Shutdown::Write).expect("the connection stands");
    assert_eq!(read_rest(&mut first), b"");
    let names = [&first, &second].map(|stream| stream.local_addr().expect("it is connected"));
    drop(second);
    let (status, lines) = server.finish();
    assert!(status.success(), "{lines:?}");
    for (name, bytes) in names.into_iter().zip([11, 3]) {
        assert!(lines.contains(&format!("{name}: connected")), "{lines:?}");
        let start = format!("{name}: {bytes} bytes echoed in ");
        let end = ", closed by the client";
        assert!(
            lines.iter().any(|line| line.starts_with(&start) && line.ends_with(end)),
            "{lines:?}"
        );
    }
}

#[test]
fn a_line_on_stdin_ends_it_and_cuts_the_connections() {
    for args in [vec![], vec!["--limit", "9"]] {
        let (mut server, address) = EchoServer::listening(&args, Stdio::piped());
        let mut client = connect(address);
        assert_eq!(exchange(&mut client, b"hello"), b"hello");
        assert!(server.line().ends_with(": connected"));

        let mut stdin = server.child.stdin.take().expect("stdin is piped");
        stdin.write_all(b"stop\n").expect("the server reads its stdin");
        assert_eq!(read_rest(&mut client), b"");
        let (status, lines) = server.finish();
        assert!(status.success(), "{lines:?}");
        assert_eq!((lines.len(), lines[0].as_str()), (2, "stopping"), "{lines:?}");
        assert!(lines[1].contains(": 5 bytes echoed in "), "{lines:?}");
        assert!(lines[1].ends_with(", cut off by the shutdown"), "{lines:?}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_and_cuts_the_connections() {
    use rustix::process::{Pid, Signal, kill_process};

    let (mut server, address) = EchoServer::listening(&[], Stdio::piped());
    let stdin = server.child.stdin.take();
    let mut client = connect(address);
    assert_eq!(exchange(&mut client, b"hello"), b"hello");
    kill_process(Pid::from_child(&server.child), Signal::INT).expect("it runs");
    assert_eq!(read_rest(&mut client), b"");
    let (status, lines) = server.finish();
    drop(stdin);
    assert!(status.success(), "{lines:?}");
    assert!(lines.iter().any(|line| line.ends_with(", cut off by the shutdown")), "{lines:?}");
}

#[test]
fn the_end_of_stdin_ends_it() {
    let (server, _address) = EchoServer::listening(&["127.0.0.1:0"], Stdio::null());
    let (status, lines) = server.finish();
    assert!(status.success());
    assert_eq!(lines, ["stopping"]);
}

#[test]
fn a_broken_connection_is_logged_and_the_others_go_on() {
    let (server, address) = EchoServer::listening(&["--limit", "2"], Stdio::null());
    let mut sound = connect(address);
    let mut broken = connect(address);
    // Closing a socket that holds unread bytes resets the connection.
    broken.write_all(b"unread").expect("the server reads");
    broken.read_exact(&mut [0]).expect("the server answers");
    drop(broken);
    let lines = [(); 3].map(|()| server.line());
    assert!(
        lines[2].contains(": 6 bytes echoed in ") && lines[2].contains(", broken: "),
        "{lines:?}"
    );

    assert_eq!(exchange(&mut sound, b"still here"), b"still here");
    drop(sound);
    let (status, lines) = server.finish();
    assert!(status.success(), "{lines:?}");
}

#[test]
fn the_smoke_run_checks_itself() {
    let (status, lines) = EchoServer::start(&["--smoke"], Stdio::null()).finish();
    assert!(status.success(), "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("smoke: all 16778217 bytes came back"));
}

#[test]
fn mistakes_are_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    let taken = taken.local_addr().map(|address| (taken, address.to_string()));
    let (_listener, taken) = taken.expect("it is bound");
    for (args, code, message) in [
        (vec!["--limit"], 2, "--limit wants a number from 1, not \"\"".to_owned()),
        (vec!["--limit", "0"], 2, "--limit wants a number from 1, not \"0\"".to_owned()),
        (vec!["--nope"], 2, "there is no option \"--nope\"".to_owned()),
        (
            vec!["127.0.0.1:0", "127.0.0.1:0"],
            2,
            "one address is enough: \"127.0.0.1:0\"".to_owned(),
        ),
        (vec!["nonsense"], 1, "cannot listen on nonsense: ".to_owned()),
        (vec![&taken], 1, format!("cannot listen on {taken}: ")),
    ] {
        let output = Command::new(example("echo_server")).args(&args).stdin(Stdio::null()).output();
        let output = output.expect("the example can be started");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.starts_with(&format!("echo_server: {message}")), "{args:?}: {stderr}");
    }
}
