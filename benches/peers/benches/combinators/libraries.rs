//! The columns of the table: each measures what its library has.

use std::cell::Cell;
use std::future::ready;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::harness::{Column, Role, repeat};
use crate::scenarios::{Kind, Sometimes, child, fallible};

/// All columns.
pub fn columns() -> Vec<Column<Kind>> {
    vec![
        Column::new("monoloop", &["monoloop"], Role::Ours, ours),
        Column::new("futures", &["futures"], Role::Peer, futures),
        Column::new("futures-concurrency", &["futures-concurrency"], Role::Peer, concurrency),
        Column::new("tokio", &["tokio"], Role::Peer, tokio),
    ]
}

/// Selects in a loop, so many rounds.
macro_rules! select_rounds {
    ($operations:expr, |$a:ident, $b:ident| $select:expr) => {{
        let (mut $a, mut $b) = (Sometimes::new(true), Sometimes::new(false));
        let start = Instant::now();
        let mut sum = 0;
        for _ in 0..$operations {
            sum += $select;
        }
        black_box(sum);
        start.elapsed()
    }};
}

fn nanoseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

fn ours(kind: Kind, operations: u64) -> Option<f64> {
    use monoloop::future::{as_completed, gather};
    use monoloop::task::{JoinSet, group, scope};
    let time = monoloop::run(async move {
        Some(match kind {
            Kind::Gather(count) => {
                repeat(operations, count, || async {
                    black_box(gather((0..count).map(child)).await);
                })
                .await
            }
            Kind::AsCompleted(count) => {
                repeat(operations, count, || async {
                    let mut set = as_completed((0..count).map(child));
                    while let Some(output) = set.next().await {
                        black_box(output);
                    }
                })
                .await
            }
            Kind::Join => {
                repeat(operations, 1, || async {
                    black_box(monoloop::join!(child(1), child(2)));
                })
                .await
            }
            Kind::Select => select_rounds!(operations, |a, b| monoloop::select! {
                n = a.ready() => n,
                n = b.ready() => n + 1,
            }),
            Kind::Scope(count) => {
                repeat(operations, count, || async {
                    let sum = Cell::new(0);
                    scope(async |s| {
                        for number in 0..count {
                            let sum = &sum;
                            s.spawn(async move { sum.set(sum.get() + child(number).await) });
                        }
                    })
                    .await;
                    black_box(sum.get());
                })
                .await
            }
            Kind::JoinSet(count) => {
                repeat(operations, count, || async {
                    let mut set = JoinSet::new();
                    for number in 0..count {
                        set.spawn(child(number));
                    }
                    while let Some(output) = set.join_next().await {
                        let _ = black_box(output);
                    }
                })
                .await
            }
            Kind::Group(count) => {
                repeat(operations, count, || async {
                    let outcome = group(async |group| {
                        for number in 0..count {
                            group.spawn(fallible(number));
                        }
                        Ok(())
                    });
                    let _ = black_box(outcome.await);
                })
                .await
            }
            Kind::Timeout => {
                repeat(operations, 1, || async {
                    let limit = Duration::from_secs(1);
                    let _ = black_box(monoloop::time::timeout(limit, ready(1)).await);
                })
                .await
            }
        })
    });
    time.map(nanoseconds)
}

fn futures(kind: Kind, operations: u64) -> Option<f64> {
    use futures::StreamExt;
    use futures::stream::FuturesUnordered;
    let time = monoloop::run(async move {
        Some(match kind {
            Kind::Gather(count) => {
                repeat(operations, count, || async {
                    black_box(futures::future::join_all((0..count).map(child)).await);
                })
                .await
            }
            Kind::AsCompleted(count) => {
                repeat(operations, count, || async {
                    let mut set: FuturesUnordered<_> = (0..count).map(child).collect();
                    while let Some(output) = set.next().await {
                        black_box(output);
                    }
                })
                .await
            }
            Kind::Join => {
                repeat(operations, 1, || async {
                    black_box(futures::join!(child(1), child(2)));
                })
                .await
            }
            Kind::Select => {
                use futures::FutureExt;
                select_rounds!(operations, |a, b| futures::select! {
                    n = a.ready().fuse() => n,
                    n = b.ready().fuse() => n + 1,
                })
            }
            Kind::Scope(_) | Kind::JoinSet(_) | Kind::Group(_) | Kind::Timeout => return None,
        })
    });
    time.map(nanoseconds)
}

fn concurrency(kind: Kind, operations: u64) -> Option<f64> {
    use futures_concurrency::future::Join;
    let time = monoloop::run(async move {
        Some(match kind {
            Kind::Gather(count) => {
                repeat(operations, count, || async {
                    let children: Vec<_> = (0..count).map(child).collect();
                    black_box(children.join().await);
                })
                .await
            }
            Kind::AsCompleted(count) => {
                use futures::StreamExt;
                repeat(operations, count, || async {
                    let group: futures_concurrency::future::FutureGroup<_> =
                        (0..count).map(|n| Box::pin(child(n))).collect();
                    let mut group = std::pin::pin!(group);
                    while let Some(output) = group.next().await {
                        black_box(output);
                    }
                })
                .await
            }
            Kind::Join => {
                repeat(operations, 1, || async {
                    black_box((child(1), child(2)).join().await);
                })
                .await
            }
            _ => return None,
        })
    });
    time.map(nanoseconds)
}

fn tokio(kind: Kind, operations: u64) -> Option<f64> {
    use tokio::task::{JoinSet, LocalSet};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok()?;
    let spawned = |count| async move {
        let mut set = JoinSet::new();
        for number in 0..count {
            set.spawn_local(child(number));
        }
        while let Some(output) = set.join_next().await {
            let _ = black_box(output);
        }
    };
    let time = LocalSet::new().block_on(&runtime, async move {
        Some(match kind {
            Kind::Gather(count)
            | Kind::AsCompleted(count)
            | Kind::Scope(count)
            | Kind::JoinSet(count) => repeat(operations, count, || spawned(count)).await,
            // A set that the first error would end.
            Kind::Group(count) => {
                repeat(operations, count, || async {
                    let mut set = JoinSet::new();
                    for number in 0..count {
                        set.spawn_local(fallible(number));
                    }
                    while let Some(Ok(Ok(output))) = set.join_next().await {
                        black_box(output);
                    }
                })
                .await
            }
            Kind::Join => {
                repeat(operations, 1, || async {
                    black_box(tokio::join!(child(1), child(2)));
                })
                .await
            }
            Kind::Select => select_rounds!(operations, |a, b| tokio::select! {
                n = a.ready() => n,
                n = b.ready() => n + 1,
            }),
            Kind::Timeout => {
                repeat(operations, 1, || async {
                    let limit = Duration::from_secs(1);
                    let _ = black_box(tokio::time::timeout(limit, ready(1)).await);
                })
                .await
            }
        })
    });
    time.map(nanoseconds)
}
