//! How far a slate departs from the order by relevance.

use super::mean;

/// Displacement: the mean of `|rank − position|` over positions, in places.
///
/// `ranks` has, per position, the item's place (from 0) in the order of all candidates by base score. 0 for relevance order.
/// `None` for an empty slate.
///
/// Source: Spearman's footrule, per item.
pub fn displacement(ranks: &[usize]) -> Option<f64> {
    mean(ranks.iter().enumerate().map(|(position, &rank)| rank.abs_diff(position) as f64))
}

/// Overlap with the top: the share of a slate's items that are among as many best ones by relevance. 0 to 1.
///
/// `ranks` as in [`displacement`]. `None` for an empty slate.
///
/// Source: overlap@T of two rankings.
pub fn overlap(ranks: &[usize]) -> Option<f64> {
    mean(ranks.iter().map(|&rank| f64::from(u8::from(rank < ranks.len()))))
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn moves_are_counted_in_places() {
        // |0−0|, |3−1|, |1−2|, |9−3|.
        assert_relative_eq!(displacement(&[0, 3, 1, 9]).unwrap(), 9.0 / 4.0);
        assert_relative_eq!(overlap(&[0, 3, 1, 9]).unwrap(), 0.75);
        assert_eq!(displacement(&[0, 1]), Some(0.0));
        assert_eq!(overlap(&[0, 1]), Some(1.0));
        assert_eq!(displacement(&[]), None);
        assert_eq!(overlap(&[]), None);
    }
}
