//! What other threads may do: `Handle`, `WorkGuard`, and the ends of threads.

#![allow(clippy::async_yields_async)] // handles and sleeps go out of runs, to be used elsewhere

mod common;

use std::cell::{Cell, RefCell};
use std::future::{Ready, pending, poll_fn};
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use common::{
    Log, Stay, isolated, many, own_waker, poll_once, reporting_loop, settle, virtual_loop,
};
use monoloop::{EventLoop, Handle, JoinHandle, spawn, time, yield_now};

// ----- handles

#[test]
fn a_thread_may_spawn_a_future_that_is_not_send() {
    let _alone = crate::common::alone();
    monoloop::run(async {
        let (handle, (sender, receiver)) = (Handle::current(), mpsc::channel());
        let here = thread::current().id();
        let waker = own_waker().await;
        thread::spawn(move || {
            handle.spawn_with(move || {
                let local = Rc::new(Cell::new(20));
                async move {
                    yield_now().await;
                    local.set(local.get() + 1);
                    sender.send((local.get(), thread::current().id())).unwrap();
                    waker.wake();
                }
            })
        })
        .join()
        .unwrap()
        .unwrap()
        .detach();
        let got = poll_fn(|_| receiver.try_recv().map_or(Poll::Pending, Poll::Ready)).await;
        assert_eq!(got, (21, here));
    });
}

#[test]
fn calls_of_one_thread_run_in_their_order() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for n in 0..1000 {
            let sender = sender.clone();
            if n % 2 == 0 {
                handle.call_soon_threadsafe(move || sender.send(n).unwrap()).unwrap();
            } else {
                handle.spawn_with(move || async move { sender.send(n).unwrap() }).unwrap().detach();
            }
        }
    })
    .join()
    .unwrap();
    settle(&event_loop);
    assert_eq!(receiver.iter().collect::<Vec<_>>(), (0..1000).collect::<Vec<_>>());
}

#[test]
fn calls_may_be_made_on_the_loops_own_thread() {
    let _alone = crate::common::alone();
    let log = Arc::new(AtomicUsize::new(0));
    monoloop::run(async {
        let count = Arc::clone(&log);
        Handle::current()
            .call_soon_threadsafe(move || {
                count.fetch_add(1, Ordering::SeqCst);
                let count = Arc::clone(&count);
                Handle::current()
                    .call_soon_threadsafe(move || {
                        count.fetch_add(1, Ordering::SeqCst);
                    })
                    .unwrap();
            })
            .unwrap();
        for _ in 0..6 {
            yield_now().await;
        }
    });
    assert_eq!(log.load(Ordering::SeqCst), 2);
}

#[test]
fn calls_of_many_threads_all_run() {
    let _alone = crate::common::alone();
    let (threads, calls) = (4, many(200, 5000));
    let count = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    let (handle, total) = (event_loop.handle(), Arc::new(AtomicUsize::new(0)));
    let helpers: Vec<_> = (0..threads)
        .map(|_| {
            let (handle, total) = (handle.clone(), Arc::clone(&total));
            thread::spawn(move || {
                for _ in 0..calls {
                    let (stop, total) = (handle.clone(), Arc::clone(&total));
                    let call = move || {
                        if total.fetch_add(1, Ordering::Relaxed) + 1 == threads * calls {
                            stop.stop().unwrap();
                        }
                    };
                    handle.call_soon_threadsafe(call).unwrap();
                }
            })
        })
        .collect();
    event_loop.run_forever();
    for helper in helpers {
        helper.join().unwrap();
    }
    count.set(total.load(Ordering::Relaxed));
    assert_eq!(count.get(), threads * calls);
}

#[test]
fn a_closure_of_a_thread_that_panics_is_reported_and_the_loop_goes_on() {
    let _alone = crate::common::alone();
    let (event_loop, reports) = reporting_loop();
    let handle = event_loop.handle();
    let line = line!() + 1;
    handle.call_soon_threadsafe(|| common::quiet_panic("callback")).unwrap();
    drop(handle.spawn_with(|| -> Ready<()> { common::quiet_panic("maker") }).unwrap());
    drop(handle.spawn_with(|| async { common::quiet_panic("task") }).unwrap());
    let (sender, receiver) = mpsc::channel();
    handle.call_soon_threadsafe(move || sender.send(()).unwrap()).unwrap();
    settle(&event_loop);
    receiver.try_recv().unwrap();
    let lines = reports.take();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (n, text) in ["callback", "maker", "task"].into_iter().enumerate() {
        assert!(lines[n].ends_with(text), "{lines:?}");
        assert!(lines[n].contains(&format!("{}:{}:", file!(), line + n as u32)), "{lines:?}");
    }
}

