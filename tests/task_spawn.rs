//! Spawning, the order of tasks, and joining.

mod common;

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{Counter, Doorbell, Log, Stay, isolated, many, poll_once, settle, virtual_loop};
use monoloop::{EventLoop, JoinHandle, spawn, task, yield_now};

// ----- order

#[test]
fn tasks_are_first_polled_in_spawn_order() {
    let log = Log::default();
    monoloop::run(async {
        let handles: Vec<_> = (0..500)
            .map(|n| {
                let log = log.clone();
                spawn(async move { log.push(n.to_string()) })
            })
            .collect();
        for handle in handles {
            handle.await.unwrap();
        }
    });
    assert_eq!(log.take(), (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn tasks_spawned_by_tasks_come_after_those_spawned_before() {
    let log = Log::default();
    let event_loop = EventLoop::new().unwrap();
    for name in ["a", "b"] {
        let log = log.clone();
        drop(event_loop.spawn(async move {
            log.push(name);
            for child in [1, 2] {
                let log = log.clone();
                drop(spawn(async move { log.push(format!("{name}{child}")) }));
            }
        }));
    }
    settle(&event_loop);
    assert_eq!(log.take(), ["a", "b", "a1", "a2", "b1", "b2"]);
}

#[test]
fn what_becomes_ready_in_a_turn_runs_after_what_was_ready_before() {
    let log = Log::default();
    let event_loop = EventLoop::new().unwrap();
    let bell = Doorbell::default();
    let (waiting, record) = (bell.wait(), log.clone());
    drop(event_loop.spawn(async move {
        waiting.await;
        record.push("woken");
    }));
    settle(&event_loop);
    let record = log.clone();
    drop(event_loop.spawn(async move {
        record.push("waker");
        bell.open();
        yield_now().await;
        record.push("waker again");
    }));
    let record = log.clone();
    drop(event_loop.spawn(async move { record.push("ready before") }));
    settle(&event_loop);
    assert_eq!(log.take(), ["waker", "ready before", "woken", "waker again"]);
}

#[test]
fn tasks_run_in_the_order_in_which_they_were_woken() {
    let log = Log::default();
    let event_loop = EventLoop::new().unwrap();
    let bells: Vec<Doorbell> = (0..100).map(|_| Doorbell::default()).collect();
    for (n, bell) in bells.iter().enumerate() {
        let (waiting, log) = (bell.wait(), log.clone());
        drop(event_loop.spawn(async move {
            waiting.await;
            log.push(n.to_string());
        }));
    }
    settle(&event_loop);
    // 37 and 100 have no common divisor: each comes once.
    let order: Vec<usize> = (0..100).map(|n| n * 37 % 100).collect();
    for &n in &order {
        bells[n].open();
    }
    settle(&event_loop);
    assert_eq!(log.take(), order.iter().map(usize::to_string).collect::<Vec<_>>());
}

#[test]
fn yielding_tasks_take_turns() {
    let log = Log::default();
    monoloop::run(async {
        let handles = ["a", "b", "c"].map(|name| {
            let log = log.clone();
            spawn(async move {
                for round in 0..3 {
                    log.push(format!("{name}{round}"));
                    yield_now().await;
                }
            })
        });
        for handle in handles {
            handle.await.unwrap();
        }
    });
    assert_eq!(log.take(), ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]);
}

#[test]
fn a_joiner_runs_after_what_was_ready_when_the_task_ended() {
    let log = Log::default();
    monoloop::run(async {
        let first = spawn(async {});
        let record = log.clone();
        let joiner = spawn(async move {
            first.await.unwrap();
            record.push("joiner");
        });
        let record = log.clone();
        let other = spawn(async move { record.push("other") });
        joiner.await.unwrap();
        other.await.unwrap();
    });
    // The task is over before its joiner is first polled.
    assert_eq!(log.take(), ["joiner", "other"]);
}

// ----- joining

#[test]
fn the_joiner_gets_what_the_task_returned() {
    let value = monoloop::run(async { spawn(async { Rc::new(5) }).await.unwrap() });
    assert_eq!(*value, 5);
}

#[test]
fn tasks_of_every_size_of_future_and_output_give_their_output() {
    #[repr(align(128))]
    #[derive(Clone, Copy, PartialEq, Debug)]
    struct Aligned(u8);

    monoloop::run(async {
        spawn(async {}).await.unwrap();
        assert_eq!(spawn(async { [7_u64; 100] }).await.unwrap(), [7; 100]);
        let large = [3_u8; 1000];
        let small = spawn(async move {
            yield_now().await;
            large[999]
        });
        assert_eq!(small.await.unwrap(), 3);
        let aligned = Aligned(1);
        let handle = spawn(async move {
            assert!(std::ptr::from_ref(&aligned).addr().is_multiple_of(128));
            yield_now().await;
            aligned
        });
        assert_eq!(handle.await.unwrap(), Aligned(1));
    });
}

#[test]
fn a_dropped_handle_detaches_its_task() {
    let bell = Doorbell::default();
    let done = Rc::new(Cell::new(false));
    let event_loop = EventLoop::new().unwrap();
    let (waiting, flag) = (bell.wait(), Rc::clone(&done));
    drop(event_loop.spawn(async move {
        waiting.await;
        flag.set(true);
    }));
    settle(&event_loop);
    bell.open();
    settle(&event_loop);
    assert!(done.get());
}

#[test]
fn outputs_are_dropped_once_whoever_drops_them() {
    let alive = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    let make = |alive: &Rc<Cell<usize>>| {
        let stay = Stay::new(alive);
        async move { stay }
    };
    // Detached: when the task ends.
    drop(event_loop.spawn(make(&alive)));
    settle(&event_loop);
    assert_eq!(alive.get(), 0);
    // Unread: when the handle is dropped.
    let handle = event_loop.spawn(make(&alive));
    settle(&event_loop);
    assert_eq!(alive.get(), 1);
    drop(handle);
    assert_eq!(alive.get(), 0);
    // Joined: by the joiner.
    let stay = event_loop.run(event_loop.spawn(make(&alive))).unwrap();
    assert_eq!(alive.get(), 1);
    drop(stay);
    assert_eq!(alive.get(), 0);
}

#[test]
fn a_future_is_dropped_when_it_is_done_not_when_it_is_joined() {
    let alive = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    let stay = Stay::new(&alive);
    let handle = event_loop.spawn(poll_fn(move |_| {
        let _held = &stay;
        Poll::Ready(1)
    }));
    settle(&event_loop);
    assert_eq!(alive.get(), 0);
    assert!(handle.is_finished());
    drop(handle);
}

#[test]
fn try_join_takes_the_outcome_once() {
    let event_loop = EventLoop::new().unwrap();
    let mut handle = event_loop.spawn(async { String::from("out") });
    assert!(handle.try_join().is_none());
    settle(&event_loop);
    assert_eq!(handle.try_join().unwrap().unwrap(), "out");
    assert!(handle.try_join().is_none());
    assert!(handle.is_finished());
}

#[test]
fn a_borrowed_handle_can_be_awaited_again() {
    let bell = Doorbell::default();
    monoloop::run(async {
        let waiting = bell.wait();
        let mut handle = spawn(async move {
            waiting.await;
            9
        });
        let given_up = monoloop::time::timeout(Duration::ZERO, &mut handle).await;
        assert!(given_up.is_err());
        yield_now().await;
        bell.open();
        assert_eq!((&mut handle).await.unwrap(), 9);
    });
}

#[test]
fn the_last_waker_that_polled_a_handle_is_woken() {
    let event_loop = EventLoop::new().unwrap();
    let bell = Doorbell::default();
    let mut handle = event_loop.spawn(bell.wait());
    settle(&event_loop);
    let ((first, first_waker), (second, second_waker)) = (Counter::new(), Counter::new());
    assert!(poll_once(&mut handle, &first_waker).is_pending());
    assert!(poll_once(&mut handle, &first_waker).is_pending());
    assert!(poll_once(&mut handle, &second_waker).is_pending());
    bell.open();
    settle(&event_loop);
    assert_eq!((first.get(), second.get()), (0, 1));
    assert!(poll_once(&mut handle, &first_waker).is_ready());
}

#[test]
fn a_dropped_handle_drops_the_waker_it_kept() {
    let event_loop = EventLoop::new().unwrap();
    let (counter, waker) = Counter::new();
    let mut handle = event_loop.spawn(pending::<()>());
    assert!(poll_once(&mut handle, &waker).is_pending());
    drop(waker);
    assert_eq!(std::sync::Arc::strong_count(&counter), 2);
    drop(handle);
    assert_eq!(std::sync::Arc::strong_count(&counter), 1);
}

#[test]
fn a_handle_can_be_awaited_on_another_executor_of_the_thread() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.spawn(async { 3 });
    settle(&event_loop);
    assert_eq!(futures_lite::future::block_on(handle).unwrap(), 3);
}

#[test]
fn a_handle_outlives_its_loop_with_the_outcome() {
    let event_loop = EventLoop::new().unwrap();
    let mut ended = event_loop.spawn(async { String::from("kept") });
    let mut waiting = event_loop.spawn(pending::<()>());
    let (counter, waker) = Counter::new();
    assert!(poll_once(&mut waiting, &waker).is_pending());
    settle(&event_loop);
    drop(event_loop);
    assert_eq!(ended.try_join().unwrap().unwrap(), "kept");
    assert_eq!(counter.get(), 1, "the loop's end is the task's, and its joiner is told");
    assert!(!waiting.abort());
    assert!(futures_lite::future::block_on(waiting).unwrap_err().is_cancelled());
}

#[test]
fn a_foreign_executor_inside_a_task_can_join_what_is_done() {
    monoloop::run(async {
        let handle = spawn(async { 1 });
        yield_now().await;
        assert_eq!(futures_lite::future::block_on(handle).unwrap(), 1);
    });
}

// ----- what a future may be

/// Notes where it lies when it is first polled, and insists on it.
struct Pinned {
    address: Cell<usize>,
    polls: usize,
    moved: Rc<Cell<bool>>,
    _pin: PhantomPinned,
}

impl Pinned {
    fn new(polls: usize, moved: &Rc<Cell<bool>>) -> Self {
        Self { address: Cell::new(0), polls, moved: Rc::clone(moved), _pin: PhantomPinned }
    }

    fn check(&self) {
        let here = std::ptr::from_ref(self).addr();
        let before = self.address.replace(here);
        if before != 0 && before != here {
            self.moved.set(true);
        }
    }
}

impl Future for Pinned {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.check();
        // SAFETY: `polls` is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        if this.polls == 0 {
            return Poll::Ready(());
        }
        this.polls -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.check();
    }
}

