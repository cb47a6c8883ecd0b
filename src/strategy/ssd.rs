//! Sliding spectrum decomposition as published (Huang et al. 2021, arXiv 2107.05204; SPEC 7).
//!
//! ```text
//! score_i = base_i + γ vol ‖residual of i's row after projecting out hist‖,   rows extended by a constant 1 (bias)
//! star: vol = 1         product: vol = volume that hist spans, the product of its items' residual norms
//! ```

use crate::config::{self, SsdEviction, SsdVariant};
use crate::real::{BESIDE, Real};
use crate::run::Slots;
use crate::stage::residual::{Eviction, Left, Residual};
use crate::strategy::Strategy;

/// State of the strategy for one slate.
#[derive(Debug)]
pub struct Ssd {
    gamma: f64,
    variant: SsdVariant,
    /// Added to every similarity: the product of the constants that extend the rows.
    bias: f64,
    residual: Residual,
    /// No item's squared distance is larger.
    most: f64,
    /// γ · vol.
    weight: f64,
}

impl Ssd {
    /// Nothing placed yet; no row, not yet extended, is longer than the root of `most`.
    pub fn new(config: &config::Ssd, most: f64) -> Self {
        let eviction = match config.eviction {
            SsdEviction::Exact => Eviction::Exact,
            SsdEviction::Paper => Eviction::Paper,
        };
        let bias = if config.bias { 1.0 } else { 0.0 };
        let residual = Residual::new(config.window, eviction);
        Self { gamma: config.gamma, variant: config.variant, bias, residual, most: most + bias, weight: config.gamma }
    }

    fn left<R: Real>(&mut self, slots: &mut Slots<R>, local: usize) -> Left {
        let (history, mut items) = slots.placed_items(self.bias);
        self.residual.left(local, history, &mut items)
    }
}

impl<R: Real> Strategy<R> for Ssd {
    fn reset(&mut self, slots: &Slots<R>) {
        let (slate, slate_size) = (slots.slate, slots.problem.config.slate_size);
        self.residual.reset(slate.rows.len(), slate.n_recent(), slate.n_positions(slate_size));
    }

    fn begin_position(&mut self, slots: &mut Slots<R>) {
        let (history, mut items) = slots.placed_items(self.bias);
        self.residual.begin_position(history, &mut items);
        let volume = match self.variant {
            SsdVariant::Star => 1.0,
            SsdVariant::Product => self.residual.volume(),
        };
        self.weight = self.gamma * volume;
    }

    fn most_diversity(&self) -> R {
        R::of(self.weight * self.most.sqrt())
    }

    fn diversity(&mut self, slots: &mut Slots<R>, local: usize) -> R {
        R::of(self.weight * self.left(slots, local).norm())
    }

    fn diversities(&mut self, slots: &mut Slots<R>, locals: [usize; BESIDE]) -> [R; BESIDE] {
        let (history, mut items) = slots.placed_items(self.bias);
        let left = self.residual.left_of_several(locals, history, &mut items);
        left.map(|left| R::of(self.weight * left.norm()))
    }

    fn groups_from(&self) -> Option<usize> {
        self.residual.goes_in_groups().then_some(0)
    }

    fn residual_over_floor(&mut self, slots: &mut Slots<R>, local: usize) -> f64 {
        self.left(slots, local).over_floor()
    }
}
