//! An echo server on all cores: a loop on each, and the kernel spreads the connections over them.
//!
//! It shows [`workers`], listeners that share a port, what the loops tell each other (over `sync::remote`), and how all
//! of them end together.
//!
//! ```text
//! cargo run --release --example multi_core_echo 127.0.0.1:7000
//! ```
//!
//! Connect with `nc 127.0.0.1 7000` some times, type lines, and press ctrl-c here. It prints
//!
//! ```text
//! listening on 127.0.0.1:7000 with 2 loops; press ctrl-c to stop
//! loop 0 served 3, loop 1 served 2 connections
//! ```
//!
//! With `--smoke` it echoes over connections of its own, and ends. On Unix, where ports can be shared.

#[cfg(unix)]
fn main() -> std::io::Result<()> {
    server::main()
}

#[cfg(not(unix))]
fn main() {
    eprintln!("multi_core_echo: ports cannot be shared here");
}

#[cfg(unix)]
mod server {
    use std::env;
    use std::io;
    use std::net::SocketAddr;
    use std::time::Duration;

    use monoloop::future::try_gather;
    use monoloop::io::*;
    use monoloop::net::{Server, TcpStream, lookup_host};
    use monoloop::sync::remote::channel::{self, Sender};
    use monoloop::task::CancelToken;
    use monoloop::{EventLoop, OnCtrlC, Worker, workers};

    const GRACE: Duration = Duration::from_secs(1);

    pub(super) fn main() -> io::Result<()> {
        // This loop serves nobody: it waits for ctrl-c.
        let event_loop = EventLoop::builder().on_ctrl_c(OnCtrlC::Interrupt).build()?;
        event_loop.run(run())
    }

    async fn run() -> io::Result<()> {
        let argument = env::args().nth(1);
        let is_smoke_test = argument.as_deref() == Some("--smoke");
        let address = argument.filter(|_| !is_smoke_test).unwrap_or("127.0.0.1:0".to_owned());
        let address = lookup_host(address).await?[0];
        // With port 0 the first to bind chooses, so this one does. It never accepts, and so must not listen.
        let port = socket(address)?;
        let address = port.local_addr()?;

        let (sender, mut listening) = channel::unbounded();
        let workers = workers(0, move |worker| serve(worker, address, sender.clone()))?;
        let mut all_listen = true;
        for _ in 0..workers.len() {
            all_listen &= listening.recv().await == Some(true);
        }
        // If not all do, joining them says why.
        if all_listen {
            println!("listening on {address} with {} loops; press ctrl-c to stop", workers.len());
            match is_smoke_test {
                true => smoke(address).await?,
                false => CancelToken::root().cancelled().await,
            }
        }
        workers.stop();
        let mut served = Vec::new();
        for (index, result) in workers.join().await.into_iter().enumerate() {
            let connections = result.map_err(io::Error::other)??;
            served.push(format!("loop {index} served {connections}"));
        }
        println!("{} connections", served.join(", "));
        Ok(())
    }

    fn socket(address: SocketAddr) -> io::Result<monoloop::net::TcpSocket> {
        let socket = monoloop::net::TcpSocket::for_addr(&address)?;
        socket.set_reuse_addr(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(address)?;
        Ok(socket)
    }

    /// One loop. Gives how many connections it served.
    async fn serve(
        worker: Worker,
        address: SocketAddr,
        listening: Sender<bool>,
    ) -> io::Result<u64> {
        let bound = Server::builder().reuse_port(true).bind(address).await;
        let _nobody_counts = listening.send(bound.is_ok()).await;
        let server =
            bound?.start(async |stream: TcpStream, _, _| copy(&stream, &stream).await.map(drop));
        worker.token().cancelled().await;
        let earlier = server.endings();
        let late = server.shutdown(GRACE).await;
        Ok(earlier.total() + late.total())
    }

    /// A hundred clients, each with something else to say.
    async fn smoke(address: SocketAddr) -> io::Result<()> {
        let clients = (0..100u8).map(|client| async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(&[client; 1000]).await?;
            stream.close().await?;
            let mut echoed = Vec::new();
            stream.read_to_end(&mut echoed).await?;
            match echoed == [client; 1000] {
                true => Ok(()),
                false => Err(io::Error::other(format!("client {client} got something else"))),
            }
        });
        try_gather(clients).await?;
        println!("smoke: 100 clients got back what they sent");
        Ok(())
    }
}