#[test]
fn a_future_that_is_not_unpin_never_moves_once_polled() {
    let moved = Rc::new(Cell::new(false));
    let event_loop = virtual_loop();
    event_loop.run(async {
        spawn(Pinned::new(10, &moved)).await.unwrap();
        task::Builder::new().name("pinned").spawn(Pinned::new(10, &moved)).await.unwrap();
        let endless = spawn(Pinned::new(usize::MAX, &moved));
        let crowd: Vec<_> = (0..300).map(|_| spawn(Pinned::new(3, &moved))).collect();
        for pinned in crowd {
            pinned.await.unwrap();
        }
        endless.abort();
        let second = Duration::from_secs(1);
        monoloop::time::timeout(second, Pinned::new(3, &moved)).await.unwrap();
        spawn(monoloop::time::timeout(second, Pinned::new(3, &moved))).await.unwrap().unwrap();
    });
    // As the main future, and in a handle that is itself pinned.
    event_loop.run(Pinned::new(5, &moved));
    event_loop.run(async {
        let handle = pin!(spawn(Pinned::new(2, &moved)));
        handle.await.unwrap();
    });
    drop(event_loop.spawn(Pinned::new(usize::MAX, &moved)));
    event_loop.run(yield_now());
    drop(event_loop);
    assert!(!moved.get());
}

