//! Maximal marginal relevance (Carbonell and Goldstein 1998; SPEC 7).
//!
//! ```text
//! score_i = λ base_i − (1 − λ) max_{j ∈ hist} max(S_ij, 0)
//! ```

use crate::config;
use crate::real::Real;
use crate::run::Slots;
use crate::stage::placed_similarity::{Fold, Folded, PlacedSimilarity};
use crate::stage::select::Bar;
use crate::strategy::{Strategy, Term};

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

    fn diversity(&mut self, slots: &mut Slots<R>, local: usize) -> R {
        self.diversity_unless_beaten(slots, local, &Bar::new(None, local, R::zero())).most()
    }

    fn diversity_unless_beaten(&mut self, slots: &mut Slots<R>, local: usize, bar: &Bar<R>) -> Term<R> {
        let fold = Fold { term: |s: R| s.max(R::zero()), combine: R::max };
        let weight = R::of(1.0 - self.lambda);
        let term = |largest: R| R::zero() - weight * largest;
        let (history, mut similarities) = slots.placed_similarities(local);
        // The largest of more is never smaller.
        match self.placed.fold(local, history, fold, &mut similarities, |largest| bar.beats(term(largest))) {
            Folded::Whole(largest) => Term::Is(term(largest)),
            Folded::InPart(largest) => Term::AtMost(term(largest)),
        }
    }

    fn terms_only_fall(&self) -> bool {
        // In a window, the nearest may leave.
        self.placed.is_running()
    }
}
