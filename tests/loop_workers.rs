//! Loops on several threads: how they start, stop, fail, and share connections.

#![cfg(not(miri))] // makes sockets

mod common;
mod net_common;

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io::Read, io::Write, net::SocketAddr, thread};

use common::{message, panic_of};
use monoloop::io::*;
use monoloop::net::{Server, TcpListener, TcpStream};
use monoloop::sync::remote;
use monoloop::task::CancelToken;
use monoloop::{EventLoop, Worker, Workers, workers};
use net_common::*;

#[test]
fn each_runs_on_a_thread_of_its_own_and_gives_its_output() {
    let _alone = alone();
    let workers = workers(3, async |worker| {
        monoloop::yield_now().await;
        let name = thread::current().name().map(str::to_owned);
        (worker.index(), worker.count(), name.unwrap())
    })
    .unwrap();
    assert_eq!(workers.len(), 3);
    let outputs: Vec<_> = workers.blocking_join().into_iter().map(Result::unwrap).collect();
    let expected = |index: usize| (index, 3, format!("monoloop-worker-{index}"));
    assert_eq!(outputs, [0, 1, 2].map(expected));
}

#[test]
fn without_a_number_there_are_as_many_as_cores() {
    let _alone = alone();
    let workers = workers(0, async |worker: Worker| worker.count()).unwrap();
    let cores = thread::available_parallelism().unwrap().get();
    assert_eq!(workers.len(), cores);
    assert!(workers.blocking_join().into_iter().all(|count| count.unwrap() == cores));
}

#[test]
fn stopping_cancels_the_token_of_each_and_join_waits_beside_other_tasks() {
    let _alone = alone();
    run(async {
        let workers = workers(2, async |worker: Worker| {
            worker.token().cancelled().await;
            worker.token().reason().is_some()
        })
        .unwrap();
        workers.stop();
        workers.stop();
        for result in workers.join().await {
            assert!(result.unwrap());
        }
    });
}

#[test]
fn one_that_does_not_stop_is_dropped_after_the_grace_period() {
    let _alone = alone();
    let short = |_| EventLoop::builder().grace(Duration::from_millis(1));
    let workers = Workers::builder().count(1).event_loop(short).start(async |worker: Worker| {
        if worker.index() == 0 {
            std::future::pending::<()>().await;
        }
    });
    let workers = workers.unwrap();
    workers.stop();
    let error = workers.blocking_join().remove(0).unwrap_err();
    assert!(error.is_interrupted() && !error.is_panic());
    assert_eq!(error.to_string(), "the worker was dropped after the grace period");
}

#[test]
fn dropping_them_stops_them() {
    let _alone = alone();
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = Mutex::new(sender);
    let workers = workers(2, async move |worker: Worker| {
        worker.token().cancelled().await;
        lock(&sender).send(worker.index()).unwrap();
    });
    drop(workers);
    // `alone` sees that no thread stays.
    let stopped: HashSet<_> = receiver.iter().collect();
    assert_eq!(stopped.len(), 2);
}

/// Runs `f` without the noise of panics.
fn quietly<T>(f: impl FnOnce() -> T) -> T {
    std::panic::set_hook(Box::new(|_| {}));
    let output = f();
    let _ = std::panic::take_hook();
    output
}

#[test]
fn a_panic_is_its_workers_result_and_the_others_go_on() {
    let _alone = alone();
    quietly(|| {
        let workers = workers(2, async |worker: Worker| {
            assert!(worker.index() != 0, "on purpose");
            worker.token().cancelled().await;
            worker.index()
        })
        .unwrap();
        while workers.panics() == 0 {
            thread::yield_now();
        }
        workers.stop();
        let mut results = workers.blocking_join();
        assert_eq!(results.pop().unwrap().unwrap(), 1);
        let error = results.pop().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the worker panicked: on purpose");
        assert!(error.is_panic());
        assert_eq!(*error.try_into_panic().unwrap().downcast::<&str>().unwrap(), "on purpose");
    });
}

