//! What a slate is worth: how much relevance it kept and how much variety it gained.
//!
//! Each function takes the slate as its positions, so that it serves slates from any engine and any similarity.
//! [`Similarities`] has those of a [`Problem`]. A figure that has no meaning (no pair to average, no relevance to keep) is
//! `None`, never NaN.

use crate::problem::Problem;
use crate::real::Real;

/// Share of the relevance that a slate kept: Σ base of the slate / Σ of as many of the best bases.
///
/// `slate` has the base scores of the items placed, `candidates` those of all candidates in any order. The best possible
/// value is 1. `None` where the best sum is not positive, as with z-scores: a ratio says nothing there.
///
/// Source: score retention, Σ r(new) / Σ r(top T), the usual way of stating what variety costs.
pub fn relevance_kept(slate: &[f64], candidates: &[f64]) -> Option<f64> {
    let mut best = candidates.to_vec();
    best.sort_by(|a, b| b.total_cmp(a));
    let best: f64 = best.iter().take(slate.len()).sum();
    (best > 0.0).then(|| slate.iter().sum::<f64>() / best)
}

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

/// ILAD: the mean of `1 − similarity(i, j)` over all pairs of positions. `None` with fewer than two positions.
///
/// Source: intra-list average distance (Zhang & Hurley, RecSys 2008).
pub fn mean_distance(n: usize, similarity: impl Fn(usize, usize) -> f64) -> Option<f64> {
    let similarity = &similarity;
    mean((1..n).flat_map(|i| (0..i).map(move |j| 1.0 - similarity(i, j))))
}

/// Spacing violations@w: pairs of members at most `window` positions apart.
///
/// Source: the soft-spacing penalty of SPEC 5 with the kernel `step` and full confidence, summed over the slate.
pub fn spacing_violations(is_member: &[bool], window: usize) -> usize {
    let members = (0..is_member.len()).filter(|&t| is_member[t]);
    members.map(|t| is_member[t.saturating_sub(window)..t].iter().filter(|&&before| before).count()).sum()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0_usize, 0.0), |(n, sum), x| (n + 1, sum + x));
    (n > 0).then(|| sum / n as f64)
}

/// Similarities between the positions of one slate (SPEC 2), in f64.
///
/// A problem without signals (`strategy = "relevance"`) finds everything unlike everything: all similarities are 0.
#[derive(Debug)]
pub struct Similarities {
    dim: usize,
    /// Scaled rows, `n × dim`: the concatenation of SPEC 2.
    rows: Vec<f64>,
}

impl Similarities {
    /// Gathers the catalog rows at the positions of a slate. Rows must be in the catalog.
    pub fn new(problem: &Problem, rows: &[u32]) -> Self {
        let mut scaled = Vec::with_capacity(rows.len() * problem.dim());
        for &row in rows {
            for signal in &problem.signals {
                let start = scaled.len();
                f64::append_row(signal.embedding, row as usize, &mut scaled);
                let factor = f64::from(signal.factors[row as usize]);
                scaled[start..].iter_mut().for_each(|x| *x *= factor);
            }
        }
        Self { dim: problem.dim(), rows: scaled }
    }

    /// Similarity of the items at two positions.
    pub fn between(&self, i: usize, j: usize) -> f64 {
        let row = |position: usize| &self.rows[position * self.dim..(position + 1) * self.dim];
        f64::dot(row(i), row(j))
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;
    use crate::catalog::{Catalog, Embedding, EmbeddingData};
    use crate::config::Config;

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
    fn relevance_is_held_against_as_many_of_the_best() {
        let candidates = [0.5, 3.0, 1.0, 2.0];
        assert_relative_eq!(relevance_kept(&[2.0, 1.0], &candidates).unwrap(), 3.0 / 5.0);
        assert_relative_eq!(relevance_kept(&[3.0, 2.0], &candidates).unwrap(), 1.0);
        assert_relative_eq!(relevance_kept(&[0.5, 1.0, 2.0, 3.0], &candidates).unwrap(), 1.0);
    }

    #[test]
    fn a_ratio_of_nothing_is_no_ratio() {
        assert_eq!(relevance_kept(&[], &[1.0]), None);
        assert_eq!(relevance_kept(&[0.0], &[0.0, 0.0]), None);
        assert_eq!(relevance_kept(&[-2.0], &[-1.0, -2.0]), None);
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
    fn mean_distance_averages_over_pairs() {
        let by_hand = (0.2 + 0.8 + 1.0 + 0.6 + 0.4 + 1.5) / 6.0;
        assert_relative_eq!(mean_distance(4, similarity).unwrap(), by_hand);
    }

    #[test]
    fn one_item_has_no_distance() {
        for n in [0, 1] {
            assert_eq!(distance_to_before(n, 10, similarity), None);
            assert_eq!(mean_distance(n, similarity), None);
        }
        assert_eq!(distance_to_before(4, 0, similarity), None);
    }

    #[test]
    fn violations_are_pairs_within_the_window() {
        let members = [true, false, true, true, false, false, true];
        // At distance 1: (2, 3). At 2: (0, 2). At 3: (0, 3), (3, 6). At 4: (2, 6). At 6: (0, 6).
        let wanted = [0, 1, 2, 4, 5, 5, 6, 6];
        for (window, wanted) in wanted.into_iter().enumerate() {
            assert_eq!(spacing_violations(&members, window), wanted, "window {window}");
        }
        assert_eq!(spacing_violations(&[], 3), 0);
    }

    #[test]
    fn similarities_blend_unit_rows_by_weight() {
        let mut catalog = Catalog::new();
        let flat = |rows: [[f64; 2]; 3]| EmbeddingData::F64(rows.concat());
        catalog.add_signal(Embedding::new("a", 2, flat([[2.0, 0.0], [3.0, 4.0], [0.0, 0.0]]))).unwrap();
        catalog.add_signal(Embedding::new("b", 2, flat([[1.0, 0.0], [0.0, 5.0], [0.0, 1.0]]))).unwrap();
        let config =
            Config::from_toml("signal = [{ name = \"a\", weight = 3 }, { name = \"b\", weight = 1 }]").unwrap();
        let problem = Problem::new(&config, &catalog).unwrap();
        // Unit length is a factor in single precision.
        const SINGLE: f64 = 1e-7;
        let found = Similarities::new(&problem, &[2, 0, 1]);
        assert_relative_eq!(found.between(1, 2), 0.75 * 0.6, epsilon = SINGLE);
        assert_relative_eq!(found.between(0, 2), 0.25, epsilon = SINGLE);
        assert_relative_eq!(found.between(0, 1), 0.0);
        assert_relative_eq!(found.between(1, 1), 1.0, epsilon = SINGLE);
        // A zero row stays zero: this item is like itself in signal b alone.
        assert_relative_eq!(found.between(0, 0), 0.25, epsilon = SINGLE);
    }

    #[test]
    fn without_signals_nothing_is_alike() {
        let mut catalog = Catalog::new();
        catalog.add_signal(Embedding::new("a", 1, EmbeddingData::F32(vec![1.0, 1.0]))).unwrap();
        let config = Config::from_toml("strategy = \"relevance\"").unwrap();
        let problem = Problem::new(&config, &catalog).unwrap();
        assert_relative_eq!(Similarities::new(&problem, &[0, 1]).between(0, 1), 0.0);
    }
}
