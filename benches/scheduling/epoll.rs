//! The echo as a program without a runtime would do it: one epoll, one loop, both ends.
//!
//! The same work as on the runtimes: edge-triggered, buffers as long as a message, no delay, and
//! every socket read until the kernel says that there is no more. That last read could be saved by a
//! program that knows its peers send one message at a time; a loop for any protocol must make it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;

/// Events fetched by one system call, as in the runtimes.
const EVENTS: usize = 1024;

/// Sends `rounds` messages to and fro on each of `connections`.
pub fn echo(rounds: u64, connections: u64, message: usize) -> io::Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut pairs = Vec::new();
    for _ in 0..connections {
        let near = TcpStream::connect(address)?;
        let far = listener.accept()?.0;
        for socket in [&near, &far] {
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
        }
        pairs.push((near, far));
    }
    echo_over(pairs, rounds, message)
}

/// Sends `rounds` messages to and fro on each of these pairs, which are connected and non-blocking.
pub fn echo_over<S>(pairs: Vec<(S, S)>, rounds: u64, message: usize) -> io::Result<Duration>
where
    S: Read + Write + AsFd,
{
    if rounds == 0 {
        return Ok(Duration::ZERO);
    }
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut running = pairs.len();
    let mut ends = register(&poll, pairs, rounds, message)?;
    let mut events = Vec::with_capacity(EVENTS);
    let start = Instant::now();
    for end in &mut ends {
        end.begin()?;
    }
    while running > 0 {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let index = event.data.u64() as usize;
            // Of room to write it is told whenever the other end has read: no reason to read.
            let flags = event.flags;
            let is_readable = flags.intersects(EventFlags::IN | EventFlags::RDHUP);
            if is_readable && ends[index].advance()? {
                running -= 1;
            }
        }
    }
    Ok(start.elapsed())
}

/// The even ends answer, the odd ones ask.
fn register<S: AsFd>(
    poll: &OwnedFd,
    pairs: Vec<(S, S)>,
    rounds: u64,
    message: usize,
) -> io::Result<Vec<End<S>>> {
    let mut ends = Vec::new();
    for (near, far) in pairs {
        for (socket, role) in [(far, Role::Server), (near, Role::Client { left: rounds })] {
            let data = EventData::new_u64(ends.len() as u64);
            let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(poll, &socket, data, interest)?;
            ends.push(End { socket, role, buffer: vec![7; message], filled: 0 });
        }
    }
    Ok(ends)
}

/// One end of a connection.
struct End<S> {
    socket: S,
    role: Role,
    buffer: Vec<u8>,
    filled: usize,
}

enum Role {
    Server,
    Client { left: u64 },
}

impl<S: Read + Write> End<S> {
    /// A client sends its first message.
    fn begin(&mut self) -> io::Result<()> {
        match self.role {
            Role::Server => Ok(()),
            Role::Client { .. } => self.send(),
        }
    }

    /// Reads and answers until there is nothing to read; says whether this end is through.
    fn advance(&mut self) -> io::Result<bool> {
        while self.receive()? {
            match &mut self.role {
                Role::Server => self.send()?,
                Role::Client { left: 1 } => return Ok(true),
                Role::Client { left } => {
                    *left -= 1;
                    self.send()?;
                }
            }
        }
        Ok(false)
    }

    /// Reads on; says whether a message is complete.
    fn receive(&mut self) -> io::Result<bool> {
        while self.filled < self.buffer.len() {
            match self.socket.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.filled = 0;
        Ok(true)
    }

    /// Sends the buffer. An empty send buffer has room for a message, so this never has to wait.
    fn send(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.buffer)
    }
}
