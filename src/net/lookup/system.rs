//! The system's resolver, which blocks: on threads of its own.
//!
//! A thread is started when a lookup finds fewer than [`THREADS`] of them, takes one waiting lookup after the other,
//! and ends when there is none. So a name server that is silent can hold up that many lookups, and no more threads.
//! They are not those of blocking work in general: a dead name server must not stop reading of files, nor the other
//! way round. [`off_loop`] is the seam for doing it otherwise.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::event_loop::Handle;
use crate::sync::remote::oneshot;

/// How many lookups the process makes at a time.
const THREADS: usize = 8;

/// Asks the system.
pub(super) async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let host = host.to_owned();
    off_loop(move || Ok((host.as_str(), port).to_socket_addrs()?.collect())).await?
}

/// Runs `work`, which blocks, and waits for what it gives. A virtual clock stands still meanwhile.
async fn off_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    // Of the waiting future, not of the thread: one that nobody waits for must not hold a clock.
    let _guard = Handle::try_current().map(|handle| handle.work_guard());
    let (sender, receiver) = oneshot::channel();
    let job = Box::new(move || {
        // The receiver may be gone.
        let _unsent = sender.send(work());
    });
    let _place = Place { ticket: submit(job)? };
    receiver.await.map_err(|_| io::Error::other("the resolver panicked"))
}

type Job = Box<dyn FnOnce() + Send>;

/// What waits for a thread, and how many threads there are.
struct Queue {
    /// Ordered by ticket.
    jobs: VecDeque<(u64, Job)>,
    threads: usize,
    next_ticket: u64,
}

fn queue() -> MutexGuard<'static, Queue> {
    static QUEUE: Mutex<Queue> =
        Mutex::new(Queue { jobs: VecDeque::new(), threads: 0, next_ticket: 0 });
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Its drop takes the job out of the queue, if no thread has taken it yet.
struct Place {
    ticket: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = queue();
        if let Ok(index) = queue.jobs.binary_search_by_key(&self.ticket, |&(ticket, _)| ticket) {
            let job = queue.jobs.remove(index);
            drop(queue);
            drop(job);
        }
    }
}

/// Queues `job`, and starts a thread if there may be one more. Gives the job's ticket.
fn submit(job: Job) -> io::Result<u64> {
    let mut queue = queue();
    let ticket = queue.next_ticket;
    queue.next_ticket += 1;
    queue.jobs.push_back((ticket, job));
    if queue.threads < THREADS {
        let started = thread::Builder::new().name("monoloop-lookup".into()).spawn(serve);
        match started {
            Ok(_detached) => queue.threads += 1,
            // Another will serve it.
            Err(_) if queue.threads > 0 => {}
            Err(error) => {
                queue.jobs.pop_back();
                return Err(error);
            }
        }
    }
    Ok(ticket)
}

/// One thread's life.
fn serve() {
    loop {
        let job = {
            let mut queue = queue();
            let Some((_, job)) = queue.jobs.pop_front() else {
                queue.threads -= 1;
                return;
            };
            job
        };
        // It drops its sender, and that is how the waiting future knows.
        let _panic = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};
    use std::{pin::pin, sync::Barrier};

    use super::*;

    /// All tests use the one queue.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn no_more_lookups_run_than_there_may_be_threads_and_dropped_ones_never_begin() {
        let _alone = alone();
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(THREADS + 1)));
        let mut cx = Context::from_waker(Waker::noop());
        let mut running: Vec<_> = (0..THREADS)
            .map(|_| {
                let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
                Box::pin(off_loop(move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    gate.wait();
                }))
            })
            .collect();
        for lookup in &mut running {
            assert!(lookup.as_mut().poll(&mut cx).is_pending());
        }
        while begun.load(Ordering::SeqCst) < THREADS {
            thread::yield_now();
        }
        {
            let begun = Arc::clone(&begun);
            let mut dropped = pin!(off_loop(move || begun.fetch_add(1, Ordering::SeqCst)));
            assert!(dropped.as_mut().poll(&mut cx).is_pending());
            assert_eq!(queue().threads, THREADS);
            assert_eq!(queue().jobs.len(), 1);
        }
        assert_eq!(queue().jobs.len(), 0);
        let mut last = pin!(off_loop(|| "last"));
        assert!(last.as_mut().poll(&mut cx).is_pending());
        gate.wait();
        let last = loop {
            if let Poll::Ready(last) = last.as_mut().poll(&mut cx) {
                break last;
            }
            thread::yield_now();
        };
        assert_eq!(last.unwrap(), "last");
        assert_eq!(begun.load(Ordering::SeqCst), THREADS);
        while queue().threads > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn a_panic_is_an_error_and_the_thread_goes_on() {
        let _alone = alone();
        let mut cx = Context::from_waker(Waker::noop());
        let mut broken = pin!(off_loop(|| panic!("on purpose")));
        let broken: io::Result<()> = loop {
            if let Poll::Ready(result) = broken.as_mut().poll(&mut cx) {
                break result;
            }
            thread::yield_now();
        };
        assert!(broken.unwrap_err().to_string().contains("panicked"));
        while queue().threads > 0 {
            thread::yield_now();
        }
    }
}
