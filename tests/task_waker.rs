//! Wakers: cloned, woken and dropped on any thread, before, during and after the loop's life.

mod common;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;
use std::time::Duration;

use common::{Doorbell, Log, Stay, many, own_waker, poll_once, settle};
use monoloop::{AbortHandle, EventLoop, spawn, time, yield_now};

/// Uses a waker in every way there is.
fn exercise(waker: &Waker) {
    let clone = waker.clone();
    assert!(clone.will_wake(waker));
    clone.wake_by_ref();
    clone.wake();
    drop(waker.clone());
    waker.wake_by_ref();
}

// ----- too late

#[test]
fn a_waker_kept_after_its_task_is_harmless() {
    let _alone = crate::common::alone();
    monoloop::run(async {
        let waker = spawn(own_waker()).await.unwrap();
        exercise(&waker);
        let waker = thread::spawn(move || {
            exercise(&waker);
            waker
        });
        let waker = waker.join().unwrap();
        yield_now().await;
        // Its place may have a new tenant by now.
        let others: Vec<_> = (0..100)
            .map(|n| {
                spawn(async move {
                    yield_now().await;
                    n
                })
            })
            .collect();
        exercise(&waker);
        for (n, other) in others.into_iter().enumerate() {
            assert_eq!(other.await.unwrap(), n);
        }
    });
}

#[test]
fn a_waker_kept_after_its_loop_is_harmless_on_every_thread() {
    let _alone = crate::common::alone();
    let waker = monoloop::run(async { spawn(own_waker()).await.unwrap() });
    exercise(&waker);
    // With another loop of the thread in its place.
    monoloop::run(async {
        let task = spawn(async { yield_now().await });
        exercise(&waker);
        task.await.unwrap();
    });
    let here = waker.clone();
    thread::spawn(move || {
        exercise(&waker);
        monoloop::run(async { exercise(&waker) });
        exercise(&waker);
    })
    .join()
    .unwrap();
    exercise(&here);
}

#[test]
fn a_waker_kept_after_its_thread_is_harmless() {
    let _alone = crate::common::alone();
    let waker = thread::spawn(|| monoloop::run(async { spawn(own_waker()).await.unwrap() }));
    let waker = waker.join().unwrap();
    exercise(&waker);
    monoloop::run(async { exercise(&waker) });
    thread::spawn(move || exercise(&waker)).join().unwrap();
}

#[test]
fn wakers_used_while_their_loop_ends_are_harmless() {
    let _alone = crate::common::alone();
    let rounds = many(200, 3000);
    let (sender, receiver) = mpsc::channel::<(Vec<Waker>, Arc<Barrier>)>();
    let helper = thread::spawn(move || {
        for (wakers, barrier) in receiver {
            barrier.wait();
            wakers.iter().for_each(exercise);
        }
    });
    for round in 0..rounds {
        let event_loop = EventLoop::new().unwrap();
        let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
        for _ in 0..3 {
            let wakers = Rc::clone(&wakers);
            drop(event_loop.spawn(async move {
                let waker = own_waker().await;
                wakers.borrow_mut().push(waker);
                pending::<()>().await
            }));
        }
        settle(&event_loop);
        let barrier = Arc::new(Barrier::new(2));
        sender.send((wakers.take(), Arc::clone(&barrier))).unwrap();
        barrier.wait();
        if round % 2 == 0 {
            event_loop.run(yield_now());
        }
        drop(event_loop);
    }
    drop(sender);
    helper.join().unwrap();
}

#[test]
fn the_successor_of_a_task_loses_no_wake_to_stale_wakers() {
    let _alone = crate::common::alone();
    // Wakes of the one before come in between; every one of its own must lead to a poll.
    let (sender, receiver) = mpsc::channel::<Waker>();
    let helper = thread::spawn(move || receiver.iter().for_each(|waker| waker.wake()));
    monoloop::run(async {
        let mut stale = own_waker().await;
        for _ in 0..many(300, 3000) {
            let mut yields = 0;
            let (sender, before) = (sender.clone(), stale);
            let handle = spawn(poll_fn(move |cx| {
                yields += 1;
                before.wake_by_ref();
                if yields > 3 {
                    return Poll::Ready(cx.waker().clone());
                }
                sender.send(cx.waker().clone()).unwrap();
                Poll::Pending
            }));
            stale = handle.await.unwrap();
        }
    });
    drop(sender);
    helper.join().unwrap();
}

// ----- how often

