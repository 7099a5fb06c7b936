//! `fs::File`: read ahead, written behind, and nothing lost of either.
#![cfg(target_os = "linux")]

mod census;
mod common;

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::mpsc::{self, Sender};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use census::no_leftovers;
use common::{Random, many, reporting_loop};
use monoloop::fs::{self, File, OpenOptions};
use monoloop::io::*;
use monoloop::{EventLoop, spawn_blocking, time};

/// How many bytes a file takes without writing them.
const BEHIND: usize = 128 * 1024;

/// A directory of the test's own, made without a loop.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("monoloop-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.join("file");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A loop with one thread, which is busy until what is given with it is dropped.
fn busy_loop() -> (EventLoop, Sender<()>) {
    let event_loop = EventLoop::builder().blocking_threads(1).build().unwrap();
    let (go, wait) = mpsc::channel::<()>();
    event_loop.run(async {
        let (begin, begun) = mpsc::channel();
        spawn_blocking(move || {
            begin.send(()).unwrap();
            let _dropped = wait.recv();
        })
        .detach();
        begun.recv().unwrap();
    });
    (event_loop, go)
}

/// How many jobs were handed over while `body` ran.
async fn visits<T>(body: impl Future<Output = T>) -> (usize, T) {
    let number = || async {
        let job = spawn_blocking(|| ());
        let id = job.id().to_string();
        job.await.unwrap();
        id.trim_start_matches('#').parse::<usize>().unwrap()
    };
    let before = number().await;
    let output = body.await;
    (number().await - before - 1, output)
}

fn poll_now<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets a future begin, and drops it. It may have been ready.
async fn begin_and_drop<F: Future>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn many_small_reads_are_one_visit() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("small_reads");
    let bytes: Vec<u8> = (0..8000_u32).map(|n| n as u8).collect();
    let path = scratch.with(&bytes);
    monoloop::run(async {
        let mut file = File::open(&path).await.unwrap();
        let (visits, read) = visits(async {
            let (mut read, mut piece) = (Vec::new(), [0; 7]);
            while read.len() < bytes.len() {
                let len = file.read(&mut piece).await.unwrap();
                read.extend_from_slice(&piece[..len]);
            }
            read
        })
        .await;
        assert_eq!(visits, 1);
        assert!(read == bytes);
        assert_eq!(file.read(&mut [0; 7]).await.unwrap(), 0, "the end");
    });
}

#[test]
fn reading_from_end_to_end_fetches_more_each_time() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("end_to_end");
    let path = scratch.with(&vec![1; 1024 * 1024]);
    monoloop::run(async {
        let mut file = File::open(&path).await.unwrap();
        let (visits, sum) = visits(async {
            let (mut sum, mut piece) = (0, [0; 512]);
            loop {
                match file.read(&mut piece).await.unwrap() {
                    0 => return sum,
                    len => sum += len,
                }
            }
        })
        .await;
        assert_eq!(sum, 1024 * 1024);
        // 8, 16, 32, 64, 128, 128 ... KiB, and the end.
        assert_eq!(visits, 4 + 8 + 1);
    });
}

#[test]
fn what_is_written_while_the_thread_is_busy_is_one_write() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("one_write");
    let (event_loop, go) = busy_loop();
    let path = scratch.with(b"");
    let mut file = File::from_std(std::fs::File::create(&path).unwrap());
    event_loop.run(async {
        for n in 0..1000_u32 {
            file.write_all(&n.to_le_bytes()).await.unwrap();
        }
    });
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    drop(go);
    let (visits, ()) = event_loop.run(visits(async { file.flush().await.unwrap() }));
    // The writer was handed over before they were counted.
    assert_eq!(visits, 0);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 4000);
}

#[test]
fn written_bytes_get_there_without_a_flush() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("no_flush");
    let path = scratch.with(b"");
    monoloop::run(async {
        let mut file = File::create(&path).await.unwrap();
        file.write_all(b"one").await.unwrap();
        census::eventually("written", || std::fs::read(&path).unwrap() == b"one");
        file.write_all(b"two").await.unwrap();
        census::eventually("written", || std::fs::read(&path).unwrap() == b"onetwo");
    });
}

// Memory is bounded: a writer whose disk does not keep up holds no more than it says.
#[test]
fn a_write_waits_when_enough_bytes_are_on_their_way() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("waits");
    let (event_loop, go) = busy_loop();
    let path = scratch.with(b"");
    let mut file = File::from_std(std::fs::File::create(&path).unwrap());
    event_loop.run(async {
        let large = vec![7; 3 * BEHIND];
        assert_eq!(file.write(&large).await.unwrap(), BEHIND);
        begin_and_drop(async {
            file.write(&large).await.unwrap();
            unreachable!("there is no room");
        })
        .await;
        drop(go);
        file.write_all(&large).await.unwrap();
        file.flush().await.unwrap();
    });
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 4 * BEHIND as u64);
}

