//! A task woken by another thread.

use std::future::poll_fn;
use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::runtimes::Runtime;

/// Rounds of [`hint::spin_loop`] before the other thread offers its core to somebody else, so that the
/// benchmark ends on a machine with one core too.
const SPINS: u32 = 1000;

/// A question that no task asks: the other thread ends.
const GOODBYE: u64 = u64::MAX;

/// A task asks, a thread answers after `pause` and wakes it. An operation is a round trip without the pause: the
/// thread sees the question, wakes the task, the loop wakes up and polls it.
///
/// The thread spins, so the way there is one cache miss and the rest is the runtime's own. The pause gives the loop the
/// time to fall asleep in the kernel. After a short one its processor is often awake still; after a long one that sleeps
/// too, and most of the time is what it takes to wake it.
pub async fn wake_from_thread<R: Runtime>(operations: u64, pause: Duration) -> Duration {
    let desk = Arc::new(Desk::default());
    let answering = thread::spawn({
        let desk = desk.clone();
        move || desk.answer_all(pause)
    });
    let start = Instant::now();
    for question in 1..=operations {
        desk.ask(question).await;
    }
    let elapsed = start.elapsed();
    desk.asked.store(GOODBYE, Ordering::Release);
    answering.join().expect("the other thread does not panic");
    elapsed.saturating_sub(pause * operations as u32)
}

/// Where the two meet. Questions are numbers that grow.
#[derive(Default)]
struct Desk {
    asked: AtomicU64,
    answered: AtomicU64,
    waiting: Mutex<Option<Waker>>,
}

impl Desk {
    async fn ask(&self, question: u64) {
        let mut asked = false;
        poll_fn(|cx| {
            if self.answered.load(Ordering::Acquire) == question {
                return Poll::Ready(());
            }
            self.set_waiting(Some(cx.waker().clone()));
            if !asked {
                asked = true;
                self.asked.store(question, Ordering::Release);
            }
            Poll::Pending
        })
        .await;
    }

    fn answer_all(&self, pause: Duration) {
        let mut last = 0;
        loop {
            last = self.wait_for_question_after(last);
            if last == GOODBYE {
                return;
            }
            let seen = Instant::now();
            while seen.elapsed() < pause {
                hint::spin_loop();
            }
            self.answered.store(last, Ordering::Release);
            if let Some(waker) = self.set_waiting(None) {
                waker.wake();
            }
        }
    }

    fn wait_for_question_after(&self, last: u64) -> u64 {
        loop {
            for _ in 0..SPINS {
                let asked = self.asked.load(Ordering::Acquire);
                if asked != last {
                    return asked;
                }
                hint::spin_loop();
            }
            thread::yield_now();
        }
    }

    fn set_waiting(&self, waker: Option<Waker>) -> Option<Waker> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *waiting, waker)
    }
}
