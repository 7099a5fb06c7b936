//! A parent with boxed children, polled by hand and on loops.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use super::{Children, Route};
use crate::executor::wake::Slot;
use crate::{EventLoop, run, spawn, yield_now};

const BATCH: usize = super::BATCH as usize;

/// A sub-future.
type Child = Pin<Box<dyn Future<Output = ()>>>;

/// Waits for all its children. Indices are used again.
struct Parent {
    children: Children,
    futures: Vec<Option<Child>>,
    alive: usize,
}

impl Parent {
    fn new(futures: impl IntoIterator<Item = Child>) -> Self {
        let futures: Vec<_> = futures.into_iter().map(Some).collect();
        Self { children: Children::new(futures.len()), alive: futures.len(), futures }
    }

    fn insert(&mut self, child: Child) -> usize {
        let index = self.children.insert();
        self.futures.resize_with(self.futures.len().max(index + 1), || None);
        assert!(self.futures[index].replace(child).is_none(), "{index} is in use");
        self.alive += 1;
        index
    }

    /// Drops a child that is not over.
    fn abort(&mut self, index: usize) {
        self.futures[index] = None;
        self.alive -= 1;
        self.children.remove(index);
    }
}

impl Future for Parent {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.children.begin(cx);
        while let Some((index, waker)) = this.children.next(cx) {
            let Some(child) = this.futures[index].as_mut() else { continue };
            if child.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                this.futures[index] = None;
                this.alive -= 1;
                this.children.remove(index);
            }
        }
        if this.alive == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Children {
    /// How many children are in the queue.
    fn queued(&self) -> usize {
        match &self.route {
            Route::Unknown => 0,
            Route::Slots(kin) => kin.queued().expect("it is valid"),
            Route::Shared(shared) => shared.set_parent(Waker::noop()),
        }
    }
}

/// Counts its polls, keeps its waker, and is over when it was told so.
#[derive(Clone, Default)]
struct Probe {
    polls: Rc<Cell<usize>>,
    waker: Rc<RefCell<Option<Waker>>>,
    is_over: Rc<Cell<bool>>,
}

impl Probe {
    fn child(&self) -> Child {
        let this = self.clone();
        Box::pin(poll_fn(move |cx| {
            this.polls.set(this.polls.get() + 1);
            *this.waker.borrow_mut() = Some(cx.waker().clone());
            if this.is_over.get() { Poll::Ready(()) } else { Poll::Pending }
        }))
    }

    fn wake(&self) {
        let waker = self.waker.borrow().clone();
        waker.expect("it was polled").wake();
    }

    fn end(&self) {
        self.is_over.set(true);
        self.wake();
    }
}

fn probes(count: usize) -> Vec<Probe> {
    (0..count).map(|_| Probe::default()).collect()
}

fn polls(probes: &[Probe]) -> Vec<usize> {
    probes.iter().map(|probe| probe.polls.get()).collect()
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs a check with a way to poll: by hand, and on a loop.
fn on_both_routes(check: impl Fn(&dyn Fn(&mut Parent) -> Poll<()>)) {
    let waker = Waker::from(Arc::new(Counter::default()));
    check(&|parent| Pin::new(parent).poll(&mut Context::from_waker(&waker)));
    let _alone = alone();
    run(poll_fn(|cx| {
        let waker = cx.waker().clone();
        assert!(Slot::of(&waker).is_some());
        check(&|parent| Pin::new(parent).poll(&mut Context::from_waker(&waker)));
        Poll::Ready(())
    }));
}

/// Stale wakers of one test may wake children of another: those that make some, and those that count polls, run
/// one at a time.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn a_wake_polls_only_its_child() {
    on_both_routes(|poll| {
        let probes = probes(5);
        let mut parent = Parent::new(probes.iter().map(Probe::child));
        assert!(poll(&mut parent).is_pending());
        assert_eq!(polls(&probes), [1, 1, 1, 1, 1]);
        probes[3].wake();
        probes[1].wake();
        probes[3].wake();
        assert!(poll(&mut parent).is_pending());
        assert_eq!(polls(&probes), [1, 2, 1, 2, 1]);
        probes.iter().for_each(Probe::end);
        assert!(poll(&mut parent).is_ready());
        assert_eq!(polls(&probes), [2, 3, 2, 3, 2]);
    });
}

