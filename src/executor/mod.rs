//! Tasks, and the order in which they run.
//!
//! [`wake`] makes wakers and the ready queue, [`task`] the cells; this file joins the two into an
//! [`Executor`], which knows how to spawn, poll and end the tasks of one loop, and nothing of time or I/O.
//! The slots of a home are the slab of tasks: a slot's tenant is the owner of its task, the ready queue
//! holds slots.
//!
//! [`children`] gives the sub-futures of one future wakers of their own, for combinators and scopes.
//!
//! All `unsafe` about tasks and wakers is in this folder; its argument heads the two modules.

pub(crate) mod children;
mod info;
mod join;
mod origin;
pub(crate) mod pinned;
pub(crate) mod task;
pub(crate) mod wake;

pub use info::{TaskId, TaskInfo, TaskState};
pub(crate) use join::panic_message;
pub use join::{AbortHandle, JoinError, JoinHandle};
pub(crate) use origin::{OfProcess, Origin};

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::in_order::sort_by_number;
use task::{Header, Kind, Named, Payload, Place, RawJoin, Seed, TaskRef, VTable, Vacancy};
use wake::{Home, LoopId, Pool, Popped, Release, Resident, Slot, Unpark, WakeRef};

/// A panic that nobody will join.
pub(crate) struct TaskPanic {
    pub(crate) task: TaskRef,
    pub(crate) payload: Payload,
}

/// Something went wrong in foreign code, and no caller is there to be told.
pub(crate) enum Incident {
    /// A task, or the drop of its output.
    Task(TaskPanic),
    /// A waker that is not ours.
    Waker(Payload),
    /// What belongs to no task: a destructor, or a closure of another thread's.
    Stray(Payload),
    /// A task gave an error that nobody receives.
    Failure(TaskRef, Box<dyn Error>),
    /// A poll took so long.
    SlowPoll(TaskRef, Duration),
    /// A clean-up took longer than the end of the loop may.
    Overrun(TaskRef),
    /// A blocking job panicked, or the drop of its output.
    Job(Seed, Payload),
    /// A blocking job runs on after the end of the loop.
    Stuck(Seed),
    /// Written data did not get where it should.
    Lost(Lost),
}

/// Data that was taken and could not be written.
#[derive(Debug)]
pub(crate) struct Lost {
    /// Where it should have gone.
    pub(crate) target: PathBuf,
    pub(crate) bytes: usize,
    pub(crate) error: io::Error,
}

impl Incident {
    /// Whether foreign code panicked.
    pub(crate) fn is_panic(&self) -> bool {
        matches!(self, Self::Task(_) | Self::Waker(_) | Self::Stray(_) | Self::Job(..))
    }
}

/// Who is told of incidents. It must not panic.
pub(crate) type Reporter = dyn Fn(Incident);

/// Runs a closure in none of the surroundings (task-local values and the like) that whoever runs is in. The executor
/// knows no more of them.
pub(crate) type Outside = fn(&mut dyn FnMut());

/// Values of [`Shared::allowance`].
const REFUSED: u32 = 0;
const USED_UP: u32 = 1;

/// The running task has done enough for one poll.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// Nobody was told so before, in this poll. It did the last of the operations, as a rule: where a task has several that
    /// do them (`join!`, say), this one goes on after the others, so that they take turns.
    pub(crate) is_first: bool,
}

/// The part of an executor that tasks reach by themselves, through their slot.
pub(crate) struct Shared {
    /// The task whose future is being polled or dropped.
    current: Cell<Option<NonNull<Header>>>,
    reporter: Rc<Reporter>,
    /// Where destructors of tasks run that somebody else ends.
    outside: Outside,
    /// How many aborts are on the stack.
    nested_aborts: Cell<u32>,
    /// How many drops of refused futures are on the stack.
    nested_refusals: Cell<u32>,
    /// Tasks marked `Ending` that the outermost abort on the stack will end.
    deferred_aborts: RefCell<Vec<TaskRef>>,
    /// One more than the operations that the running task may still do before it must give way. `REFUSED`: it wanted
    /// to do more.
    allowance: Cell<u32>,
    /// Who is woken after the polls that are under way, at most one for each.
    put_off: RefCell<Vec<WakeRef>>,
}

impl Shared {
    /// So many drops that abort may nest on the stack.
    const MAX_NESTED_ABORTS: u32 = 32;
    /// So many drops of refused futures may nest on the stack.
    const MAX_NESTED_REFUSALS: u32 = 16;

