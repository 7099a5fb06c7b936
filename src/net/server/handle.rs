//! A server that runs.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::accepting::{Service, accept_from};
use super::crowd::{Crowd, Endings};
use super::listen::{HandlerOutput, Listener};
use crate::sync::Semaphore;
use crate::task::{self, AbortOnDrop, CancelToken};
use crate::time::timeout;

/// A [`Server`](super::Server) that runs.
///
/// Dropping it ends the server: it stops listening and drops all handlers, which closes their connections.
/// [`shutdown`](Self::shutdown) gives them time; [`wait`](Self::wait) goes on for as long as there is something to serve.
#[must_use = "the server ends when this is dropped"]
pub struct ServerHandle<A = SocketAddr> {
    addrs: Vec<A>,
    /// Empty once it accepts no more.
    accepting: RefCell<Vec<AbortOnDrop<()>>>,
    crowd: Rc<Crowd>,
    token: CancelToken,
}

impl<A> ServerHandle<A> {
    pub(super) fn start<L, H, R>(
        listeners: Vec<L>,
        max_connections: Option<NonZeroUsize>,
        token: CancelToken,
        handler: H,
        location: &'static Location<'static>,
    ) -> Self
    where
        L: Listener<Addr = A>,
        H: AsyncFn(L::Stream, A, CancelToken) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        let crowd = Rc::new(Crowd::default());
        let service = Rc::new(Service {
            handler,
            crowd: Rc::clone(&crowd),
            token: token.clone(),
            permits: max_connections
                .map(|most| Rc::new(Semaphore::new(most.get().min(Semaphore::MAX_PERMITS)))),
            location,
        });
        // A listener whose address is not known, which no system of ours has, is served all the same.
        let addrs: Vec<A> = listeners.iter().filter_map(|listener| listener.addr().ok()).collect();
        let accept = |listener: L| {
            let addr = listener.addr().ok().and_then(|addr| L::text(&addr));
            let addr = addr.unwrap_or_else(|| "a listener".to_owned());
            let name = format!("server on {addr}");
            let accepting = accept_from(listener, addr, Rc::clone(&service));
            task::Builder::new().name(name).spawn_at(accepting, location).abort_on_drop()
        };
        let accepting = RefCell::new(listeners.into_iter().map(accept).collect());
        Self { addrs, accepting, crowd, token }
    }

    /// Returns the addresses the server is, or was, bound to.
    #[doc(alias = "sockets")]
    pub fn local_addrs(&self) -> &[A] {
        &self.addrs
    }

    /// Returns the token whose children the handlers have.
    pub fn token(&self) -> &CancelToken {
        &self.token
    }

    /// Returns how many connections are being served.
    pub fn connections(&self) -> usize {
        self.crowd.len()
    }

    /// Returns how the connections so far ended.
    pub fn endings(&self) -> Endings {
        self.crowd.endings()
    }

    /// Returns whether the server listens.
    #[doc(alias = "is_serving")]
    pub fn is_accepting(&self) -> bool {
        !self.accepting.borrow().is_empty()
    }

    /// Stops listening. Connections that were not accepted yet are reset; those being served go on.
    #[doc(alias = "close")]
    pub fn stop_accepting(&self) {
        let accepting = std::mem::take(&mut *self.accepting.borrow_mut());
        drop(accepting);
        self.crowd.tell();
    }

    /// Waits until the server neither listens nor serves anybody: after
    /// [`stop_accepting`](Self::stop_accepting), or for ever.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[doc(alias = "wait_closed")]
    pub async fn wait(&self) {
        self.crowd.until(|| !self.is_accepting() && self.connections() == 0).await;
    }

    /// Ends the server: stops listening at once, cancels the token of the handlers, gives them until `limit` to end by
    /// themselves, and drops those that are left. Says how those ended that were being served when it began.
    ///
    /// A handler that calls this itself waits for itself, until the limit, and is not in the report.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the server: all handlers that are left are dropped at once.
    pub async fn shutdown(self, limit: Duration) -> Endings {
        let before = self.crowd.endings();
        self.stop_accepting();
        self.token.cancel_with("the server shuts down");
        // Whether or not they made it: those that are left are aborted.
        let _in_time = timeout(limit, self.crowd.until(|| self.connections() == 0)).await;
        self.crowd.abort_all();
        self.crowd.endings() - before
    }
}

impl<A> Drop for ServerHandle<A> {
    fn drop(&mut self) {
        self.stop_accepting();
        self.token.cancel_with("the server was dropped");
        self.crowd.abort_all();
    }
}

impl<A: fmt::Debug> fmt::Debug for ServerHandle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("addrs", &self.addrs)
            .field("is_accepting", &self.is_accepting())
            .field("connections", &self.connections())
            .field("endings", &self.endings())
            .finish()
    }
}
