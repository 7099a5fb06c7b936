//! Looking around before going to sleep.

use std::cell::Cell;
use std::time::Duration;

/// How long to look around at most.
pub(crate) const MOMENT: Duration = Duration::from_micros(50);

/// After so many failures in a row the pauses get no longer.
const MOST_FAILURES: u32 = 10;

/// Whether it is worth it to look around for a [`MOMENT`] before sleeping. After each failure that is not done for a while,
/// for up to 1023 waits: where it is in vain, as the jobs take longer or the processors are taken, it costs next to nothing.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// Failures since it was not in vain.
    failures: Cell<u32>,
    /// Waits that go without.
    pause: Cell<u32>,
}

impl Patience {
    /// Whether to look around before this wait.
    pub(crate) fn is_there(&self) -> bool {
        let pause = self.pause.get();
        self.pause.set(pause.saturating_sub(1));
        pause == 0
    }

    /// Says whether what was looked for came.
    pub(crate) fn learn(&self, came: bool) {
        let failures = if came { 0 } else { MOST_FAILURES.min(self.failures.get() + 1) };
        self.failures.set(failures);
        self.pause.set((1 << failures) - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_each_failure_and_end_with_a_success() {
        let patience = Patience::default();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            pauses.push((0..).take_while(|_| !patience.is_there()).count());
            patience.learn(false);
        }
        assert_eq!(pauses, [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1023]);
        patience.learn(true);
        assert!(patience.is_there() && patience.is_there());
    }
}
