//! What a loop is made of, and one turn of it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::Clock;
#[cfg(feature = "signal")]
use super::ctrl_c;
use super::ending::Ending;
use super::error::{ErrorHook, report_incident};
use super::handle::{Handle, Remote, serve_remote};
#[cfg(feature = "signal")]
use super::interrupt::OnCtrlC;
use super::offload::{self, Offload};
use super::pace::Pace;
use crate::executor::task::TaskRef;
use crate::executor::wake::{LoopId, Release, WakeRef};
use crate::executor::{Executor, Incident, Lost, Origin, Reporter};
#[cfg(feature = "net")]
use crate::net::Lookups;
#[cfg(feature = "io")]
use crate::reactor::{Direction, SourceKey, WaiterId};
use crate::reactor::{Reactor, Wait};
use crate::task;
use crate::timer::{Key as TimerKey, Wheel};

/// What `Builder` decides.
pub(super) struct Config {
    pub(super) poll_budget: usize,
    pub(super) io_interval: u32,
    pub(super) shutdown_limit: Duration,
    pub(super) virtual_time: bool,
    pub(super) grace: Duration,
    pub(super) slow_poll: Option<Duration>,
    #[cfg(feature = "signal")]
    pub(super) on_ctrl_c: OnCtrlC,
    pub(super) on_error: Option<Rc<ErrorHook>>,
    pub(super) offload: offload::Config,
    #[cfg(feature = "net")]
    pub(super) lookups: Lookups,
}

/// Waits until what was written is through, until the deadline, and gives what was lost.
type FinishOutput = fn(Option<Instant>) -> Vec<Lost>;

/// The parts of one loop. Reached through [`context`](super::context) while the loop runs.
pub(crate) struct Core {
    pub(crate) executor: Executor,
    pub(crate) reactor: Reactor,
    pub(crate) clock: Clock,
    pub(super) timers: RefCell<Wheel<WakeRef>>,
    /// Timers that came due together: kept for its capacity.
    due: RefCell<Vec<WakeRef>>,
    /// The last sequence number given to a timer.
    sequence: Cell<u64>,
    pub(super) remote: Arc<Remote>,
    pub(super) origin: Origin,
    pub(super) pace: Pace,
    pub(super) shutdown_limit: Duration,
    /// How long tasks have to end by themselves after the loop's token was cancelled.
    pub(super) grace: Duration,
    /// Polls that take so long are reported. `None`: polls are not timed.
    slow_poll: Option<Duration>,
    pub(super) ending: Ending,
    pub(super) offload: Offload,
    /// Finishes what was written to standard streams, if anything was.
    finish_output: Cell<Option<FinishOutput>>,
    #[cfg(feature = "net")]
    pub(crate) lookups: Lookups,
    /// How many panics were reported.
    panics: Rc<Cell<usize>>,
    /// No I/O came within the grace period, and none was asked for since.
    pub(super) io_is_quiet: Cell<bool>,
    /// Who has done enough for one poll goes on when I/O was looked at.
    pub(super) given_way: RefCell<Vec<WakeRef>>,
    /// Sleeps in the wheel that are short, and so must end on time.
    pub(super) short_timers: Cell<usize>,
    /// A task of the loop's own waits for signals.
    #[cfg(unix)]
    pub(crate) serves_signals: Cell<bool>,
    /// What made this loop current last, and where that was called.
    entered_by: Cell<(&'static str, &'static Location<'static>)>,
}

impl Core {
    pub(super) fn new(config: Config) -> io::Result<Rc<Self>> {
        let clock = Clock::new(config.virtual_time);
        let reactor = Reactor::new()?;
        let panics = Rc::new(Cell::new(0));
        let reporter = reporter(config.on_error, Rc::clone(&panics));
        let executor = Executor::new(reactor.unparker(), reporter, task::outside);
        executor.set_now(clock.read());
        let remote = Arc::new(Remote::new(executor.loop_id()));
        let control = executor.spawn_control(serve_remote(Arc::clone(&remote)));
        remote.set_control(control);
        let core = Rc::new(Self {
            executor,
            reactor,
            clock,
            timers: RefCell::new(Wheel::new()),
            due: RefCell::new(Vec::new()),
            sequence: Cell::new(0),
            remote,
            origin: Origin::here(),
            pace: Pace::new(config.poll_budget, config.io_interval),
            shutdown_limit: config.shutdown_limit,
            grace: config.grace,
            slow_poll: config.slow_poll,
            ending: Ending::new(),
            offload: Offload::new(config.offload),
            finish_output: Cell::new(None),
            #[cfg(feature = "net")]
            lookups: config.lookups,
            panics,
            io_is_quiet: Cell::new(false),
            given_way: RefCell::default(),
            short_timers: Cell::new(0),
            #[cfg(unix)]
            serves_signals: Cell::new(false),
            entered_by: Cell::new(("nothing", Location::caller())),
        });
        #[cfg(feature = "signal")]
        if config.on_ctrl_c == OnCtrlC::Interrupt && !config.virtual_time {
            ctrl_c::serve_in(&core)?;
        }
        Ok(core)
    }

