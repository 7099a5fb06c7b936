//! The columns of the table: each runs children as its library does.

use std::future::Future;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Column, Role};
use crate::scenarios::Kind;

const PROGRAM: &str = "true";

/// All columns.
pub fn columns() -> Vec<Column<Kind>> {
    vec![
        Column::new("monoloop", &["monoloop"], Role::Ours, ours),
        Column::new("tokio", &["tokio"], Role::Peer, tokio),
        Column::new("async-process", &["async-process"], Role::Peer, async_process),
        Column::new("std", &[], Role::Floor, std),
    ]
}

fn nanoseconds(duration: Duration) -> Option<f64> {
    Some(duration.as_nanos() as f64)
}

/// What the libraries agree in, but for their types and how they wait for a child.
macro_rules! children {
    ($kind:expr, $operations:expr, $command:ty, |$child:ident| $wait:expr) => {{
        let command = || {
            let mut command = <$command>::new(PROGRAM);
            command.stdin(Stdio::null());
            command
        };
        let start = Instant::now();
        match $kind {
            Kind::Status => {
                for _ in 0..$operations {
                    let mut $child = command().spawn().unwrap();
                    assert!($wait.unwrap().success());
                }
            }
            Kind::AtOnce(count) => {
                for _ in 0..$operations / count {
                    let children: Vec<_> = (0..count).map(|_| command().spawn().unwrap()).collect();
                    for mut $child in children {
                        assert!($wait.unwrap().success());
                    }
                }
            }
            Kind::Output => {
                for _ in 0..$operations {
                    let output = command().output().await.unwrap();
                    assert!(output.status.success() && output.stdout.is_empty());
                }
            }
        }
        start.elapsed()
    }};
}

fn ours(kind: Kind, operations: u64) -> Option<f64> {
    nanoseconds(monoloop::run(async {
        #[allow(unused_mut)] // the others want it
        {
            children!(kind, operations, monoloop::process::Command, |child| child.wait().await)
        }
    }))
}

fn tokio(kind: Kind, operations: u64) -> Option<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    nanoseconds(runtime.block_on(async {
        children!(kind, operations, tokio::process::Command, |child| child.wait().await)
    }))
}

fn async_process(kind: Kind, operations: u64) -> Option<f64> {
    fn block_on<F: Future>(future: F) -> F::Output {
        let executor = async_executor::LocalExecutor::new();
        async_io::block_on(executor.run(future))
    }
    nanoseconds(block_on(async {
        children!(kind, operations, async_process::Command, |child| child.status().await)
    }))
}

fn std(kind: Kind, operations: u64) -> Option<f64> {
    let command = || {
        let mut command = std::process::Command::new(PROGRAM);
        command.stdin(Stdio::null());
        command
    };
    let start = Instant::now();
    match kind {
        Kind::Status => (0..operations).for_each(|_| {
            assert!(command().status().unwrap().success());
        }),
        Kind::AtOnce(count) => (0..operations / count).for_each(|_| {
            let children: Vec<_> = (0..count).map(|_| command().spawn().unwrap()).collect();
            children.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
        }),
        Kind::Output => (0..operations).for_each(|_| {
            assert!(command().output().unwrap().status.success());
        }),
    }
    nanoseconds(start.elapsed())
}
