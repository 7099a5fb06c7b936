//! Counted references to tasks, and all that happens to a task from outside its future.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::{future::Future, mem};

use super::cell::{self, Label};
use super::header::{self, Header, Kind, Panic, Polled, Seed, State};
use super::{Payload, nesting};
use crate::executor::wake::{Slot, Tenant, WakeRef};
use crate::executor::{Incident, Shared, TaskPanic};

/// A reference to a task, counted.
#[derive(PartialEq, Eq)]
pub(crate) struct TaskRef {
    header: NonNull<Header>,
}

impl TaskRef {
    /// Makes a task, not yet in a slot. Gives the loop's reference and the join handle's.
    ///
    /// # Safety
    ///
    /// If `F` is not `'static`, the task is over before what it borrows is; likewise its output.
    #[inline]
    pub(in crate::executor) unsafe fn new<F: Future, L: Label>(
        future: F,
        label: L,
        seed: Seed,
    ) -> (Self, RawJoin<F::Output>) {
        let header = cell::allocate(future, label, seed);
        (Self { header }, RawJoin { task: Self { header }, _output: PhantomData })
    }

    /// Takes over a reference that is counted already.
    #[inline]
    pub(super) fn from_header(header: NonNull<Header>) -> Self {
        Self { header }
    }

    pub(in crate::executor) fn header(&self) -> &Header {
        // SAFETY: we hold a reference, so the cell is alive.
        unsafe { self.header.as_ref() }
    }

    /// As the tenant of `slot`. The loop's reference goes into the tenancy.
    #[inline]
    pub(in crate::executor) fn into_tenant(self) -> Tenant {
        let tenant = self.header.cast();
        mem::forget(self);
        tenant
    }

    /// A further reference to the task that lives in a slot.
    ///
    /// # Safety
    ///
    /// `tenant` came from [`into_tenant`](Self::into_tenant) and its task is not over.
    pub(in crate::executor) unsafe fn from_tenant(tenant: Tenant) -> Self {
        let header: NonNull<Header> = tenant.cast();
        // SAFETY: the caller's: the tenancy's reference keeps the cell alive.
        unsafe { header.as_ref().retain() };
        Self { header }
    }

    pub(in crate::executor) fn header_ptr(&self) -> NonNull<Header> {
        self.header
    }

    pub(crate) fn id(&self) -> u64 {
        self.header().id
    }

    /// The id of the task that spawned this one, or zero.
    pub(crate) fn parent(&self) -> u64 {
        self.header().parent
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.header().location
    }

    /// When it was spawned, by the turn's clock: nanoseconds since the loop's epoch.
    pub(crate) fn spawned(&self) -> u64 {
        self.header().spawned
    }

    pub(crate) fn kind(&self) -> Kind {
        self.header().kind
    }

    pub(crate) fn state(&self) -> State {
        self.header().state.get()
    }

    pub(crate) fn name(&self) -> Option<Rc<str>> {
        // SAFETY: the cell is alive.
        unsafe { (self.header().vtable.name)(self.header) }
    }

    pub(crate) fn is_over(&self) -> bool {
        !matches!(self.state(), State::Idle | State::Running | State::Ending)
    }

    /// Keeps the waker of who holds the join handle, to wake when the task is over. It may be over already,
    /// or be so by the time this returns.
    pub(crate) fn watch(&self, waker: &Waker) {
        let joiner = &self.header().joiner;
        // Foreign code may have ended the task.
        if !self.is_over() && joiner.set(waker) && self.is_over() {
            drop(joiner.take());
        }
    }

    pub(crate) fn is_queued(&self) -> bool {
        self.header().slot.get().is_some_and(Slot::is_queued)
    }

    /// Polls an idle task; one that is on its way out is left alone. Gives whether the poll was its last. The
    /// task stays the current one: whoever polls resets that, when no poll is to follow.
    ///
    /// # Safety
    ///
    /// `tenant` is the tenant of `slot`, whose task is not over.
    #[inline(always)]
    pub(in crate::executor) unsafe fn poll(
        tenant: Tenant,
        slot: &'static Slot,
        shared: &Shared,
    ) -> bool {
        let header: NonNull<Header> = tenant.cast();
        // No count for the time of the poll: the tenancy's reference goes in `finish` alone, and that is
        // called below.
        // SAFETY: the caller's.
        let task = mem::ManuallyDrop::new(Self { header });
        let head = task.header();
        if head.state.get() != State::Idle {
            return false;
        }
        head.state.set(State::Running);
        shared.current.set(Some(header));
        let waker = slot.waker();
        // SAFETY: `Running`, and the stage is the future.
        let polled = unsafe { (head.vtable.poll)(header, &mut Context::from_waker(&waker)) };
        match polled {
            Polled::Pending if !head.abort_requested.get() => {
                head.state.set(State::Idle);
                return false;
            }
            Polled::Pending => task.end(shared),
            Polled::Ready => task.finish(State::Done, shared),
            Polled::Panicked(payload) => task.finish_panicked(*payload, shared),
        }
        true
    }

