//! The example `tcp_proxy` does what its head says.

#![cfg(not(miri))] // it starts processes

mod example_common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use example_common::example;

/// An example that runs; killed at the end.
struct Running(Child);

impl Running {
    fn start(name: &str, args: &[&str], stdin: Stdio) -> Self {
        let mut command = Command::new(example(name));
        let child = command.args(args).stdin(stdin).stdout(Stdio::piped()).spawn();
        Self(child.expect("it can be started"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it is over, which is what we want.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn output(name: &str, args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(example(name)).args(args).output().expect("it can be started");
    // On a busy machine, stderr may have reports of slow polls.
    let text = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.code(), String::from_utf8(text).expect("a text"))
}

#[test]
fn the_smoke_run_checks_itself() {
    let (code, text) = output("tcp_proxy", &["--smoke"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.ends_with("4194304 bytes went through, and the answer came back\n"), "{text}");
}

#[test]
fn mistakes_are_named() {
    let (code, text) = output("tcp_proxy", &["one"]);
    assert_eq!((code, &*text), (Some(2), "Usage: tcp_proxy LISTEN TARGET | --smoke\n"));
    let (code, text) = output("tcp_proxy", &["nowhere", "else"]);
    assert_eq!(code, Some(1), "{text}");
}

#[test]
fn the_proxy_passes_connections_on_and_counts() {
    let server = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let target = server.local_addr().expect("it is bound").to_string();
    let mut proxy = Running::start("tcp_proxy", &["127.0.0.1:0", &target], Stdio::null());
    let mut lines = BufReader::new(proxy.0.stdout.take().expect("it is piped")).lines();
    let first = lines.next().expect("a line").expect("a text");
    let address = first.split(' ').next().expect("an address").to_owned();

    let serving = thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("it is passed on");
        let mut question = String::new();
        stream.read_to_string(&mut question).expect("a text");
        stream.write_all(question.to_uppercase().as_bytes()).expect("it is read");
    });
    let mut client = TcpStream::connect(&address).expect("it listens");
    client.write_all(b"question").expect("it reads");
    client.shutdown(std::net::Shutdown::Write).expect("it stands");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("a text");
    assert_eq!(answer, "QUESTION");
    serving.join().expect("no panic");

    let line = lines.next().expect("a line").expect("a text");
    let peer = client.local_addr().expect("it was connected");
    assert!(line.starts_with(&format!("{peer}: 8 bytes there, 8 bytes back in ")), "{line}");
}
