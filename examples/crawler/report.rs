//! What the crawl tells its user: a progress line and errors on stderr, a table on stdout.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use monoloop::time;

use crate::error::{FetchError, quote};
use crate::frontier::Visit;
use crate::http::Response;
use crate::url::{Url, UrlError};

/// How many of the slowest pages the table names.
const SLOWEST: usize = 5;

/// The kind under which links that are no addresses are counted.
pub(crate) const BAD_LINK: &str = "bad link";

/// Takes the cursor to the start of the line, and clears it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Collects what happened, and says so.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    started: Instant,
    elapsed: Duration,
    /// Whether stderr is a terminal, on which the progress line is overwritten in place.
    on_terminal: bool,
    requests: usize,
    connections: usize,
    pages: usize,
    bytes: u64,
    redirects: usize,
    /// Links that lead to other hosts, or to what is not a web page.
    elsewhere: usize,
    errors: BTreeMap<String, usize>,
    /// Slowest first.
    slowest: Vec<(Duration, Rc<Url>)>,
    is_truncated: bool,
}

impl Report {
    /// Starts the clock.
    pub(crate) fn new() -> Report {
        Report {
            started: time::now(),
            elapsed: Duration::ZERO,
            on_terminal: io::stderr().is_terminal(),
            requests: 0,
            connections: 0,
            pages: 0,
            bytes: 0,
            redirects: 0,
            elsewhere: 0,
            errors: BTreeMap::new(),
            slowest: Vec::new(),
            is_truncated: false,
        }
    }

    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    pub(crate) fn redirects(&self) -> usize {
        self.redirects
    }

    /// How many errors of each kind there were.
    pub(crate) fn errors(&self) -> &BTreeMap<String, usize> {
        &self.errors
    }

    /// How often the progress line should be renewed.
    pub(crate) fn progress_period(&self) -> Duration {
        if self.on_terminal { Duration::from_millis(100) } else { Duration::from_secs(1) }
    }

    pub(crate) fn connected(&mut self) {
        self.connections += 1;
    }

    pub(crate) fn answered(&mut self, response: &Response) {
        self.requests += 1;
        self.bytes += response.body.len() as u64;
    }

    pub(crate) fn page(&mut self, url: &Rc<Url>, took: Duration) {
        self.pages += 1;
        let rank = self.slowest.partition_point(|&(slower, _)| slower >= took);
        if rank < SLOWEST {
            self.slowest.insert(rank, (took, Rc::clone(url)));
            self.slowest.truncate(SLOWEST);
        }
    }

    pub(crate) fn redirect(&mut self) {
        self.redirects += 1;
    }

    pub(crate) fn link_elsewhere(&mut self) {
        self.elsewhere += 1;
    }

    pub(crate) fn truncated(&mut self) {
        self.is_truncated = true;
    }

    pub(crate) fn error(&mut self, visit: &Visit, error: &FetchError) {
        self.count(error.kind().into_owned(), 1);
        match &visit.from {
            Some(from) => self.say(format_args!("{}: {error} (from {from})", visit.url)),
            None => self.say(format_args!("{}: {error}", visit.url)),
        }
    }

    /// Reports the links of a page that are no addresses: how many, and the first of them.
    pub(crate) fn bad_links(&mut self, page: &Url, count: usize, first: &str, error: &UrlError) {
        self.count(BAD_LINK.to_owned(), count);
        let first = quote(first.as_bytes());
        match count {
            1 => self.say(format_args!("{page}: bad link {first}: {error}")),
            _ => self.say(format_args!("{page}: {count} bad links, the first is {first}: {error}")),
        }
    }

    /// Renews the progress line.
    pub(crate) fn progress(&self, pending: usize) {
        let line = format!(
            "{:.1} s: {} pages, {} errors, {pending} pending, {}",
            (time::now() - self.started).as_secs_f64(),
            self.pages,
            self.errors.values().sum::<usize>(),
            Bytes(self.bytes),
        );
        let (before, after) = if self.on_terminal { (CLEAR_LINE, "") } else { ("", "\n") };
        // Nobody can be told that stderr is gone.
        let _ = write!(io::stderr(), "{before}{line}{after}");
    }

    /// Stops the clock, and takes the progress line away.
    pub(crate) fn finish(&mut self) {
        self.elapsed = time::now() - self.started;
        if self.on_terminal {
            let _ = write!(io::stderr(), "{CLEAR_LINE}");
        }
    }

    fn count(&mut self, kind: String, count: usize) {
        *self.errors.entry(kind).or_default() += count;
    }

    /// Writes a line to stderr, in place of the progress line.
    fn say(&self, message: fmt::Arguments<'_>) {
        let clear = if self.on_terminal { CLEAR_LINE } else { "" };
        let _ = writeln!(io::stderr(), "{clear}{message}");
    }
}

/// The table.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        writeln!(f, "{:<18}{:>10}", "pages", self.pages)?;
        writeln!(f, "{:<18}{:>10}", "bytes", Bytes(self.bytes).to_string())?;
        writeln!(f, "{:<18}{:>10}", "redirects", self.redirects)?;
        writeln!(f, "{:<18}{:>10}", "links elsewhere", self.elsewhere)?;
        writeln!(f, "{:<18}{:>10}", "errors", self.errors.values().sum::<usize>())?;
        for (kind, count) in &self.errors {
            writeln!(f, "  {kind:<16}{count:>10}")?;
        }
        writeln!(f, "{:<18}{:>10}", "connections", self.connections)?;
        writeln!(f, "{:<18}{:>10}", "answers", self.requests)?;
        writeln!(f, "{:<18}{seconds:>9.2}s", "time")?;
        writeln!(
            f,
            "{:<18}{:>10.0}",
            "requests a second",
            self.requests as f64 / seconds.max(f64::MIN_POSITIVE)
        )?;
        if self.is_truncated {
            writeln!(f, "stopped at --max-pages: some links were not followed")?;
        }
        if !self.slowest.is_empty() {
            writeln!(f, "slowest pages")?;
        }
        for (took, url) in &self.slowest {
            writeln!(f, "  {:>7.1} ms  {url}", took.as_secs_f64() * 1000.0)?;
        }
        Ok(())
    }
}

/// A number of bytes, for people.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KIB: f64 = 1024.0;
        match self.0 as f64 {
            bytes if bytes < KIB => write!(f, "{bytes} B"),
            bytes if bytes < KIB * KIB => write!(f, "{:.1} KiB", bytes / KIB),
            bytes => write!(f, "{:.1} MiB", bytes / KIB / KIB),
        }
    }
}
