//! Which signal.

use std::fmt;

use signal_hook::consts::signal as numbers;

/// A kind of signal.
///
/// # Examples
///
/// ```
/// use monoloop::signal::SignalKind;
///
/// assert_eq!(SignalKind::TERMINATE.as_raw(), 15);
/// assert_eq!(SignalKind::from_raw(15), SignalKind::TERMINATE);
/// assert_eq!(format!("{:?}", SignalKind::HANGUP), "SIGHUP");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind(i32);

/// More than any platform has.
const MAX: i32 = 128;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $raw:ident;)*) => {
        impl SignalKind {
            $($(#[$doc])* pub const $name: Self = Self(numbers::$raw);)*

            /// Its name in C, if it is one of the constants.
            fn name(self) -> Option<&'static str> {
                $(if self == Self::$name {
                    return Some(stringify!($raw));
                })*
                None
            }
        }
    };
}

kinds! {
    /// A timer of the process ran out.
    ALARM = SIGALRM;
    /// A child ended, stopped or went on.
    CHILD = SIGCHLD;
    /// The process goes on after a stop.
    CONTINUE = SIGCONT;
    /// The terminal went away; of daemons, by custom: read your configuration anew.
    HANGUP = SIGHUP;
    /// Ctrl-c.
    INTERRUPT = SIGINT;
    /// Input or output is possible.
    IO = SIGIO;
    /// Cannot be listened to.
    KILL = SIGKILL;
    /// A pipe without a reader was written to. Rust's runtime ignores it.
    PIPE = SIGPIPE;
    /// Ctrl-backslash: end, and leave a core dump.
    QUIT = SIGQUIT;
    /// Cannot be listened to.
    STOP = SIGSTOP;
    /// A polite request to end: what `kill` sends if nothing else is said.
    TERMINATE = SIGTERM;
    /// Ctrl-z.
    TERMINAL_STOP = SIGTSTP;
    /// For the program's own use.
    USER_1 = SIGUSR1;
    /// For the program's own use.
    USER_2 = SIGUSR2;
    /// The terminal's window has another size.
    WINDOW_CHANGE = SIGWINCH;
}

impl SignalKind {
    /// Returns the kind of that number, whether there is such a signal or not.
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// Returns the signal's number.
    pub const fn as_raw(self) -> i32 {
        self.0
    }

    /// Why it cannot be listened to, if so.
    pub(super) fn objection(self) -> Option<&'static str> {
        match self.0 {
            numbers::SIGKILL | numbers::SIGSTOP => Some("no process can catch it"),
            numbers::SIGSEGV
            | numbers::SIGBUS
            | numbers::SIGFPE
            | numbers::SIGILL
            | numbers::SIGTRAP => Some("the faulting instruction would be run again for ever"),
            number if !(1..=MAX).contains(&number) => Some("there is no such signal"),
            _ => None,
        }
    }
}

impl fmt::Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl From<SignalKind> for i32 {
    fn from(kind: SignalKind) -> Self {
        kind.as_raw()
    }
}
