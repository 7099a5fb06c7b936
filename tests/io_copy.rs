//! `copy` and `copy_bidirectional`.

mod common;
mod io_common;
mod net_common;

use std::future::Future;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::pin::Pin;

use common::{Counter, poll_once as poll_with};
use io_common::{Script, Step, complete};
use monoloop::io::*;
use net_common::{alone, pair, run};

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

#[test]
fn all_is_copied_through_short_writes_and_waits() {
    for length in [0, 1, 8191, 8192, 8193, 100_000] {
        let data = bytes(length);
        let mut writer = Script::default();
        (writer.write_most, writer.write_pends) = (1000, true);
        assert_eq!(complete(copy(Script::of(&data), &mut writer)).unwrap(), length as u64);
        assert!(writer.written == data);
        assert!(!writer.closed);
    }
}

#[test]
fn what_was_read_is_written_before_the_readers_error() {
    let reader = Script::of(b"abc").then(Step::Fail(ErrorKind::ConnectionReset));
    let mut writer = Script::default();
    let error = complete(copy(reader, &mut writer)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(writer.written, b"abc");
}

#[test]
fn what_was_written_is_flushed_while_the_reader_has_nothing() {
    let (mut source, from) = duplex(64);
    let (to, mut target) = duplex(64);
    let copying = std::pin::pin!(copy(from, BufWriter::new(to)));
    let mut copying: Pin<&mut _> = copying;
    let (_, waker) = Counter::new();
    assert!(poll_with(&mut copying, &waker).is_pending());
    complete(source.write_all(b"question")).unwrap();
    assert!(poll_with(&mut copying, &waker).is_pending());
    let mut question = [0; 8];
    complete(target.read_exact(&mut question)).unwrap();
    assert_eq!(&question, b"question");
}

#[test]
fn a_writer_that_takes_nothing_is_an_error() {
    let error = complete(copy(&b"abc"[..], Cursor::new(&mut [0; 2][..]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
}

#[test]
fn half_closes_are_passed_on() {
    let _alone = alone();
    run(async {
        let (mut client, mut near) = pair().await;
        let (mut far, mut server) = pair().await;
        let proxy = monoloop::spawn(async move { copy_bidirectional(&mut near, &mut far).await });

        client.write_all(b"question").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "question");
        // The server has seen the end, and goes on writing.
        for _ in 0..3 {
            server.write_all(b"answer").await.unwrap();
            let mut answer = [0; 6];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"answer");
        }
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(proxy.await.unwrap().unwrap(), (8, 18));
    });
}

#[test]
fn both_directions_at_once_and_more_than_fits() {
    let _alone = alone();
    run(async {
        let (client, mut near) = pair().await;
        let (mut far, server) = pair().await;
        let proxy = monoloop::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        const LENGTH: usize = 3_000_000;
        let end = |stream: monoloop::net::TcpStream| async move {
            let (mut read, mut write) = stream.into_split();
            let writing = monoloop::spawn(async move {
                write.write_all(&bytes(LENGTH)).await.unwrap();
                write.close().await.unwrap();
            });
            let mut all = Vec::new();
            read.read_to_end(&mut all).await.unwrap();
            writing.await.unwrap();
            assert!(all == bytes(LENGTH));
        };
        let other = monoloop::spawn(end(server));
        end(client).await;
        other.await.unwrap();
        assert_eq!(proxy.await.unwrap().unwrap(), (LENGTH as u64, LENGTH as u64));
    });
}

#[test]
fn polled_by_reference_it_goes_on_after_a_drop() {
    let (mut client, mut near) = duplex(4);
    let (mut far, mut server) = duplex(4);
    let (_, waker) = Counter::new();
    let mut copying = copy_bidirectional(&mut near, &mut far);
    // The pipe behind is full, and the copier holds four bytes more.
    complete(client.write_all(b"1234")).unwrap();
    assert!(poll_with(&mut copying, &waker).is_pending());
    complete(client.write_all(b"5678")).unwrap();
    assert!(poll_with(&mut &mut copying, &waker).is_pending());
    assert_eq!(copying.copied(), (4, 0));
    let mut four = [0; 4];
    complete(server.read_exact(&mut four)).unwrap();
    assert!(poll_with(&mut &mut copying, &waker).is_pending());
    complete(server.read_exact(&mut four)).unwrap();
    assert_eq!((&four, copying.copied()), (b"5678", (8, 0)));
}

#[test]
fn an_error_of_one_direction_does_not_keep_back_what_the_other_has() {
    let mut failing = Script::new([Step::Pend, Step::Fail(ErrorKind::ConnectionReset)]);
    let mut sending = Script::new([Step::Pend, Step::Data(b"late".to_vec())]);
    let error = complete(copy_bidirectional(&mut failing, &mut sending)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(failing.written, b"late");
}

#[test]
fn a_reset_ends_both_directions() {
    let _alone = alone();
    run(async {
        let (client, mut near) = pair().await;
        let (mut far, mut server) = pair().await;
        let proxy = monoloop::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        monoloop::yield_now().await;
        net_common::reset(client);
        let error = proxy.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn an_endless_copy_leaves_room_for_others() {
    // Without a loop, whose budget would end the poll, too.
    let mut copying = std::pin::pin!(copy(repeat(7).take(10 * 1024 * 1024), sink()));
    let (wakes, waker) = Counter::new();
    let mut polls = 1;
    while poll_with(&mut copying, &waker).is_pending() {
        assert_eq!(wakes.get(), polls);
        polls += 1;
    }
    assert!((10..20).contains(&polls), "{polls}");
}

/// Bytes come one by one, without an end, the one way: the other way still gets its answer through.
#[test]
fn a_busy_direction_leaves_room_for_the_other() {
    let _alone = alone();
    common::virtual_loop().run(async {
        let mut busy = Script::new((0..1_000_000).map(|_| Step::Data(vec![7])));
        let (mut near, mut far) = duplex(1024 * 1024);
        far.write_all(b"stop").await.unwrap();
        let mut copying = std::pin::pin!(copy_bidirectional(&mut busy, &mut near));
        let mut polls = 0;
        while copying.copied().1 < 4 {
            polls += 1;
            assert!(polls < 10, "{:?} bytes after {polls} polls", copying.copied());
            let once = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(copying.as_mut().poll(cx).is_pending())
            });
            assert!(once.await);
            monoloop::yield_now().await;
        }
    });
}

#[test]
fn a_copy_byte_by_byte_leaves_room_for_others() {
    let _alone = alone();
    common::virtual_loop().run(async {
        let slow = Script::new((0..10_000).map(|_| Step::Data(vec![7])));
        let copying = monoloop::spawn(copy(slow, sink()));
        for _ in 0..50 {
            monoloop::yield_now().await;
        }
        assert!(!copying.is_finished());
    });
}

#[test]
fn a_direction_that_is_through_is_closed_once() {
    let (mut near, mut far) = duplex(16);
    complete(far.close()).unwrap();
    let mut slow = Script::slow(b"xyz");
    assert_eq!(complete(copy_bidirectional(&mut near, &mut slow)).unwrap(), (0, 3));
    assert_eq!(slow.closes, 1);
}
