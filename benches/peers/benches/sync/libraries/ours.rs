//! monoloop::sync.

use monoloop::sync::{mpsc, oneshot};

use crate::scenarios::{self, CAPACITY, Kind, run};

pub fn measure(kind: Kind, n: u64) -> Option<f64> {
    match kind {
        Kind::Bounded => run(n, async |n| {
            let (sender, mut receiver) = mpsc::channel(CAPACITY);
            let send = async move |item| sender.send(item).await.expect("open");
            scenarios::pass(n, send, async move || receiver.recv().await.expect("open")).await
        }),
        Kind::Unbounded => run(n, async |n| {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            let send = scenarios::in_batches(move |item| sender.send(item).expect("open"));
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
        _ => None,
    }
}
