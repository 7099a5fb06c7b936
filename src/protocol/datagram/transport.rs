//! What a protocol of datagrams acts through.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::io::outgoing::{Marks, QueueError, QueueFull};

/// What a datagram in the queue counts beside its bytes: so that empty ones are not free.
const OVERHEAD: usize = 8;

/// Sends datagrams, and closes the socket. A handle that can be cloned and kept; dropping it does nothing to the
/// socket.
#[derive(Clone)]
pub struct DatagramTransport {
    shared: Rc<Shared>,
}

struct Shared {
    local: Option<SocketAddr>,
    /// The only one there is, if the socket is connected.
    peer: Option<SocketAddr>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Datagram>,
    unsent: usize,
    marks: Marks,
    is_paused: bool,
    is_closing: bool,
    driver: Option<Waker>,
}

pub(super) struct Datagram {
    pub(super) data: Box<[u8]>,
    /// `None`: to whom the socket is connected.
    pub(super) to: Option<SocketAddr>,
}

impl State {
    fn set_unsent(&mut self, unsent: usize) {
        self.unsent = unsent;
        self.is_paused = self.marks.pauses(unsent, self.is_paused);
    }
}

impl DatagramTransport {
    pub(super) fn new(local: Option<SocketAddr>, peer: Option<SocketAddr>) -> Self {
        Self { shared: Rc::new(Shared { local, peer, state: RefCell::default() }) }
    }

    /// Queues a datagram to the peer of a connected socket.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to); of kind [`NotConnected`](io::ErrorKind::NotConnected) if the socket is not
    /// connected.
    pub fn send(&self, data: &[u8]) -> Result<(), QueueError> {
        match self.shared.peer {
            Some(_) => self.push(data, None),
            None => Err(QueueError::Io(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Queues a datagram to `addr`. It goes out in the loop's next turn; what goes wrong then,
    /// [`error_received`](super::DatagramProtocol::error_received) is told.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: if the socket is closing, too much waits to be sent, or it is connected, and to another address.
    #[doc(alias = "sendto")]
    pub fn send_to(&self, data: &[u8], addr: SocketAddr) -> Result<(), QueueError> {
        match self.shared.peer {
            None => self.push(data, Some(addr)),
            Some(peer) if peer == addr => self.push(data, None),
            Some(peer) => {
                let text = format!("the socket is connected to {peer}, which {addr} is not");
                Err(QueueError::Io(io::Error::new(io::ErrorKind::InvalidInput, text)))
            }
        }
    }

    fn push(&self, data: &[u8], to: Option<SocketAddr>) -> Result<(), QueueError> {
        let mut state = self.shared.state.borrow_mut();
        let (unsent, capacity) = (state.unsent, state.marks.capacity);
        if state.is_closing {
            return Err(QueueError::Closed);
        }
        if unsent >= capacity {
            return Err(QueueError::Full(QueueFull { unsent, capacity }));
        }
        state.queue.push_back(Datagram { data: data.into(), to });
        state.set_unsent(unsent + data.len() + OVERHEAD);
        drop(state);
        self.nudge();
        Ok(())
    }

    /// Receives nothing more, sends what is queued, closes.
    pub fn close(&self) {
        self.shared.state.borrow_mut().is_closing = true;
        self.nudge();
    }

    /// Closes at once: what is queued is dropped.
    pub fn abort(&self) {
        let mut state = self.shared.state.borrow_mut();
        state.is_closing = true;
        state.set_unsent(0);
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        drop(queue);
        self.nudge();
    }

    /// Returns whether it is closing, or closed.
    pub fn is_closing(&self) -> bool {
        self.shared.state.borrow().is_closing
    }

    /// Returns how much waits to be sent: each datagram counts 8 bytes more than it has.
    #[doc(alias = "get_write_buffer_size")]
    pub fn unsent(&self) -> usize {
        self.shared.state.borrow().unsent
    }

    /// Sets the water marks, 64 KiB and 16 KiB if nothing is said: see
    /// [`pause_writing`](super::DatagramProtocol::pause_writing).
    ///
    /// # Panics
    ///
    /// If the low one is above the high one.
    #[doc(alias = "set_write_buffer_limits")]
    #[track_caller]
    pub fn set_water_marks(&self, high: usize, low: usize) {
        let mut state = self.shared.state.borrow_mut();
        state.marks.set(high, low);
        let unsent = state.unsent;
        state.set_unsent(unsent);
        drop(state);
        self.nudge();
    }

    /// Sets how much may be queued before a datagram is refused: 16 MiB if nothing is said.
    pub fn set_capacity(&self, capacity: usize) {
        self.shared.state.borrow_mut().marks.capacity = capacity;
    }

    /// Returns the address the socket is bound to, if the system could tell.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.local
    }

    /// Returns the address the socket is connected to.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.shared.peer
    }

    fn nudge(&self) {
        let driver = self.shared.state.borrow_mut().driver.take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Whoever sends or closes wakes this poll's task from now on.
    pub(super) fn register(&self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let old = self.shared.state.borrow_mut().driver.replace(waker);
        drop(old);
    }

    pub(super) fn is_paused(&self) -> bool {
        self.shared.state.borrow().is_paused
    }

    pub(super) fn pop(&self) -> Option<Datagram> {
        self.shared.state.borrow_mut().queue.pop_front()
    }

    /// It could not be sent yet.
    pub(super) fn unpop(&self, datagram: Datagram) {
        self.shared.state.borrow_mut().queue.push_front(datagram);
    }

    /// A datagram left the queue, sent or not.
    pub(super) fn is_through(&self, datagram: Datagram) {
        let mut state = self.shared.state.borrow_mut();
        let unsent = state.unsent.saturating_sub(datagram.data.len() + OVERHEAD);
        state.set_unsent(unsent);
    }
}

impl fmt::Debug for DatagramTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramTransport")
            .field("local", &self.shared.local)
            .field("peer", &self.shared.peer)
            .field("unsent", &self.unsent())
            .field("is_closing", &self.is_closing())
            .finish()
    }
}
