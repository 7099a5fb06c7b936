//! Water marks.

/// The high-water mark if nothing else is said; the low one is a quarter of it.
const HIGH_WATER: usize = 64 * 1024;
/// How much may wait to be sent before a write is refused, if nothing else is said.
const CAPACITY: usize = 16 * 1024 * 1024;

/// When who writes should wait, and when it is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    high: usize,
    low: usize,
    pub(crate) capacity: usize,
}

impl Marks {
    /// Returns the high and the low mark.
    pub(crate) fn both(self) -> (usize, usize) {
        (self.high, self.low)
    }

    /// # Panics
    ///
    /// If the low mark is above the high one.
    #[track_caller]
    pub(crate) fn set(&mut self, high: usize, low: usize) {
        assert!(low <= high, "the low-water mark, {low}, is above the high one, {high}");
        (self.high, self.low) = (high, low);
    }

    /// Whether writers should wait, when so much is unsent: above the high mark, until no more than the low
    /// one is left.
    pub(crate) fn pauses(self, unsent: usize, is_paused: bool) -> bool {
        unsent > self.high || (is_paused && unsent > self.low)
    }
}

impl Default for Marks {
    fn default() -> Self {
        Self { high: HIGH_WATER, low: HIGH_WATER / 4, capacity: CAPACITY }
    }
}
