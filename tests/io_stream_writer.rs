//! `StreamWriter`: what is queued is sent, in order and whole; water marks, ends, failures.

mod common;
mod io_common;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use common::{Log, Random, settle, virtual_loop};
use futures_lite::future::poll_once;
use io_common::{Script, seed};
use monoloop::io::*;
use monoloop::{EventLoop, spawn, yield_now};

fn run<F: Future>(future: F) -> F::Output {
    virtual_loop().run(future)
}

/// Lets everything happen that can without a further read or write.
async fn rest() {
    for _ in 0..100 {
        yield_now().await;
    }
}

#[test]
fn small_writes_go_out_as_one_in_order() {
    run(async {
        let (ours, mut peer) = duplex(1024);
        let writer = StreamWriter::new(ours);
        for n in 0..10_u8 {
            writer.write(&[n]).unwrap();
        }
        writer.write_pieces([&b"ab"[..], b"", b"c"]).unwrap();
        assert_eq!(writer.unsent(), 13);
        let mut buffer = [0; 64];
        let count = peer.read(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..count], b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09abc");
        assert_eq!(writer.unsent(), 0);
    });
}

#[test]
fn drain_waits_above_the_high_mark_until_the_low_one() {
    run(async {
        let (ours, mut peer) = duplex(1);
        let writer = StreamWriter::new(ours);
        writer.set_water_marks(10, 4);
        assert_eq!(writer.water_marks(), (10, 4));
        writer.write(&[0; 10]).unwrap();
        writer.drain().await.unwrap();
        // One is in the pipe, so ten are left: not above. Two more are.
        rest().await;
        assert_eq!(writer.unsent(), 9);
        writer.write(&[0; 2]).unwrap();
        let mut draining = pin!(writer.drain());
        for left in (5..=11).rev() {
            assert_eq!(writer.unsent(), left);
            assert!(poll_once(draining.as_mut()).await.is_none(), "{left} left");
            peer.read_exact(&mut [0]).await.unwrap();
            rest().await;
        }
        assert_eq!(writer.unsent(), 4);
        draining.await.unwrap();
        // Low, and so it stays until the high one is exceeded again.
        writer.write(&[0; 6]).unwrap();
        assert!(poll_once(pin!(writer.drain())).await.is_some());
    });
}

#[test]
fn a_flush_does_not_wait_for_what_is_written_later() {
    run(async {
        let (ours, mut peer) = duplex(4);
        let writer = Rc::new(StreamWriter::new(ours));
        writer.write(&[0; 10]).unwrap();
        let flushing = monoloop::spawn({
            let writer = Rc::clone(&writer);
            async move { writer.flush().await }
        });
        rest().await;
        for _ in 0..10 {
            // The queue is never empty.
            writer.write(&[0; 4]).unwrap();
            peer.read_exact(&mut [0; 4]).await.unwrap();
            rest().await;
        }
        assert!(writer.unsent() > 0);
        assert!(flushing.is_finished());
        flushing.await.unwrap().unwrap();
    });
}

#[test]
fn a_flush_does_not_wait_for_later_flushes() {
    run(async {
        let (ours, mut peer) = duplex(2);
        let writer = Rc::new(StreamWriter::new(ours));
        let write_and_flush = |data: &'static [u8]| {
            let writer = Rc::clone(&writer);
            spawn(async move {
                writer.write(data).unwrap();
                writer.flush().await
            })
        };
        let first = write_and_flush(&[0; 10]);
        rest().await;
        // As much comes as goes, and each wants a flush of its own.
        let later: Vec<_> = (0..10).map(|_| write_and_flush(&[0; 2])).collect();
        for _ in 0..10 {
            peer.read_exact(&mut [0; 2]).await.unwrap();
            rest().await;
        }
        assert!(writer.unsent() > 0);
        assert!(first.is_finished());
        drop((first, later));
    });
}

