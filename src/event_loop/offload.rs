//! A loop's threads for blocking work.

use std::cell::{Cell, OnceCell};
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::Core;
use super::handle::{Handle, Remote};
use crate::blocking::{Config, Guard, Hook, Join, Left, Patience, Pool};
use crate::executor::task::{Kind, Payload, Seed};
use crate::executor::{Incident, Lost};

/// Part of a [`Core`]: its pool, made when the first job comes.
#[derive(Debug)]
pub(super) struct Offload {
    config: Config,
    pool: OnceCell<Pool>,
    /// Finishes what was written to standard streams, if anything was.
    finish_output: Cell<Option<FinishOutput>>,
    /// A job was handed over since the loop last waited.
    has_new_job: Cell<bool>,
    pub(super) patience: Patience,
}

/// Waits until what was written is through, until the deadline, and gives what was lost.
type FinishOutput = fn(Option<Instant>) -> Vec<Lost>;

impl Offload {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            pool: OnceCell::new(),
            finish_output: Cell::new(None),
            has_new_job: Cell::new(false),
            patience: Patience::default(),
        }
    }

    /// Whether the loop looks around before it waits: a job was handed over since it did so last.
    #[inline]
    pub(super) fn looks_around(&self) -> bool {
        self.has_new_job.take() && self.patience.is_there()
    }

    /// Ends the pool; waits for at most `limit`.
    pub(super) fn close(&self, limit: Duration) -> Left {
        match self.pool.get() {
            Some(pool) => pool.close(Instant::now().checked_add(limit)),
            None => Left::default(),
        }
    }
}

impl Core {
    /// Has a closure run on a thread beside the loop. One that `stays` runs even if the loop ends before it has begun.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub(crate) fn submit<F, T>(
        &self,
        run: F,
        stays: bool,
        location: &'static Location<'static>,
    ) -> io::Result<Join<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let pool = self.offload.pool.get_or_init(|| {
            Pool::new(self.offload.config.clone(), Arc::clone(&self.remote) as Arc<dyn Hook>)
        });
        let seed = self.executor.seed_of(Kind::Task, location);
        let guard = self.work_guard();
        self.offload.has_new_job.set(true);
        pool.submit(run, seed, stays, guard)
    }
}

impl Core {
    /// Holds a virtual clock. It costs a wake-up per job, and the real one does not ask for it.
    pub(crate) fn work_guard(&self) -> Option<Guard> {
        let handle = || Handle::new(Arc::clone(&self.remote));
        self.clock.is_virtual().then(|| Box::new(handle().work_guard()) as Guard)
    }

    /// Something was written to a standard stream: the end of the loop waits for it.
    pub(crate) fn will_have_output(&self, finish: FinishOutput) {
        self.offload.finish_output.set(Some(finish));
    }

    /// Waits until what was written to standard streams is through; waits for at most `limit`.
    pub(super) fn finish_output(&self, limit: Duration) {
        if let Some(finish) = self.offload.finish_output.take() {
            for lost in finish(Instant::now().checked_add(limit)) {
                self.executor.shared().report(Incident::Lost(lost));
            }
        }
    }
}

impl Hook for Remote {
    fn job_panicked(&self, seed: Seed, payload: Payload) {
        self.report(move || Incident::Job(seed, payload));
    }

    fn waker_panicked(&self, payload: Payload) {
        self.report(move || Incident::Waker(payload));
    }
}
