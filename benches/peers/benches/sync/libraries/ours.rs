//! monoloop::sync.

use monoloop::sync::queue::PriorityQueue;
use monoloop::sync::{Event, Mutex, Semaphore, broadcast, mpsc, oneshot, watch};
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
        Kind::Broadcast => run(n, async |n| {
            let (sender, _) = broadcast::channel(CAPACITY);
            let receivers = (0..RECEIVERS).map(|_| sender.subscribe()).collect();
            let receive = async |receiver: &mut broadcast::Receiver<u64>| {
                receiver.recv().await.expect("open")
            };
            let send = |item| _ = sender.send(item).expect("open");
            scenarios::fan_out(n, receivers, receive, send).await
        }),
        Kind::Watch => run(n, async |n| {
            let (sender, receiver) = watch::channel(0);
            let receivers = vec![receiver; RECEIVERS as usize];
            let receive = async |receiver: &mut watch::Receiver<u64>| {
                receiver.changed().await.expect("open");
                *receiver.borrow_and_update()
            };
            scenarios::fan_out(n, receivers, receive, |item| sender.send(item).expect("open")).await
        }),
        Kind::Event => run(n, async |n| {
            let wait = async |event: &Event| event.wait().await;
            let set = |event: &Event| {
                event.set();
                event.clear();
            };
            scenarios::release(n, WAITERS, Event::new(), wait, set).await
        }),
        Kind::Priority => run(n, async |n| {
            scenarios::put_and_get(
                n,
                PriorityQueue::unbounded(),
                async |queue, item| queue.put(item).await.expect("open"),
                async |queue| queue.get().await.expect("open"),
            )
            .await
        }),
        Kind::IdleMutexBytes => scenarios::idle_bytes(n, || Mutex::new(())),
        Kind::WaitingLockBytes => {
            let mutex = Mutex::new(());
            let _guard = mutex.try_lock();
            scenarios::waiting_bytes(n, || mutex.lock())
        }
    }
}
