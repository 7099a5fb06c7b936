//! The job that writes what was buffered.

use std::io;
use std::mem;
use std::sync::Arc;

use super::shared::Shared;

/// Dropped before it ran, it says that the bytes are lost.
pub(super) struct Writer(Option<Arc<Shared>>);

impl Writer {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self(Some(Arc::clone(shared)))
    }

    pub(super) fn run(mut self) {
        if let Some(shared) = mem::take(&mut self.0) {
            drop(shared.settle());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            let error = io::Error::other("the event loop ended before they were written");
            shared.report(shared.outbox.abandon(error));
        }
    }
}
