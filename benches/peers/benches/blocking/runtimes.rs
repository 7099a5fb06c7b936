//! The columns of the table: each measures with its own pool and its own files.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use crate::harness::{Column, Role, repeat};
use crate::scenarios::{FILE, Kind, PIECE, PIECES};

/// All columns.
pub fn columns() -> Vec<Column<Kind>> {
    vec![
        Column::new("monoloop", &["monoloop"], Role::Ours, ours),
        Column::new("tokio", &["tokio"], Role::Peer, tokio),
        Column::new("smol", &["blocking", "async-executor", "async-io"], Role::Peer, smol),
    ]
}

/// A file of the process's own, removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("monoloop-bench-{}", std::process::id()));
        std::fs::write(&path, vec![b'x'; FILE]).expect("a temporary file");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).expect("it is there");
    }
}

/// Hands over so many jobs and awaits them.
macro_rules! jobs {
    ($operations:expr, $count:expr, $spawn:expr) => {
        repeat($operations, $count, || async {
            if $count == 1 {
                black_box(&$spawn(|| 1_u64).await);
                return;
            }
            let jobs: Vec<_> = (0..$count).map(|n| $spawn(move || n)).collect();
            for job in jobs {
                black_box(&job.await);
            }
        })
        .await
    };
}

/// Reads a whole file, in pieces.
macro_rules! read {
    ($operations:expr, $open:expr) => {
        repeat($operations, PIECES, || async {
            let mut file = $open;
            let (mut piece, mut sum) = ([0; PIECE], 0);
            while sum < FILE {
                sum += file.read(&mut piece).await.expect("it can be read");
                black_box(&piece);
            }
        })
        .await
    };
}

/// Writes a whole file, in pieces.
macro_rules! write {
    ($operations:expr, $create:expr) => {
        repeat($operations, PIECES, || async {
            let mut file = $create;
            for _ in 0..PIECES {
                file.write_all(black_box(&[b'x'; PIECE])).await.expect("it can be written");
            }
            file.flush().await.expect("it can be written");
        })
        .await
    };
}

fn nanoseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

fn ours(kind: Kind, operations: u64) -> Option<f64> {
    use monoloop::fs::File;
    use monoloop::io::{AsyncReadExt, AsyncWriteExt};
    let scratch = Scratch::new();
    let path = &scratch.0;
    Some(nanoseconds(monoloop::run(async move {
        match kind {
            Kind::Jobs(count) => jobs!(operations, count, monoloop::spawn_blocking),
            Kind::Read => read!(operations, File::open(path).await.expect("it is there")),
            Kind::Write => write!(operations, File::create(path).await.expect("it is there")),
        }
    })))
}

fn tokio(kind: Kind, operations: u64) -> Option<f64> {
    use tokio::fs::File;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    let scratch = Scratch::new();
    let path = &scratch.0;
    Some(nanoseconds(runtime.block_on(async move {
        match kind {
            Kind::Jobs(count) => jobs!(operations, count, tokio::task::spawn_blocking),
            Kind::Read => read!(operations, File::open(path).await.expect("it is there")),
            Kind::Write => write!(operations, File::create(path).await.expect("it is there")),
        }
    })))
}

fn smol(kind: Kind, operations: u64) -> Option<f64> {
    use blocking::{Unblock, unblock};
    use futures_lite::io::{AsyncReadExt, AsyncWriteExt};
    let executor = async_executor::LocalExecutor::new();
    let scratch = Scratch::new();
    let (reading, writing) = (scratch.0.clone(), scratch.0.clone());
    let open = move || std::fs::File::open(&reading).expect("it is there");
    let create = move || std::fs::File::create(&writing).expect("it is there");
    Some(nanoseconds(async_io::block_on(executor.run(async move {
        match kind {
            Kind::Jobs(count) => jobs!(operations, count, unblock),
            Kind::Read => read!(operations, Unblock::new(unblock(open.clone()).await)),
            Kind::Write => write!(operations, Unblock::new(unblock(create.clone()).await)),
        }
    }))))
}
