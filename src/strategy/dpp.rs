//! Greedy determinantal point process (Chen, Zhang, Zhou 2018; SPEC 7).
//!
//! ```text
//! score_i = 2θ base_i + ln max(v_i, 1e-6),   v_i = squared distance of i's row from the span of hist
//! ```
//! It is what item i adds to the log-determinant of the kernel e^{θ base} S e^{θ base}; in log space, so that no base score
//! is too large. The residual is kept apart from the base scores, and the oldest item leaves a window exactly.

use crate::config;
use crate::real::{BESIDE, BLOCK, MostOfBlocks, Real};
use crate::run::Slots;
use crate::stage::residual::{Eviction, Residual};
use crate::strategy::{Looks, Strategy};

/// No squared distance counts as less than this, or an item in the span would be worth −∞ (SPEC 7).
pub const FLOOR: f64 = 1e-6;
/// Added to what is nearly a logarithm: more than it is off by, and more than a logarithm is rounded by in single precision.
const LOGARITHM_SLACK: f32 = 2e-4;

/// State of the strategy for one slate.
#[derive(Debug)]
pub struct Dpp {
    theta: f64,
    residual: Residual,
    /// No item's squared distance is larger.
    most: f64,
    /// Of blocks that are looked at: minus what terms are at most.
    least: Vec<[f32; BLOCK]>,
}

impl Dpp {
    /// Nothing placed yet; no row is longer than the root of `most`.
    pub fn new(config: &config::Dpp, most: f64) -> Self {
        Self { theta: config.theta, residual: Residual::new(config.window, Eviction::Exact), most, least: Vec::new() }
    }

    fn squared_distance<R: Real>(&mut self, slots: &mut Slots<R>, local: usize) -> f64 {
        let (history, mut items) = slots.placed_items(0.0);
        self.residual.left(local, history, &mut items).squared_distance
    }
}

/// The diversity term of an item by its squared distance from the span of what is placed.
fn term<R: Real>(squared_distance: f64) -> R {
    R::of(squared_distance.max(FLOOR).ln())
}

/// The least number that is sure to be no less than the diversity term of an item, in few steps: the logarithm's series in the fraction
/// of the number, whose power of two is in its bits.
#[inline]
fn most_logarithm(squared_distance: f64) -> f32 {
    let distance = (squared_distance as f32).max(FLOOR as f32);
    // A number from √½ to √2, and the power of two that it is to be multiplied by.
    let bits = distance.to_bits().wrapping_add(0x3f80_0000 - std::f32::consts::FRAC_1_SQRT_2.to_bits());
    let power = (bits >> 23) as f32 - 127.0;
    let fraction = f32::from_bits((bits & 0x007f_ffff) + std::f32::consts::FRAC_1_SQRT_2.to_bits());
    // ln x = 2 artanh((x − 1) / (x + 1)).
    let t = (fraction - 1.0) / (fraction + 1.0);
    let series = 2.0 * t * (1.0 + t * t * (1.0 / 3.0 + t * t * (1.0 / 5.0)));
    power * std::f32::consts::LN_2 + series + LOGARITHM_SLACK
}

impl<R: Real> Strategy<R> for Dpp {
    fn reset(&mut self, slots: &Slots<R>) {
        let (slate, slate_size) = (slots.slate, slots.problem.config.slate_size);
        self.residual.reset(slate.rows.len(), slate.n_recent(), slate.n_positions(slate_size));
    }

    fn begin_position(&mut self, slots: &mut Slots<R>) {
        let (history, mut items) = slots.placed_items(0.0);
        self.residual.begin_position(history, &mut items);
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
        let (history, mut items) = slots.placed_items(0.0);
        let left = self.residual.left_of_several(locals, history, &mut items);
        left.map(|left| term(left.squared_distance))
    }

    fn groups_from(&self) -> Option<usize> {
        self.residual.goes_in_groups().then_some(0)
    }

    fn bounds_blocks(&mut self) -> Option<Looks> {
        // A look takes what was placed since the last one out of all of a block.
        self.residual.span().map(|_| Looks::OneByOne)
    }

    fn most_of_blocks(&mut self, slots: &mut Slots<R>, blocks: &[u32]) -> Option<MostOfBlocks<'_, R>> {
        let (_, mut items) = slots.placed_items(0.0);
        let span = self.residual.span()?;
        self.least.clear();
        for &block in blocks {
            let distances = span.squared_distances(block as usize, &mut items).as_flattened();
            self.least.push(std::array::from_fn(|lane| -most_logarithm(distances[lane])));
        }
        Some(MostOfBlocks { weight: R::one(), most: 0.0, least: &self.least })
    }

    fn growth_since(&self, _: u32) -> R {
        // What is left only shrinks, and bounds are above the logarithms by more than those are rounded by.
        R::zero()
    }

    fn residual_over_floor(&mut self, slots: &mut Slots<R>, local: usize) -> f64 {
        self.squared_distance(slots, local) / FLOOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearly_a_logarithm_is_above_it_and_near() {
        let distances = (0..200_000).map(|i| 1e-9 * 1.0002_f64.powi(i));
        for distance in distances.chain([0.0, FLOOR, -1e-12, 1.0, 0.5, 2.0, 1e12]) {
            let (most, exact) = (most_logarithm(distance), term::<f32>(distance));
            let slack = LOGARITHM_SLACK + 8.0 * f32::EPSILON * exact.abs();
            assert!(most > exact + LOGARITHM_SLACK / 4.0 && most < exact + 2.0 * slack, "{distance}: {most} {exact}");
        }
    }
}