#[test]
fn bytes_of_a_dropped_file_are_written_at_the_end_of_the_loop() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("dropped");
    let (event_loop, go) = busy_loop();
    let path = scratch.with(b"");
    let mut file = File::from_std(std::fs::File::create(&path).unwrap());
    event_loop.run(async move {
        file.write_all(b"unflushed").await.unwrap();
        // Its writer has not begun.
    });
    let release = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        drop(go);
    });
    let report = event_loop.shutdown();
    assert!(report.is_clean(), "{report}");
    assert_eq!(std::fs::read(&path).unwrap(), b"unflushed");
    release.join().unwrap();
}

#[test]
fn bytes_that_the_end_of_the_loop_left_no_time_for_are_reported() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("left_over");
    let log = common::Log::default();
    let reports = log.clone();
    let event_loop = EventLoop::builder()
        .blocking_threads(1)
        .on_error(move |report| reports.push(report.to_string()))
        .build()
        .unwrap();
    let path = scratch.with(b"");
    let (go, wait) = mpsc::channel::<()>();
    let mut kept = event_loop.run(async {
        let (mut kept, mut file) =
            (File::create(&path).await.unwrap(), File::create(&path).await.unwrap());
        let (begin, begun) = mpsc::channel();
        spawn_blocking(move || {
            begin.send(()).unwrap();
            let _dropped = wait.recv();
        })
        .detach();
        begun.recv().unwrap();
        file.write_all(b"unflushed").await.unwrap();
        kept.write_all(b"kept").await.unwrap();
        kept
    });
    let report = event_loop.shutdown_within(Duration::from_millis(10));
    assert_eq!((report.stuck.len(), report.unstarted.len()), (1, 2), "{report}");
    drop(go);
    let lines = log.take();
    let lost: Vec<_> = lines.iter().filter(|line| line.contains("lost")).collect();
    assert_eq!(lost.len(), 1, "{lines:?}");
    assert!(lost[0].contains("9 bytes") && lost[0].contains(path.to_str().unwrap()), "{lost:?}");
    // Who has the file is told himself.
    let error = monoloop::run(async { kept.flush().await }).unwrap_err();
    assert!(error.to_string().contains("event loop ended"), "{error}");
}

#[test]
fn an_error_of_a_write_comes_once_at_the_next_flush_or_write() {
    let _clean = no_leftovers();
    let (event_loop, log) = reporting_loop();
    event_loop.run(async {
        let mut full = File::options().write(true).open("/dev/full").await.unwrap();
        full.write_all(b"into the void").await.unwrap();
        assert_eq!(full.flush().await.unwrap_err().kind(), ErrorKind::StorageFull);
        full.flush().await.expect("it was told");
        full.write_all(b"again").await.unwrap();
        assert_eq!(full.sync_all().await.unwrap_err().kind(), ErrorKind::StorageFull);
        full.write_all(b"and again").await.unwrap();
        let mut errors = 0;
        while errors == 0 {
            errors += usize::from(full.write(b"x").await.is_err());
            monoloop::yield_now().await;
        }
        let _told_or_not = full.flush().await;
    });
    event_loop.shutdown();
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn an_error_that_nobody_was_told_is_reported() {
    let _clean = no_leftovers();
    let (event_loop, log) = reporting_loop();
    event_loop.run(async {
        let full = || async { OpenOptions::new().write(true).open("/dev/full").await.unwrap() };
        // Once it failed before the drop, once after, perhaps.
        let mut early = full().await;
        early.write_all(b"12345").await.unwrap();
        early.metadata().await.expect("this is after the write, and does not care");
        drop(early);
        full().await.write_all(b"1234567").await.unwrap();
    });
    event_loop.shutdown();
    let mut lines = log.take();
    lines.sort();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("5 bytes written to /dev/full are lost"), "{lines:?}");
    assert!(lines[1].starts_with("7 bytes written to /dev/full are lost"), "{lines:?}");
}

#[test]
fn reading_a_directory_and_seeking_before_the_start_are_errors_and_harm_nothing() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("errors");
    let path = scratch.with(b"0123456789");
    monoloop::run(async {
        let mut dir = File::open(&scratch.0).await.unwrap();
        assert_eq!(dir.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::IsADirectory);
        let mut file = File::open(&path).await.unwrap();
        file.read_exact(&mut [0; 3]).await.unwrap();
        file.seek(SeekFrom::Current(-4)).await.unwrap_err();
        let mut rest = String::new();
        file.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "3456789");
    });
}

