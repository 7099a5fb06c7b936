use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

use super::{Key, Removed, WaitList, wake};
use crate::memory::KEPT;
use crate::random::Random;

/// A list that hands out numbers on request of letters.
type List = WaitList<char, u32>;

/// A waker that counts how often it was woken.
#[derive(Default)]
pub(super) struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) fn counter() -> (Arc<Counter>, Waker) {
    let counter = Arc::new(Counter::default());
    (Arc::clone(&counter), counter.into())
}

impl Counter {
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Joins the list: there is nothing to take.
fn join(list: &List, request: char, waker: &Waker) -> Option<Key> {
    let mut key = None;
    assert!(list.wait(&mut key, &Context::from_waker(waker), request, || None, |n| n).is_pending());
    assert!(key.is_some());
    key
}

fn poll(list: &List, key: &mut Option<Key>, waker: &Waker) -> Poll<u32> {
    list.poll(key, &Context::from_waker(waker))
}

#[test]
fn the_first_to_come_is_served_first() {
    let list = List::new();
    let (_, waker) = counter();
    let mut keys = ['a', 'b', 'c'].map(|request| join(&list, request, &waker));
    for (grant, expected) in (0..).zip(['a', 'b', 'c']) {
        let served = list.serve(|&mut request| {
            assert_eq!(request, expected);
            Some(grant)
        });
        wake(served.expect("one waits"));
    }
    assert!(list.serve(|_| Some(9)).is_none());
    assert!(list.is_empty() && !list.is_idle());
    let taken = keys.each_mut().map(|key| poll(&list, key, &waker));
    assert_eq!(taken, [0, 1, 2].map(Poll::Ready));
    assert!(list.is_idle() && keys.iter().all(Option::is_none));
}

#[test]
fn what_is_there_is_taken_without_waiting() {
    let list = List::new();
    let mut key = None;
    let polled = list.wait(&mut key, &Context::from_waker(Waker::noop()), 'x', || Some(1), |n| n);
    assert_eq!(polled, Poll::Ready(1));
    assert!(key.is_none() && list.room.get().is_none(), "nothing was allocated");
}

#[test]
fn who_decides_not_to_serve_leaves_the_list_as_it_is() {
    let list = List::new();
    let mut key = join(&list, 'a', Waker::noop());
    assert!(list.serve(|_| None).is_none());
    assert_eq!(list.len(), 1);
    assert!(matches!(list.remove(&mut key), Removed::Waiting('a', _)));
    assert!(key.is_none() && list.is_idle());
}

#[test]
fn a_waiter_in_the_middle_leaves_no_gap() {
    let list = List::new();
    let mut keys = ['a', 'b', 'c'].map(|request| join(&list, request, Waker::noop()));
    assert!(matches!(list.remove(&mut keys[1]), Removed::Waiting('b', _)));
    let mut order = Vec::new();
    list.serve_all(|request| {
        order.push(request);
        0
    });
    assert_eq!(order, ['a', 'c']);
    for key in keys.iter_mut().filter(|key| key.is_some()) {
        assert!(matches!(list.remove(key), Removed::Served(0)));
    }
    assert!(list.is_idle());
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let list = List::new();
    let (first, first_waker) = counter();
    let (second, second_waker) = counter();
    let mut key = join(&list, 'a', &first_waker);
    assert!(poll(&list, &mut key, &second_waker).is_pending());
    list.serve_all(|_| 5);
    assert_eq!((first.get(), second.get()), (0, 1));
    assert_eq!(Arc::strong_count(&first), 2, "the old waker was dropped");
    assert_eq!(poll(&list, &mut key, &first_waker), Poll::Ready(5));
}

#[test]
fn entries_are_used_again() {
    let list = List::new();
    for _ in 0..100 {
        let mut keys = ['a', 'b', 'c'].map(|request| join(&list, request, Waker::noop()));
        for key in &mut keys {
            let _ = list.remove(key);
        }
    }
    assert_eq!(list.room.get().expect("there were waiters").slab.borrow().len(), 3);
}

#[test]
fn all_are_woken_though_wakers_panic() {
    struct Grumpy(AtomicUsize);
    impl Wake for Grumpy {
        fn wake(self: Arc<Self>) {
            resume_unwind(Box::new(self.0.fetch_add(1, Ordering::Relaxed)));
        }
    }
    let list = List::new();
    let grumpy = Arc::new(Grumpy(AtomicUsize::new(0)));
    let (counter, waker) = counter();
    let bad = Waker::from(Arc::clone(&grumpy));
    let mut keys = [&bad, &waker, &bad, &waker].map(|waker| join(&list, 'a', waker));
    let panic = catch_unwind(AssertUnwindSafe(|| list.serve_all(|_| 7)));
    let first = panic.expect_err("a waker panicked").downcast::<usize>();
    assert_eq!(*first.expect("a number"), 0);
    assert_eq!((grumpy.0.load(Ordering::Relaxed), counter.get()), (2, 2));
    assert!(keys.iter_mut().all(|key| poll(&list, key, &waker) == Poll::Ready(7)));
}

thread_local! {
    /// What the clone of a [`reentrant`] waker does.
    static ON_CLONE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

pub(super) fn on_clone(f: impl FnOnce() + 'static) {
    ON_CLONE.set(Some(Box::new(f)));
}

/// A waker whose clone calls back.
pub(super) fn reentrant() -> Waker {
    fn clone(_: *const ()) -> RawWaker {
        if let Some(f) = ON_CLONE.take() {
            f();
        }
        RawWaker::new(std::ptr::null(), &VTABLE)
    }
    static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, |_| (), |_| (), |_| ());
    #[allow(unsafe_code)]
    // SAFETY: the functions ignore their argument.
    unsafe {
        Waker::new(std::ptr::null(), &VTABLE)
    }
}

#[test]
fn a_clone_that_frees_something_is_no_lost_wake() {
    let list = List::new();
    let free = Rc::new(RefCell::new(None));
    let source = Rc::clone(&free);
    on_clone(move || *source.borrow_mut() = Some(3));
    let mut key = None;
    let waker = reentrant();
    let cx = Context::from_waker(&waker);
    assert_eq!(list.wait(&mut key, &cx, 'a', || free.take(), |n| n), Poll::Ready(3));
    assert!(key.is_none());
}

#[test]
fn a_clone_that_serves_the_waiter_is_seen_at_once() {
    let list = Rc::new(List::new());
    let mut key = join(&list, 'a', Waker::noop());
    let also = Rc::clone(&list);
    on_clone(move || also.serve_all(|_| 4));
    assert_eq!(poll(&list, &mut key, &reentrant()), Poll::Ready(4));
    assert!(key.is_none() && list.is_idle());
}

#[test]
fn a_second_panic_while_panicking_is_dropped() {
    struct Grumpy;
    impl Wake for Grumpy {
        fn wake(self: Arc<Self>) {
            resume_unwind(Box::new("second"));
        }
    }
    struct WakesInDrop<'a>(&'a List);
    impl Drop for WakesInDrop<'_> {
        fn drop(&mut self) {
            wake(self.0.serve(|_| Some(1)).expect("one waits"));
            self.0.serve_all(|_| 2);
        }
    }
    let list = List::new();
    let bad = Waker::from(Arc::new(Grumpy));
    let mut keys = [(); 3].map(|()| join(&list, 'a', &bad));
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _wakes = WakesInDrop(&list);
        resume_unwind(Box::new("first"));
    }));
    assert_eq!(*panic.expect_err("it panicked").downcast::<&str>().expect("a text"), "first");
    assert!(keys.iter_mut().all(|key| poll(&list, key, &bad).is_ready()));
}

