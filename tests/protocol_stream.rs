//! Protocols: which callback comes when, and that none comes twice or inside of another.

mod common;
mod io_common;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use common::{Log, Random, reporting_loop, settle, virtual_loop};
use io_common::{Script, Step, seed};
use monoloop::io::*;
use monoloop::protocol::{AfterEof, Protocol, Transport, attach};
use monoloop::{EventLoop, yield_now};

fn run<F: Future>(future: F) -> F::Output {
    virtual_loop().run(future)
}

/// Lets everything happen that can.
async fn rest() {
    for _ in 0..200 {
        yield_now().await;
    }
}

/// What a protocol does with what it is given.
type React = Rc<dyn Fn(&Transport, &[u8])>;

/// Writes down what it is told.
#[derive(Clone)]
struct Told {
    log: Log,
    after_eof: AfterEof,
    react: React,
    is_inside: Rc<Cell<bool>>,
}

impl Told {
    fn new() -> Self {
        Self::with(|_, _| {})
    }

    fn with(react: impl Fn(&Transport, &[u8]) + 'static) -> Self {
        let (log, is_inside) = (Log::default(), Rc::default());
        Self { log, after_eof: AfterEof::Close, react: Rc::new(react), is_inside }
    }

    fn keep_open(self) -> Self {
        Self { after_eof: AfterEof::KeepOpen, ..self }
    }

    fn tell(&self, what: impl Into<String>, then: impl FnOnce()) {
        assert!(!self.is_inside.replace(true), "one callback inside of another");
        self.log.push(what);
        then();
        self.is_inside.set(false);
    }
}

impl Protocol for Told {
    fn connection_made(&mut self, transport: &Transport) {
        self.tell("made", || (self.react)(transport, b"made"));
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let text = String::from_utf8_lossy(data);
        self.tell(format!("data {text}"), || (self.react)(transport, data));
    }

    fn eof_received(&mut self, transport: &Transport) -> AfterEof {
        self.tell("eof", || (self.react)(transport, b"eof"));
        self.after_eof
    }

    fn pause_writing(&mut self, transport: &Transport) {
        self.tell("pause", || (self.react)(transport, b"pause"));
    }

    fn resume_writing(&mut self, transport: &Transport) {
        self.tell("resume", || (self.react)(transport, b"resume"));
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.tell(format!("lost {:?}", error.map(|error| error.kind())), || {});
    }
}

#[test]
fn made_comes_first_data_in_order_and_lost_last() {
    run(async {
        let (ours, mut peer) = duplex(16);
        let told = Told::new();
        let transport = attach(ours, told.clone());
        assert_eq!(told.log.len(), 0, "not before the next turn");
        rest().await;
        assert_eq!(told.log.take(), ["made"]);
        peer.write_all(b"one").await.unwrap();
        rest().await;
        peer.write_all(b"two").await.unwrap();
        rest().await;
        assert_eq!(told.log.take(), ["data one", "data two"]);
        drop(peer);
        rest().await;
        assert_eq!(told.log.take(), ["eof", "lost None"]);
        assert!(transport.is_closing());
        assert!(matches!(transport.write(b"x"), Err(QueueError::Closed)));
    });
}

#[test]
fn closing_sends_what_is_queued_and_reads_nothing_more() {
    run(async {
        let (ours, mut peer) = duplex(2);
        let told = Told::new();
        let transport = attach(ours, told.clone());
        rest().await;
        transport.write(b"123456").unwrap();
        transport.close();
        assert!(transport.is_closing() && !transport.is_reading());
        peer.write_all(b"no").await.unwrap();
        rest().await;
        assert_eq!(told.log.take(), ["made"], "not lost before all is sent");
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"123456");
        rest().await;
        assert_eq!(told.log.take(), ["lost None"]);
        transport.close();
        transport.abort();
        rest().await;
        assert_eq!(told.log.len(), 0);
    });
}

#[test]
fn aborting_drops_what_is_queued() {
    run(async {
        let (ours, mut peer) = duplex(2);
        let told = Told::new();
        let transport = attach(ours, told.clone());
        rest().await;
        transport.write(b"123456").unwrap();
        rest().await;
        transport.abort();
        rest().await;
        assert_eq!(told.log.take(), ["made", "lost None"]);
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"12");
    });
}

