//! How unlike each other the items of a slate are.
//!
//! All functions take the similarity of two positions, S of SPEC 2 or any other; a distance is `1 − S`. With unit rows
//! (cosine) distances lie between 0 and 2. A zero row is unlike everything, also another zero row: its distances are 1.

use super::mean;

/// ILD@w: how new an item looks after what stands just before it.
///
/// The mean over positions t = 1 … n−1 of the mean of `1 − similarity(t, j)` over the items before it that are near,
/// j = max(0, t−w) … t−1. The first position has nothing before it and does not count; the next w−1 compare with fewer
/// than w items. `None` with fewer than two positions or a window of 0.
///
/// Source: intra-list distance (Ziegler et al., WWW 2005) read over a sliding window, the span in which a person who
/// scrolls notices repetition.
pub fn distance_to_before(n: usize, window: usize, similarity: impl Fn(usize, usize) -> f64) -> Option<f64> {
    if window == 0 {
        return None;
    }
    mean((1..n).filter_map(|t| mean((t.saturating_sub(window)..t).map(|j| 1.0 - similarity(t, j)))))
}

/// Largest similarity@w: how near the nearest of the items before comes.
///
/// The mean over positions t = 1 … n−1 of the largest `similarity(t, j)`, j = max(0, t−w) … t−1. It falls as repetition
/// does. `None` as in [`distance_to_before`].
///
/// Source: the term that maximal marginal relevance holds down (Carbonell & Goldstein, SIGIR 1998), over a sliding window.
pub fn largest_similarity(n: usize, window: usize, similarity: impl Fn(usize, usize) -> f64) -> Option<f64> {
    if window == 0 {
        return None;
    }
    mean((1..n).map(|t| (t.saturating_sub(window)..t).fold(f64::NEG_INFINITY, |max, j| max.max(similarity(t, j)))))
}

/// ILAD: the mean of `1 − similarity(i, j)` over all pairs of positions. `None` with fewer than two positions.
///
/// Source: intra-list average distance (Zhang & Hurley, RecSys 2008).
pub fn mean_distance(n: usize, similarity: impl Fn(usize, usize) -> f64) -> Option<f64> {
    mean(pairs(n).map(|(i, j)| 1.0 - similarity(i, j)))
}

/// ILMD: the least `1 − similarity(i, j)` of all pairs of positions: the distance of the two items most alike. `None` with
/// fewer than two positions.
///
/// Source: intra-list minimal distance, the objective of max-min diversification (Gollapudi & Sharma, WWW 2009).
pub fn least_distance(n: usize, similarity: impl Fn(usize, usize) -> f64) -> Option<f64> {
    pairs(n).map(|(i, j)| 1.0 - similarity(i, j)).min_by(f64::total_cmp)
}

fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (1..n).flat_map(|i| (0..i).map(move |j| (i, j)))
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    /// Symmetric, with S_01 = 0.8, S_02 = 0.2, S_03 = 0, S_12 = 0.4, S_13 = 0.6, S_23 = −0.5.
    fn similarity(i: usize, j: usize) -> f64 {
        match (i.min(j), i.max(j)) {
            (0, 1) => 0.8,
            (0, 2) => 0.2,
            (0, 3) => 0.0,
            (1, 2) => 0.4,
            (1, 3) => 0.6,
            (2, 3) => -0.5,
            _ => 1.0,
        }
    }

    #[test]
    fn distance_to_before_averages_inside_positions_first() {
        // Position 1: 1 − 0.8. Position 2: (0.8 + 0.6) / 2. Position 3: (0.4 + 1.5) / 2; item 0 has left the window.
        let by_hand = (0.2 + 0.7 + 0.95) / 3.0;
        assert_relative_eq!(distance_to_before(4, 2, similarity).unwrap(), by_hand);
        let next_only = (0.2 + 0.6 + 1.5) / 3.0;
        assert_relative_eq!(distance_to_before(4, 1, similarity).unwrap(), next_only);
        let wide = (0.2 + 0.7 + (1.0 + 0.4 + 1.5) / 3.0) / 3.0;
        assert_relative_eq!(distance_to_before(4, 100, similarity).unwrap(), wide);
    }

    #[test]
    fn largest_similarity_is_that_of_the_nearest_before() {
        // Position 1: 0.8. Position 2: max(0.2, 0.4). Position 3: max(0.6, −0.5), and with a window of 1 just −0.5.
        assert_relative_eq!(largest_similarity(4, 2, similarity).unwrap(), (0.8 + 0.4 + 0.6) / 3.0);
        assert_relative_eq!(largest_similarity(4, 1, similarity).unwrap(), (0.8 + 0.4 - 0.5) / 3.0);
    }

    #[test]
    fn mean_distance_averages_over_pairs_and_least_distance_takes_one() {
        let by_hand = (0.2 + 0.8 + 1.0 + 0.6 + 0.4 + 1.5) / 6.0;
        assert_relative_eq!(mean_distance(4, similarity).unwrap(), by_hand);
        assert_relative_eq!(least_distance(4, similarity).unwrap(), 0.2);
        assert_relative_eq!(least_distance(2, |_, _| -0.25).unwrap(), 1.25);
    }

    #[test]
    fn one_item_has_no_distance() {
        for n in [0, 1] {
            assert_eq!(distance_to_before(n, 10, similarity), None);
            assert_eq!(largest_similarity(n, 10, similarity), None);
            assert_eq!(mean_distance(n, similarity), None);
            assert_eq!(least_distance(n, similarity), None);
        }
        assert_eq!(distance_to_before(4, 0, similarity), None);
        assert_eq!(largest_similarity(4, 0, similarity), None);
    }
}