/// A future of a mebibyte.
struct Large {
    _bulk: MaybeUninit<[u8; 1 << 20]>,
    yields: u32,
}

impl Large {
    fn new() -> Self {
        Self { _bulk: MaybeUninit::uninit(), yields: 2 }
    }
}

impl Future for Large {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        if self.yields == 0 {
            return Poll::Ready(42);
        }
        self.yields -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// On a thread with the usual stack of two mebibytes. Without optimisation the compiler copies a value at each
/// call that it is passed through, be it ours or the test's, and that takes more.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let mebibytes = if cfg!(debug_assertions) { 16 } else { 2 };
    std::thread::Builder::new().stack_size(mebibytes << 20).spawn(f).unwrap().join().unwrap();
}

#[test]
fn a_future_of_a_mebibyte_runs_as_main_on_a_small_stack() {
    isolated("a_future_of_a_mebibyte_runs_as_main_on_a_small_stack", || {
        on_a_small_stack(|| assert_eq!(EventLoop::new().unwrap().run(Large::new()), 42));
        on_a_small_stack(|| assert_eq!(monoloop::run(Large::new()), 42));
    });
}

#[test]
fn a_future_of_a_mebibyte_is_spawned_on_a_small_stack() {
    isolated("a_future_of_a_mebibyte_is_spawned_on_a_small_stack", || {
        on_a_small_stack(|| {
            let event_loop = EventLoop::new().unwrap();
            let handle = event_loop.spawn(Large::new());
            assert_eq!(event_loop.run(handle).unwrap(), 42);
        });
        on_a_small_stack(|| {
            assert_eq!(monoloop::run(async { spawn(Large::new()).await.unwrap() }), 42);
        });
        on_a_small_stack(|| {
            monoloop::run(async { task::Builder::new().name("large").spawn(Large::new()).await })
                .unwrap();
        });
    });
}

