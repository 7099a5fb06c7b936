//! `send_file` and `copy_file`: every byte of the range, and where it stopped when it could not go on.

#![cfg(not(miri))] // makes sockets
#![cfg(unix)]

mod common;
#[path = "net_common/memory.rs"]
mod memory;
mod net_common;

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek};
use std::ops::Bound;
use std::pin::pin;

use futures_lite::future::poll_once;
use monoloop::io::*;
use monoloop::net::{TcpStream, UnixStream};
use monoloop::{spawn, yield_now};
use net_common::{alone, pair, pair_with_std, run};

/// A file that is gone when this is.
struct Temp(std::path::PathBuf, File);

impl Temp {
    fn new(name: &str, data: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("monoloop-{name}-{}", std::process::id()));
        fs::write(&path, data).unwrap();
        let file = File::open(&path).unwrap();
        Self(path, file)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

fn bytes(length: usize) -> Vec<u8> {
    // Does not repeat with the size of any buffer.
    let pattern: Vec<u8> = (0..251).collect();
    pattern.iter().copied().cycle().take(length).collect()
}

/// Sends, and gives how many bytes that were, and what came.
async fn send(file: &File, range: impl std::ops::RangeBounds<u64>) -> (u64, Vec<u8>) {
    let (mut stream, mut peer) = pair().await;
    let reading = spawn(async move {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        all
    });
    let sent = stream.send_file(file, range).await.unwrap();
    drop(stream);
    (sent, reading.await.unwrap())
}

#[test]
fn a_file_arrives_whole() {
    let _alone = alone();
    let data = bytes(5_000_000);
    let file = Temp::new("whole", &data);
    run(async {
        let (sent, got) = send(&file.1, ..).await;
        assert_eq!(sent, 5_000_000);
        assert!(got == data);
        // Its position is nobody's business.
        assert_eq!((&file.1).stream_position().unwrap(), 0);
    });
}

#[test]
fn ranges_are_what_they_say_they_are() {
    let _alone = alone();
    let file = Temp::new("ranges", b"0123456789");
    run(async {
        assert_eq!(send(&file.1, 2..5).await, (3, b"234".to_vec()));
        assert_eq!(send(&file.1, 2..=5).await, (4, b"2345".to_vec()));
        assert_eq!(send(&file.1, ..1).await, (1, b"0".to_vec()));
        let after = (Bound::Excluded(7), Bound::Unbounded);
        assert_eq!(send(&file.1, after).await, (2, b"89".to_vec()));
        // The file's end is the end; an empty range is empty.
        assert_eq!(send(&file.1, 8..100).await, (2, b"89".to_vec()));
        assert_eq!(send(&file.1, 100..).await, (0, Vec::new()));
        let (from, to) = (5, 2);
        assert_eq!(send(&file.1, from..to).await, (0, Vec::new()));

        let mut copied = Vec::new();
        assert_eq!(copy_file(&file.1, 2..5, &mut copied).await.unwrap(), 3);
        assert_eq!(copy_file(&file.1, 8..100, &mut copied).await.unwrap(), 2);
        assert_eq!(copy_file(&file.1, from..to, &mut copied).await.unwrap(), 0);
        assert_eq!(copied, b"23489");
    });
}

#[test]
fn a_slow_peer_is_waited_for_and_progress_is_known() {
    let _alone = alone();
    let data = bytes(8_000_000);
    let file = Temp::new("slow", &data);
    run(async {
        let (mut stream, peer) = pair_with_std().await;
        peer.set_nonblocking(true).unwrap();
        let mut got = Vec::new();
        let mut sending = stream.send_file(&file.1, ..);
        // It is dropped in the end, and so goes on from where it was.
        let sent = loop {
            assert!(poll_once(&mut sending).await.is_none());
            if sending.sent() > 3_000_000 {
                break sending.sent();
            }
            // As much as is there, which may be nothing; and the loop is to see that there is room again.
            let _would_block = (&peer).take(100_000).read_to_end(&mut got);
            yield_now().await;
        };
        peer.set_nonblocking(false).unwrap();
        let reading = std::thread::spawn(move || {
            (&peer).read_to_end(&mut got).unwrap();
            got
        });
        let rest = stream.send_file(&file.1, sent..).await.unwrap();
        assert_eq!(sent + rest, 8_000_000);
        drop(stream);
        assert!(reading.join().unwrap() == data);
    });
}

/// Read and written, it would go through a buffer of 64 KiB.
#[cfg(target_os = "linux")]
#[test]
fn the_system_sends_a_file_without_a_copy() {
    let _alone = alone();
    let file = Temp::new("uncopied", &bytes(8_000_000));
    run(async {
        let (mut tcp, _peer) = pair().await;
        let (mut unix, _unix_peer) = UnixStream::pair().unwrap();
        for mut sending in [tcp.send_file(&file.1, ..), unix.send_file(&file.1, ..)] {
            // In one poll only so much is sent.
            yield_now().await;
            let before = memory::in_use();
            assert!(poll_once(&mut sending).await.is_none());
            assert!(sending.sent() > 64 * 1024);
            let more = memory::in_use().saturating_sub(before);
            assert!(more < 32 * 1024, "{more} bytes");
        }
        // Which is noticed by this: one that goes through a buffer.
        let before = memory::in_use();
        let (mut near, _far) = duplex(1);
        let mut copying = copy_file(&file.1, .., &mut near);
        assert!(poll_once(&mut copying).await.is_none());
        assert!(memory::in_use().saturating_sub(before) >= 64 * 1024);
    });
}

#[test]
fn a_peer_that_goes_is_an_error_that_tells_how_far_it_came() {
    let _alone = alone();
    let file = Temp::new("gone", &bytes(8_000_000));
    run(async {
        let (mut stream, peer) = UnixStream::pair().unwrap();
        let mut sending = stream.send_file(&file.1, ..);
        assert!(poll_once(&mut sending).await.is_none());
        let sent = sending.sent();
        assert!(sent > 0);
        drop(peer);
        let error = sending.await.unwrap_err();
        assert_eq!(error.copied(), sent);
        assert!(error.to_string().starts_with(&format!("after {sent} bytes: ")), "{error}");
        assert_eq!(std::io::Error::from(error).kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn what_the_system_cannot_send_is_read_and_written() {
    let _alone = alone();
    // Some of procfs cannot be sent by the kernel; whether this one can depends on its version.
    let file = File::open("/proc/self/cmdline");
    let Ok(file) = file else { return };
    run(async {
        let expected = fs::read("/proc/self/cmdline").unwrap();
        assert_eq!(send(&file, ..).await, (expected.len() as u64, expected));
        // And a folder can be neither.
        let (mut stream, _peer) = pair().await;
        let error = stream.send_file(&File::open("/").unwrap(), ..).await.unwrap_err();
        assert_eq!(error.copied(), 0);
    });
}

#[test]
fn a_dropped_copy_goes_on_where_it_was() {
    let _alone = alone();
    let data = bytes(300_000);
    let file = Temp::new("dropped", &data);
    run(async {
        let (mut ours, mut peer) = duplex(1000);
        let reading = spawn(async move {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).await.unwrap();
            all
        });
        let mut at = 0;
        loop {
            let mut copying = copy_file(&file.1, at.., &mut ours);
            let polled = poll_once(&mut copying).await;
            at += copying.copied();
            if polled.is_some() {
                break;
            }
            yield_now().await;
        }
        assert_eq!(at, 300_000);
        drop(ours);
        assert!(reading.await.unwrap() == data);
    });
}

#[test]
fn a_large_file_leaves_room_for_others() {
    let _alone = alone();
    let file = Temp::new("large", &vec![7; 20_000_000]);
    run(async {
        let mut polls = 0;
        let mut nowhere = sink();
        let mut copying = pin!(copy_file(&file.1, .., &mut nowhere));
        while poll_once(copying.as_mut()).await.is_none() {
            polls += 1;
            yield_now().await;
        }
        assert!(polls > 1, "{polls}");
    });
}

#[test]
fn it_must_be_the_loop_of_the_socket() {
    let _alone = alone();
    let file = Temp::new("loop", b"x");
    let event_loop = monoloop::EventLoop::new().unwrap();
    let (mut stream, _peer): (TcpStream, _) = event_loop.run(pair());
    let error = run(async { stream.send_file(&file.1, ..).await.unwrap_err() });
    assert!(error.to_string().contains("belongs to event loop"), "{error}");
}
