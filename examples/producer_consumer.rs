//! A queue between one that makes work and several that do it, ended cleanly.
//!
//! A producer puts orders into a queue of four places; three workers take them out. The producer is quicker, so it waits
//! for places. When all orders are done, which `join` tells, the queue is closed, and the workers end by themselves. A
//! worker that fails at an order does not hold up the end: the order is done when its guard is dropped.
//!
//! ```text
//! cargo run --example producer_consumer
//! ```
//!
//! prints who does what, and in the end
//!
//! ```text
//! 20 orders: 18 done, 2 spoilt, at most 4 in the queue
//! ```
//!
//! With `--smoke` it checks these figures as well, and fails if they are others.

use std::cell::Cell;
use std::env;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use monoloop::sync::queue::Queue;
use monoloop::time::sleep;

const ORDERS: u32 = 20;
const PLACES: usize = 4;
const WORKERS: u32 = 3;

/// What happened; one thread needs no more than cells.
#[derive(Default)]
struct Tally {
    done: Cell<u32>,
    spoilt: Cell<u32>,
    longest: Cell<usize>,
}

fn main() -> ExitCode {
    let is_smoke_test = env::args().any(|argument| argument == "--smoke");
    let tally = monoloop::run(async {
        let queue = Rc::new(Queue::bounded(PLACES));
        let tally = Rc::new(Tally::default());
        let workers: Vec<_> = (1..=WORKERS)
            .map(|name| monoloop::spawn(work(name, Rc::clone(&queue), Rc::clone(&tally))))
            .collect();

        produce(&queue, &tally).await;
        queue.join().await;
        queue.close();
        for worker in workers {
            worker.await.expect("no worker panics");
        }
        tally
    });
    let Tally { done, spoilt, longest } = &*tally;
    println!(
        "{ORDERS} orders: {} done, {} spoilt, at most {} in the queue",
        done.get(),
        spoilt.get(),
        longest.get()
    );
    let is_right = (done.get(), spoilt.get(), longest.get()) == (18, 2, PLACES);
    if is_smoke_test && !is_right {
        eprintln!("producer_consumer: the result is wrong");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn produce(queue: &Queue<u32>, tally: &Tally) {
    for order in 1..=ORDERS {
        queue.put(order).await.expect("the queue is open");
        tally.longest.set(tally.longest.get().max(queue.len()));
    }
    println!("all is ordered");
}

/// Takes orders until the queue is closed and empty.
async fn work(name: u32, queue: Rc<Queue<u32>>, tally: Rc<Tally>) {
    while let Ok(order) = queue.get_item().await {
        sleep(Duration::from_millis(u64::from(*order % 3))).await;
        match prepare(*order) {
            Ok(()) => {
                println!("worker {name} did order {order}", order = *order);
                tally.done.set(tally.done.get() + 1);
            }
            Err(why) => {
                println!("worker {name} spoilt order {order}: {why}", order = *order);
                tally.spoilt.set(tally.spoilt.get() + 1);
            }
        }
        // The drop of `order` says that it is done.
    }
    println!("worker {name} goes home");
}

fn prepare(order: u32) -> Result<(), &'static str> {
    if order % 10 == 7 { Err("burnt") } else { Ok(()) }
}
