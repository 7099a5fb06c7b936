//! TCP over the loopback interface, both ends on the loop.

use std::time::{Duration, Instant};

use crate::runtimes::{Connection, Listener, Runtime};

/// Bytes in a message.
pub const MESSAGE: usize = 64;

/// Sends `rounds` messages to and fro on each of `connections`. An operation is a round trip: four
/// transfers, two at each end.
pub async fn echo<R: Runtime>(rounds: u64, connections: u64) -> Duration {
    let listener = R::listen().await;
    let mut pairs = Vec::new();
    for _ in 0..connections {
        let near = R::connect(listener.address()).await;
        pairs.push((near, listener.accept().await));
    }
    echo_over::<R, _>(pairs, rounds).await
}

/// Sends `rounds` messages to and fro between the ends of each pair.
pub async fn echo_over<R: Runtime, C: Connection>(pairs: Vec<(C, C)>, rounds: u64) -> Duration {
    let (near, far): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let servers: Vec<_> = far.into_iter().map(|end| R::spawn(serve(end, rounds))).collect();
    let mut clients = Vec::with_capacity(near.len());
    // Closing is not part of the time.
    let mut open = Vec::with_capacity(2 * near.len());
    let start = Instant::now();
    clients.extend(near.into_iter().map(|end| R::spawn(call(end, rounds))));
    for client in clients {
        open.push(R::output(client.await));
    }
    let elapsed = start.elapsed();
    for server in servers {
        open.push(R::output(server.await));
    }
    elapsed
}

/// Returns the connection, for it to be closed later.
async fn serve<C: Connection>(mut connection: C, rounds: u64) -> C {
    let mut buffer = vec![0; MESSAGE];
    for _ in 0..rounds {
        buffer = connection.read_exact(buffer).await;
        buffer = connection.write_all(buffer).await;
    }
    connection
}

async fn call<C: Connection>(mut connection: C, rounds: u64) -> C {
    let mut buffer = vec![7; MESSAGE];
    for _ in 0..rounds {
        buffer = connection.write_all(buffer).await;
        buffer = connection.read_exact(buffer).await;
    }
    assert_eq!(buffer, [7; MESSAGE], "the echo is what was sent");
    connection
}