#[test]
fn a_handle_of_a_loop_that_is_gone_gives_errors() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    let (handle, other) = (event_loop.handle(), EventLoop::new().unwrap().handle());
    assert!(!handle.is_closed());
    drop(event_loop);
    assert!(handle.is_closed() && handle.clone().is_closed());
    let dropped = Arc::new(());
    let captured = Arc::clone(&dropped);
    let error = handle.call_soon_threadsafe(move || drop(captured)).unwrap_err();
    assert_eq!(Arc::strong_count(&dropped), 1, "the refused closure is dropped");
    let captured = Arc::clone(&dropped);
    assert_eq!(handle.spawn_with(move || async move { drop(captured) }).unwrap_err(), error);
    assert_eq!(Arc::strong_count(&dropped), 1);
    assert_eq!(handle.stop().unwrap_err(), error);
    assert_ne!(other.stop().unwrap_err(), error);
    assert!(error.to_string().ends_with("is gone"), "{error}");
    let error = io::Error::from(error);
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    drop(handle.work_guard());
}

#[test]
fn a_refused_closure_may_call_the_handle_in_its_drop() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    // Left over at the end.
    let again = handle.clone();
    let guard = common::on_drop(move || assert!(again.call_soon_threadsafe(|| {}).is_err()));
    handle.call_soon_threadsafe(move || drop(guard)).unwrap();
    drop(event_loop);
    // Refused afterwards.
    let again = handle.clone();
    let guard = common::on_drop(move || assert!(again.call_soon_threadsafe(|| {}).is_err()));
    assert!(handle.call_soon_threadsafe(move || drop(guard)).is_err());
}

