//! How a slate spreads over the categories of its candidates.
//!
//! Categories are small numbers, one per position; [`NO_VALUE`] is an item without one. What is said of "all categories" is
//! said of those that occur among the slate's candidates: a slate cannot show others.

use std::collections::HashMap;

use super::relevance::discounted;
use crate::problem::NO_VALUE;

/// How often each category stands in a slate, ascending; items without one are left out.
fn counts(slate: &[u32]) -> Vec<usize> {
    let mut sorted: Vec<u32> = slate.iter().copied().filter(|&category| category != NO_VALUE).collect();
    sorted.sort_unstable();
    let mut counts: Vec<usize> = sorted.chunk_by(|a, b| a == b).map(<[u32]>::len).collect();
    counts.sort_unstable();
    counts
}

/// Category entropy `−Σ_c p_c ln p_c`, in nats, p_c the share of category c among the slate's items that have one.
///
/// 0 where all are of one category; its exponential is the number of categories that an even spread would need for the same
/// value. `None` where no item has a category.
///
/// Source: Shannon entropy, as used by Qin & Zhu, IJCAI 2013, among many.
pub fn category_entropy(slate: &[u32]) -> Option<f64> {
    let counts = counts(slate);
    let n: usize = counts.iter().sum();
    (n > 0).then(|| {
        let share = |count: &usize| *count as f64 / n as f64;
        counts.iter().map(share).map(|p| -p * p.ln()).sum::<f64>().max(0.0)
    })
}

/// Category coverage: categories in the slate / `n_categories` among its candidates. 0 to 1, and below 1 where the slate has
/// fewer positions than there are categories. `None` where no candidate has a category.
///
/// Source: subtopic recall (Zhai, Cohen & Lafferty, SIGIR 2003).
pub fn category_coverage(slate: &[u32], n_categories: usize) -> Option<f64> {
    (n_categories > 0).then(|| counts(slate).len() as f64 / n_categories as f64)
}

/// Gini coefficient of the positions that the categories got: 0 where all got as many, towards 1 where one got them all.
///
/// `G = Σ_i (2i − m − 1) x_i / (m Σ x)`, x the counts in ascending order, i = 1 … m, over the m = `n_categories` of the
/// candidates, those that got none included. `None` where no item of the slate has a category.
///
/// Source: Gini index of exposure (Fleder & Hosanagar, Management Science 2009), over the categories of one slate.
pub fn category_gini(slate: &[u32], n_categories: usize) -> Option<f64> {
    let counts = counts(slate);
    let m = n_categories.max(counts.len());
    let n: usize = counts.iter().sum();
    // Categories without a position come first and add nothing.
    let first = m - counts.len() + 1;
    let sum: f64 = counts.iter().zip(first..).map(|(&x, i)| (2.0 * i as f64 - m as f64 - 1.0) * x as f64).sum();
    (n > 0).then(|| sum / (m as f64 * n as f64))
}

/// α-nDCG@k: nDCG where every further item of a category gains (1 − α) times as much as the one before.
///
/// The gain of position t is `max(base_t, 0) · (1 − α)^c`, c = items of its category at earlier positions; gains are
/// discounted and divided by the best that the candidates allow over as many positions, as in [`ndcg`](super::ndcg). With one
/// category per item that best is exact: the k largest of all gains. An item without a category is in a category of its own.
/// 0 to 1; `None` as for nDCG.
///
/// `slate` and `candidates` are (base, category) pairs, candidates in any order.
///
/// Source: Clarke et al., SIGIR 2008, with the base score as graded relevance.
pub fn alpha_ndcg(slate: &[(f64, u32)], candidates: &[(f64, u32)], alpha: f64, k: usize) -> Option<f64> {
    alpha_ndcg_of(slate, &best_gains(candidates, alpha), alpha, k)
}

/// All gains that candidates allow, largest first.
pub(crate) fn best_gains(candidates: &[(f64, u32)], alpha: f64) -> Vec<f64> {
    let mut sorted = candidates.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut gains = decayed_gains(&sorted, alpha);
    gains.sort_by(|a, b| b.total_cmp(a));
    gains
}

