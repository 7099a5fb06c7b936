//! `duplex`, `split` and `BufStream`.

mod common;
mod io_common;

use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::Mutex;
use std::task::{Context, Poll, Wake, Waker};

use common::{Counter, Random, grumpy, poll_once as poll_with};
use io_common::{Script, complete, poll_once, seed};
use monoloop::io::*;

#[test]
fn a_full_pipe_makes_the_writer_wait_for_the_reader() {
    let (mut ours, mut peer) = duplex(4);
    let (wakes, waker) = Counter::new();
    assert_eq!(complete(ours.write(b"123456")).unwrap(), 4);
    {
        let mut writing = ours.write(b"56");
        assert!(poll_with(&mut writing, &waker).is_pending());
        let mut two = [0; 2];
        complete(peer.read_exact(&mut two)).unwrap();
        assert_eq!((&two, wakes.get()), (b"12", 1));
        assert!(matches!(poll_with(&mut writing, &waker), Poll::Ready(Ok(2))));
    }
    let mut rest = [0; 4];
    complete(peer.read_exact(&mut rest)).unwrap();
    assert_eq!(&rest, b"3456");
}

#[test]
fn a_reader_is_woken_by_data_by_the_end_and_by_a_drop() {
    for event in 0..3 {
        let (mut ours, mut peer) = duplex(4);
        let (wakes, waker) = Counter::new();
        let mut buffer = [0; 4];
        let mut reading = peer.read(&mut buffer);
        assert!(poll_with(&mut reading, &waker).is_pending());
        let expected = match event {
            0 => complete(ours.write(b"x")).unwrap(),
            1 => complete(ours.close()).map(|()| 0).unwrap(),
            _ => {
                drop(ours);
                0
            }
        };
        assert_eq!(wakes.get(), 1);
        let Poll::Ready(Ok(read)) = poll_with(&mut reading, &waker) else { panic!("{event}") };
        assert_eq!(read, expected);
    }
}

#[test]
fn a_closed_direction_leaves_the_other_open() {
    let (mut ours, mut peer) = duplex(8);
    complete(ours.write_all(b"last")).unwrap();
    complete(ours.close()).unwrap();
    assert_eq!(complete(ours.write(b"x")).unwrap_err().kind(), ErrorKind::BrokenPipe);
    let mut text = String::new();
    complete(peer.read_to_string(&mut text)).unwrap();
    assert_eq!(text, "last");
    complete(peer.write_all(b"answer")).unwrap();
    drop(peer);
    let mut answer = String::new();
    complete(ours.read_to_string(&mut answer)).unwrap();
    assert_eq!(answer, "answer");
}

#[test]
fn a_writer_whose_reader_goes_is_woken_with_an_error() {
    let (mut ours, peer) = duplex(1);
    let (wakes, waker) = Counter::new();
    let mut writing = ours.write_all(b"ab");
    assert!(poll_with(&mut writing, &waker).is_pending());
    drop(peer);
    assert_eq!(wakes.get(), 1);
    let Poll::Ready(Err(error)) = poll_with(&mut writing, &waker) else { panic!("it waits") };
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

#[test]
fn the_last_task_that_polled_is_the_one_that_is_woken() {
    let (mut ours, mut peer) = duplex(1);
    let ((first, waker), (second, other)) = (Counter::new(), Counter::new());
    let mut buffer = [0];
    assert!(poll_with(&mut peer.read(&mut buffer), &waker).is_pending());
    assert!(poll_with(&mut peer.read(&mut buffer), &other).is_pending());
    complete(ours.write_all(b"x")).unwrap();
    assert_eq!((first.get(), second.get()), (0, 1));
}

/// A waker that writes into the pipe, and then panics.
struct Meddler(Mutex<DuplexStream>);

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        let written = poll_once(self.0.lock().unwrap().write(b"!"));
        assert_eq!(written.unwrap().unwrap(), 1);
        std::panic::resume_unwind(Box::new("meddled"));
    }
}

