//! monoloop::sync.

use crate::scenarios::Kind;

pub fn measure(_kind: Kind, _n: u64) -> Option<f64> {
    None
}
