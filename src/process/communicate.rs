//! Talking to a child to its end: input, output and errors at a time, so that nobody waits for the other.

use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::mem;
use std::pin::{Pin, pin};
use std::process::Output;
use std::task::{Context, Poll, ready};

use futures_io::AsyncWrite;

use super::child::Child;
use super::pipe::{ChildStderr, ChildStdin, ChildStdout};

/// How much room a read finds at least.
const ROOM: usize = 8 * 1024;

/// Sends a child its whole input, reads all its output, and waits for its exit; made by [`Child::communicate`]. Await it.
///
/// # Cancel safety
///
/// The output so far is lost, and the child is killed, unless its command says otherwise
/// ([`kill_on_drop`](super::Command::kill_on_drop)).
#[must_use = "nothing happens unless it is awaited"]
#[derive(Debug)]
pub struct Communicate {
    child: Child,
    input: Vec<u8>,
    limit: usize,
}

impl Communicate {
    pub(super) fn new(child: Child, input: Vec<u8>) -> Self {
        Self { child, input, limit: usize::MAX }
    }

    /// Sets how many bytes of stdout and stderr together are kept. When there are more, the child is dropped, and the
    /// error has what came so far: see [`OutputOverrun`]. Default: there is no limit.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    async fn run(self) -> io::Result<Output> {
        let Child { stdin, stdout, stderr, process } = self.child;
        let mut talk = Talk {
            stdin,
            input: self.input,
            sent: 0,
            stdout: stdout.map(Reader::Stdout),
            stderr: stderr.map(Reader::Stderr),
            output: Vec::new(),
            errors: Vec::new(),
            limit: self.limit,
        };
        poll_fn(|cx| talk.poll(cx)).await?;
        let status = {
            let mut exit = pin!(process.get().wait());
            poll_fn(|cx| {
                // Who closed its outputs may still read. Who has exited does not, whoever else holds its stdin.
                let _fed = talk.poll_feed(cx)?;
                exit.as_mut().poll(cx)
            })
            .await?
        };
        Ok(Output { status, stdout: talk.output, stderr: talk.errors })
    }
}

impl IntoFuture for Communicate {
    type Output = io::Result<Output>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<Output>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// The three streams, each `None` when it is through.
struct Talk {
    stdin: Option<ChildStdin>,
    input: Vec<u8>,
    /// How much of the input the child has, or its pipe.
    sent: usize,
    stdout: Option<Reader>,
    stderr: Option<Reader>,
    output: Vec<u8>,
    errors: Vec<u8>,
    limit: usize,
}

enum Reader {
    Stdout(ChildStdout),
    Stderr(ChildStderr),
}

impl Talk {
    /// Moves what can be moved. Ready when both outputs are through.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _fed = self.poll_feed(cx)?;
        let budget = self.limit.saturating_sub(self.errors.len());
        let heard = poll_drain(&mut self.stdout, &mut self.output, budget, cx)?;
        let budget = self.limit.saturating_sub(self.output.len());
        let complained = poll_drain(&mut self.stderr, &mut self.errors, budget, cx)?;
        if self.output.len().saturating_add(self.errors.len()) > self.limit {
            return Poll::Ready(Err(self.overrun()));
        }
        match heard.is_ready() && complained.is_ready() {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    /// Writes input, and closes stdin after the last of it, or when the child takes no more.
    fn poll_feed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(stdin) = &mut self.stdin {
            let left = &self.input[self.sent..];
            if left.is_empty() {
                break;
            }
            match ready!(Pin::new(stdin).poll_write(cx, left)) {
                Ok(wrote) => self.sent += wrote,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.stdin = None;
        Poll::Ready(Ok(()))
    }

    #[cold]
    fn overrun(&mut self) -> io::Error {
        io::Error::other(OutputOverrun {
            limit: self.limit,
            stdout: mem::take(&mut self.output),
            stderr: mem::take(&mut self.errors),
        })
    }
}

/// Reads until the end, or until `buffer` has more than `budget`.
fn poll_drain(
    reader: &mut Option<Reader>,
    buffer: &mut Vec<u8>,
    budget: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while let Some(open) = reader {
        if buffer.len() > budget {
            break;
        }
        if buffer.capacity() - buffer.len() < ROOM {
            buffer.reserve(ROOM);
        }
        let read = match open {
            Reader::Stdout(stdout) => stdout.poll_fill(cx, buffer),
            Reader::Stderr(stderr) => stderr.poll_fill(cx, buffer),
        };
        if ready!(read)? == 0 {
            *reader = None;
        }
    }
    Poll::Ready(Ok(()))
}

/// A child wrote more than was asked for. Inside of the [`io::Error`] that [`Communicate`] gives.
///
/// # Examples
///
/// ```
/// use monoloop::process::{OutputOverrun, shell};
///
/// # fn main() -> std::io::Result<()> {
/// let error = monoloop::run(async {
///     let child = shell("yes").piped().spawn()?;
///     std::io::Result::Ok(child.communicate("").limit(1000).await.unwrap_err())
/// })?;
/// let overrun = error.downcast::<OutputOverrun>().unwrap();
/// assert!(overrun.stdout.len() > 1000 && overrun.stdout.starts_with(b"y\ny\n"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct OutputOverrun {
    /// How many bytes were allowed.
    pub limit: usize,
    /// What came on stdout; together with `stderr` more than the limit.
    pub stdout: Vec<u8>,
    /// What came on stderr.
    pub stderr: Vec<u8>,
}

impl fmt::Display for OutputOverrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the child wrote more than {} bytes", self.limit)
    }
}

impl Error for OutputOverrun {}