#[test]
fn a_waker_may_use_the_connection_and_panic() {
    let (mut ours, mut peer) = duplex(1);
    let (sink, mut far) = duplex(1);
    let waker = Waker::from(Arc::new(Meddler(Mutex::new(sink))));
    let mut buffer = [0];
    assert!(poll_with(&mut peer.read(&mut buffer), &waker).is_pending());
    let write = std::panic::AssertUnwindSafe(|| complete(ours.write(b"x")));
    assert!(std::panic::catch_unwind(write).is_err());
    // The byte is there, and so is the meddler's.
    complete(peer.read_exact(&mut buffer)).unwrap();
    assert_eq!(&buffer, b"x");
    complete(far.read_exact(&mut buffer)).unwrap();
    assert_eq!(&buffer, b"!");
    complete(ours.write(b"y")).unwrap();
}

#[test]
fn to_read_or_write_nothing_does_not_wait() {
    let (mut ours, mut peer) = duplex(1);
    assert_eq!(complete(peer.read(&mut [])).unwrap(), 0);
    complete(ours.write_all(b"x")).unwrap();
    assert_eq!(complete(ours.write(b"")).unwrap(), 0);
}

#[test]
fn who_talks_to_himself_leaves_room_for_others() {
    common::virtual_loop().run(async {
        let (mut ours, mut peer) = duplex(1);
        let talk = monoloop::spawn(async move {
            for _ in 0..10_000 {
                ours.write_all(b"x").await.unwrap();
                peer.read_exact(&mut [0]).await.unwrap();
            }
        });
        for _ in 0..50 {
            monoloop::yield_now().await;
        }
        assert!(!talk.is_finished());
    });
}

#[test]
fn a_reader_whose_waker_panics_keeps_no_writer_from_the_end() {
    let (ours, peer) = duplex(1);
    let (mut reader, mut writer) = split(peer);
    let (wakes, waker) = Counter::new();
    complete(writer.write(b"x")).unwrap();
    assert!(poll_with(&mut reader.read(&mut [0]), &grumpy()).is_pending());
    let mut writing = writer.write(b"y");
    assert!(poll_with(&mut writing, &waker).is_pending());
    let dropping = std::panic::AssertUnwindSafe(|| drop(ours));
    assert!(std::panic::catch_unwind(dropping).is_err());
    assert_eq!(wakes.get(), 1);
    assert_eq!(complete(writing).unwrap_err().kind(), ErrorKind::BrokenPipe);
}

/// Gives a byte at a time, for ever.
struct Endless;

impl AsyncRead for Endless {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        buffer[0] = b'.';
        Poll::Ready(Ok(1))
    }
}

#[test]
fn an_endless_pipe_leaves_room_for_others() {
    common::virtual_loop().run(async {
        let (mut ours, mut peer) = duplex(8);
        monoloop::spawn(async move {
            let mut buffer = [0; 8];
            while peer.read(&mut buffer).await.unwrap() > 0 {}
        })
        .detach();
        monoloop::spawn(async move { while ours.write(b"12345678").await.is_ok() {} }).detach();
        // A copy between streams that never wait.
        monoloop::spawn(async { copy(Endless, sink()).await }).detach();
        for _ in 0..100 {
            monoloop::yield_now().await;
        }
    });
}

#[test]
fn ends_may_be_on_two_threads() {
    let (mut ours, mut peer) = duplex(16);
    let data: Vec<u8> = (0..100_000).map(|n: u32| n as u8).collect();
    let expected = data.clone();
    let writer = std::thread::spawn(move || {
        monoloop::run(async move {
            ours.write_all(&data).await.unwrap();
            ours.close().await.unwrap();
        });
    });
    let mut got = Vec::new();
    monoloop::run(async { peer.read_to_end(&mut got).await }).unwrap();
    writer.join().unwrap();
    assert!(got == expected);
}

