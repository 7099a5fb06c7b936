//! Shows what is added to files, line by line, as it is added: `tail -f`.
//!
//! It shows a stream made of something that is none (a file that grows), [`StreamReader`] for whole lines out of whatever
//! pieces come, several such streams at once, and standard input, which a thread reads.
//!
//! ```text
//! cargo run --example tail notes.txt other.txt
//! ```
//!
//! In another terminal, `echo hello >> notes.txt`; it prints
//!
//! ```text
//! notes.txt: hello
//! ```
//!
//! A file that becomes shorter is read from its beginning. Without arguments it shows what comes on standard input.
//! Ctrl-c ends it. With `--smoke` it makes a file, follows it while it grows, and ends.

use std::env;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use monoloop::io::{AsyncRead, StreamReader};
use monoloop::sync::remote::channel::bounded;
use monoloop::task::JoinSet;
use monoloop::time::{self, Sleep};

/// How long to wait before a file is looked at again.
const PAUSE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--smoke"] => monoloop::run(smoke()),
        [] => monoloop::run(show_stdin()),
        _ => monoloop::run(follow_all(args)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tail: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Follows files until one of them cannot be read.
async fn follow_all(paths: Vec<String>) -> io::Result<()> {
    let mut files = JoinSet::new();
    for path in paths {
        let growing = Growing::at_end(Path::new(&path))
            .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
        files.spawn(async move { follow(growing, &path).await });
    }
    while let Some(end) = files.join_next().await {
        end.map_err(io::Error::other)??;
    }
    Ok(())
}

async fn follow(growing: Growing, name: &str) -> io::Result<()> {
    let mut reader = StreamReader::new(growing);
    loop {
        let line = reader.read_line().await?;
        println!("{name}: {}", String::from_utf8_lossy(&line).trim_end());
    }
}

/// A file whose end is not the end: more may come.
///
/// Reading it holds up the loop for as long as the disk takes. For what was just written, that is next to nothing.
struct Growing {
    file: File,
    /// Runs while there was nothing more to read.
    pause: Option<Sleep>,
}

impl Growing {
    /// What is in the file already is passed over.
    fn at_end(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, pause: None })
    }

    /// A file that became shorter begins anew.
    fn look_at_length(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() < self.file.stream_position()? {
            self.file.rewind()?;
        }
        Ok(())
    }
}

impl AsyncRead for Growing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(Pin::new(pause).poll(cx));
                self.pause = None;
                self.look_at_length()?;
            }
            match self.file.read(buffer)? {
                0 => self.pause = Some(time::sleep(PAUSE)),
                count => return Poll::Ready(Ok(count)),
            }
        }
    }
}

/// Shows standard input, which only a thread can wait for: it may be a file or a terminal that others use.
async fn show_stdin() -> io::Result<()> {
    let (sender, mut receiver) = bounded(16);
    thread::spawn(move || {
        for line in io::stdin().lines() {
            // Nobody listens any more: the program is ending.
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = receiver.recv().await {
        println!("{}", line?);
    }
    Ok(())
}

/// A file that is gone when this is.
struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // It is in a folder for such files.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn smoke() -> io::Result<()> {
    let path = env::temp_dir().join(format!("monoloop-tail-{}", std::process::id()));
    std::fs::write(&path, "was there before\n")?;
    let temporary = TemporaryFile(path);
    let mut reader = StreamReader::new(Growing::at_end(&temporary.0)?);

    let path = temporary.0.clone();
    let writing = monoloop::spawn(async move {
        let mut file = File::options().append(true).open(&path)?;
        // In pieces that are no lines.
        for piece in ["one\ntw", "o\nthr", "ee\n"] {
            file.write_all(piece.as_bytes())?;
            time::sleep(PAUSE).await;
        }
        file.set_len(0)?;
        time::sleep(2 * PAUSE).await;
        file.write_all(b"anew\n")
    });
    for expected in ["one", "two", "three", "anew"] {
        let line = reader.next_line().await?;
        println!("{}", line.as_deref().unwrap_or("(the end)"));
        if line.as_deref() != Some(expected) {
            return Err(io::Error::other(format!("{line:?} came instead of {expected:?}")));
        }
    }
    writing.await.map_err(io::Error::other)?
}
