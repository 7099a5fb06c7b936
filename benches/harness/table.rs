//! Prints the table, one row as soon as it is known.

use super::cli::Options;
use super::{Bar, Column, Role, Scenario, Summary};

/// Width of the titles of the rows.
const TITLE: usize = 41;

/// Width of a cell, at least.
const CELL: usize = 8;

/// The columns that are printed after those of the suite.
const RATIO: &str = "ours/best";

/// A table of which the head has been printed.
pub(super) struct Table<'a, K> {
    columns: &'a [Column<K>],
    options: &'a Options,
    met: usize,
    missed: Vec<&'static str>,
}

impl<'a, K> Table<'a, K> {
    /// Prints the heads of the columns, a word on each line.
    pub(super) fn begin(columns: &'a [Column<K>], options: &'a Options) -> Self {
        let table = Self { columns, options, met: 0, missed: Vec::new() };
        let words = |line: usize| columns.iter().map(move |column| head(column.name)[line]);
        table.print("", words(0), "", "");
        table.print("", words(1), RATIO, "bar");
        table
    }

    /// Prints a row.
    pub(super) fn row(&mut self, scenario: &Scenario<K>, cells: &[Option<Summary>]) {
        let figures = Figures::new(self.columns, cells);
        let bar = self.judge(scenario, cells, &figures);
        let ratio = quotient(figures.ours, figures.best_peer);
        self.print_numbers(scenario.title, cells, |cell| cell.median, &ratio, &bar);
        if self.options.verbose {
            self.print_numbers("  least", cells, |cell| cell.least, "", "");
            self.print_numbers("  greatest", cells, |cell| cell.greatest, "", "");
        }
    }

    /// Prints how many bars were met.
    pub(super) fn end(self) {
        if self.options.quick {
            return;
        }
        println!("\n{} bars met, {} missed", self.met, self.missed.len());
        for title in self.missed {
            println!("  MISS {title}");
        }
    }

    /// Says what the bar is and whether it is met; a quick run meets and misses nothing.
    fn judge(
        &mut self,
        scenario: &Scenario<K>,
        cells: &[Option<Summary>],
        figures: &Figures,
    ) -> String {
        let (limit, text) = match scenario.bar {
            None => return String::new(),
            Some(Bar::BestPeer(times)) => {
                (figures.best_peer.map(|best| best * times), format!("{times:.2} x best peer"))
            }
            Some(Bar::Floor { times, plus }) => (
                figures.floor.map(|floor| floor * times + plus),
                self.above_floor(times, plus, figures),
            ),
            Some(Bar::Peer(name, times)) => {
                let peer = self.columns.iter().position(|column| column.name == name);
                let peer = peer.and_then(|index| cells[index]).map(|cell| cell.median);
                (peer.map(|peer| peer * times), format!("{times:.2} x {name}"))
            }
            Some(Bar::Bytes(most)) => (Some(most), format!("{most:.0} bytes")),
        };
        let (Some(ours), Some(limit), false) = (figures.ours, limit, self.options.quick) else {
            return text;
        };
        if ours <= limit {
            self.met += 1;
            return format!("{text}: ok");
        }
        self.missed.push(scenario.title);
        format!("{text} = {limit:.1}: MISS")
    }

    fn above_floor(&self, times: f64, plus: f64, figures: &Figures) -> String {
        let floor = self.columns.iter().find(|column| column.role == Role::Floor);
        let name = floor.map_or("floor", |column| column.name);
        let plus = if plus == 0.0 { String::new() } else { format!(" + {plus}") };
        format!("{times:.2} x {name}{plus} ({})", quotient(figures.ours, figures.floor))
    }

    /// Three significant digits, about. A column without a number says so; the floor has none in most rows.
    fn print_numbers(
        &self,
        title: &str,
        cells: &[Option<Summary>],
        pick: fn(Summary) -> f64,
        ratio: &str,
        bar: &str,
    ) {
        let cells = self.columns.iter().zip(cells);
        let numbers = cells.map(|(column, cell)| match cell.map(pick) {
            Some(value) if value < 100.0 => format!("{value:.1}"),
            Some(value) => format!("{value:.0}"),
            None if column.role == Role::Floor => String::new(),
            None => String::from("n/a"),
        });
        self.print(title, numbers, ratio, bar);
    }

    fn print(&self, title: &str, cells: impl Iterator<Item: AsRef<str>>, ratio: &str, bar: &str) {
        let line: String = cells
            .zip(self.columns)
            .map(|(cell, column)| format!("  {:>width$}", cell.as_ref(), width = width(column)))
            .collect();
        println!("{title:<TITLE$}{line}  {ratio:>9}  {bar}");
    }
}

/// The medians of a row, by what they are compared with.
struct Figures {
    ours: Option<f64>,
    best_peer: Option<f64>,
    floor: Option<f64>,
}

impl Figures {
    fn new<K>(columns: &[Column<K>], cells: &[Option<Summary>]) -> Self {
        let best = |role| {
            let alike = columns.iter().zip(cells).filter(|(column, _)| column.role == role);
            alike.filter_map(|(_, cell)| cell.map(|cell| cell.median)).min_by(f64::total_cmp)
        };
        Self { ours: best(Role::Ours), best_peer: best(Role::Peer), floor: best(Role::Floor) }
    }
}

/// Two decimals, or nothing.
fn quotient(number: Option<f64>, divisor: Option<f64>) -> String {
    number
        .zip(divisor)
        .map_or(String::new(), |(number, divisor)| format!("{:.2}", number / divisor))
}

/// The head of a column has two lines: its first word, and the rest.
fn head(name: &str) -> [&str; 2] {
    let (first, rest) = name.split_once(' ').unwrap_or(("", name));
    [first, rest]
}

fn width<K>(column: &Column<K>) -> usize {
    head(column.name).map(str::len).into_iter().fold(CELL, usize::max)
}
