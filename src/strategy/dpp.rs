//! Greedy determinantal point process (Chen, Zhang, Zhou 2018; SPEC 7).
//!
//! ```text
//! score_i = 2θ base_i + ln max(v_i, 1e-6),   v_i = squared distance of i's row from the span of hist
//! ```
//! It is what item i adds to the log-determinant of the kernel e^{θ base} S e^{θ base}; in log space, so that no base score
//! is too large. The residual is kept apart from the base scores, and the oldest item leaves a window exactly.

use crate::config;
use crate::real::Real;
use crate::run::Slots;
use crate::stage::residual::{Eviction, Residual};
use crate::strategy::Strategy;

/// No squared distance counts as less than this, or an item in the span would be worth −∞ (SPEC 7).
pub const FLOOR: f64 = 1e-6;
/// Units of rounding, above those of a logarithm: no library promises that it never falls where its argument grows.
const LOGARITHM_SLACK: f64 = 4.0;

/// State of the strategy for one slate.
#[derive(Debug)]
pub struct Dpp {
    theta: f64,
    residual: Residual,
    /// No item's squared distance is larger.
    most: f64,
}

impl Dpp {
    /// Nothing placed yet; no row is longer than the root of `most`.
    pub fn new(config: &config::Dpp, most: f64) -> Self {
        Self { theta: config.theta, residual: Residual::new(config.window, Eviction::Exact), most }
    }

    fn squared_distance<R: Real>(&mut self, slots: &mut Slots<R>, local: usize) -> f64 {
        let (history, mut similarity) = slots.placed_similarity_wide(0.0);
        self.residual.left(local, history, &mut similarity).squared_distance
    }
}

impl<R: Real> Strategy<R> for Dpp {
    fn reset(&mut self, slots: &Slots<R>) {
        let (slate, slate_size) = (slots.slate, slots.problem.config.slate_size);
        self.residual.reset(slate.rows.len(), slate.n_recent(), slate.n_positions(slate_size));
    }

    fn begin_position(&mut self, slots: &mut Slots<R>) {
        let (history, mut similarity) = slots.placed_similarity_wide(0.0);
        self.residual.begin_position(history, &mut similarity);
    }

    fn base_weight(&self) -> R {
        R::of(2.0 * self.theta)
    }

    fn most_diversity(&self) -> R {
        R::of(self.most.max(FLOOR).ln())
    }

    fn diversity(&mut self, slots: &mut Slots<R>, local: usize) -> R {
        R::of(self.squared_distance(slots, local).max(FLOOR).ln())
    }

    fn lasting_bound(&self, diversity: R) -> Option<R> {
        let slack = R::of(LOGARITHM_SLACK) * R::epsilon() * (R::one() + diversity.abs());
        self.residual.only_shrinks().then(|| diversity + slack)
    }

    fn residual_over_floor(&mut self, slots: &mut Slots<R>, local: usize) -> f64 {
        self.squared_distance(slots, local) / FLOOR
    }
}
