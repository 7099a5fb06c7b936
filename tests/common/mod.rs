//! What the tests of tasks and loops share.

#![allow(dead_code)] // every test binary uses its own part

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::process::{Command, Output};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};

use monoloop::EventLoop;

/// A loop with a virtual clock.
pub fn virtual_loop() -> EventLoop {
    EventLoop::builder().virtual_time(true).build().expect("a loop")
}

/// A loop whose error reports are kept, and the reports: one line each. Without slow polls: any is, on a busy machine.
pub fn reporting_loop() -> (EventLoop, Log) {
    let log = Log::default();
    let reports = log.clone();
    let event_loop = EventLoop::builder()
        .on_error(move |report| reports.push(report.to_string()))
        .slow_poll(None)
        .build()
        .expect("a loop");
    (event_loop, log)
}

/// Lets the loop do all it can do without waiting.
pub fn settle(event_loop: &EventLoop) {
    while event_loop.turn(Some(std::time::Duration::ZERO)).expect("a turn") {}
}

/// What happened, in order.
#[derive(Clone, Default, Debug)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn push(&self, entry: impl Into<String>) {
        self.0.borrow_mut().push(entry.into());
    }

    /// Takes the entries out.
    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }

    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Pushes `entry` when it is dropped.
    pub fn on_drop(&self, entry: &str) -> OnDrop<impl FnOnce() + use<>> {
        let (log, entry) = (self.clone(), entry.to_owned());
        on_drop(move || log.push(entry))
    }
}

/// Runs a closure when it is dropped.
pub struct OnDrop<F: FnOnce()>(Option<F>);

pub fn on_drop<F: FnOnce()>(f: F) -> OnDrop<F> {
    OnDrop(Some(f))
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// Counts itself, and panics when it is dropped on another thread than its own.
pub struct Stay {
    thread: ThreadId,
    alive: Rc<Cell<usize>>,
}

impl Stay {
    pub fn new(alive: &Rc<Cell<usize>>) -> Self {
        alive.set(alive.get() + 1);
        Self { thread: thread::current().id(), alive: Rc::clone(alive) }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if self.thread != thread::current().id() {
            // A panic might be swallowed on the way.
            eprintln!("dropped on a wrong thread");
            std::process::abort();
        }
        self.alive.set(self.alive.get() - 1);
    }
}

/// A waker that counts how often it was woken.
#[derive(Default)]
pub struct Counter(AtomicUsize);

impl Counter {
    pub fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that panics when it is woken.
pub fn grumpy() -> Waker {
    struct Grumpy;
    impl Wake for Grumpy {
        fn wake(self: Arc<Self>) {
            panic!("not now");
        }
    }
    Waker::from(Arc::new(Grumpy))
}

/// Polls once.
pub fn poll_once<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Is woken so many times, by another thread.
pub async fn woken_by_a_thread(times: usize) {
    let (sender, receiver) = mpsc::channel::<Waker>();
    let helper = thread::spawn(move || receiver.iter().for_each(Waker::wake));
    let mut left = times;
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        sender.send(cx.waker().clone()).unwrap();
        Poll::Pending
    })
    .await;
    helper.join().unwrap();
}

/// Gives the waker of whoever awaits this.
pub async fn own_waker() -> Waker {
    std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

/// Waits to be woken `times` times, by whoever takes the waker out; counts its polls.
#[derive(Clone, Default)]
pub struct Doorbell {
    waker: Rc<RefCell<Option<Waker>>>,
    polls: Rc<Cell<usize>>,
    open: Rc<Cell<bool>>,
}

impl Doorbell {
    pub fn waker(&self) -> Waker {
        self.waker.borrow().clone().expect("somebody waits")
    }

    pub fn polls(&self) -> usize {
        self.polls.get()
    }

    /// Lets through whoever waits, and wakes it.
    pub fn open(&self) {
        self.open.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Waits for [`open`](Self::open).
    pub fn wait(&self) -> impl Future<Output = ()> + 'static {
        let this = self.clone();
        std::future::poll_fn(move |cx| {
            this.polls.set(this.polls.get() + 1);
            if this.open.get() {
                return Poll::Ready(());
            }
            *this.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
    }
}

/// Runs a loop that has always something to receive, and says whether another task ran before it ended.
pub fn gives_way(receive_all: impl Future<Output = ()>) -> bool {
    monoloop::run(async {
        let ran = Rc::new(Cell::new(false));
        let other = Rc::clone(&ran);
        monoloop::spawn(async move { other.set(true) }).detach();
        receive_all.await;
        ran.get()
    })
}

/// The text of a panic.
pub fn message(payload: Box<dyn std::any::Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&'static str>().expect("a text").to_string(),
    }
}

/// Panics with a text, without the panic hook's noise.
pub fn quiet_panic(text: &str) -> ! {
    std::panic::resume_unwind(Box::new(text.to_owned()))
}

/// Runs `f`, which panics, and gives the text.
pub fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => message(payload),
    }
}

/// Runs the body of the test `name` in a process of its own, so that a crash, or what other tests of
/// the binary hold, is told apart. Gives that process's output, which says that it was a success. Does nothing
/// under Miri, which starts no processes.
pub fn isolated(name: &str, body: impl FnOnce()) -> Option<Output> {
    if cfg!(miri) {
        return None;
    }
    const VARIABLE: &str = "MONOLOOP_ISOLATED_TEST";
    if std::env::var(VARIABLE).is_ok_and(|wanted| wanted == name) {
        // Nobody ends this process if it hangs and the test's own was killed.
        let (send, named) = mpsc::channel();
        let watchdog = thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            send.send(()).expect("the test waits");
            thread::sleep(std::time::Duration::from_secs(120));
            eprintln!("it took two minutes");
            std::process::exit(99);
        });
        watchdog.expect("a thread");
        // A census counts those that have no name yet.
        named.recv().expect("it has begun");
        body();
        return None;
    }
    let output = Command::new(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, name)
        .output()
        .expect("a test can be run");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}\n{out}\n{err}", output.status);
    assert!(out.contains("1 passed"), "{name} is no test\n{out}");
    Some(output)
}

/// Marsaglia's xorshift64*: small, seeded, the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // Zero is the one state it never leaves, and the lowest bit no part of the seed.
        Self((seed << 1) ^ 0x9E37_79B9_7F4A_7C15 | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }
}

/// More where the code is optimised, fewer where it is interpreted.
pub fn many(debug: usize, release: usize) -> usize {
    match () {
        () if cfg!(miri) => debug.div_ceil(20),
        () if cfg!(debug_assertions) => debug,
        () => release,
    }
}

/// Holds off the other tests of the file. Wake slots outlive their loops and serve the next, so a stale waker of
/// one test may cost the tasks of another a poll, and some tests count polls.
pub fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
