//! How often neighbours agree in the leading codes of their Semantic IDs.

use super::mean;

/// Prefix overlap@w per level: the share of the items just before that agree in the first `level` codes.
///
/// The mean over positions t = 1 … n−1 of the share of the items j = max(0, t−w) … t−1 whose first `level` codes all equal
/// those of t. A code 0 means that the level is missing, and agrees with nothing. `agreement(t, j)` is the number of leading
/// codes in which two positions agree. 0 to 1. `None` with fewer than two positions, a window of 0 or level 0.
///
/// Source: the Semantic-ID penalty of SPEC 5 with the kernel `step`, level by level.
pub fn prefix_overlap(n: usize, window: usize, level: usize, agreement: impl Fn(usize, usize) -> usize) -> Option<f64> {
    if window == 0 || level == 0 {
        return None;
    }
    let agrees = |t, j| f64::from(u8::from(agreement(t, j) >= level));
    mean((1..n).filter_map(|t| mean((t.saturating_sub(window)..t).map(|j| agrees(t, j)))))
}

/// Leading codes in which two Semantic IDs agree; a code 0 ends the prefix.
pub fn agreement(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y && **x != 0).count()
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn levels_are_counted_apart() {
        let ids = [[1, 2], [1, 3], [1, 3], [4, 0]];
        let agreement = |i: usize, j: usize| agreement(&ids[i], &ids[j]);
        // Level 1, window 2. Position 1: 1. Position 2: 2/2. Position 3: 0.
        assert_relative_eq!(prefix_overlap(4, 2, 1, agreement).unwrap(), 2.0 / 3.0);
        // Level 2. Position 1: 0. Position 2: item 1 of items 0 and 1. Position 3: 0.
        assert_relative_eq!(prefix_overlap(4, 2, 2, agreement).unwrap(), 0.5 / 3.0);
        assert_eq!(prefix_overlap(1, 2, 1, agreement), None);
        assert_eq!(prefix_overlap(4, 0, 1, agreement), None);
        assert_eq!(prefix_overlap(4, 2, 0, agreement), None);
    }

    #[test]
    fn a_missing_level_agrees_with_nothing() {
        assert_eq!(agreement(&[5, 0, 7], &[5, 0, 7]), 1);
        assert_eq!(agreement(&[0, 1], &[0, 1]), 0);
        assert_eq!(agreement(&[5, 6], &[5, 6]), 2);
    }
}
