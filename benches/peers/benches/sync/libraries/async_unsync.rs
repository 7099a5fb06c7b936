//! async-unsync.

use async_unsync::semaphore::Semaphore;
use async_unsync::{bounded, oneshot, unbounded};

use crate::scenarios::{self, CAPACITY, Kind, run};

pub fn measure(kind: Kind, n: u64) -> Option<f64> {
    match kind {
        Kind::FreePermit => run(n, async |n| {
            let semaphore = Semaphore::new(1);
            scenarios::acquire(n, async || drop(semaphore.acquire().await)).await
        }),
        Kind::Bounded => run(n, async |n| {
            let (sender, mut receiver) = bounded::channel(CAPACITY).into_split();
            let send = async move |item| sender.send(item).await.expect("open");
            scenarios::pass(n, send, async move || receiver.recv().await.expect("open")).await
        }),
        Kind::Unbounded => run(n, async |n| {
            let (sender, mut receiver) = unbounded::channel().into_split();
            let send = scenarios::in_batches(move |item| sender.send(item).expect("open"));
            scenarios::pass(n, send, async move || receiver.recv().await.expect("open")).await
        }),
        Kind::Oneshot => run(n, async |n| {
            let channel = || {
                let (sender, receiver) = oneshot::channel().into_split();
                (sender, async { receiver.await.expect("an answer") })
            };
            let send = |sender: oneshot::Sender<u64>, item| sender.send(item).expect("open");
            scenarios::answer(n, channel, send).await
        }),
        Kind::OneshotAlone => run(n, async |n| {
            let once = async || {
                let (sender, receiver) = oneshot::channel().into_split();
                sender.send(1).expect("open");
                std::hint::black_box(receiver.await.expect("an answer"));
            };
            scenarios::acquire(n, once).await
        }),
        _ => None,
    }
}
