//! The task that accepts from one listener.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::crowd::Crowd;
use super::listen::{HandlerOutput, Listener};
use crate::net::backoff::Backoff;
use crate::sync::{OwnedPermit, Semaphore};
use crate::task::{self, CancelToken, report_own, yield_now};
use crate::time::sleep;

/// So many connections are accepted in a row before other tasks get a turn.
const BURST: usize = 16;

/// The pauses while accepting fails, if it fails again each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the accepting tasks of a server share.
pub(super) struct Service<H> {
    pub(super) handler: H,
    pub(super) crowd: Rc<Crowd>,
    pub(super) token: CancelToken,
    /// `None`: any number at a time.
    pub(super) permits: Option<Rc<Semaphore>>,
    /// Where the server was started.
    pub(super) location: &'static Location<'static>,
}

/// Accepts from `listener` for ever.
pub(super) async fn accept_from<L, H, R>(listener: L, name: String, service: Rc<Service<H>>)
where
    L: Listener,
    H: AsyncFn(L::Stream, L::Addr, CancelToken) -> R + 'static,
    R: HandlerOutput + 'static,
{
    let mut trouble = Trouble::none();
    loop {
        match accept_burst(&listener, &service).await {
            Ok(()) => {
                trouble = Trouble::none();
                yield_now().await;
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => trouble.pause(&name, error).await,
        }
    }
}

/// Accepts what is there, up to a burst, after waiting for the first.
async fn accept_burst<L, H, R>(listener: &L, service: &Rc<Service<H>>) -> io::Result<()>
where
    L: Listener,
    H: AsyncFn(L::Stream, L::Addr, CancelToken) -> R + 'static,
    R: HandlerOutput + 'static,
{
    for _ in 0..BURST {
        listener.wait().await?;
        // Not before: who waits for a connection must not keep a permit from another listener.
        let permit = service.permit().await;
        match listener.accept_now() {
            Ok((stream, peer)) => service.serve::<L, R>(stream, peer, permit),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl<H> Service<H> {
    async fn permit(&self) -> Option<OwnedPermit> {
        match &self.permits {
            Some(permits) => permits.acquire_owned().await.ok(),
            None => None,
        }
    }

    /// Spawns the task that serves a connection.
    fn serve<L, R>(self: &Rc<Self>, stream: L::Stream, peer: L::Addr, permit: Option<OwnedPermit>)
    where
        L: Listener,
        H: AsyncFn(L::Stream, L::Addr, CancelToken) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        let member = self.crowd.admit();
        let (key, service) = (member.key(), Rc::clone(self));
        let name = match L::text(&peer) {
            Some(peer) => format!("connection from {peer}"),
            None => "connection".to_owned(),
        };
        let serving = async move {
            // Given back last, after the descriptor.
            let _permit = permit;
            let member = member;
            let token = service.token.child();
            let failure = (service.handler)(stream, peer, token).await.into_failure();
            member.end(failure.is_some());
            failure.into_iter().for_each(report_own);
        };
        let task = task::Builder::new().name(name).spawn_at(serving, self.location);
        self.crowd.set_task(key, task.abort_handle());
    }
}

/// Whether an error of accepting concerns one connection, which went away while it waited, and no other.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Accepting fails, and may go on to do so.
struct Trouble {
    backoff: Backoff,
    is_reported: bool,
}

impl Trouble {
    const fn none() -> Self {
        Self { backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), is_reported: false }
    }

    /// Reports the first error of a row, and pauses.
    async fn pause(&mut self, name: &str, error: io::Error) {
        if !std::mem::replace(&mut self.is_reported, true) {
            report_own(Box::new(AcceptError { listener: name.to_owned(), error }));
        }
        sleep(self.backoff.next()).await;
    }
}

/// A [`Server`](super::Server) cannot accept. Reported once to the loop's error hook
/// ([`ErrorReport::TaskFailed`](crate::ErrorReport)), however long that goes on; it tries again by itself.
#[derive(Debug)]
pub struct AcceptError {
    listener: String,
    error: io::Error,
}

impl AcceptError {
    /// Returns what the operating system said.
    pub fn io_error(&self) -> &io::Error {
        &self.error
    }
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot accept on {}: {}; trying again", self.listener, self.error)
    }
}

impl Error for AcceptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
