//! The command line.

use crate::scenarios::CHILD_FLAG;

/// What `--help` prints.
pub const HELP: &str = "\
usage: cargo bench --bench scheduling -- [--quick] [--verbose] [WORD]...

  WORD       only the scenarios with this word in their title
  --quick    a smoke test of a few seconds; its numbers mean nothing
  --verbose  adds the least and the greatest sample of every cell
";

/// What to do.
pub enum Command {
    /// Print the table.
    Table(Options),
    /// Print the bytes of this many parked tasks on the runtime of this name.
    Parked { name: String, tasks: u64 },
    /// Print [`HELP`].
    Help,
}

/// How to print the table.
#[derive(Default)]
pub struct Options {
    pub quick: bool,
    pub verbose: bool,
    /// Lowercase words; a scenario needs one of them in its title, if there are any.
    pub words: Vec<String>,
}

/// Reads the arguments after the program's name.
///
/// Cargo adds `--bench` when it benchmarks, and either `--test` or nothing when it tests: without
/// `--bench` the run is a quick one.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut options = Options::default();
    let mut benchmarking = false;
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => benchmarking = true,
            "--quick" | "--test" => options.quick = true,
            "--verbose" => options.verbose = true,
            "--help" | "-h" => return Ok(Command::Help),
            CHILD_FLAG => return parse_parked(arguments),
            flag if flag.starts_with('-') => return Err(format!("unknown option {flag}")),
            word => options.words.push(word.to_lowercase()),
        }
    }
    options.quick |= !benchmarking;
    Ok(Command::Table(options))
}

fn parse_parked(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let name = arguments.next();
    let tasks = arguments.next().and_then(|tasks| tasks.parse().ok());
    match (name, tasks) {
        (Some(name), Some(tasks)) => Ok(Command::Parked { name, tasks }),
        _ => Err(format!("{CHILD_FLAG} needs a name and a number")),
    }
}
