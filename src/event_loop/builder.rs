//! How a loop is made other than by default.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::EventLoop;
use super::core::{Config, Core};
use super::error::ErrorReport;
#[cfg(feature = "signal")]
use super::interrupt::OnCtrlC;
use super::offload;
#[cfg(feature = "net")]
use crate::net::{Lookups, Resolve};

/// Sets a loop up; made by [`EventLoop::builder`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// let event_loop = monoloop::EventLoop::builder()
///     .on_error(|report| eprintln!("{report}"))
///     .virtual_time(true)
///     .build()?;
/// // An hour passes at once.
/// event_loop.run(async { monoloop::time::sleep(Duration::from_secs(3600)).await });
/// # Ok(())
/// # }
/// ```
#[must_use = "call `build` to make the loop"]
pub struct Builder {
    config: Config,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            config: Config {
                poll_budget: 64,
                io_interval: 256,
                shutdown_limit: Duration::from_secs(10),
                virtual_time: false,
                grace: Duration::from_secs(3),
                slow_poll: cfg!(all(debug_assertions, not(miri)))
                    .then_some(Duration::from_millis(100)),
                #[cfg(feature = "signal")]
                on_ctrl_c: OnCtrlC::Default,
                on_error: None,
                offload: offload::Config::default(),
                #[cfg(feature = "net")]
                lookups: Lookups::default(),
            },
        }
    }

    /// Sets who is told of failures that nobody awaits: a panic of a detached task, a panicking callback, and the
    /// others that [`ErrorReport`] lists. By default they are printed to stderr, one line each.
    ///
    /// The hook runs on the loop's thread, from wherever the failure came to light. If it panics, both
    /// failures are printed to stderr.
    #[doc(alias = "set_exception_handler")]
    pub fn on_error(mut self, hook: impl Fn(&ErrorReport) + 'static) -> Self {
        self.config.on_error = Some(Rc::new(hook));
        self
    }

    /// Sets how many tasks one turn polls at most, before it looks at timers and at wakes from other
    /// threads again. Default: 64; zero counts as one.
    pub fn poll_budget(mut self, polls: usize) -> Self {
        self.config.poll_budget = polls;
        self
    }

    /// Sets after how many polls the loop asks the operating system for I/O, though tasks are still ready.
    /// It asks after a quarter of a millisecond in any case. Default: 256; zero counts as one.
    pub fn io_interval(mut self, polls: u32) -> Self {
        self.config.io_interval = polls;
        self
    }

    /// Sets how long the end of the loop may take: the grace period, dropping tasks whose drops spawn further tasks,
    /// and the clean-ups that were [`defer`](crate::task::defer())red. Default: 10 s. After that, or after 16 rounds of
    /// drops, what is spawned is refused: dropped at once.
    pub fn shutdown_limit(mut self, limit: Duration) -> Self {
        self.config.shutdown_limit = limit;
        self
    }

    /// Sets how long tasks have to end by themselves once the loop's token
    /// ([`CancelToken::root`](crate::task::CancelToken::root)) was cancelled: the main future after an interrupt, and
    /// the others at the end of the loop. Default: 3 s. At the end of the loop it counts against the shutdown limit.
    /// Nobody waits if nobody ever asked for the token.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.config.grace = grace;
        self
    }

    /// Sets what ctrl-c does. Default: what it does without a loop, it ends the process.
    #[cfg(feature = "signal")]
    pub fn on_ctrl_c(mut self, on_ctrl_c: OnCtrlC) -> Self {
        self.config.on_ctrl_c = on_ctrl_c;
        self
    }

    /// Sets how long a single poll may take before it is reported to the error hook
    /// ([`ErrorReport::SlowPoll`]); `None`: polls are not timed. Default: 100 ms in builds with debug assertions (not under Miri), `None`
    /// in others, since it costs a reading of the clock per poll.
    #[doc(alias = "slow_callback_duration")]
    #[doc(alias = "set_debug")]
    pub fn slow_poll(mut self, threshold: impl Into<Option<Duration>>) -> Self {
        self.config.slow_poll = threshold.into();
        self
    }

    /// Sets how many threads run blocking work ([`spawn_blocking`](crate::spawn_blocking), files) at most.
    /// They are started when they are needed. Default: 64; zero counts as one.
    ///
    /// Jobs that wait for other jobs of the same loop may wait for ever if there are as many of them as threads.
    #[doc(alias = "set_default_executor")]
    #[doc(alias = "max_workers")]
    #[cfg(feature = "threads")]
    pub fn blocking_threads(mut self, max: usize) -> Self {
        self.config.offload.max_threads = max.max(1);
        self
    }

    /// Sets after how much time without work a thread for blocking work ends. Default: 10 s.
    #[cfg(feature = "threads")]
    pub fn blocking_keep_alive(mut self, keep_alive: Duration) -> Self {
        self.config.offload.keep_alive = keep_alive;
        self
    }

    /// Sets what the threads for blocking work are called: this, a hyphen and a number. Default: `monoloop`. Some
    /// platforms show no more than 15 bytes of it.
    ///
    /// # Panics
    ///
    /// If the name contains a zero byte.
    #[doc(alias = "thread_name_prefix")]
    #[cfg(feature = "threads")]
    #[track_caller]
    pub fn blocking_thread_name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        assert!(!name.contains('\0'), "the name of a thread has no zero bytes: {name:?}");
        self.config.offload.thread_name = name;
        self
    }

    /// Sets who looks names up. By default that is the system, on threads of its own; see
    /// [`net::lookup_host`](crate::net::lookup_host).
    #[cfg(feature = "net")]
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.config.lookups.resolver = Some(std::sync::Arc::new(resolver));
        self
    }

    /// Sets how long looking up a name may take, and waiting for a turn to do so. Default: 30 s.
    #[cfg(feature = "net")]
    pub fn lookup_limit(mut self, limit: Duration) -> Self {
        self.config.lookups.limit = limit;
        self
    }

    /// Gives the loop a virtual clock, for tests that are exact and take no time.
    ///
    /// Virtual time stands still while anything can happen. When no task is ready, no I/O comes, no
    /// [`WorkGuard`](crate::WorkGuard) of another thread lives and no blocking work is under way, it jumps to the next deadline. If a task
    /// waits for a socket, the loop first gives the I/O 50 ms of real time to arrive.
    /// [`time::advance`](crate::time::advance) moves the clock by hand.
    pub fn virtual_time(mut self, on: bool) -> Self {
        self.config.virtual_time = on;
        self
    }

    /// Makes the loop.
    ///
    /// # Errors
    ///
    /// If the operating system has no descriptors left for the poller.
    pub fn build(self) -> io::Result<EventLoop> {
        Core::new(self.config).map(EventLoop::from_core)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Builder");
        f.field("poll_budget", &self.config.poll_budget)
            .field("io_interval", &self.config.io_interval)
            .field("shutdown_limit", &self.config.shutdown_limit)
            .field("virtual_time", &self.config.virtual_time)
            .field("grace", &self.config.grace)
            .field("slow_poll", &self.config.slow_poll);
        #[cfg(feature = "signal")]
        f.field("on_ctrl_c", &self.config.on_ctrl_c);
        #[cfg(feature = "net")]
        f.field("lookup_limit", &self.config.lookups.limit);
        f.finish_non_exhaustive()
    }
}
