//! A chat room: what one says, all others hear.
//!
//! It shows state that all connections share without a lock ([`Rc`] and [`RefCell`]), a [`Server`] that bounds its
//! connections and ends well, an idle limit, a limit for the length of a line, and what to do with clients that do not
//! read: each has a queue of its own, of a fixed length, and whoever lets it overflow is shown out. So no client can hold up
//! the others, or fill the memory.
//!
//! ```text
//! cargo run --example chat_server 127.0.0.1:7000
//! ```
//!
//! Connect twice with `nc 127.0.0.1 7000`, give a name in each, and talk. It prints
//!
//! ```text
//! listening on 127.0.0.1:7000; press ctrl-c to stop
//! ann has come (1 here)
//! bob has come (2 here)
//! ann has gone (1 here)
//! ```
//!
//! With `--smoke` it lets a dozen clients of its own talk, and checks what they hear.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use monoloop::future::try_gather;
use monoloop::io::*;
use monoloop::net::{Server, TcpStream, idle_timeout};
use monoloop::sync::mpsc;
use monoloop::task::CancelToken;
use monoloop::{EventLoop, OnCtrlC, select, time};

/// Lines that may wait for a client before it is shown out.
const QUEUE: usize = 64;
/// The longest line, in bytes; whoever sends a longer one is cut off.
const LINE: usize = 4096;
/// How long a client may take to read a line of ours.
const SEND_LIMIT: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(600);
const NAME_LIMIT: Duration = Duration::from_secs(30);
const MOST_CLIENTS: usize = 1000;
const GRACE: Duration = Duration::from_secs(1);

fn main() -> io::Result<()> {
    EventLoop::builder().on_ctrl_c(OnCtrlC::Interrupt).build()?.run_or_exit(run())
}

async fn run() -> io::Result<()> {
    let argument = env::args().nth(1);
    let is_smoke_test = argument.as_deref() == Some("--smoke");
    let address = argument.filter(|_| !is_smoke_test).unwrap_or("127.0.0.1:0".to_owned());

    let room = Rc::new(Room::default());
    let server = Server::bind(address).await?.max_connections(MOST_CLIENTS);
    let server = server.start(async move |stream: TcpStream, peer, token| {
        // That a client goes away in whatever manner is no error of ours.
        if let Err(error) = room.host(stream, &token).await {
            log(format_args!("{peer}: {error}"));
        }
    });
    let address = server.local_addrs()[0];
    log(format_args!("listening on {address}; press ctrl-c to stop"));
    match is_smoke_test {
        true => smoke(address).await?,
        false => CancelToken::root().cancelled().await,
    }
    let endings = server.shutdown(GRACE).await;
    log(format_args!(
        "{} clients were here at the end, {} cut off",
        endings.total(),
        endings.aborted
    ));
    Ok(())
}

/// Who is in the room, by name. `None`: a guest who did not keep up, and is on its way out.
#[derive(Default)]
struct Room {
    guests: RefCell<BTreeMap<String, Option<mpsc::Sender<Rc<str>>>>>,
}

impl Room {
    /// Has a client in the room until it goes, or the server ends.
    async fn host(&self, stream: TcpStream, token: &CancelToken) -> io::Result<()> {
        let mut input = StreamReader::with_limit(LINE, idle_timeout(&stream, IDLE));
        let send = async |line: &str| {
            let mut output = &stream;
            time::timeout(SEND_LIMIT, output.write_all(line.as_bytes())).await?
        };
        send("your name?\n").await?;
        let name = time::timeout(NAME_LIMIT, input.next_line()).await??;

        let Some((guest, mut heard)) = self.enter(name.unwrap_or_default().trim()) else {
            return send("that name is taken, or none\n").await;
        };
        let hears = async {
            while let Some(line) = heard.recv().await {
                send(&line).await?;
            }
            send("you do not keep up\n").await
        };
        let talks = async {
            while let Some(line) = token.run_until_cancelled(input.next_line()).await {
                match line? {
                    Some(line) => guest.say(&format!("{}: {}\n", guest.name, line.trim_end())),
                    None => break,
                }
            }
            Ok(())
        };
        select! {
            result = hears => result,
            result = talks => result,
        }
    }

    /// Takes in a guest, unless the name is taken.
    fn enter(&self, name: &str) -> Option<(Guest<'_>, mpsc::Receiver<Rc<str>>)> {
        if name.is_empty() || self.guests.borrow().contains_key(name) {
            return None;
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        let guest = Guest { room: self, name: name.to_owned() };
        self.guests.borrow_mut().insert(name.to_owned(), Some(sender));
        guest.announce("has come");
        Some((guest, receiver))
    }
}

/// Somebody in the room, until this is dropped: however a connection ends, it leaves nobody behind.
struct Guest<'a> {
    room: &'a Room,
    name: String,
}

impl Guest<'_> {
    /// Tells all others. Who does not keep up loses its sender, and is shown out.
    fn say(&self, line: &str) {
        let line: Rc<str> = line.into();
        for (name, guest) in &mut *self.room.guests.borrow_mut() {
            let is_full = |guest: &mpsc::Sender<_>| guest.try_send(Rc::clone(&line)).is_err();
            if *name != self.name && guest.as_ref().is_some_and(is_full) {
                *guest = None;
            }
        }
    }

    fn announce(&self, what: &str) {
        log(format_args!("{} {what} ({} here)", self.name, self.room.guests.borrow().len()));
        self.say(&format!("* {} {what}\n", self.name));
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.room.guests.borrow_mut().remove(&self.name);
        self.announce("has gone");
    }
}

/// Writes a line to stdout. Unlike `println!` it does not panic when nobody reads there any more.
fn log(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// A dozen clients say something each, and hear each other once all are there.
async fn smoke(address: SocketAddr) -> io::Result<()> {
    const CLIENTS: usize = 12;
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        let mut client = BufReader::new(TcpStream::connect(address).await?);
        let mut line = String::new();
        client.read_line(&mut line).await?;
        client.get_mut().write_all(format!("guest {n}\n").as_bytes()).await?;
        if let Some(first) = clients.first_mut() {
            line.clear();
            BufReader::read_line(first, &mut line).await?;
            expect(&line, &format!("* guest {n} has come\n"))?;
        }
        clients.push(client);
    }
    // The last ones may not be in yet; what the first hears last says that they are.
    let talk = clients.into_iter().enumerate().map(async |(n, mut client)| {
        client.get_mut().write_all(format!("hello from {n}\n").as_bytes()).await?;
        let mut hellos = 0;
        while hellos < CLIENTS - 1 {
            let mut line = String::new();
            if client.read_line(&mut line).await? == 0 {
                return Err(io::Error::other(format!("guest {n} was shown out")));
            }
            hellos += usize::from(line.contains("hello from"));
        }
        io::Result::Ok(client)
    });
    time::timeout(Duration::from_secs(10), try_gather(talk)).await??;
    log(format_args!("smoke: each of {CLIENTS} heard all others"));
    Ok(())
}

fn expect(heard: &str, expected: &str) -> io::Result<()> {
    match heard == expected {
        true => Ok(()),
        false => Err(io::Error::other(format!("heard {heard:?} instead of {expected:?}"))),
    }
}
