//! How much of the relevance a slate kept.

/// Share of the relevance that a slate kept: Σ base of the slate / Σ of as many of the best bases.
///
/// `slate` has the base scores of the items placed, `candidates` those of all candidates in any order. The best possible
/// value is 1. Scores of any sign count as they are. `None` where the best sum is not positive, as it can be with z-scores:
/// a ratio says nothing there.
///
/// Source: score retention, Σ r(new) / Σ r(top T), the usual way of stating what variety costs.
pub fn relevance_kept(slate: &[f64], candidates: &[f64]) -> Option<f64> {
    let mut best = candidates.to_vec();
    best.sort_by(|a, b| b.total_cmp(a));
    let best: f64 = best.iter().take(slate.len()).sum();
    (best > 0.0).then(|| slate.iter().sum::<f64>() / best)
}

/// nDCG@k: relevance kept, where earlier positions count more.
///
/// `DCG = Σ_{t < k} max(base_t, 0) / log2(t + 2)` over positions t = 0, 1, …, divided by that of the best order of the
/// candidates over as many positions. 0 to 1. A base score below 0 gains nothing. `None` where no candidate gains anything,
/// or k is 0.
///
/// `slate` and `candidates` as in [`relevance_kept`].
///
/// Source: Järvelin & Kekäläinen, TOIS 2002, with linear gain.
pub fn ndcg(slate: &[f64], candidates: &[f64], k: usize) -> Option<f64> {
    let mut best = candidates.to_vec();
    best.sort_by(|a, b| b.total_cmp(a));
    best.truncate(slate.len());
    let best = discounted(best.iter().take(k).copied());
    (best > 0.0).then(|| discounted(slate.iter().take(k).copied()) / best)
}

/// Σ max(gain, 0) / log2(t + 2).
pub(super) fn discounted(gains: impl Iterator<Item = f64>) -> f64 {
    gains.zip(2_u32..).map(|(gain, place)| gain.max(0.0) / f64::from(place).log2()).sum()
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn relevance_is_held_against_as_many_of_the_best() {
        let candidates = [0.5, 3.0, 1.0, 2.0];
        assert_relative_eq!(relevance_kept(&[2.0, 1.0], &candidates).unwrap(), 3.0 / 5.0);
        assert_relative_eq!(relevance_kept(&[3.0, 2.0], &candidates).unwrap(), 1.0);
        assert_relative_eq!(relevance_kept(&[0.5, 1.0, 2.0, 3.0], &candidates).unwrap(), 1.0);
        // Negative scores count: (3 − 1) / (3 + 2).
        assert_relative_eq!(relevance_kept(&[3.0, -1.0], &[-1.0, 3.0, 2.0]).unwrap(), 0.4);
    }

    #[test]
    fn a_ratio_of_nothing_is_no_ratio() {
        assert_eq!(relevance_kept(&[], &[1.0]), None);
        assert_eq!(relevance_kept(&[0.0], &[0.0, 0.0]), None);
        assert_eq!(relevance_kept(&[-2.0], &[-1.0, -2.0]), None);
        assert_eq!(ndcg(&[], &[1.0], 3), None);
        assert_eq!(ndcg(&[1.0], &[1.0], 0), None);
        assert_eq!(ndcg(&[-1.0], &[-1.0, -2.0], 3), None);
    }

    #[test]
    fn ndcg_counts_early_positions_more() {
        let candidates = [1.0, 3.0, 2.0];
        // 1/log2(2) = 1, 1/log2(3) = 0.63093, 1/log2(4) = 0.5. Ideal: 3 + 2·0.63093 + 1·0.5 = 4.76186.
        // Order 2, 3, 1: 2 + 3·0.63093 + 0.5 = 4.39279.
        assert_relative_eq!(ndcg(&[2.0, 3.0, 1.0], &candidates, 10).unwrap(), 4.39279 / 4.76186, epsilon = 1e-5);
        // Cut at 2: (2 + 1.89279) / (3 + 1.26186).
        assert_relative_eq!(ndcg(&[2.0, 3.0, 1.0], &candidates, 2).unwrap(), 3.89279 / 4.26186, epsilon = 1e-5);
        // Two positions filled: the ideal has two as well.
        assert_relative_eq!(ndcg(&[3.0, 2.0], &candidates, 10).unwrap(), 1.0);
        // A negative score gains nothing: (0 + 3·0.63093) / (3 + 2·0.63093).
        assert_relative_eq!(ndcg(&[-1.0, 3.0], &[3.0, 2.0, -1.0], 2).unwrap(), 1.89279 / 4.26186, epsilon = 1e-5);
    }
}
