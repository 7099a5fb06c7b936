//! The crawl: a pool of workers, each a future that fetches one page after the other.
//!
//! They borrow what they share: `gather` polls them in place, each when it was woken, so they need not be `'static`. A bug that
//! makes one of them panic ends the crawl.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use monoloop::future::gather;
use monoloop::net::lookup_host;
use monoloop::{select, time};

use crate::error::{FetchError, quote};
use crate::frontier::{Frontier, Visit};
use crate::html::{self, Link};
use crate::http::{Connection, Response};
use crate::report::Report;
use crate::url::{Url, UrlError};

/// How to crawl.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How many pages are fetched at a time.
    pub(crate) concurrency: usize,
    /// How long fetching one page may take, from the first packet to the last.
    pub(crate) timeout: Duration,
    /// How many addresses are visited at most.
    pub(crate) max_pages: usize,
    /// How many bytes of one page are accepted.
    pub(crate) max_body: usize,
}

/// Crawls the sites of the start pages, each within its own host, and returns what there was.
pub(crate) async fn crawl(start: &[Url], settings: Settings) -> Report {
    let resolved = gather(start.iter().map(resolve)).await;
    let crawl = Crawl {
        frontier: Frontier::new(settings.max_pages),
        addresses: start.iter().map(Url::authority).zip(resolved).collect(),
        report: RefCell::new(Report::new()),
        settings,
    };
    start.iter().for_each(|url| crawl.frontier.add_start(url.clone()));

    let workers = (0..crawl.settings.concurrency).map(|_| Worker::new(&crawl).run());
    select! {
        _ = gather(workers) => {}
        // Dropped when the workers are done.
        never = show_progress(&crawl) => match never {},
    }

    let mut report = crawl.report.borrow().clone();
    if crawl.frontier.is_full() {
        report.truncated();
    }
    report.finish();
    report
}

/// Looks up the addresses of a host.
async fn resolve(url: &Url) -> io::Result<Vec<SocketAddr>> {
    lookup_host((url.host(), url.port())).await
}

async fn show_progress(crawl: &Crawl) -> Infallible {
    let period = crawl.report.borrow().progress_period();
    let mut interval = time::interval_at(time::now() + period, period);
    loop {
        interval.tick().await;
        crawl.report.borrow().progress(crawl.frontier.pending());
    }
}

/// What the workers share.
struct Crawl {
    settings: Settings,
    frontier: Rc<Frontier>,
    /// The addresses of each site, by its host and port.
    addresses: HashMap<String, io::Result<Vec<SocketAddr>>>,
    report: RefCell<Report>,
}

/// Fetches pages, one at a time.
struct Worker<'a> {
    crawl: &'a Crawl,
    /// The connection of the last page, if the server keeps it open.
    idle: Option<Connection>,
}

impl<'a> Worker<'a> {
    fn new(crawl: &'a Crawl) -> Self {
        Self { crawl, idle: None }
    }

    async fn run(mut self) {
        let crawl = self.crawl;
        while let Some(job) = crawl.frontier.next().await {
            let started = time::now();
            let limit = crawl.settings.timeout;
            let outcome = match time::timeout(limit, self.fetch(&job.visit.url)).await {
                Ok(Ok(response)) => crawl.take_in(&job.visit, &response, time::now() - started),
                Ok(Err(error)) => Err(error),
                Err(_elapsed) => Err(FetchError::Timeout(limit)),
            };
            if let Err(error) = outcome {
                crawl.report.borrow_mut().error(&job.visit, &error);
            }
        }
    }

    /// Fetches a page, over the open connection if there is one.
    ///
    /// The connection is out of `self.idle` while it is in use. So when the timeout drops this future
    /// half-way, the connection goes with it, and no late answer can be taken for the next page.
    async fn fetch(&mut self, url: &Url) -> Result<Response, FetchError> {
        if let Some(connection) = self.idle.take().filter(|idle| idle.is_ready_for(url)) {
            match self.fetch_over(connection, url).await {
                // The server closed the idle connection, as it may at any time. Ask again on a new one.
                Err(FetchError::NoAnswer(_)) => {}
                answer => return answer,
            }
        }
        let connection = Connection::open(url, self.crawl.addresses_of(url)?).await?;
        self.crawl.report.borrow_mut().connected();
        self.fetch_over(connection, url).await
    }

    async fn fetch_over(
        &mut self,
        mut connection: Connection,
        url: &Url,
    ) -> Result<Response, FetchError> {
        let response = connection.get(url, self.crawl.settings.max_body).await?;
        self.crawl.report.borrow_mut().answered(&response);
        self.idle = Some(connection);
        Ok(response)
    }
}

impl Crawl {
    fn addresses_of(&self, url: &Url) -> Result<&[SocketAddr], FetchError> {
        match self.addresses.get(&url.authority()) {
            Some(Ok(addresses)) => Ok(addresses),
            Some(Err(error)) => Err(FetchError::Resolve(error.to_string())),
            None => unreachable!("links are followed within the hosts of the start pages"),
        }
    }

    /// Judges a complete answer, and follows where it leads.
    fn take_in(
        &self,
        visit: &Visit,
        response: &Response,
        took: Duration,
    ) -> Result<(), FetchError> {
        match (response.status, &response.location) {
            (200..=299, _) => {
                self.report.borrow_mut().page(&visit.url, took);
                if response.is_html {
                    self.follow_links(visit, &String::from_utf8_lossy(&response.body));
                }
                Ok(())
            }
            (301 | 302 | 303 | 307 | 308, Some(location)) => self.follow_redirect(visit, location),
            (status, _) => Err(FetchError::Status(status)),
        }
    }

    fn follow_redirect(&self, visit: &Visit, location: &str) -> Result<(), FetchError> {
        let target = visit.url.join(location);
        let target =
            target.map_err(|error| FetchError::BadRedirect(quote(location.as_bytes()), error))?;
        if visit.url.same_site(&target) {
            self.frontier.add_redirect(visit, target)?;
        } else {
            self.report.borrow_mut().link_elsewhere();
        }
        self.report.borrow_mut().redirect();
        Ok(())
    }

    fn follow_links(&self, visit: &Visit, page: &str) {
        let mut base = Url::clone(&visit.url);
        let mut bad_links = 0;
        let mut first_bad = None;
        for link in html::links(page) {
            let (Link::To(text) | Link::Base(text)) = &link;
            match (base.join(text), &link) {
                (Ok(url), Link::Base(_)) => base = url,
                (Ok(url), Link::To(_)) if url.same_site(&visit.url) => {
                    self.frontier.add_link(visit, url)
                }
                (Ok(_) | Err(UrlError::Scheme(_)), _) => self.report.borrow_mut().link_elsewhere(),
                (Err(error), _) => {
                    bad_links += 1;
                    first_bad.get_or_insert_with(|| (text.to_string(), error));
                }
            }
        }
        if let Some((first, error)) = first_bad {
            self.report.borrow_mut().bad_links(&visit.url, bad_links, &first, &error);
        }
    }
}
