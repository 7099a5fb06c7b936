//! Random numbers for unit tests: seeded, the same everywhere.

/// Marsaglia's xorshift with shifts 13, 7, 17.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Zero is the one state it never leaves, and the lowest bit no part of the seed.
        Self((seed << 1) ^ 0x9E37_79B9_7F4A_7C15 | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A number of up to `bits` bits, each length equally likely.
    pub(crate) fn magnitude(&mut self, bits: u64) -> u64 {
        match self.below(bits + 1) {
            0 => 0,
            length => self.next() >> (64 - length),
        }
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for n in (1..items.len()).rev() {
            items.swap(n, self.index(n + 1));
        }
    }
}