#[test]
fn a_file_is_read_by_lines() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("lines");
    let path = scratch.with(b"one\ntwo\nthree");
    monoloop::run(async {
        use futures_lite::StreamExt;
        let lines = File::open(&path).await.unwrap().lines();
        let lines: Vec<String> = lines.map(Result::unwrap).collect().await;
        assert_eq!(lines, ["one", "two", "three"]);
    });
}

#[test]
fn a_clone_and_stds_file_are_at_the_users_position() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("clone");
    let path = scratch.with(b"0123456789");
    monoloop::run(async {
        let mut file = File::open(&path).await.unwrap();
        let mut two = [0; 2];
        file.read_exact(&mut two).await.unwrap();
        let mut other = file.try_clone().await.unwrap();
        other.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"23");
        drop(file);
        assert!(other.as_fd().try_clone_to_owned().is_ok());
        let mut rest = String::new();
        other.into_std().await.unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "456789");
    });
}

#[test]
fn a_dropped_read_loses_nothing() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("dropped_read");
    let path = scratch.with(b"0123456789");
    let options = || std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    // Each is dropped while the thread is busy, and fetches later.
    let (event_loop, go) = busy_loop();
    let mut read = File::from_std(options());
    let mut written = File::from_std(options());
    let mut cloned = File::from_std(options());
    event_loop.run(async {
        for file in [&mut read, &mut written, &mut cloned] {
            assert!(begin_and_drop(file.read(&mut [0; 4])).await.is_none());
        }
        drop(go);
        let mut two = [0; 2];
        read.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"01");
        cloned.try_clone().await.unwrap().read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"01");
        written.write_all(b"XY").await.unwrap();
        written.flush().await.unwrap();
    });
    assert_eq!(std::fs::read(&path).unwrap(), b"XY23456789");
}

#[test]
fn what_has_no_position_is_read_and_written_independently() {
    let _clean = no_leftovers();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut file = File::from_std(std::fs::File::from(OwnedFd::from(ours)));
    monoloop::run(async move {
        // It waits on its thread, and is dropped.
        assert!(begin_and_drop(file.read(&mut [0; 4])).await.is_none());
        let mut four = [0; 4];
        // The read may have begun after the first, not after the others.
        for word in [b"ping", b"pong", b"pang"] {
            file.write_all(word).await.unwrap();
            file.flush().await.unwrap();
            theirs.read_exact(&mut four).unwrap();
            assert_eq!(&four, word);
        }
        std::io::Write::write_all(&mut theirs, b"pong!").unwrap();
        file.read_exact(&mut four).await.unwrap();
        assert_eq!(&four, b"pong");
        // What was read ahead is not given up: there is no way back.
        file.write_all(b"x").await.unwrap();
        assert!(file.seek(SeekFrom::Current(0)).await.is_err());
        file.read_exact(&mut four[..1]).await.unwrap();
        assert_eq!(four[0], b'!');
        file.flush().await.unwrap();
        theirs.read_exact(&mut four[..1]).unwrap();
        drop(theirs);
        assert_eq!(file.read(&mut four).await.unwrap(), 0);
    });
}

#[test]
fn a_waker_that_panics_harms_no_bytes() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("grumpy");
    let (event_loop, log) = reporting_loop();
    let path = scratch.with(b"");
    event_loop.run(async {
        let mut file = File::create(&path).await.unwrap();
        let grumpy = common::grumpy();
        let mut cx = Context::from_waker(&grumpy);
        // Until it has to wait, which it does unless the thread is quicker.
        let mut written = 0;
        while written < 64 * BEHIND {
            match Pin::new(&mut file).poll_write(&mut cx, &[1; BEHIND]) {
                Poll::Ready(len) => written += len.unwrap(),
                Poll::Pending => break,
            }
        }
        file.flush().await.unwrap();
        file.write_all(b"on").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), written as u64 + 2);
    });
    event_loop.shutdown();
    assert!(log.take().iter().all(|line| line.contains("not now")));
}

#[test]
fn a_virtual_clock_waits_for_files() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("virtual");
    let path = scratch.with(b"x");
    common::virtual_loop().run(async {
        let hour = Duration::from_secs(3600);
        let begin = time::now();
        for _ in 0..10 {
            time::timeout(hour, fs::read(&path)).await.expect("time stands still").unwrap();
        }
        let mut file = File::create(&path).await.unwrap();
        file.write_all(b"y").await.unwrap();
        time::timeout(hour, file.flush()).await.expect("time stands still").unwrap();
        assert_eq!(time::now(), begin);
    });
}