#[test]
fn one_that_panicked_is_started_anew_on_a_new_loop_as_often_as_allowed() {
    let _alone = alone();
    quietly(|| {
        let lives = Arc::new(AtomicUsize::new(0));
        let begun = Arc::clone(&lives);
        let builder = Workers::builder().count(1).restarts(2);
        let workers = builder
            .start(async move |_| {
                let life = begun.fetch_add(1, Ordering::SeqCst);
                assert!(life == 2, "on purpose, {life}");
                life
            })
            .unwrap();
        assert_eq!(workers.blocking_join().remove(0).unwrap(), 2);

        lives.store(10, Ordering::SeqCst);
        let begun = Arc::clone(&lives);
        let workers = Workers::builder().count(1).restarts(2).start(async move |_| {
            panic!("life {}", begun.fetch_add(1, Ordering::SeqCst));
        });
        let error = workers.unwrap().blocking_join().remove(0).map(|(): ()| ()).unwrap_err();
        assert_eq!(error.to_string(), "the worker panicked: life 12");
    });
}

#[test]
fn one_that_is_stopped_is_not_started_anew() {
    let _alone = alone();
    quietly(|| {
        let workers = Workers::builder().count(1).restarts(usize::MAX);
        let workers = workers
            .start(async |worker: Worker| {
                worker.token().cancelled().await;
                panic!("while it stops");
            })
            .unwrap();
        workers.stop();
        let error = workers.blocking_join().remove(0).map(|(): ()| ()).unwrap_err();
        assert_eq!(error.to_string(), "the worker panicked: while it stops");
    });
}

#[test]
fn a_loop_that_cannot_be_made_is_the_starts_error_and_leaves_nothing() {
    let _alone = alone();
    quietly(|| {
        let builder = Workers::builder().count(3).event_loop(|index| {
            assert!(index != 2, "no loop for this one");
            EventLoop::builder()
        });
        let error = builder.start(async |worker: Worker| worker.token().cancelled().await);
        assert!(error.unwrap_err().to_string().contains("while its loop was made"));
    });
}

/// Setting the new loop up may panic, too: that is the result then.
#[test]
fn a_loop_that_cannot_be_made_anew_says_so() {
    let _alone = alone();
    quietly(|| {
        let lives = AtomicUsize::new(0);
        let builder = Workers::builder().count(1).restarts(5).event_loop(move |_| {
            assert!(lives.fetch_add(1, Ordering::SeqCst) == 0, "no second loop");
            EventLoop::builder()
        });
        let workers = builder.start(async |_| panic!("on purpose")).unwrap();
        let error = workers.blocking_join().remove(0).map(|(): ()| ()).unwrap_err();
        assert_eq!(error.to_string(), "the worker panicked: no second loop");
        assert!(error.is_panic());
    });
}

#[test]
fn their_handles_reach_their_loops() {
    let _alone = alone();
    run(async {
        let workers = workers(2, async |worker: Worker| worker.token().cancelled().await).unwrap();
        let (sender, mut receiver) = remote::channel::bounded(4);
        for index in 0..2 {
            let sender = sender.clone();
            let name = move || thread::current().name().unwrap().to_owned();
            let spawned = workers.handle(index).spawn_with(move || async move {
                sender.send(name()).await.unwrap();
            });
            spawned.unwrap().detach();
            assert_eq!(receiver.recv().await.unwrap(), format!("monoloop-worker-{index}"));
        }
        workers.stop();
        workers.join().await;
    });
}

async fn echo(stream: TcpStream, _: SocketAddr, _: CancelToken) -> io::Result<()> {
    copy(&stream, &stream).await.map(drop)
}

