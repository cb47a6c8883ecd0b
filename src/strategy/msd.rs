//! Max-sum diversification (Borodin et al. 2012; SPEC 7).
//!
//! ```text
//! score_i = λ base_i + (1 − λ) Σ_{j ∈ hist} (1 − clip(S_ij, −1, 1))
//! ```

use crate::config;
use crate::real::{MostOfBlocks, Real};
use crate::run::Slots;
use crate::stage::placed_similarity::{Fold, Folded, PlacedSimilarity};
use crate::stage::placed_sum::PlacedSum;
use crate::strategy::{Looks, Strategy};

/// Similarities that are at most so much are not clipped: beyond 1, which is rounding of unit lengths, they would be by nothing
/// that counts.
const UNCLIPPED: f64 = 1.0 + 2e-6;

/// State of the strategy for one slate.
#[derive(Debug)]
pub struct Msd<R> {
    lambda: f64,
    distances: Distances<R>,
}

/// Σ_j (1 − clip(S_ij, −1, 1)).
#[derive(Debug)]
enum Distances<R> {
    /// Nothing is clipped: n − Σ_j S_ij.
    Sum(Box<PlacedSum<R>>),
    /// One similarity after the other.
    Fold { placed: PlacedSimilarity<R>, n_counted: usize },
}

impl<R: Real> Msd<R> {
    /// Nothing placed yet; no item's similarity to itself is more than `most_similarity`.
    pub fn new(config: &config::Msd, most_similarity: f64) -> Self {
        let distances = if most_similarity <= UNCLIPPED {
            Distances::Sum(Box::new(PlacedSum::new(config.window, most_similarity.sqrt())))
        } else {
            Distances::Fold { placed: PlacedSimilarity::new(config.window), n_counted: 0 }
        };
        Self { lambda: config.lambda, distances }
    }

    /// A diversity term from a sum of distances.
    fn term(&self, sum: R) -> R {
        R::of(1.0 - self.lambda) * sum
    }
}

/// 1 − clip(s, −1, 1), from 0 to 2.
fn distance<R: Real>(similarity: R) -> R {
    R::one() - similarity.max(-R::one()).min(R::one())
}

impl<R: Real> Strategy<R> for Msd<R> {
    fn reset(&mut self, slots: &Slots<R>) {
        match &mut self.distances {
            Distances::Sum(sum) => sum.reset(slots.slate.n_candidates()),
            Distances::Fold { placed, .. } => placed.reset(slots.slate.rows.len()),
        }
    }

    fn begin_position(&mut self, slots: &mut Slots<R>) {
        match &mut self.distances {
            Distances::Sum(sum) => sum.begin_position(slots),
            Distances::Fold { placed, n_counted } => *n_counted = placed.reach(slots.history.len()),
        }
    }

    fn base_weight(&self) -> R {
        R::of(self.lambda)
    }

    fn most_diversity(&self) -> R {
        let n_counted = match &self.distances {
            Distances::Sum(sum) => sum.n_counted(),
            Distances::Fold { n_counted, .. } => *n_counted,
        };
        // Sums may come out above 2 n by their rounding.
        self.term(R::of(2.001 * n_counted as f64))
    }

    fn diversity(&mut self, slots: &mut Slots<R>, local: usize) -> R {
        let sum = match &mut self.distances {
            Distances::Sum(sum) => R::of(sum.n_counted() as f64 - sum.of(slots, local)),
            Distances::Fold { placed, .. } => {
                let sum = Fold { term: distance, combine: |a: R, b| a + b };
                let (history, mut similarities) = slots.placed_similarities(local);
                match placed.fold(local, history, sum, &mut similarities, |_| false) {
                    Folded::Whole(sum) | Folded::InPart(sum) => sum,
                }
            }
        };
        self.term(sum)
    }

    fn bounds_blocks(&mut self) -> Option<Looks> {
        matches!(self.distances, Distances::Sum(_)).then_some(Looks::Together)
    }

    fn most_of_blocks(&mut self, slots: &mut Slots<R>, blocks: &[u32]) -> Option<MostOfBlocks<'_, R>> {
        let weight = self.term(R::one());
        let Distances::Sum(sum) = &mut self.distances else { return None };
        let n = sum.n_counted() as f32;
        // No difference from it is rounded by more.
        Some(MostOfBlocks { weight, most: n + 4.0 * f32::EPSILON * (n + 1.0), least: sum.least(slots, blocks) })
    }

    fn growth_since(&self, step: u32) -> R {
        let Distances::Sum(sum) = &self.distances else { return R::infinity() };
        let Some((lost, n_more)) = sum.loss_since(step) else { return R::infinity() };
        let rounding = 8.0 * R::epsilon().to_f64() * (1.0 + sum.n_counted() as f64);
        self.term(R::of(n_more + lost + rounding))
    }
}