#[test]
fn drain_ends_beside_one_who_writes_and_drains_again_and_again() {
    run(async {
        let (ours, mut peer) = duplex(16);
        let writer = Rc::new(StreamWriter::new(ours));
        writer.set_water_marks(10, 0);
        let busy = Rc::clone(&writer);
        let busy = spawn(async move {
            loop {
                busy.write(&[0; 40]).unwrap();
                busy.drain().await.unwrap();
            }
        });
        yield_now().await;
        let patient = Rc::clone(&writer);
        let patient = spawn(async move { patient.drain().await });
        for _ in 0..10 {
            rest().await;
            peer.read_exact(&mut [0; 8]).await.unwrap();
        }
        rest().await;
        assert!(patient.is_finished());
        busy.abort();
        drop(patient);
    });
}

#[test]
fn with_a_high_mark_of_zero_drain_waits_for_all() {
    run(async {
        let (ours, mut peer) = duplex(2);
        let writer = StreamWriter::new(ours);
        writer.set_water_marks(0, 0);
        writer.write(b"abc").unwrap();
        let mut draining = pin!(writer.drain());
        assert!(poll_once(draining.as_mut()).await.is_none());
        rest().await;
        assert!(poll_once(draining.as_mut()).await.is_none());
        peer.read_exact(&mut [0; 1]).await.unwrap();
        draining.await.unwrap();
    });
}

#[test]
fn all_who_drain_are_let_through() {
    run(async {
        let (ours, peer) = duplex(1);
        let writer = Rc::new(StreamWriter::new(ours));
        writer.write(&[7; 70_000]).unwrap();
        let draining: Vec<_> = (0..5)
            .map(|_| {
                let writer = Rc::clone(&writer);
                spawn(async move { writer.drain().await })
            })
            .collect();
        let reading = spawn(async move { copy(peer, sink()).await });
        for one in draining {
            one.await.unwrap().unwrap();
        }
        drop(writer);
        assert_eq!(reading.await.unwrap().unwrap(), 70_000);
    });
}