#[test]
fn a_stale_waker_polls_no_child() {
    on_both_routes(|poll| {
        let probes = probes(2);
        let mut parent = Parent::new(probes.iter().map(Probe::child));
        assert!(poll(&mut parent).is_pending());
        probes[0].end();
        assert!(poll(&mut parent).is_pending());
        probes[0].wake();
        assert_eq!(parent.children.queued(), 0);
        assert!(poll(&mut parent).is_pending());
        assert_eq!(polls(&probes), [2, 1]);
    });
}

#[test]
fn an_index_that_is_still_queued_is_not_used_again() {
    on_both_routes(|poll| {
        let old = probes(2);
        let mut parent = Parent::new(old.iter().map(Probe::child));
        assert!(poll(&mut parent).is_pending());
        old[0].wake();
        parent.abort(0);
        let new = probes(2);
        assert_eq!(parent.insert(new[0].child()), 2, "0 is in the queue");
        assert!(poll(&mut parent).is_pending());
        assert_eq!(parent.insert(new[1].child()), 0);
        assert!(poll(&mut parent).is_pending());
        assert_eq!((polls(&old), polls(&new)), (vec![1, 1], vec![1, 1]));
    });
}

#[test]
fn children_run_in_the_order_they_became_ready() {
    on_both_routes(|poll| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let named = |name: usize| -> Child {
            let order = Rc::clone(&order);
            Box::pin(async move {
                order.borrow_mut().push(name);
                yield_now().await;
                order.borrow_mut().push(name);
            })
        };
        let mut parent = Parent::new((0..3).map(named));
        assert!(poll(&mut parent).is_pending());
        parent.insert(named(3));
        assert!(poll(&mut parent).is_pending());
        assert_eq!(order.take(), [0, 1, 2, 0, 1, 2, 3]);
        assert!(poll(&mut parent).is_ready());
    });
}

