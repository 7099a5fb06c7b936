//! What a protocol acts through.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::Protocol;
use crate::io::outgoing::{Outgoing, QueueError, Wish};

/// Acts on a connection: writes, closes, pauses reading. A handle that can be cloned and kept; dropping it does nothing
/// to the connection.
///
/// Nothing here waits, and nothing calls the protocol: what follows is told when the callback that is at work is
/// through.
#[derive(Clone)]
pub struct Transport {
    pub(super) shared: Rc<Shared>,
}

/// What the handles and the driver share.
pub(super) struct Shared {
    pub(super) outgoing: Rc<Outgoing>,
    pub(super) is_reading_paused: Cell<bool>,
    /// Takes over from the protocol that is there.
    pub(super) next: Cell<Option<Box<dyn Protocol>>>,
}

impl Transport {
    pub(super) fn new(outgoing: Rc<Outgoing>) -> Self {
        let (is_reading_paused, next) = (Cell::new(false), Cell::new(None));
        Self { shared: Rc::new(Shared { outgoing, is_reading_paused, next }) }
    }

    /// Queues `data` to be sent: all of it, or nothing.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: if the connection is closing or over, or too much waits to be sent (see
    /// [`set_capacity`](Self::set_capacity)).
    pub fn write(&self, data: &[u8]) -> Result<(), QueueError> {
        self.shared.outgoing.write(data)
    }

    /// Nothing more will be written: when all was sent, the write side is closed, and the peer reads the end.
    pub fn write_eof(&self) {
        self.shared.outgoing.wish(Wish::End);
    }

    /// Reads nothing more, sends what is queued, closes.
    pub fn close(&self) {
        self.shared.outgoing.wish(Wish::Close);
    }

    /// Closes at once: what is queued is dropped.
    pub fn abort(&self) {
        self.shared.outgoing.wish(Wish::Abort);
    }

    /// Returns whether it is closing, or over.
    pub fn is_closing(&self) -> bool {
        self.shared.outgoing.is_closing()
    }

    /// Reads nothing until [`resume_reading`](Self::resume_reading): the peer will have to wait. Twice is as good as once.
    pub fn pause_reading(&self) {
        self.shared.is_reading_paused.set(true);
    }

    /// Reads again.
    pub fn resume_reading(&self) {
        if self.shared.is_reading_paused.replace(false) {
            self.shared.outgoing.nudge();
        }
    }

    /// Returns whether what comes is read.
    pub fn is_reading(&self) -> bool {
        !self.shared.is_reading_paused.get() && !self.is_closing()
    }

    /// Tells another protocol what happens from now on: it is given the bytes that come after those that the callback
    /// at work, if there is one, was given. It is not told `connection_made`, and the one before not
    /// `connection_lost`; that is dropped when its callback is through. If writing is paused, the next
    /// that it is told of that is `resume_writing`. After the connection's end it is dropped and told nothing.
    pub fn set_protocol(&self, protocol: impl Protocol + 'static) {
        if self.shared.outgoing.is_over() {
            // Nobody takes it, and it may hold a handle like this one.
            return drop(protocol);
        }
        let before = self.shared.next.replace(Some(Box::new(protocol)));
        drop(before);
        self.shared.outgoing.nudge();
    }

    /// Returns how many bytes wait to be sent.
    #[doc(alias = "get_write_buffer_size")]
    pub fn unsent(&self) -> usize {
        self.shared.outgoing.unsent()
    }

    /// Returns the water marks, the high one first: 64 KiB and 16 KiB if nothing was said.
    #[doc(alias = "get_write_buffer_limits")]
    pub fn water_marks(&self) -> (usize, usize) {
        self.shared.outgoing.marks()
    }

    /// Sets the water marks: see [`Protocol::pause_writing`].
    ///
    /// # Panics
    ///
    /// If the low one is above the high one.
    #[doc(alias = "set_write_buffer_limits")]
    #[track_caller]
    pub fn set_water_marks(&self, high: usize, low: usize) {
        self.shared.outgoing.set_marks(high, low);
        self.shared.outgoing.nudge();
    }

    /// Sets how much may be queued before a [`write`](Self::write) is refused: 16 MiB if nothing is said. The last
    /// write that is taken may exceed it.
    pub fn set_capacity(&self, capacity: usize) {
        self.shared.outgoing.set_capacity(capacity);
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("unsent", &self.unsent())
            .field("is_closing", &self.is_closing())
            .field("is_reading", &self.is_reading())
            .finish()
    }
}
