//! No sources: the feature `io` is off.

use mio::event::Event;

use crate::executor::wake::WakeRef;

#[derive(Default)]
pub(super) struct Sources {}

impl Sources {
    pub(super) fn count_round(&self) {}

    pub(super) fn is_awaited(&self) -> bool {
        false
    }

    pub(super) fn has_doubts(&self) -> bool {
        false
    }

    pub(super) fn settle(&self, _: bool, _: &mut impl FnMut(WakeRef)) {}

    pub(super) fn dispatch(&self, _: &Event, _: &mut impl FnMut(WakeRef)) {}
}
