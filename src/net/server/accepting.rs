//! The task that accepts from one listener.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::crowd::Crowd;
use super::listen::{HandlerOutput, Listener};
use crate::net::backoff::Backoff;
use crate::sync::{OwnedPermit, Semaphore};
use crate::task::{self, CancelToken, report_own, yield_now};
use crate::time::{now, sleep};

/// So many connections are accepted in a row before other tasks get a turn.
const BURST: usize = 16;

/// The pauses while accepting fails, if it fails again each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Trouble that was longer ago is another one.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

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
            Ok(()) => yield_now().await,
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

/// Accepting fails, and may go on to do so. Successes in between do not end that: a server at the limit of its
/// descriptors fails as often as one of them becomes free.
struct Trouble {
    backoff: Backoff,
    /// When it failed last.
    last: Option<Instant>,
}

impl Trouble {
    const fn none() -> Self {
        Self { backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), last: None }
    }

    /// Pauses; before that, reports the first error, and the first after a while without one.
    async fn pause(&mut self, name: &str, error: io::Error) {
        let now = now();
        if self.last.is_none_or(|last| now - last > FORGOTTEN_AFTER) {
            *self = Self::none();
            report_own(Box::new(AcceptError { listener: name.to_owned(), error }));
        }
        self.last = Some(now);
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

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;

    use super::*;
    use crate::net::server::listen::Accept;
    use crate::{EventLoop, spawn, time};

    /// Says what it was told to, one after the other; then nothing more comes.
    struct Scripted {
        script: RefCell<VecDeque<Result<u32, io::Error>>>,
        attempts: Rc<Cell<u32>>,
    }

    impl Accept for Scripted {
        async fn wait(&self) -> io::Result<()> {
            let is_over = self.script.borrow().is_empty();
            match is_over {
                true => std::future::pending().await,
                false => Ok(()),
            }
        }
    }

    impl Listener for Scripted {
        type Stream = u32;
        type Addr = ();

        fn addr(&self) -> io::Result<()> {
            Ok(())
        }

        fn accept_now(&self) -> io::Result<(u32, ())> {
            self.attempts.set(self.attempts.get() + 1);
            let said = self.script.borrow_mut().pop_front();
            said.unwrap_or(Err(io::ErrorKind::WouldBlock.into())).map(|stream| (stream, ()))
        }

        fn text((): &()) -> Option<String> {
            None
        }
    }

    /// Runs `script`; gives who was served, what was reported, and how long it took.
    fn run(script: Vec<Result<u32, io::Error>>) -> (Vec<u32>, Vec<String>, Duration) {
        let (reports, served) = (Rc::new(RefCell::default()), Rc::new(RefCell::default()));
        let noted: Rc<RefCell<Vec<String>>> = Rc::clone(&reports);
        let event_loop = EventLoop::builder()
            .virtual_time(true)
            .on_error(move |report| noted.borrow_mut().push(report.message().into_owned()))
            .build()
            .unwrap();
        let took = event_loop.run(async {
            let (attempts, length) = (Rc::new(Cell::new(0)), script.len());
            let seen: Rc<RefCell<Vec<u32>>> = Rc::clone(&served);
            let listener =
                Scripted { script: RefCell::new(script.into()), attempts: Rc::clone(&attempts) };
            let service = Rc::new(Service {
                handler: async move |stream, (), _| seen.borrow_mut().push(stream),
                crowd: Rc::default(),
                token: CancelToken::new(),
                permits: None,
                location: Location::caller(),
            });
            let begin = time::now();
            let accepting = accept_from(listener, "x".to_owned(), service);
            let accepting = spawn(accepting).abort_on_drop();
            while (attempts.get() as usize) < length {
                sleep(Duration::from_millis(1)).await;
            }
            let took = time::now() - begin;
            yield_now().await;
            drop(accepting);
            took
        });
        (served.take(), reports.take(), took)
    }

    #[cfg(unix)]
    #[test]
    fn no_error_ends_it_whichever_comes_first() {
        use rustix::io::Errno;

        let all = [
            Errno::CONNABORTED,
            Errno::CONNRESET,
            Errno::INTR,
            Errno::AGAIN,
            Errno::PROTO,
            Errno::PERM,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
            Errno::NETDOWN,
        ];
        for errno in all {
            for before in 0..3 {
                let error = || Err(io::Error::from_raw_os_error(errno.raw_os_error()));
                let mut script: Vec<_> = (0..before).map(Ok).collect();
                script.extend([error(), Ok(7), Ok(8)]);
                let expected: Vec<u32> = (0..before).chain([7, 8]).collect();
                let (served, reports, _) = run(script);
                assert_eq!(served, expected, "{errno:?}");
                assert!(reports.len() <= 1, "{reports:?}");
            }
        }
    }

    #[test]
    fn connections_that_went_away_are_neither_reported_nor_waited_for() {
        let gone = || Err(io::ErrorKind::ConnectionAborted.into());
        let (served, reports, took) = run(vec![gone(), Ok(1), gone(), gone(), Ok(2)]);
        assert_eq!((served, reports.len()), (vec![1, 2], 0));
        assert!(took <= Duration::from_millis(1), "{took:?}");
    }

    #[test]
    fn pauses_grow_to_a_second_and_one_report_is_enough() {
        let fails = || Err(io::Error::other("no"));
        // 100, 200, 400, 800 ms, and then a second each.
        let mut script: Vec<_> = (0..7).map(|_| fails()).collect();
        script.push(Ok(1));
        let (served, reports, took) = run(script);
        assert_eq!((served, reports.len()), (vec![1], 1));
        assert_eq!(reports[0], "cannot accept on x: no; trying again");
        let expected = Duration::from_millis(4500);
        assert!((expected..expected + Duration::from_millis(2)).contains(&took), "{took:?}");

        // Now and then a descriptor is free: no news.
        let (served, reports, _) = run(vec![fails(), Ok(1), fails(), Ok(2), Ok(3), fails()]);
        assert_eq!((served, reports.len()), (vec![1, 2, 3], 1));
    }
}
