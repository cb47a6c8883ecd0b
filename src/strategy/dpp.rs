//! Greedy determinantal point process (Chen, Zhang, Zhou 2018; SPEC 7).
//!
//! ```text
//! score_i = 2θ base_i + ln max(v_i, 1e-6),   v_i = squared distance of i's row from the span of hist
//! ```
//! It is what item i adds to the log-determinant of the kernel e^{θ base} S e^{θ base}; in log space, so that no base score
//! is too large. The residual is kept apart from the base scores, and the oldest item leaves a window exactly.

use crate::config;
use crate::real::{BESIDE, Real};
use crate::run::Slots;
use crate::stage::residual::{Eviction, Residual};
use crate::stage::select::Bar;
use crate::strategy::{Strategy, Term};

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

    /// No logarithm of a smaller number comes out larger by more than this.
    fn slack<R: Real>(&self) -> R {
        R::of(LOGARITHM_SLACK * (1.0 + self.most.max(1.0 / FLOOR).ln())) * R::epsilon()
    }

    fn squared_distance<R: Real>(&mut self, slots: &mut Slots<R>, local: usize) -> f64 {
        let (history, mut similarities) = slots.placed_similarities_wide(0.0);
        self.residual.left(local, history, &mut similarities).squared_distance
    }
}

/// The diversity term of an item by its squared distance from the span of what is placed.
fn term<R: Real>(squared_distance: f64) -> R {
    R::of(squared_distance.max(FLOOR).ln())
}

impl<R: Real> Strategy<R> for Dpp {
    fn reset(&mut self, slots: &Slots<R>) {
        let (slate, slate_size) = (slots.slate, slots.problem.config.slate_size);
        self.residual.reset(slate.rows.len(), slate.n_recent(), slate.n_positions(slate_size));
    }

    fn begin_position(&mut self, slots: &mut Slots<R>) {
        let (history, mut similarities) = slots.placed_similarities_wide(0.0);
        self.residual.begin_position(history, &mut similarities);
    }

    fn base_weight(&self) -> R {
        R::of(2.0 * self.theta)
    }

    fn most_diversity(&self) -> R {
        R::of(self.most.max(FLOOR).ln())
    }

    fn diversity(&mut self, slots: &mut Slots<R>, local: usize) -> R {
        term(self.squared_distance(slots, local))
    }

    fn diversities(&mut self, slots: &mut Slots<R>, locals: [usize; BESIDE]) -> [R; BESIDE] {
        let (history, mut similarities) = slots.placed_similarities_wide(0.0);
        let left = self.residual.left_of_several(locals, history, &mut similarities);
        left.map(|left| term(left.squared_distance))
    }

    fn groups_from(&self) -> Option<usize> {
        self.residual.goes_in_groups().then_some(0)
    }

    fn diversity_unless_beaten(&mut self, slots: &mut Slots<R>, local: usize, bar: &Bar<R>) -> Term<R> {
        // Nearly the squared distance that the candidate needs; below the floor it cannot fall.
        let needed = bar.height().to_f64().exp();
        let enough = if needed > FLOOR { needed } else { f64::NEG_INFINITY };
        let (history, mut similarities) = slots.placed_similarities_wide(0.0);
        let (left, is_whole) = self.residual.left_down_to(enough, local, history, &mut similarities);
        if is_whole {
            return Term::Is(term(left.squared_distance));
        }
        let at_most = term::<R>(left.squared_distance) + self.slack();
        if bar.beats(at_most) {
            return Term::AtMost(at_most);
        }
        Term::Is(term(self.residual.left(local, history, &mut similarities).squared_distance))
    }

    fn growth(&mut self, growth: &mut Vec<R>, step: usize, _: usize) {
        if self.residual.only_shrinks() {
            growth.resize(step + 1, self.slack());
        }
    }

    fn residual_over_floor(&mut self, slots: &mut Slots<R>, local: usize) -> f64 {
        self.squared_distance(slots, local) / FLOOR
    }
}