// ----- depth

#[test]
fn a_long_chain_of_tasks_that_await_each_other_runs_and_ends() {
    let length = many(100_000, 1_000_000);
    monoloop::run(async move {
        let mut last: JoinHandle<usize> = spawn(async { 0 });
        for _ in 0..length {
            let next = last;
            last = spawn(async move { next.await.unwrap() + 1 });
        }
        assert_eq!(last.await.unwrap(), length);
    });
}

#[test]
fn a_long_chain_of_tasks_that_hold_each_other_is_dropped_without_recursion() {
    let length = many(100_000, 1_000_000);
    for aborted in [false, true] {
        let event_loop = EventLoop::new().unwrap();
        let alive = Rc::new(Cell::new(0));
        let mut last: Option<JoinHandle<()>> = None;
        for _ in 0..length {
            let (next, stay) = (last.take(), Stay::new(&alive));
            last = Some(event_loop.spawn(async move {
                let _held = (next, stay);
                pending().await
            }));
        }
        settle(&event_loop);
        if aborted {
            assert!(last.take().unwrap().abort());
            assert_eq!(alive.get(), length - 1, "a handle does not abort");
        }
        drop(last);
        drop(event_loop);
        assert_eq!(alive.get(), 0);
    }
}

#[test]
fn tasks_that_spawn_the_next_run_without_recursion() {
    fn descend(left: usize, count: Rc<Cell<usize>>) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            count.set(count.get() + 1);
            if left > 0 {
                drop(spawn(descend(left - 1, count)));
            }
        })
    }
    let length = many(100_000, 1_000_000);
    let count = Rc::new(Cell::new(0));
    let event_loop = EventLoop::new().unwrap();
    drop(event_loop.spawn(descend(length, Rc::clone(&count))));
    settle(&event_loop);
    assert_eq!(count.get(), length + 1);
}

#[test]
fn a_million_spawned_tasks_leave_nothing_behind() {
    let alive = Rc::new(Cell::new(0));
    monoloop::run(async {
        for _ in 0..many(100, 1000) {
            let handles: Vec<_> = (0..1000)
                .map(|_| {
                    let stay = Stay::new(&alive);
                    spawn(async move { drop(stay) })
                })
                .collect();
            for handle in handles {
                handle.await.unwrap();
            }
        }
        assert_eq!(task::all().len(), 1);
    });
    assert_eq!(alive.get(), 0);
}

#[test]
fn yield_now_works_on_any_executor() {
    let (counter, waker) = Counter::new();
    let mut future = yield_now();
    assert!(poll_once(&mut future, &waker).is_pending());
    assert_eq!(counter.get(), 1);
    assert!(poll_once(&mut future, Waker::noop()).is_ready());
}
