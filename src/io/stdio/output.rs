//! Standard output and standard error: an [`Outbox`] each, and a thread that drains it.

use std::any::Any;
use std::io::{self, IsTerminal, Write};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::{self, Thread};
use std::time::Instant;

use futures_io::AsyncWrite;

use super::{KEEP_ALIVE, Standard, left_locked, patiently};
use crate::event_loop::{context, report_panic};
use crate::executor::{Lost, OfProcess};
use crate::io::outbox::{Failure, Outbox};

/// How many bytes wait to be written at most; as many may be under way.
const BEHIND: usize = 64 * 1024;

static STDOUT: Stream = Stream {
    name: "stdout",
    write: |bytes| write_all(Standard::Output, io::stdout().lock(), bytes),
    output: OfProcess::new(),
};
static STDERR: Stream = Stream {
    name: "stderr",
    write: |bytes| write_all(Standard::Error, io::stderr().lock(), bytes),
    output: OfProcess::new(),
};

/// One of the two.
struct Stream {
    name: &'static str,
    write: fn(&[u8]) -> io::Result<()>,
    output: OfProcess<Output>,
}

impl Stream {
    fn output(&'static self) -> Arc<Output> {
        self.output.get_or_make(|copied| Output {
            stream: self,
            outbox: Outbox::new(BEHIND),
            thread: Mutex::default(),
            demand: Condvar::new(),
            is_writing: AtomicBool::new(false),
            is_left_locked: copied.is_some_and(|copied| copied.is_writing.load(Ordering::SeqCst)),
        })
    }
}

/// As [`Write::write_all`], and flushes.
fn write_all(stream: Standard, mut out: impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match patiently(stream, || out.write(bytes))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    patiently(stream, || out.flush())
}

struct Output {
    stream: &'static Stream,
    outbox: Outbox,
    thread: Mutex<WriterThread>,
    /// A writer is wanted.
    demand: Condvar,
    /// Std's handle is in use.
    is_writing: AtomicBool,
    /// It was when this process was forked.
    is_left_locked: bool,
}

/// What is known of the thread.
#[derive(Default)]
struct WriterThread {
    is_there: bool,
    is_wanted: bool,
    /// Kept until all is written.
    guards: Vec<Box<dyn Any + Send>>,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, WriterThread> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_write(self: Arc<Self>, cx: &Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_left_locked {
            return Poll::Ready(Err(left_locked(self.stream.name)));
        }
        self.outbox.poll_push(cx, data).map_ok(|pushed| {
            context::try_with(|core| core.will_have_output(finish));
            if pushed.needs_writer {
                self.want();
            }
            pushed.len
        })
    }

    /// Has the thread write.
    fn want(self: Arc<Self>) {
        let guard = context::try_with(|core| core.work_guard()).flatten();
        let mut thread = self.lock();
        thread.guards.extend(guard);
        thread.is_wanted = true;
        if thread.is_there {
            self.demand.notify_one();
            return;
        }
        let (name, own) = (format!("monoloop-{}", self.stream.name), Arc::clone(&self));
        match thread::Builder::new().name(name).spawn(move || own.serve()) {
            Ok(_) => thread.is_there = true,
            Err(error) => {
                thread.is_wanted = false;
                drop(thread);
                self.outbox.abandon(error);
            }
        }
    }

