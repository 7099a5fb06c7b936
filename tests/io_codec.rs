//! Frames: codecs at every byte offset, ends, garbage, memory.

mod common;
mod io_common;

use std::io::{self, ErrorKind};

use common::Random;
use io_common::{Script, Step, complete, poll_once, seed};
use monoloop::io::codec::*;
use monoloop::io::{AsyncReadExt, IncompleteRead, ReadBuffer, duplex};

/// All items up to the end; panics if it does not come.
fn items<R, D>(mut frames: FramedRead<R, D>) -> Vec<Result<D::Item, String>>
where
    R: monoloop::io::AsyncRead + Unpin,
    D: Decoder<Error = io::Error>,
{
    let mut items = Vec::new();
    while let Some(item) = complete(frames.next()) {
        items.push(item.map_err(|error| error.to_string()));
        assert!(items.len() < 100_000, "it does not end");
    }
    // And it stays at the end.
    assert!(complete(frames.next()).is_none());
    items
}

fn lines(limit: usize, script: Script) -> Vec<Result<String, String>> {
    items(FramedRead::new(script, LinesCodec::with_limit(limit)))
}

fn ok<T>(items: impl IntoIterator<Item = T>) -> Vec<Result<T, String>> {
    items.into_iter().map(Ok).collect()
}

#[test]
fn lines_are_the_same_however_they_come() {
    let text = b"one\r\n\ntwo\rthree\nf\xc3\xbcnf\r\r\nlast\r";
    let expected = ok(["one", "", "two\rthree", "f\u{fc}nf\r", "last\r"].map(str::to_owned));
    for cut in 0..=text.len() {
        assert_eq!(lines(100, Script::cut(text, cut)), expected, "cut at {cut}");
    }
    assert_eq!(lines(100, Script::slow(text)), expected);
}

#[test]
fn the_end_may_come_at_every_byte() {
    let text = "one\ntwo\r\nthree";
    for end in 0..=text.len() {
        let expected: Vec<_> = text[..end].split_inclusive('\n').collect();
        let expected = ok(expected.into_iter().map(|line| match line.strip_suffix('\n') {
            Some(line) => line.strip_suffix('\r').unwrap_or(line).to_owned(),
            None => line.to_owned(),
        }));
        assert_eq!(lines(100, Script::slow(&text.as_bytes()[..end])), expected, "end at {end}");
    }
}

#[test]
fn a_line_that_is_too_long_is_skipped_and_the_next_is_read() {
    for (text, expected) in [
        ("12345\n", vec![Ok("12345")]),
        ("12345\r\n", vec![Ok("12345")]),
        ("123456\nnext\n", vec![Err(()), Ok("next")]),
        ("123456\r\nnext", vec![Err(()), Ok("next")]),
        ("12345678901234567890\n\nnext", vec![Err(()), Ok(""), Ok("next")]),
        ("12345", vec![Ok("12345")]),
        ("123456", vec![Err(())]),
        ("1234567", vec![Err(())]),
        ("12345678901234567890", vec![Err(())]),
        ("123456\n123456\n1", vec![Err(()), Err(()), Ok("1")]),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|item| match item {
                Ok(line) => Ok(line.to_owned()),
                Err(()) => Err("a line is longer than 5 bytes".to_owned()),
            })
            .collect();
        for cut in 0..=text.len() {
            let got = lines(5, Script::cut(text.as_bytes(), cut));
            assert_eq!(got, expected, "{text:?} cut at {cut}");
        }
        assert_eq!(lines(5, Script::slow(text.as_bytes())), expected, "{text:?} slowly");
    }
}

#[test]
fn an_endless_line_takes_bounded_memory() {
    let megabyte = Step::Data(vec![b'x'; 1 << 20]);
    let script =
        Script::new((0..64).map(|_| megabyte.clone())).then(Step::Data(b"\nok\n".to_vec()));
    let mut frames = FramedRead::new(script, LinesCodec::with_limit(1000));
    assert!(complete(frames.next()).unwrap().is_err());
    assert_eq!(complete(frames.next()).unwrap().unwrap(), "ok");
    // What the buffer is made of shows how long it ever was.
    let buffer = format!("{:?}", frames.buffer());
    let size: usize = buffer.trim_end_matches(')').rsplit(' ').next().unwrap().parse().unwrap();
    assert!(size <= 64 * 1024, "{buffer}");
}

