//! The sockets that the other table does not have.

use std::net::UdpSocket as StdUdp;
use std::os::unix::net::UnixStream as StdUnix;

use crate::compio::Compio;
use crate::monoio::Monoio;
use crate::runtimes::monoloop::Monoloop;
use crate::runtimes::smol::Smol;
use crate::runtimes::tokio::{Flavor, Tokio};
use crate::runtimes::{Connection, Runtime};

/// A runtime with unix and datagram sockets.
pub trait Sockets: Runtime {
    /// A connected unix stream.
    type Unix: Connection;
    /// A connected UDP socket.
    type Udp: Datagrams;

    /// Takes a stream of std's, which is non-blocking.
    fn unix(socket: StdUnix) -> Self::Unix;

    /// Takes a socket of std's, which is non-blocking.
    fn udp(socket: StdUdp) -> Self::Udp;
}

/// A connected UDP socket.
pub trait Datagrams: 'static {
    /// Sends `buffer`.
    async fn send(&mut self, buffer: Vec<u8>) -> Vec<u8>;

    /// Receives into `buffer`, which is as long as the datagrams.
    async fn receive(&mut self, buffer: Vec<u8>) -> Vec<u8>;
}

/// Two unix streams, connected with each other.
pub fn unix_pair() -> (StdUnix, StdUnix) {
    let (one, other) = StdUnix::pair().expect("unix sockets");
    one.set_nonblocking(true).expect("a socket");
    other.set_nonblocking(true).expect("a socket");
    (one, other)
}

/// Two UDP sockets, connected with each other.
pub fn udp_pair() -> (StdUdp, StdUdp) {
    let socket = || {
        let socket = StdUdp::bind("127.0.0.1:0").expect("loopback");
        socket.set_nonblocking(true).expect("a socket");
        socket
    };
    let (one, other) = (socket(), socket());
    one.connect(other.local_addr().expect("is bound")).expect("UDP");
    other.connect(one.local_addr().expect("is bound")).expect("UDP");
    (one, other)
}

/// `Connection` of a type whose `AsyncReadExt` and `AsyncWriteExt` take slices.
macro_rules! connection {
    ($type:ty, $read:path, $write:path) => {
        impl Connection for $type {
            async fn read_exact(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
                $read(self, &mut buffer).await.expect("reads");
                buffer
            }

            async fn write_all(&mut self, buffer: Vec<u8>) -> Vec<u8> {
                $write(self, &buffer).await.expect("writes");
                buffer
            }
        }
    };
}

/// `Datagrams` of a type whose `send` and `recv` take slices.
macro_rules! datagrams {
    ($type:ty) => {
        impl Datagrams for $type {
            async fn send(&mut self, buffer: Vec<u8>) -> Vec<u8> {
                <$type>::send(self, &buffer).await.expect("sends");
                buffer
            }

            async fn receive(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
                let length = <$type>::recv(self, &mut buffer).await.expect("receives");
                assert_eq!(length, buffer.len());
                buffer
            }
        }
    };
}

impl Sockets for Monoloop {
    type Unix = monoloop::net::UnixStream;
    type Udp = monoloop::net::UdpSocket;

    fn unix(socket: StdUnix) -> Self::Unix {
        Self::Unix::from_std(socket).expect("a loop")
    }

    fn udp(socket: StdUdp) -> Self::Udp {
        Self::Udp::from_std(socket).expect("a loop")
    }
}

connection!(
    monoloop::net::UnixStream,
    monoloop::io::AsyncReadExt::read_exact,
    monoloop::io::AsyncWriteExt::write_all
);
datagrams!(monoloop::net::UdpSocket);

impl<F: Flavor> Sockets for Tokio<F> {
    type Unix = tokio::net::UnixStream;
    type Udp = tokio::net::UdpSocket;

    fn unix(socket: StdUnix) -> Self::Unix {
        Self::Unix::from_std(socket).expect("a runtime")
    }

    fn udp(socket: StdUdp) -> Self::Udp {
        Self::Udp::from_std(socket).expect("a runtime")
    }
}

connection!(
    tokio::net::UnixStream,
    tokio::io::AsyncReadExt::read_exact,
    tokio::io::AsyncWriteExt::write_all
);
datagrams!(tokio::net::UdpSocket);

impl Sockets for Smol {
    type Unix = async_io::Async<StdUnix>;
    type Udp = async_io::Async<StdUdp>;

    fn unix(socket: StdUnix) -> Self::Unix {
        Self::Unix::new(socket).expect("a poller")
    }

    fn udp(socket: StdUdp) -> Self::Udp {
        Self::Udp::new(socket).expect("a poller")
    }
}

connection!(
    async_io::Async<StdUnix>,
    futures_lite::io::AsyncReadExt::read_exact,
    futures_lite::io::AsyncWriteExt::write_all
);
datagrams!(async_io::Async<StdUdp>);

impl Sockets for Monoio {
    type Unix = monoio::net::UnixStream;
    type Udp = monoio::net::udp::UdpSocket;

    fn unix(socket: StdUnix) -> Self::Unix {
        Self::Unix::from_std(socket).expect("a runtime")
    }

    fn udp(socket: StdUdp) -> Self::Udp {
        Self::Udp::from_std(socket).expect("a runtime")
    }
}

impl Connection for monoio::net::UnixStream {
    async fn read_exact(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let (result, buffer) = monoio::io::AsyncReadRentExt::read_exact(self, buffer).await;
        result.expect("reads");
        buffer
    }

    async fn write_all(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let (result, buffer) = monoio::io::AsyncWriteRentExt::write_all(self, buffer).await;
        result.expect("writes");
        buffer
    }
}

impl Datagrams for monoio::net::udp::UdpSocket {
    async fn send(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let (result, buffer) = Self::send(self, buffer).await;
        result.expect("sends");
        buffer
    }

    async fn receive(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let (result, buffer) = Self::recv(self, buffer).await;
        assert_eq!(result.expect("receives"), buffer.len());
        buffer
    }
}

impl Sockets for Compio {
    type Unix = compio::net::UnixStream;
    type Udp = compio::net::UdpSocket;

    fn unix(socket: StdUnix) -> Self::Unix {
        // As compio makes its own for io_uring. With its polling driver, `from_std` takes this back.
        socket.set_nonblocking(false).expect("a socket");
        Self::Unix::from_std(socket).expect("a runtime")
    }

    fn udp(socket: StdUdp) -> Self::Udp {
        socket.set_nonblocking(false).expect("a socket");
        Self::Udp::from_std(socket).expect("a runtime")
    }
}

impl Connection for compio::net::UnixStream {
    async fn read_exact(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let (result, buffer) = compio::io::AsyncReadExt::read_exact(self, buffer).await.into();
        result.expect("reads");
        buffer
    }

    async fn write_all(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let (result, buffer) = compio::io::AsyncWriteExt::write_all(self, buffer).await.into();
        result.expect("writes");
        buffer
    }
}

impl Datagrams for compio::net::UdpSocket {
    async fn send(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let (result, buffer) = Self::send(self, buffer).await.into();
        result.expect("sends");
        buffer
    }

    async fn receive(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let length = buffer.len();
        let (result, buffer) = Self::recv(self, buffer).await.into();
        assert_eq!(result.expect("receives"), length);
        buffer
    }
}