    fn next_deferred_abort(&self) -> Option<TaskRef> {
        self.deferred_aborts.borrow_mut().pop()
    }

    /// Wakes; a foreign waker's panic is reported.
    #[inline]
    pub(crate) fn wake(&self, waker: WakeRef) {
        if let Err(payload) = waker.wake() {
            self.report(Incident::Waker(payload));
        }
    }

    pub(crate) fn report(&self, incident: Incident) {
        (self.reporter)(incident);
    }
}

/// While it lives, tasks are polled. Its drop resets the current task, which may be gone then: also where a panic
/// comes through, of which none should.
struct Polling<'a> {
    shared: &'a Shared,
    before: Option<NonNull<Header>>,
}

impl Drop for Polling<'_> {
    #[inline]
    fn drop(&mut self) {
        self.shared.current.set(self.before);
    }
}

/// Spawns, polls and ends the tasks of one loop.
pub(crate) struct Executor {
    shared: Rc<Shared>,
    /// Dropped after the last task is over: `Executor::drop` sees to that.
    resident: Resident,
    last_id: Cell<u64>,
    /// The turn's clock: nanoseconds since the loop's epoch.
    now: Cell<u64>,
    /// Spawned futures are dropped unpolled.
    refusing: Cell<bool>,
    refused: Cell<usize>,
}

impl Executor {
    /// So many operations may a task do in one poll, and one more.
    const ALLOWANCE: u32 = USED_UP + 128;
    /// So many rounds of drops that spawn are gone through at the end.
    const MAX_ROUNDS: usize = 16;
    /// So many rounds more are gone through while refusing.
    const MAX_LAST_ROUNDS: usize = 4;

    pub(crate) fn new(unparker: Arc<dyn Unpark>, reporter: Rc<Reporter>, outside: Outside) -> Self {
        let shared = Rc::new(Shared {
            current: Cell::new(None),
            reporter,
            outside,
            nested_aborts: Cell::new(0),
            nested_refusals: Cell::new(0),
            deferred_aborts: RefCell::new(Vec::new()),
            allowance: Cell::new(Self::ALLOWANCE),
            put_off: RefCell::default(),
        });
        task::storage::open();
        let resident = Resident::new(Pool::global(), unparker);
        resident.set_landlord(Rc::as_ptr(&shared).cast_mut().cast());
        Self {
            shared,
            resident,
            last_id: Cell::new(0),
            now: Cell::new(0),
            refusing: Cell::new(false),
            refused: Cell::new(0),
        }
    }

    pub(crate) fn loop_id(&self) -> LoopId {
        self.resident.id()
    }

    pub(crate) fn home(&self) -> &'static Home {
        self.resident.home()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The turn's clock, in nanoseconds since the loop's epoch.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    pub(crate) fn set_now(&self, now: u64) {
        self.now.set(now);
    }