#[test]
fn a_line_that_is_not_text_is_an_error_and_the_next_is_read() {
    let mut frames = FramedRead::new(Script::of(b"a\n\xff\nb"), LinesCodec::new());
    assert_eq!(complete(frames.next()).unwrap().unwrap(), "a");
    let error = complete(frames.next()).unwrap().unwrap_err();
    assert!(error.get_ref().unwrap().is::<std::string::FromUtf8Error>());
    assert_eq!(complete(frames.next()).unwrap().unwrap(), "b");
}

#[test]
fn frames_of_all_lengths_of_lengths_go_there_and_back() {
    let frames = [&b""[..], b"x", b"hello", &[7; 255]];
    for bytes in 1..=8 {
        for codec in [LengthDelimitedCodec::new(), LengthDelimitedCodec::new().little_endian()] {
            let codec = codec.length_bytes(bytes);
            let mut out = Vec::new();
            for frame in frames {
                codec.clone().encode(frame, &mut out).unwrap();
            }
            assert_eq!(out.len(), 4 * bytes + 261);
            let expected = ok(frames.map(<[u8]>::to_vec));
            for script in [Script::of(&out), Script::slow(&out), Script::cut(&out, 5 * bytes / 2)] {
                assert_eq!(items(FramedRead::new(script, codec.clone())), expected);
            }
        }
    }
}

#[test]
fn the_order_of_a_lengths_bytes_is_as_asked() {
    let mut out = Vec::new();
    LengthDelimitedCodec::new().length_bytes(3).encode([9; 2], &mut out).unwrap();
    let codec = LengthDelimitedCodec::new().big_endian().little_endian().length_bytes(3);
    codec.clone().encode([9; 2], &mut out).unwrap();
    codec.big_endian().encode([9], &mut out).unwrap();
    assert_eq!(out, [0, 0, 2, 9, 9, 2, 0, 0, 9, 9, 0, 0, 1, 9]);
}

#[test]
fn a_frame_that_is_cut_short_carries_what_came() {
    let data = b"\0\0\0\x05hello";
    for end in 1..data.len() {
        let script = Script::slow(&data[..end]);
        let mut frames = FramedRead::new(script, LengthDelimitedCodec::new());
        let error = complete(frames.next()).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let error = error.into_inner().unwrap().downcast::<IncompleteRead>().unwrap();
        assert_eq!(error.partial, data[..end]);
        assert_eq!(error.expected, (end >= 4).then_some(9));
        assert!(complete(frames.next()).is_none());
    }
}

#[test]
fn a_length_above_the_limit_is_refused_before_anything_is_allocated() {
    for length in [11, 1 << 31, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
        let data = length.to_be_bytes();
        let codec = LengthDelimitedCodec::new().length_bytes(8).limit(10);
        let mut frames = FramedRead::new(Script::of(&data).then(Step::Pend), codec);
        let error = complete(frames.next()).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let error = *error.get_ref().unwrap().downcast_ref::<LengthError>().unwrap();
        assert_eq!((error.length(), error.limit()), (length, 10));
        assert!(complete(frames.next()).is_none());
        assert_eq!(&**frames.buffer(), data);
    }
}

