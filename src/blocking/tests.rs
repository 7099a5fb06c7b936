use std::sync::mpsc;
use std::task::{Poll, Wake, Waker};
use std::thread;

use super::*;

struct Quiet;

impl Hook for Quiet {
    fn job_panicked(&self, _: Seed, _: Payload) {}
    fn waker_panicked(&self, _: Payload) {}
}

fn pool(max_threads: usize) -> Pool {
    let keep_alive = Duration::from_secs(60);
    let config = Config { max_threads, keep_alive, thread_name: "unit".to_owned() };
    Pool::new(config, Arc::new(Quiet))
}

fn submit<T: Send + 'static>(pool: &Pool, run: impl FnOnce() -> T + Send + 'static) -> Join<T> {
    pool.submit(run, Seed::of_test(), false, None).expect("a thread")
}

fn wait<T>(join: &Join<T>) -> T {
    loop {
        match join.poll(Waker::noop()) {
            Poll::Ready(outcome) => break outcome.expect("not taken").expect("no panic"),
            Poll::Pending => thread::yield_now(),
        }
    }
}

// A child made by `fork` has the pool, and none of its threads.
#[test]
fn in_another_process_nobody_waits_for_threads() {
    let mut pool = pool(1);
    let (go, wait_for) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let running = submit(&pool, move || {
        begin.send(()).expect("the test waits");
        wait_for.recv()
    });
    begun.recv().expect("it begins");
    let queued = submit(&pool, || ());
    let own = std::mem::replace(&mut pool.origin, Origin::elsewhere());
    let left = pool.close(None);
    assert_eq!((left.unstarted.len(), left.stuck.len()), (1, 1));
    assert!(matches!(queued.poll(Waker::noop()), Poll::Ready(Some(Err(_)))));
    drop(go);
    assert!(wait(&running).is_err());
    pool.origin = own;
    assert!(pool.close(None).stuck.is_empty());
}

/// A job that ends when as many run as the barrier is for.
fn meet(pool: &Pool, together: &Arc<std::sync::Barrier>) -> Join<()> {
    let together = Arc::clone(together);
    submit(pool, move || {
        together.wait();
    })
}

// No thundering herd: one job, one thread that wakes.
#[test]
fn a_job_wakes_one_thread() {
    const THREADS: usize = 4;
    let pool = pool(THREADS);
    let together = Arc::new(std::sync::Barrier::new(THREADS));
    let jobs: Vec<_> = (0..THREADS).map(|_| meet(&pool, &together)).collect();
    jobs.iter().for_each(wait);
    let asleep = || pool.shared.lock().asleep;
    while asleep() < THREADS {
        thread::yield_now();
    }
    let (go, wait_for) = mpsc::channel::<()>();
    let one = submit(&pool, move || wait_for.recv());
    while pool.shared.lock().running().next().is_none() {
        thread::yield_now();
    }
    assert_eq!(asleep(), THREADS - 1);
    assert_eq!(pool.shared.lock().started, THREADS as u64);
    drop(go);
    assert!(wait(&one).is_err());
    // And many are called one by one, each by the one before.
    while asleep() < THREADS {
        thread::yield_now();
    }
    {
        let mut state = pool.shared.lock();
        assert!(pool.shared.call_thread(&mut state).expect("one sleeps"));
        assert!(!pool.shared.call_thread(&mut state).expect("one is on its way"));
    }
    pool.shared.work.notify_one();
    let jobs: Vec<_> = (0..THREADS).map(|_| meet(&pool, &together)).collect();
    jobs.iter().for_each(wait);
    assert_eq!(pool.shared.lock().started, THREADS as u64);
    assert!(pool.close(None).stuck.is_empty());
}

/// Runs foreign code where it is woken.
struct Inline(Box<dyn Fn() + Send + Sync>);

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

#[test]
fn a_foreign_waker_that_blocks_holds_up_no_job() {
    let pool = pool(2);
    let (go, wait_for) = mpsc::channel::<()>();
    let first = submit(&pool, move || wait_for.recv().is_err());
    let (end, until) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let until = Mutex::new(until);
    let waker = Waker::from(Arc::new(Inline(Box::new(move || {
        begin.send(()).expect("the test waits");
        until.lock().expect("no panic").recv().expect_err("nothing is sent");
    }))));
    assert!(first.poll(&waker).is_pending());
    drop(go);
    begun.recv().expect("it is woken");
    let second = submit(&pool, || 2);
    assert_eq!(wait(&second), 2);
    drop(end);
    assert!(wait(&first));
    assert!(pool.close(None).stuck.is_empty());
}

#[test]
fn a_closed_pool_drops_what_it_is_given() {
    let pool = pool(1);
    assert!(pool.close(None).unstarted.is_empty());
    let late = submit(&pool, || ());
    assert!(matches!(late.poll(Waker::noop()), Poll::Ready(Some(Err(_)))));
    assert!(late.is_over());
}

#[test]
fn only_jobs_that_stay_run_after_the_close_has_begun() {
    let pool = pool(1);
    let (go, wait_for) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let busy = submit(&pool, move || {
        begin.send(()).expect("the test waits");
        wait_for.recv()
    });
    begun.recv().expect("it begins");
    let (tell, told) = mpsc::channel();
    let also = tell.clone();
    let goes = submit(&pool, move || tell.send("goes"));
    let seed = Seed::of_test();
    let stays = pool.submit(move || also.send("stays"), seed, true, None).expect("a thread");
    let closer = thread::spawn(move || pool.close(None));
    while !goes.is_over() {
        thread::yield_now();
    }
    drop(go);
    let left = closer.join().expect("no panic");
    assert_eq!((left.unstarted.len(), left.stuck.len()), (1, 0));
    assert_eq!(told.iter().collect::<Vec<_>>(), ["stays"]);
    drop((busy, stays));
}
