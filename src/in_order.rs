//! Bringing things into the order of their numbers.

/// Sorts by number. One sort serves items of all types: a sort of its own for each would be a good part of what a
/// program has to compile.
pub(crate) fn sort_by_number<T>(items: &mut [T], number: impl Fn(&T) -> u64) {
    let mut order: Vec<(u64, usize)> =
        items.iter().enumerate().map(|(place, item)| (number(item), place)).collect();
    sort_numbers(&mut order);
    // `order[i].1` is the place of the item that goes to `i`. Each cycle is walked once.
    for start in 0..order.len() {
        let mut to = start;
        loop {
            let from = std::mem::replace(&mut order[to].1, to);
            if from == start {
                break;
            }
            items.swap(to, from);
            to = from;
        }
    }
}

/// Sorts by the first of each pair, and equal ones by the second.
pub(crate) fn sort_numbers(numbers: &mut [(u64, usize)]) {
    numbers.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::sort_by_number;

    #[test]
    fn every_permutation_is_brought_into_order() {
        fn permute(items: &mut Vec<u64>, from: usize, seen: &mut usize) {
            if from == items.len() {
                *seen += 1;
                let mut sorted = items.clone();
                sort_by_number(&mut sorted, |item| *item);
                assert_eq!(sorted, [0, 1, 2, 3, 4, 5], "{items:?}");
                return;
            }
            for other in from..items.len() {
                items.swap(from, other);
                permute(items, from + 1, seen);
                items.swap(from, other);
            }
        }
        let mut seen = 0;
        permute(&mut (0..6).collect(), 0, &mut seen);
        assert_eq!(seen, 720);
    }

    #[test]
    fn equal_numbers_keep_their_order() {
        let mut items = vec![(1, 'a'), (0, 'b'), (1, 'c'), (0, 'd')];
        sort_by_number(&mut items, |item| item.0);
        assert_eq!(items, [(0, 'b'), (0, 'd'), (1, 'a'), (1, 'c')]);
    }
}
