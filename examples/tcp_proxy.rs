//! A proxy: it passes connections on to another address, both ways, and half-closes as they come.
//!
//! It shows [`copy_bidirectional`], a task for each connection, and a limit of how many there may be at a time:
//! when it is reached, the next clients wait in the kernel's queue.
//!
//! ```text
//! cargo run --example tcp_proxy 127.0.0.1:7000 example.com:80
//! ```
//!
//! In another terminal, `curl -H 'Host: example.com' http://127.0.0.1:7000/` shows the page, and the proxy prints
//!
//! ```text
//! 127.0.0.1:7000 passes on to example.com:80
//! 127.0.0.1:51764: 84 bytes there, 1591 bytes back in 213.1ms
//! ```
//!
//! Ctrl-c ends it. With `--smoke` it puts itself between a client and a server of its own, and ends.

use std::cell::RefCell;
use std::env;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use monoloop::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use monoloop::net::{TcpListener, TcpStream};
use monoloop::sync::Semaphore;
use monoloop::{spawn, time};

const USAGE: &str = "Usage: tcp_proxy LISTEN TARGET | --smoke";

/// How many connections there may be at a time.
const MOST: usize = 1000;
/// How long to wait for the target.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long to wait when a connection cannot be accepted, for want of descriptors perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--smoke"] => monoloop::run(smoke()),
        [listen, target] => monoloop::run(serve(listen, target)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tcp_proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(listen: &str, target: &str) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    println!("{} passes on to {target}", listener.local_addr()?);
    pass_all_on(listener, target.to_owned(), |outcome| println!("{outcome}")).await
}

/// Accepts for ever.
async fn pass_all_on(
    listener: TcpListener,
    target: String,
    report: impl Fn(String) + Clone + 'static,
) -> io::Result<()> {
    let places = Rc::new(Semaphore::new(MOST));
    loop {
        let place = Rc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
        let (client, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                report(format!("cannot accept a connection: {error}"));
                time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (target, report) = (target.clone(), report.clone());
        let connection = spawn(async move {
            report(pass_on(client, peer, &target).await);
            drop(place);
        });
        connection.detach(); // the loop owns it
    }
}

/// Serves one client, and says what there is to say about it.
async fn pass_on(mut client: TcpStream, peer: SocketAddr, target: &str) -> String {
    let begin = Instant::now();
    let mut server = match time::timeout(CONNECT_LIMIT, TcpStream::connect(target)).await {
        Ok(Ok(server)) => server,
        Ok(Err(error)) => return format!("{peer}: {error}"),
        Err(elapsed) => return format!("{peer}: {target} does not answer: {elapsed}"),
    };
    let mut copy = copy_bidirectional(&mut client, &mut server);
    let result = (&mut copy).await;
    // Known after an error, too.
    let (there, back) = copy.copied();
    let moved = format!("{there} bytes there, {back} bytes back in {:.1?}", begin.elapsed());
    match result {
        Ok(_) => format!("{peer}: {moved}"),
        Err(error) => format!("{peer}: {moved}, and then: {error}"),
    }
}

/// A server that answers when its client has said all, behind a proxy, and a client that has much to say.
async fn smoke() -> io::Result<()> {
    const LENGTH: usize = 4 * 1024 * 1024;

    let server = TcpListener::bind("127.0.0.1:0").await?;
    let target = server.local_addr()?.to_string();
    let serving = spawn(async move {
        let (mut stream, _) = server.accept().await?;
        let mut question = Vec::new();
        // It ends only because the proxy passes the half-close on.
        stream.read_to_end(&mut question).await?;
        stream.write_all(format!("{} bytes", question.len()).as_bytes()).await
    });

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let outcomes = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&outcomes);
    let proxy = pass_all_on(listener, target, move |outcome| told.borrow_mut().push(outcome));
    let proxy = spawn(proxy).abort_on_drop();

    let mut client = TcpStream::connect(address).await?;
    client.write_all(&vec![b'x'; LENGTH]).await?;
    client.close().await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    serving.await.map_err(io::Error::other)??;
    while outcomes.borrow().is_empty() {
        monoloop::yield_now().await;
    }
    drop(proxy);

    let outcome = outcomes.take().remove(0);
    let expected = format!("{}: {LENGTH} bytes there, 13 bytes back in ", client.local_addr()?);
    if answer != format!("{LENGTH} bytes") || !outcome.starts_with(&expected) {
        return Err(io::Error::other(format!("{answer:?} came back, and {outcome:?}")));
    }
    println!("smoke: {LENGTH} bytes went through, and the answer came back");
    Ok(())
}
