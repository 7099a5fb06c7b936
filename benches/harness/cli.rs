//! The command line.

/// `CHILD_FLAG COLUMN ROW OPERATIONS` makes the process take one sample of that cell and print it.
pub(super) const CHILD_FLAG: &str = "--sample";

/// What `--help` prints, after the line that says how the benchmark is called.
const OPTIONS: &str = "
  WORD       only the scenarios with this word in their title
  --quick    a smoke test of a few seconds; its numbers mean nothing
  --verbose  adds the least and the greatest sample of every cell
";

/// What to do.
pub(super) enum Command {
    /// Print the table.
    Table(Options),
    /// Take one sample and print it.
    Sample(Sample),
    /// Print [`help`].
    Help,
}

/// How to print the table.
#[derive(Default)]
pub(super) struct Options {
    pub(super) quick: bool,
    pub(super) verbose: bool,
    /// Lowercase words; a scenario needs one of them in its title, if there are any.
    pub(super) words: Vec<String>,
}

/// A sample that a process of its own is to take.
pub(super) struct Sample {
    /// The name of the column.
    pub(super) column: String,
    /// The title of the scenario.
    pub(super) row: String,
    pub(super) operations: u64,
}

/// How to call the benchmark that `call` calls, without its arguments.
pub(super) fn help(call: &str) -> String {
    format!("usage: {call} -- [--quick] [--verbose] [WORD]...\n{OPTIONS}")
}

/// Reads the arguments after the program's name.
///
/// Cargo adds `--bench` when it benchmarks, and either `--test` or nothing when it tests: without
/// `--bench` the run is a quick one.
pub(super) fn parse(arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut options = Options::default();
    let mut benchmarking = false;
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => benchmarking = true,
            "--quick" | "--test" => options.quick = true,
            "--verbose" => options.verbose = true,
            "--help" | "-h" => return Ok(Command::Help),
            CHILD_FLAG => return parse_sample(arguments),
            flag if flag.starts_with('-') => return Err(format!("unknown option {flag}")),
            word => options.words.push(word.to_lowercase()),
        }
    }
    options.quick |= !benchmarking;
    Ok(Command::Table(options))
}

fn parse_sample(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let names = arguments.next().zip(arguments.next());
    let operations = arguments.next().and_then(|operations| operations.parse().ok());
    match (names, operations) {
        (Some((column, row)), Some(operations)) => {
            Ok(Command::Sample(Sample { column, row, operations }))
        }
        _ => Err(format!("{CHILD_FLAG} needs a column, a row and a number")),
    }
}
