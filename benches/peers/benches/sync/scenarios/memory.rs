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
    Some(whole(after.saturating_sub(before), count))
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
    Some(whole(after.saturating_sub(before), count))
}

/// The sum of `count` values of so many whole bytes as come nearest: the rest is the last page, and other people's.
fn whole(sum: u64, count: u64) -> f64 {
    let each = sum as f64 / count as f64;
    each.round() * count as f64
}