    /// Requests the end of the task. True if that will be, or already was, the end of its future; false
    /// if the task was over.
    pub(crate) fn abort(&self) -> bool {
        match self.state() {
            State::Idle => {
                self.end_or_defer(&self.shared());
                true
            }
            State::Running => {
                self.header().abort_requested.set(true);
                true
            }
            State::Ending | State::Done | State::Panicked | State::Aborted | State::Taken => false,
        }
    }

    /// Ends the task at once, if it is idle, however deep inside drops that abort.
    pub(crate) fn end_now(&self) {
        if self.state() == State::Idle {
            self.end(&self.shared());
        }
    }

    /// Drops the future of a task that was spawned too late. Deep inside such drops, which spawn again, it is
    /// left for the next round.
    #[cold]
    pub(in crate::executor) fn refuse(&self) {
        let shared = self.shared();
        let depth = shared.nested_refusals.get();
        if depth < Shared::MAX_NESTED_REFUSALS {
            shared.nested_refusals.set(depth + 1);
            self.abort();
            shared.nested_refusals.set(depth);
        }
    }

    /// What the executor of this task, which is not over, has for its tasks.
    fn shared(&self) -> Rc<Shared> {
        let slot = self.header().slot.get().expect("a task that is not over has its slot");
        let shared: *const Shared = slot.landlord().cast();
        // SAFETY: the landlord of a task's slot is its loop's `Shared`, in an `Rc`, alive as long as a task of
        // it is not over (see the module's docs), and this thread's. A count of our own: what the caller does
        // may drop the loop.
        unsafe {
            Rc::increment_strong_count(shared);
            Rc::from_raw(shared)
        }
    }

    /// Whether this is the task that is being polled, and nothing inside of it.
    fn is_current(&self) -> bool {
        self.state() == State::Running && self.shared().current.get() == Some(self.header)
    }

    /// Ends an idle task: at once, or, deep inside drops that abort, when the outermost is through. So a
    /// chain of a million tasks, each aborting the next in its drop, does not overflow the stack.
    fn end_or_defer(&self, shared: &Shared) {
        if shared.nested_aborts.get() == Shared::MAX_NESTED_ABORTS {
            self.header().state.set(State::Ending);
            shared.deferred_aborts.borrow_mut().push(self.clone());
            return;
        }
        shared.nested_aborts.set(shared.nested_aborts.get() + 1);
        self.end(shared);
        if shared.nested_aborts.get() == 1 {
            while let Some(next) = shared.next_deferred_abort() {
                next.end(shared);
            }
        }
        shared.nested_aborts.set(shared.nested_aborts.get() - 1);
    }

    /// Drops the future of a task that is not running. The drop sees this task as the current one, and nothing of what
    /// is in force around whoever ends it.
    #[inline(never)]
    fn end(&self, shared: &Shared) {
        // The drop may release the last handle, and `finish` the loop's reference.
        let task = self.clone();
        let head = task.header();
        head.state.set(State::Ending);
        let before = shared.current.replace(Some(task.header));
        let mut dropped = Ok(());
        (shared.outside)(&mut || {
            // SAFETY: `Ending`, and the future is still there: this is run once.
            dropped = unsafe { (head.vtable.drop_future)(task.header) };
        });
        shared.current.set(before);
        match dropped {
            Ok(()) => task.finish(State::Aborted, shared),
            Err(payload) => task.finish_panicked(payload, shared),
        }
    }

    #[cold]
    fn finish_panicked(&self, payload: Payload, shared: &Shared) {
        let panic = Box::new(Panic { payload, reporter: Rc::clone(&shared.reporter) });
        // SAFETY: `Ending`, and the stage is empty.
        unsafe { (self.header().vtable.put_panic)(self.header, panic) };
        self.finish(State::Panicked, shared);
    }

    /// Leaves the slot, if the task still has it.
    #[inline]
    pub(in crate::executor) fn move_out(&self) {
        if let Some(slot) = self.header().slot.take() {
            if !cfg!(planted_use_after_free) {
                slot.vacate();
            }
        }
    }

    /// The task is over: out of its slot, outcome to the joiner or away, and the loop's reference back.
    /// Inlined into the loop, which is full of stores as it is: a call would save six registers more.
    #[inline(always)]
    fn finish(&self, state: State, shared: &Shared) {
        let head = self.header();
        head.state.set(state);
        self.move_out();
        // The loop's reference, which lay in the tenancy. Whatever runs below, it is given back last.
        let loops = Self { header: self.header };
        if !head.has_handle.get() {
            loops.end_unjoined(shared);
        } else if let Some(joiner) = head.joiner.take() {
            loops.end_awaited(joiner, shared);
        }
    }

    #[inline(never)]
    fn end_awaited(self, joiner: WakeRef, shared: &Shared) {
        shared.wake(joiner);
    }

    /// Nobody will join: drops the output and reports a panic, be it the task's or the output's.
    #[inline(never)]
    fn end_unjoined(self, shared: &Shared) {
        match self.state() {
            State::Done => {
                let dropped = catch_unwind(AssertUnwindSafe(|| self.drop_output()));
                if let Err(payload) = dropped {
                    shared.report(Incident::Task(TaskPanic { task: self.clone(), payload }));
                }
            }
            State::Panicked => self.report_panic(),
            State::Idle | State::Running | State::Ending | State::Aborted | State::Taken => {}
        }
    }

