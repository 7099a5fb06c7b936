//! What a test may leave behind: nothing.

#![allow(dead_code)] // every test binary uses its own part

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What this process has, as `/proc` tells; nothing where there is no `/proc`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Census {
    descriptors: Vec<String>,
    threads: Vec<String>,
    /// Dead or alive.
    children: Vec<u32>,
}

impl Census {
    pub fn take() -> Self {
        let children = children().into_iter().map(|(id, _)| id).collect();
        Self { descriptors: descriptors(), threads: threads(), children }
    }
}

/// The open descriptors: the number of each, and where it leads.
pub fn descriptors() -> Vec<String> {
    // The one of the folder itself is closed by now, and so left out.
    list("/proc/self/fd", |entry| Some(fs::read_link(entry).ok()?.display().to_string()))
}

/// The threads that are ours, or may turn out to be: the number and the name of each.
///
/// A thread gives itself its name, as the first thing it does. Until then, which may be long on a busy machine, it has the
/// name of the one that started it: so one with the name of this thread counts too, unless it is known for a test's own.
pub fn threads() -> Vec<String> {
    know_this_thread();
    let this = fs::read_to_string("/proc/thread-self/comm").ok();
    list("/proc/self/task", |entry| {
        let name = fs::read_to_string(entry.join("comm")).ok()?;
        let is_nameless = || this.as_ref() == Some(&name) && !is_known(entry);
        (name.starts_with(OUR_NAMES) || is_nameless()).then_some(name)
    })
}

/// What the names of the library's threads begin with.
const OUR_NAMES: &str = "monoloop-";

/// The numbers of the threads that ran a test, run one, or wait for their turn to: the names of two tests may begin alike,
/// and the system keeps no more than the beginning.
static TESTS: Mutex<Vec<OsString>> = Mutex::new(Vec::new());

/// Notes that this thread runs a test.
fn know_this_thread() {
    let Ok(link) = fs::read_link("/proc/thread-self") else { return };
    let mut tests = TESTS.lock().unwrap_or_else(PoisonError::into_inner);
    match link.file_name() {
        Some(number) if !tests.iter().any(|test| test == number) => tests.push(number.to_owned()),
        _ => {}
    }
}

/// Whether a test is known to run on it.
fn is_known(thread: &Path) -> bool {
    let tests = TESTS.lock().unwrap_or_else(PoisonError::into_inner);
    tests.iter().any(|test| thread.ends_with(test))
}

/// The entries of a folder that are `described`.
fn list(folder: &str, describe: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let describe = |path: &PathBuf| {
        let number = path.file_name()?.to_str()?;
        Some(format!("{number} {}", describe(path)?))
    };
    paths.iter().filter_map(describe).collect()
}

/// The children of this process with their states, as `ps` names them.
pub fn children() -> Vec<(u32, char)> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id();
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // After the name, which is in parentheses and may have some itself.
        let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
        let state = fields.next()?.chars().next()?;
        (fields.next()?.parse() == Ok(own)).then_some((id, state))
    })
    .collect()
}

/// How many children are zombies.
pub fn zombies() -> usize {
    children().iter().filter(|(_, state)| *state == 'Z').count()
}

/// Waits until `is_so`, which is due to happen by itself.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// While it lives, no other test of this file runs. Its end asserts that the process has what it had before.
#[must_use]
pub struct Alone {
    before: Census,
    _turn: MutexGuard<'static, ()>,
}

/// Waits for this test's turn. What is counted is the whole process's, so every test of a file begins with it that opens
/// anything.
pub fn alone() -> Alone {
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    know_this_thread();
    let turn = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut before = Census::take();
    // One without a name that is there already is another test's.
    before.threads.retain(|thread| thread.contains(OUR_NAMES));
    Alone { before, _turn: turn }
}

/// As [`alone`], where signals or children are waited for: what is kept for good after a first use, the pipe of signals,
/// was there before.
#[cfg(unix)]
pub fn no_leftovers() -> Alone {
    use monoloop::signal::{SignalKind, signal};

    let mut alone = alone();
    if cfg!(not(miri)) {
        monoloop::run(async { drop(signal(SignalKind::WINDOW_CHANGE).unwrap()) });
    }
    alone.before.descriptors = descriptors();
    alone
}

impl Drop for Alone {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        // A thread may be on its last instructions. And one that starts another and ends may hide both from a census that is
        // being taken: so it takes two.
        let deadline = Instant::now() + Duration::from_secs(30);
        let is_as_before = || Census::take() == self.before;
        while !(is_as_before() && is_as_before()) {
            if Instant::now() >= deadline {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(Census::take(), self.before, "{:?}", children());
    }
}
