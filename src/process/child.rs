//! The handle of a child.

use std::io;
use std::process::{Child as StdChild, ExitStatus};

use rustix::process::Signal;

use super::communicate::Communicate;
use super::exit::Process;
use super::pipe::{ChildStderr, ChildStdin, ChildStdout};
use crate::event_loop::Core;
use crate::signal::SignalKind;

/// A child; made by [`Command::spawn`](super::Command::spawn).
///
/// Dropping it kills the child, unless [`kill_on_drop`](super::Command::kill_on_drop) was turned off. Either way it is
/// reaped in the background: no zombie stays.
///
/// It may move to other threads, to be signalled or dropped there; waiting and the pipes belong to the loop that
/// spawned it, and are errors elsewhere.
#[doc(alias = "Process")]
#[doc(alias = "SubprocessTransport")]
#[derive(Debug)]
#[must_use = "dropping a child kills it; `wait` for it, or turn `kill_on_drop` off"]
pub struct Child {
    /// Writes to its stdin, if the command said [`Stdio::piped`](super::Stdio::piped). Take it out, and drop it to end the
    /// child's input.
    pub stdin: Option<ChildStdin>,
    /// Reads its stdout, if that is piped.
    pub stdout: Option<ChildStdout>,
    /// Reads its stderr, if that is piped.
    pub stderr: Option<ChildStderr>,
    pub(super) process: Process,
}

impl Child {
    /// Takes over a child that was just spawned.
    pub(super) fn new(core: &Core, mut child: StdChild, kill_on_drop: bool) -> io::Result<Self> {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // First, so that the child is taken care of if there is no descriptor left for what follows.
        let process = Process::new(core, child, kill_on_drop)?;
        Ok(Self {
            stdin: pipes.0.map(|pipe| ChildStdin::new(core, pipe)).transpose()?,
            stdout: pipes.1.map(|pipe| ChildStdout::new(core, pipe)).transpose()?,
            stderr: pipes.2.map(|pipe| ChildStderr::new(core, pipe)).transpose()?,
            process,
        })
    }

    /// Returns its process id, or `None` once its exit was seen: from then on the id may be another's.
    #[doc(alias = "pid")]
    pub fn id(&self) -> Option<u32> {
        self.process.get().id()
    }

    /// Waits until the child exits, whoever else holds its pipes. Several tasks may wait.
    ///
    /// It reads no output and closes no input: a child whose pipes are full, or that reads to the end of a stdin that
    /// you hold, does not exit. [`wait_with_output`](Self::wait_with_output) and [`communicate`](Self::communicate) see
    /// to that.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the status is kept.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if the status is lost, as the process ignores SIGCHLD or something else in it
    /// waited for all children; others on another loop than that which spawned it.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::process::shell;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// monoloop::run(async {
    ///     let child = shell("exit 7").spawn()?;
    ///     assert_eq!(child.wait().await?.code(), Some(7));
    ///     assert_eq!(child.id(), None);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn wait(&self) -> io::Result<ExitStatus> {
        self.process.get().wait().await
    }

    /// Returns the child's status if it has exited.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if the status is lost, as for [`wait`](Self::wait).
    #[doc(alias = "returncode")]
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.process.get().try_wait()
    }

    /// Closes the child's stdin, reads what it writes to those of stdout and stderr that are piped, and waits for its
    /// exit: [`communicate`](Self::communicate) without input.
    pub fn wait_with_output(self) -> Communicate {
        self.communicate(Vec::new())
    }

    /// Sends the child its whole input, reads what it writes to those of stdout and stderr that are piped, all at a
    /// time, until it closed them, and then waits for its exit. [`limit`](Communicate::limit) bounds the output.
    ///
    /// A child that reads not all of its input is no error. Output ends when nobody has its pipe any more, so a
    /// grandchild that inherited it is waited for; [`wait`](Self::wait) does not do that.
    ///
    /// # Cancel safety
    ///
    /// The output so far is lost, and the child dropped.
    ///
    /// # Errors
    ///
    /// Those of reading, writing and [`wait`](Self::wait), and an [`OutputOverrun`](super::OutputOverrun) over the limit.
    /// The child is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use monoloop::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// monoloop::run(async {
    ///     let sort = Command::new("sort").piped().spawn()?;
    ///     let output = sort.communicate("b\na\n").limit(1 << 20).await?;
    ///     assert_eq!(output.stdout, b"a\nb\n");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn communicate(self, input: impl Into<Vec<u8>>) -> Communicate {
        Communicate::new(self, input.into())
    }

    /// Ends the child at once (SIGKILL). It is still to be waited for, or dropped. A child that has exited is left
    /// alone.
    ///
    /// # Errors
    ///
    /// If the child runs as another user by now.
    pub fn kill(&self) -> io::Result<()> {
        self.process.get().send(Signal::KILL).map(drop)
    }

    /// Asks the child to end (SIGTERM). A child that has exited is left alone.
    ///
    /// # Errors
    ///
    /// As of [`kill`](Self::kill).
    pub fn terminate(&self) -> io::Result<()> {
        self.process.get().send(Signal::TERM).map(drop)
    }

    /// Sends the child a signal. Nobody else ever gets it: an id of a process is free for others only after the process
    /// was reaped, and then nothing is sent.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if the child has exited; [`InvalidInput`](io::ErrorKind::InvalidInput) if
    /// there is no such signal, or it has no name, as those for real-time have none; others if the child runs as another user by now.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::process::ExitStatusExt;
    /// use monoloop::{process::Command, signal::SignalKind};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// monoloop::run(async {
    ///     let child = Command::new("sleep").arg("1000").spawn()?;
    ///     child.send_signal(SignalKind::HANGUP)?;
    ///     assert_eq!(child.wait().await?.signal(), Some(SignalKind::HANGUP.as_raw()));
    ///     assert!(child.send_signal(SignalKind::HANGUP).is_err()); // to nobody
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn send_signal(&self, kind: SignalKind) -> io::Result<()> {
        let signal = Signal::from_named_raw(kind.as_raw());
        let signal = signal.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{kind} cannot be sent"))
        })?;
        let running = self.process.get();
        // One that exited and was not seen to is seen now.
        let has_exited = running.try_wait()?.is_some();
        match !has_exited && running.send(signal)? {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::NotFound, "the child has exited")),
        }
    }
}
