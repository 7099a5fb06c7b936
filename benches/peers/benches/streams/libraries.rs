//! The columns of the table: each measures what its library has.

use std::hint::black_box;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Instant;

use async_io::Async;

use crate::harness::{Column, Role};
use crate::scenarios::{Kind, WRITE, text};

/// All columns.
pub fn columns() -> Vec<Column<Kind>> {
    vec![
        Column::new("monoloop", &["monoloop"], Role::Ours, ours),
        Column::new("tokio", &["tokio"], Role::Peer, tokio),
        Column::new("futures", &["futures"], Role::Peer, futures),
        Column::new("futures-lite", &["futures-lite"], Role::Peer, futures_lite),
        Column::new("async-io", &["async-io", "async-executor"], Role::Peer, async_io),
    ]
}

/// Any port.
const ADDR: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Nanoseconds since then.
fn since(start: Instant) -> f64 {
    start.elapsed().as_nanos() as f64
}

/// A client that writes, a proxy, and a server that reads to the end, on one thread. The methods have the same names in
/// all libraries; what differs is given.
macro_rules! proxy {
    ($operations:expr, $connect:expr, $bind:expr, $accept:expr, $addr:expr, $spawn:expr, $close:expr, $copy:expr) => {{
        let (front, back) = ($bind.await.ok()?, $bind.await.ok()?);
        let (front_addr, back_addr) = ($addr(&front)?, $addr(&back)?);
        let proxy = $spawn(async move {
            let mut client = $accept(&front).await;
            let mut server = $connect(back_addr).await.expect("it listens");
            let copied: (u64, u64) = $copy(&mut client, &mut server).await.expect("both stand");
            copied.0
        });
        let server = $spawn(async move {
            let mut stream = $accept(&back).await;
            let (mut buffer, mut sum) = (vec![0; WRITE], 0);
            loop {
                match stream.read(&mut buffer).await.expect("it stands") {
                    0 => break sum,
                    count => sum += count,
                }
            }
        });
        let mut client = $connect(front_addr).await.ok()?;
        let data = vec![7; WRITE];
        let start = Instant::now();
        for _ in 0..$operations {
            client.write_all(&data).await.ok()?;
        }
        $close(&mut client).await.ok()?;
        (start, proxy, server)
    }};
}

fn ours(kind: Kind, operations: u64) -> Option<f64> {
    use monoloop::io::{AsyncReadExt, AsyncWriteExt, StreamReader, copy_bidirectional};
    use monoloop::net::{TcpListener, TcpStream};
    monoloop::run(async move {
        Some(match kind {
            Kind::Lines(length) => {
                let text = text(length, operations);
                let start = Instant::now();
                let mut reader = StreamReader::new(text);
                while let Some(line) = reader.next_line().await.ok()? {
                    black_box(line);
                }
                since(start)
            }
            Kind::Proxy => {
                let accept =
                    async |listener: &TcpListener| listener.accept().await.expect("one comes").0;
                let addr = |listener: &TcpListener| listener.local_addr().ok();
                let (start, proxy, server) = proxy!(
                    operations,
                    TcpStream::connect,
                    TcpListener::bind(ADDR),
                    accept,
                    addr,
                    monoloop::spawn,
                    async |client: &mut TcpStream| client.close().await,
                    copy_bidirectional
                );
                assert_eq!(server.await.ok()? as u64, proxy.await.ok()?);
                since(start)
            }
        })
    })
}

fn tokio(kind: Kind, operations: u64) -> Option<f64> {
    use tokio::io::{
        AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional_with_sizes,
    };
    use tokio::net::{TcpListener, TcpStream};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        Some(match kind {
            Kind::Lines(length) => {
                let text = text(length, operations);
                let start = Instant::now();
                let mut lines = BufReader::new(text).lines();
                while let Some(line) = lines.next_line().await.ok()? {
                    black_box(line);
                }
                since(start)
            }
            Kind::Proxy => {
                let accept =
                    async |listener: &TcpListener| listener.accept().await.expect("one comes").0;
                let addr = |listener: &TcpListener| listener.local_addr().ok();
                // Its buffers are of 8 KiB if nothing is said; monoloop's grow up to this.
                let copy = async |a: &mut TcpStream, b: &mut TcpStream| {
                    copy_bidirectional_with_sizes(a, b, WRITE, WRITE).await
                };
                let (start, proxy, server) = proxy!(
                    operations,
                    TcpStream::connect,
                    TcpListener::bind(ADDR),
                    accept,
                    addr,
                    tokio::task::spawn_local,
                    async |client: &mut TcpStream| client.shutdown().await,
                    copy
                );
                assert_eq!(server.await.ok()? as u64, proxy.await.ok()?);
                since(start)
            }
        })
    })
}

fn futures(kind: Kind, operations: u64) -> Option<f64> {
    use futures::StreamExt;
    use futures::io::{AsyncBufReadExt, BufReader};
    let Kind::Lines(length) = kind else { return None };
    monoloop::run(async move {
        let text = text(length, operations);
        let start = Instant::now();
        let mut lines = BufReader::new(text).lines();
        while let Some(line) = lines.next().await {
            black_box(line.ok()?);
        }
        Some(since(start))
    })
}

fn futures_lite(kind: Kind, operations: u64) -> Option<f64> {
    use futures_lite::StreamExt;
    use futures_lite::io::{AsyncBufReadExt, BufReader};
    let Kind::Lines(length) = kind else { return None };
    monoloop::run(async move {
        let text = text(length, operations);
        let start = Instant::now();
        let mut lines = BufReader::new(text).lines();
        while let Some(line) = lines.next().await {
            black_box(line.ok()?);
        }
        Some(since(start))
    })
}

fn async_io(kind: Kind, operations: u64) -> Option<f64> {
    use futures_lite::io::{AsyncReadExt, AsyncWriteExt};
    use std::net::{SocketAddr, TcpListener};
    let Kind::Proxy = kind else { return None };
    let executor = async_executor::LocalExecutor::new();
    async_io::block_on(executor.run(async {
        let accept =
            async |listener: &Async<TcpListener>| listener.accept().await.expect("one comes").0;
        let addr = |listener: &Async<TcpListener>| listener.get_ref().local_addr().ok();
        let connect = |addr: SocketAddr| Async::<TcpStream>::connect(addr);
        let bind = || async { Async::<TcpListener>::bind(ADDR) };
        let (start, proxy, server) = proxy!(
            operations,
            connect,
            bind(),
            accept,
            addr,
            |future| executor.spawn(future),
            async |client: &mut Async<TcpStream>| client.get_ref().shutdown(Shutdown::Write),
            copy_both
        );
        assert_eq!(server.await as u64, proxy.await);
        Some(since(start))
    }))
}

async fn copy_both(a: &mut Async<TcpStream>, b: &mut Async<TcpStream>) -> io::Result<(u64, u64)> {
    futures_lite::future::try_zip(copy_one_way(a, b), copy_one_way(b, a)).await
}

async fn copy_one_way(from: &Async<TcpStream>, mut to: &Async<TcpStream>) -> io::Result<u64> {
    let copied = futures_lite::io::copy(from, &mut to).await?;
    // Its `close` only flushes.
    to.get_ref().shutdown(Shutdown::Write)?;
    Ok(copied)
}
