//! Three tasks that take a while each, side by side: it takes as long as the slowest.
//!
//! ```text
//! cargo run --example gather
//! ```
//!
//! prints
//!
//! ```text
//! tea: put the kettle on
//! toast: cut the bread
//! eggs: heat the pan
//! toast: ready after 0.1 s
//! tea: ready after 0.2 s
//! eggs: ready after 0.3 s
//! breakfast of tea, toast, eggs after 0.3 s
//! ```

use std::time::Duration;

use monoloop::future::gather;
use monoloop::time::{now, sleep};

async fn prepare(what: &'static str, first_step: &str, tenths: u64) -> &'static str {
    println!("{what}: {first_step}");
    sleep(Duration::from_millis(100 * tenths)).await;
    println!("{what}: ready after 0.{tenths} s");
    what
}

#[monoloop::main]
async fn main() {
    let begin = now();
    let breakfast = gather([
        prepare("tea", "put the kettle on", 2),
        prepare("toast", "cut the bread", 1),
        prepare("eggs", "heat the pan", 3),
    ])
    .await;
    // In the order of the arguments, whatever was ready first.
    let took = (now() - begin).as_secs_f64();
    println!("breakfast of {} after {took:.1} s", breakfast.join(", "));
}
