//! An echo server: it sends back what it gets, logs its connections, and ends when it is told to.
//!
//! It shows a server in the large: a loop that is run until somebody stops it, a task for each
//! connection, a thread that may block (here on stdin) and reaches into the loop through a [`Handle`],
//! and what happens to the connections that are open when the loop shuts down.
//!
//! ```text
//! cargo run --example echo_server 127.0.0.1:7000
//! ```
//!
//! In another terminal, connect with `nc 127.0.0.1 7000` (or `telnet 127.0.0.1 7000`), type some lines,
//! and see them come back. End that with ctrl-c, and the server with the enter key or ctrl-c. It prints
//!
//! ```text
//! listening on 127.0.0.1:7000; press enter or ctrl-c to stop
//! 127.0.0.1:40044: connected
//! 127.0.0.1:40044: 14 bytes echoed in 2.1s, closed by the client
//! 127.0.0.1:40058: connected
//! stopping
//! 127.0.0.1:40058: 6 bytes echoed in 812.4ms, cut off by the shutdown
//! ```

use std::cell::Cell;
use std::env;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use monoloop::io::{AsyncReadExt, AsyncWriteExt};
use monoloop::net::{TcpListener, TcpStream};
use monoloop::task::{JoinError, JoinSet};
use monoloop::{EventLoop, Handle, time};

const USAGE: &str = "\
Sends back what it gets.

Usage: echo_server [ADDRESS] [OPTIONS]

The address defaults to 127.0.0.1:0, a free port of the system's choice. The
server ends when a line arrives on stdin, or stdin is closed, or at ctrl-c.

Options:
  --limit N  accept N connections, and end when they have ended; then only a
             line on stdin ends the server early, not the end of stdin
  --smoke    talk to itself over three connections, check the echo, and end
  --help     print this
";

const WRONG_USAGE: u8 = 2;

const BUFFER_LEN: usize = 16 * 1024;

/// How long to wait when a connection cannot be accepted, for want of descriptors perhaps. The ones
/// that are open go on meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the smoke test may take.
const SMOKE_LIMIT: Duration = Duration::from_secs(10);

/// The lengths of the messages of its clients. The last is longer than all buffers on the way.
const SMOKE_MESSAGES: [usize; 3] = [1, 1000, 16 * 1024 * 1024];

fn main() -> ExitCode {
    let command = match parse_args(env::args().skip(1)) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("echo_server: {message}\nTry --help.");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    let result = match command {
        Command::Help => {
            log(format_args!("{}", USAGE.trim_end()));
            Ok(())
        }
        Command::Serve { address, limit } => serve_until_told(&address, limit),
        Command::Smoke => smoke(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_server: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug)]
enum Command {
    Help,
    Serve {
        address: String,
        /// How many connections to accept.
        limit: Option<usize>,
    },
    Smoke,
}

fn parse_args(mut args: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut address = None;
    let mut limit = None;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--smoke" => return Ok(Command::Smoke),
            "--limit" => {
                let value = args.next().unwrap_or_default();
                let number = value.parse().ok().filter(|&number| number > 0);
                limit =
                    Some(number.ok_or(format!("--limit wants a number from 1, not {value:?}"))?);
            }
            _ if arg.starts_with('-') => return Err(format!("there is no option {arg:?}")),
            _ if address.is_some() => return Err(format!("one address is enough: {arg:?}")),
            _ => address = Some(arg),
        }
    }
    let address = address.unwrap_or_else(|| "127.0.0.1:0".to_owned());
    Ok(Command::Serve { address, limit })
}

/// Runs a loop with a server on it, until stdin or the limit stops it.
fn serve_until_told(address: &str, limit: Option<usize>) -> io::Result<()> {
    let event_loop = EventLoop::new()?;
    let listener = event_loop.run(TcpListener::bind(address)).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })?;
    log(format_args!("listening on {}; press enter or ctrl-c to stop", listener.local_addr()?));

    stop_on_stdin(event_loop.handle(), limit.is_some());
    #[cfg(unix)]
    stop_on_ctrl_c(&event_loop);
    let handle = event_loop.handle();
    let server = event_loop.spawn(async move {
        serve(&listener, limit).await;
        // This task runs on the loop, so the loop is there to be stopped.
        let _ = handle.stop();
    });
    drop(server); // detached: it ends when it ends, or at the shutdown
    event_loop.run_forever();
    log(format_args!("stopping"));
    // Drops the tasks that are left, each on a connection that is still open.
    event_loop.shutdown();
    Ok(())
}

/// Stops the loop when a line arrives on stdin. Reading it may block, so a thread does that, and dies
/// with the process.
fn stop_on_stdin(handle: Handle, ignore_end: bool) {
    thread::spawn(move || {
        let end = io::stdin().read_line(&mut String::new());
        if ignore_end && matches!(end, Ok(0)) {
            return;
        }
        // Fails if the loop is gone already, which is what we wanted.
        let _ = handle.stop();
    });
}

