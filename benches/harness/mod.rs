//! What the benchmarks share: it takes the samples of every scenario in every column, in turns, and
//! prints one table.
//!
//! A round takes one sample from each column, and the column that begins moves on by one from round
//! to round, so that a slow moment of the machine meets all of them alike. A cell is the median.
//!
//! A benchmark names its scenarios by a type of its own, `K`, and its columns know how to measure them.
//! It includes this folder by `#[path]`.

#![allow(dead_code)] // every benchmark uses its own part

mod cli;
mod machine;
pub mod platform;
mod table;

use std::env;
use std::process::{self, ExitCode};
use std::time::{Duration, Instant};

use cli::{Command, Options, Sample};
use table::Table;

/// Samples of a cell, where the scenario does not say.
const ROUNDS: usize = 41;

/// How long a calibrated sample takes at least, about. Many short samples stand more chance than a few
/// long ones that nothing else ran during most of them.
const SAMPLE_NANOSECONDS: f64 = 8e6;

/// The least number of multiples in a calibrated sample.
const LEAST_MULTIPLES: u64 = 10;

/// A benchmark: one table.
pub struct Suite<K: 'static> {
    /// How to call it, without arguments.
    pub call: &'static str,
    /// The rows, in the order they are printed.
    pub scenarios: &'static [Scenario<K>],
    pub columns: Vec<Column<K>>,
    /// What the numbers do not prove; in the head of the table.
    pub caveats: &'static str,
    /// Ends the head of the table.
    pub remark: &'static str,
}

/// One row of the table.
pub struct Scenario<K> {
    pub kind: K,
    pub title: &'static str,
    pub size: Size,
    /// What is asked of monoloop, or nothing.
    pub bar: Option<Bar>,
}

/// How many operations make a sample.
pub enum Size {
    /// As many as take a few milliseconds, in multiples of this number and at least ten of them.
    Calibrated { multiple_of: u64 },
    /// Always the same number, because the number is the point.
    Fixed { full: u64, quick: u64, rounds: usize },
    /// As `Fixed`, and each sample in a process of its own, for what leaves traces: memory that was used
    /// once stays with the process.
    Alone { full: u64, quick: u64, rounds: usize },
}

/// The most that monoloop may take.
#[derive(Clone, Copy)]
pub enum Bar {
    /// Times the best of the peers.
    BestPeer(f64),
    /// Times the floor, plus something in the unit of the row.
    Floor { times: f64, plus: f64 },
    /// Times the peer of that name.
    Peer(&'static str, f64),
    /// In bytes.
    Bytes(f64),
}

/// A column of the table.
pub struct Column<K> {
    pub name: &'static str,
    /// The packages whose versions the head of the table shows.
    pub packages: &'static [&'static str],
    /// What a reader should know about its numbers, for the head of the table.
    pub note: fn() -> Option<String>,
    pub role: Role,
    /// What so many operations take in all, in the unit of the row; nothing if it cannot tell.
    pub measure: fn(K, u64) -> Option<f64>,
}

impl<K> Column<K> {
    /// A column without a note.
    pub fn new(
        name: &'static str,
        packages: &'static [&'static str],
        role: Role,
        measure: fn(K, u64) -> Option<f64>,
    ) -> Self {
        Self { name, packages, note: || None, role, measure }
    }
}

/// Repeats a round that does `per_round` operations until `operations` are done, after one that is not measured, and
/// gives the time.
pub async fn repeat<F: Future<Output = ()>>(
    operations: u64,
    per_round: u64,
    mut round: impl FnMut() -> F,
) -> Duration {
    round().await;
    let start = Instant::now();
    for _ in 0..operations / per_round {
        round().await;
    }
    start.elapsed()
}

/// What the numbers of a column are compared with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This repository: every other column.
    Ours,
    /// Somebody else's.
    Peer,
    /// The least that it takes, with nothing of all that around it.
    Floor,
}

/// The median and the extremes of a cell, for one operation.
#[derive(Clone, Copy)]
struct Summary {
    median: f64,
    least: f64,
    greatest: f64,
}

impl<K: Copy> Column<K> {
    /// One sample, for one operation.
    fn sample(&self, scenario: &Scenario<K>, operations: u64) -> Option<f64> {
        let total = match scenario.size {
            Size::Alone { .. } => sample_in_fresh_process(self.name, scenario.title, operations)?,
            _ => (self.measure)(scenario.kind, operations)?,
        };
        Some(total / operations as f64)
    }

