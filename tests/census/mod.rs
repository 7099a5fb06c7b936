//! What a test may leave behind: nothing.

#![allow(dead_code)] // every test binary uses its own part

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What this process has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Census {
    /// Where its open descriptors lead.
    pub descriptors: usize,
    /// Its threads that are ours.
    pub threads: usize,
    /// Its children, dead or alive.
    pub children: usize,
}

impl Census {
    pub fn take() -> Self {
        // One is the directory's own.
        let descriptors = fs::read_dir("/proc/self/fd").expect("procfs").count() - 1;
        Self { descriptors, threads: threads(), children: children().len() }
    }
}

fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("procfs");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("monoloop")).count()
}

/// The children of this process with their states, as `ps` names them.
pub fn children() -> Vec<(u32, char)> {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").expect("procfs");
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
        assert!(begin.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Holds off the other tests of the file, and asserts at its end that the process has what it had before. What is
/// kept for good after a first use (the pipe of signals) was there then.
pub struct Leftovers {
    before: Census,
    _alone: MutexGuard<'static, ()>,
}

pub fn no_leftovers() -> Leftovers {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    monoloop::run(async {
        drop(monoloop::signal::signal(monoloop::signal::SignalKind::WINDOW_CHANGE).unwrap());
    });
    Leftovers { before: Census::take(), _alone: alone }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        // A thread may be on its last instructions.
        let deadline = Instant::now() + Duration::from_secs(5);
        while Census::take() != self.before && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(Census::take(), self.before, "{:?}", children());
    }
}
