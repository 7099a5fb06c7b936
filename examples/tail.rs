//! Prints the end of a file, and what is added to it, until ctrl-c.
//!
//! It shows files: seeking, reading ahead by lines, and asking about a path; and standard output that is written beside the
//! loop. A file that is cut or replaced, as log files are, is read again from its start.
//!
//! ```text
//! cargo run --example tail -- -n 3 /tmp/log
//! ```
//!
//! In another terminal, `echo hello >> /tmp/log`, and see the line come. `mv /tmp/log /tmp/log.1; echo anew > /tmp/log` prints
//!
//! ```text
//! tail: /tmp/log was replaced
//! anew
//! ```

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use monoloop::fs::{self, File, Metadata};
use monoloop::io::*;
use monoloop::{EventLoop, OnCtrlC, time};

const USAGE: &str = "\
Prints the end of a file, and what is added to it.

Usage: tail [-n LINES] FILE
       tail --smoke

Options:
  -n LINES  begin with so many lines, at first (default: 10)
  --smoke   follow a file of its own, check what comes, and end
  --help    print this
";

const WRONG_USAGE: u8 = 2;

/// How often to look whether there is more.
const PAUSE: Duration = Duration::from_millis(100);

/// How much of the end is searched for the first lines.
const SEARCHED: u64 = 1024 * 1024;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["--help"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        ["--smoke"] => monoloop::run(smoke()),
        [path] if !path.starts_with('-') => follow_until_interrupted(path, 10),
        ["-n", lines, path] if lines.parse::<usize>().is_ok() => {
            follow_until_interrupted(path, lines.parse().unwrap_or(0))
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tail: {error}");
            ExitCode::FAILURE
        }
    }
}

fn follow_until_interrupted(path: &str, lines: usize) -> io::Result<()> {
    // There is nothing to clean up: no grace.
    let event_loop =
        EventLoop::builder().on_ctrl_c(OnCtrlC::Interrupt).grace(Duration::ZERO).build()?;
    match event_loop.run_interruptible(async { tail(path.into(), lines, &mut stdout()).await }) {
        Ok(outcome) => outcome,
        Err(_ctrl_c) => Ok(()),
    }
}

/// Writes the last lines of the file, and then what comes. Ends only by an error.
async fn tail<W: AsyncWrite + Unpin>(
    path: PathBuf,
    lines: usize,
    output: &mut W,
) -> io::Result<()> {
    let mut file = File::open(&path).await?;
    let mut position = start_of_last(&mut file, lines).await?;
    loop {
        position += copy_rest(&mut file, output).await?;
        time::sleep(PAUSE).await;
        let was_cut = file.metadata().await?.len() < position;
        if was_cut || is_replaced(&file, &path).await {
            // What was added before it was replaced.
            copy_rest(&mut file, output).await?;
            let what = if was_cut { "cut" } else { "replaced" };
            eprintln!("tail: {} was {what}", path.display());
            file = File::open(&path).await?;
            position = 0;
        }
    }
}

/// Goes to the start of the last lines, and gives where that is.
async fn start_of_last(file: &mut File, lines: usize) -> io::Result<u64> {
    let len = file.metadata().await?.len();
    let from = len.saturating_sub(SEARCHED);
    file.seek(SeekFrom::Start(from)).await?;
    let mut end = Vec::new();
    file.take(len - from).read_to_end(&mut end).await?;
    // The newline that ends the last line begins none.
    let text = end.strip_suffix(b"\n").unwrap_or(&end);
    let newlines = text.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let start = match lines {
        0 => end.len(),
        _ => newlines.map(|(index, _)| index + 1).nth(lines - 1).unwrap_or(0),
    };
    file.seek(SeekFrom::Start(from + start as u64)).await
}

/// Writes what is there and was not read yet; gives how much that is.
async fn copy_rest<W: AsyncWrite + Unpin>(file: &mut File, output: &mut W) -> io::Result<u64> {
    let copied = copy(file, &mut *output).await?;
    output.flush().await?;
    Ok(copied)
}

/// Whether the path is another file's by now. One that is missing may come back.
async fn is_replaced(file: &File, path: &Path) -> bool {
    match (file.metadata().await, fs::metadata(path).await) {
        (Ok(open), Ok(named)) => !is_same(&open, &named),
        _ => false,
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}

/// Follows a file that grows, is cut, and is replaced.
async fn smoke() -> io::Result<()> {
    let dir = fs::temp_dir().await?;
    let (path, copy) = (dir.path().join("log"), dir.path().join("copy"));
    fs::write(&path, "1\n2\n3\n").await?;
    let mut output = File::create(&copy).await?;
    let follower = monoloop::spawn({
        let path = path.clone();
        async move { tail(path, 2, &mut output).await }
    });
    await_text(&copy, "2\n3\n").await?;
    let mut log = fs::OpenOptions::new().append(true).open(&path).await?;
    log.write_all(b"4\n").await?;
    await_text(&copy, "2\n3\n4\n").await?;
    fs::write(&path, "5\n").await?;
    await_text(&copy, "2\n3\n4\n5\n").await?;
    fs::rename(&path, dir.path().join("log.1")).await?;
    fs::write(&path, "6\n").await?;
    await_text(&copy, "2\n3\n4\n5\n6\n").await?;
    follower.abort();
    println!("followed a file that grew, was cut, and was replaced");
    Ok(())
}

/// Waits until the file has this text.
async fn await_text(path: &Path, text: &str) -> io::Result<()> {
    let limit = Duration::from_secs(20);
    let is_there = async {
        while fs::read_to_string(path).await? != text {
            time::sleep(PAUSE / 10).await;
        }
        Ok(())
    };
    time::timeout(limit, is_there)
        .await
        .unwrap_or_else(|_| Err(io::Error::other(format!("the copy never was {text:?}"))))
}
