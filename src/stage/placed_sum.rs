//! Similarities of a slate's items to the placed ones, added up: those to the sum of the placed rows.
//!
//! ```text
//! Σ_{j counted} S_ij = ⟨x_i, p_t⟩,   p_t = Σ_{j counted} x_j
//! ⟨x_i, p_t⟩ ≥ ⟨x_i, p_s⟩ − ‖x_i‖ ‖p_t − p_s‖        Cauchy–Schwarz: what a sum can have lost since position s
//! ```
//! One product of rows, however many items were placed since an item was last looked at. It has no shader of its own: on a
//! GPU sums are folded as [`placed_similarity`](super::placed_similarity) does it.

use crate::real::{LANES, Lanes, Real};
use crate::run::Slots;

/// The sums of what was placed, position by position.
#[derive(Debug)]
pub struct PlacedSum<R> {
    /// Placed items that count, 0 = all.
    window: usize,
    /// No row is longer.
    longest: f64,
    /// Placed items taken in.
    n_placed: usize,
    /// p_t in double precision: what leaves a window leaves nothing behind that counts.
    total: Vec<Lanes<f64>>,
    /// p_s of every position, the last one's at the end.
    sums: Vec<Lanes<R>>,
    squared_lengths: Vec<f64>,
    /// Placed items that counted, by position.
    n_counted: Vec<usize>,
    /// Positions, and products of this one's sum with theirs.
    numbers: Vec<u32>,
    products: Vec<R>,
}

impl<R: Real> PlacedSum<R> {
    /// Counts the last `window` placed items, 0 for all; no row is longer than `longest`.
    pub fn new(window: usize, longest: f64) -> Self {
        Self {
            window,
            longest,
            n_placed: 0,
            total: Vec::new(),
            sums: Vec::new(),
            squared_lengths: Vec::new(),
            n_counted: Vec::new(),
            numbers: Vec::new(),
            products: Vec::new(),
        }
    }

    /// Forgets the last slate.
    pub fn reset(&mut self) {
        self.n_placed = 0;
        self.total.clear();
        self.sums.clear();
        self.squared_lengths.clear();
        self.n_counted.clear();
    }

    /// Takes in what was placed since the last position.
    pub fn begin_position(&mut self, slots: &mut Slots<R>) {
        let Slots { problem, slate, history, similarity, .. } = slots;
        self.total.resize(similarity.row_length(), Lanes([0.0; LANES]));
        for n in self.n_placed..history.len() {
            similarity.add_row_wide(problem, &slate.rows, history[n] as usize, 1.0, &mut self.total);
            if self.window > 0 && n >= self.window {
                let gone = history[n - self.window] as usize;
                similarity.add_row_wide(problem, &slate.rows, gone, -1.0, &mut self.total);
            }
        }
        self.n_placed = history.len();
        self.sums.extend(self.total.iter().map(|piece| Lanes(piece.0.map(R::of))));
        self.squared_lengths.push(f64::dot(&self.total, &self.total));
        self.n_counted.push(if self.window == 0 { self.n_placed } else { self.n_placed.min(self.window) });
    }

    /// Placed items that count at this position.
    pub fn n_counted(&self) -> usize {
        self.n_counted.last().copied().unwrap_or(0)
    }

    /// The sum of an item's similarities to what counts, in double precision: where items are all alike it is nearly their number,
    /// and what sets them apart is what is missing.
    pub fn of(&self, slots: &mut Slots<R>, local: usize) -> f64 {
        let Slots { problem, slate, similarity, .. } = slots;
        similarity.against_sum_wide(problem, &slate.rows, local, &self.total)
    }

    /// The sums of many items, up to [`Self::rounding`].
    pub fn roughly(&self, slots: &mut Slots<R>, locals: &[u32], sums: &mut [R]) {
        let Slots { problem, slate, similarity, .. } = slots;
        similarity.many_against_sum(problem, &slate.rows, locals, self.current(), sums);
    }

    /// No rough sum is off by more than this.
    pub fn rounding(&self) -> f64 {
        self.unit() * self.longest * self.squared_lengths.last().copied().unwrap_or(0.0).sqrt()
    }

    /// Longest chain of additions in a product of rows, generously, in units of rounding.
    fn unit(&self) -> f64 {
        (self.row_length() + 16) as f64 * R::epsilon().to_f64()
    }

    /// Pieces in a row.
    fn row_length(&self) -> usize {
        self.total.len()
    }

    fn current(&self) -> &[Lanes<R>] {
        &self.sums[self.sums.len() - self.row_length()..]
    }

    /// For every position s from the first to this one: how much less than at s any item's sum can be now, rounding included, and
    /// how many more items count.
    pub fn losses(&mut self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let n_positions = self.n_counted.len();
        self.numbers.extend(self.numbers.len() as u32..n_positions as u32);
        self.products.resize(n_positions, R::zero());
        let current = &self.sums[self.sums.len() - self.total.len()..];
        R::products(current, &self.sums, self.total.len(), &self.numbers[..n_positions], &mut self.products);
        let (rounding, now) = (self.unit(), self.squared_lengths.last().copied().unwrap_or(0.0));
        let (n_counted, longest) = (self.n_counted(), self.longest);
        let positions = self.squared_lengths.iter().zip(&self.n_counted).zip(&self.products);
        positions.map(move |((&before, &n_before), &product)| {
            let squared_distance = (now + before - 2.0 * product.to_f64()).max(0.0) + rounding * (now + before);
            let lost = squared_distance.sqrt() + rounding * (now.sqrt() + before.sqrt());
            (longest * lost, n_counted as f64 - n_before as f64)
        })
    }
}

#[cfg(test)]
mod tests;