    pub(super) fn set_entered_by(&self, what: &'static str, location: &'static Location<'static>) {
        self.entered_by.set((what, location));
    }

    pub(super) fn entered_by(&self) -> (&'static str, &'static Location<'static>) {
        self.entered_by.get()
    }

    #[inline]
    pub(crate) fn id(&self) -> LoopId {
        self.executor.loop_id()
    }

    pub(super) fn panics(&self) -> usize {
        self.panics.get()
    }

    /// Polls ready tasks, as [`Executor::poll_ready`] does; with a stopwatch if that was asked for.
    #[inline(always)]
    fn poll_ready(&self, limit: usize, is_done: impl Fn() -> bool) -> usize {
        match self.slow_poll {
            None => self.executor.poll_ready(limit, is_done),
            Some(threshold) => self.executor.poll_ready_timed(limit, threshold, &is_done),
        }
    }

    /// As [`poll_ready`](Self::poll_ready), for turns that nothing ends before.
    fn poll_some(&self, limit: usize) -> usize {
        self.poll_ready(limit, || false)
    }

    /// One turn: the five steps of the module's docs. Waits for at most `limit` when nothing is ready;
    /// `None`: as long as it takes.
    pub(super) fn turn(&self, limit: Option<Duration>) -> io::Result<()> {
        self.executor.receive();
        self.fire_timers();
        let ready = self.executor.ready_len();
        let polled = self.poll_some(ready.min(self.pace.stretch()));
        self.pace.count(polled);
        if self.executor.ready_len() == 0 { self.wait(limit) } else { self.look_around() }
    }

    /// Turns until the task is over, which is asked whenever one is.
    ///
    /// Step 3 goes on with tasks that became ready in it, up to the next look at the clock: no timer can be
    /// due before that, and the order is the same as if further turns polled them.
    pub(super) fn turn_until_over(&self, task: &TaskRef) -> io::Result<()> {
        loop {
            self.executor.receive();
            self.fire_timers();
            let polled = self.poll_ready(self.pace.stretch(), || task.is_over());
            self.pace.count(polled);
            if task.is_over() {
                return Ok(());
            }
            if self.executor.ready_len() == 0 {
                self.wait(None)?;
            } else {
                self.look_around()?;
            }
        }
    }

    /// Makes turns until a stop is asked for. What was ready when the turn of the stop began still runs, what
    /// that schedules does not.
    pub(super) fn turn_until_stopped(&self) -> io::Result<()> {
        if self.remote.is_stopped() {
            self.poll_io(Wait::NotAtAll)?;
        }
        loop {
            self.executor.receive();
            self.fire_timers();
            self.poll_all_ready()?;
            if self.remote.take_stop() {
                return Ok(());
            }
            if self.executor.ready_len() == 0 {
                self.wait(None)?;
            } else {
                self.look_around()?;
            }
        }
    }

    /// Turns until `is_done`, which is asked before each wait, and now and then while tasks are ready.
    pub(super) fn turn_until_seen(&self, is_done: &dyn Fn() -> bool) -> io::Result<()> {
        while !is_done() {
            self.executor.receive();
            self.fire_timers();
            let polled = self.poll_some(self.pace.stretch());
            self.pace.count(polled);
            if self.executor.ready_len() > 0 {
                self.look_around()?;
            } else if !is_done() {
                self.wait(None)?;
            }
        }
        Ok(())
    }

