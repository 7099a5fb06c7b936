//! `sync::Mutex`: order, hand-over, what drops leave behind, and who is woken.

mod common;
mod sync_common;

use std::cell::RefCell;
use std::fmt;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use common::{Counter, Log, grumpy, panic_of, quiet_panic, virtual_loop};
use monoloop::sync::{MappedMutexGuard, Mutex, MutexGuard};
use sync_common::{Boxed, for_ever, now, poll, waiting};

/// Waits for the lock and gives the guard of a leaked mutex.
fn lock(mutex: &'static Mutex<u32>, waker: &Waker) -> Boxed<MutexGuard<'static, u32>> {
    waiting(mutex.lock(), waker)
}

fn leaked() -> &'static Mutex<u32> {
    for_ever(Mutex::new(0))
}

#[test]
fn a_free_mutex_is_locked_without_waiting() {
    let mutex = Mutex::new(1);
    *now(mutex.lock()) += 1;
    assert_eq!(*mutex.try_lock().expect("free"), 2);
    assert_eq!(now(mutex.with(|n| *n + 1)), 3);
    assert!(!mutex.is_locked());
    assert_eq!(mutex.into_inner(), 2);
}

#[test]
fn nobody_overtakes_who_waits() {
    let mutex = leaked();
    let guard = now(mutex.lock());
    let mut first = lock(mutex, Waker::noop());
    let mut second = lock(mutex, Waker::noop());
    assert!(mutex.try_lock().is_err());
    drop(guard);
    // It is the first's from now on, though that one did not run.
    assert!(mutex.is_locked() && mutex.try_lock().is_err());
    let mut third = lock(mutex, Waker::noop());
    assert!(poll(&mut second, Waker::noop()).is_pending());
    let Poll::Ready(guard) = poll(&mut first, Waker::noop()) else { panic!("it was handed over") };
    drop(guard);
    assert!(poll(&mut third, Waker::noop()).is_pending());
    drop(poll(&mut second, Waker::noop()));
    // Nobody waits now, but it is the third's.
    assert!(mutex.try_lock().is_err());
    assert!(poll(&mut third, Waker::noop()).is_ready());
}