#[test]
fn without_a_loop_there_are_errors_that_name_the_place() {
    let _clean = no_leftovers();
    let line = line!() + 1;
    let Poll::Ready(Err(error)) = poll_now(File::open("/dev/null")) else {
        panic!("there is no loop");
    };
    let text = error.to_string();
    assert!(text.contains("OpenOptions::open") && text.contains(&format!("fs_file.rs:{line}")));
    let mut file = File::from_std(std::fs::File::open("/dev/null").unwrap());
    assert!(matches!(poll_now(file.read(&mut [0])), Poll::Ready(Err(_))));
    assert!(matches!(poll_now(file.write(&[0])), Poll::Ready(Err(_))));
    assert!(matches!(poll_now(file.seek(SeekFrom::Start(0))), Poll::Ready(Err(_))));
    assert!(matches!(poll_now(file.flush()), Poll::Ready(Ok(()))));
}

#[test]
fn a_file_may_move_to_another_loop() {
    let _clean = no_leftovers();
    let scratch = Scratch::new("moves");
    let path = scratch.with(b"0123");
    let mut file = monoloop::run(async {
        let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        file.read_exact(&mut [0; 1]).await.unwrap();
        file
    });
    std::thread::spawn(move || {
        monoloop::run(async move {
            file.write_all(b"XY").await.unwrap();
            file.flush().await.unwrap();
        });
    })
    .join()
    .unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"0XY3");
}

/// Random operations on a file, and on a `Vec` with a position.
#[test]
fn a_file_does_as_a_plain_model_does() {
    let _clean = no_leftovers();
    let variable = |name: &str| std::env::var(name).ok().map(|value| value.parse().unwrap());
    let seed = variable("MONOLOOP_SEED").unwrap_or(1) as u64;
    let steps = variable("MONOLOOP_STEPS").unwrap_or(many(1500, 20_000) as i64);
    println!("MONOLOOP_SEED={seed}");
    let scratch = Scratch::new("model");
    let path = scratch.with(b"");
    let mut random = Random::new(seed);
    monoloop::run(async {
        let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        let (mut model, mut position) = (Vec::<u8>::new(), 0_usize);
        for step in 0..steps {
            match random.below(12) {
                0..4 => {
                    let mut piece = vec![0; random.below(60) + 1];
                    let len = file.read(&mut piece).await.unwrap();
                    let there = model.get(position..).unwrap_or_default();
                    assert_eq!(len == 0, there.is_empty(), "step {step}");
                    assert_eq!(piece[..len], there[..len], "step {step} of seed {seed}");
                    position += len;
                }
                4..7 => {
                    let piece = vec![step as u8; random.below(3000)];
                    file.write_all(&piece).await.unwrap();
                    if !piece.is_empty() {
                        let end = position + piece.len();
                        model.resize(model.len().max(end), 0);
                        model[position..end].copy_from_slice(&piece);
                        position = end;
                    }
                }
                7 => {
                    let to = random.below(model.len() + 100);
                    let got = file.seek(SeekFrom::Start(to as u64)).await.unwrap();
                    assert_eq!(got, to as u64);
                    position = to;
                }
                8 => {
                    let by = random.below(200) as i64 - 100;
                    let to = position as i64 + by;
                    let got = file.seek(SeekFrom::Current(by)).await;
                    assert_eq!(got.ok(), u64::try_from(to).ok(), "step {step} of seed {seed}");
                    position = usize::try_from(to).unwrap_or(position);
                }
                9 => {
                    let len = random.below(model.len() + 100);
                    file.set_len(len as u64).await.unwrap();
                    model.resize(len, 0);
                }
                10 => {
                    if let Some(len) = begin_and_drop(file.read(&mut [0; 10])).await {
                        position += len.unwrap();
                    }
                    let len = file.metadata().await.unwrap().len();
                    assert_eq!(len, model.len() as u64, "step {step} of seed {seed}");
                }
                _ => file.flush().await.unwrap(),
            }
        }
        file.flush().await.unwrap();
        assert!(std::fs::read(&path).unwrap() == model, "seed {seed}");
    });
}

#[test]
fn files_are_unpin_and_debug() {
    let _clean = no_leftovers();
    let mut file = File::from_std(std::fs::File::open("/dev/null").unwrap());
    assert!(format!("{file:?}").contains("read_ahead"));
    let _pinned = Pin::new(&mut file);
    assert!(format!("{:?}", fs::read("x")).contains("fs::read"));
}
