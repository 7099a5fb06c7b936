//! `StreamReader`: whole items, and no byte lost.

mod common;
mod io_common;

use std::io::{self, ErrorKind};

use common::Random;
use io_common::{Script, Step, complete, poll_once, seed};
use monoloop::io::{
    AsyncBufReadExt, AsyncReadExt, IncompleteRead, LimitOverrun, ReadError, StreamReader,
};

fn incomplete<T: std::fmt::Debug>(result: Result<T, ReadError>) -> IncompleteRead {
    match result {
        Err(ReadError::Incomplete(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn overrun<T: std::fmt::Debug>(result: Result<T, ReadError>) -> LimitOverrun {
    match result {
        Err(ReadError::LimitOverrun(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Polls `$read` once and drops it, until it is ready: so it is dropped at every await point.
macro_rules! dropping {
    ($read:expr) => {{
        let mut drops = 0;
        loop {
            match poll_once($read) {
                Some(output) => break (output, drops),
                None => drops += 1,
            }
        }
    }};
}

#[test]
fn reads_dropped_at_every_await_point_lose_nothing() {
    let mut reader = StreamReader::new(Script::slow(b"one\ntwo--three==four12345tail\nlast"));
    let (line, drops) = dropping!(reader.read_line());
    assert_eq!((line.unwrap(), drops), (b"one\n".to_vec(), 4));
    let (item, drops) = dropping!(reader.read_until(b"--"));
    assert_eq!((item.unwrap(), drops), (b"two--".to_vec(), 5));
    let (item, drops) = dropping!(reader.read_until_any(&[b"==", b"--"]));
    assert_eq!((item.unwrap(), drops), (b"three==".to_vec(), 7));
    let (block, drops) = dropping!(reader.read_exactly(9));
    assert_eq!((block.unwrap(), drops), (b"four12345".to_vec(), 9));
    let (some, drops) = dropping!(reader.read_some(100));
    assert_eq!((some.unwrap(), drops), (b"t".to_vec(), 1));
    let (line, drops) = dropping!(reader.next_line());
    assert_eq!((line.unwrap().unwrap(), drops), ("ail".to_owned(), 4));
    let (rest, _) = dropping!(reader.read_exactly(5));
    assert_eq!(incomplete(rest).partial, b"last");
    assert!(reader.at_eof());
}

#[test]
fn a_block_that_is_cut_short_carries_what_came() {
    for length in 0..5 {
        let mut reader = StreamReader::new(Script::slow(&b"12345"[..length]));
        let error = incomplete(complete(reader.read_exactly(5)));
        assert_eq!(error.partial, b"12345"[..length]);
        assert_eq!(error.expected, Some(5));
        assert!(reader.at_eof());
        // And it stays so: asked again, there is nothing.
        assert_eq!(incomplete(complete(reader.read_exactly(1))).partial, b"");
    }
}

#[test]
fn a_block_may_be_longer_than_the_limit() {
    let mut reader = StreamReader::with_limit(2, Script::of(&[7; 100_000]));
    assert_eq!(complete(reader.read_exactly(100_000)).unwrap(), [7; 100_000]);
}

#[test]
fn a_block_of_nothing_does_not_wait() {
    let mut reader = StreamReader::new(Script::slow(b"x"));
    assert_eq!(poll_once(reader.read_exactly(0)).unwrap().unwrap(), b"");
    assert_eq!(poll_once(reader.read_some(0)).unwrap().unwrap(), b"");
}

#[test]
fn an_overrun_keeps_the_data() {
    let data = b"0123456789\nnext\n";
    for cut in 0..data.len() {
        let mut reader = StreamReader::with_limit(10, Script::cut(data, cut));
        // The line is eleven bytes long with its end.
        for _ in 0..3 {
            let error = overrun(complete(reader.read_line()));
            assert_eq!(error, LimitOverrun { limit: 10, consumed: 10 });
            assert!(reader.buffer().starts_with(b"0123456789"));
        }
        reader.set_limit(11);
        assert_eq!(complete(reader.read_line()).unwrap(), b"0123456789\n");
        assert_eq!(complete(reader.read_line()).unwrap(), b"next\n");
        assert_eq!(complete(reader.read_line()).unwrap(), b"");
    }
}

#[test]
fn what_an_overrun_may_consume_cuts_no_delimiter() {
    let data = b"aaaaaaaaaENDrest";
    for limit in 1..12 {
        let mut reader = StreamReader::with_limit(limit, Script::of(data));
        let mut skipped = 0;
        let item = loop {
            match complete(reader.read_until(b"END")) {
                Err(ReadError::LimitOverrun(error)) if error.consumed == 0 => {
                    // The limit is shorter than the delimiter.
                    assert!(limit < 3);
                    reader.set_limit(3);
                }
                Err(ReadError::LimitOverrun(error)) => {
                    skipped += error.consumed;
                    reader.consume(error.consumed);
                }
                item => break item.unwrap(),
            }
        };
        assert_eq!(skipped + item.len(), 12, "limit {limit}");
        assert!(item.ends_with(b"END"));
    }
}

#[test]
fn the_shortest_item_wins_however_the_data_comes() {
    let data = b"GET /\r\n\r\nbody";
    for cut in 0..=data.len() {
        let mut reader = StreamReader::new(Script::cut(data, cut));
        let item = complete(reader.read_until_any(&[b"\r\n\r\n", b"\n\n", b"/\r"])).unwrap();
        assert_eq!(item, b"GET /\r");
        let item = complete(reader.read_until_any(&[b"\r\n\r\n", b"\n", b"\n\r\n"])).unwrap();
        assert_eq!(item, b"\n");
        let item = complete(reader.read_until_any(&[b"\r\n", b"body"])).unwrap();
        assert_eq!(item, b"\r\n");
        assert_eq!(incomplete(complete(reader.read_until(b"?"))).partial, b"body");
    }
}

#[test]
fn buffered_data_comes_before_an_error() {
    let script = || {
        Script::of(b"one\ntwo\nthr").then(Step::Fail(ErrorKind::ConnectionReset)).then(Step::Pend)
    };
    let kind = |error: ReadError| io::Error::from(error).kind();

    let mut reader = StreamReader::new(script());
    assert_eq!(complete(reader.read_line()).unwrap(), b"one\n");
    assert_eq!(complete(reader.read_line()).unwrap(), b"two\n");
    assert_eq!(kind(complete(reader.read_line()).unwrap_err()), ErrorKind::ConnectionReset);
    // What came of the third line can still be had.
    assert_eq!(complete(reader.read_some(100)).unwrap(), b"thr");

    let mut reader = StreamReader::new(script());
    assert_eq!(complete(reader.read_exactly(4)).unwrap(), b"one\n");
    assert_eq!(kind(complete(reader.read_exactly(8)).unwrap_err()), ErrorKind::ConnectionReset);
    assert_eq!(reader.buffer(), b"two\nthr");

    let mut reader = StreamReader::new(script());
    let mut all = Vec::new();
    let error = complete(reader.read_to_end(&mut all)).unwrap_err();
    assert_eq!((&*all, error.kind()), (&b"one\ntwo\nthr"[..], ErrorKind::ConnectionReset));
}

#[test]
fn a_line_at_the_end_needs_no_newline() {
    let mut reader = StreamReader::new(Script::of(b"a\n\r\nb\r\n\nc"));
    let mut lines = Vec::new();
    while let Some(line) = complete(reader.next_line()).unwrap() {
        lines.push(line);
    }
    assert_eq!(lines, ["a", "", "b", "", "c"]);
    assert!(reader.at_eof());
}

#[test]
fn a_line_that_is_not_text_is_skipped_with_an_error() {
    let mut reader = StreamReader::new(Script::of(b"a\n\xff\xfe\nb\n"));
    assert_eq!(complete(reader.next_line()).unwrap().unwrap(), "a");
    let error = io::Error::from(complete(reader.next_line()).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let inner = error.into_inner().unwrap().downcast::<std::string::FromUtf8Error>().unwrap();
    assert_eq!(inner.into_bytes(), b"\xff\xfe");
    assert_eq!(complete(reader.next_line()).unwrap().unwrap(), "b");
}

#[test]
fn the_end_is_known_only_after_a_read_met_it() {
    let mut reader = StreamReader::new(Script::of(b"x"));
    assert!(!reader.at_eof());
    assert_eq!(complete(reader.read_some(1)).unwrap(), b"x");
    assert!(!reader.at_eof());
    assert_eq!(complete(reader.read_some(1)).unwrap(), b"");
    assert!(reader.at_eof());
    // And then the stream is not asked again.
    let reads = reader.get_ref().reads;
    assert_eq!(complete(reader.next_line()).unwrap(), None);
    assert_eq!(reader.get_ref().reads, reads);
}

#[test]
fn the_last_line_may_be_as_long_as_the_limit_without_an_end() {
    let lines = |text: &[u8]| StreamReader::with_limit(4, Script::slow(text));
    assert_eq!(complete(lines(b"1234").read_line()).unwrap(), b"1234");
    assert_eq!(complete(lines(b"123\n").next_line()).unwrap().unwrap(), "123");
    assert_eq!(overrun(complete(lines(b"1234\n").read_line())).consumed, 4);
    assert_eq!(overrun(complete(lines(b"12345").read_line())).consumed, 4);
}

#[test]
fn errors_become_io_errors_and_keep_what_they_carry() {
    let error = IncompleteRead { partial: vec![1, 2], expected: Some(3) };
    assert_eq!(error.to_string(), "the stream ended after 2 of 3 bytes");
    let error = io::Error::from(ReadError::Incomplete(error));
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    let inner = error.get_ref().unwrap().downcast_ref::<IncompleteRead>().unwrap();
    assert_eq!(inner.partial, [1, 2]);
    let error = io::Error::from(LimitOverrun { limit: 5, consumed: 5 });
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.to_string(), "no delimiter within 5 bytes");
}

#[test]
fn the_traits_see_the_same_bytes() {
    let mut reader = StreamReader::new(Script::of(b"one\ntwo\nthree"));
    assert_eq!(complete(reader.read_line()).unwrap(), b"one\n");
    let mut line = String::new();
    complete(AsyncBufReadExt::read_line(&mut reader, &mut line)).unwrap();
    assert_eq!(line, "two\n");
    let mut two = [0; 2];
    complete(reader.read_exact(&mut two)).unwrap();
    assert_eq!(&two, b"th");
    // To read nothing asks nobody, and to consume more than there is consumes that.
    let mut other = StreamReader::new(Script::of(b"one"));
    assert_eq!(complete(other.read(&mut [])).unwrap(), 0);
    assert_eq!(other.get_ref().reads, 0);
    assert_eq!(complete(other.fill_buf()).unwrap(), b"one");
    AsyncBufReadExt::consume(&mut other, 100);
    assert_eq!(complete(other.fill_buf()).unwrap(), b"");
    let (_script, rest) = reader.into_parts();
    assert_eq!(&*rest, b"ree");
}

#[test]
#[should_panic(expected = "a delimiter is empty")]
fn an_empty_delimiter_is_a_mistake() {
    let mut reader = StreamReader::new(Script::of(b"x"));
    let _ = complete(reader.read_until(b""));
}

/// What comes, in random pieces and with random drops, is what was sent, whichever methods take it.
#[test]
fn random_reads_give_the_bytes_in_order() {
    let seed = seed();
    for round in 0..300 {
        let mut random = Random::new(seed + round);
        let data: Vec<u8> = (0..random.below(400)).map(|_| b"ab\n-"[random.below(4)]).collect();
        let mut steps = Vec::new();
        let mut left = &data[..];
        while !left.is_empty() {
            let (piece, rest) = left.split_at(1 + random.below(left.len().min(40)));
            steps.extend([Step::Data(piece.to_vec()), Step::Pend]);
            left = rest;
        }
        let mut reader = StreamReader::with_limit(1 + random.below(20), Script::new(steps));
        let mut got = Vec::new();
        while !reader.at_eof() {
            let count = random.below(12);
            let read = match random.below(4) {
                0 => poll_once(reader.read_line()),
                1 => poll_once(reader.read_until_any(&[b"ab", b"--a"])),
                2 => poll_once(reader.read_exactly(count)),
                _ => poll_once(reader.read_some(count)).map(|result| Ok(result.unwrap())),
            };
            match read {
                None => {}
                Some(Ok(bytes)) => got.extend(bytes),
                Some(Err(ReadError::Incomplete(error))) => got.extend(error.partial),
                Some(Err(ReadError::LimitOverrun(error))) => {
                    got.extend_from_slice(&reader.buffer()[..error.consumed]);
                    reader.consume(error.consumed);
                }
                Some(Err(error)) => panic!("MONOLOOP_SEED={} {error}", seed + round),
            }
        }
        assert_eq!(got, data, "MONOLOOP_SEED={}", seed + round);
    }
}
