//! Similarities between a slate's items and the items in the window's slots.
//!
//! Each item keeps a row of similarities, one per slot, and the step at which the row was last brought up to date.
//! Only slots whose item entered since then are computed, and only for items that are looked at: an item the scan
//! never reaches costs nothing.

use crate::catalog::{Embedding, EmbeddingData};
use crate::problem::Problem;
use crate::real::Real;
use crate::stage::eigensolve::column_length;
use crate::stage::window::{EMPTY, Window};

/// Rows of a slate's items, read from the catalog when first needed, and their similarities to the window.
#[derive(Debug)]
pub struct WindowSimilarity<R> {
    dim: usize,
    /// (start, end) of each signal inside a row.
    segments: Vec<(usize, usize)>,
    /// Offset of an item's row in `rows`, in rows; [`EMPTY`] where not yet read.
    row_index: Vec<u32>,
    rows: Vec<R>,
    /// One factor per signal for each row read.
    factors: Vec<R>,
    n_slots: usize,
    /// `[local][slot]`.
    similarity: Vec<R>,
    /// Step of the last refresh per item; 0 = never.
    refreshed: Vec<u32>,
    /// Similarities computed since the buffers were created.
    n_compared: u64,
}

impl<R: Real> WindowSimilarity<R> {
    /// Buffers for the signals of `problem`.
    pub fn new(problem: &Problem) -> Self {
        let mut end = 0;
        let segments = problem
            .signals
            .iter()
            .map(|signal| {
                let start = end;
                end += signal.embedding.dim;
                (start, end)
            })
            .collect();
        Self {
            dim: end,
            segments,
            row_index: Vec::new(),
            rows: Vec::new(),
            factors: Vec::new(),
            n_slots: 0,
            similarity: Vec::new(),
            refreshed: Vec::new(),
            n_compared: 0,
        }
    }

    /// Pairs of items compared since the buffers were created.
    pub fn n_compared(&self) -> u64 {
        self.n_compared
    }

    /// Forgets everything and makes room for `n_local` items and `n_slots` slots.
    pub fn reset(&mut self, n_local: usize, n_slots: usize) {
        self.n_slots = n_slots;
        self.row_index.clear();
        self.row_index.resize(n_local, EMPTY);
        self.rows.clear();
        self.factors.clear();
        self.similarity.resize(n_local * n_slots, R::zero());
        self.refreshed.clear();
        self.refreshed.resize(n_local, 0);
    }

    #[inline]
    fn load(&mut self, problem: &Problem, catalog_rows: &[u32], local: usize) -> usize {
        if self.row_index[local] == EMPTY {
            self.read(problem, catalog_rows, local);
        }
        self.row_index[local] as usize
    }

    // Once per item: apart from what runs for every pair.
    #[cold]
    fn read(&mut self, problem: &Problem, catalog_rows: &[u32], local: usize) {
        self.row_index[local] = (self.factors.len() / self.segments.len().max(1)) as u32;
        let row = catalog_rows[local] as usize;
        for signal in &problem.signals {
            let embedding: &Embedding = signal.embedding;
            R::append_row(embedding, row, &mut self.rows);
            self.factors.push(R::of(f64::from(signal.factors[row])));
        }
    }

    #[inline]
    fn pair(&mut self, a: usize, b: usize) -> R {
        self.n_compared += 1;
        let row_a = &self.rows[a * self.dim..][..self.dim];
        let row_b = &self.rows[b * self.dim..][..self.dim];
        // The product of the factors comes first, so that S_ab and S_ba are the same number.
        if self.segments.len() == 1 {
            return self.factors[a] * self.factors[b] * R::dot(row_a, row_b);
        }
        let n_signals = self.segments.len();
        let mut sum = R::zero();
        for (s, &(start, end)) in self.segments.iter().enumerate() {
            let factor = self.factors[a * n_signals + s] * self.factors[b * n_signals + s];
            sum += factor * R::dot(&row_a[start..end], &row_b[start..end]);
        }
        sum
    }

    /// S of two items.
    pub fn between(&mut self, problem: &Problem, catalog_rows: &[u32], a: usize, b: usize) -> R {
        let (a, b) = (self.load(problem, catalog_rows, a), self.load(problem, catalog_rows, b));
        self.pair(a, b)
    }