#[test]
fn a_half_close_leaves_the_other_half_open() {
    run(async {
        // Theirs first.
        let (ours, mut peer) = duplex(16);
        let told = Told::new().keep_open();
        let transport = attach(ours, told.clone());
        peer.close().await.unwrap();
        rest().await;
        assert_eq!(told.log.take(), ["made", "eof"]);
        transport.write(b"answer").unwrap();
        let mut answer = [0; 6];
        peer.read_exact(&mut answer).await.unwrap();
        transport.close();
        rest().await;
        assert_eq!(told.log.take(), ["lost None"]);

        // Ours first.
        let (ours, mut peer) = duplex(16);
        let told = Told::new();
        let transport = attach(ours, told.clone());
        transport.write(b"question").unwrap();
        transport.write_eof();
        assert!(matches!(transport.write(b"x"), Err(QueueError::Closed)));
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"question");
        assert!(transport.is_reading());
        peer.write_all(b"answer").await.unwrap();
        rest().await;
        assert_eq!(told.log.take(), ["made", "data answer"]);
        drop(peer);
        rest().await;
        assert_eq!(told.log.take(), ["eof", "lost None"]);
    });
}

#[test]
fn pauses_and_resumptions_are_paired() {
    run(async {
        let (ours, mut peer) = duplex(1);
        let told = Told::new();
        let transport = attach(ours, told.clone());
        transport.set_water_marks(4, 1);
        assert_eq!(transport.water_marks(), (4, 1));
        rest().await;
        assert_eq!(told.log.take(), ["made"]);
        for _ in 0..3 {
            transport.write(&[0; 6]).unwrap();
            rest().await;
            assert_eq!(told.log.take(), ["pause"], "5 wait, and one is on its way");
            transport.write(&[0; 6]).unwrap();
            rest().await;
            assert_eq!(told.log.len(), 0);
            peer.read_exact(&mut [0; 9]).await.unwrap();
            rest().await;
            assert_eq!((transport.unsent(), told.log.len()), (2, 0));
            peer.read_exact(&mut [0; 2]).await.unwrap();
            rest().await;
            assert_eq!(told.log.take(), ["resume"]);
            peer.read_exact(&mut [0; 1]).await.unwrap();
            rest().await;
        }
        // New marks tell at once; and a connection may be lost while it is paused.
        transport.write(&[0; 3]).unwrap();
        transport.set_water_marks(0, 0);
        rest().await;
        assert_eq!(told.log.take(), ["pause"]);
        drop(peer);
        rest().await;
        assert_eq!(told.log.take(), ["eof", "lost Some(BrokenPipe)"]);
    });
}

#[test]
fn what_a_callback_brings_about_is_told_after_it() {
    run(async {
        let (ours, mut peer) = duplex(64);
        // Writes too much inside of `made`, writes more when it should not, and closes when it is resumed.
        let told = Told::with(|transport, what| match what {
            b"made" => {
                transport.set_water_marks(10, 0);
                transport.write(&[b'x'; 100]).unwrap();
            }
            b"pause" => transport.write(b"more").unwrap(),
            b"resume" => transport.close(),
            _ => {}
        });
        let _transport = attach(ours, told.clone());
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        rest().await;
        assert_eq!(all.len(), 104);
        assert_eq!(told.log.take(), ["made", "pause", "resume", "lost None"]);
    });
}

#[test]
fn paused_reading_holds_the_peer_up() {
    run(async {
        let (ours, mut peer) = duplex(3);
        let told = Told::with(|transport, what| {
            if what != b"made" {
                transport.pause_reading();
            }
        });
        let transport = attach(ours, told.clone());
        peer.write_all(b"123").await.unwrap();
        rest().await;
        peer.write_all(b"456").await.unwrap();
        rest().await;
        assert_eq!(told.log.take(), ["made", "data 123"]);
        assert!(!transport.is_reading());
        assert!(io_common::poll_once(peer.write(b"7")).is_none(), "the pipe is full");
        transport.resume_reading();
        transport.resume_reading();
        rest().await;
        assert_eq!(told.log.take(), ["data 456"]);
        // Closing ends a pause, too.
        transport.close();
        rest().await;
        assert_eq!(told.log.take(), ["lost None"]);
    });
}

#[test]
fn data_comes_before_an_error() {
    run(async {
        let script = Script::of(b"data").then(Step::Fail(ErrorKind::ConnectionReset));
        let told = Told::new();
        let transport = attach(script, told.clone());
        rest().await;
        assert_eq!(told.log.take(), ["made", "data data", "lost Some(ConnectionReset)"]);
        assert!(transport.is_closing());
        assert!(transport.write(b"x").is_err());
    });
}

