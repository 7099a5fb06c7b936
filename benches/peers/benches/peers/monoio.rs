//! monoio.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::task::{Poll, Waker};
use std::time::Duration;

use monoio::io::{AsyncReadRentExt, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::task::JoinHandle;
use monoio::{LegacyDriver, RuntimeBuilder};

use crate::runtimes::{Connection, Listener, Runtime};

/// monoio on its epoll driver.
///
/// Its io_uring driver schedules at the same speed (the queue is the same) and is slower to wake from
/// another thread.
pub struct Monoio;

impl Runtime for Monoio {
    const NAME: &str = "monoio";
    const PACKAGES: &[&str] = &["monoio"];

    type Handle<T: 'static> = JoinHandle<T>;
    type Listener = TcpListener;
    type Connection = TcpStream;

    fn note() -> Option<String> {
        let note = "\
monoio: epoll driver; a task that wakes itself runs again before all others, so a yield takes a second
        task that wakes whoever yielded";
        Some(String::from(note))
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let mut runtime =
            RuntimeBuilder::<LegacyDriver>::new().enable_timer().build().expect("starts");
        runtime.block_on(async {
            drop(monoio::spawn(release_yielded()));
            future.await
        })
    }

    fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        monoio::spawn(future)
    }

    fn output<T>(joined: T) -> T {
        joined
    }

    fn spawn_detached<F: Future<Output = ()> + 'static>(future: F) {
        drop(monoio::spawn(future));
    }

    fn yield_now() -> impl Future<Output = ()> {
        yield_to_releaser()
    }

    fn sleep(duration: Duration) -> impl Future + 'static {
        monoio::time::sleep(duration)
    }

    async fn listen() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").expect("listens")
    }

    async fn connect(address: SocketAddr) -> TcpStream {
        without_delay(TcpStream::connect_addr(address).await.expect("connects"))
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
        let (result, buffer) = AsyncReadRentExt::read_exact(self, buffer).await;
        result.expect("reads");
        buffer
    }

    async fn write_all(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let (result, buffer) = AsyncWriteRentExt::write_all(self, buffer).await;
        result.expect("writes");
        buffer
    }
}

fn without_delay(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("is a TCP socket");
    stream
}

thread_local! {
    /// Tasks that yielded, in order.
    static YIELDED: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
    /// The task that wakes them, while it sleeps.
    static RELEASER: Cell<Option<Waker>> = const { Cell::new(None) };
}

/// Yields to all tasks that are ready.
///
/// monoio has no such function, and a task that wakes itself goes to the front of its queue, where it
/// is polled again before anybody else. A task woken by another one goes to the back.
fn yield_to_releaser() -> impl Future<Output = ()> {
    let mut yielded = false;
    poll_fn(move |cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        YIELDED.with_borrow_mut(|wakers| wakers.push(cx.waker().clone()));
        if let Some(releaser) = RELEASER.take() {
            releaser.wake();
        }
        Poll::Pending
    })
}

/// Wakes whoever yielded, for ever.
async fn release_yielded() {
    YIELDED.with_borrow_mut(Vec::clear);
    poll_fn(|cx| {
        YIELDED.with_borrow_mut(|wakers| wakers.drain(..).for_each(Waker::wake));
        RELEASER.set(Some(cx.waker().clone()));
        Poll::Pending
    })
    .await
}
