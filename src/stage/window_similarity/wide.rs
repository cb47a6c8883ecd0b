//! Similarities and rows in double precision, from what is stored: for the solver and for strategies that project.

use super::WindowSimilarity;
use crate::catalog::EmbeddingData;
use crate::problem::{BoundSignal, Problem};
use crate::real::{BESIDE, LANES, Lanes, Real, dot_columns};
use crate::stage::residual::Side;

/// From so many others on, products side by side take less time than one after the other.
const FEW: usize = 3;

impl<R: Real> WindowSimilarity<R> {
    /// A signal's part of several rows.
    #[inline]
    fn segment_of(&self, rows: [usize; BESIDE], start: usize, end: usize) -> [&[Lanes<R>]; BESIDE] {
        let [a, b, c, d] = rows;
        [&self.row(a)[start..end], &self.row(b)[start..end], &self.row(c)[start..end], &self.row(d)[start..end]]
    }

    /// S of one item with each of a few others, [`BESIDE`] at most, as [`Self::between_wide`] gives them; what is beyond their number
    /// is of no meaning.
    #[inline]
    pub fn between_several_wide(
        &mut self,
        problem: &Problem,
        catalog_rows: &[u32],
        a: usize,
        others: &[u32],
    ) -> [f64; BESIDE] {
        let is_stored_wide = |signal: &BoundSignal| matches!(signal.embedding.data, EmbeddingData::F64(_));
        let mut sums = [0.0; BESIDE];
        if others.len() < FEW || problem.signals.iter().any(is_stored_wide) {
            for (sum, &other) in sums.iter_mut().zip(others) {
                *sum = self.between_wide(problem, catalog_rows, a, other as usize);
            }
            return sums;
        }
        self.n_compared += others.len() as u64;
        let own = self.load(problem, catalog_rows, a);
        let (mut rows, mut numbers) = ([own; BESIDE], [catalog_rows[a]; BESIDE]);
        for (i, &other) in others.iter().enumerate() {
            rows[i] = self.load(problem, catalog_rows, other as usize);
            numbers[i] = catalog_rows[other as usize];
        }
        for (signal, &(start, end)) in problem.signals.iter().zip(&self.segments) {
            let products = R::dots_wide(&self.row(own)[start..end], self.segment_of(rows, start, end));
            for i in 0..BESIDE {
                let factors = [catalog_rows[a], numbers[i]].map(|row| f64::from(signal.factors[row as usize]));
                sums[i] += factors[0] * factors[1] * products[i];
            }
        }
        sums
    }

    /// S of two items in double precision.
    pub fn between_wide(&mut self, problem: &Problem, catalog_rows: &[u32], a: usize, b: usize) -> f64 {
        self.n_compared += 1;
        let rows = [a, b].map(|local| catalog_rows[local] as usize);
        let (a, b) = (self.load(problem, catalog_rows, a), self.load(problem, catalog_rows, b));
        let (row_a, row_b) = (self.row(a), self.row(b));
        let signals = problem.signals.iter().zip(&self.segments);
        signals
            .map(|(signal, &(start, end))| {
                let factor = f64::from(signal.factors[rows[0]]) * f64::from(signal.factors[rows[1]]);
                let dim = signal.embedding.dim;
                factor
                    * match &signal.embedding.data {
                        EmbeddingData::F64(stored) => {
                            let [x, y] = rows.map(|row| &stored[row * dim..(row + 1) * dim]);
                            dot_columns(x, y)
                        }
                        _ => R::dot_wide(&row_a[start..end], &row_b[start..end]),
                    }
            })
            .sum()
    }

    /// An item's row in double precision and with factors applied.
    pub fn write_wide_row(&mut self, problem: &Problem, catalog_rows: &[u32], local: usize, out: &mut [f64]) {
        self.put_wide_row(problem, catalog_rows, local, out, |place| place);
    }

    /// Puts an item's row, in double precision and with factors applied, into one lane of `sides`: a value of each, signals in whole
    /// pieces.
    pub fn spread_row(
        &mut self,
        problem: &Problem,
        catalog_rows: &[u32],
        local: usize,
        lane: usize,
        sides: &mut [Side],
    ) {
        self.put_wide_row(problem, catalog_rows, local, sides, |side| &mut side.as_flattened_mut()[lane]);
    }

    /// Puts the values of a row where `place` says in each of `out`.
    #[inline(always)]
    fn put_wide_row<T>(
        &mut self,
        problem: &Problem,
        catalog_rows: &[u32],
        local: usize,
        out: &mut [T],
        place: impl Fn(&mut T) -> &mut f64,
    ) {
        let row = self.load(problem, catalog_rows, local);
        let row = self.row(row);
        let item = catalog_rows[local] as usize;
        for (signal, &(start, end)) in problem.signals.iter().zip(&self.segments) {
            let (out, dim) = (&mut out[start * LANES..end * LANES], signal.embedding.dim);
            let factor = f64::from(signal.factors[item]);
            if let EmbeddingData::F64(stored) = &signal.embedding.data {
                let stored = &stored[item * dim..(item + 1) * dim];
                out.iter_mut().zip(stored).for_each(|(out, &x)| *place(out) = factor * x);
                continue;
            }
            for (out, piece) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(&row[start..end]) {
                for (out, &x) in out.iter_mut().zip(&piece.0) {
                    *place(out) = factor * Real::to_f64(x);
                }
            }
        }
    }
}
