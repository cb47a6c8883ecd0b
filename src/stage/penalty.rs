//! The penalties every strategy can carry: soft spacing, Semantic IDs, balance (SPEC 5). All are 0 or more.

use crate::problem::{BoundSemanticId, Problem};
use crate::real::Real;

/// The part of the penalties that depends on the position alone.
#[derive(Debug, Default)]
pub struct Penalty<R> {
    /// Per rule: strength · Σ_d g(d) m_{t−d}.
    pub spacing_load: Vec<R>,
}

impl<R: Real> Penalty<R> {
    /// Sums the spacing kernels over the placed items, newest last. Rules that do not apply weigh nothing.
    pub fn begin(
        &mut self,
        problem: &Problem,
        active_rules: u32,
        placed_rows: impl DoubleEndedIterator<Item = u32> + Clone,
    ) {
        self.spacing_load.clear();
        for (r, rule) in problem.spacing.iter().enumerate() {
            let mut load = R::zero();
            if active_rules & (1 << r) != 0 {
                for (&weight, row) in rule.weights.iter().zip(placed_rows.clone().rev()) {
                    load += R::of(weight) * R::of(rule.membership[row as usize]);
                }
            }
            self.spacing_load.push(R::of(rule.strength) * load);
        }
    }

    /// Spacing penalty of an item: Σ_rules m_i · load.
    pub fn spacing(&self, problem: &Problem, row: u32) -> R {
        let rules = problem.spacing.iter().zip(&self.spacing_load);
        rules.fold(R::zero(), |sum, (rule, &load)| sum + R::of(rule.membership[row as usize]) * load)
    }
}

/// Semantic-ID penalty of an item against the placed items, newest last.
pub fn semantic<R: Real>(rule: &BoundSemanticId, row: u32, placed_rows: impl DoubleEndedIterator<Item = u32>) -> R {
    let sum = rule.weights.iter().zip(placed_rows.rev()).fold(R::zero(), |sum, (&weight, placed)| {
        let agreement = shared_prefix(codes(rule, row), codes(rule, placed));
        sum + R::of(weight) * R::of(rule.prefix_penalty[agreement])
    });
    R::of(rule.strength) * sum
}

fn codes<'a>(rule: &BoundSemanticId<'a>, row: u32) -> &'a [u32] {
    &rule.codes[row as usize * rule.n_levels..(row as usize + 1) * rule.n_levels]
}

/// Number of leading codes that agree; a code 0 is missing and ends the prefix.
pub fn shared_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y && **x != 0).count()
}

/// Balance penalty from the summed similarity to `n_placed` items.
pub fn balance<R: Real>(strength: f64, similarity_sum: R, n_placed: usize) -> R {
    if n_placed == 0 {
        return R::zero();
    }
    R::of(strength) * (similarity_sum / R::of(n_placed as f64)).max(R::zero())
}

#[cfg(test)]
mod tests {
    use super::shared_prefix;

    #[test]
    fn a_zero_ends_the_prefix() {
        assert_eq!(shared_prefix(&[3, 2, 1], &[3, 2, 5]), 2);
        assert_eq!(shared_prefix(&[3, 0, 1], &[3, 0, 1]), 1);
        assert_eq!(shared_prefix(&[0, 2], &[0, 2]), 0);
        assert_eq!(shared_prefix(&[4, 2], &[4, 2]), 2);
    }
}
