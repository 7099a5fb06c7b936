//! Queues between tasks.

mod channel_common;
mod common;

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use channel_common::{
    Counted, Probe, clear_hook, hooked, now, panics, probe, ready, set_hook, with_seeds,
};
use common::{Random, gives_way, grumpy, many, quiet_panic, virtual_loop};
use futures_core::Stream;
use monoloop::sync::queue::{
    GetError, LifoQueue, Prioritized, PriorityQueue, Queue, ReserveError, TryGetError, TryPutError,
};
use monoloop::time::timeout;

#[test]
fn items_come_out_in_the_order_of_their_queue() {
    let (queue, lowest, stack) =
        (Queue::bounded(4), PriorityQueue::bounded(4), LifoQueue::bounded(4));
    for item in [3, 1, 2] {
        ready(queue.put(item)).unwrap();
        ready(lowest.put(item)).unwrap();
        ready(stack.put(item)).unwrap();
    }
    assert_eq!([(); 3].map(|()| ready(queue.get()).unwrap()), [3, 1, 2]);
    assert_eq!([(); 3].map(|()| ready(lowest.get()).unwrap()), [1, 2, 3]);
    assert_eq!([(); 3].map(|()| ready(stack.get()).unwrap()), [2, 1, 3]);
}

#[test]
fn equal_items_come_out_in_the_order_they_came() {
    let queue = PriorityQueue::unbounded();
    for id in 0..100 {
        ready(queue.put(Job { key: id % 3, id })).unwrap();
    }
    let ids: Vec<_> = queue.close_now().into_iter().map(|job| (job.key, job.id)).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    assert_eq!(ids, sorted);
}

#[test]
fn getters_are_served_first_come_first_served() {
    let queue = Queue::unbounded();
    let mut first = probe(queue.get()).pending();
    let mut second = probe(queue.get()).pending();
    ready(queue.put('a')).unwrap();
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    // It belongs to who was served, before that one runs.
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    assert_eq!(queue.len(), 0);
    ready(queue.put('b')).unwrap();
    assert_eq!((first.ready(), second.ready()), (Ok('a'), Ok('b')));
}

#[test]
fn putters_are_served_first_come_first_served() {
    let queue = Queue::bounded(1);
    ready(queue.put('a')).unwrap();
    let mut second = probe(queue.put('b')).pending();
    let third = probe(queue.put('c')).pending();
    assert!(queue.is_full());
    assert_eq!(queue.try_get(), Ok('a'));
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    assert_eq!(queue.try_put('d'), Err(TryPutError::Full('d')));
    second.ready().unwrap();
    assert_eq!(queue.try_get(), Ok('b'));
    assert_eq!(third.wakes(), 1);
}

#[test]
fn a_get_that_was_served_and_dropped_loses_no_item() {
    let queue = Queue::unbounded();
    let first = probe(queue.get()).pending();
    let mut second = probe(queue.get()).pending();
    ready(queue.put(1)).unwrap();
    drop(first);
    assert_eq!((second.wakes(), second.ready()), (1, Ok(1)));
    let third = probe(queue.get()).pending();
    ready(queue.put(2)).unwrap();
    drop(third);
    assert_eq!(queue.try_get(), Ok(2));
}

#[test]
fn a_put_that_was_served_and_dropped_passes_its_place_on() {
    let alive = Rc::new(Cell::new(0));
    let queue = Queue::bounded(1);
    ready(queue.put(Counted::new(&alive))).unwrap();
    let second = probe(queue.put(Counted::new(&alive))).pending();
    let mut third = probe(queue.put(Counted::new(&alive))).pending();
    drop(queue.try_get().unwrap());
    drop(second);
    assert_eq!((third.wakes(), alive.get()), (1, 1));
    third.ready().unwrap();
    assert_eq!((queue.len(), alive.get()), (1, 1));
}

#[test]
fn one_item_wakes_one_of_many_getters() {
    let queue = Queue::unbounded();
    let waiting: Vec<_> = (0..10_000).map(|_| probe(queue.get()).pending()).collect();
    ready(queue.put(())).unwrap();
    assert_eq!(waiting.iter().map(Probe::wakes).sum::<usize>(), 1);
}

