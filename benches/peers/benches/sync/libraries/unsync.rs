//! unsync, whose channels have one producer.

use unsync::semaphore::Semaphore;
use unsync::{broadcast, oneshot, spsc};

use crate::scenarios::{self, CAPACITY, Kind, RECEIVERS, run};

pub fn measure(kind: Kind, n: u64) -> Option<f64> {
    match kind {
        Kind::FreePermit => run(n, async |n| {
            let semaphore = Semaphore::new(1);
            scenarios::acquire(n, async || drop(semaphore.acquire(1).await)).await
        }),
        Kind::Bounded => run(n, async |n| {
            let (mut sender, mut receiver) = spsc::channel(CAPACITY);
            let send = async move |item| sender.send(item).await.expect("open");
            scenarios::pass(n, send, async move || receiver.recv().await.expect("open")).await
        }),
        Kind::Unbounded => run(n, async |n| {
            let (mut sender, mut receiver) = spsc::unbounded();
            let send = scenarios::in_batches(move |item| sender.try_send(item).expect("open"));
            scenarios::pass(n, send, async move || receiver.recv().await.expect("open")).await
        }),
        Kind::Oneshot => run(n, async |n| {
            let channel = || {
                let (sender, receiver) = oneshot::channel();
                (sender, async { receiver.await.expect("an answer") })
            };
            let send = |sender: oneshot::Sender<u64>, item| sender.send(item).expect("open");
            scenarios::answer(n, channel, send).await
        }),
        Kind::OneshotAlone => run(n, async |n| {
            let once = async || {
                let (sender, receiver) = oneshot::channel();
                sender.send(1).expect("open");
                std::hint::black_box(receiver.await.expect("an answer"));
            };
            scenarios::acquire(n, once).await
        }),
        Kind::Broadcast => run(n, async |n| {
            let mut sender = broadcast::channel(CAPACITY);
            let receivers = (0..RECEIVERS).map(|_| sender.subscribe()).collect();
            let receive = async |receiver: &mut broadcast::Receiver<u64>| {
                receiver.recv().await.expect("open")
            };
            let send = |item| _ = sender.try_send(item).expect("open");
            scenarios::fan_out(n, receivers, receive, send).await
        }),
        _ => None,
    }
}
