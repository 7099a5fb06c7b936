//! A loop's threads for blocking work.

use std::cell::{Cell, OnceCell};
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::Core;
use super::handle::Remote;
use super::shutdown::ShutdownReport;
pub(super) use crate::blocking::Config;
use crate::blocking::{Hook, Join, Left, MOMENT, Patience, Pool};
use crate::executor::task::{Kind, Payload, Seed};
use crate::executor::{Incident, TaskInfo, TaskState};
use crate::reactor::Wait;

/// Part of a [`Core`]: its pool, made when the first job comes.
#[derive(Debug)]
pub(super) struct Offload {
    config: Config,
    pool: OnceCell<Pool>,
    /// A job was handed over since the loop last waited.
    has_new_job: Cell<bool>,
    patience: Patience,
}

impl Offload {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            pool: OnceCell::new(),
            has_new_job: Cell::new(false),
            patience: Patience::default(),
        }
    }

    /// Whether the loop looks around before it waits: a job was handed over since it did so last.
    #[inline]
    pub(super) fn looks_around(&self) -> bool {
        self.has_new_job.take() && self.patience.is_there()
    }

    fn close(&self, limit: Duration) -> Left {
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

    /// Waits as [`sleep`](Self::sleep) does, after it has looked around for a moment (see [`crate::blocking`]).
    #[cold]
    pub(super) fn wait_for_job(&self, limit: Option<Duration>) -> io::Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < MOMENT.min(limit.unwrap_or(MOMENT)) {
            self.poll_io(Wait::NotAtAll)?;
            self.executor.receive();
            if self.executor.ready_len() > 0 || self.is_timer_due() {
                self.offload.patience.learn(true);
                return Ok(());
            }
        }
        self.offload.patience.learn(false);
        self.sleep(limit.map(|limit| limit.saturating_sub(begin.elapsed())))
    }

    /// Ends the pool; waits for at most `limit`. Tells the hook, and the report if there is one, what was left.
    pub(super) fn close_jobs(&self, limit: Duration, report: Option<&mut ShutdownReport>) {
        let left = self.offload.close(limit);
        let Some(report) = report else { return };
        let now = self.executor.now();
        let info = |state| move |job| TaskInfo::of_job(job, state, now);
        report.unstarted = left.unstarted.iter().map(info(TaskState::Over)).collect();
        report.stuck = left.stuck.iter().map(info(TaskState::Running)).collect();
        left.stuck.iter().for_each(|&job| self.executor.shared().report(Incident::Stuck(job)));
    }
}

impl Hook for Remote {
    fn job_panicked(&self, seed: Seed, payload: Payload) {
        self.report(move || Incident::Job(seed, payload));
    }

    fn waker_panicked(&self, payload: Payload) {
        self.report_waker(payload);
    }
}
