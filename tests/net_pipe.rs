//! Pipes: the end, a reader that is gone, a full pipe, named pipes, and what is no pipe.

#![cfg(all(unix, not(miri)))] // Miri has no pipes

mod net_common;

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use futures_lite::future::poll_once;
use monoloop::io::*;
use monoloop::net::pipe::{Receiver, Sender, pipe};
use monoloop::spawn;
use net_common::*;
use rustix::fs::{OFlags, fcntl_getfl};

#[test]
fn bytes_arrive_and_then_the_end() {
    let _alone = alone();
    run(async {
        let (mut sender, mut receiver) = pipe().unwrap();
        let data: Vec<u8> = (0..500_000_u32).map(|n| (n % 251) as u8).collect();
        let sending = spawn({
            let data = data.clone();
            async move { sender.write_all(&data).await.unwrap() }
        });
        let mut got = Vec::new();
        receiver.read_to_end(&mut got).await.unwrap();
        assert!(got == data);
        sending.await.unwrap();
    });
}

#[test]
fn a_reader_that_goes_away_ends_a_write_that_waits() {
    let _alone = alone();
    run(async {
        let (mut sender, receiver) = pipe().unwrap();
        while sender.try_write(&[0; 4096]).is_ok() {}
        let writing = spawn(async move { sender.write_all(b"x").await });
        monoloop::yield_now().await;
        drop(receiver);
        assert_eq!(writing.await.unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn trying_never_waits_and_drops_lose_nothing() {
    let _alone = alone();
    run(async {
        let (sender, mut receiver) = pipe().unwrap();
        let mut buffer = [0; 8];
        assert_eq!(receiver.try_read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(poll_once(receiver.read(&mut buffer)).await.is_none());
        assert_eq!(sender.try_write(b"abc").unwrap(), 3);
        receiver.readable().await.unwrap();
        sender.writable().await.unwrap();
        assert_eq!(receiver.read(&mut buffer).await.unwrap(), 3);
    });
}

/// Class 17: in packet mode a read gives one packet, however many there are.
#[cfg(target_os = "linux")]
#[test]
fn packets_behind_a_short_one_are_read() {
    use rustix::pipe::{PipeFlags, pipe_with};

    let _alone = alone();
    run(async {
        let (read, write) = pipe_with(PipeFlags::DIRECT | PipeFlags::CLOEXEC).unwrap();
        let mut receiver = Receiver::from_owned_fd(read).unwrap();
        let mut buffer = [0; 16];
        assert!(poll_once(receiver.read(&mut buffer)).await.is_none());
        let mut write = std::fs::File::from(write);
        for packet in ["a", "bc", "def"] {
            write.write_all(packet.as_bytes()).unwrap();
        }
        for length in 1..=3 {
            assert_eq!(receiver.read(&mut buffer).await.unwrap(), length);
        }
    });
}

#[test]
fn the_pipes_of_a_child_serve() {
    let _alone = alone();
    let mut child =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let stdin = OwnedFd::from(child.stdin.take().unwrap());
    let stdout = OwnedFd::from(child.stdout.take().unwrap());
    run(async {
        let mut sender = Sender::from_owned_fd(stdin).unwrap();
        let mut receiver = Receiver::from_owned_fd(stdout).unwrap();
        sender.write_all(b"meow").await.unwrap();
        let mut buffer = [0; 4];
        receiver.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"meow");
        drop(sender);
        assert_eq!(receiver.read(&mut buffer).await.unwrap(), 0);
    });
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_named_pipe_is_opened_without_waiting_for_the_other_end() {
    let _alone = alone();
    let path = std::env::temp_dir().join(format!("monoloop-fifo-{}", std::process::id()));
    let _old = std::fs::remove_file(&path);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    run(async {
        Sender::open(&path).expect_err("nobody reads");
        let mut receiver = Receiver::open(&path).unwrap();
        assert_eq!(receiver.read(&mut [0]).await.unwrap(), 0, "nobody writes");
        let mut sender = Sender::open(&path).unwrap();
        sender.write_all(b"x").await.unwrap();
        assert_eq!(receiver.read(&mut [0]).await.unwrap(), 1);
    });
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn what_is_no_pipe_is_refused() {
    let _alone = alone();
    run(async {
        let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        assert_eq!(Receiver::from_owned_fd(file()).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(Sender::from_owned_fd(file()).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn into_owned_fd_keeps_what_the_kernel_holds() {
    let _alone = alone();
    let (sender, receiver) = run(async {
        let (mut sender, receiver) = pipe().unwrap();
        sender.write_all(b"kept").await.unwrap();
        (sender.into_owned_fd().unwrap(), receiver.into_owned_fd().unwrap())
    });
    drop(sender);
    let mut text = String::new();
    std::fs::File::from(receiver).read_to_string(&mut text).unwrap();
    assert_eq!(text, "kept");
}

#[test]
fn into_blocking_fd_is_what_others_expect() {
    let _alone = alone();
    let ends = run(async {
        let (sender, receiver) = pipe().unwrap();
        [sender.into_blocking_fd().unwrap(), receiver.into_blocking_fd().unwrap()]
    });
    for end in ends {
        assert!(!fcntl_getfl(&end).unwrap().contains(OFlags::NONBLOCK));
    }
}
