//! Maximal marginal relevance (Carbonell and Goldstein 1998; SPEC 7).
//!
//! ```text
//! score_i = λ base_i − (1 − λ) max_{j ∈ hist} max(S_ij, 0)
//! ```

use crate::config;
use crate::real::Real;
use crate::run::Slots;
use crate::stage::placed_similarity::{Fold, PlacedSimilarity};
use crate::strategy::Strategy;

/// State of the strategy for one slate.
#[derive(Debug)]
pub struct Mmr<R> {
    lambda: f64,
    placed: PlacedSimilarity<R>,
}

impl<R: Real> Mmr<R> {
    /// Nothing placed yet.
    pub fn new(config: &config::Mmr) -> Self {
        Self { lambda: config.lambda, placed: PlacedSimilarity::new(config.window) }
    }
}

impl<R: Real> Strategy<R> for Mmr<R> {
    fn reset(&mut self, slots: &Slots<R>) {
        self.placed.reset(slots.slate.rows.len());
    }

    fn base_weight(&self) -> R {
        R::of(self.lambda)
    }

    fn lasting_bound(&self, diversity: R) -> Option<R> {
        // The largest of more is never smaller; in a window, the nearest may leave.
        self.placed.is_running().then_some(diversity)
    }

    fn diversity(&mut self, slots: &mut Slots<R>, local: usize) -> R {
        let largest = Fold { term: |s: R| s.max(R::zero()), combine: R::max };
        let (history, mut similarity) = slots.placed_similarity();
        R::zero()
            - R::of(1.0 - self.lambda) * self.placed.fold(local, history, largest, |placed| similarity(local, placed))
    }
}