    /// Spawns a task, to be polled after all that are ready now.
    #[inline]
    pub(crate) fn spawn<F: Future + 'static>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> RawJoin<F::Output> {
        self.reserve(location).move_in(future)
    }

    /// Makes a task but for its future: a place for that, to be polled after all that are ready now.
    ///
    /// Apart from [`spawn`](Self::spawn) for the reason that [`new_task`] gives. All that does not depend on the
    /// future's type is one call, so that the rest is small enough to be inlined, and a small future is made
    /// where it will live.
    #[inline]
    pub(crate) fn reserve<F: Future + 'static>(
        &self,
        location: &'static Location<'static>,
    ) -> Place<F> {
        // SAFETY: `reserve_cell` passes the vtable on.
        unsafe { Place::new(|vtable| self.reserve_cell(vtable, location)) }
    }

    #[inline(never)]
    fn reserve_cell(
        &self,
        vtable: &'static VTable,
        location: &'static Location<'static>,
    ) -> (Vacancy, bool) {
        let (task, vacancy) = Vacancy::new(vtable, || self.seed(location));
        self.place(task);
        let is_refused = self.refusing.get();
        if is_refused {
            self.refused.set(self.refused.get() + 1);
        }
        (vacancy, is_refused)
    }

    /// Spawns a callback: a task that is not shown as one.
    pub(crate) fn spawn_callback<F: Future<Output = ()> + 'static>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> TaskRef {
        let (task, join) = new_task(future, self.seed_of(Kind::Callback, location));
        self.admit(task);
        join.task().clone()
    }

    /// Spawns the main future of a run, which may borrow.
    ///
    /// # Safety
    ///
    /// The task is over, and its outcome taken, before the borrows of `F` and its output end.
    pub(crate) unsafe fn spawn_main<F: Future>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> RawJoin<F::Output> {
        // SAFETY: the caller's.
        let (task, join) =
            unsafe { TaskRef::new(future, Named(Rc::from("main")), self.seed(location)) };
        self.admit(task);
        join
    }

    /// Spawns a task of the loop's own, which is not shown.
    pub(crate) fn spawn_internal<F: Future<Output = ()> + 'static>(&self, future: F) -> TaskRef {
        let (task, join) = new_task(future, self.seed_of(Kind::Internal, Location::caller()));
        self.admit(task);
        join.task().clone()
    }

    /// Spawns the task that serves what comes from elsewhere. It is not shown, and woken by `Release`s.
    pub(crate) fn spawn_control<F: Future<Output = ()> + 'static>(
        &self,
        future: F,
    ) -> &'static Slot {
        let (task, _join) = new_task(future, self.seed_of(Kind::Internal, Location::caller()));
        let slot = self.place(task);
        self.resident.set_control(slot);
        slot
    }

    /// What a task that is spawned now is born with.
    #[inline]
    pub(crate) fn seed(&self, location: &'static Location<'static>) -> Seed {
        self.seed_of(Kind::Task, location)
    }

    #[inline]
    pub(crate) fn seed_of(&self, kind: Kind, location: &'static Location<'static>) -> Seed {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        Seed { id, parent: self.current_id(), location, spawned: self.now.get(), kind }
    }

    /// Takes a new task in, to be polled after all that are ready now; or, late in the end of the loop, drops
    /// its future at once.
    #[inline]
    pub(crate) fn admit(&self, task: TaskRef) {
        if self.refusing.get() {
            self.refuse(task);
        } else {
            self.place(task);
        }
    }

    /// Takes a new task in and polls it at once, inside the poll that is under way.
    pub(crate) fn admit_eagerly(&self, task: TaskRef) {
        if self.refusing.get() {
            return self.refuse(task);
        }
        let tenant = task.clone().into_tenant();
        let slot = self.resident.lease(tenant);
        task.header().settle(slot);
        // The task below us on the stack is being polled, and so alive.
        let _polling = Polling { shared: &self.shared, before: self.shared.current.get() };
        // SAFETY: it is the slot's tenant since just now, and not over.
        unsafe { TaskRef::poll(tenant, slot, &self.shared) };
    }

    /// Gives a task a slot and its first turn.
    #[inline]
    fn place(&self, task: TaskRef) -> &'static Slot {
        let header = task.header_ptr();
        let slot = self.resident.lease_ready(task.into_tenant());
        // SAFETY: the tenancy, begun just now, keeps the task alive.
        unsafe { header.as_ref() }.settle(slot);
        slot
    }

    #[cold]
    fn refuse(&self, task: TaskRef) {
        self.refused.set(self.refused.get() + 1);
        let refused = task.clone();
        self.place(task);
        refused.refuse();
    }

    /// The id of the task that is being polled or dropped, or zero. Callbacks are not shown as tasks.
    #[inline]
    fn current_id(&self) -> u64 {
        // SAFETY: a current task is being polled or dropped, and so alive.
        let header = self.shared.current.get().map(|header| unsafe { header.as_ref() });
        header.map_or(0, |header| if header.kind.is_shown() { header.id } else { 0 })
    }

    /// The task that is being polled or dropped; `None` inside a callback.
    pub(crate) fn current(&self) -> Option<TaskRef> {
        let header = self.shared.current.get()?;
        // SAFETY: as in `current_id`; all current headers belong to tasks of this loop.
        let task = unsafe { TaskRef::from_tenant(header.cast()) };
        task.kind().is_shown().then_some(task)
    }

    /// Queues what was woken from other threads, oldest wake first.
    #[inline]
    pub(crate) fn receive(&self) {
        self.resident.receive();
    }

    /// Takes what handles released where this loop was not current.
    pub(crate) fn take_released(&self) -> Vec<Release> {
        self.resident.take_released()
    }

    /// Announces a wait; false if there is work.
    pub(crate) fn park(&self) -> bool {
        self.resident.park()
    }

    /// See [`Resident::fetch_ahead`].
    pub(crate) fn fetch_ahead(&self, count: usize) {
        self.resident.fetch_ahead(count);
    }

    /// An upper bound of how many tasks are ready.
    #[inline]
    pub(crate) fn ready_len(&self) -> usize {
        self.resident.ready_len()
    }

    /// The loop stops running: other loops of this thread that wait, in a host's poller, shall not miss what is
    /// for them.
    pub(crate) fn leave(&self) {
        self.resident.leave();
    }

    /// Takes back what other loops of this thread found ready for this one.
    pub(crate) fn restore_stash(&self) {
        self.resident.restore_stash();
    }

    /// Polls ready tasks in the order they became ready, until `limit` queue entries were gone through, none
    /// is left, or `is_done`, which is asked when a task is over. Gives how many entries it went through.
    #[inline(always)]
    pub(crate) fn poll_ready(&self, limit: usize, is_done: impl Fn() -> bool) -> usize {
        let shared = &*self.shared;
        let polling = Polling { shared, before: None };
        let mut polled = 0;
        while polled < limit {
            let Some(popped) = self.resident.pop() else { break };
            polled += 1;
            if let Popped::Ready(slot, tenant) = popped {
                shared.allowance.set(Self::ALLOWANCE);
                // SAFETY: it is the slot's tenant, and tenants leave when they are over.
                let is_over = unsafe { TaskRef::poll(tenant, slot, shared) };
                if is_over && is_done() {
                    break;
                }
            }
        }
        drop(polling);
        self.wake_put_off();
        polled
    }

    /// Does as [`poll_ready`](Self::poll_ready), and reports polls that took `threshold` or longer, in real time.
    #[cold]
    pub(crate) fn poll_ready_timed(
        &self,
        limit: usize,
        threshold: Duration,
        is_done: &dyn Fn() -> bool,
    ) -> usize {
        let polling = Polling { shared: &self.shared, before: None };
        let mut polled = 0;
        let mut begin = Instant::now();
        while polled < limit {
            let Some(popped) = self.resident.pop() else { break };
            polled += 1;
            if let Popped::Ready(slot, tenant) = popped {
                self.shared.allowance.set(Self::ALLOWANCE);
                // SAFETY: tenants leave when they are over. The count keeps the cell for the report.
                let task = unsafe { TaskRef::from_tenant(tenant) };
                // SAFETY: it is the slot's tenant, and not over.
                unsafe { TaskRef::poll(tenant, slot, &self.shared) };
                let end = Instant::now();
                let took = end.saturating_duration_since(begin);
                if took >= threshold && task.kind() != Kind::Internal {
                    self.shared.current.set(None);
                    self.shared.report(Incident::SlowPoll(task, took));
                    begin = Instant::now();
                } else {
                    begin = end;
                }
                if is_done() {
                    break;
                }
            }
        }
        drop(polling);
        self.wake_put_off();
        polled
    }

    /// Counts an operation of the running task that might succeed for ever.
    ///
    /// # Errors
    ///
    /// If it has done enough for one poll, and must give way.
    #[inline]
    pub(crate) fn may_proceed(&self) -> Result<(), Refused> {
        let allowance = &self.shared.allowance;
        match allowance.get() {
            REFUSED => Err(Refused { is_first: false }),
            USED_UP => {
                allowance.set(REFUSED);
                Err(Refused { is_first: true })
            }
            left => {
                allowance.set(left - 1);
                Ok(())
            }
        }
    }

    /// As [`may_proceed`](Self::may_proceed), for what is not I/O. False: whoever asked must be pending, and is woken.
    #[inline]
    pub(crate) fn may_proceed_or_wake(&self, waker: &Waker) -> bool {
        match self.may_proceed() {
            Ok(()) => true,
            Err(refused) => {
                self.wake_refused(waker, refused);
                false
            }
        }
    }

    #[cold]
    fn wake_refused(&self, waker: &Waker, refused: Refused) {
        if refused.is_first && self.shared.current.get().is_some() {
            // Cloning a foreign waker is foreign code.
            let waker = WakeRef::new(waker);
            self.shared.put_off.borrow_mut().push(waker);
        } else {
            waker.wake_by_ref();
        }
    }

    /// Wakes those who were put off until the polls under way are over.
    #[inline]
    pub(crate) fn wake_put_off(&self) {
        if !self.shared.put_off.borrow().is_empty() {
            self.wake_all_put_off();
        }
    }

    #[cold]
    fn wake_all_put_off(&self) {
        self.wake_all(&self.shared.put_off);
    }

    /// Wakes all of these. A foreign waker that polls at once, and not as a task of ours, may do as much as a task.
    pub(crate) fn wake_all(&self, wakers: &RefCell<Vec<WakeRef>>) {
        if self.shared.current.get().is_none() {
            self.shared.allowance.set(Self::ALLOWANCE);
        }
        let mut all = wakers.take();
        all.drain(..).for_each(|waker| self.shared.wake(waker));
        // For its capacity. A foreign waker may have come in meanwhile.
        all.append(&mut wakers.borrow_mut());
        wakers.replace(all);
    }

    /// Counts further operations of the running task: what it did was as much as these.
    #[inline]
    pub(crate) fn count_operations(&self, operations: u32) {
        let left = self.shared.allowance.get();
        self.shared.allowance.set(left.saturating_sub(operations).max(left.min(USED_UP)));
    }

    /// The tasks and callbacks that are not over and are `meant`, in spawn order, without our own.
    pub(crate) fn tasks(&self, is_meant: &dyn Fn(&TaskRef) -> bool) -> Vec<TaskRef> {
        let mut tasks = Vec::new();
        for tenant in self.resident.tenants() {
            // SAFETY: tenants leave when they are over.
            let task = unsafe { TaskRef::from_tenant(tenant) };
            if task.kind() != Kind::Internal && is_meant(&task) {
                tasks.push(task);
            }
        }
        sort_by_number(&mut tasks, TaskRef::id);
        tasks
    }

    /// Drops all futures in spawn order, then what their drops spawned, and so on for some rounds; what is
    /// spawned after that is refused. `each` is shown every task before its future goes. Only tasks that are
    /// `meant`, that is.
    ///
    /// `is_overdue`: it took too long, so refuse from now on.
    pub(crate) fn end_all(
        &self,
        is_meant: &dyn Fn(&TaskRef) -> bool,
        is_overdue: &dyn Fn() -> bool,
        each: &mut dyn FnMut(&TaskRef),
    ) -> Ended {
        self.refused.set(0);
        let (mut rounds, mut last_rounds) = (0, 0);
        loop {
            let tasks = self.tasks(is_meant);
            if tasks.is_empty() || last_rounds == Self::MAX_LAST_ROUNDS {
                break;
            }
            rounds += 1;
            self.refusing.set(rounds >= Self::MAX_ROUNDS || is_overdue());
            last_rounds += usize::from(self.refusing.get());
            for task in tasks.iter().filter(|task| !task.is_over()) {
                each(task);
                task.abort();
            }
        }
        self.refusing.set(false);
        Ended { rounds, refused: self.refused.get() }
    }
}

