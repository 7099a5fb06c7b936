//! A pipeline of tasks that stand or fall together: a reader, a worker and a writer, with queues between them. The worker
//! meets a line that it cannot read; that ends the others, and the group returns the error when the writer's clean-up, which
//! awaits, is through.
//!
//! ```text
//! cargo run --example task_group
//! ```
//!
//! prints
//!
//! ```text
//! wrote 1
//! wrote 4
//! wrote 9
//! writer: closing the file
//! writer: closed
//! failed: line 4: "four" is not a number
//! ```

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use monoloop::sync::queue::Queue;
use monoloop::task::{TaskGroup, defer, group};
use monoloop::time::sleep;

const LINES: [&str; 5] = ["1", "2", "3", "four", "5"];

type Pipe<T> = Rc<Queue<T>>;

/// Puts a line into the pipe every now and then.
async fn read(lines: Pipe<(usize, &'static str)>) -> Result<(), String> {
    for (index, line) in LINES.into_iter().enumerate() {
        sleep(Duration::from_millis(10)).await;
        lines.put((index + 1, line)).await.map_err(|error| error.to_string())?;
    }
    lines.close();
    Ok(())
}

/// Squares the numbers.
async fn work(lines: Pipe<(usize, &'static str)>, squares: Pipe<u64>) -> Result<(), String> {
    while let Ok((number, line)) = lines.get().await {
        let value: u64 =
            line.parse().map_err(|_| format!("line {number}: {line:?} is not a number"))?;
        squares.put(value * value).await.map_err(|error| error.to_string())?;
    }
    squares.close();
    Ok(())
}

/// Prints the squares. Whatever ends it, it says goodbye.
async fn write(squares: Pipe<u64>) -> Result<(), String> {
    let _goodbye = defer(async {
        println!("writer: closing the file");
        sleep(Duration::from_millis(50)).await;
        println!("writer: closed");
    });
    while let Ok(square) = squares.get().await {
        println!("wrote {square}");
    }
    Ok(())
}

#[monoloop::main]
async fn main() -> ExitCode {
    let outcome = group(async |tasks: TaskGroup<(), String>| {
        let (lines, squares) = (Rc::new(Queue::bounded(2)), Rc::new(Queue::bounded(2)));
        tasks.spawn_named("reader", read(Rc::clone(&lines)));
        tasks.spawn_named("worker", work(lines, Rc::clone(&squares)));
        tasks.spawn_named("writer", write(squares));
        Ok(())
    })
    .await;
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed: {}", error.first());
            // The error is what this example is about.
            ExitCode::SUCCESS
        }
    }
}
