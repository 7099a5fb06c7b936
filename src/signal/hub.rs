//! Who listens, in the whole process, and how they are told.
//!
//! ```text
//!   handler (any thread)          a loop's `serve` task (any loop)            listeners (any loop)
//!   flag of the signal  ──pipe──► takes the flags, counts a delivery,  ─────► wakes: each compares the
//!                                 wakes all listeners of the signal           count with what it has seen
//! ```
//!
//! There is one pipe for all, and each loop that listens has it in its poller. Whichever gets to it first tells all
//! listeners, those of other loops by their wakers; the others find nothing left to do. So a loop that is stuck
//! keeps nobody else from hearing, and it hears itself as soon as it turns.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::poll_fn;
use std::io::{self, Read};
use std::mem;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use slab::Slab;

use super::SignalKind;
use super::disposition::Disposition;
use crate::event_loop::{Core, context, report_panic};
use crate::executor::Origin;
use crate::io::Registered;
use crate::reactor::Direction;

/// Foreign code never runs while this is locked.
static HUB: Mutex<Hub> = Mutex::new(Hub { pipe: None, kinds: BTreeMap::new() });

struct Hub {
    /// Made for the first listener, and kept.
    pipe: Option<Pipe>,
    /// Those that somebody listened to, once.
    kinds: BTreeMap<i32, Kind>,
}

struct Pipe {
    reader: UnixStream,
    writer: UnixStream,
    /// The process that it is for: a fork shares it, and needs one of its own.
    origin: Origin,
}

/// A signal that somebody listens to, or did.
struct Kind {
    disposition: Disposition,
    /// How often it was delivered.
    deliveries: u64,
    listeners: Slab<Option<Waker>>,
}

fn hub() -> MutexGuard<'static, Hub> {
    HUB.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One who listens to a signal. Its drop ends that.
#[derive(Debug)]
pub(super) struct Seat {
    kind: SignalKind,
    key: usize,
    /// How many deliveries it has been told of.
    seen: u64,
}

impl Seat {
    /// Begins to listen, as part of `core`.
    pub(super) fn take(kind: SignalKind, core: &Core) -> io::Result<Self> {
        if let Some(objection) = kind.objection() {
            let text = format!("{kind} cannot be listened to: {objection}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        hub().open_pipe()?;
        serve_in(core)?;
        hub().listen(kind)
    }

    pub(super) fn kind(&self) -> SignalKind {
        self.kind
    }

    /// Ready when the signal came since the last time this was ready.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if hub().is_told(self) {
            return Poll::Ready(());
        }
        // Foreign code, and so with nothing locked; the signal may come meanwhile.
        let waker = cx.waker().clone();
        let mut locked = hub();
        if locked.is_told(self) {
            drop(locked);
            return Poll::Ready(());
        }
        let old = locked.kind(self).listeners[self.key].replace(waker);
        drop(locked);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let waker = hub().leave(self);
        drop(waker);
    }
}

impl Hub {
    /// Sees to it that this process has a pipe of its own.
    fn open_pipe(&mut self) -> io::Result<()> {
        if self.pipe.as_ref().is_some_and(|pipe| pipe.origin.is_here()) {
            return Ok(());
        }
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        for kind in self.kinds.values_mut().filter(|kind| kind.disposition.is_listened_to()) {
            kind.disposition.listen(&writer)?;
            // After a fork: these are of the parent's loops.
            kind.listeners.iter_mut().for_each(|(_, waker)| mem::forget(waker.take()));
        }
        self.pipe = Some(Pipe { reader, writer, origin: Origin::here() });
        Ok(())
    }

    fn listen(&mut self, kind: SignalKind) -> io::Result<Seat> {
        let pipe = self.pipe.as_ref().expect("opened before");
        let listened = match self.kinds.entry(kind.as_raw()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let disposition = Disposition::take_over(kind.as_raw())?;
                entry.insert(Kind { disposition, deliveries: 0, listeners: Slab::new() })
            }
        };
        if !listened.disposition.is_listened_to() {
            listened.disposition.listen(&pipe.writer)?;
        }
        // What came before is not for this one.
        let key = listened.listeners.insert(None);
        Ok(Seat { kind, key, seen: listened.deliveries })
    }

    fn kind(&mut self, seat: &Seat) -> &mut Kind {
        self.kinds.get_mut(&seat.kind.as_raw()).expect("kept once it was listened to")
    }

    fn is_told(&mut self, seat: &mut Seat) -> bool {
        let deliveries = self.kind(seat).deliveries;
        mem::replace(&mut seat.seen, deliveries) != deliveries
    }

    fn leave(&mut self, seat: &Seat) -> Option<Waker> {
        let kind = self.kind(seat);
        let waker = kind.listeners.remove(seat.key);
        if kind.listeners.is_empty() {
            kind.disposition.release();
            kind.listeners.shrink_to_fit();
        }
        waker
    }

    /// Counts the signals that came, and takes out whom to wake.
    fn deliver(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for kind in self.kinds.values_mut() {
            if kind.disposition.take_pending() {
                kind.deliveries += 1;
                wakers.extend(kind.listeners.iter_mut().filter_map(|(_, waker)| waker.take()));
            }
        }
        wakers
    }
}

/// Of two more signals of that kind the second has its default effect, whatever the program does meanwhile. Somebody must
/// listen to it.
pub(crate) fn arm(kind: SignalKind) -> io::Result<()> {
    let Hub { kinds, pipe, .. } = &mut *hub();
    match (kinds.get_mut(&kind.as_raw()), pipe) {
        (Some(kind), Some(pipe)) => kind.disposition.arm(&pipe.writer),
        _ => Ok(()),
    }
}

/// Ends what [`arm`] began.
pub(crate) fn disarm(kind: SignalKind) {
    if let Some(kind) = hub().kinds.get_mut(&kind.as_raw()) {
        kind.disposition.disarm();
    }
}

/// Tells all listeners of the signals that came. One whose waker panics keeps no other from being told.
fn deliver() {
    let wakers = hub().deliver();
    for waker in wakers {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            report_panic(payload);
        }
    }
}

/// Sees to it that the loop tells listeners of signals, from now to its end.
pub(super) fn serve_in(core: &Core) -> io::Result<()> {
    if core.serves_signals.get() {
        return Ok(());
    }
    let reader = hub().pipe.as_ref().expect("made for the first listener").reader.try_clone()?;
    let reader = mio::net::UnixStream::from_std(reader);
    let reader = Registered::in_core(core, reader)?;
    core.serves_signals.set(true);
    core.executor.spawn_internal(serve(reader));
    Ok(())
}

async fn serve(reader: Registered<mio::net::UnixStream>) {
    loop {
        let read = poll_fn(|cx| {
            let mut bytes = [0; 64];
            reader.poll_bytes(Direction::Read, cx, bytes.len(), |mut pipe| pipe.read(&mut bytes))
        });
        match read.await {
            Ok(1..) => deliver(),
            // Neither happens to a pipe whose other end is kept; without it the loop would spin.
            Ok(0) | Err(_) => break,
        }
    }
    context::try_with(|core| core.serves_signals.set(false));
}
