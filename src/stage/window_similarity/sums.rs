//! Sums of rows, and the similarity of items to them: what balance and `msd` add up.

use super::WindowSimilarity;
use crate::problem::Problem;
use crate::real::{LANES, Lanes, Real};

impl<R: Real> WindowSimilarity<R> {
    /// A sum of no rows.
    pub fn clear_sum(&self, sum: &mut Vec<Lanes<R>>) {
        sum.clear();
        sum.resize(self.row_length, Lanes([R::zero(); LANES]));
    }

    /// Adds an item's row, factors applied, to a running sum of rows begun by [`Self::clear_sum`].
    pub fn add_row(&mut self, problem: &Problem, catalog_rows: &[u32], local: usize, sum: &mut [Lanes<R>]) {
        let row = self.load(problem, catalog_rows, local);
        for (s, &(start, end)) in self.segments.iter().enumerate() {
            let factor = self.factors[row * self.segments.len() + s];
            for (total, piece) in sum[start..end].iter_mut().zip(&self.row(row)[start..end]) {
                total.0.iter_mut().zip(&piece.0).for_each(|(total, &x)| *total += factor * x);
            }
        }
    }

    /// Similarity of an item to a sum of rows built by [`Self::add_row`].
    pub fn against_sum(&mut self, problem: &Problem, catalog_rows: &[u32], local: usize, sum: &[Lanes<R>]) -> R {
        let row = self.load(problem, catalog_rows, local);
        self.n_summed += 1;
        let mut total = R::zero();
        for (s, &(start, end)) in self.segments.iter().enumerate() {
            let factor = self.factors[row * self.segments.len() + s];
            total += factor * R::dot(&self.row(row)[start..end], &sum[start..end]);
        }
        total
    }

    /// An item's row by signal: its first piece, the pieces, and the factor.
    pub fn signal_rows(
        &mut self,
        problem: &Problem,
        catalog_rows: &[u32],
        local: usize,
    ) -> impl Iterator<Item = (usize, &[Lanes<R>], f32)> + Clone {
        let row = self.load(problem, catalog_rows, local);
        let row = self.row(row);
        let factors = problem.signals.iter().map(move |signal| signal.factors[catalog_rows[local] as usize]);
        self.segments.iter().zip(factors).map(move |(&(start, end), factor)| (start, &row[start..end], factor))
    }

    /// Adds `times` an item's row, factors applied, to a running sum of rows in double precision.
    pub fn add_row_wide(
        &mut self,
        problem: &Problem,
        catalog_rows: &[u32],
        local: usize,
        times: f64,
        sum: &mut [Lanes<f64>],
    ) {
        let row = self.load(problem, catalog_rows, local);
        for (s, &(start, end)) in self.segments.iter().enumerate() {
            let factor = times * self.factors[row * self.segments.len() + s].to_f64();
            for (total, piece) in sum[start..end].iter_mut().zip(&self.row(row)[start..end]) {
                total.0.iter_mut().zip(&piece.0).for_each(|(total, &x)| *total += factor * x.to_f64());
            }
        }
    }

    /// Similarity of an item to a sum of rows built by [`Self::add_row_wide`].
    pub fn against_sum_wide(
        &mut self,
        problem: &Problem,
        catalog_rows: &[u32],
        local: usize,
        sum: &[Lanes<f64>],
    ) -> f64 {
        let row = self.load(problem, catalog_rows, local);
        self.n_summed += 1;
        let mut total = 0.0;
        for (s, &(start, end)) in self.segments.iter().enumerate() {
            let factor = self.factors[row * self.segments.len() + s].to_f64();
            total += factor * R::dot_with_wide(&self.row(row)[start..end], &sum[start..end]);
        }
        total
    }
}