#[cfg(unix)]
#[test]
fn listeners_of_one_port_on_every_loop_share_its_connections() {
    let _alone = alone();
    // Bound and not listening: it holds the port, and takes no connections.
    let holder = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    holder.set_reuse_port(true).unwrap();
    holder.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let addr = holder.local_addr().unwrap().as_socket().unwrap();
    let served: Arc<[AtomicUsize; 2]> = Arc::default();
    let (count, (listening, ready)) = (Arc::clone(&served), std::sync::mpsc::channel());
    let listening = Mutex::new(listening);
    let workers = workers(2, async move |worker: Worker| {
        let server = Server::builder().reuse_port(true).bind(addr).await.unwrap();
        let (count, index) = (Arc::clone(&count), worker.index());
        let server = server.start(async move |stream: TcpStream, peer, token| {
            count[index].fetch_add(1, Ordering::SeqCst);
            echo(stream, peer, token).await
        });
        lock(&listening).send(()).unwrap();
        worker.token().cancelled().await;
        server.shutdown(Duration::from_secs(60)).await.aborted
    });
    let workers = workers.unwrap();
    ready.iter().take(2).for_each(drop);
    for _ in 0..40 {
        let mut client = std::net::TcpStream::connect(addr).unwrap();
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    workers.stop();
    for aborted in workers.blocking_join() {
        assert_eq!(aborted.unwrap(), 0);
    }
    let served = served.each_ref().map(|count| count.load(Ordering::SeqCst));
    assert_eq!(served[0] + served[1], 40);
    assert!(served[0] > 0 && served[1] > 0, "{served:?}");
}

/// A socket that one loop accepted is served by another.
#[test]
fn a_live_connection_is_handed_over() {
    let _alone = alone();
    run(async {
        let workers = workers(1, async |worker: Worker| worker.token().cancelled().await).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, peer) = listener.accept().await.unwrap();
        // It was in use here, and something is on its way.
        client.write_all(b"ab").await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        let socket = stream.into_std().unwrap();
        let handed = workers.handle(0).spawn_with(move || async move {
            let stream = TcpStream::from_std(socket).unwrap();
            echo(stream, peer, CancelToken::new()).await.unwrap();
        });
        handed.unwrap().detach();
        client.write_all(b"c").await.unwrap();
        client.close().await.unwrap();
        let mut echoed = String::new();
        client.read_to_string(&mut echoed).await.unwrap();
        assert_eq!(echoed, "bc");
        workers.stop();
        workers.join().await;
    });
}

#[test]
fn waiting_for_them_on_a_thread_that_a_worker_may_wait_for_panics() {
    let _alone = alone();
    run(async {
        let workers = workers(1, async |worker: Worker| worker.token().cancelled().await).unwrap();
        let line = line!() + 1;
        let text = panic_of(|| workers.blocking_join());
        assert!(text.contains("`Workers::blocking_join`"), "{text}");
        assert!(
            text.contains("`.await` `join`") && text.contains(&format!(".rs:{line}")),
            "{text}"
        );
    });
    run(async {
        let workers = workers(1, async |worker: Worker| worker.token().cancelled().await).unwrap();
        let handle = workers.handle(0);
        let joined = handle.spawn_with(|| async { drop(workers.join().await) }).unwrap().await;
        let text = message(joined.unwrap_err().try_into_panic().unwrap());
        assert!(text.contains("`Workers::join`"), "{text}");
    });
}

/// Streams are `Send`, but a stream as it is belongs to its loop: elsewhere it says so, and its drop closes it.
#[test]
fn a_stream_that_is_sent_as_it_is_says_where_it_belongs() {
    let _alone = alone();
    run(async {
        let workers = workers(1, async |worker: Worker| worker.token().cancelled().await).unwrap();
        let (mut stream, mut peer) = pair().await;
        let (sender, receiver) = remote::oneshot::channel();
        let sent = workers.handle(0).spawn_with(move || async move {
            sender.send(stream.read(&mut [0]).await.unwrap_err().to_string()).unwrap();
        });
        sent.unwrap().detach();
        let error = receiver.await.unwrap();
        assert!(error.contains("take it out there (`into_std`"), "{error}");
        assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
        workers.stop();
        workers.join().await;
    });
}
