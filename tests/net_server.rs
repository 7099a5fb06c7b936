//! Servers: whom they accept, what becomes of handlers, and how they end.

#![cfg(not(miri))] // makes sockets

mod net_common;

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream as StdStream};
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::poll_once;
use monoloop::io::*;
use monoloop::net::{Server, ServerHandle, TcpListener, TcpStream, idle_timeout};
use monoloop::task::CancelToken;
use monoloop::time::{now, sleep, timeout};
use monoloop::{ErrorReport, EventLoop, yield_now};
use net_common::*;

const SECOND: Duration = Duration::from_secs(1);

async fn echo(stream: TcpStream, _: SocketAddr, _: CancelToken) -> io::Result<()> {
    copy(&stream, &stream).await.map(drop)
}

async fn server() -> Server {
    Server::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

/// A client of std's, connected and not blocking longer than a hang.
fn client(server: &ServerHandle) -> StdStream {
    let client = StdStream::connect(server.local_addrs()[0]).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    client
}

/// Lets the loop run until so many connections are served.
async fn serving(server: &ServerHandle, count: usize) {
    until(|| server.connections() == count).await;
}

#[test]
fn an_address_that_a_name_has_twice_is_bound_once() {
    let _alone = alone();
    let twice = |_: &str, port| ready(Ok([SocketAddr::from(([127, 0, 0, 1], port)); 2].to_vec()));
    let event_loop = EventLoop::builder().resolver(twice).build().unwrap();
    for port in [0, free_port()] {
        run_on(&event_loop, async {
            let server = Server::bind(("twice.test", port)).await.unwrap();
            assert_eq!(server.listeners().len(), 1);
        });
    }
}

/// A port that is free.
fn free_port() -> u16 {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn every_connection_is_given_to_the_handler_with_its_peer() {
    let _alone = alone();
    run(async {
        let peers = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&peers);
        let server = server().await.start(async move |stream: TcpStream, peer, token| {
            seen.borrow_mut().push(peer);
            echo(stream, peer, token).await
        });
        let mut clients: Vec<_> = (0..50).map(|_| client(&server)).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            client.write_all(&[n as u8; 100]).unwrap();
        }
        serving(&server, 50).await;
        until(|| peers.borrow().len() == 50).await;
        sleep(Duration::from_millis(1)).await;
        let mut addrs = Vec::new();
        for (n, mut client) in clients.into_iter().enumerate() {
            addrs.push(client.local_addr().unwrap());
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let mut echoed = Vec::new();
            while server.endings().finished <= n as u64 {
                yield_now().await;
            }
            client.read_to_end(&mut echoed).unwrap();
            assert_eq!(echoed, [n as u8; 100]);
        }
        assert_eq!(*peers.borrow(), addrs);
        let endings = server.shutdown(SECOND).await;
        assert_eq!(endings.total(), 0, "those that had ended are not in the report");
    });
}

#[test]
fn all_addresses_are_served_and_told() {
    let _alone = alone();
    run(async {
        let addrs = [2, 3].map(|host| SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)));
        let server = Server::bind(&addrs[..]).await.unwrap().start(echo);
        assert_eq!(server.local_addrs().len(), 2);
        let mut streams = Vec::new();
        for addr in server.local_addrs() {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(b"x").await.unwrap();
            stream.read_exact(&mut [0]).await.unwrap();
            streams.push(stream);
        }
        assert_eq!(server.connections(), 2);
    });
}