/// Random operations against a queue of names.
#[test]
fn the_list_does_what_a_plain_queue_does() {
    let steps = if cfg!(miri) {
        2_000
    } else if cfg!(debug_assertions) {
        100_000
    } else {
        5_000_000
    };
    let seed = std::env::var("MONOLOOP_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(0x5EED);
    println!("MONOLOOP_SEED={seed}");
    let mut random = Random::new(seed);
    let list: WaitList<usize, usize> = WaitList::new();
    let mut wakers: Vec<_> = (0..64).map(|_| counter()).collect();
    let mut keys: Vec<Option<Key>> = wakers.iter().map(|_| None).collect();
    // Who waits, in order; what each was served with; how often each was woken.
    let mut queue = VecDeque::new();
    let mut served = vec![None; keys.len()];
    let mut woken = vec![0; keys.len()];
    for step in 0..steps {
        let who = random.index(keys.len());
        match random.below(8) {
            0..=2 if keys[who].is_none() => {
                let cx = Context::from_waker(&wakers[who].1);
                assert!(list.wait(&mut keys[who], &cx, who, || None, |n| n).is_pending());
                queue.push_back(who);
            }
            0..=2 => {
                let polled = list.poll(&mut keys[who], &Context::from_waker(&wakers[who].1));
                assert_eq!(polled, served[who].take().map_or(Poll::Pending, Poll::Ready));
            }
            3 | 4 => {
                let waker = list.serve(|&mut request| Some(request + step));
                assert_eq!(waker.is_some(), !queue.is_empty());
                if let Some(first) = queue.pop_front() {
                    served[first] = Some(first + step);
                    woken[first] += 1;
                }
                waker.into_iter().for_each(wake);
            }
            5 if keys[who].is_some() => match list.remove(&mut keys[who]) {
                Removed::Waiting(request, _waker) => {
                    assert_eq!((request, served[who]), (who, None));
                    queue.retain(|&other| other != who);
                }
                Removed::Served(grant) => assert_eq!(Some(grant), served[who].take()),
            },
            6 if keys[who].is_some() => {
                // Another waker from now on.
                wakers[who] = counter();
                woken[who] = 0;
                let polled = list.poll(&mut keys[who], &Context::from_waker(&wakers[who].1));
                assert_eq!(polled, served[who].take().map_or(Poll::Pending, Poll::Ready));
            }
            7 if random.below(16) == 0 => {
                let mut order = Vec::new();
                list.serve_all(|request| {
                    order.push(request);
                    step
                });
                assert_eq!(order, Vec::from(std::mem::take(&mut queue)));
                for who in order {
                    served[who] = Some(step);
                    woken[who] += 1;
                }
            }
            _ => (),
        }
        assert_eq!(wakers[who].0.get(), woken[who]);
        assert_eq!(list.len(), queue.len());
        assert_eq!(list.is_idle(), keys.iter().all(Option::is_none));
    }
    assert!(list.room.get().is_some_and(|room| room.slab.borrow().len() <= keys.len()));
}

#[test]
fn the_memory_of_a_burst_is_given_back_when_the_last_is_gone() {
    for last_is_served in [true, false] {
        let list = List::new();
        let capacity = || list.room.get().expect("there were waiters").slab.borrow().capacity();
        let mut keys: Vec<_> = (0..10 * KEPT).map(|_| join(&list, 'x', Waker::noop())).collect();
        let mut last = keys.swap_remove(5);
        list.serve_all(|_| 1);
        keys.iter_mut().for_each(|key| assert!(poll(&list, key, Waker::noop()).is_ready()));
        assert!(capacity() >= 10 * KEPT, "one is there");
        if last_is_served {
            assert!(poll(&list, &mut last, Waker::noop()).is_ready());
        } else {
            let _ = list.remove(&mut last);
        }
        assert_eq!(capacity(), KEPT);
        // It works on.
        let mut key = join(&list, 'x', Waker::noop());
        list.serve_all(|_| 2);
        assert_eq!(poll(&list, &mut key, Waker::noop()), Poll::Ready(2));
        assert_eq!(capacity(), KEPT);
    }
}
