//! Finding delimiters in data that comes in pieces.

use memchr::{memchr, memmem};

/// Finds where the first delimiter ends, going on where it left off when more data has come.
///
/// The answer does not depend on how the data came in pieces: the shortest beginning of the data that ends
/// in a delimiter.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    delimiters: &'a [&'a [u8]],
    /// How long the longest delimiter is.
    longest: usize,
    /// No delimiter ends in so many bytes.
    searched: usize,
}

impl<'a> Search<'a> {
    /// # Panics
    ///
    /// If there is no delimiter, or an empty one.
    #[track_caller]
    pub(crate) fn new(delimiters: &'a [&'a [u8]]) -> Self {
        assert!(!delimiters.is_empty(), "no delimiter to read until");
        assert!(delimiters.iter().all(|one| !one.is_empty()), "a delimiter is empty");
        let longest = delimiters.iter().map(|one| one.len()).max().unwrap_or(1);
        Self { delimiters, longest, searched: 0 }
    }

    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// `data` is what was searched before, and what has come since.
    pub(crate) fn end_in(&mut self, data: &[u8]) -> Option<usize> {
        let mut end = None;
        for delimiter in self.delimiters {
            // It may have begun in what was searched.
            let from = (self.searched + 1).saturating_sub(delimiter.len());
            let until = end.unwrap_or(data.len());
            let new = data.get(from..until).unwrap_or_default();
            if let Some(index) = find(delimiter, new) {
                end = Some(from + index + delimiter.len());
            }
        }
        if end.is_none() {
            self.searched = data.len();
        }
        end
    }
}

#[inline]
fn find(delimiter: &[u8], data: &[u8]) -> Option<usize> {
    match delimiter {
        [byte] => memchr(*byte, data),
        _ => memmem::find(data, delimiter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the search should find, by its definition.
    fn shortest(delimiters: &[&[u8]], data: &[u8]) -> Option<usize> {
        (1..=data.len()).find(|&end| delimiters.iter().any(|one| data[..end].ends_with(one)))
    }

    #[test]
    fn the_pieces_make_no_difference() {
        let sets: &[&[&[u8]]] =
            &[&[b"a"], &[b"ab"], &[b"aab", b"b"], &[b"bb", b"abab", b"ba"], &[b"aaa", b"aaaa"]];
        // All texts of seven letters, a and b, in two pieces.
        for text in 0..1 << 7_u32 {
            let data: Vec<u8> = (0..7).map(|bit| b'a' + (text >> bit & 1) as u8).collect();
            for (set, cut) in sets.iter().flat_map(|set| (0..=7).map(move |cut| (set, cut))) {
                let mut search = Search::new(set);
                let found = search.end_in(&data[..cut]).or_else(|| search.end_in(&data));
                assert_eq!(found, shortest(set, &data), "{data:?} cut at {cut}, {set:?}");
            }
        }
    }
}