    /// Turns until nothing is ready, no timer is due and no I/O has come, without waiting for any of them.
    pub(super) fn turn_until_stalled(&self) -> io::Result<()> {
        loop {
            self.executor.receive();
            self.fire_timers();
            self.poll_all_ready()?;
            if self.executor.ready_len() > 0 {
                self.look_around()?;
                continue;
            }
            self.poll_io(Wait::NotAtAll)?;
            self.settle(true);
            self.executor.receive();
            let is_stalled = self.executor.ready_len() == 0 && !self.is_timer_due();
            if is_stalled && !self.reactor.may_have_more() {
                return Ok(());
            }
        }
    }

    /// Polls all that is ready now, looking around, and at the inbox and the timers, as often as is due.
    fn poll_all_ready(&self) -> io::Result<()> {
        let mut left = self.executor.ready_len();
        loop {
            let polled = self.poll_some(left.min(self.pace.stretch()));
            self.pace.count(polled);
            left -= polled;
            if left == 0 || polled == 0 {
                return Ok(());
            }
            self.look_around()?;
            // What this wakes comes after those that are left.
            self.executor.receive();
            self.fire_timers();
        }
    }

    /// Tasks are ready: looks at the clock and at I/O only if that is due.
    #[inline]
    fn look_around(&self) -> io::Result<()> {
        if self.pace.is_clock_due() {
            self.pace.clock_was_read(self.read_clock());
        }
        if self.pace.is_io_due() { self.poll_io(Wait::NotAtAll) } else { Ok(()) }
    }

    /// Reads the clock, and brings the turn's up to date with it.
    #[inline]
    pub(crate) fn read_clock(&self) -> u64 {
        let now = self.clock.read();
        self.executor.set_now(now);
        now
    }

    /// Somebody begins to wait for I/O: the next jump of a virtual clock gives it a chance again.
    pub(crate) fn io_is_awaited(&self) {
        self.io_is_quiet.set(false);
    }

    /// A waiter has had its turn, or waits no more: wakes the next, if there is something left.
    #[cfg(feature = "io")]
    pub(crate) fn leave_turn(&self, source: SourceKey, direction: Direction, waiter: WaiterId) {
        if let Some(next) = self.reactor.leave_turn(source, direction, waiter) {
            self.executor.shared().wake(next);
        }
    }

    /// Wakes whoever waits for a deadline that the turn's clock has reached.
    #[inline]
    fn fire_timers(&self) {
        if self.is_timer_due() {
            self.fire_due_timers();
        }
    }

    /// The time of the next timer, or a little earlier.
    #[inline]
    pub(super) fn next_timer(&self) -> Option<u64> {
        self.timers.borrow().next_deadline()
    }

    /// Whether the next turn has timers to fire.
    #[inline]
    pub(super) fn is_timer_due(&self) -> bool {
        self.next_timer().is_some_and(|deadline| deadline <= self.executor.now())
    }

    fn fire_due_timers(&self) {
        let mut due = self.due.take();
        self.timers.borrow_mut().expire(self.executor.now(), &mut due);
        let count = due.len();
        for waker in due.drain(..) {
            self.executor.shared().wake(waker);
        }
        self.executor.fetch_ahead(count);
        self.due.replace(due);
    }

    /// A number that orders timers of one deadline by their creation.
    #[inline]
    pub(crate) fn next_sequence(&self) -> u64 {
        let next = self.sequence.get() + 1;
        self.sequence.set(next);
        next
    }

    /// A sleep that was set for a short time begins to wait, or ends.
    #[inline]
    pub(crate) fn count_short_timer(&self, begins: bool) {
        let count = self.short_timers.get();
        self.short_timers.set(if begins { count + 1 } else { count - 1 });
    }

    #[inline]
    pub(crate) fn insert_timer(&self, deadline: u64, sequence: u64, waker: WakeRef) -> TimerKey {
        self.timers.borrow_mut().insert(deadline, sequence, waker)
    }

    /// Takes a timer out, with who waited for it. `None`: it has fired.
    #[inline]
    pub(crate) fn take_timer(&self, key: TimerKey) -> Option<WakeRef> {
        self.timers.borrow_mut().remove(key)
    }