#[test]
fn calls_while_the_loop_ends_run_or_are_refused_and_dropped() {
    let _alone = crate::common::alone();
    let accepted = Arc::new(AtomicUsize::new(0));
    let ran = Arc::new(AtomicUsize::new(0));
    let alive = Arc::new(());
    for _ in 0..many(100, 1000) {
        let event_loop = EventLoop::new().unwrap();
        let (handle, barrier) = (event_loop.handle(), Arc::new(Barrier::new(2)));
        let (meet, accepted, ran) = (Arc::clone(&barrier), Arc::clone(&accepted), Arc::clone(&ran));
        let held = Arc::clone(&alive);
        let helper = thread::spawn(move || {
            meet.wait();
            for _ in 0..20 {
                let (ran, held) = (Arc::clone(&ran), Arc::clone(&held));
                let called = handle.call_soon_threadsafe(move || {
                    ran.fetch_add(1, Ordering::Relaxed);
                    drop(held);
                });
                accepted.fetch_add(usize::from(called.is_ok()), Ordering::Relaxed);
            }
        });
        barrier.wait();
        event_loop.run(yield_now());
        drop(event_loop);
        helper.join().unwrap();
    }
    assert!(ran.load(Ordering::Relaxed) <= accepted.load(Ordering::Relaxed));
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn the_current_handle_is_that_of_the_loop_that_runs() {
    let _alone = crate::common::alone();
    assert!(Handle::try_current().is_none());
    let event_loop = EventLoop::new().unwrap();
    let other = EventLoop::new().unwrap();
    let handle = event_loop.run(async { Handle::current() });
    drop(event_loop);
    assert!(handle.is_closed());
    assert!(!other.run(async { Handle::current() }).is_closed());
}

// ----- a virtual clock and other threads

#[test]
fn a_virtual_clock_does_not_jump_while_another_thread_works() {
    let _alone = crate::common::alone();
    let event_loop = virtual_loop();
    event_loop.run(async {
        let begin = time::now();
        let sleeper = spawn(time::sleep(Duration::from_secs(3600)));
        let guard = Handle::current().work_guard();
        let (sender, receiver) = mpsc::channel();
        let waker = own_waker().await;
        // It comes when the loop has nothing else to do, at the earliest.
        let helper = thread::spawn(move || {
            sender.send(()).unwrap();
            waker.wake();
            guard
        });
        poll_fn(|_| receiver.try_recv().map_or(Poll::Pending, Poll::Ready)).await;
        assert_eq!(time::now(), begin);
        let guard = helper.join().unwrap();
        // Released on another thread: the clock may jump again.
        thread::spawn(move || drop(guard));
        sleeper.await.unwrap();
        assert_eq!(time::now() - begin, Duration::from_secs(3600));
    });
}

#[test]
fn each_of_many_work_guards_holds_the_clock() {
    let event_loop = virtual_loop();
    let (handle, begin) = (event_loop.handle(), event_loop.now());
    let sleeper = event_loop.spawn(async { time::sleep(Duration::from_secs(1)).await });
    settle(&event_loop);
    for guard in [handle.work_guard(), handle.work_guard(), handle.work_guard()] {
        // The loop has nothing to do but to jump, and waits in real time instead.
        event_loop.turn(Some(Duration::from_micros(100))).unwrap();
        settle(&event_loop);
        assert_eq!(event_loop.now(), begin);
        drop(guard);
    }
    event_loop.run(sleeper).unwrap();
    assert_eq!(event_loop.now() - begin, Duration::from_secs(1));
}

// ----- things that went to another thread

#[test]
fn a_sleep_that_is_dropped_on_another_thread_leaves_its_loop() {
    let _alone = crate::common::alone();
    let event_loop = EventLoop::new().unwrap();
    let sleep = event_loop.run(async {
        let mut sleep = time::sleep(Duration::from_secs(3600));
        assert!(poll_once(&mut sleep, Waker::noop()).is_pending());
        sleep
    });
    assert!(event_loop.next_deadline().is_some());
    thread::spawn(move || drop(sleep)).join().unwrap();
    settle(&event_loop);
    assert_eq!(event_loop.next_deadline(), None);
}

#[test]
fn a_sleep_that_is_dropped_after_its_loop_does_nothing() {
    let _alone = crate::common::alone();
    let make = || {
        monoloop::run(async {
            let mut sleep = time::sleep(Duration::from_secs(3600));
            assert!(poll_once(&mut sleep, Waker::noop()).is_pending());
            sleep
        })
    };
    drop(make());
    let sleep = make();
    monoloop::run(async move {
        let own = time::sleep(Duration::from_millis(1));
        drop(sleep);
        own.await;
    });
    let sleep = make();
    thread::spawn(move || drop(sleep)).join().unwrap();
}

// ----- the ends of threads

/// Runs when the thread-local is dropped.
type AtTheEnd = common::OnDrop<Box<dyn FnOnce()>>;

thread_local! {
    static LOOP: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
    static JOIN: RefCell<Option<JoinHandle<()>>> = const { RefCell::new(None) };
    static WAKER: RefCell<Option<Waker>> = const { RefCell::new(None) };
    static SLEEP: RefCell<Option<time::Sleep>> = const { RefCell::new(None) };
    static LAST_WAKE: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
}

/// Fills the thread-locals. Those that are used first are, as a rule, dropped last.
fn settle_in(loop_first: bool, drops: &Arc<AtomicUsize>) -> Waker {
    let event_loop = EventLoop::new().unwrap();
    let count = Arc::clone(drops);
    let guard = common::on_drop(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let (join, waker, sleep) = event_loop.run(async move {
        let waker = Rc::new(RefCell::new(None));
        let store = Rc::clone(&waker);
        let join = spawn(async move {
            let _held = guard;
            *store.borrow_mut() = Some(own_waker().await);
            time::sleep(Duration::from_secs(3600)).await;
        });
        yield_now().await;
        let mut sleep = time::sleep(Duration::from_secs(3600));
        assert!(poll_once(&mut sleep, &own_waker().await).is_pending());
        (join, waker.take().unwrap(), sleep)
    });
    let kept = waker.clone();
    if loop_first {
        LOOP.set(Some(event_loop));
        fill_rest(join, &waker, sleep);
    } else {
        fill_rest(join, &waker, sleep);
        LOOP.set(Some(event_loop));
    }
    kept
}

fn fill_rest(join: JoinHandle<()>, waker: &Waker, sleep: time::Sleep) {
    JOIN.set(Some(join));
    SLEEP.set(Some(sleep));
    WAKER.set(Some(waker.clone()));
    let late = waker.clone();
    let wake: Box<dyn FnOnce()> = Box::new(move || {
        // At the thread's end, with or without the loop.
        late.wake_by_ref();
        late.wake();
        assert!(Handle::try_current().is_none());
        assert!(monoloop::task::current().is_none());
    });
    LAST_WAKE.set(Some(common::on_drop(wake)));
}

#[test]
fn a_loop_and_all_of_its_may_live_in_thread_locals() {
    let _alone = crate::common::alone();
    isolated("a_loop_and_all_of_its_may_live_in_thread_locals", || {
        let drops = Arc::new(AtomicUsize::new(0));
        for n in 0..10 {
            let count = Arc::clone(&drops);
            let waker = thread::spawn(move || settle_in(n % 2 == 0, &count)).join().unwrap();
            // Fired after the thread's end, from here and from a thread with a loop.
            waker.wake_by_ref();
            thread::spawn(move || monoloop::run(async move { waker.wake() })).join().unwrap();
        }
        assert_eq!(drops.load(Ordering::SeqCst), 10, "each task was dropped with its loop");
    });
}

#[test]
fn a_loop_may_be_made_and_run_while_its_thread_ends() {
    let _alone = crate::common::alone();
    isolated("a_loop_may_be_made_and_run_while_its_thread_ends", || {
        let ran = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ran);
        thread::spawn(move || {
            let wake: Box<dyn FnOnce()> = Box::new(move || {
                let value = monoloop::run(async {
                    time::sleep(Duration::from_millis(1)).await;
                    spawn(async { 5 }).await.unwrap()
                });
                count.fetch_add(value, Ordering::SeqCst);
            });
            LAST_WAKE.set(Some(common::on_drop(wake)));
        })
        .join()
        .unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 5);
    });
}

