//! Reads and writes that are dropped at every await point: what is lost is what their documentation says, and no
//! more.

mod common;
mod io_common;

use std::io::ErrorKind;
use std::pin::pin;

use futures_lite::future::poll_once as poll_future_once;
use futures_lite::{StreamExt, stream};
use io_common::{Script, complete, poll_once};
use monoloop::io::*;

/// Polls `$operation` once and drops it, until it is ready; counts the drops.
macro_rules! dropping {
    ($operation:expr) => {{
        let mut drops = 0;
        loop {
            match poll_once($operation) {
                Some(output) => break (output, drops),
                None => drops += 1,
            }
        }
    }};
}

/// Reads to the end by single reads, each dropped whenever it waits.
fn drain_by_dropping<R: AsyncRead + Unpin>(mut reader: R) -> (Vec<u8>, usize) {
    let (mut all, mut drops, mut buffer) = (Vec::new(), 0, [0; 3]);
    loop {
        let (read, more) = dropping!(reader.read(&mut buffer));
        drops += more;
        match read.unwrap() {
            0 => return (all, drops),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

#[test]
fn adapters_of_a_stream_lose_nothing_that_the_stream_does_not() {
    let data = b"some bytes";
    let slow = || Script::slow(data);
    // Each waits before every byte, and once before the end.
    assert_eq!(drain_by_dropping(slow()), (data.to_vec(), 11));
    assert_eq!(drain_by_dropping(slow().take(4)), (b"some".to_vec(), 4));
    assert_eq!(drain_by_dropping(slow().take(100)), (data.to_vec(), 11));
    let chained = slow().chain(Script::slow(b" and more"));
    assert_eq!(drain_by_dropping(chained), (b"some bytes and more".to_vec(), 21));
    assert_eq!(drain_by_dropping(BufReader::new(slow())), (data.to_vec(), 11));
    assert_eq!(drain_by_dropping(BufStream::new(slow())), (data.to_vec(), 11));
    assert_eq!(drain_by_dropping(StreamReader::new(slow())), (data.to_vec(), 11));
    assert_eq!(drain_by_dropping(split(slow()).0), (data.to_vec(), 11));
}

#[test]
fn a_buffered_line_survives_in_its_vector() {
    // What the table says: `read_until` loses nothing, as long as the vector is kept.
    let mut reader = BufReader::new(Script::slow(b"one\ntwo"));
    let mut line = Vec::new();
    let (count, drops) = dropping!(reader.read_until(b'\n', &mut line));
    // How many it were in all, only the vector knows.
    assert_eq!((count.unwrap(), line.as_slice(), drops), (1, &b"one\n"[..], 4));
    // And `read_line` keeps its bytes to itself until it is through: a drop loses them.
    let mut line = String::new();
    let (count, _) = dropping!(reader.read_line(&mut line));
    assert_eq!((count.unwrap(), line.as_str()), (0, ""));
    // The reader for whole items does not.
    let mut reader = StreamReader::new(Script::slow(b"one\ntwo"));
    let (line, drops) = dropping!(reader.next_line());
    assert_eq!((line.unwrap().as_deref(), drops), (Some("one"), 4));
}

#[test]
fn buffered_writes_and_flushes_lose_nothing() {
    fn taken<W: AsyncWrite + Unpin>(mut writer: W) -> W {
        let mut left = &b"0123456789"[..];
        while !left.is_empty() {
            let (written, _) = dropping!(writer.write(left));
            left = &left[written.unwrap()..];
        }
        dropping!(writer.flush()).0.unwrap();
        dropping!(writer.close()).0.unwrap();
        writer
    }
    let slow = || {
        let mut script = Script::default();
        (script.write_most, script.write_pends) = (2, true);
        script
    };
    let check = |script: &Script| {
        assert_eq!(script.written, b"0123456789");
        assert!(script.closed);
    };
    check(&taken(slow()));
    check(taken(BufWriter::with_capacity(3, slow())).get_ref());
    check(taken(BufWriter::with_capacity(300, slow())).get_ref());
    check(taken(BufStream::with_capacity(3, 3, slow())).get_ref());
}

#[test]
fn a_dropped_write_to_a_full_pipe_has_written_nothing() {
    let (mut ours, mut peer) = duplex(4);
    complete(ours.write_all(b"full")).unwrap();
    for _ in 0..3 {
        assert!(poll_once(ours.write(b"x")).is_none());
    }
    assert_eq!(drain_some(&mut peer), b"full");
    let (written, drops) = dropping!(ours.write(b"yz"));
    assert_eq!((written.unwrap(), drops), (2, 0));
    assert_eq!(drain_some(&mut peer), b"yz");
}

fn drain_some(peer: &mut DuplexStream) -> Vec<u8> {
    let mut buffer = [0; 16];
    let count = complete(peer.read(&mut buffer)).unwrap();
    buffer[..count].to_vec()
}

#[test]
fn lines_as_a_stream_are_not_cut_by_a_dropped_next() {
    let mut lines = BufReader::new(Script::slow(b"one\r\ntwo\nthree")).lines();
    let mut all = Vec::new();
    loop {
        match dropping!(lines.next()).0 {
            None => break,
            Some(line) => all.push(line.unwrap()),
        }
    }
    assert_eq!(all, ["one", "two", "three"]);
}

/// A stream that ends, or brings nonsense, at any byte ends every read of it.
#[test]
fn the_end_at_every_byte_ends_every_read() {
    let data = b"line\r\n\0\0\0\x05block--\xff\xfe\n12";
    for length in 0..=data.len() {
        for method in 0..5 {
            let mut reader = StreamReader::with_limit(8, Script::slow(&data[..length]));
            let (mut rounds, mut got) = (0, 0);
            while !reader.at_eof() {
                rounds += 1;
                assert!(rounds < 100, "{length} {method}: it goes round in circles");
                let read = match method {
                    0 => complete(reader.read_line()),
                    1 => complete(reader.read_exactly(3)),
                    2 => complete(reader.read_until_any(&[b"--", b"\r\n"])),
                    3 => complete(reader.read_some(2)).map_err(ReadError::Io),
                    _ => complete(reader.next_line()).map(|line| match line {
                        Some(line) => line.into_bytes(),
                        None => Vec::new(),
                    }),
                };
                match read {
                    Ok(item) => got += item.len(),
                    Err(ReadError::Incomplete(error)) => got += error.partial.len(),
                    Err(ReadError::LimitOverrun(error)) => {
                        got += error.consumed;
                        reader.consume(error.consumed);
                    }
                    Err(ReadError::Io(error)) => assert_eq!(error.kind(), ErrorKind::InvalidData),
                    Err(error) => panic!("{error}"),
                }
            }
            if method < 4 {
                assert_eq!(got, length, "method {method}");
            }
        }
    }
}

#[test]
fn a_million_small_writes_arrive() {
    const WRITES: u32 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    monoloop::run(async {
        let (ours, peer) = duplex(64 * 1024);
        let writer = StreamWriter::new(ours);
        let writing = pin!(async move {
            for n in 0..WRITES {
                writer.write(&n.to_le_bytes()).unwrap();
                writer.drain().await.unwrap();
            }
            // By now it was told to close, and sends the rest.
        });
        let reading = pin!(async move {
            let mut reader = StreamReader::new(peer);
            for n in 0..WRITES {
                assert_eq!(reader.read_exactly(4).await.unwrap(), n.to_le_bytes());
            }
            assert_eq!(reader.read_some(1).await.unwrap(), b"");
        });
        monoloop::join!(writing, reading);
    });
}

#[test]
fn a_dropped_stream_of_frames_goes_on() {
    use monoloop::io::codec::{FramedRead, LinesCodec};
    monoloop::run(async {
        let mut frames = FramedRead::new(Script::slow(b"one\ntwo\n"), LinesCodec::new());
        let mut all = Vec::new();
        while all.len() < 2 {
            if let Some(Some(line)) = poll_future_once(frames.next()).await {
                all.push(line.unwrap());
            }
        }
        assert_eq!(all, ["one", "two"]);
        // As a `Stream` it is the same.
        let rest = stream::StreamExt::collect::<Vec<_>>(frames).await;
        assert!(rest.is_empty());
    });
}
