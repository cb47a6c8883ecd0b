//! Similarities between a slate's items and the items in the window's slots.
//!
//! Each item keeps a row of similarities, one per slot, and the step at which the row was last brought up to date.
//! Only slots whose item entered since then are computed, and only for items that are looked at: an item the scan
//! never reaches costs nothing.

mod ahead;
mod columns;
mod sums;
mod wide;

use self::ahead::Ahead;
use crate::catalog::Embedding;
use crate::problem::Problem;
use crate::real::{AT_ONCE, BESIDE, LANES, Lanes, Real};
use crate::stage::eigensolve::column_length;
use crate::stage::window::{EMPTY, Window};

/// Rows that memory is asked for ahead of the one that is read.
const ROWS_AHEAD: usize = 8;

/// Rows of a slate's items, read from the catalog when first needed, and their similarities to the window.
#[derive(Debug)]
pub struct WindowSimilarity<R> {
    /// Length of a row in pieces.
    row_length: usize,
    /// (start, end) of each signal inside a row, in pieces.
    segments: Vec<(usize, usize)>,
    /// Offset of an item's row in `rows`, in rows; [`EMPTY`] where not yet read.
    row_index: Vec<u32>,
    rows: Vec<Lanes<R>>,
    /// One factor per signal for each row read.
    factors: Vec<R>,
    n_slots: usize,
    /// `[local][slot]`.
    similarity: Vec<R>,
    /// Step of the last refresh per item; 0 = never.
    refreshed: Vec<u32>,
    /// `[slot][column_stride]`: similarities of all candidates, where all are looked at at every position.
    columns: Vec<R>,
    /// Length of a column.
    column_stride: usize,
    /// Step of the columns' last refresh; 0 = never.
    columns_refreshed: u32,
    /// Items that one row is compared with at once, their rows, and the products: as `list` has left them.
    listed: Vec<u32>,
    listed_rows: Vec<u32>,
    products: Vec<R>,
    /// Similarities to the listed items.
    values: Vec<R>,
    /// Who enters soon, where that is known.
    ahead: Ahead,
    /// Slots that a slot is compared with.
    others: Vec<u32>,
    /// Similarities computed since the buffers were created.
    n_compared: u64,
    /// Similarities to sums of rows computed since then.
    n_summed: u64,
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
                end += signal.embedding.dim.div_ceil(LANES);
                (start, end)
            })
            .collect();
        Self {
            row_length: end,
            segments,
            row_index: Vec::new(),
            rows: Vec::new(),
            factors: Vec::new(),
            n_slots: 0,
            similarity: Vec::new(),
            refreshed: Vec::new(),
            columns: Vec::new(),
            column_stride: 0,
            columns_refreshed: 0,
            listed: Vec::new(),
            listed_rows: Vec::new(),
            products: Vec::new(),
            values: Vec::new(),
            ahead: Ahead::default(),
            others: Vec::new(),
            n_compared: 0,
            n_summed: 0,
        }
    }

    /// Pairs of items compared since the buffers were created.
    pub fn n_compared(&self) -> u64 {
        self.n_compared
    }

    /// Items compared with sums of rows since the buffers were created.
    pub fn n_summed(&self) -> u64 {
        self.n_summed
    }

    /// Counts pairs of items that were compared elsewhere.
    pub fn count_compared(&mut self, n: usize) {
        self.n_compared += n as u64;
    }

    /// Counts items that were compared with a sum of rows elsewhere.
    pub fn count_summed(&mut self, n: usize) {
        self.n_summed += n as u64;
    }

    /// Forgets everything and makes room for `n_local` items and `n_slots` slots; `looks_ahead` is for [`Self::gram_ahead`].
    pub fn reset(&mut self, n_local: usize, n_slots: usize, looks_ahead: bool) {
        self.n_slots = n_slots;
        self.row_index.clear();
        self.row_index.resize(n_local, EMPTY);
        self.rows.clear();
        self.factors.clear();
        self.similarity.resize(n_local * n_slots, R::zero());
        self.refreshed.clear();
        self.refreshed.resize(n_local, 0);
        self.columns.clear();
        self.columns_refreshed = 0;
        if looks_ahead {
            self.ahead.reset(n_slots, self.row_length * LANES);
        }
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
        self.expect(problem, catalog_rows, local + ROWS_AHEAD);
    }

    /// Says that the first rows will be read soon: candidates are looked at by rank, more or less.
    pub fn expect_first(&self, problem: &Problem, catalog_rows: &[u32]) {
        for local in 0..ROWS_AHEAD {
            self.expect(problem, catalog_rows, local);
        }
    }

    fn expect(&self, problem: &Problem, catalog_rows: &[u32], local: usize) {
        if let Some(&row) = catalog_rows.get(local) {
            problem.signals.iter().for_each(|signal| signal.embedding.expect(row as usize));
        }
    }

    #[inline]
    fn row(&self, index: usize) -> &[Lanes<R>] {
        &self.rows[index * self.row_length..][..self.row_length]
    }

    /// S of a row with a few others, [`AT_ONCE`] at most; what is beyond their number is of no meaning.
    #[inline]
    fn compare(&mut self, own: usize, others: &[u32]) -> [R; AT_ONCE] {
        self.n_compared += others.len() as u64;
        let (mut sums, mut products) = ([R::zero(); AT_ONCE], [R::zero(); AT_ONCE]);
        self.add_similarities(own, others, &mut products[..others.len()], &mut sums[..others.len()]);
        sums
    }

    /// Adds S of a row with others to `sums`; `products` is room for those of one signal.
    #[inline(always)]
    fn add_similarities(&self, own: usize, others: &[u32], products: &mut [R], sums: &mut [R]) {
        let n_signals = self.segments.len();
        for (signal, &(start, end)) in self.segments.iter().enumerate() {
            let row = &self.row(own)[start..end];
            R::products(row, &self.rows[start..], self.row_length, others, products);
            let own_factor = self.factors[own * n_signals + signal];
            for ((sum, &other), &product) in sums.iter_mut().zip(others).zip(&*products) {
                // The product of the factors comes first, so that S_ab and S_ba are the same number.
                *sum += own_factor * self.factors[other as usize * n_signals + signal] * product;
            }
        }
    }

    /// S of one item with each of a few others, [`AT_ONCE`] at most; what is beyond their number is of no meaning.
    #[inline]
    pub fn between_several(
        &mut self,
        problem: &Problem,
        catalog_rows: &[u32],
        a: usize,
        others: &[u32],
    ) -> [R; AT_ONCE] {
        let own = self.load(problem, catalog_rows, a);
        let mut rows = [0; AT_ONCE];
        for (row, &other) in rows.iter_mut().zip(others) {
            *row = self.load(problem, catalog_rows, other as usize) as u32;
        }
        self.compare(own, &rows[..others.len()])
    }

    /// Brings the similarities of one item up to date with the window and returns them, one per slot.
    /// Entries of empty slots are stale and must not be read.
    #[inline]
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
            let (mut slots, mut rows, mut n) = ([0; AT_ONCE], [0; AT_ONCE], 0);
            for slot in window.entered_since(last) {
                (slots[n], rows[n]) = (slot, self.load(problem, catalog_rows, window.items[slot] as usize) as u32);
                n += 1;
                if n == AT_ONCE {
                    self.enter(local, row, &slots, &rows);
                    n = 0;
                }
            }
            self.enter(local, row, &slots[..n], &rows[..n]);
            self.refreshed[local] = step;
        }
        &self.similarity[range]
    }

    /// Similarities of an item to the items in some slots, whose rows are known.
    #[inline]
    fn enter(&mut self, local: usize, row: usize, slots: &[usize], rows: &[u32]) {
        let values = self.compare(row, rows);
        for (&slot, value) in slots.iter().zip(values) {
            self.similarity[local * self.n_slots + slot] = value;
        }
    }

    /// Brings the similarities of several items up to date: side by side where one slot is all that is new to each of them.
    pub fn refresh_several(
        &mut self,
        problem: &Problem,
        catalog_rows: &[u32],
        window: &Window,
        step: u32,
        locals: [usize; BESIDE],
    ) {
        let last = self.refreshed[locals[0]];
        let mut entered = window.entered_since(last);
        let (first, second) = (entered.next(), entered.next());
        match (first, second) {
            (Some(slot), None) if locals.iter().all(|&local| self.refreshed[local] == last) => {
                let items = locals.map(|local| local as u32);
                let values = self.between_several(problem, catalog_rows, window.items[slot] as usize, &items);
                for (local, value) in locals.into_iter().zip(values) {
                    self.similarity[local * self.n_slots + slot] = value;
                    self.refreshed[local] = step;
                }
            }
            _ => {
                for local in locals {
                    self.refresh(problem, catalog_rows, window, step, local);
                }
            }
        }
    }

    /// Brings the window's similarity matrix S_W (a row per slot, as long as the eigensolver's columns; zero in rows and
    /// columns of empty slots) up to date, in double precision: only slots that are empty or changed after the step
    /// `since` are touched.
    pub fn gram(&mut self, problem: &Problem, catalog_rows: &[u32], window: &Window, since: u32, gram: &mut [f64]) {
        let n = self.n_slots;
        let length = column_length(n);
        let is_new = |slot: usize| window.entered[slot] > since;
        let mut others = std::mem::take(&mut self.others);
        for a in 0..n {
            let is_empty = window.items[a] == EMPTY;
            if !is_empty && !is_new(a) {
                continue;
            }
            others.clear();
            for b in 0..n {
                if is_empty || window.items[b] == EMPTY {
                    gram[a * length + b] = 0.0;
                    gram[b * length + a] = 0.0;
                } else if b >= a || !is_new(b) {
                    // Two that entered are compared once, from the first of them: S_ab and S_ba are the same number.
                    others.push(b as u32);
                }
            }
            for slots in others.chunks(BESIDE) {
                let mut items = [0; BESIDE];
                items.iter_mut().zip(slots).for_each(|(item, &slot)| *item = window.items[slot as usize]);
                let items = &items[..slots.len()];
                let values = self.between_several_wide(problem, catalog_rows, window.items[a] as usize, items);
                for (&b, value) in slots.iter().zip(values) {
                    gram[a * length + b as usize] = value;
                    gram[b as usize * length + a] = value;
                }
            }
        }
        self.others = others;
    }

    /// Pieces in a row, all signals together.
    pub fn row_length(&self) -> usize {
        self.row_length
    }
}
