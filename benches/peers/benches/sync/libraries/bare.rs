//! A `BinaryHeap`, and nothing around it.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::scenarios::{Kind, put_and_get, run};

pub fn measure(kind: Kind, n: u64) -> Option<f64> {
    if kind != Kind::Priority {
        return None;
    }
    run(n, async |n| {
        let heap = RefCell::new(BinaryHeap::new());
        put_and_get(
            n,
            heap,
            async |heap, item| heap.borrow_mut().push(Reverse(item)),
            async |heap| heap.borrow_mut().pop().expect("never empty").0,
        )
        .await
    })
}
