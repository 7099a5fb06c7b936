//! What the tests of byte streams share: streams that follow a script, and futures that are dropped
//! at every await point.

#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use monoloop::io::{AsyncRead, AsyncWrite};

/// What a scripted stream does next.
#[derive(Clone, Debug)]
pub enum Step {
    Data(Vec<u8>),
    /// Not ready, once; it wakes at once.
    Pend,
    Fail(ErrorKind),
}

/// Reads as its script says, and then the end. Keeps what was written, as much at a time as it is told.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: VecDeque<Step>,
    pub written: Vec<u8>,
    /// How much a write takes; zero: as much as comes.
    pub write_most: usize,
    /// Every other write is not ready.
    pub write_pends: bool,
    pended: bool,
    pub flushed: usize,
    pub closed: bool,
    pub closes: usize,
    pub reads: usize,
}

impl Script {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    /// Gives `data` byte by byte, and is not ready before each.
    pub fn slow(data: &[u8]) -> Self {
        let pieces = data.iter().flat_map(|&byte| [Step::Pend, Step::Data(vec![byte])]);
        Self::new(pieces.chain([Step::Pend]))
    }

    /// Gives `data` at once.
    pub fn of(data: &[u8]) -> Self {
        Self::new([Step::Data(data.to_vec())])
    }

    /// Gives `data` in two pieces.
    pub fn cut(data: &[u8], at: usize) -> Self {
        let (first, second) = data.split_at(at);
        Self::new([Step::Data(first.to_vec()), Step::Pend, Step::Data(second.to_vec())])
    }

    pub fn then(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.reads += 1;
        loop {
            match self.steps.front_mut() {
                None => return Poll::Ready(Ok(0)),
                Some(Step::Pend) => {
                    self.steps.pop_front();
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Fail(kind)) => {
                    let kind = *kind;
                    self.steps.pop_front();
                    return Poll::Ready(Err(kind.into()));
                }
                Some(Step::Data(data)) if data.is_empty() => {
                    self.steps.pop_front();
                }
                Some(Step::Data(data)) => {
                    let count = data.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&data[..count]);
                    data.drain(..count);
                    return Poll::Ready(Ok(count));
                }
            }
        }
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.write_pends && !std::mem::replace(&mut self.pended, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.pended = false;
        let most = if self.write_most == 0 { data.len() } else { self.write_most };
        let count = data.len().min(most);
        self.written.extend_from_slice(&data[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closed = true;
        self.closes += 1;
        Poll::Ready(Ok(()))
    }
}

/// Polls once.
pub fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Polls until it is ready, which it must be some day.
#[track_caller]
pub fn complete<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..1_000_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
    panic!("it never gets ready");
}

/// The number a random test begins with: `MONOLOOP_SEED`, or always the same.
pub fn seed() -> u64 {
    std::env::var("MONOLOOP_SEED").map_or(0x5EED, |seed| seed.parse().expect("a number"))
}