#[test]
fn a_timeout_loses_neither_item_nor_place() {
    virtual_loop().run(async {
        let queue = Rc::new(Queue::bounded(1));
        let limit = Duration::from_millis(10);
        assert!(timeout(limit, queue.get()).await.is_err());
        queue.put(1).await.unwrap();
        assert!(timeout(limit, queue.put(2)).await.is_err());
        assert_eq!(timeout(limit, queue.get()).await, Ok(Ok(1)));
        queue.put(3).await.unwrap();
        assert_eq!(timeout(limit, queue.get()).await, Ok(Ok(3)));
    });
}

#[test]
fn a_place_cannot_fail() {
    let queue = Queue::bounded(1);
    let place = ready(queue.reserve()).unwrap();
    assert!(queue.is_full() && queue.is_empty());
    queue.close();
    let mut getting = probe(queue.get()).pending();
    let mut in_vain = probe(queue.get()).pending();
    place.put(1);
    assert_eq!((getting.wakes(), getting.ready()), (1, Ok(1)));
    assert_eq!((in_vain.wakes(), in_vain.ready()), (1, Err(GetError)));
}

#[test]
fn a_place_dropped_unused_is_free_again() {
    let queue = Queue::bounded(1);
    let place = queue.try_reserve().unwrap();
    assert_eq!(queue.try_reserve().unwrap_err(), TryPutError::Full(()));
    let mut putting = probe(queue.put(1)).pending();
    drop(place);
    assert_eq!(putting.wakes(), 1);
    putting.ready().unwrap();
    assert_eq!(queue.try_get(), Ok(1));
    let place = queue.try_reserve().unwrap();
    queue.close();
    let mut getting = probe(queue.get()).pending();
    drop(place);
    assert_eq!((getting.wakes(), getting.ready()), (1, Err(GetError)));
}

#[test]
fn a_closed_queue_gives_what_is_left_and_then_an_error() {
    let queue = Queue::bounded(1);
    ready(queue.put('a')).unwrap();
    let mut putting = probe(queue.put('b')).pending();
    let mut reserving = probe(queue.reserve()).pending();
    queue.close();
    assert!(queue.is_closed());
    assert_eq!((putting.wakes(), reserving.wakes()), (1, 1));
    assert_eq!(putting.ready().unwrap_err().into_inner(), 'b');
    assert_eq!(reserving.ready().unwrap_err(), ReserveError);
    assert_eq!(queue.try_put('c'), Err(TryPutError::Closed('c')));
    assert_eq!(ready(queue.get()), Ok('a'));
    assert_eq!(ready(queue.get()), Err(GetError));
    assert_eq!(queue.try_get(), Err(TryGetError::Closed));
}

#[test]
fn closing_wakes_those_who_would_wait_for_ever() {
    let queue = Queue::<()>::unbounded();
    let mut waiting: Vec<_> = (0..3).map(|_| probe(queue.get()).pending()).collect();
    queue.close();
    for getting in &mut waiting {
        assert_eq!((getting.wakes(), getting.ready()), (1, Err(GetError)));
    }
}

#[test]
fn closing_now_gives_the_items_back_but_those_that_were_handed_over() {
    fn check(
        put: impl Fn(u8),
        get: impl Fn() -> Probe<'static, u8>,
        close: impl Fn() -> Vec<u8>,
        got: u8,
        left: &[u8],
    ) {
        let mut getting = get().pending();
        (1..=4).for_each(put);
        assert_eq!(close(), left);
        assert_eq!(getting.ready(), got);
    }
    macro_rules! check {
        ($queue:expr, $got:expr, $left:expr) => {{
            let queue = Rc::new($queue);
            let (one, two) = (Rc::clone(&queue), Rc::clone(&queue));
            let get = move || {
                let queue = Rc::clone(&one);
                probe(async move { queue.get().await.unwrap() })
            };
            check(|item| ready(two.put(item)).unwrap(), get, || queue.close_now(), $got, $left);
            assert_eq!(queue.unfinished(), 1);
            assert_eq!(ready(queue.get()), Err(GetError));
        }};
    }
    check!(Queue::unbounded(), 1, &[2, 3, 4]);
    check!(LifoQueue::unbounded(), 4, &[3, 2, 1]);
    check!(PriorityQueue::unbounded(), 1, &[2, 3, 4]);
}

