//! async-lock, async-channel, async-broadcast and event-listener, which belong together.

use async_lock::{Mutex, Semaphore};
use event_listener::Event;
use monoloop::yield_now;

use crate::scenarios::{self, CAPACITY, Kind, RECEIVERS, WAITERS, run};

pub fn measure(kind: Kind, n: u64) -> Option<f64> {
    match kind {
        Kind::FreeMutex => run(n, async |n| {
            let mutex = Mutex::new(());
            scenarios::acquire(n, async || drop(mutex.lock().await)).await
        }),
        Kind::FreePermit => run(n, async |n| {
            let semaphore = Semaphore::new(1);
            scenarios::acquire(n, async || drop(semaphore.acquire().await)).await
        }),
        Kind::ContendedMutex => run(n, async |n| {
            scenarios::pass_around(n, Mutex::new(()), async |mutex| {
                let _guard = mutex.lock().await;
                yield_now().await;
            })
            .await
        }),
        Kind::Bounded => run(n, async |n| {
            let (sender, receiver) = async_channel::bounded(CAPACITY);
            let send = async move |item| sender.send(item).await.expect("open");
            scenarios::pass(n, send, async move || receiver.recv().await.expect("open")).await
        }),
        Kind::Unbounded => run(n, async |n| {
            let (sender, receiver) = async_channel::unbounded();
            let send = scenarios::in_batches(move |item| sender.try_send(item).expect("open"));
            scenarios::pass(n, send, async move || receiver.recv().await.expect("open")).await
        }),
        Kind::Broadcast => run(n, async |n| {
            let (sender, receiver) = async_broadcast::broadcast(CAPACITY);
            let receivers = vec![receiver; RECEIVERS as usize];
            let receive = async |receiver: &mut async_broadcast::Receiver<u64>| {
                receiver.recv_direct().await.expect("open")
            };
            let send = |item| _ = sender.try_broadcast(item).expect("open");
            scenarios::fan_out(n, receivers, receive, send).await
        }),
        Kind::Event => run(n, async |n| {
            let wait = async |event: &Event| event.listen().await;
            let set = |event: &Event| _ = event.notify(usize::MAX);
            scenarios::release(n, WAITERS, Event::new(), wait, set).await
        }),
        Kind::IdleMutexBytes => scenarios::idle_bytes(n, || Mutex::new(())),
        Kind::WaitingLockBytes => {
            let mutex = Mutex::new(());
            let _guard = mutex.try_lock();
            scenarios::waiting_bytes(n, || mutex.lock())
        }
        _ => None,
    }
}