#[test]
fn data_comes_before_an_error_of_writing() {
    run(async {
        let (ours, mut peer) = duplex(64);
        let told = Told::new();
        let transport = attach(ours, told.clone());
        rest().await;
        transport.write(b"question").unwrap();
        peer.write_all(b"go away").await.unwrap();
        drop(peer);
        rest().await;
        let log = told.log.take();
        assert_eq!(log, ["made", "data go away", "lost Some(BrokenPipe)"]);
    });
}

#[test]
fn another_protocol_takes_over_in_mid_stream() {
    run(async {
        let (ours, mut peer) = duplex(64);
        let second = Told::new();
        let first = Told::with({
            let second = second.clone();
            move |transport, what| {
                if what == b"switch" {
                    transport.set_protocol(second.clone());
                    // It is told afterwards of what this brings about.
                    transport.set_water_marks(0, 0);
                    transport.write(b"switched").unwrap();
                }
            }
        });
        let dropped = first.log.on_drop("dropped");
        let transport = attach(ours, Keeps(first.clone(), dropped));
        for text in ["one", "switch", "two"] {
            peer.write_all(text.as_bytes()).await.unwrap();
            rest().await;
        }
        drop(peer);
        rest().await;
        assert_eq!(first.log.take(), ["made", "data one", "data switch", "dropped"]);
        let told = second.log.take();
        assert_eq!(told[..1], ["data two"]);
        assert_eq!(told[told.len() - 2..], ["eof", "lost None"], "{told:?}");
        drop(transport);

        // From outside, before the connection was made.
        let (ours, _peer) = duplex(64);
        let (first, second) = (Told::new(), Told::new());
        attach(ours, first.clone()).set_protocol(second.clone());
        rest().await;
        assert_eq!((first.log.take(), second.log.take()), (vec!["made".to_owned()], vec![]));
    });
}

/// The stream takes a byte at a time, and there is always more to be sent.
#[test]
fn who_writes_without_an_end_still_reads() {
    run(async {
        let mut stream = Script::of(b"stop");
        stream.write_most = 1;
        let told = Told::with(|transport, what| match what {
            b"stop" => transport.abort(),
            b"made" => {
                transport.set_water_marks(2000, 1000);
                transport.write(&[0; 3000]).unwrap();
            }
            b"resume" => transport.write(&[0; 2000]).unwrap(),
            _ => {}
        });
        let transport = attach(stream, told.clone());
        rest().await;
        assert!(transport.is_closing(), "{:?}", told.log.take());
    });
}

/// Its drop is not the connection's fault.
#[test]
fn a_replaced_protocol_that_panics_in_its_drop_is_reported() {
    let (event_loop, reports) = reporting_loop();
    let second = Told::new();
    event_loop.run(async {
        let (ours, mut peer) = duplex(64);
        let bomb = common::on_drop(|| common::quiet_panic("boom"));
        let transport = attach(ours, Keeps(Told::new(), bomb));
        rest().await;
        transport.set_protocol(second.clone());
        rest().await;
        peer.write_all(b"on it goes").await.unwrap();
        rest().await;
        assert!(!transport.is_closing());
    });
    assert_eq!(second.log.take(), ["data on it goes"]);
    assert_eq!(reports.len(), 1);
}

#[test]
fn who_is_told_of_the_end_finds_the_connection_closed() {
    struct Looks(Option<Transport>, Log);
    impl Protocol for Looks {
        fn connection_made(&mut self, transport: &Transport) {
            self.0 = Some(transport.clone());
        }

        fn data_received(&mut self, _: &Transport, _: &[u8]) {
            common::quiet_panic("boom");
        }

        fn connection_lost(&mut self, _: Option<io::Error>) {
            let transport = self.0.as_ref().unwrap();
            let written = transport.write(b"last words");
            self.1.push(format!("{} {}", transport.is_closing(), written.is_err()));
        }
    }
    let (event_loop, log) = (reporting_loop().0, Log::default());
    event_loop.run(async {
        let (ours, mut peer) = duplex(64);
        attach(ours, Looks(None, log.clone()));
        peer.write_all(b"x").await.unwrap();
        rest().await;
    });
    assert_eq!(log.take(), ["true true"]);
}

/// Nobody polls the connection between the switch and the end.
#[test]
fn a_protocol_that_took_over_is_told_of_the_end_even_if_it_comes_at_once() {
    let (first, second) = (Told::new(), Told::new());
    let (event_loop, _) = reporting_loop();
    event_loop.run(async {
        let (ours, _peer) = duplex(64);
        let transport = attach(ours, first.clone());
        rest().await;
        transport.set_protocol(second.clone());
    });
    drop(event_loop);
    assert_eq!(first.log.take(), ["made"]);
    assert_eq!(second.log.take(), ["lost Some(ConnectionAborted)"]);
}

