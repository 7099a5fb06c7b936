//! What to run, and how.

use std::ffi::OsStr;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt;
use std::panic::Location;
use std::path::Path;
use std::process::{self, ExitStatus, Output, Stdio};

use super::child::Child;
use crate::event_loop::context;

/// What to run, and how: [`std::process::Command`], and children of this loop.
///
/// The methods do what those of the same names do there. Children are killed when they are dropped, unless
/// [`kill_on_drop`](Self::kill_on_drop) says otherwise. Descriptors are not inherited, but the three standard
/// streams; no signal is blocked in the child.
///
/// # Examples
///
/// ```
/// use monoloop::process::Command;
///
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let output = Command::new("printf").args(["%s", "hello"]).output().await?;
///     assert_eq!(output.stdout, b"hello");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "create_subprocess_exec")]
#[doc(alias = "subprocess_exec")]
pub struct Command {
    command: process::Command,
    /// Which of stdin, stdout and stderr were said.
    is_said: [bool; 3],
    kill_on_drop: bool,
}

/// A command that the system's shell runs: `sh -c`.
///
/// What comes from outside does not belong into the text: pass it as arguments (`"$1"`, after a `$0`) or by the
/// environment.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// monoloop::run(async {
///     let mut count = monoloop::process::shell("seq 9 | wc -l; echo \"$1\"");
///     let output = count.args(["sh", "; rm -r *"]).output().await?;
///     assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "9\n; rm -r *");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "create_subprocess_shell")]
#[doc(alias = "subprocess_shell")]
pub fn shell(command: impl AsRef<OsStr>) -> Command {
    const SHELL: &str = if cfg!(target_os = "android") { "/system/bin/sh" } else { "/bin/sh" };
    let mut shell = Command::new(SHELL);
    shell.arg("-c").arg(command);
    shell
}

impl Command {
    /// Makes a command for a program, which is looked up in `PATH` if its name has no slash.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        process::Command::new(program).into()
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(key, value);
        self
    }

    /// Sets environment variables.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Self {
        self.command.envs(variables);
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Self {
        self.command.env_remove(key);
        self
    }

    /// Lets the child inherit no environment variables.
    pub fn env_clear(&mut self) -> &mut Self {
        self.command.env_clear();
        self
    }

    /// Sets the child's working directory.
    #[doc(alias = "cwd")]
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.command.current_dir(directory);
        self
    }

    /// Sets the child's stdin. Default: inherited; for [`output`](Self::output): empty.
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.is_said[0] = true;
        self.command.stdin(stdin);
        self
    }

    /// Sets the child's stdout. Default: inherited; for [`output`](Self::output): a pipe.
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.is_said[1] = true;
        self.command.stdout(stdout);
        self
    }

    /// Sets the child's stderr. Default: inherited; for [`output`](Self::output): a pipe.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.is_said[2] = true;
        self.command.stderr(stderr);
        self
    }

    /// Makes pipes of stdin, stdout and stderr, as [`communicate`](Child::communicate) wants them.
    #[doc(alias = "PIPE")]
    pub fn piped(&mut self) -> &mut Self {
        self.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped())
    }

    /// Sets the child's user id.
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.command.uid(id);
        self
    }

    /// Sets the child's group id.
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.command.gid(id);
        self
    }

    /// Sets the child's process group; 0: one of its own, whose id is the child's. The terminal's ctrl-c goes to the
    /// group in the foreground, so a child in a group of its own does not get it.
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.command.process_group(group);
        self
    }

    /// Sets the child's argument 0, its name for itself.
    pub fn arg0(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg0(arg);
        self
    }

    /// Runs a closure in the child, after the fork and before the program.
    ///
    /// # Safety
    ///
    /// As of [`CommandExt::pre_exec`]: the child has one thread of a process of many, so locks may be held for ever
    /// and memory may not be allocated; only what is async-signal-safe is allowed. The loop and its handles are not:
    /// they share their descriptors with the parent.
    #[allow(unsafe_code)]
    pub unsafe fn pre_exec(
        &mut self,
        f: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
    ) -> &mut Self {
        // SAFETY: the caller's duties are those of this function.
        unsafe { self.command.pre_exec(f) };
        self
    }

    /// Sets whether children are killed when they are dropped. Default: yes. Otherwise they run on, and are reaped all the
    /// same.
    pub fn kill_on_drop(&mut self, on: bool) -> &mut Self {
        self.kill_on_drop = on;
        self
    }

    /// Returns std's command, to look at.
    pub fn as_std(&self) -> &process::Command {
        &self.command
    }

    /// Starts the child, and returns when it runs its program.
    ///
    /// # Errors
    ///
    /// If there is no such program, or it cannot be run; if no event loop runs on this thread; if descriptors or
    /// processes ran out. No child is left then.
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        let location = Location::caller();
        context::io_with("Command::spawn", location, |core| {
            let child = self.command.spawn()?;
            Child::new(core, child, self.kill_on_drop)
        })
    }

    /// Starts the child, reads its output, and waits for its exit. Where nothing was said of them, stdin is
    /// empty, and stdout and stderr are pipes.
    ///
    /// # Cancel safety
    ///
    /// The output so far is lost, and the child dropped.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    #[track_caller]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + Send + use<> {
        let child = self.spawn_captured();
        async { child?.wait_with_output().await }
    }

    #[track_caller]
    fn spawn_captured(&mut self) -> io::Result<Child> {
        let [stdin, stdout, stderr] = self.is_said;
        if !stdin {
            self.command.stdin(Stdio::null());
        }
        if !stdout {
            self.command.stdout(Stdio::piped());
        }
        if !stderr {
            self.command.stderr(Stdio::piped());
        }
        let child = self.spawn();
        // As they were, for the next child.
        if !stdin {
            self.command.stdin(Stdio::inherit());
        }
        if !stdout {
            self.command.stdout(Stdio::inherit());
        }
        if !stderr {
            self.command.stderr(Stdio::inherit());
        }
        child
    }

    /// Starts the child and waits for its exit. Pipes, if it has any, are closed at once.
    ///
    /// # Cancel safety
    ///
    /// The child is dropped.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn) and [`Child::wait`].
    #[track_caller]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + Send + use<> {
        let child = self.spawn();
        async {
            let mut child = child?;
            drop((child.stdin.take(), child.stdout.take(), child.stderr.take()));
            child.wait().await
        }
    }
}

impl From<process::Command> for Command {
    /// What it says of the standard streams is kept by [`spawn`](Command::spawn), and not by
    /// [`output`](Command::output), which cannot know of it.
    fn from(command: process::Command) -> Self {
        Self { command, is_said: [false; 3], kill_on_drop: true }
    }
}

impl fmt::Debug for Command {
    /// The command line, quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.command.fmt(f)
    }
}