/// asyncio's gh-112202 and gh-111693.
#[test]
fn a_lock_handed_to_one_who_is_dropped_goes_to_the_next() {
    let mutex = leaked();
    let guard = now(mutex.lock());
    let first = lock(mutex, Waker::noop());
    let (counter, waker) = Counter::new();
    let mut second = lock(mutex, &waker);
    drop(guard);
    assert_eq!(counter.get(), 0);
    drop(first);
    assert_eq!(counter.get(), 1);
    drop(poll(&mut second, &waker));
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_drop_after_any_number_of_polls_loses_nothing() {
    for polls in 0..4 {
        for releases_first in [false, true] {
            let mutex = leaked();
            let guard = now(mutex.lock());
            let mut waiter: Boxed<MutexGuard<'_, u32>> = Box::pin(mutex.lock());
            for _ in 0..polls {
                assert!(poll(&mut waiter, Waker::noop()).is_pending());
            }
            if releases_first {
                drop(guard);
                drop(waiter);
            } else {
                drop(waiter);
                drop(guard);
            }
            assert!(mutex.try_lock().is_ok(), "{polls} polls, {releases_first}");
        }
    }
}

#[test]
fn one_release_is_one_wake() {
    let mutex = leaked();
    let guard = now(mutex.lock());
    let (counter, waker) = Counter::new();
    let mut waiters: Vec<_> = (0..10_000).map(|_| lock(mutex, &waker)).collect();
    drop(guard);
    assert_eq!(counter.get(), 1);
    drop(poll(&mut waiters[0], &waker));
    assert_eq!(counter.get(), 2);
    waiters.drain(..).rev().for_each(drop);
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_panicking_waker_is_no_harm() {
    let mutex = leaked();
    let guard = now(mutex.lock());
    let mut waiter = lock(mutex, &grumpy());
    assert_eq!(panic_of(|| drop(guard)), "not now");
    assert!(poll(&mut waiter, Waker::noop()).is_ready());
    drop(waiter);
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_holder_that_panics_unlocks() {
    let mutex = leaked();
    let guard = now(mutex.lock());
    // Its waker panics too, in the middle of the other panic.
    let mut waiter = lock(mutex, &grumpy());
    let text = panic_of(|| {
        let _guard = guard;
        quiet_panic("first")
    });
    assert_eq!(text, "first");
    assert!(poll(&mut waiter, Waker::noop()).is_ready());
}

#[test]
fn mapped_guards_hold_the_whole() {
    let mutex = Mutex::new((1, [2, 3]));
    let whole = MutexGuard::map(now(mutex.lock()), |pair| &mut pair.1);
    let part = MappedMutexGuard::map(whole, |array| &mut array[0]);
    let part = MappedMutexGuard::try_map(part, |_| None::<&mut u8>).expect_err("there is none");
    let mut part = MappedMutexGuard::try_map(part, |n| Some(n)).expect("there is one");
    *part += 10;
    assert!(mutex.try_lock().is_err());
    drop(part);
    let guard = now(mutex.lock());
    let guard = MutexGuard::try_map(guard, |_| None::<&mut u8>).expect_err("there is none");
    assert_eq!(*guard, (1, [12, 3]));
    assert_eq!(
        panic_of(|| MutexGuard::map(guard, |_| -> &mut u8 { quiet_panic("in map") })),
        "in map"
    );
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_mapped_guard_hands_over_too() {
    let mutex = leaked();
    let guard = MutexGuard::map(now(mutex.lock()), |n| n);
    let mut waiter = lock(mutex, Waker::noop());
    drop(guard);
    assert!(poll(&mut waiter, Waker::noop()).is_ready());
}

#[test]
fn values_without_a_size_can_be_locked() {
    let mutex: &Mutex<[u8]> = &Mutex::new([1, 2, 3]);
    now(mutex.lock()).reverse();
    assert_eq!(*now(mutex.lock()), [3, 2, 1]);
    let mutex: Rc<Mutex<dyn std::fmt::Display>> = Rc::new(Mutex::new(7));
    assert_eq!(now(mutex.lock()).to_string(), "7");
}

#[test]
fn tasks_get_it_in_the_order_in_which_they_asked() {
    let log = Log::default();
    virtual_loop().run(async {
        let mutex = Rc::new(Mutex::new(()));
        let tasks: Vec<_> = (0..5)
            .map(|n| {
                let (mutex, log) = (Rc::clone(&mutex), log.clone());
                monoloop::spawn(async move {
                    for _ in 0..2 {
                        let _guard = mutex.lock().await;
                        monoloop::yield_now().await;
                        log.push(n.to_string());
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    assert_eq!(log.take().concat(), "0123401234");
}

#[test]
fn an_aborted_holder_and_an_aborted_waiter_leave_it_to_the_others() {
    virtual_loop().run(async {
        let mutex = Rc::new(Mutex::new(()));
        let tasks = [(); 3].map(|()| {
            let mutex = Rc::clone(&mutex);
            monoloop::spawn(async move {
                let _guard = mutex.lock().await;
                std::future::pending::<()>().await;
            })
        });
        monoloop::yield_now().await;
        tasks[1].abort();
        tasks[0].abort(); // the lock is the third's now, who did not run
        tasks[2].abort();
        assert!(mutex.try_lock().is_ok());
    });
}

/// It names no loop: another executor does as well.
#[test]
fn it_runs_on_another_executor() {
    let mutex = Rc::new(Mutex::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let mutex = Rc::clone(&mutex);
                tokio::task::spawn_local(async move {
                    for _ in 0..10 {
                        let mut n = mutex.lock().await;
                        let before = *n;
                        tokio::task::yield_now().await;
                        *n = before + 1;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    assert_eq!(now(mutex.with(|n| *n)), 100);
}

#[test]
fn debug_shows_the_value_or_that_it_is_locked() {
    let mutex = Mutex::new(5);
    assert_eq!(format!("{mutex:?}"), "Mutex { value: 5, waiting: 0 }");
    let guard = now(mutex.lock());
    assert_eq!(format!("{mutex:?} {guard:?} {guard}"), "Mutex { value: <locked>, waiting: 0 } 5 5");
}

/// What it shows may use the lock itself.
#[test]
fn showing_a_lock_holds_it() {
    struct Nosy(Weak<Mutex<Self>>, Rc<RefCell<Option<Boxed<()>>>>);
    impl fmt::Debug for Nosy {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let lock = self.0.upgrade().expect("it is shown");
            assert!(lock.try_lock().is_err());
            let waits = async move { drop(lock.lock().await) };
            *self.1.borrow_mut() = Some(waiting(waits, Waker::noop()));
            f.write_str("nosy")
        }
    }
    let waiter = Rc::new(RefCell::new(None));
    let lock = Rc::new_cyclic(|own| Mutex::new(Nosy(own.clone(), Rc::clone(&waiter))));
    assert!(format!("{lock:?}").contains("nosy"));
    let mut waiter = waiter.take().expect("it waits");
    assert!(poll(&mut waiter, Waker::noop()).is_ready(), "nobody handed it the lock");
    assert!(lock.try_lock().is_ok());
}