    /// Drops the output: at once, or, deep inside drops of outputs, when the outermost is through. So a chain
    /// of a million tasks, each with the next one's handle for an output, does not overflow the stack.
    fn drop_output(&self) {
        debug_assert_eq!(self.state(), State::Done);
        if self.header().vtable.is_output_trivial {
            self.drop_output_now();
        } else {
            nesting::run(self, Self::drop_output_now);
        }
    }

    fn drop_output_now(&self) {
        let head = self.header();
        head.state.set(State::Taken);
        // SAFETY: it was `Done`, and is marked.
        unsafe { (head.vtable.drop_output)(self.header) }
    }

    fn report_panic(&self) {
        let panic = self.take_panic();
        let report = TaskPanic { task: self.clone(), payload: panic.payload };
        (panic.reporter)(Incident::Task(report));
    }

    fn take_panic(&self) -> Box<Panic> {
        let head = self.header();
        debug_assert_eq!(head.state.get(), State::Panicked);
        head.state.set(State::Taken);
        // SAFETY: it was `Panicked`, and is marked.
        unsafe { (head.vtable.take_panic)(self.header) }
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        self.header().retain();
        Self { header: self.header }
    }
}

impl Drop for TaskRef {
    #[inline]
    fn drop(&mut self) {
        if self.header().release() {
            debug_assert!(matches!(self.state(), State::Aborted | State::Taken));
            debug_assert!(self.header().joiner.is_empty());
            // SAFETY: the last reference. The loop's is given back when the task is over, the join
            // handle's after the outcome was taken, so the stage is empty.
            unsafe { (self.header().vtable.free)(self.header) };
        }
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskRef").field("id", &self.id()).field("state", &self.state()).finish()
    }
}

/// How a task ended, to its joiner.
pub(crate) enum Outcome<T> {
    Done(T),
    Panicked(Payload),
    Aborted,
}

/// The one reference that may take a task's outcome, which is a `T`.
pub(crate) struct RawJoin<T> {
    task: TaskRef,
    /// The output is kept in the cell for us.
    _output: PhantomData<T>,
}

impl<T> RawJoin<T> {
    /// The join handle of a task whose output is a `T`.
    #[inline]
    pub(super) fn new(task: TaskRef) -> Self {
        Self { task, _output: PhantomData }
    }

    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// Takes the outcome, or keeps the waker to wake when it is there.
    ///
    /// Gives `None` where the outcome was taken before.
    #[inline]
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Option<Outcome<T>>> {
        if self.task.is_over() {
            return Poll::Ready(self.take());
        }
        if self.task.header().joiner.set(cx.waker()) { self.poll_again() } else { Poll::Pending }
    }

    /// Foreign code was run, which may have ended the task.
    #[cold]
    fn poll_again(&self) -> Poll<Option<Outcome<T>>> {
        if !self.task.is_over() {
            return Poll::Pending;
        }
        drop(self.task.header().joiner.take());
        Poll::Ready(self.take())
    }

    /// Takes the outcome, if it is there and was not taken.
    #[inline]
    pub(crate) fn take(&self) -> Option<Outcome<T>> {
        let head = self.task.header();
        if head.state.get() != State::Done {
            return self.take_failure();
        }
        head.state.set(State::Taken);
        // SAFETY: it was `Done` and is marked; `TaskRef::new` and `Place` tied `T` to the future's output.
        Some(Outcome::Done(unsafe { header::take_output(self.task.header) }))
    }

    #[inline(never)]
    fn take_failure(&self) -> Option<Outcome<T>> {
        let head = self.task.header();
        match head.state.get() {
            State::Panicked => Some(Outcome::Panicked(self.task.take_panic().payload)),
            State::Aborted => {
                head.state.set(State::Taken);
                Some(Outcome::Aborted)
            }
            State::Idle | State::Running | State::Ending | State::Done | State::Taken => None,
        }
    }

    /// Whether this is the task that is being polled: it would wait for itself.
    pub(crate) fn is_own(&self) -> bool {
        self.task.is_current()
    }
}

impl<T> RawJoin<T> {
    /// Gives up the outcome, which was not taken.
    #[inline(never)]
    fn detach(&self) {
        let head = self.task.header();
        head.has_handle.set(false);
        drop(head.joiner.take());
        match head.state.get() {
            // A panic of the output's drop goes to whoever drops the handle: the value is theirs.
            State::Done => self.task.drop_output(),
            State::Panicked => self.task.report_panic(),
            State::Idle | State::Running | State::Ending | State::Aborted | State::Taken => {}
        }
    }
}

impl<T> Drop for RawJoin<T> {
    #[inline]
    fn drop(&mut self) {
        // `Taken`: nobody waits, and nobody asks for a handle any more.
        if self.task.state() != State::Taken {
            self.detach();
        }
    }
}