    /// Takes a timer out. A foreign waker in it is dropped with no borrow held.
    #[inline]
    pub(crate) fn remove_timer(&self, key: TimerKey) {
        drop(self.take_timer(key));
    }

    /// Sees to it that the timer wakes `waker`. False: it has fired, or was taken out.
    #[inline]
    pub(crate) fn watch_timer(&self, key: TimerKey, waker: &std::task::Waker) -> bool {
        let is_watched = match self.timers.borrow_mut().get_mut(key) {
            None => return false,
            Some(kept) => kept.will_wake(waker),
        };
        if is_watched {
            return true;
        }
        // Cloning and dropping a foreign waker are foreign code.
        let new = WakeRef::new(waker);
        let old = self.timers.borrow_mut().get_mut(key).map(|kept| std::mem::replace(kept, new));
        old.is_some()
    }

    /// The earliest deadline, exactly.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.timers.borrow().exact_next_deadline()
    }

    /// Spawns a closure as a callback: it runs once, after all that is ready now.
    pub(crate) fn call_soon(
        &self,
        callback: impl FnOnce() + 'static,
        location: &'static Location<'static>,
    ) -> crate::executor::task::TaskRef {
        self.spawn_callback(async move { callback() }, location)
    }

    pub(crate) fn spawn_callback(
        &self,
        future: impl Future<Output = ()> + 'static,
        location: &'static Location<'static>,
    ) -> crate::executor::task::TaskRef {
        self.executor.spawn_callback(future, location)
    }

    /// Holds a virtual clock. It costs a wake-up per job, and the real one does not ask for it.
    pub(crate) fn work_guard(&self) -> Option<Box<dyn Any + Send>> {
        let handle = || Handle::new(Arc::clone(&self.remote));
        self.clock.is_virtual().then(|| Box::new(handle().work_guard()) as _)
    }

    /// Something was written to a standard stream: the end of the loop waits for it.
    pub(crate) fn will_have_output(&self, finish: FinishOutput) {
        self.finish_output.set(Some(finish));
    }

    /// Waits until what was written to standard streams is through; waits for at most `limit`.
    pub(super) fn finish_output(&self, limit: Duration) {
        if let Some(finish) = self.finish_output.take() {
            for lost in finish(Instant::now().checked_add(limit)) {
                self.executor.shared().report(Incident::Lost(lost));
            }
        }
    }

    /// Takes back what handles released on other threads, or while the loop was not current.
    pub(super) fn collect_released(&self) {
        for released in self.executor.take_released() {
            // Foreign wakers are dropped here, and may panic.
            self.guard(|| self.collect(released));
        }
    }

    /// Runs foreign code on the loop's own behalf; a panic is reported.
    pub(super) fn guard(&self, foreign: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(foreign)) {
            self.executor.shared().report(Incident::Stray(payload));
        }
    }

    fn collect(&self, released: Release) {
        match released {
            Release::Timer { key, is_short } => {
                if is_short {
                    self.count_short_timer(false);
                }
                TimerKey::from_bits(key).into_iter().for_each(|key| self.remove_timer(key));
            }
            #[cfg(feature = "io")]
            Release::Source(key) => self.reactor.forget(SourceKey::from_bits(key)),
            #[cfg(feature = "io")]
            Release::Wait { source, waiter, is_write } => {
                let (source, waiter) = (SourceKey::from_bits(source), WaiterId(waiter));
                let direction = if is_write { Direction::Write } else { Direction::Read };
                // It is in one of the two lines.
                self.reactor.cancel_wait(source, direction, waiter);
                self.leave_turn(source, direction, waiter);
            }
            Release::Family(kin) => kin.dissolve(u32::MAX),
        }
    }
}

/// Counts panics and passes all incidents to the hook.
fn reporter(hook: Option<Rc<ErrorHook>>, panics: Rc<Cell<usize>>) -> Rc<Reporter> {
    Rc::new(move |incident: Incident| {
        panics.set(panics.get() + usize::from(incident.is_panic()));
        report_incident(hook.as_deref(), incident);
    })
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("id", &self.id()).finish_non_exhaustive()
    }
}
