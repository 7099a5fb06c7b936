//! The examples of servers do what their heads say, when they talk to themselves.

#![cfg(not(miri))] // it starts processes

mod example_common;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use example_common::example;

fn smoke(name: &str) -> String {
    let mut command = Command::new(example(name));
    let output = command.arg("--smoke").stdin(Stdio::null()).output().expect("it can be started");
    // On a busy machine, stderr may have reports of slow polls.
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("a text")
}

#[test]
fn chat_server_lets_all_hear_all_others() {
    let text = smoke("chat_server");
    assert!(text.contains("smoke: each of 12 heard all others\n"), "{text}");
    assert_eq!(text.matches(" has come (").count(), 12, "{text}");
    assert_eq!(text.matches(" has gone (").count(), 12, "{text}");
    assert!(text.ends_with(" cut off\n"), "{text}");
}

#[test]
fn chat_server_reads_no_line_without_end() {
    let mut command = Command::new(example("chat_server"));
    let mut server = command.arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    let mut log = BufReader::new(server.stdout.take().expect("piped"));
    log.read_line(&mut line).expect("a text");
    let address = line.split([' ', ';']).nth(2).expect("listening on ADDRESS;");
    let mut client = TcpStream::connect(address).expect("it listens");
    client.set_read_timeout(Some(Duration::from_secs(60))).expect("not zero");
    client.write_all(b"mallory\n").expect("it reads");
    // It may close before it has got all.
    let _reset = client.write_all(&[b'x'; 1 << 20]);
    let end = client.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
    server.kill().expect("it is ours");
    server.wait().expect("it is ours");
    assert!(matches!(end, Ok(_) | Err(ErrorKind::ConnectionReset)), "{end:?}");
}

#[test]
fn udp_echo_answers_and_notices_that_nobody_is_there() {
    let text = smoke("udp_echo");
    let end = "smoke: 400 datagrams came back\nsmoke: and then nobody was there\n";
    assert!(text.ends_with(end), "{text}");
}

#[cfg(unix)]
#[test]
fn multi_core_echo_serves_on_all_loops() {
    let text = smoke("multi_core_echo");
    assert!(text.contains("smoke: 100 clients got back what they sent\n"), "{text}");
    let last = text.lines().last().expect("lines");
    let words = last.split([' ', ',']);
    let served: Vec<u64> = words.skip(3).step_by(5).filter_map(|word| word.parse().ok()).collect();
    assert_eq!(served.len(), std::thread::available_parallelism().expect("it is known").get());
    assert_eq!(served.iter().sum::<u64>(), 100, "{text}");
    // The kernel spreads them by chance; that one of many loops gets none can happen, that all but one do cannot.
    let busy = served.iter().filter(|&&served| served > 0).count();
    assert!(busy >= served.len().min(2), "{text}");
}