    /// The thread: writes what there is.
    fn serve(&self) {
        let mut thread = self.lock();
        loop {
            if mem::take(&mut thread.is_wanted) {
                let guards = mem::take(&mut thread.guards);
                drop(thread);
                self.drain();
                drop(guards);
                thread = self.lock();
                continue;
            }
            let waited = self.demand.wait_timeout(thread, KEEP_ALIVE);
            let timeout;
            (thread, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() && !thread.is_wanted {
                thread.is_there = false;
                return;
            }
        }
    }

    fn drain(&self) {
        let turn = self.outbox.turn();
        // How far std came, it does not say.
        let write = |bytes: &[u8]| {
            self.is_writing.store(true, Ordering::SeqCst);
            let written = (self.stream.write)(bytes);
            self.is_writing.store(false, Ordering::SeqCst);
            written.map_err(|error| (0, error))
        };
        let drained = catch_unwind(AssertUnwindSafe(|| self.outbox.drain(&turn, write)));
        drop(turn);
        if let Err(payload) = drained {
            report_panic(payload);
        }
    }

    /// Waits until all is written, until `deadline`. Gives what could not be, if nobody was told.
    fn finish(&self, deadline: Option<Instant>) -> Option<Lost> {
        let waker = Waker::from(Arc::new(Unparker(thread::current())));
        let cx = Context::from_waker(&waker);
        while self.outbox.poll_idle(&cx).is_pending() {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(left) if left.is_zero() => return None,
                Some(left) => thread::park_timeout(left),
            }
        }
        let Failure { error, bytes } = self.outbox.take_failure()?;
        Some(Lost { target: format!("<{}>", self.stream.name).into(), bytes, error })
    }
}

struct Unparker(Thread);

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits until what was written to both is through, until `deadline`. Gives what nobody was told was lost.
fn finish(deadline: Option<Instant>) -> Vec<Lost> {
    let outputs = [&STDOUT, &STDERR].into_iter().filter_map(|stream| stream.output.get());
    outputs.filter_map(|output| output.finish(deadline)).collect()
}

macro_rules! stream {
    ($name:ident, $function:ident, $output:ident, $what:literal) => {
        #[doc = concat!("Returns the standard ", $what, " of the process. All handles write to one buffer.")]
        #[doc = ""]
        #[doc = "# Examples"]
        #[doc = ""]
        #[doc = "```"]
        #[doc = "use monoloop::io::*;"]
        #[doc = ""]
        #[doc = "# fn main() -> std::io::Result<()> {"]
        #[doc = "monoloop::run(async {"]
        #[doc = concat!("    let mut output = monoloop::io::", stringify!($function), "();")]
        #[doc = "    output.write_all(b\"hello\\n\").await?;"]
        #[doc = "    output.flush().await"]
        #[doc = "})"]
        #[doc = "# }"]
        #[doc = "```"]
        #[doc(alias = "connect_write_pipe")]
        #[must_use]
        pub fn $function() -> $name {
            $name { flushing: None }
        }

        #[doc = concat!("The standard ", $what, " of the process; made by [`", stringify!($function), "`].")]
        ///
        /// A write takes the bytes (up to 64 KiB of them, then it waits) and returns; a thread writes them, through std's own
        /// handle, as soon as it can. [`flush`](crate::io::AsyncWriteExt::flush) waits until it has. An error comes at the next
        /// write or flush of any handle, once, and the bytes that were on their way are lost with it. The descriptor is left
        /// as it is, blocking or not.
        ///
        /// The end of a loop on which something was written waits until it is through, for as long as the
        /// [shutdown limit](crate::Builder::shutdown_limit) allows: whoever should read and does not holds the program up no
        /// longer. An error that nobody was told goes to the error hook then.
        ///
        /// # Cancel safety
        ///
        /// A dropped `write` or `flush` loses nothing. A dropped `write_all` has written an unknown number of bytes.
        #[derive(Debug)]
        pub struct $name {
            /// A flush is under way: of so many bytes.
            flushing: Option<u64>,
        }

        impl $name {
            /// Returns whether a person may be at the other end.
            #[doc(alias = "isatty")]
            pub fn is_terminal(&self) -> bool {
                io::$function().is_terminal()
            }
        }

        impl AsyncWrite for $name {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                data: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.flushing = None;
                $output.output().poll_write(cx, data)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                // Not what others write meanwhile, which may never end.
                let output = $output.output();
                let pushed = *self.flushing.get_or_insert_with(|| output.outbox.pushed());
                let written = ready!(output.outbox.poll_written(cx, pushed));
                self.flushing = None;
                Poll::Ready(written)
            }

            /// Flushes. The descriptor is the process's, and stays open.
            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }
    };
}

stream!(Stdout, stdout, STDOUT, "output");
stream!(Stderr, stderr, STDERR, "error stream");
