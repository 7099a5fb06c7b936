//! A server that ends well: it stops accepting, lets its connections finish what they are at, says goodbye to each,
//! and only then returns. Who takes too long is cut off, and named.
//!
//! It shows how structure, cancellation and the end of a run fit together: a [`group`](task::group) that owns the
//! connections, the loop's [`CancelToken`] that ctrl-c cancels, clean-ups that await ([`task::defer`]), and
//! the second ctrl-c for those who will not wait.
//!
//! ```text
//! cargo run --example graceful_shutdown
//! ```
//!
//! Connect with `nc 127.0.0.1 PORT`, type some words, then press ctrl-c here. It prints
//!
//! ```text
//! listening on 127.0.0.1:41975; press ctrl-c to stop
//! 127.0.0.1:40044: hello
//! stopping: interrupted
//! 127.0.0.1:40044: said goodbye
//! served 1 connections
//! ```
//!
//! With `--smoke` it connects to itself, interrupts itself, and checks what it gets.

use std::cell::{Cell, RefCell};
use std::env;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use monoloop::io::*;
use monoloop::net::{TcpListener, TcpStream};
use monoloop::task::{self, CancelToken, Ready, TaskGroup};
use monoloop::{EventLoop, Handle, OnCtrlC, time};

/// How long a client may take to be told goodbye.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

type Server = TaskGroup<(), io::Error>;

fn main() -> io::Result<()> {
    // As `#[monoloop::main(ctrl_c)]` does.
    EventLoop::builder().on_ctrl_c(OnCtrlC::Interrupt).build()?.run_or_exit(run())
}

async fn run() -> io::Result<()> {
    let is_smoke_test = env::args().any(|argument| argument == "--smoke");
    let served = Rc::new(Cell::new(0));
    let done = task::group(async |server: Server| {
        let connections = server.clone();
        let count = Rc::clone(&served);
        let start = server.start(|ready| accept(connections, count, ready));
        let address = start.await.map_err(io::Error::other)?;
        println!("listening on {address}; press ctrl-c to stop");
        if is_smoke_test {
            server.spawn(smoke(address));
        }
        Ok(())
    });
    done.await.map_err(task::GroupError::into_first)?;
    println!("served {} connections", served.get());
    Ok(())
}

/// Accepts connections until the run is interrupted. A connection is a task of the same group, so the group, and with
/// it `main`, ends when the last one has.
async fn accept(server: Server, served: Rc<Cell<u32>>, ready: Ready<SocketAddr>) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    // Nobody waits for the address if the server is ending already.
    let _unheard = ready.signal(listener.local_addr()?);
    let token = CancelToken::root();
    while let Some(accepted) = token.run_until_cancelled(listener.accept()).await {
        let (stream, peer) = accepted?;
        let served = Rc::clone(&served);
        server.spawn_named(peer.to_string(), async move {
            // What goes wrong with one client is no reason to end the others.
            if let Err(error) = serve(stream, peer).await {
                println!("{peer}: {error}");
            }
            served.set(served.get() + 1);
            Ok(())
        });
    }
    println!("stopping: {}", token.reason().as_deref().unwrap_or("no reason"));
    Ok(())
}

/// Echoes lines. However this ends, by the client, an error or the interrupt, the client is told goodbye.
async fn serve(stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let writer = Rc::new(RefCell::new(Some(writer)));
    let last = Rc::clone(&writer);
    let _goodbye = task::defer(async move {
        let Some(mut writer) = last.take() else { return };
        match time::timeout(GOODBYE_LIMIT, say_goodbye(&mut writer)).await {
            Ok(Ok(())) => println!("{peer}: said goodbye"),
            Ok(Err(error)) => println!("{peer}: no goodbye: {error}"),
            Err(elapsed) => println!("{peer}: no goodbye: {elapsed}"),
        }
    });
    let token = CancelToken::root();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        match token.run_until_cancelled(reader.read_line(&mut line)).await {
            None | Some(Ok(0)) => break,
            Some(read) => read?,
        };
        println!("{peer}: {}", line.trim_end());
        // Taken for the time of the write, so that no borrow is held across it.
        let Some(mut lent) = writer.take() else { break };
        let written = lent.write_all(line.as_bytes()).await;
        writer.replace(Some(lent));
        written?;
    }
    Ok(())
}

async fn say_goodbye(writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    writer.write_all(b"goodbye\n").await?;
    writer.close().await
}

/// What a person would do.
async fn smoke(address: SocketAddr) -> io::Result<()> {
    let mut client = BufReader::new(TcpStream::connect(address).await?);
    client.get_mut().write_all(b"hello\n").await?;
    let (mut echo, mut farewell) = (String::new(), String::new());
    client.read_line(&mut echo).await?;
    Handle::current().interrupt()?;
    client.read_line(&mut farewell).await?;
    match (&*echo, &*farewell) {
        ("hello\n", "goodbye\n") => Ok(()),
        other => Err(io::Error::other(format!("got {other:?}"))),
    }
}
