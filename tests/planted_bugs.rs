//! What the checkers are tried on: programs that are sound, and in which `scripts/planted-bugs` must see
//! two of its three planted bugs. (The third, a lost wake-up, is for `tests/loom_wake.rs`.)

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::task::{Poll, Waker};
use std::thread;

use monoloop::EventLoop;

/// `planted_use_after_free`: a task that is over stays in its slot, so that the waker leads to freed memory.
#[test]
fn a_waker_kept_after_its_task_reaches_no_task() {
    let event_loop = EventLoop::new().unwrap();
    let polls = Rc::new(Cell::new(0));
    let kept: Waker = event_loop.run(async {
        let polls = Rc::clone(&polls);
        let task = monoloop::spawn(poll_fn(move |cx| {
            polls.set(polls.get() + 1);
            Poll::Ready(cx.waker().clone())
        }));
        task.await.unwrap()
    });
    kept.wake_by_ref();
    event_loop.run(monoloop::yield_now());
    drop(event_loop);
    kept.wake();
    assert_eq!(polls.get(), 1);
}

/// `planted_race`: a wake from another thread takes the local path, into the plain fields of the home.
#[test]
fn wakes_from_another_thread_touch_no_plain_field() {
    const WAKES: usize = 100;
    monoloop::run(async {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let start = Arc::new(Barrier::new(2));
        let remote = {
            let start = Arc::clone(&start);
            thread::spawn(move || {
                start.wait();
                (0..WAKES).for_each(|_| waker.wake_by_ref());
            })
        };
        start.wait();
        for _ in 0..WAKES {
            // Wakes the same slot from its own thread.
            monoloop::yield_now().await;
        }
        remote.join().unwrap();
    });
}
