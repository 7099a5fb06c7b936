//! The system's resolver, which blocks: on threads of its own.
//!
//! They are a [`Pool`] that all loops of the process share, so that a name server that is silent holds up so many threads
//! and no more. They are not those of blocking work in general: a dead name server must not stop reading of files, nor
//! the other way round.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::blocking::{Config, Hook, Pool};
use crate::event_loop::context;
use crate::executor::OfProcess;
use crate::executor::task::{Kind, Payload, Seed};

/// How many lookups the process makes at a time.
const THREADS: usize = 8;
/// How long a thread waits for the next lookup.
const KEEP_ALIVE: Duration = Duration::from_millis(100);

/// Asks the system.
pub(super) async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let host = host.to_owned();
    off_loop(move || Ok((host.as_str(), port).to_socket_addrs()?.collect())).await?
}

/// Runs `work`, which blocks, and waits for what it gives. A virtual clock stands still meanwhile. Dropped, it takes
/// back what has not begun.
async fn off_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let ours = context::try_with(|core| {
        let seed = core.executor.seed_of(Kind::Task, Location::caller());
        (seed, core.work_guard())
    });
    let Some((seed, _guard)) = ours else {
        return Err(io::Error::other("no event loop runs on this thread"));
    };
    // The guard is the waiting future's, not the job's: one that nobody waits for must not hold a clock.
    let job = pool().submit(work, seed, false, None)?;
    let outcome = poll_fn(|cx| job.poll(cx.waker())).await;
    outcome
        .expect("an outcome is taken once")
        .map_err(|_| io::Error::other("the resolver panicked"))
}

/// The threads of this process.
fn pool() -> Arc<Pool> {
    static POOL: OfProcess<Pool> = OfProcess::new();
    // A fork leaves the child the queue, and none of the threads: it has another.
    POOL.get_or_make(|_| {
        let config = Config {
            max_threads: THREADS,
            keep_alive: KEEP_ALIVE,
            thread_name: "monoloop-lookup".to_owned(),
        };
        Pool::new(config, Arc::new(Nobody))
    })
}

/// Nobody is told what becomes of lookups for which nobody waits.
struct Nobody;

impl Hook for Nobody {
    fn job_panicked(&self, _: Seed, _: Payload) {}
    fn waker_panicked(&self, _: Payload) {}
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Waker};

    use super::*;
    use crate::{run, yield_now};

    #[test]
    fn no_more_lookups_run_than_there_may_be_threads_and_dropped_ones_never_begin() {
        run(async {
            let (begun, gate) =
                (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(THREADS + 1)));
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
                yield_now().await;
            }
            let (dropped, last) = (Arc::clone(&begun), Arc::clone(&begun));
            {
                let count = move || dropped.fetch_add(1, Ordering::SeqCst);
                let mut dropped = pin!(off_loop(count));
                assert!(dropped.as_mut().poll(&mut cx).is_pending());
            }
            let mut last = pin!(off_loop(move || last.load(Ordering::SeqCst)));
            assert!(last.as_mut().poll(&mut cx).is_pending());
            gate.wait();
            // All that came before it has begun, or never will.
            assert_eq!(last.await.unwrap(), THREADS);
        });
    }

    #[test]
    fn a_panic_is_an_error() {
        let broken: io::Result<()> = run(off_loop(|| panic!("on purpose")));
        assert!(broken.unwrap_err().to_string().contains("panicked"));
    }
}