/// A protocol may keep a transport: one that comes too late must not keep both for ever.
#[test]
fn a_protocol_that_comes_after_the_end_is_dropped() {
    run(async {
        let (ours, peer) = duplex(64);
        let told = Told::new();
        let transport = attach(ours, told.clone());
        rest().await;
        drop(peer);
        rest().await;
        assert_eq!(told.log.take(), ["made", "eof", "lost None"]);
        let late = Keeps(told.clone(), (told.log.on_drop("dropped"), transport.clone()));
        transport.set_protocol(late);
        drop(transport);
        assert_eq!(told.log.take(), ["dropped"]);
    });
}

/// A protocol that holds something.
struct Keeps<T>(Told, T);

impl<T> Protocol for Keeps<T> {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.connection_made(transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.0.data_received(transport, data);
    }
}

#[test]
fn a_callback_that_panics_ends_its_connection_and_is_reported() {
    for at in ["made", "x", "eof", "pause"] {
        let (event_loop, reports) = reporting_loop();
        let told = Told::with(move |transport, what| {
            if what == b"x" {
                transport.set_water_marks(0, 0);
                transport.write(b"abc").unwrap();
            }
            if what == at.as_bytes() {
                common::quiet_panic("boom");
            }
        });
        event_loop.run(async {
            let (ours, mut peer) = duplex(2);
            let panicking = Told { is_inside: Rc::default(), ..told.clone() };
            let transport = attach(ours, Forgiving(panicking));
            peer.write_all(b"x").await.unwrap();
            if at == "eof" {
                peer.close().await.unwrap();
            }
            rest().await;
            assert!(transport.is_closing(), "{at}");
        });
        let log = told.log.take();
        assert_eq!(log.last().unwrap(), "lost Some(Other)", "{at}: {log:?}");
        assert_eq!(log.iter().filter(|entry| entry.starts_with("lost")).count(), 1);
        let reports = reports.take();
        assert_eq!(reports.len(), 1, "{reports:?}");
        assert!(reports[0].contains("boom"), "{reports:?}");
    }
}

/// Forgets that the last callback did not return.
struct Forgiving(Told);

impl Protocol for Forgiving {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.connection_made(transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.0.data_received(transport, data);
    }

    fn eof_received(&mut self, transport: &Transport) -> AfterEof {
        self.0.eof_received(transport)
    }

    fn pause_writing(&mut self, transport: &Transport) {
        self.0.pause_writing(transport);
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.0.is_inside.set(false);
        self.0.connection_lost(error);
    }
}

#[test]
fn a_panic_at_the_very_end_is_reported_too() {
    struct Bomb;
    impl Protocol for Bomb {
        fn data_received(&mut self, _: &Transport, _: &[u8]) {}

        fn connection_lost(&mut self, _: Option<io::Error>) {
            common::quiet_panic("boom");
        }
    }
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let (ours, peer) = duplex(2);
        attach(ours, Bomb);
        yield_now().await;
        drop(peer);
        rest().await;
        let (ours, _peer) = duplex(2);
        attach(ours, Bomb);
        yield_now().await;
    });
    // The second one's at the loop's end.
    event_loop.shutdown();
    assert_eq!(reports.len(), 2);
}

#[test]
fn the_end_of_the_loop_is_the_end_of_the_connection() {
    let event_loop = EventLoop::new().unwrap();
    let told = Told::new();
    let unpolled = Told::new();
    let (ours, _peer) = duplex(2);
    let transport = event_loop.run(async {
        let transport = attach(ours, told.clone());
        yield_now().await;
        transport
    });
    settle(&event_loop);
    transport.write(b"lost").unwrap();
    event_loop.run(async {
        let (ours, _peer) = duplex(2);
        attach(ours, unpolled.clone());
    });
    drop(event_loop);
    assert_eq!(told.log.take().last().unwrap(), "lost Some(ConnectionAborted)");
    assert!(transport.is_closing());
    // Lost is only what was made.
    let log = unpolled.log.take();
    assert!(log.is_empty() || log.len() == 2, "{log:?}");
}