    /// How many operations make a sample of this column; nothing if it has none to give.
    fn calibrate(&self, scenario: &Scenario<K>, quick: bool) -> Option<u64> {
        let multiple_of = match scenario.size {
            Size::Fixed { quick: few, .. } | Size::Alone { quick: few, .. } if quick => {
                return Some(few);
            }
            Size::Fixed { full, .. } | Size::Alone { full, .. } => return Some(full),
            Size::Calibrated { multiple_of } => multiple_of,
        };
        let mut operations = LEAST_MULTIPLES * multiple_of;
        let mut total = (self.measure)(scenario.kind, operations)?;
        if quick {
            return Some(operations);
        }
        while total < SAMPLE_NANOSECONDS / 4.0 {
            operations *= 4;
            total = (self.measure)(scenario.kind, operations)?;
        }
        let multiples = operations as f64 / multiple_of as f64 * SAMPLE_NANOSECONDS / total;
        Some((multiples.ceil() as u64).max(LEAST_MULTIPLES) * multiple_of)
    }
}

impl Summary {
    fn of(mut samples: Vec<f64>) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        Some(Self {
            median: *samples.get(samples.len() / 2)?,
            least: *samples.first()?,
            greatest: *samples.last()?,
        })
    }
}

impl<K: Copy> Suite<K> {
    /// Does what the command line says.
    pub fn main(&self) -> ExitCode {
        match cli::parse(env::args().skip(1)) {
            Ok(Command::Table(options)) => self.print_table(&options),
            Ok(Command::Sample(sample)) => self.print_sample(&sample),
            Ok(Command::Help) => {
                print!("{}", cli::help(self.call));
                ExitCode::SUCCESS
            }
            Err(mistake) => {
                eprint!("{mistake}\n{}", cli::help(self.call));
                ExitCode::FAILURE
            }
        }
    }

    fn print_table(&self, options: &Options) -> ExitCode {
        let wanted: Vec<_> =
            self.scenarios.iter().filter(|row| is_wanted(row.title, &options.words)).collect();
        if wanted.is_empty() {
            eprintln!("no scenario has {} in its title", options.words.join(" or "));
            return ExitCode::FAILURE;
        }
        machine::print(self, options.quick);
        let mut table = Table::begin(&self.columns, options);
        for scenario in wanted {
            table.row(scenario, &self.take_samples(scenario, options.quick));
        }
        table.end();
        ExitCode::SUCCESS
    }

    /// What the child does: takes the sample, prints it, or nothing where the platform cannot tell, and
    /// leaves without tearing anything down.
    fn print_sample(&self, sample: &Sample) -> ExitCode {
        let column = self.columns.iter().find(|column| column.name == sample.column);
        let row = self.scenarios.iter().find(|row| row.title == sample.row);
        let (Some(column), Some(row)) = (column, row) else {
            eprintln!("there is no {} of {}", sample.row, sample.column);
            return ExitCode::FAILURE;
        };
        if let Some(total) = (column.measure)(row.kind, sample.operations) {
            println!("{total}");
        }
        process::exit(0)
    }

    fn take_samples(&self, scenario: &Scenario<K>, quick: bool) -> Vec<Option<Summary>> {
        let columns = &self.columns;
        let rounds = match scenario.size {
            _ if quick => 1,
            Size::Fixed { rounds, .. } | Size::Alone { rounds, .. } => rounds,
            Size::Calibrated { .. } => ROUNDS,
        };
        let operations: Vec<_> =
            columns.iter().map(|column| column.calibrate(scenario, quick)).collect();
        let mut samples = vec![Vec::with_capacity(rounds); columns.len()];
        for round in 0..rounds {
            for place in 0..columns.len() {
                let at = (round + place) % columns.len();
                let Some(operations) = operations[at] else {
                    continue;
                };
                samples[at].extend(columns[at].sample(scenario, operations));
            }
        }
        samples.into_iter().map(Summary::of).collect()
    }
}

fn is_wanted(title: &str, words: &[String]) -> bool {
    let title = title.to_lowercase();
    words.is_empty() || words.iter().any(|word| title.contains(word))
}

/// Starts this program again for one sample.
fn sample_in_fresh_process(column: &str, row: &str, operations: u64) -> Option<f64> {
    let child = process::Command::new(env::current_exe().expect("this program has a path"))
        .args([cli::CHILD_FLAG, column, row, &operations.to_string()])
        .output()
        .expect("this program starts again");
    assert!(
        child.status.success(),
        "the child that measures {row} of {column} failed: {}",
        String::from_utf8_lossy(&child.stderr),
    );
    String::from_utf8_lossy(&child.stdout).trim().parse().ok()
}