    /// Brings the similarities of one item up to date with the window and returns them, one per slot.
    /// Entries of empty slots are stale and must not be read.
    pub fn refresh(
        &mut self,
        problem: &Problem,
        catalog_rows: &[u32],
        window: &Window,
        step: u32,
        local: usize,
    ) -> &[R] {
        let range = local * self.n_slots..(local + 1) * self.n_slots;
        let last = self.refreshed[local];
        if last < step {
            let row = self.load(problem, catalog_rows, local);
            for slot in window.entered_since(last) {
                let other = self.load(problem, catalog_rows, window.items[slot] as usize);
                self.similarity[range.start + slot] = self.pair(row, other);
            }
            self.refreshed[local] = step;
        }
        &self.similarity[range]
    }

    /// Brings the window's similarity matrix S_W (a row per slot, as long as the eigensolver's columns; zero in rows and
    /// columns of empty slots) up to date, in double precision: only slots that are empty or changed after the step
    /// `since` are touched.
    pub fn gram(&mut self, problem: &Problem, catalog_rows: &[u32], window: &Window, since: u32, gram: &mut [f64]) {
        let n = self.n_slots;
        let length = column_length(n);
        for a in 0..n {
            let is_empty = window.items[a] == EMPTY;
            if !is_empty && window.entered[a] <= since {
                continue;
            }
            for b in 0..n {
                // Two that entered are compared once, from the first of them: S_ab and S_ba are the same number.
                if b < a && !is_empty && window.items[b] != EMPTY && window.entered[b] > since {
                    continue;
                }
                let value = if is_empty || window.items[b] == EMPTY {
                    0.0
                } else {
                    self.between_wide(problem, catalog_rows, window.items[a] as usize, window.items[b] as usize)
                };
                gram[a * length + b] = value;
                gram[b * length + a] = value;
            }
        }
    }

    /// S of two items in double precision.
    pub fn between_wide(&mut self, problem: &Problem, catalog_rows: &[u32], a: usize, b: usize) -> f64 {
        self.n_compared += 1;
        let rows = [a, b].map(|local| catalog_rows[local] as usize);
        let (a, b) = (self.load(problem, catalog_rows, a), self.load(problem, catalog_rows, b));
        let (row_a, row_b) =
            (&self.rows[a * self.dim..(a + 1) * self.dim], &self.rows[b * self.dim..(b + 1) * self.dim]);
        let signals = problem.signals.iter().zip(&self.segments);
        signals
            .map(|(signal, &(start, end))| {
                let factor = f64::from(signal.factors[rows[0]]) * f64::from(signal.factors[rows[1]]);
                let dim = signal.embedding.dim;
                factor
                    * match &signal.embedding.data {
                        EmbeddingData::F64(stored) => {
                            let [x, y] = rows.map(|row| &stored[row * dim..(row + 1) * dim]);
                            f64::dot(x, y)
                        }
                        _ => R::dot_wide(&row_a[start..end], &row_b[start..end]),
                    }
            })
            .sum()
    }

    /// Adds an item's row, factors applied, to a running sum of rows (for the balance penalty).
    pub fn add_row(&mut self, problem: &Problem, catalog_rows: &[u32], local: usize, sum: &mut [R]) {
        let row = self.load(problem, catalog_rows, local);
        for (s, &(start, end)) in self.segments.iter().enumerate() {
            let factor = self.factors[row * self.segments.len() + s];
            let values = &self.rows[row * self.dim + start..row * self.dim + end];
            for (total, &x) in sum[start..end].iter_mut().zip(values) {
                *total += factor * x;
            }
        }
    }

    /// Similarity of an item to a sum of rows built by [`Self::add_row`].
    pub fn against_sum(&mut self, problem: &Problem, catalog_rows: &[u32], local: usize, sum: &[R]) -> R {
        let row = self.load(problem, catalog_rows, local);
        let mut total = R::zero();
        for (s, &(start, end)) in self.segments.iter().enumerate() {
            let factor = self.factors[row * self.segments.len() + s];
            total += factor * R::dot(&self.rows[row * self.dim + start..row * self.dim + end], &sum[start..end]);
        }
        total
    }
}
