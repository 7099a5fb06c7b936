//! The command line.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use crate::crawl::Settings;
use crate::url::Url;

pub(crate) const USAGE: &str = "\
Crawls web sites, each within its own host, and says what it found.

Usage: crawler [OPTIONS] [http://HOST:PORT/]...

Without an address it crawls a small site of its own, served on loopback.

Options:
  --concurrency N    fetch N pages at a time (default 32)
  --timeout SECONDS  give up on a page after so long (default 10; 2 for the own site)
  --max-pages N      visit N addresses at most (default 10000)
  --max-body BYTES   accept so many bytes of a page (default 4194304)
  --smoke            crawl a smaller site of its own, and check the result
  --help             print this

The exit status is 0 if a page was fetched, 1 if none was, and 2 if the command
line is wrong.
";

const MAX_CONCURRENCY: usize = 10_000;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Crawl(Vec<Url>, Settings),
    /// Crawl the built-in site.
    CrawlOwnSite(Settings),
    /// Crawl the small built-in site, and check the result.
    Smoke(Settings),
}

/// Reads the command line. The error is a message for its author.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut start = Vec::new();
    let mut smoke = false;
    let mut timeout = None;
    let mut settings = Settings {
        concurrency: 32,
        timeout: Duration::ZERO,
        max_pages: 10_000,
        max_body: 4 * 1024 * 1024,
    };

    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let arg = utf8(arg)?;
        // Both `--timeout 2` and `--timeout=2`.
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (arg.as_str(), None),
        };
        let mut value = || match inline.clone() {
            Some(value) => Ok(value),
            None => utf8(args.next().ok_or_else(|| format!("{name} wants a value"))?),
        };
        match name {
            "--help" | "-h" => return Ok(Command::Help),
            "--smoke" => smoke = true,
            "--concurrency" => settings.concurrency = count(name, &value()?, MAX_CONCURRENCY)?,
            "--max-pages" => settings.max_pages = count(name, &value()?, usize::MAX)?,
            "--max-body" => settings.max_body = count(name, &value()?, usize::MAX)?,
            "--timeout" => timeout = Some(seconds(name, &value()?)?),
            _ if name.starts_with('-') => return Err(format!("there is no option {name:?}")),
            _ => start.push(Url::parse(&arg).map_err(|error| format!("{arg:?}: {error}"))?),
        }
    }

    let is_own_site = start.is_empty();
    let default_timeout = match (is_own_site, smoke) {
        (_, true) => Duration::from_millis(800),
        (true, _) => Duration::from_secs(2),
        _ => Duration::from_secs(10),
    };
    settings.timeout = timeout.unwrap_or(default_timeout);
    match (is_own_site, smoke) {
        (true, true) => Ok(Command::Smoke(settings)),
        (true, false) => Ok(Command::CrawlOwnSite(settings)),
        (false, false) => Ok(Command::Crawl(start, settings)),
        (false, true) => Err("--smoke crawls its own site, and takes no address".to_owned()),
    }
}

fn utf8(arg: OsString) -> Result<String, String> {
    arg.into_string().map_err(|arg| format!("{arg:?} is not valid UTF-8"))
}

fn count(name: &str, value: &str, max: usize) -> Result<usize, String> {
    match usize::from_str(value) {
        Ok(count) if (1..=max).contains(&count) => Ok(count),
        _ if max == usize::MAX => Err(format!("{name} wants a number from 1, not {value:?}")),
        _ => Err(format!("{name} wants a number from 1 to {max}, not {value:?}")),
    }
}

fn seconds(name: &str, value: &str) -> Result<Duration, String> {
    let seconds =
        f64::from_str(value).ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match seconds {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(format!("{name} wants a number of seconds above 0, not {value:?}")),
    }
}
