//! `open_connection` and `start_server`, with peers of std.

#![cfg(not(miri))] // makes sockets

mod common;
mod net_common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream as StdStream;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::poll_once;
use monoloop::io::*;
use monoloop::net::{Server, TcpListener, open_connection, start_server};
use monoloop::task::{self, TaskInfo};
use monoloop::{spawn, yield_now};
use net_common::{alone, listener, run, run_on, until};

#[test]
fn a_connection_is_a_reader_and_a_writer() {
    let _alone = alone();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = server.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let (mut stream, client) = server.accept().unwrap();
        let mut text = String::new();
        // Up to the client's end, and then an answer.
        stream.read_to_string(&mut text).unwrap();
        stream.write_all(format!("{} lines\nrest", text.lines().count()).as_bytes()).unwrap();
        client
    });
    run(async {
        let (mut reader, writer) = open_connection(addr).await.unwrap();
        assert_eq!(writer.peer_addr(), Some(addr));
        let local = reader.get_ref().as_ref().local_addr().unwrap();
        assert_eq!(writer.local_addr(), Some(local));
        for n in 0..10_000 {
            writer.write(format!("line {n}\n").as_bytes()).unwrap();
            writer.drain().await.unwrap();
        }
        writer.write_eof().await.unwrap();
        assert_eq!(reader.next_line().await.unwrap().unwrap(), "10000 lines");
        assert_eq!(reader.read_until(b"!").await.unwrap_err().to_string(), {
            "the stream ended after 4 bytes, inside of an item"
        });
        assert_eq!(peer.join().unwrap(), local);
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    let _alone = alone();
    let addr = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    run(async {
        let error = open_connection(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
    let error = futures_lite::future::block_on(open_connection(addr)).unwrap_err();
    assert!(error.to_string().contains("open_connection"), "{error}");
}

#[test]
fn handlers_run_side_by_side_and_share_state() {
    let _alone = alone();
    run(async {
        let seen = Rc::new(RefCell::new(BTreeMap::new()));
        let all = Rc::clone(&seen);
        let server = start_server("127.0.0.1:0", async move |mut reader, writer| {
            while let Some(line) = reader.next_line().await? {
                *all.borrow_mut().entry(line.clone()).or_insert(0) += 1;
                writer.write(format!("{line}!\n").as_bytes())?;
                writer.drain().await?;
            }
            io::Result::Ok(())
        });
        let server = server.await.unwrap();
        let clients: Vec<_> = (0..20)
            .map(|n| {
                let addr = server.local_addrs()[0];
                spawn(async move {
                    let (mut reader, writer) = open_connection(addr).await?;
                    for round in 0..5 {
                        writer.write(format!("{}\n", n % 4).as_bytes())?;
                        let line = reader.next_line().await?;
                        assert_eq!(line, Some(format!("{}!", n % 4)), "round {round}");
                    }
                    io::Result::Ok(())
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap().unwrap();
        }
        until(|| server.connections() == 0).await;
        let expected: BTreeMap<_, _> = (0..4).map(|n| (n.to_string(), 25)).collect();
        assert_eq!(*seen.borrow(), expected);
    });
}

#[test]
fn an_error_or_panic_of_a_handler_ends_its_connection_only() {
    let _alone = alone();
    let (event_loop, log) = common::reporting_loop();
    run_on(&event_loop, async {
        let server = start_server("127.0.0.1:0", async |mut reader, writer| {
            let line = reader.next_line().await?.unwrap_or_default();
            writer.write(b"before\n")?;
            match &*line {
                "fail" => Err(io::Error::other("as asked")),
                "panic" => common::quiet_panic("as told"),
                _ => Ok(writer.write(b"fine\n")?),
            }
        });
        let server = server.await.unwrap();
        let ask = async |line: &str| {
            let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
            writer.write(line.as_bytes()).unwrap();
            let mut all = String::new();
            // After a panic, the connection may be reset.
            let _reset = reader.read_to_string(&mut all).await;
            all
        };
        let mut other = pin!(ask("nothing\n"));
        assert!(poll_once(other.as_mut()).await.is_none());
        assert_eq!(ask("fail\n").await, "before\n");
        assert_eq!(ask("panic\n").await, "");
        assert_eq!(other.await, "before\nfine\n");
        assert!(server.is_accepting());
        until(|| server.connections() == 0).await;
    });
    let reports = log.take();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(reports[0].contains("as asked"), "{reports:?}");
    assert!(reports[1].contains("as told"), "{reports:?}");
}

#[test]
fn a_handler_may_give_nothing() {
    let _alone = alone();
    run(async {
        let server = start_server("127.0.0.1:0", async |_reader, writer: StreamWriter| {
            writer.write(b"hello\n").unwrap();
        });
        let server = server.await.unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        assert_eq!(reader.next_line().await.unwrap().unwrap(), "hello");
        let server = Server::new([listener().await]).start_streams(async |_, _| {});
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        assert_eq!(reader.next_line().await.unwrap(), None);
    });
}

#[test]
fn tasks_of_connections_were_spawned_by_the_caller() {
    let _alone = alone();
    let here = |count, line| {
        let tasks = task::all();
        let is_here =
            |task: &&TaskInfo| (task.location().file(), task.location().line()) == (file!(), line);
        assert_eq!(tasks.iter().filter(is_here).count(), count, "{tasks:#?}");
    };
    run(async {
        let at_start = line!() + 1;
        let server = start_server("127.0.0.1:0", async |_reader, _writer| pending::<()>().await);
        let server = server.await.unwrap();
        here(1, at_start);
        let at_open = line!() + 1;
        let _connection = open_connection(server.local_addrs()[0]).await.unwrap();
        here(1, at_open);
        until(|| server.connections() == 1).await;
        // Who accepts, and who serves.
        here(2, at_start);
    });
}

#[test]
fn closing_stops_accepting_and_waits_for_the_connections() {
    let _alone = alone();
    run(async {
        let server = start_server("127.0.0.1:0", async |mut reader, writer| {
            while let Some(line) = reader.next_line().await? {
                writer.write(line.as_bytes())?;
            }
            io::Result::Ok(())
        });
        let server = server.await.unwrap();
        let addr = server.local_addrs()[0];
        let (mut reader, writer) = open_connection(addr).await.unwrap();
        until(|| server.connections() == 1).await;
        assert!(poll_once(pin!(server.wait())).await.is_none(), "it is open");
        server.stop_accepting();
        assert!(!server.is_accepting());
        assert_eq!(open_connection(addr).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        // The connection lives on.
        let mut closing = pin!(server.wait());
        assert!(poll_once(closing.as_mut()).await.is_none());
        writer.write(b"still\n").unwrap();
        assert_eq!(reader.read_exactly(5).await.unwrap(), b"still");
        writer.close();
        closing.await;
        assert_eq!(server.connections(), 0);
        server.wait().await;
    });
}

#[test]
fn what_a_handler_wrote_is_sent_after_it_is_through() {
    let _alone = alone();
    run(async {
        let server = start_server("127.0.0.1:0", async |_reader, writer| {
            writer.write(&[7; 4_000_000])?;
            io::Result::Ok(())
        });
        let server = server.await.unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        yield_now().await;
        server.stop_accepting();
        let mut closing = pin!(server.wait());
        assert!(poll_once(closing.as_mut()).await.is_none());
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 4_000_000);
        closing.await;
    });
}

#[test]
fn a_writer_may_outlive_its_handler() {
    let _alone = alone();
    run(async {
        let everybody = Rc::new(RefCell::new(Vec::new()));
        let guests = Rc::clone(&everybody);
        let server = start_server("127.0.0.1:0", async move |_reader, writer| {
            guests.borrow_mut().push(writer);
            io::Result::Ok(())
        });
        let server = server.await.unwrap();
        let (mut one, _) = open_connection(server.local_addrs()[0]).await.unwrap();
        let (mut two, _) = open_connection(server.local_addrs()[0]).await.unwrap();
        until(|| everybody.borrow().len() == 2).await;
        assert_eq!(server.connections(), 2);
        for writer in everybody.borrow().iter() {
            writer.write(b"hear\n").unwrap();
        }
        assert_eq!(one.next_line().await.unwrap().unwrap(), "hear");
        assert_eq!(two.next_line().await.unwrap().unwrap(), "hear");
        everybody.borrow_mut().clear();
        assert_eq!(one.next_line().await.unwrap(), None);
        until(|| server.connections() == 0).await;
    });
}

#[test]
fn shutting_down_drops_handlers_that_do_not_end() {
    let _alone = alone();
    run(async {
        let alive = Rc::new(Cell::new(0));
        let count = Rc::clone(&alive);
        let server = start_server("127.0.0.1:0", async move |mut reader, _writer| {
            count.set(count.get() + 1);
            let _gone = common::on_drop(|| count.set(count.get() - 1));
            reader.read_exactly(1_000_000).await.map(drop)
        });
        let server = server.await.unwrap();
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(open_connection(server.local_addrs()[0]).await.unwrap());
        }
        until(|| alive.get() == 5).await;
        let endings = server.shutdown(Duration::ZERO).await;
        assert_eq!((alive.get(), endings.aborted), (0, 5));
        assert_eq!(clients[0].0.next_line().await.unwrap(), None);
    });
}

#[test]
fn dropping_a_server_ends_it() {
    let _alone = alone();
    run(async {
        let server = start_server("127.0.0.1:0", async |mut reader, _writer| {
            reader.read_exactly(9).await.map(drop)
        });
        let server = server.await.unwrap();
        let addr = server.local_addrs()[0];
        let (mut reader, _writer) = open_connection(addr).await.unwrap();
        until(|| server.connections() == 1).await;
        drop(server);
        assert_eq!(reader.next_line().await.unwrap(), None);
        assert!(open_connection(addr).await.is_err());
    });
}

#[test]
fn half_closes_both_ways_are_told_apart() {
    let _alone = alone();
    run(async {
        let server = Server::new([listener().await]).start_streams(async |mut reader, writer| {
            // First their end, while ours is open.
            assert_eq!(reader.read_some(9).await?, b"a");
            assert_eq!(reader.read_some(9).await?, b"");
            writer.write(b"b")?;
            writer.write_eof().await
        });
        let addr = server.local_addrs()[0];
        let peer = std::thread::spawn(move || {
            let mut peer = StdStream::connect(addr).unwrap();
            peer.write_all(b"a").unwrap();
            peer.shutdown(std::net::Shutdown::Write).unwrap();
            let mut all = String::new();
            peer.read_to_string(&mut all).unwrap();
            all
        });
        until(|| peer.is_finished()).await;
        assert_eq!(peer.join().unwrap(), "b");
    });
}

#[test]
fn a_reset_ends_reading_and_writing() {
    let _alone = alone();
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (mut reader, writer) = open_connection(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        writer.write(&[0; 4_000_000]).unwrap();
        let mut draining = pin!(writer.drain());
        assert!(poll_once(draining.as_mut()).await.is_none());
        net_common::reset(peer);
        assert!(reader.read_some(1).await.is_err());
        assert!(draining.await.is_err());
        assert!(writer.write(b"x").is_err());
        assert!(writer.wait_closed().await.is_err());
    });
}

#[cfg(unix)]
#[test]
fn unix_sockets_serve_as_well() {
    use monoloop::net::{open_unix_connection, start_unix_server};

    let _alone = alone();
    let path = std::env::temp_dir().join(format!("monoloop-streams-{}", std::process::id()));
    run(async {
        let at_start = line!() + 1;
        let server = start_unix_server(&path, async |mut reader, writer| {
            let line = reader.read_line().await?;
            Ok::<_, io::Error>(writer.write(&line)?)
        });
        let server = server.unwrap();
        assert!(task::all().iter().any(|task| task.location().line() == at_start));
        let (mut reader, writer) = open_unix_connection(&path).await.unwrap();
        writer.write(b"hello\n").unwrap();
        assert_eq!(reader.next_line().await.unwrap().unwrap(), "hello");
        assert_eq!(writer.peer_addr(), None);
        drop(server);
        let server = start_unix_server(&path, async |_reader, writer| {
            writer.write(b"bye\n").unwrap();
        });
        let (mut reader, _writer) = open_unix_connection(&path).await.unwrap();
        assert_eq!(reader.next_line().await.unwrap().unwrap(), "bye");
        drop(server);
        assert!(open_unix_connection(&path).await.is_err());
    });
    let _gone = std::fs::remove_file(&path);
}

#[test]
fn an_error_closes_the_connection_wherever_the_writer_is() {
    let _alone = alone();
    let (event_loop, log) = common::reporting_loop();
    run_on(&event_loop, async {
        let kept = Rc::new(RefCell::new(Vec::new()));
        let keep = Rc::clone(&kept);
        let server = start_server("127.0.0.1:0", async move |_reader, writer| {
            writer.write(b"so long")?;
            keep.borrow_mut().push(writer);
            Err(io::Error::other("no more"))
        });
        let server = server.await.unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        let mut all = String::new();
        reader.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "so long");
        assert!(kept.borrow()[0].is_closing());
    });
    assert_eq!(log.len(), 1);
}

#[test]
fn an_aborted_writer_gives_its_half_up_at_once() {
    let _alone = alone();
    run(async {
        let server = start_server("127.0.0.1:0", async |mut reader, writer| {
            writer.abort();
            // The handler stays, and still hears the peer.
            assert_eq!(reader.read_line().await?, b"still\n");
            io::Result::Ok(())
        });
        let server = server.await.unwrap();
        let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        assert_eq!(reader.next_line().await.unwrap(), None);
        assert_eq!(server.connections(), 1);
        writer.write(b"still\n").unwrap();
        until(|| server.connections() == 0).await;
    });
}
