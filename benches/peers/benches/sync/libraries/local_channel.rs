//! local-channel: an unbounded channel.

use local_channel::mpsc;

use crate::scenarios::{self, Kind, run};

pub fn measure(kind: Kind, n: u64) -> Option<f64> {
    if kind != Kind::Unbounded {
        return None;
    }
    run(n, async |n| {
        let (sender, mut receiver) = mpsc::channel();
        let send = scenarios::in_batches(move |item| sender.send(item).expect("open"));
        scenarios::pass(n, send, async move || receiver.recv().await.expect("open")).await
    })
}