/// α-nDCG@k with the [`best_gains`] of the candidates, which are the same whoever ranks them.
pub(crate) fn alpha_ndcg_of(slate: &[(f64, u32)], best_gains: &[f64], alpha: f64, k: usize) -> Option<f64> {
    let best = discounted(best_gains.iter().copied().take(k.min(slate.len())));
    (best > 0.0).then(|| discounted(decayed_gains(slate, alpha).into_iter().take(k)) / best)
}

fn decayed_gains(items: &[(f64, u32)], alpha: f64) -> Vec<f64> {
    let mut before: HashMap<u32, i32> = HashMap::new();
    let gain = |&(base, category): &(f64, u32)| {
        if category == NO_VALUE {
            return base.max(0.0);
        }
        let seen = before.entry(category).or_insert(0);
        let gain = base.max(0.0) * (1.0 - alpha).powi(*seen);
        *seen += 1;
        gain
    };
    items.iter().map(gain).collect()
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn entropy_is_that_of_the_shares() {
        // Shares 1/2, 1/4, 1/4: 0.5 ln 2 + 2 · 0.25 ln 4 = 1.5 ln 2. The item without a category does not count.
        let slate = [3, 3, 5, 9, NO_VALUE];
        assert_relative_eq!(category_entropy(&slate).unwrap(), 1.5 * 2_f64.ln(), epsilon = 1e-12);
        assert_eq!(category_entropy(&[4, 4]), Some(0.0));
        assert_eq!(category_entropy(&[NO_VALUE]), None);
        assert_eq!(category_entropy(&[]), None);
    }

    #[test]
    fn coverage_is_a_share_of_the_candidates_categories() {
        assert_relative_eq!(category_coverage(&[3, 3, 5, NO_VALUE], 5).unwrap(), 0.4);
        assert_eq!(category_coverage(&[NO_VALUE], 2), Some(0.0));
        assert_eq!(category_coverage(&[], 0), None);
    }

    #[test]
    fn gini_measures_uneven_positions() {
        assert_relative_eq!(category_gini(&[1, 2, 3], 3).unwrap(), 0.0);
        // Counts 0, 1, 3: (−2·0 + 0·1 + 2·3) / (3·4) = 0.5.
        assert_relative_eq!(category_gini(&[7, 7, 7, 8], 3).unwrap(), 0.5);
        // All in one of four: 1 − 1/4.
        assert_relative_eq!(category_gini(&[7, 7], 4).unwrap(), 0.75);
        assert_eq!(category_gini(&[NO_VALUE], 4), None);
    }

    #[test]
    fn alpha_ndcg_lets_repeated_categories_fade() {
        let candidates = [(1.0, 1), (1.0, 1), (0.8, 2), (0.5, NO_VALUE)];
        // α = 0.5. Ideal gains: 1 (category 1), 0.8 (2), 0.5 (second of 1), 0.5 (none): best order as listed by size.
        // Discounts 1, 0.63093, 0.5. Best of three: 1 + 0.8·0.63093 + 0.5·0.5 = 1.754744.
        // Slate 1, 1, 2: 1 + 0.5·0.63093 + 0.8·0.5 = 1.715465.
        let slate = [(1.0, 1), (1.0, 1), (0.8, 2)];
        let found = alpha_ndcg(&slate, &candidates, 0.5, 3).unwrap();
        assert_relative_eq!(found, 1.715465 / 1.754744, epsilon = 1e-5);
        let best = [(1.0, 1), (0.8, 2), (0.5, NO_VALUE)];
        assert_relative_eq!(alpha_ndcg(&best, &candidates, 0.5, 3).unwrap(), 1.0, epsilon = 1e-12);
        // Without α it is nDCG.
        let plain = alpha_ndcg(&slate, &candidates, 0.0, 3).unwrap();
        assert_relative_eq!(plain, 1.0, epsilon = 1e-12);
        assert_eq!(alpha_ndcg(&[], &candidates, 0.5, 3), None);
        assert_eq!(alpha_ndcg(&[(-1.0, 1)], &[(-1.0, 1)], 0.5, 3), None);
    }
}