#[test]
fn join_waits_until_all_is_done() {
    let queue = Queue::unbounded();
    ready(queue.join());
    (0..2).for_each(|item| ready(queue.put(item)).unwrap());
    let mut joining = probe(queue.join()).pending();
    let mut other = probe(queue.join()).pending();
    ready(queue.get()).unwrap();
    queue.task_done();
    ready(queue.get()).unwrap();
    assert_eq!((queue.unfinished(), joining.wakes()), (1, 0));
    queue.task_done();
    assert_eq!((joining.wakes(), other.wakes()), (1, 1));
    // Even if more is put before it runs.
    ready(queue.put(2)).unwrap();
    joining.ready();
    other.ready();
    assert!(now(queue.join()).is_pending());
}

#[test]
fn join_sees_items_that_are_given_back() {
    let queue = Queue::unbounded();
    (0..3).for_each(|item| ready(queue.put(item)).unwrap());
    let item = ready(queue.get_item()).unwrap();
    let mut joining = probe(queue.join()).pending();
    queue.close_now();
    assert!(joining.poll().is_pending());
    drop(item);
    joining.ready();
}

#[test]
fn an_item_is_done_when_its_worker_panics_or_is_aborted() {
    let event_loop = virtual_loop();
    event_loop.run(async {
        let queue = Rc::new(Queue::unbounded());
        (0..3).for_each(|item| ready(queue.put(item)).unwrap());
        let worker = |fate: u8| {
            let queue = Rc::clone(&queue);
            async move {
                let _item = queue.get_item().await.unwrap();
                match fate {
                    0 => quiet_panic("at work"),
                    1 => std::future::pending().await,
                    _ => (),
                }
            }
        };
        let tasks = [0, 1, 2].map(|fate| monoloop::spawn(worker(fate)));
        monoloop::yield_now().await;
        tasks[1].abort();
        queue.join().await;
        for task in tasks {
            drop(task.await);
        }
    });
}

#[test]
fn an_item_can_be_taken_out_of_its_guard() {
    let queue = Queue::unbounded();
    ready(queue.put(String::from("a"))).unwrap();
    let mut item = queue.try_get_item().unwrap();
    item.push('b');
    assert_eq!(item.into_inner(), "ab");
    assert_eq!(queue.unfinished(), 1);
    queue.task_done();
}

#[test]
#[should_panic(expected = "more items were reported done than were put")]
fn too_many_done_panics() {
    Queue::<()>::unbounded().task_done();
}

#[test]
#[should_panic(expected = "capacity of at least one")]
fn a_capacity_of_zero_panics() {
    let _ = PriorityQueue::<u8>::bounded(0);
}

#[test]
fn items_are_a_stream_that_loses_none() {
    let queue = Queue::bounded(2);
    let mut items = queue.items();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut items).poll_next(&mut cx).is_pending());
    ready(queue.put(1)).unwrap();
    // Handed to the stream, which is dropped.
    drop(items);
    let mut items = queue.items();
    assert_eq!(Pin::new(&mut items).poll_next(&mut cx), Poll::Ready(Some(1)));
    queue.close();
    assert_eq!(Pin::new(&mut items).poll_next(&mut cx), Poll::Ready(None));
}

#[test]
fn a_priority_queue_gives_what_is_lowest_when_the_getter_runs() {
    let queue = PriorityQueue::unbounded();
    let mut getting = probe(queue.get()).pending();
    ready(queue.put(5)).unwrap();
    ready(queue.put(1)).unwrap();
    assert_eq!(getting.ready(), Ok(1));
}

