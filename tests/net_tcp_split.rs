//! The two directions of a stream, apart: borrowed and owned halves.

mod net_common;

use std::cell::Cell;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::pin::pin;
use std::rc::Rc;

use futures_lite::future::{poll_once, zip};
use monoloop::io::*;
use monoloop::spawn;
use net_common::*;

#[test]
fn borrowed_halves_work_side_by_side_in_one_task() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        let echo = spawn(async move {
            let (mut read, mut write) = peer.split();
            copy(&mut read, &mut write).await.unwrap();
            write.close().await.unwrap();
        });
        let data = vec![9; 3_000_000];
        let (mut read, mut write) = stream.split();
        let writing = async {
            // More than fits on the way: it ends only if the other half reads meanwhile.
            write.write_all(&data).await.unwrap();
            write.flush().await.unwrap();
            write.close().await.unwrap();
        };
        let mut back = Vec::new();
        zip(writing, async { read.read_to_end(&mut back).await.unwrap() }).await;
        assert!(back == data);
        echo.await.unwrap();
        // The stream is whole again, and its addresses are reached through either half.
        let addr = stream.local_addr().unwrap();
        assert_eq!(stream.split().0.as_ref().local_addr().unwrap(), addr);
        assert_eq!(stream.split().1.as_ref().local_addr().unwrap(), addr);
    });
}

#[test]
fn dropping_borrowed_halves_closes_nothing() {
    let _alone = alone();
    run(async {
        let (mut stream, mut peer) = pair().await;
        let _ = stream.split();
        stream.write_all(b"x").await.unwrap();
        peer.write_all(b"y").await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        peer.read_exact(&mut [0]).await.unwrap();
    });
}

#[test]
fn owned_halves_work_in_two_tasks() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair().await;
        let (mut read, mut write) = stream.into_split();
        let reader = spawn(async move {
            let mut all = Vec::new();
            read.read_to_end(&mut all).await.map(|_| all)
        });
        let writer = spawn(async move { write.write_all(&vec![3; 2_000_000]).await });
        // The peer writes first, then reads: the halves do not wait for each other.
        peer.write_all(b"hello").await.unwrap();
        peer.close().await.unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), b"hello");
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 2_000_000);
        writer.await.unwrap().unwrap();
    });
}

#[test]
fn dropping_the_write_half_is_the_end_for_the_peer_and_reading_goes_on() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair().await;
        let (mut read, mut write) = stream.into_split();
        write.write_all(b"bye").await.unwrap();
        let mut all = String::new();
        {
            let mut reading = pin!(peer.read_to_string(&mut all));
            assert!(poll_once(reading.as_mut()).await.is_none());
            drop(write);
            reading.await.unwrap();
        }
        assert_eq!(all, "bye");
        peer.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        read.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");
        let descriptors_before = descriptors().len();
        drop(read);
        if cfg!(target_os = "linux") {
            assert_eq!(descriptors().len(), descriptors_before - 1);
        }
    });
}

#[test]
fn dropping_the_read_half_leaves_the_connection_open() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair().await;
        let (read, mut write) = stream.into_split();
        drop(read);
        write.write_all(b"on").await.unwrap();
        peer.read_exact(&mut [0; 2]).await.unwrap();
        write.write_all(b"and on").await.unwrap();
        peer.read_exact(&mut [0; 6]).await.unwrap();
        drop(write);
        assert_eq!(peer.read(&mut [0; 1]).await.unwrap(), 0);
    });
}

#[test]
fn closing_and_then_dropping_a_write_half_is_one_end() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair().await;
        let (_read, mut write) = stream.into_split();
        write.close().await.unwrap();
        write.close().await.unwrap();
        assert_eq!(write.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop(write);
        assert_eq!(peer.read(&mut [0; 1]).await.unwrap(), 0);
    });
}

