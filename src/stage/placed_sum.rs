//! Similarities of a slate's items to the placed ones, added up: those to the sum of the placed rows.
//!
//! ```text
//! Σ_{j counted} S_ij = ⟨x_i, p_t⟩,   p_t = Σ_{j counted} x_j
//! ⟨x_i, p_t⟩ ≥ ⟨x_i, p_s⟩ − ‖x_i‖ ‖p_t − p_s‖        Cauchy–Schwarz: what a sum can have lost since position s
//! ```
//! One product of rows, however many items were placed since an item was last looked at, and a rough one from a [`sketch`](super::sketch)
//! first. It has no shader of its own: on a GPU sums are folded as [`placed_similarity`](super::placed_similarity) does it.

use crate::real::{BLOCK, LANES, Lanes, Real};
use crate::run::Slots;
use crate::stage::sketch::{Query, Sketch};

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
    /// Placed items that counted, and the step, by position.
    n_counted: Vec<usize>,
    steps: Vec<u32>,
    sketch: Sketch,
    /// p_t, and the positions that had begun when it was asked for.
    query: Query,
    asked_at: usize,
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
            steps: Vec::new(),
            sketch: Sketch::default(),
            query: Query::default(),
            asked_at: 0,
        }
    }

    /// Forgets the last slate; there are `n_candidates`.
    pub fn reset(&mut self, n_candidates: usize) {
        self.n_placed = 0;
        self.asked_at = 0;
        self.sketch.reset(n_candidates);
        self.total.clear();
        self.sums.clear();
        self.squared_lengths.clear();
        self.n_counted.clear();
        self.steps.clear();
    }

    /// Takes in what was placed since the last position.
    pub fn begin_position(&mut self, slots: &mut Slots<R>) {
        if self.steps.last() == Some(&slots.step) {
            return;
        }
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
        self.steps.push(slots.step);
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

    /// What the sums of the candidates of some blocks of ranks are no smaller than.
    pub fn least(&mut self, slots: &mut Slots<R>, blocks: &[u32]) -> &[[f32; BLOCK]] {
        if self.asked_at != self.n_counted.len() {
            self.query.set(&self.total, self.longest);
            self.asked_at = self.n_counted.len();
        }
        self.sketch.least(slots, blocks, &self.query)
    }

    /// How much less than at the position of an earlier step any item's sum can be now, rounding included, and how many more items
    /// count; none where no position began at that step.
    pub fn loss_since(&self, step: u32) -> Option<(f64, f64)> {
        let position = self.steps.binary_search(&step).ok()?;
        let row_length = self.total.len();
        let sum_of = |position: usize| &self.sums[position * row_length..][..row_length];
        let current = self.n_counted.len() - 1;
        let product = R::dot(sum_of(position), sum_of(current)).to_f64();
        let [before, now] = [position, current].map(|position| self.squared_lengths[position]);
        // Longest chain of additions in a product of rows, generously.
        let rounding = (row_length + 16) as f64 * R::epsilon().to_f64();
        let squared_distance = (now + before - 2.0 * product).max(0.0) + rounding * (now + before);
        let lost = squared_distance.sqrt() + rounding * (now.sqrt() + before.sqrt());
        Some((self.longest * lost, self.n_counted[current] as f64 - self.n_counted[position] as f64))
    }
}

#[cfg(test)]
mod tests;
