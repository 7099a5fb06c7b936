//! Running out of descriptors, in a process of one's own.

#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::fs::File;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Runs the test of that name in a process of its own, as the descriptors of a process are to run out.
/// True: this is that process.
pub fn is_child(name: &str) -> bool {
    const CHILD: &str = "MONOLOOP_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--test-threads=1", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{name} hangs");
        }
        thread::sleep(Duration::from_millis(2));
    };
    assert!(status.success(), "{status}");
    false
}

/// Takes up all descriptors but `left`, of a small number.
pub fn exhaust(left: usize) -> Vec<File> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(300), maximum }).unwrap();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    files.truncate(files.len() - left);
    files
}
