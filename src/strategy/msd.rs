//! Max-sum diversification (Borodin et al. 2012; SPEC 7).
//!
//! ```text
//! score_i = λ base_i + (1 − λ) Σ_{j ∈ hist} (1 − clip(S_ij, −1, 1))
//! ```

use crate::config;
use crate::real::Real;
use crate::run::Slots;
use crate::stage::placed_similarity::{Fold, PlacedSimilarity};
use crate::strategy::Strategy;

/// State of the strategy for one slate.
#[derive(Debug)]
pub struct Msd<R> {
    lambda: f64,
    placed: PlacedSimilarity<R>,
    /// Placed items that count at this position.
    n_counted: usize,
}

impl<R: Real> Msd<R> {
    /// Nothing placed yet.
    pub fn new(config: &config::Msd) -> Self {
        Self { lambda: config.lambda, placed: PlacedSimilarity::new(config.window), n_counted: 0 }
    }
}

/// 1 − clip(s, −1, 1), from 0 to 2.
fn distance<R: Real>(similarity: R) -> R {
    R::one() - similarity.max(-R::one()).min(R::one())
}

impl<R: Real> Strategy<R> for Msd<R> {
    fn reset(&mut self, slots: &Slots<R>) {
        self.placed.reset(slots.slate.rows.len());
    }

    fn begin_position(&mut self, slots: &mut Slots<R>) {
        self.n_counted = self.placed.reach(slots.history.len());
    }

    fn base_weight(&self) -> R {
        R::of(self.lambda)
    }

    fn most_diversity(&self) -> R {
        R::of(1.0 - self.lambda) * R::of(2.0 * self.n_counted as f64)
    }

    fn diversity(&mut self, slots: &mut Slots<R>, local: usize) -> R {
        let sum = Fold { term: distance, combine: |a: R, b| a + b };
        let (history, mut similarity) = slots.placed_similarity();
        R::of(1.0 - self.lambda) * self.placed.fold(local, history, sum, |placed| similarity(local, placed))
    }
}
