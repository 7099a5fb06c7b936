//! The parts that smol is made of: `async-executor`'s `LocalExecutor`, driven by `async-io`.

use std::future::Future;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use async_executor::{LocalExecutor, Task};
use async_io::{Async, Timer};
use futures_lite::io::{AsyncReadExt, AsyncWriteExt};

use super::{Connection, Listener, Runtime};

thread_local! {
    /// `LocalExecutor` has no current instance of its own to spawn on.
    static EXECUTOR: LocalExecutor<'static> = const { LocalExecutor::new() };
}

/// A `LocalExecutor` within `async_io::block_on`.
pub struct Smol;

impl Runtime for Smol {
    const NAME: &str = "smol";
    const PACKAGES: &[&str] = &["async-executor", "async-io"];

    type Handle<T: 'static> = Task<T>;
    type Listener = Async<TcpListener>;
    type Connection = Async<TcpStream>;

    fn note() -> Option<String> {
        let note =
            "smol: async-executor's LocalExecutor on async-io, which keeps a thread of its own";
        Some(String::from(note))
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        EXECUTOR.with(|executor| async_io::block_on(executor.run(future)))
    }

    fn spawn<F>(future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        EXECUTOR.with(|executor| executor.spawn(future))
    }

    fn output<T>(joined: T) -> T {
        joined
    }

    fn spawn_detached<F: Future<Output = ()> + 'static>(future: F) {
        EXECUTOR.with(|executor| executor.spawn(future)).detach();
    }

    fn yield_now() -> impl Future<Output = ()> {
        futures_lite::future::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future + 'static {
        Timer::after(duration)
    }

    async fn listen() -> Async<TcpListener> {
        Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).expect("listens")
    }

    async fn connect(address: SocketAddr) -> Async<TcpStream> {
        without_delay(Async::<TcpStream>::connect(address).await.expect("connects"))
    }
}

impl Listener for Async<TcpListener> {
    type Connection = Async<TcpStream>;

    fn address(&self) -> SocketAddr {
        self.get_ref().local_addr().expect("is bound")
    }

    async fn accept(&self) -> Async<TcpStream> {
        without_delay(Async::<TcpListener>::accept(self).await.expect("accepts").0)
    }
}

impl Connection for Async<TcpStream> {
    async fn read_exact(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
        AsyncReadExt::read_exact(self, &mut buffer).await.expect("reads");
        buffer
    }

    async fn write_all(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        AsyncWriteExt::write_all(self, &buffer).await.expect("writes");
        buffer
    }
}

fn without_delay(stream: Async<TcpStream>) -> Async<TcpStream> {
    stream.get_ref().set_nodelay(true).expect("is a TCP socket");
    stream
}
