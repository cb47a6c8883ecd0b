//! A slate's items as strategies that project see them.

use crate::problem::Problem;
use crate::real::{BESIDE, LANES, Real};
use crate::stage::residual::{Items, Side};
use crate::stage::window_similarity::WindowSimilarity;

/// A slate's items in double precision.
pub struct ItemsWide<'a, R> {
    problem: &'a Problem<'a>,
    rows: &'a [u32],
    similarity: &'a mut WindowSimilarity<R>,
    bias: f64,
}

impl<'a, R: Real> ItemsWide<'a, R> {
    /// The items of a slate by its catalog rows, with a `bias` in every similarity.
    pub(super) fn new(
        problem: &'a Problem<'a>,
        rows: &'a [u32],
        similarity: &'a mut WindowSimilarity<R>,
        bias: f64,
    ) -> Self {
        Self { problem, rows, similarity, bias }
    }
}

impl<R: Real> Items for ItemsWide<'_, R> {
    fn similarities(&mut self, local: usize, others: &[u32]) -> [f64; BESIDE] {
        let similarities = self.similarity.between_several_wide(self.problem, self.rows, local, others);
        similarities.map(|similarity| similarity + self.bias)
    }

    fn row_length(&self) -> usize {
        LANES * self.similarity.row_length()
    }

    fn spread_row(&mut self, local: usize, lane: usize, sides: &mut [Side]) {
        self.similarity.spread_row(self.problem, self.rows, local, lane, sides);
    }

    fn bias(&self) -> f64 {
        self.bias
    }

    fn count(&mut self, n_pairs: usize) {
        self.similarity.count_compared(n_pairs);
    }
}
