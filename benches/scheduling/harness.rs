//! Takes the samples: every scenario on every runtime, in turns.
//!
//! A round takes one sample from each column, and the column that begins moves on by one from round
//! to round, so that a slow moment of the machine meets all of them alike. A cell is the median.

use std::env;
use std::process::ExitCode;

use crate::cli::{self, Command, Options};
use crate::machine;
use crate::runtimes::Runtime;
use crate::scenarios::{self, Kind, SCENARIOS, Scenario, Size};
use crate::table::Table;

/// Samples of a cell, where the scenario does not say.
const ROUNDS: usize = 41;

/// How long a calibrated sample takes at least, about. Many short samples stand more chance than a few
/// long ones that nothing else ran during most of them.
const SAMPLE_NANOSECONDS: f64 = 8e6;

/// The least number of multiples in a calibrated sample.
const LEAST_MULTIPLES: u64 = 10;

/// A column of the table.
pub struct Column {
    pub name: &'static str,
    /// The packages whose versions the head of the table shows.
    pub packages: &'static [&'static str],
    pub note: fn() -> Option<String>,
    pub role: Role,
    measure: fn(Kind, u64) -> Option<f64>,
    print_parked_bytes: fn(u64),
}

/// What the numbers of a column are compared with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The runtime of this repository: every other column.
    Ours,
    /// Another runtime.
    Peer,
    /// No runtime at all.
    Floor,
}

/// The median and the extremes of a cell, for one operation.
#[derive(Clone, Copy)]
pub struct Summary {
    pub median: f64,
    pub least: f64,
    pub greatest: f64,
}

impl Column {
    /// The runtime of this repository.
    pub fn ours<R: Runtime>() -> Self {
        Self::new::<R>(Role::Ours)
    }

    /// A runtime to compare with.
    pub fn peer<R: Runtime>() -> Self {
        Self::new::<R>(Role::Peer)
    }

    /// The hand-written epoll loop.
    pub fn epoll() -> Self {
        Self {
            name: "epoll loop",
            packages: &[],
            note: || None,
            role: Role::Floor,
            measure: scenarios::measure_epoll,
            print_parked_bytes: |_| (),
        }
    }

    fn new<R: Runtime>(role: Role) -> Self {
        Self {
            name: R::NAME,
            packages: R::PACKAGES,
            note: R::note,
            role,
            measure: scenarios::measure::<R>,
            print_parked_bytes: scenarios::print_parked_bytes::<R>,
        }
    }

    /// One sample, for one operation.
    fn sample(&self, kind: Kind, operations: u64) -> Option<f64> {
        let total = (self.measure)(kind, operations)?;
        Some(total / operations as f64)
    }

    /// How many operations make a sample of this column; nothing if it has none to give.
    fn calibrate(&self, scenario: &Scenario, quick: bool) -> Option<u64> {
        let multiple_of = match scenario.size {
            Size::Fixed { quick: few, .. } if quick => return Some(few),
            Size::Fixed { full, .. } => return Some(full),
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

/// Does what the command line says, with these columns; `remark` ends the head of the table.
pub fn main(columns: &[Column], remark: &str) -> ExitCode {
    match cli::parse(env::args().skip(1)) {
        Ok(Command::Table(options)) => print_table(columns, remark, &options),
        Ok(Command::Parked { name, tasks }) => print_parked_bytes(columns, &name, tasks),
        Ok(Command::Help) => {
            print!("{}", cli::HELP);
            ExitCode::SUCCESS
        }
        Err(mistake) => {
            eprint!("{mistake}\n{}", cli::HELP);
            ExitCode::FAILURE
        }
    }
}

fn print_table(columns: &[Column], remark: &str, options: &Options) -> ExitCode {
    let wanted: Vec<_> =
        SCENARIOS.iter().filter(|scenario| is_wanted(scenario, &options.words)).collect();
    if wanted.is_empty() {
        eprintln!("no scenario has {} in its title", options.words.join(" or "));
        return ExitCode::FAILURE;
    }
    machine::print(columns, remark, options.quick);
    let mut table = Table::begin(columns, options);
    for scenario in wanted {
        table.row(scenario, &take_samples(scenario, columns, options.quick));
    }
    table.end();
    ExitCode::SUCCESS
}

fn print_parked_bytes(columns: &[Column], name: &str, tasks: u64) -> ExitCode {
    let Some(column) = columns.iter().find(|column| column.name == name) else {
        eprintln!("no runtime is called {name}");
        return ExitCode::FAILURE;
    };
    (column.print_parked_bytes)(tasks);
    ExitCode::SUCCESS
}

fn is_wanted(scenario: &Scenario, words: &[String]) -> bool {
    let title = scenario.title.to_lowercase();
    words.is_empty() || words.iter().any(|word| title.contains(word))
}

fn take_samples(scenario: &Scenario, columns: &[Column], quick: bool) -> Vec<Option<Summary>> {
    let rounds = match scenario.size {
        _ if quick => 1,
        Size::Fixed { rounds, .. } => rounds,
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
            samples[at].extend(columns[at].sample(scenario.kind, operations));
        }
    }
    samples.into_iter().map(Summary::of).collect()
}
