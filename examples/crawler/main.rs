//! A web crawler: HTTP/1.1 over [`monoloop::net::TcpStream`], many pages at a time, on one thread.
//!
//! It shows what a program on monoloop looks like: workers side by side that borrow what they share
//! (there is no `Arc`, no lock, and nothing needs to be `Send` or `'static`), a timeout around every
//! fetch that cancels it by dropping it, a progress line on an interval, and a server on the same loop.
//!
//! ```text
//! cargo run --release --example crawler
//! ```
//!
//! crawls a small site that the program itself serves on loopback, with slow pages, dead links,
//! redirects in a circle, and a page that never answers. It prints a progress line and each error as it
//! happens, and at the end a table like this one:
//!
//! ```text
//! pages                    303
//! bytes                1.2 MiB
//! redirects                  8
//! links elsewhere            2
//! errors                    22
//!   bad link                 1
//!   cut short                1
//!   not http                 1
//!   redirect loop            1
//!   status 404              12
//!   status 500               5
//!   timeout                  1
//! connections               64
//! answers                  329
//! time                   2.00s
//! requests a second        164
//! slowest pages
//!     400.6 ms  http://127.0.0.1:45191/page/60
//!     400.4 ms  http://127.0.0.1:45191/page/28
//!     400.3 ms  http://127.0.0.1:45191/page/124
//!     400.2 ms  http://127.0.0.1:45191/page/284
//!     400.2 ms  http://127.0.0.1:45191/page/252
//! ```
//!
//! To crawl another site, start one in another terminal, `python3 -m http.server 8000`, and name it:
//!
//! ```text
//! cargo run --release --example crawler http://127.0.0.1:8000/
//! ```
//!
//! `--help` lists the options. Start reading at `crawl.rs`.

mod args;
mod crawl;
mod error;
mod frontier;
mod html;
mod http;
mod report;
mod site;
mod url;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use monoloop::net::TcpListener;

use crate::args::Command;
use crate::crawl::{Settings, crawl};
use crate::report::Report;
use crate::site::Site;
use crate::url::Url;

const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let command = match args::parse(env::args_os().skip(1)) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("crawler: {message}\nTry --help.");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match monoloop::run(run(command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("crawler: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), String> {
    match command {
        Command::Help => print(args::USAGE),
        Command::Crawl(start, settings) => conclude(&crawl(&start, settings).await),
        Command::CrawlOwnSite(settings) => {
            let site = Rc::new(Site::new(300, Duration::from_millis(400)));
            conclude(&crawl_own(&site, settings).await?)
        }
        Command::Smoke(settings) => {
            let site = Rc::new(Site::new(60, Duration::from_millis(40)));
            let report = crawl_own(&site, settings).await?;
            conclude(&report)?;
            site.check(&report).map_err(|difference| format!("the result is wrong\n{difference}"))
        }
    }
}

/// Serves a site on this very loop, and crawls it.
async fn crawl_own(site: &Rc<Site>, settings: Settings) -> Result<Report, String> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(|error| format!("cannot listen: {error}"))?;
    let address = listener.local_addr().map_err(|error| format!("cannot listen: {error}"))?;
    let start = Url::parse(&format!("http://{address}/")).map_err(|error| error.to_string())?;

    let server = monoloop::spawn(Rc::clone(site).serve(listener));
    let report = crawl(&[start], settings).await;
    server.abort();
    Ok(report)
}

/// Prints the table. Having fetched nothing is a failure.
fn conclude(report: &Report) -> Result<(), String> {
    print(&report.to_string())?;
    match report.pages() {
        0 => Err("nothing could be fetched".to_owned()),
        _ => Ok(()),
    }
}

fn print(text: &str) -> Result<(), String> {
    let mut stdout = io::stdout();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| format!("cannot print: {error}"))
}
