//! Tokio on one thread, in both ways it can run tasks that are not `Send`.

use std::future::Future;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::{JoinError, JoinHandle, LocalSet};

use super::{Connection, Listener, Runtime};

/// The two flavours differ only in how they start.
pub struct Tokio<F>(PhantomData<F>);

/// How to start tokio.
pub trait Flavor: 'static {
    /// The head of the column.
    const NAME: &str;

    /// What a reader should know.
    fn note() -> Option<String> {
        None
    }

    /// Starts it and runs `future`.
    fn block_on<F: Future>(future: F) -> F::Output;
}

/// A `LocalSet` on the current-thread scheduler.
pub struct InLocalSet;

impl Flavor for InLocalSet {
    const NAME: &str = "tokio LocalSet";

    fn note() -> Option<String> {
        let note = "tokio: its yield_now asks the kernel for events before the task runs again";
        Some(String::from(note))
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = builder().build().expect("starts");
        LocalSet::new().block_on(&runtime, future)
    }
}

/// A `LocalRuntime`, stable since tokio 1.51.
pub struct InLocalRuntime;

impl Flavor for InLocalRuntime {
    const NAME: &str = "tokio LocalRuntime";

    fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = builder().build_local(LocalOptions::default()).expect("starts");
        runtime.block_on(future)
    }
}

impl<K: Flavor> Runtime for Tokio<K> {
    const NAME: &str = K::NAME;
    const PACKAGES: &[&str] = &["tokio"];

    type Handle<T: 'static> = JoinHandle<T>;
    type Listener = TcpListener;
    type Connection = TcpStream;

    fn note() -> Option<String> {
        K::note()
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        K::block_on(future)
    }

    fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        tokio::task::spawn_local(future)
    }

    fn output<T>(joined: Result<T, JoinError>) -> T {
        joined.expect("the task ends by itself")
    }

    fn spawn_detached<F: Future<Output = ()> + 'static>(future: F) {
        drop(tokio::task::spawn_local(future));
    }

    fn yield_now() -> impl Future<Output = ()> {
        tokio::task::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future + 'static {
        tokio::time::sleep(duration)
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

fn builder() -> Builder {
    let mut builder = Builder::new_current_thread();
    builder.enable_all();
    builder
}

fn without_delay(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("is a TCP socket");
    stream
}
