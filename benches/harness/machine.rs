//! The head of the table: what ran where, and what the numbers do not prove.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use super::{Column, Suite};

/// What the numbers are, and begins what they do not prove.
const UNITS: &str = "\
Medians of samples taken in turns; nanoseconds for one operation, on one thread. What this does not prove:";

/// Prints the head.
pub(super) fn print<K>(suite: &Suite<K>, quick: bool) {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let processor = processor().unwrap_or_else(|| String::from("unknown processor"));
    println!("{cores} cores, {processor}, {}, {}", kernel(), compiler());
    println!("{}", versions(&suite.columns));
    if let Some(load) = load() {
        println!(
            "load average when it began: {load} (others that run beside it spoil the numbers)"
        );
    }
    println!();
    println!("{UNITS}\n{}", suite.caveats);
    for note in suite.columns.iter().filter_map(|column| (column.note)()) {
        println!("- {note}");
    }
    println!("{}\n", suite.remark);
    if quick {
        println!("QUICK RUN: it shows that everything runs; its numbers mean nothing.\n");
    }
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {}", std::env::consts::OS, release.trim()).trim_end().to_owned()
}

/// How many threads ran or wanted to, over the last minute.
fn load() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    Some(text.split(' ').next()?.to_owned())
}

/// The compiler that is on the path; cargo runs a benchmark with the one that built it.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| String::from("unknown rustc"), |text| text.trim().to_owned())
}

/// The versions of the packages behind the columns, as the lock file has them.
fn versions<K>(columns: &[Column<K>]) -> String {
    let lock = lock_file().unwrap_or_default();
    let mut packages: Vec<_> = columns.iter().flat_map(|column| column.packages).collect();
    packages.dedup();
    let versions: Vec<_> = packages
        .iter()
        .map(|package| format!("{package} {}", version(&lock, package).unwrap_or("?")))
        .collect();
    versions.join(", ")
}

fn lock_file() -> Option<String> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find_map(|folder| fs::read_to_string(folder.join("Cargo.lock")).ok())
}

fn version<'l>(lock: &'l str, package: &str) -> Option<&'l str> {
    let name = format!("name = \"{package}\"\nversion = \"");
    let (_, rest) = lock.split_once(&name)?;
    Some(rest.split_once('"')?.0)
}