/// How often a task is polled that `wake` is called with in its first poll, and that is never ready.
fn polls_if_woken_in_the_first(wake: impl Fn(&Waker) + 'static) -> usize {
    let polls = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    let count = Rc::clone(&polls);
    drop(event_loop.spawn(poll_fn(move |cx| {
        count.set(count.get() + 1);
        if count.get() == 1 {
            wake(cx.waker());
        }
        Poll::<()>::Pending
    })));
    settle(&event_loop);
    polls.get()
}

#[test]
fn many_wakes_before_a_poll_are_one_poll() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    let bell = Doorbell::default();
    drop(event_loop.spawn(bell.wait()));
    settle(&event_loop);
    let waker = bell.waker();
    for _ in 0..1000 {
        exercise(&waker);
    }
    settle(&event_loop);
    assert_eq!(bell.polls(), 2);
    bell.open();
}

#[test]
fn a_million_wakes_from_a_thread_without_progress_are_one_poll() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    let bell = Doorbell::default();
    drop(event_loop.spawn(bell.wait()));
    settle(&event_loop);
    let waker = bell.waker();
    thread::spawn(move || {
        for _ in 0..many(100_000, 1_000_000) {
            waker.wake_by_ref();
        }
    })
    .join()
    .unwrap();
    settle(&event_loop);
    assert_eq!(bell.polls(), 2);
}

#[test]
fn a_task_that_wakes_itself_in_its_poll_is_polled_once_more() {
    let _alone = crate::common::alone();
    let polls = polls_if_woken_in_the_first(exercise);
    assert_eq!(polls, 2);
}

#[test]
fn a_task_that_a_thread_wakes_during_its_poll_is_polled_once_more() {
    let _alone = crate::common::alone();
    let polls = polls_if_woken_in_the_first(|waker| {
        let clone = waker.clone();
        thread::spawn(move || exercise(&clone)).join().unwrap();
    });
    assert_eq!(polls, 2);
}

#[test]
fn a_wake_by_itself_and_one_by_a_thread_lose_nothing() {
    let _alone = crate::common::alone();
    let polls = polls_if_woken_in_the_first(|waker| {
        let clone = waker.clone();
        thread::spawn(move || clone.wake()).join().unwrap();
        waker.wake_by_ref();
    });
    // The remote wake may come after the poll that the local one led to.
    assert!((2..=3).contains(&polls), "{polls} polls");
}

