//! The echoes as a program without a runtime would do them.

use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::echo::MESSAGE;
use crate::epoll;
use crate::harness::{Column, Role};
use crate::scenarios::{Kind, warm_up};
use crate::sockets::{udp_pair, unix_pair};

/// The hand-written epoll loop.
pub fn column() -> Column<Kind> {
    Column::new("epoll loop", &[], Role::Floor, measure)
}

fn measure(kind: Kind, operations: u64) -> Option<f64> {
    let timed = |operations| Some(echo(kind, operations)?.expect("sockets and epoll work"));
    timed(warm_up(kind, operations))?;
    Some(timed(operations)?.as_nanos() as f64)
}

fn echo(kind: Kind, operations: u64) -> Option<io::Result<Duration>> {
    match kind {
        Kind::TcpEcho { connections } => {
            Some(epoll::echo(operations / connections, connections, MESSAGE))
        }
        Kind::UnixEcho => Some(epoll::echo_over(vec![unix_pair()], operations, MESSAGE)),
        Kind::UdpEcho => {
            let (one, other) = udp_pair();
            Some(epoll::echo_over(vec![(Datagram(one), Datagram(other))], operations, MESSAGE))
        }
        Kind::Bulk | Kind::IdleBytes => None,
    }
}

/// A UDP socket whose datagrams are read and written like a stream's messages.
struct Datagram(UdpSocket);

impl Read for Datagram {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buffer)
    }
}

impl Write for Datagram {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.send(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Datagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