/// Stops the loop at ctrl-c. The next one ends the process, for nobody listens by then.
#[cfg(unix)]
fn stop_on_ctrl_c(event_loop: &EventLoop) {
    let handle = event_loop.handle();
    let listener = event_loop.spawn(async move {
        match monoloop::signal::ctrl_c().await {
            // This task runs on the loop, so the loop is there to be stopped.
            Ok(()) => drop(handle.stop()),
            Err(error) => log(format_args!("ctrl-c will cut the connections off: {error}")),
        }
    });
    listener.detach();
}

/// Accepts connections, up to the limit, and then waits for their end.
async fn serve(listener: &TcpListener, limit: Option<usize>) {
    let mut connections = JoinSet::new();
    let mut accepted = 0;
    while limit.is_none_or(|limit| accepted < limit) {
        match listener.accept().await {
            Ok((stream, peer)) => {
                accepted += 1;
                connections.spawn(echo(stream, peer));
                // Those that have ended meanwhile take no room any more.
                while let Some(ended) = connections.try_join_next() {
                    log_panic(ended);
                }
            }
            Err(error) => {
                log(format_args!("cannot accept a connection: {error}"));
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    while let Some(ended) = connections.join_next().await {
        log_panic(ended);
    }
}

/// Nobody aborts a connection that is joined, so the one error is a panic.
fn log_panic(ended: Result<(), JoinError>) {
    if let Err(panicked) = ended {
        log(format_args!("{panicked}"));
    }
}

/// Serves one connection to its end, and logs it.
async fn echo(mut stream: TcpStream, peer: SocketAddr) {
    let mut log = ConnectionLog::open(peer);
    log.end = match send_back(&mut stream, &mut log.bytes).await {
        Ok(()) => End::Client,
        Err(error) => End::Error(error),
    };
}

/// Sends back what arrives until the client has no more, and counts it.
async fn send_back(stream: &mut TcpStream, bytes: &mut u64) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        let len = match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            len => len,
        };
        stream.write_all(&buffer[..len]).await?;
        *bytes += len as u64;
    }
}

/// What there is to say about a connection. It is said when this is dropped, and so also when the loop
/// shuts down and drops the task half-way.
struct ConnectionLog {
    peer: SocketAddr,
    bytes: u64,
    start: Instant,
    end: End,
}

/// How a connection ended.
enum End {
    Client,
    Error(io::Error),
    /// What it stays at unless the task comes to its end.
    Shutdown,
}

impl ConnectionLog {
    fn open(peer: SocketAddr) -> ConnectionLog {
        log(format_args!("{peer}: connected"));
        ConnectionLog { peer, bytes: 0, start: Instant::now(), end: End::Shutdown }
    }
}

impl Drop for ConnectionLog {
    fn drop(&mut self) {
        let time = self.start.elapsed();
        let (peer, bytes, end) = (self.peer, self.bytes, &self.end);
        log(format_args!("{peer}: {bytes} bytes echoed in {time:.1?}, {end}"));
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Client => f.write_str("closed by the client"),
            End::Error(error) => write!(f, "broken: {error}"),
            End::Shutdown => f.write_str("cut off by the shutdown"),
        }
    }
}

/// Writes a line to stdout. Unlike `println!` it does not panic when nobody reads there any more.
fn log(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Runs a server and a few clients on one loop.
fn smoke() -> io::Result<()> {
    monoloop::run(async { time::timeout(SMOKE_LIMIT, converse()).await? })
}

async fn converse() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let limit = Some(SMOKE_MESSAGES.len());
    let server = monoloop::spawn(async move { serve(&listener, limit).await });

    // The clients are tasks of one thread, so what they share needs no lock.
    let echoed = Rc::new(Cell::new(0));
    let clients =
        SMOKE_MESSAGES.map(|len| monoloop::spawn(client(address, len, Rc::clone(&echoed))));
    for client in clients {
        client.await.map_err(io::Error::other)??;
    }
    server.await.map_err(io::Error::other)?;
    log(format_args!("smoke: all {} bytes came back", echoed.get()));
    Ok(())
}

/// Sends a message, and expects it back.
async fn client(address: SocketAddr, len: usize, echoed: Rc<Cell<usize>>) -> io::Result<()> {
    let message: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
    let expected = message.clone();

    // Who only writes, and reads later, waits for ever once the buffers are full. So one task writes,
    // and this one reads.
    let (mut reader, mut writer) = TcpStream::connect(address).await?.into_split();
    let sender = monoloop::spawn(async move {
        writer.write_all(&message).await?;
        writer.close().await
    });
    let mut echo = vec![0; len];
    reader.read_exact(&mut echo).await?;
    let surplus = reader.read(&mut [0]).await?;
    sender.await.map_err(io::Error::other)??;

    if surplus > 0 || echo != expected {
        let problem = format!("of {len} bytes that were sent, others came back");
        return Err(io::Error::new(ErrorKind::InvalidData, problem));
    }
    echoed.set(echoed.get() + len);
    Ok(())
}
