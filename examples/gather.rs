//! Three tasks, each with a delay of its own: first one after the other, then side by side.
//!
//! It is how asyncio's tutorials begin. A future does nothing until it is awaited, so awaiting three takes as long as
//! all delays together; gathered, they take as long as the longest.
//!
//! ```text
//! cargo run --example gather
//! ```
//!
//! prints
//!
//! ```text
//! one after the other:
//!   tea is ready
//!   toast is ready
//!   an egg is ready
//! that took 6.0 s
//! side by side:
//!   tea is ready
//!   an egg is ready
//!   toast is ready
//! that took 3.0 s: 1 tea, 3 toasts, 2 eggs
//! ```
//!
//! With `--smoke` the clock is a virtual one: the same delays take no time, and the example checks itself.

use std::env;
use std::time::Duration;

use monoloop::EventLoop;
use monoloop::future::gather;
use monoloop::time::{self, sleep};

fn main() -> std::io::Result<()> {
    let is_smoke_test = env::args().any(|argument| argument == "--smoke");
    let event_loop = EventLoop::builder().virtual_time(is_smoke_test).build()?;
    let (in_turn, at_once) = event_loop.run(breakfast());
    if is_smoke_test {
        assert_eq!((in_turn, at_once), (Duration::from_secs(6), Duration::from_secs(3)));
    }
    Ok(())
}

/// Gives how long both ways took.
async fn breakfast() -> (Duration, Duration) {
    println!("one after the other:");
    let begin = time::now();
    make("tea", 1).await;
    make("toast", 3).await;
    make("an egg", 2).await;
    let in_turn = time::now() - begin;
    println!("that took {:.1} s", in_turn.as_secs_f64());

    println!("side by side:");
    let begin = time::now();
    let (teas, toasts, eggs) = gather((make("tea", 1), make("toast", 3), make("an egg", 2))).await;
    let at_once = time::now() - begin;
    let took = at_once.as_secs_f64();
    println!("that took {took:.1} s: {teas} tea, {toasts} toasts, {eggs} eggs");
    (in_turn, at_once)
}

/// Takes a second for each piece, and gives how many there are.
async fn make(what: &str, pieces: u32) -> u32 {
    sleep(Duration::from_secs(pieces.into())).await;
    println!("  {what} is ready");
    pieces
}