#[test]
fn an_endless_stream_leaves_room_for_others() {
    run(async {
        let received = Rc::new(Cell::new(0));
        struct Counts(Rc<Cell<usize>>);
        impl Protocol for Counts {
            fn data_received(&mut self, _: &Transport, data: &[u8]) {
                self.0.set(self.0.get() + data.len());
            }
        }
        struct Endless;
        impl AsyncRead for Endless {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> std::task::Poll<io::Result<usize>> {
                std::task::Poll::Ready(Ok(buffer.len()))
            }
        }
        impl AsyncWrite for Endless {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                data: &[u8],
            ) -> std::task::Poll<io::Result<usize>> {
                std::task::Poll::Ready(Ok(data.len()))
            }
            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }
            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }
        let transport = attach(Endless, Counts(Rc::clone(&received)));
        yield_now().await;
        let before = received.get();
        assert!(before > 0);
        // It goes on when the loop has looked for I/O: after 256 polls at the latest.
        for _ in 0..1000 {
            yield_now().await;
        }
        assert!(received.get() > before);
        transport.abort();
    });
}

#[test]
fn a_peer_that_never_reads_costs_bounded_memory() {
    run(async {
        let (ours, _peer) = duplex(10);
        let transport = attach(ours, Told::new());
        transport.set_capacity(1000);
        let mut taken = 0;
        let refused = loop {
            match transport.write(&[0; 100]) {
                Ok(()) => taken += 100,
                Err(error) => break error,
            }
            rest().await;
        };
        assert!(matches!(refused, QueueError::Full(_)));
        assert!(taken <= 1100, "{taken}");
    });
}

/// Everything at random: the order of the callbacks is always the one that is promised.
#[test]
fn random_connections_keep_the_order() {
    for round in 0..200 {
        let round = seed() + round;
        let random = Rc::new(RefCell::new(Random::new(round)));
        let below = {
            let random = Rc::clone(&random);
            move |bound| random.borrow_mut().below(bound)
        };
        let act = {
            let below = below.clone();
            move |transport: &Transport| match below(12) {
                0 => transport.close(),
                1 => transport.abort(),
                2 => transport.write_eof(),
                3 => transport.pause_reading(),
                4 => transport.resume_reading(),
                5 => {
                    let high = below(20);
                    transport.set_water_marks(high, high / 2);
                }
                _ => drop(transport.write(&vec![7; below(30)])),
            }
        };
        let told = Told::with({
            let act = act.clone();
            move |transport, _| act(transport)
        });
        let told = if below(2) == 0 { told.keep_open() } else { told };
        run(async {
            let (ours, mut peer) = duplex(1 + below(20));
            let transport = attach(ours, told.clone());
            for _ in 0..below(40) {
                match below(5) {
                    0 => act(&transport),
                    1 => drop(io_common::poll_once(peer.write(&vec![1; below(9)]))),
                    2 => drop(io_common::poll_once(peer.read(&mut [0; 16]))),
                    3 if below(5) == 0 => drop(io_common::poll_once(peer.close())),
                    _ => rest().await,
                }
            }
            transport.resume_reading();
            transport.close();
            drop(peer);
            rest().await;
        });
        check_order(&told.log.take(), round);
    }
}

fn check_order(log: &[String], round: u64) {
    let place = |what: &str| log.iter().position(|entry| entry.starts_with(what));
    let count = |what: &str| log.iter().filter(|entry| entry.starts_with(what)).count();
    let context = || format!("MONOLOOP_SEED={round}: {log:?}");
    assert_eq!((place("made"), count("made")), (Some(0), 1), "{}", context());
    assert_eq!((place("lost"), count("lost")), (Some(log.len() - 1), 1), "{}", context());
    assert!(count("eof") <= 1, "{}", context());
    if let Some(eof) = place("eof") {
        assert!(!log[eof..].iter().any(|entry| entry.starts_with("data")), "{}", context());
    }
    let marks = log.iter().filter(|entry| matches!(entry.as_str(), "pause" | "resume"));
    for (n, mark) in marks.enumerate() {
        assert_eq!(mark, ["pause", "resume"][n % 2], "{}", context());
    }
}

#[test]
fn who_took_over_in_a_callback_is_told_of_the_very_next() {
    run(async {
        let (ours, _peer) = duplex(1);
        let second = Told::new();
        let first = Told::with({
            let second = second.clone();
            move |transport, what| {
                if what == b"pause" {
                    transport.set_protocol(second.clone());
                    transport.set_water_marks(1000, 1000);
                }
            }
        });
        let transport = attach(ours, first.clone());
        transport.set_water_marks(0, 0);
        transport.write(b"much").unwrap();
        rest().await;
        assert_eq!(first.log.take(), ["made", "pause"]);
        assert_eq!(second.log.take(), ["resume"]);
    });
}
