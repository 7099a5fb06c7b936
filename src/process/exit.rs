//! A running child: its exit, and signals until then.

use std::io;
use std::mem;
use std::process::{Child as StdChild, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{self, Pid, kill_process};

use super::orphan::Orphan;
use super::pidfd::PidFd;
use crate::event_loop::{Core, context};
use crate::executor::Origin;
use crate::executor::wake::LoopId;
use crate::io::Registered;
use crate::reactor::Direction;
use crate::signal::{Signal, SignalKind, listen_in, signal};

/// A child, whoever has its pipes. Its drop sees to it that it is reaped.
#[derive(Debug)]
pub(super) struct Process {
    /// `None` only in the drop.
    running: Option<Running>,
    kill_on_drop: bool,
}

impl Process {
    /// Takes over a child that was just spawned, as part of the current loop, which `what` needs.
    pub(super) fn new(core: &Core, child: StdChild, kill_on_drop: bool) -> io::Result<Self> {
        // From here on its drop takes care of the child.
        let (id, owner) = (child.id(), core.id());
        let life = Mutex::new(Life::Runs(child));
        let running = Running { id, owner, life, origin: Origin::here(), watch: None };
        let mut process = Self { running: Some(running), kill_on_drop: true };
        let running = process.running.as_mut().expect("there until the drop");
        running.watch = Some(Watch::begin(core, running.id)?);
        process.kill_on_drop = kill_on_drop;
        Ok(process)
    }

    pub(super) fn get(&self) -> &Running {
        self.running.as_ref().expect("there until the drop")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if !running.is_to_reap() {
            return;
        }
        if self.kill_on_drop {
            // It fails for a child that has another user by now, and then it is waited for.
            let _not_ours = running.send(process::Signal::KILL);
        }
        if matches!(running.try_wait(), Ok(None)) {
            Orphan::new(running, self.kill_on_drop).adopt();
        }
    }
}

/// A child until it is reaped, and its status from then on.
#[derive(Debug)]
pub(super) struct Running {
    id: u32,
    /// The loop that learns of its exit.
    owner: LoopId,
    life: Mutex<Life>,
    /// Its parent.
    origin: Origin,
    /// `None` only while it is made.
    watch: Option<Watch>,
}

#[derive(Debug)]
enum Life {
    /// It runs, or is a zombie: its id is its own.
    Runs(StdChild),
    Exited(ExitStatus),
    /// Somebody else reaped it.
    Lost,
}

/// How its exit is learnt of.
#[derive(Debug)]
pub(super) enum Watch {
    PidFd(Registered<PidFd>),
    /// By SIGCHLD, which each wait listens to. This one keeps it caught all the time.
    Signal(#[expect(dead_code, reason = "its drop matters")] Signal),
}

impl Watch {
    fn begin(core: &Core, id: u32) -> io::Result<Self> {
        match PidFd::open(id).and_then(|pidfd| Registered::in_core(core, pidfd)) {
            Ok(pidfd) => Ok(Self::PidFd(pidfd)),
            // An old kernel, a sandbox, or no descriptors left: this needs one for all children of the loop.
            Err(_) => listen_in(core, SignalKind::CHILD).map(Self::Signal),
        }
    }
}

impl Running {
    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn watches_by(&self, is: impl FnOnce(&Watch) -> bool) -> bool {
        self.watch.as_ref().is_some_and(is)
    }

    pub(super) fn is_over(&self) -> bool {
        !matches!(*self.life(), Life::Runs(_))
    }

    /// Whether somebody has to reap it, and we can: after a fork it is the parent's child, not ours.
    pub(super) fn is_to_reap(&self) -> bool {
        !self.is_over() && self.origin.is_here()
    }

    /// Its id, as long as that is its own.
    pub(super) fn id(&self) -> Option<u32> {
        (!self.is_over()).then_some(self.id)
    }

    /// Whether that loop learns of its exit.
    pub(super) fn is_watched_by(&self, core: &Core) -> bool {
        self.watch.is_some() && core.id() == self.owner
    }

    /// Reaps it if it has exited.
    pub(super) fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        let mut life = self.life();
        let child = match &mut *life {
            Life::Runs(child) => child,
            Life::Exited(status) => return Ok(Some(*status)),
            Life::Lost => return Err(lost()),
        };
        match child.try_wait() {
            Ok(Some(status)) => {
                *life = Life::Exited(status);
                Ok(Some(status))
            }
            Err(error) if error.raw_os_error() == Some(Errno::CHILD.raw_os_error()) => {
                *life = Life::Lost;
                Err(lost())
            }
            other => other,
        }
    }

    /// Waits for its exit. Any number of tasks may.
    pub(super) async fn wait(&self) -> io::Result<ExitStatus> {
        if self.is_over() {
            return self.try_wait().map(|status| status.expect("it is over"));
        }
        if context::try_with(|core| self.is_watched_by(core)) != Some(true) {
            return Err(self.not_current());
        }
        match self.watch.as_ref().expect("there since it was made") {
            Watch::PidFd(pidfd) => {
                pidfd.io(Direction::Read, |_| self.try_wait()?.ok_or_else(would_block)).await
            }
            Watch::Signal(_) => self.wait_by_signal().await,
        }
    }

    #[cold]
    fn not_current(&self) -> io::Error {
        let (id, owner) = (self.id, self.owner);
        let place = match context::try_with(|core| core.id()) {
            Some(current) => format!("on event loop {current}"),
            None => "while no event loop runs on this thread".to_owned(),
        };
        io::Error::other(format!(
            "child {id} belongs to event loop {owner} and was waited for {place}: wait for it where it was spawned"
        ))
    }

    async fn wait_by_signal(&self) -> io::Result<ExitStatus> {
        // In this order: an exit before the look is seen, one after it is told of.
        let mut exits = signal(SignalKind::CHILD)?;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            exits.recv().await;
        }
    }

    /// Sends it a signal, unless it was reaped: then its id may be another's. Whether it was sent.
    pub(super) fn send(&self, signal: process::Signal) -> io::Result<bool> {
        // Held meanwhile, so that nobody reaps it.
        let life = self.life();
        let Life::Runs(_) = *life else { return Ok(false) };
        let sent = match &self.watch {
            #[cfg(target_os = "linux")]
            Some(Watch::PidFd(pidfd)) => rustix::process::pidfd_send_signal(pidfd.get(), signal),
            _ => kill_process(Pid::from_raw(self.id as i32).expect("a process's id"), signal),
        };
        match sent {
            // Somebody else reaped it.
            Err(Errno::SRCH) => Ok(false),
            sent => Ok(sent.map(|()| true)?),
        }
    }

    /// Forgets the loop that watched it. `None`: it is over.
    pub(super) fn into_std(mut self) -> Option<StdChild> {
        drop(self.watch.take());
        match mem::replace(&mut *self.life(), Life::Lost) {
            Life::Runs(child) => Some(child),
            Life::Exited(_) | Life::Lost => None,
        }
    }

    /// Waits for its exit with the thread, for as long as that is no nuisance. Whether it is over.
    pub(super) fn wait_a_moment(&self, limit: Duration) -> bool {
        let begin = Instant::now();
        loop {
            // Over too if somebody else reaped it.
            if !matches!(self.try_wait(), Ok(None)) {
                return true;
            }
            let left = limit.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return false;
            }
            self.block(left);
        }
    }

    fn block(&self, limit: Duration) {
        const STEP: Duration = Duration::from_millis(1);
        match &self.watch {
            Some(Watch::PidFd(pidfd)) => {
                let mut pidfd = [PollFd::new(pidfd.get(), PollFlags::IN)];
                // An error, as of a signal, is as good as an event: who called looks for itself.
                let _looked_at_anyway = poll(&mut pidfd, limit.try_into().ok().as_ref());
            }
            _ => thread::sleep(limit.min(STEP)),
        }
    }
}

fn would_block() -> io::Error {
    io::ErrorKind::WouldBlock.into()
}

fn lost() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "the child's status is lost: SIGCHLD is ignored, or somebody else in this process waited for it",
    )
}