#[test]
fn a_peer_that_never_reads_costs_bounded_memory() {
    run(async {
        let (ours, _peer) = duplex(1000);
        let writer = Rc::new(StreamWriter::new(ours));
        writer.set_capacity(100_000);
        let mut taken = 0;
        let refused = loop {
            match writer.write(&[0; 999]) {
                Ok(()) => taken += 999,
                Err(error) => break error,
            }
            if taken % 7 == 0 {
                yield_now().await;
            }
        };
        assert!(matches!(refused, QueueError::Full(_)), "{refused}");
        assert!(taken < 100_000 + 999 + 1000, "{taken}");
        assert_eq!(std::io::Error::from(refused).kind(), ErrorKind::QuotaExceeded);
        // What was refused was refused whole.
        assert_eq!(taken % 999, 0);
        writer.write(b"").unwrap();
        // A program that drains, as it should, waits: until there is room, or the marks say so, or it is over.
        let let_through: [&dyn Fn(); 2] =
            [&|| writer.set_water_marks(200_000, 200_000), &|| writer.close()];
        for let_through in let_through {
            writer.set_water_marks(1000, 0);
            let draining = spawn({
                let writer = Rc::clone(&writer);
                async move { writer.drain().await }
            });
            rest().await;
            assert!(!draining.is_finished());
            let_through();
            rest().await;
            assert!(draining.is_finished(), "nobody woke it");
            draining.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_stream_that_takes_everything_leaves_room_for_others() {
    run(async {
        let mut stream = Script::default();
        stream.write_most = 1;
        let writer = StreamWriter::new(stream);
        writer.write(&[0; 10_000]).unwrap();
        for turn in 0..50 {
            assert!(writer.unsent() > 0, "all is sent after {turn} turns");
            yield_now().await;
        }
        writer.flush().await.unwrap();
    });
}

/// The stream itself has the last word.
#[test]
fn what_a_flush_writes_and_wishes_is_done() {
    struct Talkative(Log, Rc<RefCell<Option<StreamWriter>>>, &'static [u8]);
    impl AsyncWrite for Talkative {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            self.0.push(String::from_utf8_lossy(data));
            Poll::Ready(Ok(data.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            if let Some(writer) = self.1.take() {
                writer.write(self.2).unwrap();
                writer.close();
            }
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            self.0.push("closed");
            Poll::Ready(Ok(()))
        }
    }
    for (last, told) in
        [(&b"bye"[..], &["hello", "bye", "closed"][..]), (b"", &["hello", "closed"])]
    {
        let log = Log::default();
        run(async {
            let later = Rc::new(RefCell::new(None));
            let writer = StreamWriter::new(Talkative(log.clone(), Rc::clone(&later), last));
            writer.write(b"hello").unwrap();
            later.replace(Some(writer));
            rest().await;
        });
        assert_eq!(log.take(), told);
    }
}

#[test]
fn a_loop_of_writes_and_drains_leaves_room_for_others() {
    run(async {
        let (ours, peer) = duplex(1024 * 1024);
        let reading = spawn(async move { copy(peer, sink()).await });
        let turns = Rc::new(Cell::new(0));
        let other = spawn({
            let turns = Rc::clone(&turns);
            async move {
                loop {
                    turns.set(turns.get() + 1);
                    yield_now().await;
                }
            }
        });
        let writer = StreamWriter::new(ours);
        for _ in 0..10_000 {
            writer.write(b"x").unwrap();
            writer.drain().await.unwrap();
        }
        assert!(turns.get() > 10, "{}", turns.get());
        drop(writer);
        assert_eq!(reading.await.unwrap().unwrap(), 10_000);
        other.abort();
    });
}

#[test]
fn the_end_comes_after_all_that_was_written_and_the_peer_may_answer() {
    run(async {
        let (ours, mut peer) = duplex(4);
        let (reader, writer) = split(ours);
        let writer = StreamWriter::new(writer);
        let mut reader = StreamReader::new(reader);
        writer.write(b"a question").unwrap();
        let answering = spawn(async move {
            let mut question = Vec::new();
            peer.read_to_end(&mut question).await.unwrap();
            peer.write_all(&question.to_ascii_uppercase()).await.unwrap();
        });
        writer.write_eof().await.unwrap();
        assert!(matches!(writer.write(b"more"), Err(QueueError::Closed)));
        assert!(!writer.is_closing());
        assert_eq!(reader.read_exactly(10).await.unwrap(), b"A QUESTION");
        answering.await.unwrap();
    });
}

#[test]
fn a_dropped_wait_for_the_end_takes_nothing_back() {
    run(async {
        let (ours, mut peer) = duplex(1);
        let writer = StreamWriter::new(ours);
        writer.write(b"abc").unwrap();
        assert!(poll_once(pin!(writer.write_eof())).await.is_none());
        assert!(poll_once(pin!(writer.flush())).await.is_none());
        assert!(poll_once(pin!(writer.wait_closed())).await.is_none());
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"abc");
        writer.flush().await.unwrap();
    });
}

#[test]
fn dropping_it_sends_what_is_queued() {
    run(async {
        let (ours, mut peer) = duplex(3);
        let writer = StreamWriter::new(ours);
        writer.write(b"all of this").unwrap();
        drop(writer);
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"all of this");
        // The stream is gone, and not only its write side.
        assert_eq!(peer.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn closing_waits_for_what_is_queued_and_aborting_does_not() {
    run(async {
        let (ours, mut peer) = duplex(2);
        let writer = StreamWriter::new(ours);
        writer.write(b"1234").unwrap();
        writer.close();
        assert!(writer.is_closing());
        assert!(matches!(writer.write(b"5"), Err(QueueError::Closed)));
        assert!(poll_once(pin!(writer.wait_closed())).await.is_none());
        peer.read_exact(&mut [0; 4]).await.unwrap();
        writer.wait_closed().await.unwrap();
        // And closed it stays.
        writer.wait_closed().await.unwrap();
        writer.drain().await.unwrap();

        let (ours, mut peer) = duplex(2);
        let writer = StreamWriter::new(ours);
        writer.write(b"1234").unwrap();
        rest().await;
        writer.abort();
        let error = writer.wait_closed().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"12");

        let (ours, _peer) = duplex(2);
        let writer = StreamWriter::new(ours);
        writer.abort();
        writer.wait_closed().await.expect("nothing was lost");
    });
}

#[test]
fn a_failure_reaches_everybody() {
    run(async {
        let (ours, peer) = duplex(2);
        let writer = Rc::new(StreamWriter::new(ours));
        writer.set_water_marks(1, 0);
        writer.write(b"1234").unwrap();
        let waiting: Vec<_> = (0..3)
            .map(|n| {
                let writer = Rc::clone(&writer);
                spawn(async move {
                    match n {
                        0 => writer.drain().await,
                        1 => writer.flush().await,
                        _ => writer.wait_closed().await,
                    }
                })
            })
            .collect();
        rest().await;
        drop(peer);
        for one in waiting {
            assert_eq!(one.await.unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
        assert!(writer.is_closing());
        match writer.write(b"5") {
            Err(QueueError::Io(error)) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
            other => panic!("{other:?}"),
        }
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(writer.unsent(), 0);
    });
}

/// A stream that says of each write what the function gives.
struct Fickle(fn() -> usize);

impl AsyncWrite for Fickle {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok((self.0)()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[test]
fn a_stream_that_takes_nothing_is_an_error() {
    run(async {
        let writer = StreamWriter::new(Fickle(|| 0));
        writer.write(b"x").unwrap();
        assert_eq!(writer.wait_closed().await.unwrap_err().kind(), ErrorKind::WriteZero);
    });
}

#[test]
fn a_stream_that_panics_is_the_end_for_who_waits() {
    let (event_loop, log) = common::reporting_loop();
    event_loop.run(async {
        let writer = StreamWriter::new(Fickle(|| common::quiet_panic("boom")));
        writer.write(b"x").unwrap();
        let error = writer.flush().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    });
    assert_eq!(log.len(), 1);
}

#[test]
fn the_end_of_the_loop_is_the_end_for_who_waits() {
    let event_loop = EventLoop::new().unwrap();
    let (ours, _peer) = duplex(1);
    let writer = event_loop.run(async {
        let writer = StreamWriter::new(ours);
        writer.write(b"lost").unwrap();
        writer
    });
    settle(&event_loop);
    drop(event_loop);
    let error = io_common::complete(writer.wait_closed()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    assert!(writer.write(b"x").is_err());
}

/// Writes, reads, waits and drops at random: the peer reads what was taken, in order.
#[test]
fn random_writes_arrive_whole_and_in_order() {
    for round in 0..100 {
        let mut random = Random::new(seed() + round);
        run(async {
            let (ours, mut peer) = duplex(1 + random.below(100));
            let writer = StreamWriter::new(ours);
            let high = random.below(50);
            writer.set_water_marks(high, high / 2);
            writer.set_capacity(1 + random.below(200));
            let (mut sent, mut got) = (Vec::new(), Vec::new());
            for _ in 0..200 {
                match random.below(4) {
                    0 => {
                        let piece: Vec<u8> =
                            (0..random.below(60)).map(|_| random.next() as u8).collect();
                        if writer.write(&piece).is_ok() {
                            sent.extend(piece);
                        }
                    }
                    1 => {
                        let mut buffer = [0; 40];
                        if let Some(read) = poll_once(peer.read(&mut buffer)).await {
                            got.extend_from_slice(&buffer[..read.unwrap()]);
                        }
                    }
                    2 => drop(poll_once(pin!(writer.drain())).await),
                    _ => yield_now().await,
                }
            }
            drop(writer);
            peer.read_to_end(&mut got).await.unwrap();
            assert!(got == sent, "MONOLOOP_SEED={}", seed() + round);
        });
    }
}