#[test]
fn wakes_from_four_threads_during_one_wait_all_arrive() {
    let _alone = crate::common::alone();
    const THREADS: usize = 4;
    let rounds = many(100, 2000);
    let mut senders = Vec::new();
    let mut helpers = Vec::new();
    for _ in 0..THREADS {
        let (sender, receiver) = mpsc::channel::<Waker>();
        senders.push(sender);
        helpers.push(thread::spawn(move || receiver.iter().for_each(Waker::wake)));
    }
    monoloop::run(async {
        let tasks: Vec<_> = senders
            .into_iter()
            .map(|sender| {
                spawn(async move {
                    for _ in 0..rounds {
                        let mut is_first = true;
                        // Spurious polls are allowed, a missing one hangs the test.
                        poll_fn(|cx| {
                            if std::mem::take(&mut is_first) {
                                sender.send(cx.waker().clone()).unwrap();
                                return Poll::Pending;
                            }
                            Poll::Ready(())
                        })
                        .await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    for helper in helpers {
        helper.join().unwrap();
    }
}

#[test]
fn tasks_that_a_thread_woke_are_polled_in_the_order_of_its_wakes() {
    let event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let bells: Vec<Doorbell> = (0..100).map(|_| Doorbell::default()).collect();
    for (n, bell) in bells.iter().enumerate() {
        let (log, mut waiting) = (log.clone(), Box::pin(bell.wait()));
        drop(event_loop.spawn(poll_fn(move |cx| {
            log.push(n.to_string());
            waiting.as_mut().poll(cx)
        })));
    }
    settle(&event_loop);
    log.take();
    let order: Vec<usize> = (0..100).map(|n| n * 37 % 100).collect();
    let wakers: Vec<Waker> = order.iter().map(|&n| bells[n].waker()).collect();
    thread::spawn(move || wakers.into_iter().for_each(Waker::wake)).join().unwrap();
    settle(&event_loop);
    assert_eq!(log.take(), order.iter().map(usize::to_string).collect::<Vec<_>>());
}

#[test]
fn four_threads_that_wake_the_same_task_lose_no_wake() {
    let _alone = crate::common::alone();
    const THREADS: usize = 4;
    let rounds = many(200, 5000);
    let count = Arc::new(AtomicUsize::new(0));
    monoloop::run(async {
        let waker = own_waker().await;
        let helpers: Vec<_> = (0..THREADS)
            .map(|_| {
                let (count, waker) = (Arc::clone(&count), waker.clone());
                thread::spawn(move || {
                    for _ in 0..rounds {
                        // First the work, then the wake: the poll that follows must see it.
                        count.fetch_add(1, Ordering::Relaxed);
                        waker.wake_by_ref();
                    }
                })
            })
            .collect();
        poll_fn(|_| match count.load(Ordering::Relaxed) {
            all if all == THREADS * rounds => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
        for helper in helpers {
            helper.join().unwrap();
        }
    });
}

// ----- what a wake does not do

#[test]
fn a_wake_only_enqueues() {
    let _alone = crate::common::alone();
    monoloop::run(async {
        let lock = Rc::new(Mutex::new(0));
        let bell = Doorbell::default();
        let (waiting, inside) = (bell.wait(), Rc::clone(&lock));
        let handle = spawn(async move {
            waiting.await;
            *inside.try_lock().expect("nobody holds it when the woken task runs") += 1;
        });
        yield_now().await;
        {
            let _held = lock.lock().unwrap();
            bell.open();
        }
        handle.await.unwrap();
        assert_eq!(*lock.lock().unwrap(), 1);
    });
}

#[test]
fn a_remote_wake_only_enqueues() {
    let _alone = crate::common::alone();
    monoloop::run(async {
        let polled_on = Arc::new(Mutex::new(None));
        let is_woken = Arc::new(AtomicBool::new(false));
        let (inside, flag) = (Arc::clone(&polled_on), Arc::clone(&is_woken));
        let (sender, receiver) = mpsc::channel();
        let handle = spawn(poll_fn(move |cx| {
            if flag.load(Ordering::SeqCst) {
                *inside.try_lock().expect("nobody holds it") = Some(thread::current().id());
                return Poll::Ready(());
            }
            sender.send(cx.waker().clone()).unwrap();
            Poll::Pending
        }));
        yield_now().await;
        let waker = receiver.recv().unwrap();
        let lock = Arc::clone(&polled_on);
        thread::spawn(move || {
            let _held = lock.lock().unwrap();
            is_woken.store(true, Ordering::SeqCst);
            waker.wake();
        })
        .join()
        .unwrap();
        handle.await.unwrap();
        assert_eq!(*polled_on.lock().unwrap(), Some(thread::current().id()));
    });
}

#[test]
fn a_task_is_dropped_on_its_thread_whoever_holds_wakers() {
    let _alone = crate::common::alone();
    let alive = Rc::new(Cell::new(0));
    let (sender, receiver) = mpsc::channel::<Waker>();
    let helper = thread::spawn(move || {
        let wakers: Vec<Waker> = receiver.iter().collect();
        // The last of all wakers, and the loop is gone.
        wakers.iter().for_each(exercise);
    });
    monoloop::run(async {
        for fate in 0..3 {
            let (stay, sender) = (Stay::new(&alive), sender.clone());
            let handle = spawn(async move {
                let _held = stay;
                sender.send(own_waker().await).unwrap();
                if fate == 0 {
                    pending::<()>().await;
                }
            });
            yield_now().await;
            if fate == 1 {
                handle.abort();
            }
            drop(handle);
        }
    });
    assert_eq!(alive.get(), 0);
    drop(sender);
    helper.join().unwrap();
}

#[test]
fn a_wake_from_another_loops_thread_reaches_the_right_task() {
    let _alone = crate::common::alone();
    let (to_there, from_here) = mpsc::channel::<Waker>();
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let helper = thread::spawn(move || {
        monoloop::run(async move {
            let mine = spawn(async {
                for _ in 0..10 {
                    yield_now().await;
                }
            });
            let theirs = from_here.recv().unwrap();
            set.store(true, Ordering::SeqCst);
            theirs.wake();
            mine.await.unwrap();
        });
    });
    monoloop::run(poll_fn(|cx| {
        if flag.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        // The helper may be gone after the first.
        let _sent = to_there.send(cx.waker().clone());
        Poll::Pending
    }));
    helper.join().unwrap();
}

#[test]
fn wakers_that_are_forgotten_cost_nothing() {
    let _alone = crate::common::alone();
    monoloop::run(async {
        for _ in 0..many(1000, 100_000) {
            spawn(async { std::mem::forget(own_waker().await) }).await.unwrap();
        }
    });
}

#[test]
fn clones_and_wakes_in_any_order_and_number_are_sound() {
    let _alone = crate::common::alone();
    let seed = std::env::var("MONOLOOP_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    println!("MONOLOOP_SEED={seed}");
    let alive = Rc::new(Cell::new(0));
    monoloop::run(async {
        let mut random = common::Random::new(seed);
        let mut wakers: Vec<Waker> = Vec::new();
        let (sender, receiver) = mpsc::channel::<Waker>();
        let helper = thread::spawn(move || {
            for waker in receiver {
                exercise(&waker);
            }
        });
        let mut tasks = Vec::new();
        let mut living = 0;
        for _ in 0..many(20_000, 500_000) {
            match random.below(8) {
                0 => {
                    let (stay, theirs) = (Stay::new(&alive), Rc::new(Cell::new(None)));
                    let mine = Rc::clone(&theirs);
                    tasks.push(spawn(async move {
                        let _held = stay;
                        let waker = own_waker().await;
                        mine.set(Some(waker.clone()));
                        pending::<()>().await;
                        drop(waker);
                    }));
                    if random.below(4) == 0 {
                        yield_now().await;
                    }
                    // Of a task that lives, if it was polled; else the main one's.
                    let of_living = theirs.take();
                    living += usize::from(of_living.is_some());
                    wakers.push(match of_living {
                        Some(waker) => waker,
                        None => own_waker().await,
                    });
                }
                1 if !wakers.is_empty() => wakers.push(wakers[random.below(wakers.len())].clone()),
                2 if !wakers.is_empty() => {
                    wakers.swap_remove(random.below(wakers.len())).wake();
                }
                3 if !wakers.is_empty() => wakers[random.below(wakers.len())].wake_by_ref(),
                4 if !wakers.is_empty() => drop(wakers.swap_remove(random.below(wakers.len()))),
                5 if !wakers.is_empty() => {
                    std::mem::forget(wakers.swap_remove(random.below(wakers.len())));
                }
                6 if !wakers.is_empty() => {
                    sender.send(wakers.swap_remove(random.below(wakers.len()))).unwrap();
                }
                7 if !tasks.is_empty() => {
                    tasks.swap_remove(random.below(tasks.len())).abort();
                }
                _ => {
                    // A waker of a task that ends right after.
                    wakers.push(spawn(own_waker()).await.unwrap());
                }
            }
        }
        assert_eq!(alive.get(), tasks.len(), "each task was dropped once, and no other");
        assert!(living > 10, "{living} wakers of tasks that live");
        drop(sender);
        helper.join().unwrap();
    });
    assert_eq!(alive.get(), 0);
}

#[test]
fn a_sleeping_loop_is_woken_by_a_thread() {
    let _alone = crate::common::alone();
    // The clock is real, and the timeout only there to end a test that fails.
    monoloop::run(async {
        let (sender, receiver) = mpsc::channel::<Waker>();
        let helper = thread::spawn(move || receiver.recv().unwrap().wake());
        let mut is_first = true;
        let woken = poll_fn(move |cx| {
            if std::mem::take(&mut is_first) {
                sender.send(cx.waker().clone()).unwrap();
                return Poll::Pending;
            }
            Poll::Ready(())
        });
        time::timeout(Duration::from_secs(60), woken).await.expect("a wake");
        helper.join().unwrap();
    });
}

thread_local! {
    static VICTIM: RefCell<Option<AbortHandle>> = const { RefCell::new(None) };
}

/// Its wakers' clone is foreign code that ends a task; they wake nobody.
static ABORTING: RawWakerVTable = RawWakerVTable::new(
    |_| {
        if let Some(victim) = VICTIM.take() {
            victim.abort();
        }
        RawWaker::new(ptr::null(), &ABORTING)
    },
    |_| {},
    |_| {},
    |_| {},
);

#[test]
fn a_join_that_ends_its_own_task_by_a_clone_of_the_waker_is_ready() {
    let event_loop = EventLoop::new().unwrap();
    let mut handle = event_loop.spawn(pending::<()>());
    VICTIM.set(Some(handle.abort_handle()));
    // SAFETY: the functions ask nothing of the data, and may be called on any thread.
    let waker = unsafe { Waker::from_raw(RawWaker::new(ptr::null(), &ABORTING)) };
    let Poll::Ready(outcome) = poll_once(&mut handle, &waker) else {
        panic!("nobody would wake it");
    };
    assert!(outcome.unwrap_err().is_cancelled());
}
