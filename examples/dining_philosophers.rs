//! Five philosophers, five forks, and nobody starves.
//!
//! Each needs both forks beside the plate to eat. Were all to take the left one first, they could all wait for the right one
//! for ever; so a semaphore lets only four sit down at a time, and one of them always gets both. The forks are
//! mutexes, which serve in the order of asking, so everybody gets its turn.
//!
//! ```sh
//! cargo run --example dining_philosophers         # 100 meals each
//! cargo run --example dining_philosophers 1000
//! cargo run --example dining_philosophers -- --smoke
//! ```
//!
//! It prints who ate how often, and how long all of it took them: by a virtual clock, so it is over at once.
//! With `--smoke` it checks that all had their meals, and that each took two forks.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use monoloop::sync::{Barrier, Mutex, Semaphore};
use monoloop::time::{self, sleep};

const NAMES: [&str; 5] = ["Hypatia", "Plato", "Confucius", "Spinoza", "Arendt"];

/// How often a fork was used.
#[derive(Default)]
struct Fork {
    uses: u32,
}

struct Table {
    forks: [Mutex<Fork>; NAMES.len()],
    /// One fewer than philosophers.
    seats: Semaphore,
    /// They begin together.
    bell: Barrier,
}

impl Table {
    fn new() -> Self {
        Self {
            forks: Default::default(),
            seats: Semaphore::new(NAMES.len() - 1),
            bell: Barrier::new(NAMES.len()),
        }
    }

    /// Thinks and eats, so many times.
    async fn dine(&self, place: usize, meals: u32) -> u32 {
        self.bell.wait().await.expect("nobody stays away");
        let mut eaten = 0;
        while eaten < meals {
            sleep(Duration::from_millis(3 + place as u64)).await; // thinks
            let _seat = self.seats.acquire().await.expect("the table stays open");
            let mut left = self.forks[place].lock().await;
            let mut right = self.forks[(place + 1) % NAMES.len()].lock().await;
            sleep(Duration::from_millis(5)).await; // eats
            left.uses += 1;
            right.uses += 1;
            eaten += 1;
        }
        eaten
    }
}

/// Gives all meals that were eaten, and how often forks were used for them.
async fn dinner(meals: u32) -> (u32, u32) {
    let table = Rc::new(Table::new());
    let begin = time::now();
    let philosophers: Vec<_> = (0..NAMES.len())
        .map(|place| {
            let table = Rc::clone(&table);
            monoloop::spawn(async move { (table.dine(place, meals).await, time::now()) })
        })
        .collect();
    let mut all_eaten = 0;
    for (name, philosopher) in NAMES.iter().zip(philosophers) {
        let (eaten, end) = philosopher.await.expect("philosophers do not panic");
        println!("{name:<10} ate {eaten} times, and left after {:?}", end - begin);
        all_eaten += eaten;
    }
    let mut uses = 0;
    for fork in &table.forks {
        uses += fork.lock().await.uses;
    }
    println!("the forks were used {uses} times");
    (all_eaten, uses)
}

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    let is_smoke_test = argument.as_deref() == Some("--smoke");
    let number = argument.as_deref().filter(|_| !is_smoke_test);
    let meals = match number.map_or(Ok(100), str::parse) {
        Ok(meals) => meals,
        Err(error) => {
            eprintln!("dining_philosophers: how many meals? {error}");
            return ExitCode::from(2);
        }
    };
    let (eaten, uses) = match monoloop::EventLoop::builder().virtual_time(true).build() {
        Ok(event_loop) => event_loop.run(dinner(meals)),
        Err(error) => {
            eprintln!("dining_philosophers: no event loop: {error}");
            return ExitCode::FAILURE;
        }
    };
    let is_right = eaten == meals * NAMES.len() as u32 && uses == 2 * eaten;
    if is_smoke_test && !is_right {
        eprintln!("dining_philosophers: the result is wrong");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
