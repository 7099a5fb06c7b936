//! The life of a worker's thread.

use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{Cause, Configure, Member, Worker, WorkerError};
use crate::event_loop::{EventLoop, Handle};
use crate::executor::task::{Payload, discard};
use crate::sync::remote::oneshot;
use crate::task::CancelToken;

/// What all workers are to do.
pub(super) struct Plan<M> {
    pub(super) main: M,
    pub(super) count: usize,
    pub(super) restarts: usize,
    pub(super) configure: Arc<Configure>,
    pub(super) location: &'static Location<'static>,
}

/// What a worker's thread shares with who holds the [`Workers`](super::Workers).
#[derive(Default)]
pub(super) struct Seat {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// To the present loop, or the last one. `None` only before the first is made.
    handle: Option<Handle>,
    is_stopped: bool,
    panics: usize,
}

impl Seat {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn handle(&self) -> Handle {
        self.state().handle.clone().expect("workers are given out when each has its loop")
    }

    /// Whether its loop, or the last one it had, is of this thread.
    pub(super) fn is_own_thread(&self) -> bool {
        self.handle().is_own_thread()
    }

    pub(super) fn panics(&self) -> usize {
        self.state().panics
    }

    pub(super) fn stop(&self) {
        let handle = {
            let mut state = self.state();
            state.is_stopped = true;
            state.handle.clone()
        };
        // A loop that is gone need not be told.
        let _told = handle.map(|handle| handle.interrupt());
    }

    /// A loop was made; it is told at once if the worker was stopped before.
    fn take(&self, event_loop: &EventLoop) {
        let handle = event_loop.handle();
        let is_stopped = {
            let mut state = self.state();
            state.handle = Some(handle.clone());
            state.is_stopped
        };
        if is_stopped {
            let _told = handle.interrupt();
        }
    }

    /// Notes a panic. Gives whether the worker may be started anew.
    fn may_restart(&self, restarts: usize) -> bool {
        let mut state = self.state();
        state.panics += 1;
        state.panics <= restarts && !state.is_stopped
    }
}

/// Starts a thread. The receiver is told when its first loop is made.
pub(super) fn start<M, T>(
    index: usize,
    plan: &Arc<Plan<M>>,
) -> io::Result<(Member<T>, oneshot::Receiver<io::Result<()>>)>
where
    M: AsyncFn(Worker) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    let (result, receiver) = oneshot::channel();
    let (started, starting) = oneshot::channel();
    let seat = Arc::new(Seat::default());
    let (ours, plan) = (Arc::clone(&seat), Arc::clone(plan));
    let live = move || {
        let outcome = live(index, &plan, &ours, started);
        drop(plan);
        // Nobody may be there to receive it.
        let _unsent = result.send(outcome);
    };
    let thread = thread::Builder::new().name(format!("monoloop-worker-{index}")).spawn(live)?;
    Ok((Member { seat, result: receiver, thread }, starting))
}

/// Runs the worker until it ends, or panics once too often.
fn live<M, T>(
    index: usize,
    plan: &Plan<M>,
    seat: &Seat,
    started: oneshot::Sender<io::Result<()>>,
) -> Result<T, WorkerError>
where
    M: AsyncFn(Worker) -> T,
{
    let mut started = Some(started);
    loop {
        let event_loop = match (plan.configure)(index).build() {
            Ok(event_loop) => event_loop,
            Err(error) => {
                let error = Arc::new(error);
                if let Some(started) = started.take() {
                    let _waits =
                        started.send(Err(io::Error::new(error.kind(), Arc::clone(&error))));
                }
                return Err(WorkerError { cause: Cause::NoLoop(error) });
            }
        };
        seat.take(&event_loop);
        if let Some(started) = started.take() {
            let _waits = started.send(Ok(()));
        }
        match run(event_loop, index, plan) {
            Ok(output) => return output.ok_or(WorkerError { cause: Cause::Interrupted }),
            Err(payload) if seat.may_restart(plan.restarts) => discard(payload),
            Err(payload) => return Err(WorkerError::panicked(payload)),
        }
    }
}

/// Runs the worker once, to the end of its loop. `None`: it was dropped. Fails with a panic's payload.
fn run<M, T>(event_loop: EventLoop, index: usize, plan: &Plan<M>) -> Result<Option<T>, Payload>
where
    M: AsyncFn(Worker) -> T,
{
    let main = async {
        let worker = Worker { index, count: plan.count, token: CancelToken::root() };
        (plan.main)(worker).await
    };
    // The loop is not used after a panic but to be dropped, and it stands that.
    let ran = catch_unwind(AssertUnwindSafe(|| {
        event_loop.run_interruptible_at("workers", plan.location, main)
    }));
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(event_loop)));
    match (ran, dropped) {
        (Ok(ran), Ok(())) => Ok(ran.ok()),
        (Ok(_), Err(payload)) => Err(payload),
        (Err(payload), dropped) => {
            discard(dropped);
            Err(payload)
        }
    }
}