/// Makes a task, which [`Executor::admit`] takes in.
///
/// Apart from the executor's methods so that a future passes through no closure on its way into the cell: each
/// would be a copy of it on the stack, and futures can be large.
#[inline]
pub(crate) fn new_task<F: Future + 'static>(
    future: F,
    seed: Seed,
) -> (TaskRef, RawJoin<F::Output>) {
    // SAFETY: the future is `'static`, and so is its output.
    unsafe { TaskRef::new(future, (), seed) }
}

/// Makes a task that has a name.
pub(crate) fn new_named_task<F: Future + 'static>(
    future: F,
    name: Rc<str>,
    seed: Seed,
) -> (TaskRef, RawJoin<F::Output>) {
    // SAFETY: the future is `'static`, and so is its output.
    unsafe { TaskRef::new(future, Named(name), seed) }
}

/// How ending all tasks went.
pub(crate) struct Ended {
    pub(crate) rounds: usize,
    pub(crate) refused: usize,
}

impl Drop for Executor {
    fn drop(&mut self) {
        // What `end_all` leaves: our own tasks, and drops that spawn without end. No loop is current any
        // more, so those spawns panic, and that ends it.
        for task in self.tasks(&|_| true) {
            task.abort();
        }
        for tenant in self.resident.tenants() {
            // SAFETY: tenants leave when they are over.
            let task = unsafe { TaskRef::from_tenant(tenant) };
            task.abort();
            // A task whose drop dropped the loop: it ends further down the stack, without its slot.
            task.move_out();
        }
        debug_assert!(self.resident.tenants().is_empty(), "all tasks are over");
        task::storage::close();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("loop", &self.loop_id()).finish_non_exhaustive()
    }
}
