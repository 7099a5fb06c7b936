//! An echo server for datagrams.
//!
//! It shows a socket that several tasks share by reference, what a refusal looks like over UDP, and that a datagram which
//! was lost is noticed by a time limit only.
//!
//! ```text
//! cargo run --example udp_echo 127.0.0.1:7000
//! ```
//!
//! In another terminal, `nc -u 127.0.0.1 7000`, and type. It prints
//!
//! ```text
//! listening on 127.0.0.1:7000
//! 127.0.0.1:50562: 6 bytes
//! ```
//!
//! With `--smoke` it sends itself some datagrams, checks the answers, and ends.

use std::env;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use monoloop::future::try_gather;
use monoloop::net::UdpSocket;
use monoloop::{spawn, time};

/// The longest datagram that IPv4 can carry.
const LONGEST: usize = 65_507;

#[monoloop::main]
async fn main() -> io::Result<()> {
    let argument = env::args().nth(1);
    let is_smoke_test = argument.as_deref() == Some("--smoke");
    let address = argument.filter(|_| !is_smoke_test).unwrap_or("127.0.0.1:0".to_owned());
    let socket = UdpSocket::bind(address).await?;
    let address = socket.local_addr()?;
    println!("listening on {address}");
    if !is_smoke_test {
        return serve(&socket, |peer, length| println!("{peer}: {length} bytes")).await;
    }
    let server = spawn(async move { serve(&socket, |_, _| ()).await }).abort_on_drop();
    smoke(address).await?;
    drop(server);
    refused(address).await
}

/// Sends back what comes, for ever.
async fn serve(socket: &UdpSocket, log: impl Fn(SocketAddr, usize)) -> io::Result<()> {
    let mut buffer = [0; LONGEST];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await?;
        log(peer, length);
        // A peer that cannot be reached is no reason to end.
        if let Err(error) = socket.send_to(&buffer[..length], peer).await {
            println!("{peer}: {error}");
        }
    }
}

/// Four clients ask a hundred times each, and again when no answer comes.
async fn smoke(address: SocketAddr) -> io::Result<()> {
    let clients = (0..4u8).map(|client| async move {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(address).await?;
        for round in 0..100u8 {
            let question = [client, round];
            let mut answer = [u8::MAX; 16];
            while answer[..2] != question {
                socket.send(&question).await?;
                let answered = time::timeout(Duration::from_secs(1), socket.recv(&mut answer));
                if let Ok(length) = answered.await {
                    length?;
                }
            }
        }
        io::Result::Ok(())
    });
    try_gather(clients).await?;
    println!("smoke: 400 datagrams came back");
    Ok(())
}

/// Nobody is there any more: the system says so, to a socket that is connected.
async fn refused(address: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(address).await?;
    socket.send(b"hello?").await?;
    match socket.recv(&mut [0]).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            println!("smoke: and then nobody was there");
            Ok(())
        }
        other => Err(io::Error::other(format!("{other:?}, instead of a refusal"))),
    }
}