#[test]
fn a_loop_that_is_forgotten_harms_nobody() {
    let _alone = crate::common::alone();
    static FORGOTTEN: AtomicPtr<EventLoop> = AtomicPtr::new(std::ptr::null_mut());
    let (waker, handle) = thread::spawn(|| {
        let event_loop = EventLoop::new().unwrap();
        let waker = event_loop.run(async {
            let waker = spawn(own_waker()).await.unwrap();
            drop(spawn(pending::<()>()));
            waker
        });
        let handle = event_loop.handle();
        // Never dropped, and not a leak either.
        FORGOTTEN.store(Box::into_raw(Box::new(event_loop)), Ordering::SeqCst);
        (waker, handle)
    })
    .join()
    .unwrap();
    waker.wake_by_ref();
    assert!(!handle.is_closed());
    handle.call_soon_threadsafe(|| unreachable!("nobody runs it")).unwrap();
    handle.stop().unwrap();
    monoloop::run(async { waker.wake() });
}

#[test]
fn loops_of_many_threads_wake_each_other() {
    let _alone = crate::common::alone();
    // A ring: each thread's task hands a token to the next thread's.
    const THREADS: usize = 4;
    let rounds = many(100, 2000);
    let tokens: Arc<Vec<AtomicUsize>> =
        Arc::new((0..THREADS).map(|_| AtomicUsize::new(0)).collect());
    let wakers: Arc<Vec<std::sync::OnceLock<Waker>>> =
        Arc::new((0..THREADS).map(|_| std::sync::OnceLock::new()).collect());
    let ready = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|n| {
            let (tokens, wakers, ready) =
                (Arc::clone(&tokens), Arc::clone(&wakers), Arc::clone(&ready));
            thread::spawn(move || {
                monoloop::run(async move {
                    wakers[n].set(own_waker().await).unwrap();
                    ready.wait();
                    if n == 0 {
                        tokens[0].store(1, Ordering::SeqCst);
                    }
                    for round in 1..=rounds {
                        poll_fn(|_| match tokens[n].load(Ordering::SeqCst) >= round {
                            true => Poll::Ready(()),
                            false => Poll::Pending,
                        })
                        .await;
                        let next = (n + 1) % THREADS;
                        tokens[next].fetch_add(1, Ordering::SeqCst);
                        wakers[next].get().unwrap().wake_by_ref();
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(tokens[1].load(Ordering::SeqCst), rounds);
}

#[test]
fn a_task_value_never_leaves_its_thread() {
    let _alone = crate::common::alone();
    let log = Log::default();
    let alive = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    let (stay, record) = (Stay::new(&alive), log.clone());
    let handle = event_loop.spawn(async move {
        record.push("polled");
        let _held = stay;
        pending::<()>().await
    });
    let remote = event_loop.handle();
    thread::spawn(move || remote.call_soon_threadsafe(|| {})).join().unwrap().unwrap();
    settle(&event_loop);
    drop(handle);
    drop(event_loop);
    assert_eq!((alive.get(), log.take().len()), (0, 1));
}
