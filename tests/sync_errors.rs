//! What the errors of `sync` have in common.

use std::error::Error;
use std::fmt::{Debug, Display};

use monoloop::sync::remote::{channel, oneshot as remote_oneshot};
use monoloop::sync::{Barrier, Mutex, OnceCell, RateLimiter, RwLock, Semaphore};
use monoloop::sync::{broadcast, mpsc, oneshot, queue, watch};

/// Not shown, not compared, not an error itself: errors ask nothing of what they give back.
struct Opaque(u8);

/// An error says in one line what is wrong, in lower case and without a full stop, and is no larger than what it
/// gives back.
#[track_caller]
fn assert_decent<E: Error + Debug + Display>(error: &E, largest: usize) {
    let text = error.to_string();
    assert!(text.chars().next().is_some_and(|first| !first.is_uppercase()), "{text}");
    assert!(!text.ends_with('.') && !text.contains('\n'), "{text}");
    assert!(!format!("{error:?}").is_empty());
    assert!(size_of::<E>() <= largest, "{} bytes: {text}", size_of::<E>());
    assert!(error.source().is_none());
}

/// A word, or two of them for what tells of two things.
const WORD: usize = size_of::<usize>();

#[test]
fn errors_of_locks_and_cells_are_small_and_say_what_is_wrong() {
    let mutex = Mutex::new(());
    let _held = mutex.try_lock().unwrap();
    assert_decent(&mutex.try_lock().unwrap_err(), 0);
    let lock = RwLock::new(());
    let _written = lock.try_write().unwrap();
    assert_decent(&lock.try_read().unwrap_err(), 0);

    let semaphore = Semaphore::new(0);
    assert_decent(&semaphore.try_acquire().unwrap_err(), 1);
    semaphore.close();
    assert_decent(&semaphore.try_acquire().unwrap_err(), 1);
    assert_decent(&monoloop::run(async { semaphore.acquire().await.unwrap_err() }), 0);

    let barrier = Barrier::new(2);
    barrier.abort();
    assert_decent(&monoloop::run(async { barrier.wait().await.unwrap_err() }), 0);
    monoloop::run(async {
        let limiter = RateLimiter::new(1, std::time::Duration::from_secs(1)).with_burst(1);
        limiter.try_acquire().unwrap();
        assert_decent(&limiter.try_acquire().unwrap_err(), 0);
    });

    let cell = OnceCell::new();
    assert!(cell.set(Opaque(1)).is_ok());
    let error = cell.set(Opaque(2)).err().unwrap();
    assert_decent(&error, WORD);
    assert_eq!(error.into_inner().0, 2);
}

#[test]
fn errors_of_channels_give_back_what_was_not_sent() {
    let (sender, mut receiver) = mpsc::channel(1);
    assert_decent(&receiver.try_recv().err().unwrap(), 1);
    sender.try_send(Opaque(1)).unwrap_or_else(|_| panic!("there is a place"));
    let full = sender.try_send(Opaque(2)).unwrap_err();
    assert_decent(&full, 2);
    assert_eq!(full.into_inner().0, 2);
    drop(receiver);
    let closed = sender.try_send(Opaque(3)).unwrap_err();
    assert_decent(&closed, 2);
    assert_eq!(closed.into_inner().0, 3);
    let unsent = monoloop::run(async { sender.send(Opaque(4)).await.unwrap_err() });
    assert_decent(&unsent, 1);
    assert_eq!(unsent.into_inner().0, 4);
    assert_decent(&monoloop::run(async { sender.reserve().await.err().unwrap() }), 1);
    assert_decent(&monoloop::run(async { sender.reserve_many(2).await.err().unwrap() }), 1);

    let (sender, _) = mpsc::unbounded_channel();
    assert_eq!(sender.send(Opaque(5)).unwrap_err().into_inner().0, 5);

    let (sender, mut receiver) = oneshot::channel::<Opaque>();
    assert_decent(&receiver.try_recv().err().unwrap(), 1);
    receiver.close();
    let unsent = sender.send(Opaque(6)).unwrap_err();
    assert_decent(&unsent, 1);
    assert_eq!(unsent.into_inner().0, 6);
    assert_decent(&monoloop::run(receiver).err().unwrap(), 0);

    let (sender, receiver) = watch::channel(Opaque(0));
    drop(receiver);
    let unsent = sender.send(Opaque(7)).unwrap_err();
    assert_decent(&unsent, 1);
    assert_eq!(unsent.into_inner().0, 7);
    let mut receiver = sender.subscribe();
    drop(sender);
    assert_decent(&monoloop::run(async { receiver.changed().await.unwrap_err() }), 0);
}

#[test]
fn errors_of_broadcasts_say_how_many_were_missed() {
    let (sender, mut receiver) = broadcast::channel(1);
    assert_decent(&receiver.try_recv().unwrap_err(), 2 * WORD);
    (0..3).for_each(|n| _ = sender.send(n).unwrap());
    let lagged = receiver.try_recv().unwrap_err();
    assert_decent(&lagged, 2 * WORD);
    assert!(lagged.to_string().contains('2'), "{lagged}");
    drop(receiver);
    let unsent = sender.send(7).unwrap_err();
    assert_decent(&unsent, WORD);
    assert_eq!(unsent.into_inner(), 7);
    let mut receiver = sender.subscribe();
    drop(sender);
    assert_decent(&monoloop::run(async { receiver.recv().await.unwrap_err() }), 2 * WORD);
}

#[test]
fn errors_of_queues_give_back_what_was_not_put() {
    let queue = queue::Queue::bounded(1);
    assert_decent(&queue.try_get().err().unwrap(), 1);
    queue.try_put(Opaque(1)).unwrap_or_else(|_| panic!("there is a place"));
    let full = queue.try_put(Opaque(2)).unwrap_err();
    assert_decent(&full, 2);
    assert_eq!(full.into_inner().0, 2);
    queue.close_now();
    let closed = queue.try_put(Opaque(3)).unwrap_err();
    assert_eq!(closed.into_inner().0, 3);
    let unput = monoloop::run(async { queue.put(Opaque(4)).await.unwrap_err() });
    assert_decent(&unput, 1);
    assert_eq!(unput.into_inner().0, 4);
    assert_decent(&monoloop::run(async { queue.reserve().await.err().unwrap() }), 0);
    assert_decent(&monoloop::run(async { queue.get().await.err().unwrap() }), 0);
}

#[test]
fn errors_between_threads_give_back_what_was_not_sent() {
    let (sender, receiver) = channel::bounded(1);
    sender.try_send(Opaque(1)).unwrap_or_else(|_| panic!("there is a place"));
    assert_eq!(sender.try_send(Opaque(2)).unwrap_err().into_inner().0, 2);
    drop(receiver);
    assert_eq!(sender.blocking_send(Opaque(3)).unwrap_err().into_inner().0, 3);
    let (sender, receiver) = remote_oneshot::channel();
    drop(receiver);
    assert_eq!(sender.send(Opaque(4)).unwrap_err().into_inner().0, 4);
}