#[test]
fn an_address_that_this_machine_lacks_is_passed_over_unless_it_is_the_only_one() {
    let _alone = alone();
    run(async {
        // For documentation: nobody has it.
        let foreign: SocketAddr = "192.0.2.1:0".parse().unwrap();
        let ours: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(&[foreign, ours][..]).await.unwrap().start(echo);
        assert_eq!(server.local_addrs().len(), 1);
        let error = Server::bind(foreign).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("cannot bind 192.0.2.1:0"), "{error}");

        // One that is taken is no such case, and then none is bound.
        let before = descriptors().len();
        let taken = server.local_addrs()[0];
        let error = Server::bind(&[ours, taken][..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(descriptors().len(), before);
    });
}

#[test]
fn servers_that_reuse_a_port_share_it() {
    let _alone = alone();
    run(async {
        let builder = Server::builder().reuse_port(true).backlog(64);
        let one = builder.clone().bind("127.0.0.1:0").await.unwrap().start(echo);
        let addr = one.local_addrs()[0];
        let other = builder.bind(addr).await.unwrap().start(echo);
        let clients: Vec<_> = (0..40).map(|_| client(&one)).collect();
        until(|| one.connections() + other.connections() == 40).await;
        assert!(one.connections() > 0 && other.connections() > 0);
        drop(clients);
        let alone = Server::bind(addr).await.unwrap_err();
        assert_eq!(alone.kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn no_more_connections_are_served_than_allowed_and_the_rest_wait() {
    let _alone = alone();
    run(async {
        let server = server().await.max_connections(2).start(echo);
        let mut clients: Vec<_> = (0..4).map(|_| client(&server)).collect();
        serving(&server, 2).await;
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(server.connections(), 2);
        // One that goes makes room for one.
        drop(clients.remove(0));
        until(|| server.endings().finished == 1).await;
        serving(&server, 2).await;
        assert_eq!(server.endings().total(), 1);
    });
}

#[test]
fn any_number_of_connections_may_be_allowed() {
    let _alone = alone();
    run(async {
        for most in [0, usize::MAX] {
            let server = server().await.max_connections(most).start(echo);
            let client = client(&server);
            serving(&server, 1).await;
            drop(client);
        }
    });
}

#[test]
fn an_idle_listener_keeps_no_connection_from_another() {
    let _alone = alone();
    run(async {
        let addrs = [2, 3].map(|host| SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)));
        let server = Server::bind(&addrs[..]).await.unwrap().max_connections(1).start(echo);
        let addrs = server.local_addrs().to_vec();
        for addr in [addrs[1], addrs[1], addrs[0], addrs[1]] {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(b"x").await.unwrap();
            stream.read_exact(&mut [0]).await.unwrap();
        }
    });
}

/// What the loop's error hook is told while a server runs.
fn reports(test: impl AsyncFnOnce(Rc<RefCell<Vec<String>>>)) -> Vec<String> {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&reports);
    let hook = move |report: &ErrorReport| {
        if !matches!(report, ErrorReport::SlowPoll { .. }) {
            noted.borrow_mut().push(report.to_string());
        }
    };
    let event_loop = EventLoop::builder().on_error(hook).build().unwrap();
    run_on(&event_loop, test(Rc::clone(&reports)));
    drop(event_loop);
    reports.take()
}

#[test]
fn a_handler_that_fails_or_panics_is_reported_and_closes_its_connection_only() {
    let _alone = alone();
    std::panic::set_hook(Box::new(|_| {}));
    let mut peers = Vec::new();
    let reports = reports(async |_| {
        let server = server().await.start(async |mut stream: TcpStream, peer, token| {
            let mut byte = [0];
            stream.read_exact(&mut byte).await?;
            match byte[0] {
                b'f' => Err(io::Error::other("on purpose")),
                b'p' => panic!("on purpose"),
                _ => echo(stream, peer, token).await,
            }
        });
        let mut well = client(&server);
        for (byte, endings) in [(b'f', (1, 0)), (b'p', (1, 1))] {
            let mut client = client(&server);
            client.write_all(&[byte]).unwrap();
            peers.push(client.local_addr().unwrap());
            until(|| (server.endings().failed, server.endings().panicked) == endings).await;
            assert_eq!(client.read(&mut [0]).unwrap(), 0, "it is closed");
        }
        well.write_all(b"xy").unwrap();
        until(|| server.connections() == 1).await;
        let mut echoed = [0];
        well.set_nonblocking(true).unwrap();
        while let Err(error) = well.read_exact(&mut echoed) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            yield_now().await;
        }
        assert_eq!(echoed, *b"y");
        drop(well);
        let endings = server.shutdown(SECOND).await;
        assert_eq!((endings.finished, endings.total()), (1, 1));
    });
    let _ = std::panic::take_hook();
    assert_eq!(reports.len(), 2, "{reports:?}");
    for (report, (peer, how)) in reports.iter().zip(peers.iter().zip(["failed", "panicked"])) {
        assert!(report.contains(&format!("\"connection from {peer}\"")), "{report}");
        assert!(report.contains("tests/net_server.rs"), "{report}");
        assert!(report.ends_with(&format!("{how}: on purpose")), "{report}");
    }
}

#[test]
fn shutdown_asks_waits_and_then_drops_and_says_how_many_ended_how() {
    let _alone = alone();
    virtual_loop().run(async {
        let server = server().await.start(async |mut stream: TcpStream, _, token: CancelToken| {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            match byte[0] {
                // It ends when asked.
                b'a' => token.cancelled().await,
                // It needs a while to end.
                b'b' => {
                    token.cancelled().await;
                    sleep(3 * SECOND).await;
                    stream.write_all(b"bye").await.unwrap();
                }
                _ => pending().await,
            }
            token.reason().map_or(Err("without a reason"), |_| Ok(()))
        });
        let mut clients: Vec<_> = (0..4).map(|_| client(&server)).collect();
        for (client, byte) in clients.iter_mut().zip(*b"abcc") {
            client.write_all(&[byte]).unwrap();
        }
        serving(&server, 4).await;
        sleep(SECOND).await;
        let addr = server.local_addrs()[0];
        let begin = now();
        let endings = server.shutdown(5 * SECOND).await;
        assert_eq!(now() - begin, 5 * SECOND);
        assert_eq!((endings.finished, endings.aborted, endings.total()), (2, 2, 4));
        assert_eq!(StdStream::connect(addr).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let mut said = String::new();
        clients[1].read_to_string(&mut said).unwrap();
        assert_eq!(said, "bye");
    });
}

#[test]
fn shutdown_takes_no_longer_than_the_handlers() {
    let _alone = alone();
    virtual_loop().run(async {
        let begin = now();
        let idle = server().await.start(echo);
        assert_eq!(idle.shutdown(SECOND).await.total(), 0);
        let server = server().await.start(async |_, _, token: CancelToken| {
            token.cancelled().await;
            sleep(SECOND).await;
        });
        let _client = client(&server);
        serving(&server, 1).await;
        assert_eq!(server.shutdown(100 * SECOND).await.finished, 1);
        assert_eq!(now() - begin, SECOND);
    });
}

#[test]
fn shutdown_stops_listening_at_once() {
    let _alone = alone();
    virtual_loop().run(async {
        let server = server().await.start(async |_, _, _| pending::<()>().await);
        let _client = client(&server);
        serving(&server, 1).await;
        let addr = server.local_addrs()[0];
        let mut ending = std::pin::pin!(server.shutdown(SECOND));
        assert!(poll_once(ending.as_mut()).await.is_none());
        assert_eq!(StdStream::connect(addr).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(ending.await.aborted, 1);
    });
}

/// Says when it is dropped.
struct Dropped(Rc<Cell<u32>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn dropping_the_handle_or_its_shutdown_drops_all_handlers() {
    let _alone = alone();
    run(async {
        for begin_shutdown in [false, true] {
            let drops = Rc::new(Cell::new(0));
            let counted = Rc::clone(&drops);
            let server = server().await.start(async move |_stream: TcpStream, _, _| {
                let _dropped = Dropped(Rc::clone(&counted));
                pending::<()>().await;
            });
            let mut clients = [client(&server), client(&server)];
            serving(&server, 2).await;
            yield_now().await;
            let addr = server.local_addrs()[0];
            if begin_shutdown {
                assert!(poll_once(server.shutdown(SECOND)).await.is_none());
            } else {
                drop(server);
            }
            assert_eq!(drops.get(), 2);
            for client in &mut clients {
                assert_eq!(client.read(&mut [0]).unwrap(), 0);
            }
            StdStream::connect(addr).unwrap_err();
        }
    });
}

#[test]
fn a_token_above_asks_the_handlers_and_the_server_goes_on() {
    let _alone = alone();
    run(async {
        let above = CancelToken::new();
        let server = server().await.token(&above);
        let server = server.start(async |_, _, token: CancelToken| token.cancelled().await);
        let _clients = [client(&server), client(&server)];
        serving(&server, 2).await;
        above.cancel();
        until(|| server.endings().finished == 2).await;
        assert!(server.is_accepting());
    });
}

#[test]
fn waiting_ends_when_nobody_listens_and_nobody_is_served() {
    let _alone = alone();
    run(async {
        let server = server().await.start(echo);
        let one = client(&server);
        serving(&server, 1).await;
        let mut waiting = std::pin::pin!(server.wait());
        assert!(poll_once(waiting.as_mut()).await.is_none());
        drop(one);
        serving(&server, 0).await;
        assert!(poll_once(waiting.as_mut()).await.is_none(), "it still listens");
        let other = client(&server);
        serving(&server, 1).await;
        server.stop_accepting();
        assert!(!server.is_accepting());
        assert!(poll_once(waiting.as_mut()).await.is_none(), "it still serves");
        drop(other);
        waiting.await;
        // Without anybody being served, it ends when listening does.
        let idle = Server::new([listener().await]).start(echo);
        let mut waiting = std::pin::pin!(idle.wait());
        assert!(poll_once(waiting.as_mut()).await.is_none());
        idle.stop_accepting();
        waiting.await;
    });
}

#[test]
fn a_handler_that_shuts_its_own_server_down_is_dropped_at_the_limit() {
    let _alone = alone();
    virtual_loop().run(async {
        let shared: Rc<RefCell<Option<ServerHandle>>> = Rc::default();
        let (ours, drops) = (Rc::clone(&shared), Rc::new(Cell::new(0)));
        let dropped = Rc::clone(&drops);
        let server = server().await.start(async move |_: TcpStream, _, _| {
            let _dropped = Dropped(Rc::clone(&dropped));
            let server = ours.take().unwrap();
            assert_eq!(server.shutdown(SECOND).await.total(), 0);
            pending::<()>().await;
        });
        let _client = client(&server);
        *shared.borrow_mut() = Some(server);
        let begin = now();
        until(|| shared.borrow().is_none()).await;
        sleep(SECOND).await;
        until(|| drops.get() == 1).await;
        assert_eq!(now() - begin, SECOND);
    });
}

#[test]
fn many_that_knock_at_once_leave_room_for_others() {
    let _alone = alone();
    run(async {
        let server = server().await;
        let addr = server.listeners()[0].local_addr().unwrap();
        let clients: Vec<_> = (0..200).map(|_| StdStream::connect(addr).unwrap()).collect();
        let server = server.start(echo);
        let mut before = 0;
        let mut turns = 0;
        while server.connections() < clients.len() {
            yield_now().await;
            let accepted = server.connections();
            assert!(accepted - before <= 16, "{} in one turn", accepted - before);
            (before, turns) = (accepted, turns + 1);
        }
        assert!(turns >= clients.len() / 16, "{turns}");
    });
}

#[test]
fn handlers_may_borrow_what_the_server_shares_and_spawn() {
    let _alone = alone();
    run(async {
        let names: Rc<RefCell<Vec<String>>> = Rc::default();
        let shared = Rc::clone(&names);
        let server = server().await.start(async move |mut stream: TcpStream, _, _| {
            let names = &shared;
            let mut name = String::new();
            stream.read_to_string(&mut name).await.unwrap();
            names.borrow_mut().push(name);
        });
        for name in ["ann", "bob"] {
            client(&server).write_all(name.as_bytes()).unwrap();
        }
        until(|| server.endings().finished == 2).await;
        assert_eq!(*names.borrow(), ["ann", "bob"]);
    });
}

#[cfg(unix)]
#[test]
fn unix_listeners_are_served_the_same_way() {
    use monoloop::net::UnixStream;

    let _alone = alone();
    let path = std::env::temp_dir().join(format!("monoloop-server-{}", std::process::id()));
    run(async {
        let server = Server::bind_unix(&path).unwrap().max_connections(1);
        let server =
            server.start(async |stream: UnixStream, _, _| copy(&stream, &stream).await.map(drop));
        assert_eq!(server.local_addrs()[0].as_pathname(), Some(&*path));
        for _ in 0..2 {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            stream.write_all(b"x").await.unwrap();
            stream.read_exact(&mut [0]).await.unwrap();
        }
        until(|| server.endings().finished == 2).await;
        server.shutdown(SECOND).await;
        assert!(!path.exists());
    });
}

#[test]
fn without_a_loop_starting_panics_and_binding_is_an_error() {
    let _alone = alone();
    let error = futures_lite::future::block_on(Server::bind("127.0.0.1:0")).unwrap_err();
    assert!(error.to_string().contains("`Server::bind` called at"), "{error}");
    let server = run(server());
    std::panic::set_hook(Box::new(|_| {}));
    let start = std::panic::AssertUnwindSafe(|| drop(server.start(echo)));
    let panic = std::panic::catch_unwind(start).unwrap_err();
    let _ = std::panic::take_hook();
    assert!(panic.downcast_ref::<String>().unwrap().contains("`Server::start` called at"));
}

#[test]
fn an_idle_connection_is_ended_and_one_that_drips_is_not() {
    let _alone = alone();
    run_virtually(async {
        let (stream, mut peer) = pair().await;
        let mut stream = idle_timeout(stream, 10 * SECOND);
        let begin = now();
        let dripping = monoloop::spawn(async move {
            for _ in 0..5 {
                sleep(9 * SECOND).await;
                peer.write_all(b"x").await.unwrap();
            }
            peer
        });
        let error = stream.read_exact(&mut [0; 6]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "the connection was idle for 10s");
        assert_eq!(now() - begin, 55 * SECOND);
        // It can go on.
        let mut peer = dripping.await.unwrap();
        peer.write_all(b"y").await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        stream.set_limit(SECOND);
        let begin = now();
        stream.read(&mut [0]).await.unwrap_err();
        assert_eq!(now() - begin, SECOND);
    });
}

#[test]
fn what_moves_one_way_keeps_the_other_from_being_idle() {
    let _alone = alone();
    run_virtually(async {
        let (stream, mut peer) = pair().await;
        let stream = idle_timeout(stream, 10 * SECOND);
        let (mut reader, mut writer) = futures_lite::io::split(stream);
        let begin = now();
        let writing = monoloop::spawn(async move {
            for _ in 0..5 {
                sleep(9 * SECOND).await;
                writer.write_all(b"x").await.unwrap();
            }
        });
        reader.read(&mut [0]).await.unwrap_err();
        assert_eq!(now() - begin, 55 * SECOND);
        writing.await.unwrap();
        peer.read_exact(&mut [0; 5]).await.unwrap();
    });
}

#[test]
fn a_peer_that_never_reads_is_idle_for_who_writes() {
    let _alone = alone();
    run_virtually(async {
        let (stream, _peer) = pair().await;
        let mut stream = idle_timeout(stream, SECOND);
        let begin = now();
        let error = loop {
            match stream.write(&[0; 64 * 1024]).await {
                Ok(_) => assert_eq!(now(), begin),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), now() - begin), (ErrorKind::TimedOut, SECOND));
    });
}

/// A heartbeat that has nothing to say is no sign of life.
#[test]
fn what_moves_nothing_does_not_keep_a_connection_from_being_idle() {
    let _alone = alone();
    run_virtually(async {
        let (stream, _peer) = pair().await;
        let mut stream = idle_timeout(stream, 10 * SECOND);
        let begin = now();
        let error = loop {
            let beat = monoloop::time::timeout(SECOND, stream.read(&mut [0])).await;
            stream.flush().await.unwrap();
            assert_eq!(stream.write(&[]).await.unwrap(), 0);
            match beat {
                Ok(read) => break read.unwrap_err(),
                Err(_) => assert!(now() - begin < 20 * SECOND),
            }
        };
        assert_eq!((error.kind(), now() - begin), (ErrorKind::TimedOut, 10 * SECOND));
    });
}

#[test]
fn work_between_two_waits_is_not_the_peers_fault() {
    let _alone = alone();
    run_virtually(async {
        let (stream, mut peer) = pair().await;
        let mut stream = idle_timeout(stream, SECOND);
        peer.write_all(b"x").await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        sleep(100 * SECOND).await;
        let begin = now();
        stream.read_exact(&mut [0]).await.unwrap_err();
        assert_eq!(now() - begin, SECOND);
    });
}

/// Slow-loris: one byte now and then keeps a connection from being idle for ever, but not its header from being late.
#[test]
fn a_header_that_drips_in_is_bounded_by_a_timeout_and_holds_up_nobody() {
    let _alone = alone();
    virtual_loop().run(async {
        let server = server().await.start(async |stream: TcpStream, _, _| {
            let mut stream = BufReader::new(idle_timeout(stream, 10 * SECOND));
            let mut head = String::new();
            timeout(30 * SECOND, stream.read_line(&mut head)).await??;
            stream.get_mut().write_all(b"ok").await
        });
        let addr = server.local_addrs()[0];
        let mut slow = Vec::new();
        for _ in 0..100 {
            slow.push(TcpStream::connect(addr).await.unwrap());
        }
        let begin = now();
        for second in 1..=3 {
            sleep(9 * SECOND).await;
            for stream in &mut slow {
                stream.write_all(b"x").await.unwrap();
            }
            let mut quick = TcpStream::connect(addr).await.unwrap();
            quick.write_all(b"GET /\n").await.unwrap();
            let mut answer = String::new();
            quick.read_to_string(&mut answer).await.unwrap();
            assert_eq!((answer.as_str(), now() - begin), ("ok", 9 * second * SECOND));
        }
        assert_eq!(server.endings().total(), 3);
        sleep(4 * SECOND).await;
        assert_eq!((server.endings().failed, server.connections()), (100, 0));
    });
}

/// Accepting from a socket that was shut down fails for ever.
#[cfg(target_os = "linux")]
#[test]
fn a_listener_that_is_broken_is_reported_once_and_does_not_spin() {
    let _alone = alone();
    let reports = reports(async |reports| {
        let listener = listener().await;
        let copy = std::os::fd::AsFd::as_fd(&listener).try_clone_to_owned().unwrap();
        let server = Server::new([listener]).start(echo);
        rustix::net::shutdown(&copy, rustix::net::Shutdown::Both).unwrap();
        until(|| !reports.borrow().is_empty()).await;
        for _ in 0..10 {
            yield_now().await;
            let tasks = monoloop::task::all();
            let accepting =
                tasks.iter().find(|task| task.name().is_some_and(|n| n.starts_with("server")));
            assert_eq!(accepting.unwrap().state(), monoloop::task::TaskState::Idle);
        }
        assert!(server.is_accepting());
    });
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("Invalid argument"), "{reports:?}");
}

#[cfg(target_os = "linux")]
#[path = "net_common/exhaust.rs"]
mod exhaust;

#[cfg(target_os = "linux")]
#[test]
fn running_out_of_descriptors_is_reported_once_and_recovered_from() {
    use exhaust::{exhaust, is_child};

    let _alone = alone();
    if !is_child("running_out_of_descriptors_is_reported_once_and_recovered_from") {
        return;
    }
    let reports: Rc<RefCell<Vec<String>>> = Rc::default();
    let noted = Rc::clone(&reports);
    let event_loop = EventLoop::builder()
        .virtual_time(true)
        .slow_poll(None)
        .on_error(move |report| noted.borrow_mut().push(report.to_string()))
        .build()
        .unwrap();
    event_loop.run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = Server::new([listener]).start(echo);
        let clients: Vec<_> = (0..20).map(|_| StdStream::connect(addr).unwrap()).collect();
        let files = exhaust(3);
        // The clock would stand still if accepting spun.
        sleep(10 * SECOND).await;
        assert_eq!(server.connections(), 3);
        assert_eq!(reports.borrow().len(), 1, "{:?}", reports.borrow());
        let report = reports.borrow()[0].clone();
        assert!(report.contains(&format!("\"server on {addr}\"")), "{report}");
        let why = "Too many open files (os error 24); trying again";
        assert!(report.ends_with(&format!("cannot accept on {addr}: {why}")), "{report}");
        // Those that are served do not notice.
        let mut echoed = [0];
        (&clients[0]).write_all(b"x").unwrap();
        sleep(Duration::from_millis(1)).await;
        (&clients[0]).read_exact(&mut echoed).unwrap();

        drop(files);
        sleep(2 * SECOND).await;
        assert_eq!(server.connections(), 20);
        // Later trouble is told of again.
        sleep(10 * SECOND).await;
        let (late, files) = (rustix::net::socket, exhaust(1));
        let late =
            late(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
        rustix::net::connect(&late, &addr).unwrap();
        sleep(SECOND).await;
        assert_eq!((server.connections(), reports.borrow().len()), (20, 2));
        drop((clients, files, late));
        sleep(2 * SECOND).await;
        assert_eq!(server.connections(), 0);
    });
}