#[test]
fn halves_of_one_stream_reunite() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair().await;
        let addr = stream.local_addr().unwrap();
        let (mut read, mut write) = stream.into_split();
        peer.write_all(b"ab").await.unwrap();
        read.read_exact(&mut [0]).await.unwrap();
        write.write_all(b"1").await.unwrap();
        assert_eq!(read.as_ref().local_addr().unwrap(), addr);
        assert_eq!(write.as_ref().local_addr().unwrap(), addr);
        let mut stream = read.reunite(write).unwrap();
        assert_eq!(stream.local_addr().unwrap(), addr);
        // Neither direction was closed by that.
        stream.read_exact(&mut [0]).await.unwrap();
        stream.write_all(b"2").await.unwrap();
        let mut both = [0; 2];
        peer.read_exact(&mut both).await.unwrap();
        assert_eq!(&both, b"12");
    });
}

#[test]
fn halves_of_two_streams_are_given_back() {
    let _alone = alone();
    run(async {
        let (one, mut one_peer) = pair().await;
        let (two, mut two_peer) = pair().await;
        let (one_read, one_write) = one.into_split();
        let (two_read, two_write) = two.into_split();
        let error = one_read.reunite(two_write).unwrap_err();
        assert_eq!(error.to_string(), "the two halves are not of one stream");
        let (one_read, two_write) = (error.read, error.write);
        let mut one = one_read.reunite(one_write).unwrap();
        let mut two = two_read.reunite(two_write).unwrap();
        for (stream, peer) in [(&mut one, &mut one_peer), (&mut two, &mut two_peer)] {
            stream.write_all(b"x").await.unwrap();
            peer.read_exact(&mut [0]).await.unwrap();
        }
    });
}

#[test]
fn a_forgotten_write_half_does_not_close_its_side() {
    let _alone = alone();
    run(async {
        let (stream, mut peer) = pair().await;
        let (mut read, write) = stream.into_split();
        write.forget();
        let mut byte = [0];
        let mut reading = pin!(peer.read(&mut byte));
        assert!(poll_once(reading.as_mut()).await.is_none());
        // The stream lives on in the other half, and its end is the peer's.
        assert!(poll_once(read.read(&mut [0])).await.is_none());
        assert!(poll_once(reading.as_mut()).await.is_none());
        drop(read);
        assert_eq!(reading.await.unwrap(), 0);
    });
}

#[test]
fn halves_read_and_write_vectored() {
    let _alone = alone();
    run(async {
        let (a, mut b) = pair().await;
        let (_read, mut write) = a.into_split();
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b"cd")];
        assert_eq!(write.write_vectored(&parts).await.unwrap(), 4);
        assert_eq!(b.split().1.write_vectored(&parts).await.unwrap(), 4);
        let (mut read, _write) = b.split();
        while read.as_ref().peek(&mut [0; 4]).await.unwrap() < 4 {}
        let (mut one, mut two) = ([0], [0; 3]);
        let mut buffers = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        assert_eq!(read.read_vectored(&mut buffers).await.unwrap(), 4);
        assert_eq!((&one, &two), (b"a", b"bcd"));
    });
}

#[test]
fn each_half_is_woken_for_its_own_direction_only() {
    let _alone = alone();
    run(async {
        let (stream, peer) = pair_with_std().await;
        let filled = fill(&stream);
        let (mut read, mut write) = stream.into_split();
        let polls = [(); 2].map(|()| Rc::new(Cell::new(0)));
        let (read_polls, write_polls) = (Rc::clone(&polls[0]), Rc::clone(&polls[1]));
        let reader = spawn(counted(read_polls, async move {
            let mut byte = [0];
            read.read_exact(&mut byte).await.map(|()| byte)
        }));
        let writer =
            spawn(counted(write_polls, async move { write.write_all(b"!").await.map(|()| write) }));
        monoloop::yield_now().await;
        assert_eq!([polls[0].get(), polls[1].get()], [1, 1]);
        std::io::Write::write_all(&mut &peer, b"?").unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), *b"?");
        assert_eq!([polls[0].get(), polls[1].get()], [2, 1], "the buffer is full still");
        drain(&peer, filled);
        let write = writer.await.unwrap().unwrap();
        drain(&peer, 1);
        drop(write);
    });
}