#[test]
fn many_children_give_way_after_a_batch() {
    let _alone = alone();
    run(async {
        let probes = probes(3 * BATCH + 1);
        let mut parent = Parent::new(probes.iter().map(Probe::child));
        let count = || probes.iter().filter(|probe| probe.polls.get() > 0).count();
        let other = {
            let seen = Rc::new(Cell::new(0));
            let kept = Rc::clone(&seen);
            spawn(async move {
                loop {
                    kept.set(kept.get() + 1);
                    yield_now().await;
                }
            })
            .detach();
            seen
        };
        let mut turns = 0;
        poll_fn(|cx| {
            turns += 1;
            assert!(Pin::new(&mut parent).poll(cx).is_pending());
            assert_eq!(count(), (turns * BATCH).min(3 * BATCH + 1));
            if turns == 4 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(other.get(), 3, "it ran between the batches");
    });
}

#[test]
fn a_child_may_have_children() {
    on_both_routes(|poll| {
        let probes = probes(3);
        let inner = Parent::new(probes[1..].iter().map(Probe::child));
        let mut parent = Parent::new([probes[0].child(), Box::pin(inner) as Child]);
        assert!(poll(&mut parent).is_pending());
        probes[2].wake();
        assert!(poll(&mut parent).is_pending());
        assert_eq!(polls(&probes), [1, 1, 2]);
        probes.iter().for_each(Probe::end);
        assert!(poll(&mut parent).is_ready());
    });
}

#[test]
fn wakes_from_other_threads_arrive() {
    let _alone = alone();
    let (sender, wakers) = mpsc::channel::<Waker>();
    let thread = thread::spawn(move || wakers.into_iter().for_each(Waker::wake));
    let remote = move || -> Child {
        let sender = sender.clone();
        let mut polls = 0;
        Box::pin(poll_fn(move |cx| {
            polls += 1;
            if polls == 20 {
                return Poll::Ready(());
            }
            sender.send(cx.waker().clone()).expect("the thread waits");
            Poll::Pending
        }))
    };
    run(Parent::new((0..10).map(|_| remote())));
    drop(remote);
    thread.join().unwrap();
}

#[test]
fn a_parent_may_move_between_executors_loops_and_threads() {
    let _alone = alone();
    let probe = Probe::default();
    let mut parent = Parent::new([probe.child()]);
    let on_loop = |event_loop: &EventLoop, parent: &mut Parent| {
        event_loop.run(poll_fn(|cx| {
            assert!(Pin::new(&mut *parent).poll(cx).is_pending());
            Poll::Ready(())
        }));
    };
    let by_hand = |parent: &mut Parent| {
        let counter = Arc::new(Counter::default());
        let waker = Waker::from(Arc::clone(&counter));
        assert!(Pin::new(parent).poll(&mut Context::from_waker(&waker)).is_pending());
        counter
    };
    let first = EventLoop::new().unwrap();
    on_loop(&first, &mut parent);
    assert_eq!(probe.polls.get(), 1);
    // The same thread and home: the slots serve on.
    on_loop(&EventLoop::new().unwrap(), &mut parent);
    assert_eq!(probe.polls.get(), 1);
    drop(first);
    // No loop is left, so the slots are gone, and the next loop's are others.
    on_loop(&EventLoop::new().unwrap(), &mut parent);
    assert_eq!(probe.polls.get(), 2);
    let counter = by_hand(&mut parent);
    assert_eq!(probe.polls.get(), 3);
    probe.wake();
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
}

/// What holds no futures may be anywhere.
#[test]
fn slots_are_given_back_from_other_threads() {
    let _alone = alone();
    let event_loop = EventLoop::new().unwrap();
    let mut slots = Vec::new();
    for _ in 0..3 {
        let mut children = Children::new(1);
        event_loop.run(poll_fn(|cx| {
            children.begin(cx);
            let (_, waker) = children.next(cx).expect("a child");
            slots.push(waker.data());
            Poll::Ready(())
        }));
        thread::spawn(move || {
            let mut children = children;
            // It is of no use here, and gets another route.
            children.begin(&Context::from_waker(Waker::noop()));
            assert!(children.next(&Context::from_waker(Waker::noop())).is_some());
        })
        .join()
        .unwrap();
        // The loop's own task takes it back.
        event_loop.run(yield_now());
    }
    slots.dedup();
    assert_eq!(slots.len(), 1, "the slot was leased again");
}

/// Gives the slot that a child has on this loop, and releases it on another thread.
fn lease_and_release(event_loop: &EventLoop) -> usize {
    let mut children = Children::new(1);
    let slot = event_loop.run(poll_fn(|cx| {
        children.begin(cx);
        let (_, waker) = children.next(cx).expect("a child");
        Poll::Ready(waker.data().addr())
    }));
    thread::spawn(|| drop(children)).join().unwrap();
    slot
}

#[test]
fn slots_that_come_back_while_another_loop_of_the_thread_is_idle_or_ends_are_not_lost() {
    let _alone = alone();
    let idle = EventLoop::new().unwrap();
    let busy = EventLoop::new().unwrap();
    let slot = lease_and_release(&busy);
    busy.run(yield_now());
    assert_eq!(lease_and_release(&busy), slot, "the loop that runs took it");
    drop(idle);
    assert_eq!(lease_and_release(&busy), slot, "the one that ended took it");
}

#[test]
fn a_parent_outlives_the_loop_and_the_home_its_thread() {
    let _alone = alone();
    let probe = Probe::default();
    let mut parent = Parent::new([probe.child()]);
    run(poll_fn(|cx| Pin::new(&mut parent).poll(cx).map(drop).map_pending()));
    // Whoever holds the home now does not find this thread's child in it.
    let waker = probe.waker.take().expect("it was polled");
    thread::spawn(|| run(async move { waker.wake() })).join().unwrap();
    drop(parent);
}

/// `Pending` becomes `Ready`, to end a run.
trait MapPending {
    fn map_pending(self) -> Poll<()>;
}

impl MapPending for Poll<()> {
    fn map_pending(self) -> Poll<()> {
        assert!(self.is_pending());
        Poll::Ready(())
    }
}

#[test]
fn an_index_that_was_retired_while_it_was_queued_is_not_used_again() {
    let _alone = alone();
    let poll = |children: &mut Children, cx: &Context<'_>| {
        children.begin(cx);
        let mut polled = Vec::new();
        while let Some((index, waker)) = children.next(cx) {
            polled.push(index);
            if polled == [0] {
                waker.wake_by_ref();
                children.retire(0);
            }
        }
        polled
    };
    let check = |cx: &Context<'_>| {
        let mut children = Children::new(2);
        assert_eq!(poll(&mut children, cx), [0, 1]);
        assert_eq!(poll(&mut children, cx), []);
        children.remove(1);
        assert_eq!([children.insert(), children.insert()], [1, 2]);
    };
    check(&Context::from_waker(Waker::noop()));
    run(poll_fn(|cx| {
        check(cx);
        Poll::Ready(())
    }));
}
