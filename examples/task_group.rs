//! A pipeline of three tasks that end together: one reads lines, one makes numbers of them, one writes these in batches.
//!
//! One line is no number. The error ends the [`group`]: the reader, in the midst of waiting, is dropped, and so is the
//! writer. But what the writer has begun must not be left lying about: it [`defer`](task::defer)s a clean-up that takes the
//! unfinished batch back, which needs time of its own, and the group returns after it.
//!
//! ```text
//! cargo run --example task_group
//! ```
//!
//! prints
//!
//! ```text
//! read "3"
//! wrote 3
//! read "5"
//! wrote 5
//! read "eight"
//! taking back 2 numbers
//! taken back
//! it failed: line 3, "eight": invalid digit found in string
//! ```
//!
//! With `--smoke` the clock is a virtual one, and the example checks itself.

use std::cell::RefCell;
use std::env;
use std::fmt;
use std::num::ParseIntError;
use std::rc::Rc;
use std::time::Duration;

use monoloop::EventLoop;
use monoloop::sync::mpsc::{self, Receiver, Sender};
use monoloop::task::{self, TaskGroup, group};
use monoloop::time::sleep;

const LINES: [&str; 5] = ["3", "5", "eight", "13", "21"];
/// How long a line takes to come, and how long it takes to take a batch back.
const DELAY: Duration = Duration::from_millis(200);

/// What the writer writes into: the numbers of the batch that is not finished, and of those that are.
#[derive(Default, Debug)]
struct Store {
    batch: Vec<u32>,
    finished: Vec<u32>,
}

#[derive(Debug)]
struct BadLine {
    number: usize,
    line: String,
    cause: ParseIntError,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, {:?}: {}", self.number, self.line, self.cause)
    }
}

fn main() -> std::io::Result<()> {
    let is_smoke_test = env::args().any(|argument| argument == "--smoke");
    let event_loop = EventLoop::builder().virtual_time(is_smoke_test).build()?;
    let store = Rc::new(RefCell::new(Store::default()));
    let outcome = event_loop.run(pipeline(Rc::clone(&store)));
    match &outcome {
        Ok(()) => println!("it is written"),
        Err(error) => println!("it failed: {error}"),
    }
    if is_smoke_test {
        let store = store.borrow();
        assert_eq!(
            (outcome.unwrap_err().number, store.batch.len(), store.finished.len()),
            (3, 0, 0)
        );
    }
    Ok(())
}

/// Runs the three tasks. When this returns they are gone, and their clean-ups are through.
async fn pipeline(store: Rc<RefCell<Store>>) -> Result<(), BadLine> {
    let done = group(async |tasks: TaskGroup<(), BadLine>| {
        let (lines, incoming) = mpsc::channel(1);
        let (numbers, parsed) = mpsc::channel(1);
        tasks.spawn_named("reader", read(lines));
        tasks.spawn_named("parser", parse(incoming, numbers));
        tasks.spawn_named("writer", write(parsed, store));
        Ok(())
    });
    done.await.map_err(task::GroupError::into_first)
}

async fn read(lines: Sender<String>) -> Result<(), BadLine> {
    for line in LINES {
        sleep(DELAY).await;
        println!("read {line:?}");
        // Nobody receives: the group is ending.
        let Ok(()) = lines.send(line.to_owned()).await else { break };
    }
    Ok(())
}

async fn parse(mut lines: Receiver<String>, numbers: Sender<u32>) -> Result<(), BadLine> {
    let mut number = 0;
    while let Some(line) = lines.recv().await {
        number += 1;
        match line.parse() {
            Ok(value) => {
                let Ok(()) = numbers.send(value).await else { break };
            }
            Err(cause) => return Err(BadLine { number, line, cause }),
        }
    }
    Ok(())
}

async fn write(mut numbers: Receiver<u32>, store: Rc<RefCell<Store>>) -> Result<(), BadLine> {
    let unfinished = task::defer(take_back(Rc::clone(&store)));
    while let Some(number) = numbers.recv().await {
        println!("wrote {number}");
        store.borrow_mut().batch.push(number);
    }
    // All is there: nothing is to be taken back.
    drop(unfinished.disarm());
    let mut store = store.borrow_mut();
    let batch = std::mem::take(&mut store.batch);
    store.finished.extend(batch);
    Ok(())
}

/// The clean-up. It awaits, as a database would have it.
async fn take_back(store: Rc<RefCell<Store>>) {
    println!("taking back {} numbers", store.borrow().batch.len());
    sleep(DELAY).await;
    store.borrow_mut().batch.clear();
    println!("taken back");
}