/// Random writes, reads, closes and drops, against a queue.
#[test]
fn a_pipe_is_a_queue() {
    let seed = seed();
    for round in 0..300 {
        let mut random = Random::new(seed + round);
        let capacity = 1 + random.below(9);
        let (mut ours, mut peer) = duplex(capacity);
        let mut model: Vec<u8> = Vec::new();
        let mut next = 0_u8;
        for _ in 0..200 {
            let count = 1 + random.below(5);
            if random.below(2) == 0 {
                let data: Vec<u8> = (0..count).map(|n| next.wrapping_add(n as u8)).collect();
                let room = capacity - model.len();
                let written = poll_once(ours.write(&data)).map(Result::unwrap);
                assert_eq!(written, (room > 0).then_some(room.min(count)), "seed {}", seed + round);
                let written = written.unwrap_or(0);
                model.extend(&data[..written]);
                next = next.wrapping_add(written as u8);
            } else {
                let mut buffer = vec![0; count];
                let read = poll_once(peer.read(&mut buffer)).map(Result::unwrap);
                let there = model.len();
                assert_eq!(read, (there > 0).then_some(there.min(count)), "seed {}", seed + round);
                let taken: Vec<u8> = model.drain(..read.unwrap_or(0)).collect();
                assert_eq!(&buffer[..taken.len()], taken);
            }
        }
        complete(ours.close()).unwrap();
        let mut rest = Vec::new();
        complete(peer.read_to_end(&mut rest)).unwrap();
        assert_eq!(rest, model);
    }
}

#[test]
fn halves_of_any_stream_are_put_together_again() {
    let (mut read, mut write) = split(Script::of(b"abc"));
    let (_other_read, other_write) = split(Script::of(b""));
    let mut two = [0; 2];
    complete(read.read_exact(&mut two)).unwrap();
    complete(write.write_all(b"xyz")).unwrap();
    let error = read.reunite(other_write).unwrap_err();
    assert_eq!(error.to_string(), "the two halves are not of one stream");
    let mut script = error.read.reunite(write).unwrap();
    assert_eq!(script.written, b"xyz");
    let mut rest = Vec::new();
    complete(script.read_to_end(&mut rest)).unwrap();
    assert_eq!((&two, &*rest), (b"ab", &b"c"[..]));
}

/// A stream whose reads poll a writing half that was put in.
#[derive(Clone, Default)]
struct Recursive(Arc<Mutex<Option<WriteHalf<Recursive>>>>);

impl AsyncRead for Recursive {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        let mut half = self.0.lock().unwrap().take().expect("it was put in");
        assert!(pin!(half.write(b"x")).as_mut().poll(cx).is_pending(), "the stream is in use");
        Poll::Ready(Ok(0))
    }
}

impl AsyncWrite for Recursive {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_half_polled_inside_the_other_waits_its_turn() {
    let place = Recursive::default();
    let (mut read, write) = split(place.clone());
    *place.0.lock().unwrap() = Some(write);
    let (wakes, waker) = Counter::new();
    let read = poll_with(&mut read.read(&mut [0]), &waker);
    assert!(matches!(read, Poll::Ready(Ok(0))));
    assert_eq!(wakes.get(), 1, "the writer is to be polled again");
}

#[test]
fn a_buffered_stream_gathers_writes_and_reads() {
    let mut stream = BufStream::with_capacity(16, 8, Script::of(b"one\ntwo\n"));
    complete(stream.write_all(b"123")).unwrap();
    assert_eq!((stream.write_buffer(), &*stream.get_ref().written), (&b"123"[..], &b""[..]));
    complete(stream.write_all(b"456789")).unwrap();
    complete(stream.flush()).unwrap();
    assert_eq!(stream.get_ref().written, b"123456789");
    let mut line = String::new();
    complete(stream.read_line(&mut line)).unwrap();
    assert_eq!((&*line, stream.read_buffer()), ("one\n", &b"two\n"[..]));
    assert_eq!(stream.get_ref().reads, 1);
    complete(stream.write_all(b"!")).unwrap();
    complete(stream.close()).unwrap();
    let script = stream.into_inner();
    assert_eq!((script.written.last(), script.closed), (Some(&b'!'), true));
}