#[test]
fn a_large_length_allocates_only_for_what_comes() {
    let codec = LengthDelimitedCodec::new().length_bytes(8).limit(usize::MAX);
    let mut data = (i64::MAX as u64).to_be_bytes().to_vec();
    data.extend([0; 100]);
    let mut frames = FramedRead::new(Script::of(&data), codec);
    let error = complete(frames.next()).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_frame_that_its_length_cannot_say_is_not_sent() {
    let codec = LengthDelimitedCodec::new().length_bytes(1);
    let mut frames = FramedWrite::new(Vec::new(), codec.clone());
    complete(frames.feed([1; 255])).unwrap();
    let error = complete(frames.feed([1; 256])).unwrap_err();
    assert_eq!(error.to_string(), "a frame of 256 bytes, where 255 are allowed");
    complete(frames.flush()).unwrap();
    assert_eq!(frames.get_ref().len(), 256);
    let error = codec.limit(10).encode([1; 11], &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "a frame of 11 bytes, where 10 are allowed");
}

/// Garbage at random: every loop over the items ends, and no buffer grows above its bound.
#[test]
fn garbage_ends() {
    let seed = seed();
    for round in 0..500 {
        let mut random = Random::new(seed + round);
        let garbage: Vec<u8> = (0..random.below(300))
            .map(|_| [random.next() as u8, 0, b'\n'][random.below(3)])
            .collect();
        let script = || match round % 2 {
            0 => Script::slow(&garbage),
            _ => Script::of(&garbage),
        };
        let bytes = 1 + random.below(8);
        let codec = LengthDelimitedCodec::new().length_bytes(bytes).limit(1 << random.below(10));
        let frames = items(FramedRead::new(script(), codec));
        assert!(frames.len() <= garbage.len() + 1);
        assert!(lines(random.below(20), script()).len() <= garbage.len() + 1);
    }
}

/// A bit of a valid stream is flipped at every place: an item, an error or the end, and never a hang.
#[test]
fn a_flipped_bit_anywhere_does_no_harm() {
    let mut data = Vec::new();
    let codec = LengthDelimitedCodec::new().length_bytes(2).limit(300);
    for frame in [&b"first"[..], b"", &[0xAA; 40], b"last"] {
        codec.clone().encode(frame, &mut data).unwrap();
    }
    for bit in 0..data.len() * 8 {
        let mut broken = data.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        let got = items(FramedRead::new(Script::slow(&broken), codec.clone()));
        let length: usize = got.iter().flatten().map(Vec::len).sum();
        assert!(length <= data.len() && got.iter().filter(|item| item.is_err()).count() <= 1);
    }
}

/// Fails for ever on the same bytes.
struct Stubborn;

impl Decoder for Stubborn {
    type Item = ();
    type Error = io::Error;

    fn decode(&mut self, _: &mut ReadBuffer) -> io::Result<Option<()>> {
        Err(io::Error::other("no"))
    }
}

#[test]
fn a_decoder_that_fails_and_consumes_nothing_is_not_asked_again() {
    assert_eq!(items(FramedRead::new(Script::of(b"x"), Stubborn)), [Err("no".to_owned())]);
}

#[test]
fn frames_that_came_are_given_out_before_an_error_of_the_stream() {
    let script = Script::of(b"one\ntwo\nthr").then(Step::Fail(ErrorKind::ConnectionReset));
    let mut frames = FramedRead::new(script, LinesCodec::new());
    assert_eq!(complete(frames.next()).unwrap().unwrap(), "one");
    assert_eq!(complete(frames.next()).unwrap().unwrap(), "two");
    let error = complete(frames.next()).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(complete(frames.next()).is_none());
    assert_eq!(&**frames.buffer(), b"thr");
}

#[test]
fn a_dropped_read_loses_nothing() {
    let mut frames = FramedRead::new(Script::slow(b"one\ntwo\n"), LinesCodec::new());
    let mut got = Vec::new();
    for _ in 0..100 {
        match poll_once(frames.next()) {
            Some(Some(line)) => got.push(line.unwrap()),
            Some(None) => break,
            None => {}
        }
    }
    assert_eq!(got, ["one", "two"]);
}

#[test]
fn a_dropped_send_leaves_no_half_of_a_frame() {
    let mut script = Script::default();
    (script.write_most, script.write_pends) = (1, true);
    let mut frames = FramedWrite::new(script, LinesCodec::new());
    // Each send is polled once: its frame is in the buffer, a byte of it or none was written.
    for line in ["one", "two", "three"] {
        assert!(poll_once(frames.send(line)).is_none());
    }
    complete(frames.close()).unwrap();
    let (script, _, rest) = frames.into_parts();
    assert_eq!((&*script.written, script.closed, rest.len()), (&b"one\ntwo\nthree\n"[..], true, 0));
}

#[test]
fn frames_wait_for_room_when_the_peer_does_not_read() {
    let (ours, mut peer) = duplex(16);
    let mut frames = FramedWrite::new(ours, LinesCodec::new());
    let line = "x".repeat(99);
    let fed = (0..10_000).take_while(|_| poll_once(frames.feed(&line)).is_some()).count();
    assert!((82..90).contains(&fed), "{fed} lines");
    assert!(frames.buffered() < 9000);
    // Nothing of what was taken is lost.
    let read = std::thread::spawn(move || {
        let mut all = Vec::new();
        monoloop::run(async { peer.read_to_end(&mut all).await.unwrap() })
    });
    monoloop::run(async {
        frames.close().await.unwrap();
        drop(frames);
    });
    assert_eq!(read.join().unwrap(), fed * 100);
}

#[test]
fn a_stream_that_has_more_always_leaves_room_for_others() {
    common::virtual_loop().run(async {
        let endless = Script::new((0..200).map(|_| Step::Data(b"\n".repeat(8192))));
        let mut frames = FramedRead::new(endless, LinesCodec::new());
        let reader = monoloop::spawn(async move {
            let mut count = 0;
            while frames.next().await.is_some() {
                count += 1;
            }
            count
        });
        let mut turns = 0;
        while !reader.is_finished() {
            monoloop::yield_now().await;
            turns += 1;
        }
        assert_eq!(reader.await.unwrap(), 200 * 8192);
        assert!(turns > 1000, "{turns} turns");
    });
}

#[test]
fn an_item_that_cannot_be_sent_leaves_no_trace() {
    struct Picky;
    impl Encoder<&str> for Picky {
        type Error = io::Error;

        fn encode(&mut self, item: &str, out: &mut Vec<u8>) -> io::Result<()> {
            out.extend_from_slice(item.as_bytes());
            if item == "bad" { Err(ErrorKind::InvalidInput.into()) } else { Ok(()) }
        }
    }
    let mut frames = FramedWrite::new(Vec::new(), Picky);
    complete(frames.feed("good")).unwrap();
    assert!(complete(frames.feed("bad")).is_err());
    complete(frames.send("better")).unwrap();
    assert_eq!(frames.get_ref(), b"goodbetter");
}

#[test]
fn a_stream_that_takes_nothing_is_an_error() {
    let mut frames = FramedWrite::new(monoloop::io::Cursor::new(&mut [][..]), LinesCodec::new());
    assert_eq!(complete(frames.send("x")).unwrap_err().kind(), ErrorKind::WriteZero);
}

#[test]
fn a_long_frame_gives_its_memory_back() {
    let mut frames = FramedWrite::new(monoloop::io::sink(), LengthDelimitedCodec::new());
    complete(frames.send(vec![0; 1024 * 1024])).unwrap();
    let (_, _, buffer) = frames.into_parts();
    assert!(buffer.capacity() <= 64 * 1024, "{} bytes", buffer.capacity());
}

/// No item ever comes of it.
#[test]
fn an_endless_line_leaves_room_for_others() {
    common::virtual_loop().run(async {
        let mut frames = FramedRead::new(futures_lite::io::repeat(b'x'), LinesCodec::new());
        assert!(frames.next().await.unwrap().is_err());
        let reader = monoloop::spawn(async move { frames.next().await });
        monoloop::yield_now().await;
        assert!(!reader.is_finished());
    });
}

/// A peer that reads slowly, and a sender that does not wait for it to the end.
#[test]
fn what_was_written_takes_no_memory() {
    let (ours, mut peer) = duplex(4096);
    let mut frames = FramedWrite::new(ours, LinesCodec::new());
    let line = "x".repeat(999);
    for _ in 0..10_000 {
        let _full = poll_once(frames.feed(&line));
        let _read = poll_once(peer.read(&mut [0; 1000]));
    }
    let (_, _, buffer) = frames.into_parts();
    assert!(buffer.capacity() < 64 * 1024, "{} bytes", buffer.capacity());
}

#[test]
fn a_protocol_may_switch_in_mid_stream() {
    let (ours, peer) = duplex(64);
    let mut ours = Framed::new(ours, LinesCodec::new());
    let mut peer = Framed::new(peer, LinesCodec::new());
    // Both the line and the frame behind it come at once.
    complete(ours.feed("UPGRADE")).unwrap();
    let mut ours = ours.map_codec(|_| LengthDelimitedCodec::new());
    complete(ours.send(b"frame")).unwrap();
    assert_eq!(complete(peer.next()).unwrap().unwrap(), "UPGRADE");
    let mut peer = peer.map_codec(|_| LengthDelimitedCodec::new());
    assert_eq!(complete(peer.next()).unwrap().unwrap(), b"frame");
    complete(ours.close()).unwrap();
    assert!(complete(peer.next()).is_none());
    let parts = peer.into_parts();
    assert!(parts.read_buffer.is_empty() && parts.write_buffer.is_empty());
}
