//! Memory; a sample needs a process of its own.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Waker};

use crate::harness::platform;

/// The bytes of so many values, with what they allocate.
pub fn idle_bytes<T>(count: u64, make: impl Fn() -> T) -> Option<f64> {
    let before = platform::resident_bytes()?;
    let values: Vec<T> = (0..count).map(|_| make()).collect();
    let after = platform::resident_bytes()?;
    black_box(&values);
    Some(after.saturating_sub(before) as f64)
}

/// The bytes of so many futures that wait, each in a box, with what they allocate elsewhere.
pub fn waiting_bytes<F: Future>(count: u64, mut make: impl FnMut() -> F) -> Option<f64> {
    let mut waiting: Vec<Pin<Box<F>>> = Vec::with_capacity(count as usize);
    let mut cx = Context::from_waker(Waker::noop());
    let before = platform::resident_bytes()?;
    for _ in 0..count {
        let mut future = Box::pin(make());
        assert!(future.as_mut().poll(&mut cx).is_pending(), "the lock is held");
        waiting.push(future);
    }
    let after = platform::resident_bytes()?;
    std::mem::forget(waiting);
    Some(after.saturating_sub(before) as f64)
}