#[test]
fn an_order_that_uses_the_queue_panics_and_leaves_it_sound() {
    thread_local! {
        static QUEUE: PriorityQueue<Nosy> = PriorityQueue::unbounded();
    }
    #[derive(PartialEq, Eq, Debug)]
    struct Nosy(u8);
    impl Ord for Nosy {
        fn cmp(&self, other: &Self) -> Ordering {
            if self.0.max(other.0) == 9 {
                QUEUE.with(|queue| queue.try_get().ok());
            }
            self.0.cmp(&other.0)
        }
    }
    impl PartialOrd for Nosy {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }
    QUEUE.with(|queue| {
        ready(queue.put(Nosy(1))).unwrap();
        ready(queue.put(Nosy(0))).unwrap();
        assert!(panics(|| ready(queue.put(Nosy(9)))));
        assert_eq!(queue.len(), 3);
        assert!(queue.len() == queue.unfinished());
    });
}

thread_local! {
    static PATIENCE: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Comparing it panics after so many times, once [`PATIENCE`] is set.
#[derive(PartialEq, Eq, Debug)]
struct Touchy(u8);

impl Ord for Touchy {
    fn cmp(&self, other: &Self) -> Ordering {
        if let Some(patience) = PATIENCE.get() {
            let Some(left) = patience.checked_sub(1) else { quiet_panic("do not compare me") };
            PATIENCE.set(Some(left));
        }
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Touchy {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn panics_touched<T>(f: impl FnOnce() -> T) -> bool {
    panics_touched_after(0, f)
}

fn panics_touched_after<T>(times: u32, f: impl FnOnce() -> T) -> bool {
    PATIENCE.set(Some(times));
    let panicked = panics(f);
    PATIENCE.set(None);
    panicked
}

#[test]
fn an_order_that_panics_in_a_put_leaves_no_getter_unserved() {
    let queue = PriorityQueue::unbounded();
    let mut first = probe(queue.get()).pending();
    let mut second = probe(queue.get()).pending();
    ready(queue.put(Touchy(2))).unwrap();
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    assert!(panics_touched(|| ready(queue.put(Touchy(1)))));
    assert_eq!((first.wakes(), second.wakes()), (1, 1), "the item is in the queue");
    assert!(queue.is_empty(), "both are claimed");
    assert_eq!(queue.unfinished(), 2);
    let mut got = [first.ready().unwrap().0, second.ready().unwrap().0];
    got.sort_unstable();
    assert_eq!(got, [1, 2]);
}

#[test]
fn an_order_that_panics_in_a_reserved_put_leaves_no_getter_unserved() {
    let queue = PriorityQueue::bounded(2);
    let mut first = probe(queue.get()).pending();
    let mut second = probe(queue.get()).pending();
    let place = ready(queue.reserve()).unwrap();
    ready(queue.put(Touchy(2))).unwrap();
    assert!(panics_touched(|| place.put(Touchy(1))));
    assert_eq!((first.wakes(), second.wakes()), (1, 1), "the item is in the queue");
    first.ready().unwrap();
    second.ready().unwrap();
}

#[test]
fn an_order_that_panics_in_a_get_leaves_no_putter_unserved() {
    let queue = PriorityQueue::bounded(3);
    (1..=3).for_each(|n| ready(queue.put(Touchy(n))).unwrap());
    let mut putting = probe(queue.put(Touchy(4))).pending();
    // Taking the lowest out compares the others. It is lost.
    assert!(panics_touched(|| queue.try_get()));
    assert_eq!(putting.wakes(), 1, "its place is free");
    putting.ready().unwrap();
    assert_eq!(queue.len(), 3);
}

#[test]
fn a_putters_waker_that_panics_costs_no_item() {
    let queue = Queue::bounded(1);
    ready(queue.put(1)).unwrap();
    let mut putting = probe(queue.put(2));
    assert!(putting.poll_with(&grumpy()).is_pending());
    assert!(panics(|| queue.try_get()));
    assert_eq!(queue.try_get(), Ok(1));
    putting.ready().unwrap();
    assert_eq!(queue.try_get(), Ok(2));
    ready(queue.put(3)).unwrap();
    assert!(queue.is_full(), "capacity did not grow");
}

#[test]
fn a_closed_queue_refuses_nobody_while_an_item_may_come_back() {
    for close in [Queue::close, |queue: &Queue<_>| assert_eq!(queue.close_now(), [])] {
        let queue = Queue::unbounded();
        let first = probe(queue.get()).pending();
        let mut second = probe(queue.get()).pending();
        let mut third = probe(queue.get()).pending();
        queue.try_put(1).unwrap();
        close(&queue);
        assert!(second.poll().is_pending(), "the first may give it up");
        assert_eq!(queue.try_get(), Err(TryGetError::Empty));
        drop(first);
        assert_eq!((second.wakes(), third.wakes()), (1, 0));
        assert_eq!(second.ready(), Ok(1));
        assert_eq!((third.wakes(), third.ready()), (1, Err(GetError)));
        assert_eq!(queue.try_get(), Err(TryGetError::Closed));
    }
}

#[test]
fn a_claim_that_nobody_takes_over_stays_in_the_closed_queue() {
    let queue = Queue::unbounded();
    let first = probe(queue.get()).pending();
    queue.try_put(1).unwrap();
    queue.close();
    drop(first);
    assert_eq!(queue.try_get(), Ok(1));
}

#[test]
fn a_waker_that_panics_at_the_end_costs_no_item() {
    let queue = Queue::unbounded();
    let mut first = probe(queue.get()).pending();
    let mut second = probe(queue.get());
    assert!(second.poll_with(&grumpy()).is_pending());
    queue.try_put(1).unwrap();
    queue.close();
    assert_eq!(first.ready(), Ok(1));
    assert_eq!(second.ready(), Err(GetError));
}

#[test]
fn a_waker_that_runs_inside_of_close_now_cannot_put() {
    let queue = Rc::new(Queue::bounded(2));
    queue.try_put(1).unwrap();
    let mut joining = probe(queue.join());
    let was_put = Rc::new(Cell::new(None));
    set_hook({
        let (queue, was_put) = (Rc::clone(&queue), Rc::clone(&was_put));
        move |_| was_put.set(Some(queue.try_put(2).is_ok()))
    });
    assert!(joining.poll_with(&hooked(0)).is_pending());
    assert_eq!(queue.close_now(), [1]);
    clear_hook();
    assert_eq!((was_put.get(), queue.len()), (Some(false), 0));
}

#[test]
fn a_waker_that_panics_in_close_now_costs_no_item() {
    fn check(alive: &Cell<isize>, close: impl Fn() -> usize, join: impl Future<Output = ()>) {
        let mut joining = probe(join);
        assert!(joining.poll_with(&grumpy()).is_pending());
        assert!(panics(&close));
        assert_eq!((alive.get(), close()), (2, 2));
        joining.ready();
    }
    macro_rules! check {
        ($queue:ident) => {{
            let alive = Rc::new(Cell::new(0));
            let queue = $queue::bounded(2);
            for priority in 0..2 {
                queue.try_put(Prioritized { priority, item: Counted::new(&alive) }).ok().unwrap();
            }
            let close = || {
                let left = queue.close_now();
                let first = left[0].priority;
                assert_eq!(first, if stringify!($queue) == "LifoQueue" { 1 } else { 0 });
                left.len()
            };
            check(&alive, close, queue.join());
            assert_eq!(queue.unfinished(), 0);
        }};
    }
    check!(Queue);
    check!(LifoQueue);
    check!(PriorityQueue);
}

/// Whichever comparison it is that panics.
#[test]
fn an_order_that_panics_in_close_now_costs_no_item_and_no_claim() {
    for after in 0.. {
        let queue = PriorityQueue::unbounded();
        let mut getting: Vec<_> = (0..3).map(|_| probe(queue.get()).pending()).collect();
        (0..7).for_each(|n| ready(queue.put(Touchy(n))).unwrap());
        let mut left = Vec::new();
        let panicked = panics_touched_after(after, || left = queue.close_now());
        if panicked {
            assert_eq!(queue.len(), 4);
            left = queue.close_now();
        }
        let mut all: Vec<_> = left.into_iter().map(|item| item.0).collect();
        assert_eq!((all.len(), queue.len(), queue.unfinished()), (4, 0, 3));
        all.extend(getting.iter_mut().map(|getting| getting.ready().unwrap().0));
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6]);
        if !panicked {
            assert!(after > 6, "it never panicked");
            break;
        }
    }
}

#[test]
fn a_getter_that_always_finds_an_item_gives_way() {
    const MANY: usize = 100_000;
    let queue = Queue::unbounded();
    let fill = || (0..MANY).for_each(|n| queue.try_put(n).unwrap());
    fill();
    assert!(gives_way(async {
        for _ in 0..MANY {
            queue.get().await.unwrap();
        }
    }));
    fill();
    assert!(gives_way(async {
        let mut items = queue.items();
        for _ in 0..MANY {
            poll_fn(|cx| Pin::new(&mut items).poll_next(cx)).await.unwrap();
        }
    }));
    fill();
    assert!((0..MANY).all(|n| ready(queue.get()) == Ok(n)), "there is nobody to give way to");
}

/// Compared by its key alone.
#[derive(Clone, Copy, Debug)]
struct Job {
    key: u64,
    id: u64,
}

impl Ord for Job {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Job {}

/// What a queue should hold, in the order of gets.
trait Expected: Default {
    fn put(&mut self, job: Job);
    fn get(&mut self) -> Option<Job>;
    fn put_back(&mut self, job: Job);
    fn remove(&mut self, id: u64);
    fn len(&self) -> usize;
}

#[derive(Default)]
struct InOrder(VecDeque<Job>);

#[derive(Default)]
struct Reversed(Vec<Job>);

/// By key, then by arrival, with the id.
#[derive(Default)]
struct Sorted {
    jobs: BTreeSet<(u64, u64, u64)>,
    /// When which id arrived.
    arrivals: HashMap<u64, u64>,
    arrived: u64,
}

impl Expected for InOrder {
    fn put(&mut self, job: Job) {
        self.0.push_back(job);
    }
    fn get(&mut self) -> Option<Job> {
        self.0.pop_front()
    }
    fn put_back(&mut self, job: Job) {
        self.0.push_front(job);
    }
    fn remove(&mut self, id: u64) {
        self.0.retain(|job| job.id != id);
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Expected for Reversed {
    fn put(&mut self, job: Job) {
        self.0.push(job);
    }
    fn get(&mut self) -> Option<Job> {
        self.0.pop()
    }
    fn put_back(&mut self, job: Job) {
        self.0.push(job);
    }
    fn remove(&mut self, id: u64) {
        self.0.retain(|job| job.id != id);
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Expected for Sorted {
    fn put(&mut self, job: Job) {
        self.arrived += 1;
        self.arrivals.insert(job.id, self.arrived);
        self.put_back(job);
    }
    fn get(&mut self) -> Option<Job> {
        self.jobs.pop_first().map(|(key, _, id)| Job { key, id })
    }
    fn put_back(&mut self, job: Job) {
        self.jobs.insert((job.key, self.arrivals[&job.id], job.id));
    }
    fn remove(&mut self, id: u64) {
        self.jobs.retain(|&(.., other)| other != id);
    }
    fn len(&self) -> usize {
        self.jobs.len()
    }
}

enum Wish {
    Put(Job),
    Get,
    Reserve,
}

struct Waiting {
    wish: Wish,
    future: Option<Probe<'static, Option<Job>>>,
}

macro_rules! model {
    ($test:ident, $queue:ident, $expected:ident) => {
        #[test]
        fn $test() {
            struct Model {
                queue: $queue<Job>,
                /// What is inside, but for what is just now being put or got.
                inside: RefCell<$expected>,
                next: Cell<u64>,
                woken: RefCell<Vec<bool>>,
                random: RefCell<Random>,
                depth: Cell<u32>,
                /// A get was told that nothing is left.
                refused: Cell<bool>,
            }

            impl Model {
                fn below(&self, bound: usize) -> usize {
                    self.random.borrow_mut().below(bound)
                }

                fn job(&self) -> Job {
                    self.next.set(self.next.get() + 1);
                    Job { key: self.below(5) as u64, id: self.next.get() }
                }

                fn on_wake(&self, number: usize) {
                    self.woken.borrow_mut()[number] = true;
                    if self.depth.get() < 3 {
                        self.depth.set(self.depth.get() + 1);
                        match self.below(8) {
                            0 => self.try_put(),
                            1 => self.try_get(),
                            _ => (),
                        }
                        self.depth.set(self.depth.get() - 1);
                    }
                    if self.below(30) == 0 {
                        quiet_panic("grumpy");
                    }
                }

                /// What is put is known before: the wakers that run inside may get it.
                fn putting(&self, job: Job, put: impl FnOnce() -> bool) -> bool {
                    self.inside.borrow_mut().put(job);
                    let mut taken = true;
                    let panicked = panics(|| taken = put());
                    if !panicked && !taken {
                        self.inside.borrow_mut().remove(job.id);
                    }
                    panicked || taken
                }

                /// What is got is known before: it is gone for the wakers that run inside.
                fn getting(&self, get: impl FnOnce() -> Option<Job>) -> bool {
                    let expected = self.inside.borrow_mut().get();
                    let mut got = None;
                    let panicked = panics(|| got = get());
                    match (got, expected) {
                        (Some(got), Some(expected)) => assert_eq!(got.id, expected.id),
                        (Some(got), None) => panic!("{got:?} came from nowhere"),
                        (None, Some(expected)) => self.inside.borrow_mut().put_back(expected),
                        (None, None) => (),
                    }
                    panicked || got.is_some()
                }

                fn try_put(&self) {
                    let job = self.job();
                    self.putting(job, || self.queue.try_put(job).is_ok());
                }

                fn try_get(&self) {
                    self.getting(|| self.queue.try_get().ok());
                }

                fn poll(&self, waiting: &mut Waiting, number: usize) {
                    let Some(probe) = &mut waiting.future else { return };
                    self.woken.borrow_mut()[number] = false;
                    let mut output = None;
                    let mut poll = || match probe.poll_with(&hooked(number)) {
                        Poll::Pending => (false, None),
                        Poll::Ready(job) => (true, job),
                    };
                    let is_over = match waiting.wish {
                        Wish::Put(job) => {
                            let mut is_over = false;
                            let put = self.putting(job, || {
                                let put;
                                (is_over, put) = poll();
                                put.is_some()
                            });
                            put || is_over
                        }
                        Wish::Get => {
                            let mut is_refused = false;
                            let got = self.getting(|| {
                                let (is_over, job) = poll();
                                is_refused = is_over && job.is_none();
                                job
                            });
                            if is_refused {
                                assert!(self.queue.is_closed());
                                assert_eq!(self.inside.borrow().len(), 0, "something is left");
                                self.refused.set(true);
                            }
                            got || is_refused
                        }
                        Wish::Reserve => panics(|| output = Some(poll())) || output.unwrap().0,
                    };
                    if is_over {
                        // A place is given up at once.
                        let future = waiting.future.take();
                        panics(|| drop(future));
                    }
                }

                /// Closes, with claims and places out, and lets all come to their end, or be dropped.
                fn close(&self, all: &mut [Waiting]) {
                    if self.below(2) == 0 {
                        panics(|| self.queue.close());
                    } else {
                        let mut left = Vec::new();
                        panics(|| left = self.queue.close_now());
                        let mut inside = self.inside.borrow_mut();
                        left.iter().for_each(|job| inside.remove(job.id));
                    }
                    for _ in 0..4 * all.len() {
                        let number = self.below(all.len());
                        if self.below(3) == 0 {
                            let future = all[number].future.take();
                            panics(|| drop(future));
                        } else {
                            self.poll(&mut all[number], number);
                        }
                        self.check(all);
                    }
                    // Who was woken, and nobody else, until all are through.
                    while all.iter().any(|waiting| waiting.future.is_some()) {
                        let mut is_anybody_woken = false;
                        for (number, waiting) in all.iter_mut().enumerate() {
                            if waiting.future.is_some() && self.woken.borrow()[number] {
                                is_anybody_woken = true;
                                self.poll(waiting, number);
                            }
                        }
                        assert!(is_anybody_woken, "somebody waits for ever");
                    }
                }

                /// Nobody waits for what is there.
                fn check(&self, waiting: &[Waiting]) {
                    let woken = self.woken.borrow();
                    for (number, waiting) in waiting.iter().enumerate() {
                        if waiting.future.is_none() || woken[number] {
                            continue;
                        }
                        match waiting.wish {
                            Wish::Get => assert_eq!(self.queue.len(), 0, "a wake was lost"),
                            _ => assert!(self.queue.is_full(), "a wake was lost"),
                        }
                    }
                    assert!(self.queue.len() <= self.inside.borrow().len());
                    assert!(
                        self.queue.is_empty() || !self.refused.get(),
                        "who was refused could have it"
                    );
                    assert!(self.queue.unfinished() >= self.inside.borrow().len());
                }
            }

            fn run(seed: u64) {
                let mut random = Random::new(seed);
                let capacity = 1 + random.below(4);
                let model = Rc::new(Model {
                    queue: $queue::bounded(capacity),
                    inside: RefCell::default(),
                    next: Cell::new(0),
                    woken: RefCell::default(),
                    random: RefCell::new(random),
                    depth: Cell::new(0),
                    refused: Cell::new(false),
                });
                let hook = Rc::clone(&model);
                set_hook(move |number| hook.on_wake(number));
                let mut all: Vec<Waiting> = Vec::new();
                for _ in 0..many(300, 2_000) {
                    let of_future = Rc::clone(&model);
                    match model.below(8) {
                        0 => model.try_put(),
                        1 => model.try_get(),
                        2 => {
                            let job = model.job();
                            let put =
                                async move { of_future.queue.put(job).await.ok().map(|()| job) };
                            all.push(Waiting { wish: Wish::Put(job), future: Some(probe(put)) });
                            model.woken.borrow_mut().push(true);
                        }
                        3 => {
                            let get = async move { of_future.queue.get().await.ok() };
                            all.push(Waiting { wish: Wish::Get, future: Some(probe(get)) });
                            model.woken.borrow_mut().push(true);
                        }
                        4 => {
                            let reserve = async move {
                                drop(of_future.queue.reserve().await);
                                None
                            };
                            all.push(Waiting { wish: Wish::Reserve, future: Some(probe(reserve)) });
                            model.woken.borrow_mut().push(true);
                        }
                        _ if all.is_empty() => (),
                        5 => {
                            let number = model.below(all.len());
                            let future = all[number].future.take();
                            panics(|| drop(future));
                        }
                        _ => {
                            let number = model.below(all.len());
                            model.poll(&mut all[number], number);
                        }
                    }
                    model.check(&all);
                }
                if model.below(2) == 0 {
                    model.close(&mut all);
                }
                clear_hook();
                drop(all);
                let ids: Vec<_> = model.queue.close_now().iter().map(|job| job.id).collect();
                let expected: Vec<_> = std::iter::from_fn(|| model.inside.borrow_mut().get())
                    .map(|job| job.id)
                    .collect();
                assert_eq!(ids, expected, "an item was lost, or out of order");
            }

            with_seeds(|seed| {
                for round in 0..many(3, 40) {
                    run(seed * 1000 + round as u64);
                }
            });
        }
    };
}

model!(random_operations_lose_no_item_of_a_queue, Queue, InOrder);
model!(random_operations_lose_no_item_of_a_priority_queue, PriorityQueue, Sorted);
model!(random_operations_lose_no_item_of_a_stack, LifoQueue, Reversed);
