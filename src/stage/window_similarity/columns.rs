//! Similarities of all candidates to the window's slots, a column per slot: for positions at which everybody is looked at, where
//! one item entered the window and many candidates are handled side by side.

use super::WindowSimilarity;
use crate::problem::Problem;
use crate::real::{LANES, Real};
use crate::stage::window::Window;

impl<R: Real> WindowSimilarity<R> {
    /// Brings the columns up to date for candidates that are not out. Entries of who is out, of empty slots and beyond the number
    /// of candidates are numbers without a meaning.
    pub fn refresh_columns(
        &mut self,
        problem: &Problem,
        catalog_rows: &[u32],
        window: &Window,
        step: u32,
        is_out: &[bool],
    ) {
        self.column_stride = is_out.len().next_multiple_of(LANES);
        self.columns.resize(self.column_stride * self.n_slots, R::zero());
        let since = std::mem::replace(&mut self.columns_refreshed, step);
        if window.entered_since(since).next().is_some() {
            self.list(problem, catalog_rows, (0..is_out.len() as u32).filter(|&rank| !is_out[rank as usize]));
        }
        let (mut products, mut values) = (std::mem::take(&mut self.products), std::mem::take(&mut self.values));
        products.resize(self.listed.len(), R::zero());
        for slot in window.entered_since(since) {
            let own = self.load(problem, catalog_rows, window.items[slot] as usize);
            self.n_compared += self.listed.len() as u64;
            values.clear();
            values.resize(self.listed.len(), R::zero());
            self.add_similarities(own, &self.listed_rows, &mut products, &mut values);
            let column = &mut self.columns[slot * self.column_stride..][..self.column_stride];
            for (&rank, &value) in self.listed.iter().zip(&values) {
                column[rank as usize] = value;
            }
        }
        (self.products, self.values) = (products, values);
    }

    /// Lists items that one row is to be compared with.
    fn list(&mut self, problem: &Problem, catalog_rows: &[u32], locals: impl Iterator<Item = u32>) {
        self.listed.clear();
        self.listed.extend(locals);
        self.listed_rows.clear();
        for i in 0..self.listed.len() {
            let row = self.load(problem, catalog_rows, self.listed[i] as usize);
            self.listed_rows.push(row as u32);
        }
    }

    /// The columns, and their length.
    pub fn columns(&self) -> (&[R], usize) {
        (&self.columns, self.column_stride)
    }
}
