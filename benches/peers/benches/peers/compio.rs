//! compio.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use compio::io::{AsyncReadExt, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::{self, JoinError, JoinHandle, Runtime as CompioRuntime};

use crate::runtimes::{Connection, Listener, Runtime};

/// compio on io_uring, or on epoll where the kernel refuses that, with the settings it comes with.
///
/// Its io_uring driver is the faster one at all that is measured but spawning.
pub struct Compio;

impl Runtime for Compio {
    const NAME: &str = "compio";
    const PACKAGES: &[&str] = &["compio"];

    type Handle<T: 'static> = JoinHandle<T>;
    type Listener = TcpListener;
    type Connection = TcpStream;

    fn note() -> Option<String> {
        let driver = start().driver_type();
        Some(format!(
            "compio: {driver:?} driver; it asks the kernel for events after every 61 polls"
        ))
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        start().block_on(future)
    }

    fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        runtime::spawn(future)
    }

    fn output<T>(joined: Result<T, JoinError>) -> T {
        joined.expect("the task ends by itself")
    }

    fn spawn_detached<F: Future<Output = ()> + 'static>(future: F) {
        runtime::spawn(future).detach();
    }

    fn sleep(duration: Duration) -> impl Future + 'static {
        compio::time::sleep(duration)
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
    async fn read_exact(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let (result, buffer) = AsyncReadExt::read_exact(self, buffer).await.into();
        result.expect("reads");
        buffer
    }

    async fn write_all(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let (result, buffer) = AsyncWriteExt::write_all(self, buffer).await.into();
        result.expect("writes");
        buffer
    }
}

fn start() -> CompioRuntime {
    CompioRuntime::new().expect("starts")
}

fn without_delay(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("is a TCP socket");
    stream
}
