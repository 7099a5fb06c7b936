//! The runtime of this repository.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use monoloop::io::{AsyncReadExt, AsyncWriteExt};
use monoloop::net::{TcpListener, TcpStream};
use monoloop::{JoinError, JoinHandle};

use super::{Connection, Listener, Runtime};

/// `monoloop::run` and `monoloop::spawn`.
pub struct Monoloop;

impl Runtime for Monoloop {
    const NAME: &str = "monoloop";
    const PACKAGES: &[&str] = &["monoloop"];

    type Handle<T: 'static> = JoinHandle<T>;
    type Listener = TcpListener;
    type Connection = TcpStream;

    fn block_on<F: Future>(future: F) -> F::Output {
        monoloop::run(future)
    }

    fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        monoloop::spawn(future)
    }

    fn output<T>(joined: Result<T, JoinError>) -> T {
        joined.expect("the task ends by itself")
    }

    fn spawn_detached<F: Future<Output = ()> + 'static>(future: F) {
        drop(monoloop::spawn(future));
    }

    fn yield_now() -> impl Future<Output = ()> {
        monoloop::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future + 'static {
        monoloop::time::sleep(duration)
    }

    async fn listen() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.expect("listens")
    }

    async fn connect(address: SocketAddr) -> TcpStream {
        without_delay(TcpStream::connect(address).await.expect("connects"))
    }
}

impl Listener for TcpListener {
    type Connection = TcpStream;

    fn address(&self) -> SocketAddr {
        self.local_addr().expect("is bound")
    }

    async fn accept(&self) -> TcpStream {
        without_delay(TcpListener::accept(self).await.expect("accepts").0)
    }
}

impl Connection for TcpStream {
    async fn read_exact(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
        AsyncReadExt::read_exact(self, &mut buffer).await.expect("reads");
        buffer
    }

    async fn write_all(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        AsyncWriteExt::write_all(self, &buffer).await.expect("writes");
        buffer
    }
}

fn without_delay(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("is a TCP socket");
    stream
}
